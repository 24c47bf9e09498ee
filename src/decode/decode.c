/* A raw message becomes records and rejects.
 *
 * The message is copied behind itself with some padding (simdjson reads a little past the end) and then goes one of three
 * ways by its shape: one document; an array, parsed at once and walked over; lines, parsed one by one. Only when an array does
 * not parse is it cut by its commas and each piece parsed alone, so that one bad element does not take the others along.
 * Refused pieces are shown as they came: cut out of the source's bytes, which the source lends as long as the batch. */
#include "decode/decode.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "decode/cut.h"
#include "decode/json.h"
#include "decode/leap.h"
#include "decode/records.h"
#include "decode/statistics.h"

/* A decoder keeps one batch. The cutter remembers where the newest decode_element() ended, so that refusing every element of an
 * array costs one walk over it, not one each. */
struct decode {
    struct decode_config cfg;
    struct json *json;
    struct arena arena;
    struct records records;
    int64_t clock_ms, begin_clock_ms; /* of a file: now, and where this batch began */
    bool leaps;                       /* a ts of this batch is far ahead: decode_settle_clock() */

    struct statistics_scratch statistics;
    char *padded;
    size_t padded_capacity;

    struct zl_event *events;
    struct zl_item *items;
    struct zl_control *controls;
    struct zl_reject *rejects;
    size_t n_events, n_items, n_controls, n_rejects;
    size_t max_events, max_items, max_controls, max_rejects;

    struct {
        struct zl_span value, element;
        struct cutter cutter;
        int32_t next; /* index of the element that the cutter will give */
    } cut;
};

/* What an element needs to know of its message. */
struct job {
    const struct decode_message *m;
    uint32_t message;
    struct zl_span text; /* padded copy of the trimmed message */
    bool array;
};

enum zl_status decode_open(const struct decode_config *cfg, struct decode **out,
                           struct zl_error *err)
{
    *out = NULL;
    if (cfg->max_bytes < 1 || cfg->max_bytes > DECODE_MAX_BYTES)
        return zl_fail(err, ZL_ECONFIG, "decode.max_bytes is %lld: it must be 1..%lld",
                       (long long)cfg->max_bytes, (long long)DECODE_MAX_BYTES);
    struct decode *d = xcalloc(1, sizeof *d);
    d->cfg = *cfg;
    d->json = decode_json_open();
    arena_init(&d->arena);
    decode_records_init(&d->records, &d->cfg, d->json, &d->arena);
    *out = d;
    return ZL_OK;
}

void decode_close(struct decode *d)
{
    if (!d)
        return;
    decode_records_release(&d->records);
    decode_statistics_scratch_release(&d->statistics);
    arena_release(&d->arena);
    decode_json_close(d->json);
    free(d->padded);
    free(d->events);
    free(d->items);
    free(d->controls);
    free(d->rejects);
    free(d);
}

void decode_begin(struct decode *d)
{
    arena_clear(&d->arena);
    d->n_events = d->n_items = d->n_controls = d->n_rejects = 0;
    d->cut.value = (struct zl_span){0};
    d->begin_clock_ms = d->clock_ms;
    d->leaps = false;
}

void decode_set_clock(struct decode *d, int64_t log_ms)
{
    d->clock_ms = log_ms;
}

/* One more zeroed record at the end of an array that doubles. */
static void *add(void *array, size_t *n, size_t *capacity, size_t size)
{
    void **at = array;
    if (*n == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 64;
        *at = xrealloc(*at, *capacity, size);
    }
    return memset((char *)*at + (*n)++ * size, 0, size);
}

static struct zl_origin origin_of(const struct decode *d, const struct job *job, int32_t index)
{
    const struct decode_message *m = job->m;
    return (struct zl_origin){
        .topic = m->topic,
        .partition = m->partition,
        .offset = m->offset,
        .index = index,
        .log_ms = m->log_ms < 0 ? d->clock_ms : m->log_ms,
        .sent_ms = m->sent_ms,
    };
}

static void reject(struct decode *d, const struct job *job, int32_t index, struct zl_span value,
                   const struct refusal *r)
{
    struct zl_reject *out = add(&d->rejects, &d->n_rejects, &d->max_rejects, sizeof *out);
    out->from = origin_of(d, job, index);
    out->reason = r->reason;
    memcpy(out->detail, r->detail, sizeof out->detail);
    if (job->m->has_key)
        out->key = job->m->key;
    out->value = value;
    out->message = job->message;
}

