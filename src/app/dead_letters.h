/* app/dead_letters.h - refused input on its way out: to a topic, to a file, or to the log alone.
 * Promise  Letters are numbered from 1 in the order of dead_letters_put(); dead_letters_acked() is the number up to which all are safe: the
 *          broker said so, or they are on disk. The same input put again gives the same key, so the set of keys is exact.
 * Format   topic: key `topic-partition-offset-index`, value the bad element, the headers it came with, and dlq.reason dlq.detail dlq.topic
 *          dlq.partition dlq.offset dlq.index, dlq.key (the key it had, when it had one), dlq.truncated=true (when it was cut to
 *          fit). File: one JSON object a line with the same words; a value that is not UTF-8 is value_base64.
 * Threads  the engine's loop. */
#ifndef APP_DEAD_LETTERS_H
#define APP_DEAD_LETTERS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "source/source.h"

struct dead_letters_config {
    const char *brokers; /* NULL: no Kafka */
    const struct source_property *properties;
    int n_properties;
    const char *topic; /* of the dead letters */
    /* used instead of the topic; NULL or "": none. Without both: a log line only */
    const char *file;
    const char *topics[ZL_N_TOPICS]; /* names of what is read, for keys and headers */
    const char *files[ZL_N_TOPICS];  /* where it is read from a file instead, for words; or NULL */
    int64_t max_bytes;               /* of one letter in the topic; 0: 1,000,000 */
};

struct dead_letters;

/* ZL_EIO: the file cannot be opened. An absent broker is not an error: letters wait. */
MUST_CHECK enum zl_status dead_letters_open(const struct dead_letters_config *cfg,
                                            struct dead_letters **out, struct zl_error *err);
/* Everything is copied. ZL_EAGAIN: too much waits (or the disk is full): nothing was taken, try again after dead_letters_poll. m: the message
 * it came in, for key and headers. */
MUST_CHECK enum zl_status dead_letters_put(struct dead_letters *d, const struct zl_reject *r,
                                           const struct source_message *m, struct zl_error *err);
uint64_t dead_letters_put_count(const struct dead_letters *d);
uint64_t dead_letters_acked(const struct dead_letters *d);
/* Milliseconds that the oldest one has waited to be safe; 0: none waits. */
int64_t dead_letters_oldest_wait_ms(const struct dead_letters *d);
/* Serves reports; a file is synced a few times a second. */
void dead_letters_poll(struct dead_letters *d, int timeout_ms);
/* A file: synced now. A topic: nothing, its reports come by themselves. */
void dead_letters_sync(struct dead_letters *d);
/* Waits up to timeout_ms for what is not safe yet. Copes with NULL. */
void dead_letters_close(struct dead_letters *d, int timeout_ms);

/* ---- what `zhiliu dead-letters` reads back ---- */

#define DEAD_LETTERS_MAX_HEADERS 64

/* One letter; everything is lent for the call. */
struct dead_letter {
    struct zl_span key, reason, detail, topic;
    int32_t partition;
    int64_t offset;
    int32_t index;
    int64_t time_ms; /* when it was put */
    bool truncated, has_original_key;
    struct zl_span original_key, value;
    /* without dlq.*; room for DEAD_LETTERS_MAX_HEADERS where it is filled */
    struct source_header *headers;
    int n_headers;
};

/* A line of the file and back. false: not such a line. Parsed texts lie in scratch (at least len bytes), headers in the caller's room. */
void dead_letters_print(FILE *out, const struct dead_letter *l);
bool dead_letters_parse(const char *line, size_t len, char *scratch,
                        struct source_header headers[DEAD_LETTERS_MAX_HEADERS],
                        struct dead_letter *l);

#endif
