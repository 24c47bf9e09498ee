/* sink/sink_priv.h - what the stores share inside the room: the table of functions each store fills in.
 * Promise  put() is only called while room() > 0. poll() hands each token out exactly once. `why` always says in words what keeps
 *          the store away, "" when nothing does; `failures` rises with each thing that went wrong.
 * Threads  as sink.h. */
#ifndef SINK_SINK_PRIV_H
#define SINK_SINK_PRIV_H

#include "sink/sink.h"

struct sink_ops {
    void (*close)(struct sink *s); /* at once; what is on the way is forgotten */
    int (*room)(const struct sink *s);
    void (*put)(struct sink *s, const struct sink_list *list, int64_t ttl_ms);
    int (*poll)(struct sink *s, int64_t now_ns, struct sink_answer *answers, int max);
    int (*fd)(const struct sink *s, bool *want_write);
    bool (*connected)(const struct sink *s);
    int64_t (*next_ns)(const struct sink *s);
    int (*inflight)(const struct sink *s); /* taken and not yet handed out */
};

struct sink {
    const struct sink_ops *ops;
    struct sink_config cfg; /* strings are the sink's copies */
    uint64_t connections, failures;
    bool quiet; /* sink_check says itself what is wrong: no log lines */
    char why[512];
};

/* Each allocates its own struct with a struct sink as first member; cfg is filled in by the caller afterwards. */
MUST_CHECK enum zl_status sink_redis_open(const struct sink_config *cfg, struct sink **out,
                                          struct zl_error *err);
/* SINK_STDOUT writes lines to descriptor 1; SINK_NONE takes and forgets. */
struct sink *sink_stdout_open(const struct sink_config *cfg);

/* read.c: a reply in the bytes that came in so far. 1: it is whole; 0: more must come; -1: this is no Redis, or an endless reply.
 * bytes[from .. from + len): of + and - the words, of $ the value. */
struct sink_reply {
    char kind;
    bool nothing; /* no such key */
    size_t from, len;
};
int sink_read_reply(struct zl_span bytes, struct sink_reply *out);

/* `text` as the inside of a JSON string, at most 6 * len bytes; how many were written. */
size_t sink_format_escaped(struct zl_span text, char *out);

#endif
