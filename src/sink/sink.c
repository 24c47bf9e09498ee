/* The door of the room: one struct sink, two stores behind it, and what is the same for both: defaults, how long a list
 * lives, the marker a forgotten user leaves, closing with patience, and `check`.
 *
 * Lists of one busy second would all end in the same second a week later; so each user's list lives up to a tenth shorter, by a
 * hash of the user's id.
 */
#define _GNU_SOURCE
#include "sink/sink.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "sink/sink_priv.h"

#define FORGET_TTL_MS 3600000
#define CHECK_TTL_MS 1000

static void set_defaults(struct sink_config *cfg)
{
    if (cfg->inflight <= 0)
        cfg->inflight = 256;
    if (cfg->ttl_ms <= 0)
        cfg->ttl_ms = 7 * 86400000LL;
    if (cfg->timeout_ms <= 0)
        cfg->timeout_ms = 2000;
    if (!cfg->prefix)
        cfg->prefix = "zl:";
    if (!cfg->name)
        cfg->name = "zhiliu";
}

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

enum zl_status sink_open(const struct sink_config *given, struct sink **out, struct zl_error *err)
{
    *out = NULL;
    struct sink_config cfg = *given;
    set_defaults(&cfg);
    struct sink *s = NULL;
    if (cfg.kind == SINK_REDIS)
        TRY(sink_redis_open(&cfg, &s, err));
    else
        s = sink_stdout_open(&cfg);
    s->cfg = cfg;
    s->cfg.url = s->cfg.username = s->cfg.password = NULL; /* the store took what it needs */
    s->cfg.prefix = copy(cfg.prefix);
    s->cfg.name = copy(cfg.name);
    *out = s;
    return ZL_OK;
}

/* Waits until the descriptor is ready or sink_poll is due, at most until deadline_ns. */
static void wait_for_store(const struct sink *s, int64_t deadline_ns)
{
    bool want_write = false;
    struct pollfd p = {.fd = sink_fd(s, &want_write)};
    p.events = (short)(POLLIN | (want_write ? POLLOUT : 0));
    int64_t now = clock_monotonic_ns(), until = sink_next_ns(s);
    if (until > deadline_ns)
        until = deadline_ns;
    if (until > now)
        poll(&p, 1, (int)((until - now) / 1000000) + 1);
}

static void drain(struct sink *s, int wait_ms)
{
    int64_t deadline = clock_monotonic_ns() + (int64_t)wait_ms * 1000000;
    struct sink_answer answers[64];
    while (s->ops->inflight(s)) {
        int64_t now = clock_monotonic_ns();
        if (sink_poll(s, now, answers, 64) == 0) {
            if (now >= deadline)
                return;
            wait_for_store(s, deadline);
        }
    }
}

void sink_close(struct sink *s, int wait_ms)
{
    if (!s)
        return;
    drain(s, wait_ms);
    char *prefix = (char *)(uintptr_t)s->cfg.prefix, *name = (char *)(uintptr_t)s->cfg.name;
    s->ops->close(s);
    free(prefix);
    free(name);
}

int sink_room(const struct sink *s)
{
    return s->ops->room(s);
}

static int64_t jittered(int64_t ttl_ms, struct zl_span user_id)
{
    return ttl_ms -
           (int64_t)(hash_bytes(user_id.ptr, user_id.len, 0) % (uint64_t)(ttl_ms / 10 + 1));
}

void sink_put(struct sink *s, const struct sink_list *list)
{
    ASSERT(sink_room(s) > 0 && list->n <= ZL_MAX_LIST);
    s->ops->put(s, list, jittered(list->ttl_ms ? list->ttl_ms : s->cfg.ttl_ms, list->user_id));
}

void sink_forget(struct sink *s, uint64_t token, struct zl_span user_id, struct zl_version version,
                 int64_t ts_ms)
{
    ASSERT(sink_room(s) > 0);
    struct sink_list empty = {
        .token = token, .user_id = user_id, .version = version, .ts_ms = ts_ms};
    s->ops->put(s, &empty, FORGET_TTL_MS);
}

int sink_poll(struct sink *s, int64_t now_ns, struct sink_answer *answers, int max)
{
    return s->ops->poll(s, now_ns, answers, max);
}

int sink_fd(const struct sink *s, bool *want_write)
{
    return s->ops->fd(s, want_write);
}

bool sink_connected(const struct sink *s, char *why, size_t len)
{
    bool yes = s->ops->connected(s);
    if (why && len)
        snprintf(why, len, "%s", yes ? "" : s->why);
    return yes;
}

uint64_t sink_connections(const struct sink *s)
{
    return s->connections;
}

int64_t sink_next_ns(const struct sink *s)
{
    return s->ops->next_ns(s);
}

/* Goes on until `done` or the first failure; says whether it was `done`. */
static bool check_until(struct sink *s, int64_t deadline_ns, bool want_answer,
                        struct sink_answer *answer)
{
    for (;;) {
        int64_t now = clock_monotonic_ns();
        int n = sink_poll(s, now, answer, 1);
        if (want_answer ? n > 0 : sink_connected(s, NULL, 0))
            return true;
        if (s->failures || now >= deadline_ns)
            return false;
        wait_for_store(s, deadline_ns);
    }
}

static enum zl_status check_fail(const struct sink *s, int timeout_ms, struct zl_error *err)
{
    if (s->failures)
        return zl_fail(err, ZL_EUNREACHABLE, "%s", s->why);
    return zl_fail(err, ZL_EUNREACHABLE, "%s, and %d ms have passed", s->why, timeout_ms);
}

enum zl_status sink_check(const struct sink_config *cfg, int timeout_ms, struct zl_error *err)
{
    struct sink *s;
    struct sink_answer answer = {.result = SINK_FAILED};
    int64_t deadline = clock_monotonic_ns() + (int64_t)timeout_ms * 1000000;
    TRY(sink_open(cfg, &s, err));
    s->quiet = true;
    enum zl_status st = ZL_OK;
    if (cfg->kind == SINK_REDIS) {
        bool done = check_until(s, deadline, false, &answer);
        if (done && sink_room(s) > 0) {
            struct sink_list list = {.token = 1, .user_id = ZL_SPAN("zhiliu check")};
            s->ops->put(s, &list, CHECK_TTL_MS);
            done = check_until(s, deadline, true, &answer) && answer.result != SINK_FAILED;
        }
        if (!done)
            st = check_fail(s, timeout_ms, err);
    }
    sink_close(s, 0);
    return st;
}
