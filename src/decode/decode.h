/* decode/decode.h - raw bytes in; events, items, controls and rejects out.
 * Promise  Total: every byte string becomes records or rejects with a reason of the closed list. A message may be one object,
 *          an array, or newline-separated objects; each element has its index, a bad one does not harm its neighbours.
 *          Unknown fields are ignored, but checked: bad JSON, an integer beyond 64 bits or a number beyond double is
 *          refused wherever it stands. Formats: JSON (json.cc, simdjson).
 * Limits   DECODE_MAX_ELEMENTS a message (more: the whole is too_large), 32 nested arrays and objects an element.
 * Memory   records' spans are lent until the next decode_begin(); arrays grow to the largest batch seen, then allocate nothing.
 * Threads  one decoder, one thread. */
#ifndef DECODE_DECODE_H
#define DECODE_DECODE_H

#include <stdint.h>

#include "zhiliu/event.h"
#include "zhiliu/status.h"

#define DECODE_MAX_ELEMENTS 10000
#define DECODE_MAX_BYTES (INT64_C(1) << 30)
/* the year 3000: no later ts moves a file's clock */
#define DECODE_MAX_CLOCK_MS INT64_C(32503680000000)

struct decode_config {
    int64_t max_bytes; /* of one message */
    int n_features
        [ZL_N_MODALITIES]; /* expected dimensions; 0: features of this modality are ignored */
    uint64_t id_seed;      /* of id_hash */
    bool check_key;        /* Kafka: key must equal user_id / item_id (a missing key is let pass) */
};

/* One raw message as the source lent it (same fields as struct source_message, which rooms may not see each other's). */
struct decode_message {
    enum zl_topic topic;
    int32_t partition;
    int64_t offset, log_ms, sent_ms;
    bool has_key, has_value;
    struct zl_span key, value;
};

struct decode;

MUST_CHECK enum zl_status decode_open(const struct decode_config *cfg, struct decode **out,
                                      struct zl_error *err);
void decode_close(struct decode *d);

/* Starts a batch: what was lent before is gone. */
void decode_begin(struct decode *d);
/* Appends message's records; `message` is its index in the batch. A file has log_ms -1: the clock is the highest ts so far, the
 * record's own included, kept here and restored by decode_set_clock(). So nothing in a file is ahead of its clock but what
 * decode_settle_clock() does not believe: history with a quiet year in it is read, not refused. Nothing is counted here: metrics of
 * events and rejects are the engine's. */
void decode_message(struct decode *d, const struct decode_message *m, uint32_t message);
void decode_set_clock(struct decode *d, int64_t log_ms);

/* What the source knows of the batch. */
struct decode_log {
    bool end;  /* nothing comes after it */
    bool full; /* it cannot grow: whoever stands first is judged by what is here */
    bool live; /* it may wait for people: the first event is taken at its word */
    int64_t first_offset;
};
/* A file, after the batch's last message: a ts that leaps far ahead is held against the events after it (leap.h). Where it is not
 * believed the clock stays, and the guard finds the event too far ahead of it. Returns -1, or the offset of a message whose judges are not
 * here yet: its records and all after it are gone, and the source must lend these messages again. */
int64_t decode_settle_clock(struct decode *d, const struct decode_log *log);

struct zl_event *decode_events(struct decode *d, int *n);
struct zl_item *decode_items(struct decode *d, int *n);
struct zl_control *decode_controls(struct decode *d, int *n);
struct zl_reject *decode_rejects(struct decode *d, int *n);

/* The bytes of element `index` of a message (for rejects that guard makes), as they were sent; the whole message when it cannot be
 * cut. They lie in `value`. Cheap when called with rising indexes. */
struct zl_span decode_element(struct decode *d, struct zl_span value, int32_t index);

/* What /metrics wants of librdkafka's statistics. */
struct decode_statistics {
    double rtt_p50_s, rtt_p99_s; /* worst broker; 0 unknown */
    int brokers_up, brokers;
};
bool decode_source_statistics(struct decode *d, struct zl_span json, struct decode_statistics *out);

#endif
