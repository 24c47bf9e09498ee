/* sink/sink.h - finished lists out to the store. Two stores: Redis, and lines on stdout.
 * Format   design, "Redis": {"v":1,"ver":"<40 hex>","ts":ms,"experiment":{},"items":[...],"explore":{}}: ver's digits are always bytes 14-53.
 * Promise  An older version never replaces a newer one (a Lua script compares). Nothing is queued beyond `inflight`
 *          lists: the caller keeps a dirty bit and asks again. What was sent and not answered when a connection dies is reported
 *          as SINK_FAILED. No call waits for the network; waits between reconnects grow from 50 ms to 2 s.
 * Threads  the engine's loop only. */
#ifndef SINK_SINK_H
#define SINK_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "zhiliu/slate.h"
#include "zhiliu/span.h"
#include "zhiliu/status.h"

enum sink_kind { SINK_REDIS, SINK_STDOUT, SINK_NONE };

struct sink_config {
    enum sink_kind kind;
    /* redis://[user[:password]@]host[:port][/db], unix:///path/to.sock[?db=n], unix://user:pw@/path */
    const char *url;
    const char *username, *password; /* override the URL's; NULL: none */
    const char *prefix;              /* "zl:" */
    int64_t ttl_ms;                  /* 7 days; 10 % jitter by user hash, downwards */
    bool scores;
    int inflight;       /* lists on the way at once; 256 */
    int64_t timeout_ms; /* an unanswered connection is closed after this; 2,000 */
    const char *name;   /* CLIENT SETNAME, NULL: "zhiliu" */
};

enum sink_result { SINK_WRITTEN, SINK_STALE, SINK_FAILED };

/* What became of a list. */
struct sink_answer {
    uint64_t token;
    enum sink_result result;
    char newer[ZL_VERSION_LEN + 1]; /* SINK_STALE: the version that stands there */
};

/* feed:{<user>}, similar:<item>, hot:<category>. Only a user's list has experiment and explore. */
enum sink_key { SINK_FEED, SINK_SIMILAR, SINK_HOT, SINK_N_KEYS };

/* All borrowed for the call. */
struct sink_list {
    uint64_t token; /* comes back in the answer */
    enum sink_key key;
    struct zl_span user_id; /* or the item, or the category, whose list it is */
    int64_t ttl_ms;         /* 0: the config's */
    struct zl_version version;
    int64_t ts_ms;
    int n;
    const struct zl_span *items;
    const float *scores;        /* used when cfg.scores */
    struct zl_span experiment;  /* JSON object text or empty: {} */
    const double *propensities; /* of each place, 0: not drawn by chance; NULL: none was */
};

struct sink;

/* Parses the URL; does not wait for the store. ZL_ECONFIG: the URL is wrong. */
MUST_CHECK enum zl_status sink_open(const struct sink_config *cfg, struct sink **out,
                                    struct zl_error *err);
/* Sends and waits for what is on the way, up to wait_ms; then closes. */
void sink_close(struct sink *s, int wait_ms);

/* How many more lists are taken now; 0 while the store is away. */
int sink_room(const struct sink *s);
/* Takes one list (sink_room > 0). */
void sink_put(struct sink *s, const struct sink_list *list);
/* Deletes a user's list (privacy request): leaves a marker of this version for 1 h, so that no stale writer revives it. Readers see an
 * empty list. Counts as one list. */
void sink_forget(struct sink *s, uint64_t token, struct zl_span user_id, struct zl_version version,
                 int64_t ts_ms);
/* Connects, writes, reads, times out; hands out up to max answers (max > 0). now_ns is monotonic. Returns how many; when it
 * is max, there may be more: call again. Counts METRIC_SINK_*; METRIC_LISTS_WRITTEN is the caller's. */
int sink_poll(struct sink *s, int64_t now_ns, struct sink_answer *answers, int max);
/* Descriptor to wait on (-1: none) and whether for writing too. */
int sink_fd(const struct sink *s, bool *want_write);
/* Connected and the script is there. why gets words when not. */
bool sink_connected(const struct sink *s, char *why, size_t len);
/* Rises by one with every new connection: the store may have lost everything, all lists are due. */
uint64_t sink_connections(const struct sink *s);
/* When sink_poll is due even if the descriptor stays quiet, monotonic ns: the next reconnect, the end of a wait or of the
 * timeout, a ping of an idle connection. INT64_MAX: never (stdout). */
int64_t sink_next_ns(const struct sink *s);

/* For `check`: connects with these credentials, PING, loads the script and writes the list of the user "zhiliu check" for one second.
 * Waits up to timeout_ms. ZL_EUNREACHABLE: the words say what Redis refused. */
MUST_CHECK enum zl_status sink_check(const struct sink_config *cfg, int timeout_ms,
                                     struct zl_error *err);

/* The value as it is stored, appended to out (capacity checked by ASSERT against sink_value_bound). Returns its length. */
size_t sink_format_value(const struct sink_list *list, bool scores, char *out, size_t capacity);
size_t sink_value_bound(const struct sink_list *list, bool scores);

#endif
