/* The three topics' fields, as tables, and what a table cannot say: which type needs which field, the words that are
 * enumerations, the experiment's object, tags and features. */
#include "decode/records.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/hash.h"

#define MAX_MS INT64_MAX
#define FIELD(record, member, kind, required, min, max)                                            \
    {                                                                                              \
#member, kind, required, offsetof(struct record, member), min, max                         \
    }
#define FIELD_AS(name, record, member, kind, required, min, max)                                   \
    {                                                                                              \
        name, kind, required, offsetof(struct record, member), min, max                            \
    }
#define SPECIAL(name, required)                                                                    \
    {                                                                                              \
        name, FIELD_SPECIAL, required, 0, 0, 0                                                     \
    }

/* All tables are sorted by the length of the name; places of special fields are named below. */
static const struct field event_fields[] = {
    SPECIAL("v", false),
    FIELD_AS("ts", zl_event, ts_ms, FIELD_INT64, true, INT64_MIN, INT64_MAX),
    SPECIAL("type", true),
    FIELD(zl_event, amount, FIELD_INT64, false, 0, INT64_MAX),
    FIELD(zl_event, user_id, FIELD_ID, true, 0, 0),
    FIELD(zl_event, item_id, FIELD_ID, false, 0, 0),
    FIELD(zl_event, surface, FIELD_ID, false, 0, 0),
    FIELD(zl_event, event_id, FIELD_ID, true, 0, 0),
    FIELD(zl_event, watch_ms, FIELD_INT64, false, 0, MAX_MS),
    FIELD(zl_event, position, FIELD_INT32, false, 1, 10000),
    FIELD(zl_event, currency, FIELD_ID, false, 0, 0),
    FIELD(zl_event, course_id, FIELD_ID, false, 0, 0),
    FIELD(zl_event, device_id, FIELD_ID, false, 0, 0),
    FIELD(zl_event, session_id, FIELD_ID, false, 0, 0),
    FIELD(zl_event, request_id, FIELD_ID, false, 0, 0),
    FIELD(zl_event, propensity, FIELD_DOUBLE, false, 0, 1),
    SPECIAL("experiment", false),
    FIELD(zl_event, duration_ms, FIELD_INT64, false, 0, MAX_MS),
    FIELD(zl_event, uploader_id, FIELD_ID, false, 0, 0),
};
enum {
    EVENT_V = 0,
    EVENT_TYPE = 2,
    EVENT_ITEM_ID = 5,
    EVENT_WATCH_MS = 8,
    EVENT_PROPENSITY = 15,
    EVENT_EXPERIMENT = 16
};

static const struct field item_fields[] = {
    SPECIAL("v", false),
    FIELD(zl_item, fps, FIELD_DOUBLE, false, 0, 100000),
    SPECIAL("tags", false),
    FIELD(zl_item, title, FIELD_TEXT, false, 0, 0),
    FIELD(zl_item, width, FIELD_INT32, false, 0, 1000000),
    FIELD(zl_item, price, FIELD_INT64, false, 0, INT64_MAX),
    FIELD(zl_item, height, FIELD_INT32, false, 0, 1000000),
    SPECIAL("status", false),
    FIELD(zl_item, item_id, FIELD_ID, true, 0, 0),
    FIELD(zl_item, category, FIELD_ID, false, 0, 0),
    SPECIAL("features", false),
    FIELD(zl_item, course_id, FIELD_ID, false, 0, 0),
    FIELD(zl_item, subtitles, FIELD_TEXT, false, 0, 0),
    FIELD(zl_item, duration_ms, FIELD_INT64, false, 0, MAX_MS),
    FIELD(zl_item, description, FIELD_TEXT, false, 0, 0),
    FIELD(zl_item, uploader_id, FIELD_ID, false, 0, 0),
    FIELD_AS("published_at", zl_item, published_at_ms, FIELD_INT64, false, 0, MAX_MS),
};
enum { ITEM_V = 0, ITEM_TAGS = 2, ITEM_STATUS = 7, ITEM_FEATURES = 10 };

