/* source/producer.h - messages out to Kafka: dead letters, and what `simulate` and `dead-letters requeue` produce.
 * Promise  Delivered means: the broker's report said so. Messages are numbered from 1 in the order of producer_put();
 *          producer_acked() is the highest number up to which ALL are delivered. A failed message is sent again, for ever. A
 *          fatal client error makes a new client and sends everything unacknowledged again (duplicates collapse by key).
 * Memory   copies of what is not acknowledged, at most budget_bytes; then producer_put says ZL_EAGAIN (back-pressure).
 * Threads  one caller; librdkafka's own threads inside. */
#ifndef SOURCE_PRODUCER_H
#define SOURCE_PRODUCER_H

#include <stdint.h>

#include "source/source.h"

struct producer_config {
    const char *brokers;
    const struct source_property *properties;
    int n_properties;
    int linger_ms;             /* 0..1000 */
    int64_t budget_bytes;      /* default 64 MiB when 0 */
    int64_t max_message_bytes; /* default 1,000,000 when 0 */
    /* true: resent from our own copy (dead letters); false: from what librdkafka gives back (simulate) */
    bool keep_copies;
    /* A value that the broker finds too large is halved and sent again with this header = "true"; NULL: the message is given up,
     * counted by producer_refused() and taken as acknowledged. */
    const char *cut_mark;
};

struct producer;

MUST_CHECK enum zl_status producer_open(const struct producer_config *cfg, struct producer **out,
                                        struct zl_error *err);
/* Waits up to timeout_ms for what is unacknowledged; returns how many messages were not. */
uint64_t producer_close(struct producer *p, int timeout_ms);

/* key, value, headers are copied. partition -1: by key (consistent_random as librdkafka does; same key, same partition).
 * timestamp_ms 0: now. value.ptr NULL: a tombstone. ZL_EAGAIN: queue or budget full, call producer_poll and try again. */
MUST_CHECK enum zl_status producer_put(struct producer *p, const char *topic, int32_t partition,
                                       struct zl_span key, struct zl_span value,
                                       const struct source_header *headers, int n_headers,
                                       int64_t timestamp_ms, struct zl_error *err);
/* Serves delivery reports, waits at most timeout_ms. */
void producer_poll(struct producer *p, int timeout_ms);
uint64_t producer_put_count(const struct producer *p); /* number of the newest message */
uint64_t producer_acked(const struct producer *p);
/* Messages that the broker will never take (too large, and not to be cut). 0 unless the producer's caller is wrong about the limit. */
uint64_t producer_refused(const struct producer *p);
/* Milliseconds that the oldest unacknowledged message has waited; 0 when none. */
int64_t producer_oldest_wait_ms(const struct producer *p);

#endif
