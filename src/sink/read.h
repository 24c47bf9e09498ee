/* sink/read.h - what a serving program does with the store: one GET of a list. For programs that play a client (simulate).
 * Promise  One question at a time, waiting for its answer, at most timeout_ms; a connection that fails is dialled once more
 *          within the same call. Reads nothing but strings.
 * Format   of what is read: design, "Redis"; see sink/sink.h.
 * Threads  one owner; not the engine's loop, for it waits. */
#ifndef SINK_READ_H
#define SINK_READ_H

#include "zhiliu/span.h"
#include "zhiliu/status.h"

/* Readable bytes after a value, as parsers of JSON want them. */
#define SINK_READ_PADDING 64

struct sink_read;

/* Connects. url as in sink_config, with its credentials. ZL_ECONFIG: the URL is wrong; ZL_EUNREACHABLE: no answer. *out is the
 * caller's, for sink_read_close(), or NULL. */
MUST_CHECK enum zl_status sink_read_open(const char *url, int timeout_ms, struct sink_read **out,
                                         struct zl_error *err);
/* The same with a user or password given apart from the URL, as in sink_config. */
MUST_CHECK enum zl_status sink_read_open_as(const char *url, const char *username,
                                            const char *password, int timeout_ms,
                                            struct sink_read **out, struct zl_error *err);
void sink_read_close(struct sink_read *r); /* copes with NULL */

/* The value of a key (borrowed), lent until the next call. ZL_END: there is no such key. ZL_EUNREACHABLE: lost, with words. */
MUST_CHECK enum zl_status sink_read_get(struct sink_read *r, struct zl_span key,
                                        struct zl_span *value, struct zl_error *err);

#endif