static void reject_whole(struct decode *d, const struct job *job, const struct refusal *r)
{
    reject(d, job, 0, job->m->value, r);
}

/* In a file the newest believable ts is the clock, the event's own too. Whether a leap is believed is seen later. */
static void file_clock(struct decode *d, int64_t ts_ms)
{
    d->leaps |= decode_leap_is(d->clock_ms, ts_ms);
    if (ts_ms > d->clock_ms && ts_ms < DECODE_MAX_CLOCK_MS)
        d->clock_ms = ts_ms;
}

static bool check_key(const struct decode *d, const struct job *job, struct zl_span id,
                      const char *name, struct refusal *r)
{
    if (!d->cfg.check_key || !job->m->has_key || zl_span_equal(job->m->key, id))
        return true;
    return decode_refuse(r, ZL_KEY_MISMATCH, "the message's key is not its %s", name);
}

static bool take_event(struct decode *d, const struct job *job, int32_t index,
                       const struct json_value *v, struct refusal *r)
{
    struct zl_event *ev = add(&d->events, &d->n_events, &d->max_events, sizeof *ev);
    if (!decode_records_event(&d->records, v, ev, r) ||
        !check_key(d, job, ev->user_id, "user_id", r)) {
        d->n_events--;
        return false;
    }
    if (job->m->log_ms < 0)
        file_clock(d, ev->ts_ms);
    ev->from = origin_of(d, job, index);
    return true;
}

static bool take_item(struct decode *d, const struct job *job, int32_t index,
                      const struct json_value *v, struct refusal *r)
{
    struct zl_item *item = add(&d->items, &d->n_items, &d->max_items, sizeof *item);
    item->from = origin_of(d, job, index);
    bool good = v ? decode_records_item(&d->records, v, item, r)
                  : decode_records_tombstone(&d->records, job->m->has_key, job->m->key, item, r);
    if (good && check_key(d, job, item->item_id, "item_id", r))
        return true;
    d->n_items--;
    return false;
}

static bool take_control(struct decode *d, const struct job *job, int32_t index,
                         const struct json_value *v, struct refusal *r)
{
    struct zl_control *control =
        add(&d->controls, &d->n_controls, &d->max_controls, sizeof *control);
    if (!decode_records_control(&d->records, v, control, r) ||
        !check_key(d, job, control->user_id, "user_id", r)) {
        d->n_controls--;
        return false;
    }
    if (job->m->log_ms < 0)
        file_clock(d, control->ts_ms);
    control->from = origin_of(d, job, index);
    return true;
}

static bool take(struct decode *d, const struct job *job, int32_t index, const struct json_value *v,
                 struct refusal *r)
{
    switch (job->m->topic) {
    case ZL_TOPIC_EVENTS: return take_event(d, job, index, v, r);
    case ZL_TOPIC_ITEMS: return take_item(d, job, index, v, r);
    case ZL_TOPIC_CONTROLS: return take_control(d, job, index, v, r);
    case ZL_N_TOPICS: break;
    }
    ASSERT(!"a topic");
    return false;
}

static bool parse(struct decode *d, struct zl_span text, struct json_value *root, struct refusal *r)
{
    static const enum zl_reason reasons[] = {
        [JSON_OK] = ZL_REASON_NONE,
        [JSON_BAD_UTF8] = ZL_BAD_UTF8,
        [JSON_BAD] = ZL_BAD_JSON,
        [JSON_TOO_BIG_INTEGER] = ZL_OUT_OF_RANGE,
        [JSON_TOO_BIG_FLOAT] = ZL_NOT_FINITE,
    };
    enum json_status st = decode_json_parse(d->json, text.ptr, text.len, root);
    return st == JSON_OK || decode_refuse(r, reasons[st], "%s", decode_json_words(d->json));
}

/* Of an array it is said which element is no object: the array itself is none either. */
static void reject_element(struct decode *d, const struct job *job, int32_t index,
                           const struct json_value *v, struct refusal *r)
{
    if (job->array && r->reason == ZL_NOT_OBJECT)
        decode_refuse(r, ZL_NOT_OBJECT, "element %d is %s, not an object", index + 1,
                      decode_fields_kind_name(v->kind));
    reject(d, job, index, decode_element(d, job->m->value, index), r);
}