static const struct field control_fields[] = {
    SPECIAL("v", false),
    FIELD_AS("ts", zl_control, ts_ms, FIELD_INT64, true, INT64_MIN, INT64_MAX),
    SPECIAL("type", true),
    FIELD(zl_control, user_id, FIELD_ID, true, 0, 0),
};
enum { CONTROL_V = 0, CONTROL_TYPE = 2 };

static const struct field feature_fields[] = {
    SPECIAL("text", false),
    SPECIAL("audio", false),
    SPECIAL("video", false),
};
static const enum zl_modality feature_of[] = {ZL_TEXT, ZL_AUDIO, ZL_VIDEO};

#define COUNT(a) ((int)(sizeof(a) / sizeof(a)[0]))

void decode_records_init(struct records *rs, const struct decode_config *cfg, struct json *json,
                         struct arena *arena)
{
    *rs = (struct records){.cfg = cfg, .json = json, .arena = arena};
    decode_fields_init(&rs->events, event_fields, COUNT(event_fields));
    decode_fields_init(&rs->items, item_fields, COUNT(item_fields));
    decode_fields_init(&rs->controls, control_fields, COUNT(control_fields));
}

void decode_records_release(struct records *rs)
{
    decode_json_members_release(&rs->members);
    decode_json_members_release(&rs->features);
    free(rs->scratch.slots);
    *rs = (struct records){0};
}

/* What all three begin with: an object, no key twice, version 1 or none. */
static bool open_object(struct records *rs, const struct fields *f, const struct json_value *object,
                        const struct json_value **values, struct refusal *r)
{
    if (object->kind != JSON_OBJECT)
        return decode_refuse(r, ZL_NOT_OBJECT, "it is %s, not an object",
                             decode_fields_kind_name(object->kind));
    decode_json_object_members(object, &rs->members);
    if (!decode_fields_gather(f, &rs->members, &rs->scratch, values, r))
        return false;
    const struct json_value *v = values[0];
    if (v && (v->kind != JSON_INTEGER || v->integer != 1))
        return decode_refuse(r, ZL_UNKNOWN_VERSION, "v is not 1");
    return true;
}

/* The word at `values[at]`, which the table says must be there. */
static bool word_of(const struct json_value *v, const char *name, struct zl_span *word,
                    struct refusal *r)
{
    if (v && v->kind == JSON_STRING) {
        *word = v->text;
        return true;
    }
    if (v)
        decode_refuse(r, ZL_BAD_TYPE, "%s is %s, not a string", name,
                      decode_fields_kind_name(v->kind));
    else
        decode_refuse(r, ZL_MISSING_FIELD, "%s is missing", name);
    return false;
}

static bool needs_item(enum zl_event_type type)
{
    switch (type) {
    case ZL_FOLLOW:
    case ZL_COURSE_CLICK:
    case ZL_ENROLL:
    case ZL_PURCHASE:
    case ZL_REFUND: return false;
    default: return true;
    }
}

static bool event_type(const struct json_value *const *values, struct zl_event *ev,
                       struct refusal *r)
{
    struct zl_span word;
    if (!word_of(values[EVENT_TYPE], "type", &word, r))
        return false;
    int type = zl_event_type_of(word);
    if (type < 0)
        return decode_refuse(r, ZL_UNKNOWN_TYPE, "type is none of the event types");
    ev->type = (enum zl_event_type)type;
    if (!values[EVENT_ITEM_ID] && needs_item(ev->type))
        return decode_refuse(r, ZL_MISSING_FIELD, "item_id is missing, %s needs it",
                             zl_event_type_name(ev->type));
    if (!values[EVENT_WATCH_MS] && ev->type == ZL_WATCH)
        return decode_refuse(r, ZL_MISSING_FIELD, "watch_ms is missing, watch needs it");
    return true;
}

static bool check_currency(struct zl_span c, struct refusal *r)
{
    bool good = c.len == 0 || c.len == 3;
    for (size_t i = 0; i < c.len; i++)
        good = good && c.ptr[i] >= 'A' && c.ptr[i] <= 'Z';
    return good || decode_refuse(r, ZL_OUT_OF_RANGE, "currency is not three capital letters");
}

