/* source/source.h - a log in, raw messages out, with partition, offset and time. Two logs: Kafka and a file.
 * Promise  Messages of a partition come in offset order, each once, from the position the engine's table names. Items are
 *          read to their end before the first event is lent; after that both are followed. What was lent is never freed
 *          before the next poll. Events of several partitions come in the order of their log_ms, nearly (merge.h).
 *          Nothing is polled that cannot be held: back-pressure is not polling.
 * Threads  the engine's loop only. */
#ifndef SOURCE_SOURCE_H
#define SOURCE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "zhiliu/event.h"
#include "zhiliu/position.h"
#include "zhiliu/status.h"

#define SOURCE_BATCH 1024

struct source_header {
    struct zl_span name, value;
};

struct source_message {
    enum zl_topic topic;
    int32_t partition;
    int64_t offset;
    int64_t log_ms;            /* Kafka timestamp; -1: none (a file: decode sets the clock) */
    int64_t sent_ms;           /* header sent_ms, 0: none */
    bool has_key, has_value;   /* a Kafka null is not an empty string */
    struct zl_span key, value; /* value: at least 64 readable bytes after it are NOT promised */
    const struct source_header *headers;
    int n_headers;
};

struct source_batch {
    struct source_message messages[SOURCE_BATCH];
    int n;
    bool more; /* the log had more at once: the loop is under load */
    bool end;  /* a file: nothing comes after these */
    bool live; /* a file that is a pipe or a terminal */
};

/* One Kafka property, passed through to librdkafka as it is. */
struct source_property {
    const char *name, *value;
};

struct source_config {
    bool kafka; /* else file */
    /* kafka */
    const char *brokers, *group, *instance; /* instance: group.instance.id */
    const char *topics[ZL_N_TOPICS];        /* NULL or "": not consumed */
    const struct source_property *properties;
    int n_properties;
    int64_t queue_bytes; /* bound of fetched and not yet polled bytes */
    int64_t max_message_bytes;
    /* file */
    const char *file;       /* path, .gz, .zst, or "-" */
    const char *items_file; /* NULL: none */
    /* kafka: read every partition beside whoever is at work: no group, no commits. With `until` it is always so, of the partitions named
     * there; without, the end is (ZL_END) where the log ended when the source was opened. */
    bool alone;
    /* both: borrowed, kept up to date by the engine while the source is open */
    struct zl_positions *positions;
    /* replay of a range: stop (ZL_END) at these offsets, NULL: never */
    const struct zl_positions *until;
};

struct source;

MUST_CHECK enum zl_status source_open(const struct source_config *cfg, struct source **out,
                                      struct zl_error *err);
/* Leaves the group, waits at most 5 s. Copes with NULL. */
void source_close(struct source *s);

/* Fills out (n may be 0) without waiting. ZL_END: a file ended, or every partition reached `until`. ZL_EUNREACHABLE and others are
 * fatal, with words (fenced, offsets expired under the checkpoint, not every partition was given); passing troubles of brokers are
 * not errors: see source_connected. A failed positions check names how many events are gone. */
MUST_CHECK enum zl_status source_poll(struct source *s, struct source_batch *out,
                                      struct zl_error *err);
/* A file: the messages of the newest batch from number `from` on were not taken: the next poll lends them again, and more. */
void source_put_back(struct source *s, const struct source_batch *batch, int from);
/* A file: a hash of the first record of its events, wherever reading began; 0: none was read yet, or it is Kafka. */
uint64_t source_first_record(const struct source *s);
/* Readable when a poll may find something; -1: always (file). Several: up to max are written, the count returned. */
int source_fds(struct source *s, int *fds, int max);
/* Drains the wake-up bytes of those descriptors; call before source_poll. */
void source_wake_clear(struct source *s);

/* Catalogue was read to the end (true at once when there is none). */
bool source_items_ready(const struct source *s);
/* Assigned and its brokers answer; why (may be NULL) gets words when not. */
bool source_connected(struct source *s, char *why, size_t len);
/* Number of partitions of events (all topics' counts are checked against the assignment); 0 before the assignment. */
int source_partitions(const struct source *s);
/* High watermark of a partition, or -1: unknown (for lag). From the local cache, never waits. */
int64_t source_high_watermark(struct source *s, enum zl_topic topic, int32_t partition);
/* Latest statistics JSON of librdkafka, empty when none is new; lent until the next poll. */
struct zl_span source_statistics(struct source *s);
/* Tells the group how far we are, for lag tools only; asynchronous, errors are ignored. */
void source_commit(struct source *s, const struct zl_positions *upto);

/* For `check`: can the brokers be reached and do the topics exist? Waits up to timeout_ms. words: one line a finding, on err. */
MUST_CHECK enum zl_status source_check(const struct source_config *cfg, int timeout_ms,
                                       struct zl_error *err);

/* "2.0.2" of the linked librdkafka; NULL err text: fine; refuses versions with known loss (2.10.0). */
const char *source_library_version(void);

#endif
