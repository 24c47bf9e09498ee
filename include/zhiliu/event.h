/* zhiliu/event.h - what people did, what is known of an item, and what an operator asks: the words all rooms speak.
 * Shapes   see design, "Events, items, controls". Absent strings are empty spans.
 * Units    *_ms Unix time UTC (ts, published_at) or a length of time (watch, duration).
 * Memory   every span is lent until the next decode_batch() on the batch that holds it. */
#ifndef ZHILIU_EVENT_H
#define ZHILIU_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "zhiliu/span.h"

enum zl_event_type {
    ZL_IMPRESSION,
    ZL_WATCH,
    ZL_LIKE,
    ZL_COIN,
    ZL_FAVORITE,
    ZL_COMMENT,
    ZL_SHARE,
    ZL_FOLLOW,
    ZL_NOT_INTERESTED,
    ZL_REPORT,
    ZL_COURSE_CLICK,
    ZL_ENROLL,
    ZL_PURCHASE,
    ZL_REFUND,
    ZL_N_EVENT_TYPES
};

/* Why an input was refused: the closed list of the dead-letter topic, in its order. */
enum zl_reason {
    ZL_REASON_NONE = 0,
    ZL_TOO_LARGE,
    ZL_BAD_UTF8,
    ZL_BAD_JSON,
    ZL_NOT_OBJECT,
    ZL_DUPLICATE_KEY,
    ZL_MISSING_FIELD,
    ZL_BAD_TYPE,
    ZL_OUT_OF_RANGE,
    ZL_NOT_FINITE,
    ZL_UNKNOWN_TYPE,
    ZL_UNKNOWN_VERSION,
    ZL_KEY_MISMATCH,
    ZL_FUTURE_TIME,
    ZL_BAD_FEATURES,
    ZL_N_REASONS
};

/* What became of an event. Exactly one outcome is counted for each. */
enum zl_outcome {
    ZL_LEARNED, /* admitted, taught the model something (weight and reward above 0) */
    ZL_COUNTED, /* admitted: counted and remembered, nothing to learn from (impression, skip, dislike) */
    ZL_DUPLICATE,  /* event_id was seen within the window */
    ZL_REJECTED,   /* became a dead letter, reason says why */
    ZL_TABLE_FULL, /* the user or item table is full: not learned, counted and said aloud */
    ZL_N_OUTCOMES
};

enum zl_topic { ZL_TOPIC_EVENTS, ZL_TOPIC_ITEMS, ZL_TOPIC_CONTROLS, ZL_N_TOPICS };

#define ZL_NO_INDEX UINT32_MAX

/* Where an input came from. A file is partition 0 and its line numbers are offsets. */
struct zl_origin {
    enum zl_topic topic;
    int32_t partition;
    int64_t offset;
    int32_t index;   /* in an array or line batch, else 0 */
    int64_t log_ms;  /* Kafka timestamp; in a file: the highest ts so far */
    int64_t sent_ms; /* producer's wall clock, 0 when the message did not say */
};

struct zl_event {
    struct zl_origin from;
    enum zl_event_type type;
    struct zl_span event_id, user_id; /* 1..64 bytes */
    struct zl_span item_id; /* may be empty for follow course_click enroll purchase refund */
    int64_t ts_ms;
    int64_t watch_ms, duration_ms; /* -1: absent */
    int64_t amount;                /* minor units; -1: absent */
    struct zl_span currency;
    struct zl_span course_id, uploader_id, device_id, session_id, surface, request_id;
    int32_t position;          /* from 1; 0: absent */
    double propensity;         /* (0,1]; 0: absent */
    struct zl_span experiment; /* the JSON object's text */

    /* Filled in on the way. */
    uint64_t id_hash; /* decode: keyed 64-bit hash of event_id */
    /* engine: index in the ids tables; item, course may be ZL_NO_INDEX */
    uint32_t user, item, course;
    enum zl_reason reason;   /* guard: set when the event must become a dead letter */
    enum zl_outcome outcome; /* guard, then model */
    const char *detail;      /* static words that go with reason, or NULL */
    bool late;               /* guard */
    float weight;            /* guard: 0..1, 1 is an ordinary event */
    int64_t at_ms;           /* guard: event time after the skew rule */
    int64_t reward_micro;    /* reward: before the once-a-session rule; 1,000,000 = 1.0 */
};

enum zl_item_status { ZL_ITEM_APPROVED, ZL_ITEM_PENDING, ZL_ITEM_BLOCKED, ZL_ITEM_REMOVED };

#define ZL_MAX_TAGS 64
enum zl_modality { ZL_VIDEO, ZL_AUDIO, ZL_TEXT, ZL_N_MODALITIES };

struct zl_item {
    struct zl_origin from;
    bool removed; /* a null value: only item_id and from are set */
    struct zl_span item_id, title, description, uploader_id, category, subtitles, course_id;
    struct zl_span tags[ZL_MAX_TAGS];
    int n_tags;
    int64_t duration_ms, published_at_ms, price; /* -1: absent */
    double fps;                                  /* 0: absent */
    int32_t width, height;                       /* 0: absent */
    enum zl_item_status status;                  /* absent in JSON: approved */
    const float *features[ZL_N_MODALITIES];      /* NULL: absent; finite */
    int n_features[ZL_N_MODALITIES];
};

/* What a list's rules look at, a row an item. */
struct zl_item_facts {
    uint32_t category;    /* a hash of its name, the same for the same name; 0: none */
    uint32_t course;      /* index, or ZL_NO_INDEX */
    int64_t published_ms; /* -1: unknown */
};

enum zl_control_type { ZL_FORGET, ZL_OPT_OUT, ZL_OPT_IN };

struct zl_control {
    struct zl_origin from;
    enum zl_control_type type;
    struct zl_span user_id;
    int64_t ts_ms;
};

/* One refused input, on its way to the dead letters. value, key and headers are lent as the batch is. */
struct zl_reject {
    struct zl_origin from;
    enum zl_reason reason;
    char detail[200];
    struct zl_span key, value;
    uint32_t message; /* its index in the raw batch (for the headers) */
};

const char *zl_event_type_name(enum zl_event_type type); /* "watch" */
const char *zl_reason_name(enum zl_reason reason);       /* "bad_json" */
const char *zl_outcome_name(enum zl_outcome outcome);
const char *zl_topic_name(enum zl_topic topic); /* "events": the role, not the configured name */
const char *zl_item_status_name(enum zl_item_status status);
/* Index of a name, or -1. */
int zl_event_type_of(struct zl_span name);
int zl_reason_of(struct zl_span name);

#endif