/* One element that was cut out; text lies in the padded copy. */
static void take_piece(struct decode *d, const struct job *job, int32_t index, struct zl_span text)
{
    struct refusal r;
    struct json_value root;
    bool good = text.len ? parse(d, text, &root, &r)
                         : decode_refuse(&r, ZL_BAD_JSON, "an element is empty");
    if (!good || !take(d, job, index, &root, &r))
        reject_element(d, job, index, &root, &r);
}

/* Elements by cutting; false with nothing taken when there are too many, or the text is not what its shape says. */
static bool take_pieces(struct decode *d, const struct job *job, enum cut_shape shape,
                        struct refusal *r)
{
    struct cutter c;
    struct zl_span piece;
    int64_t n = 0;
    decode_cut_begin(&c, job->text, shape);
    while (decode_cut_next(&c, &piece))
        n++;
    if (shape == CUT_ARRAY && !c.whole) /* r has the parser's words; lines are always whole */
        return false;
    if (n > DECODE_MAX_ELEMENTS)
        return decode_refuse(r, ZL_TOO_LARGE, "%lld elements in one message, at most %d are taken",
                             (long long)n, DECODE_MAX_ELEMENTS);
    decode_cut_begin(&c, job->text, shape);
    for (int32_t index = 0; decode_cut_next(&c, &piece); index++)
        take_piece(d, job, index, piece);
    return true;
}

/* An array that was parsed as a whole. */
static void take_elements(struct decode *d, const struct job *job, const struct json_value *root)
{
    struct json_array a;
    struct json_value v;
    struct refusal r;
    int64_t n = 0;
    decode_json_array_begin(root, &a);
    while (decode_json_array_next(&a, &v))
        n++;
    if (n > DECODE_MAX_ELEMENTS) {
        decode_refuse(&r, ZL_TOO_LARGE, "%lld elements in one message, at most %d are taken",
                      (long long)n, DECODE_MAX_ELEMENTS);
        reject_whole(d, job, &r);
        return;
    }
    decode_json_array_begin(root, &a);
    for (int32_t index = 0; decode_json_array_next(&a, &v); index++)
        if (!take(d, job, index, &v, &r))
            reject_element(d, job, index, &v, &r);
}

static void take_array(struct decode *d, struct job *job)
{
    struct refusal r;
    struct json_value root;
    job->array = true;
    if (parse(d, job->text, &root, &r))
        take_elements(d, job, &root);
    else if (!take_pieces(d, job, CUT_ARRAY, &r))
        reject_whole(d, job, &r);
}

static struct zl_span pad(struct decode *d, struct zl_span text)
{
    if (text.len + JSON_PADDING > d->padded_capacity) {
        size_t capacity = 4096;
        while (capacity < text.len + JSON_PADDING)
            capacity *= 2;
        d->padded = xrealloc(d->padded, capacity, 1);
        d->padded_capacity = capacity;
    }
    if (text.len)
        memcpy(d->padded, text.ptr, text.len);
    memset(d->padded + text.len, 0, JSON_PADDING);
    return (struct zl_span){d->padded, text.len};
}

/* A message without a value. */
static void take_null(struct decode *d, const struct job *job)
{
    struct refusal r;
    bool good = job->m->topic == ZL_TOPIC_ITEMS ? take_item(d, job, 0, NULL, &r)
                                                : decode_refuse(&r, ZL_BAD_JSON, "null value");
    if (!good)
        reject_whole(d, job, &r);
}

static void take_text(struct decode *d, struct job *job, struct zl_span text)
{
    struct refusal r;
    job->text = pad(d, text);
    switch (decode_cut_shape_of(job->text)) {
    case CUT_ONE: take_piece(d, job, 0, job->text); break;
    case CUT_LINES:
        if (!take_pieces(d, job, CUT_LINES, &r))
            reject_whole(d, job, &r);
        break;
    case CUT_ARRAY: take_array(d, job); break;
    }
}

void decode_message(struct decode *d, const struct decode_message *m, uint32_t message)
{
    struct job job = {.m = m, .message = message};
    struct refusal r;
    if (!m->has_value) {
        take_null(d, &job);
        return;
    }
    if (m->value.len > (size_t)d->cfg.max_bytes) {
        decode_refuse(&r, ZL_TOO_LARGE, "%zu bytes, at most %lld are taken", m->value.len,
                      (long long)d->cfg.max_bytes);
        reject_whole(d, &job, &r);
        return;
    }
    struct zl_span text = decode_cut_trim(m->value);
    if (text.len == 0) {
        decode_refuse(&r, ZL_BAD_JSON, "empty message");
        reject_whole(d, &job, &r);
        return;
    }
    take_text(d, &job, text);
}