static bool event_experiment(struct records *rs, const struct json_value *v, struct zl_event *ev,
                             struct refusal *r)
{
    if (!v)
        return true;
    if (v->kind != JSON_OBJECT)
        return decode_refuse(r, ZL_BAD_TYPE, "experiment is %s, not an object",
                             decode_fields_kind_name(v->kind));
    ev->experiment = arena_copy(rs->arena, decode_json_minify(rs->json, v));
    return true;
}

bool decode_records_event(struct records *rs, const struct json_value *object, struct zl_event *ev,
                          struct refusal *r)
{
    const struct json_value *values[FIELDS_MAX];
    ev->watch_ms = ev->duration_ms = ev->amount = -1;
    ev->user = ev->item = ev->course = ZL_NO_INDEX;
    ev->outcome = ZL_COUNTED;
    ev->weight = 1;
    if (!open_object(rs, &rs->events, object, values, r) ||
        !decode_fields_fill(&rs->events, values, rs->arena, ev, r) || !event_type(values, ev, r) ||
        !check_currency(ev->currency, r) || !event_experiment(rs, values[EVENT_EXPERIMENT], ev, r))
        return false;
    if (values[EVENT_PROPENSITY] && ev->propensity <= 0)
        return decode_refuse(r, ZL_OUT_OF_RANGE, "propensity is not above 0");
    ev->at_ms = ev->ts_ms;
    ev->id_hash = hash_bytes(ev->event_id.ptr, ev->event_id.len, rs->cfg->id_seed);
    return true;
}

static bool item_status(const struct json_value *v, struct zl_item *item, struct refusal *r)
{
    struct zl_span word;
    if (!v)
        return true;
    if (!word_of(v, "status", &word, r))
        return false;
    for (int s = ZL_ITEM_APPROVED; s <= ZL_ITEM_BLOCKED; s++)
        if (zl_span_is(word, zl_item_status_name((enum zl_item_status)s))) {
            item->status = (enum zl_item_status)s;
            return true;
        }
    return decode_refuse(r, ZL_OUT_OF_RANGE, "status is none of approved, pending, blocked");
}

static bool item_tags(struct records *rs, const struct json_value *v, struct zl_item *item,
                      struct refusal *r)
{
    struct json_array a;
    struct json_value tag;
    if (!v)
        return true;
    if (v->kind != JSON_ARRAY)
        return decode_refuse(r, ZL_BAD_TYPE, "tags is %s, not an array",
                             decode_fields_kind_name(v->kind));
    decode_json_array_begin(v, &a);
    while (decode_json_array_next(&a, &tag)) {
        if (tag.kind != JSON_STRING)
            return decode_refuse(r, ZL_BAD_TYPE, "a tag is %s, not a string",
                                 decode_fields_kind_name(tag.kind));
        if (!decode_fields_check_id(tag.text, "a tag", r))
            return false;
        if (item->n_tags == ZL_MAX_TAGS)
            return decode_refuse(r, ZL_OUT_OF_RANGE, "more than %d tags", ZL_MAX_TAGS);
        item->tags[item->n_tags++] = arena_copy(rs->arena, tag.text);
    }
    return true;
}

static int64_t array_length(const struct json_value *array)
{
    struct json_array a;
    struct json_value v;
    int64_t n = 0;
    decode_json_array_begin(array, &a);
    while (decode_json_array_next(&a, &v))
        n++;
    return n;
}

static bool feature_number(const struct json_value *v, const char *name, float *out,
                           struct refusal *r)
{
    double x;
    if (v->kind == JSON_DOUBLE)
        x = v->number;
    else if (v->kind == JSON_INTEGER || v->kind == JSON_BIG)
        x = (double)v->integer;
    else
        return decode_refuse(r, ZL_BAD_FEATURES,
                             "features.%s has %s among its numbers: send numbers, or leave it out",
                             name, decode_fields_kind_name(v->kind));
    if (fabs(x) > (double)FLT_MAX)
        return decode_refuse(
            r, ZL_NOT_FINITE,
            "features.%s has a number beyond the range of a float: send finite numbers, or "
            "leave it out",
            name);
    *out = (float)x;
    return true;
}

