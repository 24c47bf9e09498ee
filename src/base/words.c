/* The names of the words all rooms speak, and the little that goes with them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "zhiliu/event.h"
#include "zhiliu/position.h"
#include "zhiliu/slate.h"
#include "zhiliu/status.h"

static const char *const type_names[ZL_N_EVENT_TYPES] = {
    "impression", "watch",          "like",   "coin",         "favorite", "comment",  "share",
    "follow",     "not_interested", "report", "course_click", "enroll",   "purchase", "refund",
};

static const char *const reason_names[ZL_N_REASONS] = {
    "none",          "too_large",       "bad_utf8",     "bad_json",     "not_object",
    "duplicate_key", "missing_field",   "bad_type",     "out_of_range", "not_finite",
    "unknown_type",  "unknown_version", "key_mismatch", "future_time",  "bad_features",
};

static const char *const outcome_names[ZL_N_OUTCOMES] = {"learned", "counted", "duplicate",
                                                         "rejected", "table_full"};

const char *zl_event_type_name(enum zl_event_type type)
{
    return type_names[type];
}

const char *zl_reason_name(enum zl_reason reason)
{
    return reason_names[reason];
}

const char *zl_outcome_name(enum zl_outcome outcome)
{
    return outcome_names[outcome];
}

const char *zl_topic_name(enum zl_topic topic)
{
    static const char *const names[ZL_N_TOPICS] = {"events", "items", "controls"};
    return names[topic];
}

const char *zl_item_status_name(enum zl_item_status status)
{
    static const char *const names[] = {"approved", "pending", "blocked", "removed"};
    return names[status];
}

int zl_event_type_of(struct zl_span name)
{
    for (int i = 0; i < ZL_N_EVENT_TYPES; i++)
        if (zl_span_is(name, type_names[i]))
            return i;
    return -1;
}

int zl_reason_of(struct zl_span name)
{
    for (int i = 1; i < ZL_N_REASONS; i++)
        if (zl_span_is(name, reason_names[i]))
            return i;
    return -1;
}

enum zl_status zl_fail(struct zl_error *err, enum zl_status st, const char *fmt, ...)
{
    if (err) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, args);
        va_end(args);
    }
    return st;
}

int zl_exit_code(enum zl_status st)
{
    switch (st) {
    case ZL_OK:
    case ZL_END: return 0;
    case ZL_EUSAGE: return 64;
    case ZL_EBADDATA: return 65;
    case ZL_ENOENT: return 66;
    case ZL_EUNREACHABLE: return 69;
    case ZL_EIO: return 74;
    case ZL_ECONFIG: return 78;
    case ZL_EINTERRUPTED: return 130;
    case ZL_EAGAIN:
    case ZL_EFULL:
    case ZL_EINTERNAL: break;
    }
    return 70;
}

static int position_compare(const struct zl_position *p, enum zl_topic topic, int32_t partition)
{
    if (p->topic != topic)
        return p->topic < topic ? -1 : 1;
    return (p->partition > partition) - (p->partition < partition);
}

static int position_lower_bound(const struct zl_positions *p, enum zl_topic topic,
                                int32_t partition)
{
    int lo = 0, hi = p->n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (position_compare(&p->at[mid], topic, partition) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct zl_position *zl_positions_find(struct zl_positions *p, enum zl_topic topic,
                                      int32_t partition)
{
    int i = position_lower_bound(p, topic, partition);
    return i < p->n && position_compare(&p->at[i], topic, partition) == 0 ? &p->at[i] : NULL;
}

struct zl_position *zl_positions_get(struct zl_positions *p, enum zl_topic topic, int32_t partition)
{
    int i = position_lower_bound(p, topic, partition);
    if (i < p->n && position_compare(&p->at[i], topic, partition) == 0)
        return &p->at[i];
    if (p->n == ZL_MAX_PARTITIONS)
        return NULL;
    memmove(&p->at[i + 1], &p->at[i], (size_t)(p->n - i) * sizeof p->at[0]);
    p->at[i] = (struct zl_position){.topic = topic, .partition = partition, .next = -1};
    p->n++;
    return &p->at[i];
}

void zl_version_format(const struct zl_version *v, char out[ZL_VERSION_LEN + 1])
{
    snprintf(out, ZL_VERSION_LEN + 1, "%08x%016llx%016llx", v->incarnation,
             (unsigned long long)v->position, (unsigned long long)v->epoch);
}