/* ---- the clock of a file ---- */

/* These messages come again. */
static void drop_from(struct decode *d, int64_t offset)
{
    while (d->n_events > 0 && d->events[d->n_events - 1].from.offset >= offset)
        d->n_events--;
    while (d->n_rejects > 0 && d->rejects[d->n_rejects - 1].from.offset >= offset)
        d->n_rejects--;
}

/* The clock after event i, or -1: what follows it is not here yet. */
static int64_t clock_after(const struct decode *d, size_t i, int64_t clock_ms,
                           const struct decode_log *log)
{
    const struct zl_event *ev = &d->events[i];
    bool first = clock_ms <= 0;
    enum leap leap = LEAP_BELIEVED;
    if (decode_leap_is(clock_ms, ev->ts_ms) && !(first && log->live))
        leap = decode_leap_judge(d->events, d->n_events, i,
                                 log->end || (log->full && ev->from.offset == log->first_offset),
                                 first);
    if (leap == LEAP_OPEN)
        return -1;
    if (leap == LEAP_REFUSED)
        return first ? decode_leap_earliest(d->events, d->n_events, i) : clock_ms;
    return ev->ts_ms > clock_ms && decode_leap_is_time(ev->ts_ms) ? ev->ts_ms : clock_ms;
}

/* Rejects have been made with the clock of that time: they are told the one that was found right. */
static size_t tell_rejects(struct decode *d, size_t r, const struct zl_origin *before,
                           int64_t clock_ms)
{
    for (; r < d->n_rejects; r++) {
        const struct zl_origin *from = &d->rejects[r].from;
        if (before && (from->offset > before->offset ||
                       (from->offset == before->offset && from->index > before->index)))
            break;
        d->rejects[r].from.log_ms = clock_ms;
    }
    return r;
}

int64_t decode_settle_clock(struct decode *d, const struct decode_log *log)
{
    int64_t clock_ms = d->begin_clock_ms, message_ms = clock_ms, again = -1;
    size_t r = 0;
    if (!d->leaps)
        return -1;
    for (size_t i = 0; i < d->n_events; i++) {
        struct zl_origin *from = &d->events[i].from;
        if (i == 0 || from->offset != d->events[i - 1].from.offset)
            message_ms = clock_ms;
        int64_t after_ms = clock_after(d, i, clock_ms, log);
        if (after_ms < 0) {
            clock_ms = message_ms;
            again = from->offset;
            drop_from(d, again);
            break;
        }
        r = tell_rejects(d, r, from, clock_ms);
        from->log_ms = clock_ms = after_ms;
    }
    tell_rejects(d, r, NULL, clock_ms);
    d->clock_ms = clock_ms;
    return again;
}

struct zl_span decode_element(struct decode *d, struct zl_span value, int32_t index)
{
    if (d->cut.value.ptr != value.ptr || d->cut.value.len != value.len || index < d->cut.next - 1) {
        struct zl_span text = decode_cut_trim(value);
        d->cut.value = value;
        d->cut.next = 0;
        decode_cut_begin(&d->cut.cutter, text, decode_cut_shape_of(text));
    }
    while (d->cut.next <= index) {
        if (!decode_cut_next(&d->cut.cutter, &d->cut.element)) {
            d->cut.value = (struct zl_span){0};
            return value;
        }
        d->cut.next++;
    }
    return d->cut.element;
}

struct zl_event *decode_events(struct decode *d, int *n)
{
    *n = (int)d->n_events;
    return d->events;
}

struct zl_item *decode_items(struct decode *d, int *n)
{
    *n = (int)d->n_items;
    return d->items;
}

struct zl_control *decode_controls(struct decode *d, int *n)
{
    *n = (int)d->n_controls;
    return d->controls;
}

struct zl_reject *decode_rejects(struct decode *d, int *n)
{
    *n = (int)d->n_rejects;
    return d->rejects;
}

bool decode_source_statistics(struct decode *d, struct zl_span json, struct decode_statistics *out)
{
    struct zl_span text = pad(d, json);
    return decode_statistics_read(d->json, &d->statistics, text.ptr, text.len, out);
}