/* All numbers are checked, also of a modality that the configuration does not use. */
static bool item_feature(struct records *rs, const struct json_value *v, enum zl_modality modality,
                         const char *name, struct zl_item *item, struct refusal *r)
{
    if (v->kind != JSON_ARRAY)
        return decode_refuse(r, ZL_BAD_FEATURES, "features.%s is %s, not an array", name,
                             decode_fields_kind_name(v->kind));
    int64_t n = array_length(v), want = rs->cfg->n_features[modality];
    if (want && n != want)
        return decode_refuse(r, ZL_BAD_FEATURES,
                             "features.%s has %lld numbers, the configuration says %lld: send as "
                             "many, or set catalog.features.%s",
                             name, (long long)n, (long long)want, name);
    float unused, *numbers = want ? arena_take(rs->arena, (size_t)n * sizeof *numbers) : NULL;
    struct json_array a;
    struct json_value number;
    decode_json_array_begin(v, &a);
    for (int64_t i = 0; decode_json_array_next(&a, &number); i++)
        if (!feature_number(&number, name, numbers ? &numbers[i] : &unused, r))
            return false;
    item->features[modality] = numbers;
    item->n_features[modality] = numbers ? (int)n : 0;
    return true;
}

static bool item_features(struct records *rs, const struct json_value *v, struct zl_item *item,
                          struct refusal *r)
{
    if (!v)
        return true;
    if (v->kind != JSON_OBJECT)
        return decode_refuse(r, ZL_BAD_FEATURES, "features is %s, not an object",
                             decode_fields_kind_name(v->kind));
    decode_json_object_members(v, &rs->features);
    for (size_t i = 0; i < rs->features.n; i++) {
        const struct json_member *m = &rs->features.at[i];
        int f = 0;
        while (f < COUNT(feature_fields) && !zl_span_is(m->key, feature_fields[f].name))
            f++;
        if (f == COUNT(feature_fields))
            return decode_refuse(r, ZL_BAD_FEATURES,
                                 "features.%.*s is none of video, audio, text: leave it out",
                                 m->key.len < 64 ? (int)m->key.len : 64, m->key.ptr);
        if (m->value.kind != JSON_NULL &&
            !item_feature(rs, &m->value, feature_of[f], feature_fields[f].name, item, r))
            return false;
    }
    return true;
}

bool decode_records_item(struct records *rs, const struct json_value *object, struct zl_item *item,
                         struct refusal *r)
{
    const struct json_value *values[FIELDS_MAX];
    item->duration_ms = item->published_at_ms = item->price = -1;
    return open_object(rs, &rs->items, object, values, r) &&
           decode_fields_fill(&rs->items, values, rs->arena, item, r) &&
           item_status(values[ITEM_STATUS], item, r) && item_tags(rs, values[ITEM_TAGS], item, r) &&
           item_features(rs, values[ITEM_FEATURES], item, r);
}

bool decode_records_control(struct records *rs, const struct json_value *object,
                            struct zl_control *control, struct refusal *r)
{
    static const char *const words[] = {"forget", "opt_out", "opt_in"};
    const struct json_value *values[FIELDS_MAX];
    struct zl_span word;
    if (!open_object(rs, &rs->controls, object, values, r) ||
        !decode_fields_fill(&rs->controls, values, rs->arena, control, r) ||
        !word_of(values[CONTROL_TYPE], "type", &word, r))
        return false;
    for (int t = ZL_FORGET; t <= ZL_OPT_IN; t++)
        if (zl_span_is(word, words[t])) {
            control->type = (enum zl_control_type)t;
            return true;
        }
    return decode_refuse(r, ZL_UNKNOWN_TYPE, "type is none of forget, opt_out, opt_in");
}

bool decode_records_tombstone(struct records *rs, bool has_key, struct zl_span key,
                              struct zl_item *item, struct refusal *r)
{
    item->removed = true;
    item->status = ZL_ITEM_REMOVED;
    item->duration_ms = item->published_at_ms = item->price = -1;
    if (!has_key)
        return decode_refuse(r, ZL_MISSING_FIELD, "a null value without a key removes nothing");
    if (!decode_fields_check_id(key, "the key", r))
        return false;
    if (!decode_json_is_utf8(key.ptr, key.len))
        return decode_refuse(r, ZL_BAD_UTF8, "the key is not UTF-8");
    item->item_id = arena_copy(rs->arena, key);
    return true;
}
