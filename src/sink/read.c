/* A reader needs four kinds of reply: +words, -error, $length and $-1 for nothing. That is little enough to be read by hand, so that
 * hiredis stays known by one file. The socket comes from sink/dial.c and is non-blocking; we wait for it with poll, since a
 * client has nothing else to do. */
#define _GNU_SOURCE
#include "sink/read.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "sink/dial.h"
#include "sink/sink_priv.h"
#include "sink/url.h"
#include "sink/wire.h"

#define MOST_BYTES (16u << 20) /* a reply beyond this is no list */

struct sink_read {
    struct sink_url url;
    int timeout_ms, fd;
    int64_t deadline_ns;
    struct sink_wire wire;
    char *bytes; /* of the reply: [0, len) came in */
    size_t len, capacity;
};

static void hang_up(struct sink_read *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    sink_wire_clear(&r->wire);
}

static enum zl_status lost(struct sink_read *r, const char *why, struct zl_error *err)
{
    hang_up(r);
    return zl_fail(err, ZL_EUNREACHABLE, "Redis at %s: %s", r->url.words, why);
}

/* False: the time is over. */
static bool wait_for(const struct sink_read *r, int fd, short events)
{
    int64_t left_ns = r->deadline_ns - clock_monotonic_ns();
    struct pollfd p = {.fd = fd, .events = events};
    if (left_ns <= 0)
        return false;
    poll(&p, 1, (int)(left_ns / 1000000) + 1);
    return true;
}

static enum zl_status connect_now(struct sink_read *r, struct zl_error *err)
{
    struct sink_dial dial;
    enum sink_dial_state state;
    sink_dial_begin(&dial, &r->url);
    while ((state = sink_dial_step(&dial)) == SINK_DIAL_WAIT) {
        if (clock_monotonic_ns() >= r->deadline_ns) {
            sink_dial_cancel(&dial);
            return lost(r, "no answer", err);
        }
        struct pollfd p = {.fd = dial.fd, .events = POLLOUT};
        poll(&p, 1, 5); /* a name on its way has no descriptor: looked after again */
    }
    if (state == SINK_DIAL_FAILED)
        return lost(r, dial.why, err);
    r->fd = dial.fd;
    return ZL_OK;
}

static enum zl_status send_all(struct sink_read *r, struct zl_error *err)
{
    for (;;) {
        sink_wire_flush(&r->wire, r->fd);
        if (r->wire.broken)
            return lost(r, strerror(r->wire.broken), err);
        if (sink_wire_unsent(&r->wire) == 0)
            return ZL_OK;
        if (!wait_for(r, r->fd, POLLOUT))
            return lost(r, "no answer", err);
    }
}

/* More bytes, at least one; SINK_READ_PADDING stay free behind them. */
static enum zl_status receive(struct sink_read *r, struct zl_error *err)
{
    if (r->capacity - r->len < 4096 + SINK_READ_PADDING)
        r->bytes = xrealloc(r->bytes, 1, r->capacity = 2 * r->capacity + 16384);
    for (;;) {
        ssize_t got = recv(r->fd, r->bytes + r->len, r->capacity - r->len - SINK_READ_PADDING, 0);
        if (got > 0) {
            r->len += (size_t)got;
            return r->len <= MOST_BYTES ? ZL_OK : lost(r, "an endless reply", err);
        }
        if (got == 0)
            return lost(r, "it closed the connection", err);
        if (errno != EAGAIN && errno != EINTR)
            return lost(r, strerror(errno), err);
        if (!wait_for(r, r->fd, POLLIN))
            return lost(r, "no answer", err);
    }
}

int sink_read_reply(struct zl_span bytes, struct sink_reply *out)
{
    const char *end = bytes.len ? memchr(bytes.ptr, '\n', bytes.len) : NULL;
    if (!end)
        return 0;
    size_t head = (size_t)(end + 1 - bytes.ptr);
    *out = (struct sink_reply){.kind = bytes.ptr[0], .from = 1, .len = head > 3 ? head - 3 : 0};
    if (out->kind == '+' || out->kind == '-')
        return 1;
    /* strtol would pass over blanks, line ends among them, and read on behind what came in */
    if (out->kind != '$' || (bytes.ptr[1] != '-' && (bytes.ptr[1] < '0' || bytes.ptr[1] > '9')))
        return -1;
    long n = strtol(bytes.ptr + 1, NULL, 10);
    if (n > (long)MOST_BYTES)
        return -1;
    out->nothing = n < 0;
    out->from = head;
    out->len = n < 0 ? 0 : (size_t)n;
    return out->nothing || bytes.len >= head + out->len + 2;
}

static enum zl_status ask(struct sink_read *r, struct sink_reply *a, struct zl_error *err)
{
    int whole;
    r->len = 0;
    TRY(send_all(r, err));
    while ((whole = sink_read_reply((struct zl_span){r->bytes, r->len}, a)) == 0)
        TRY(receive(r, err));
    if (whole < 0)
        return lost(r, "what answers is not a Redis", err);
    if (a->kind == '-') {
        char words[200];
        snprintf(words, sizeof words, "%.*s", (int)(a->len < 150 ? a->len : 150),
                 r->bytes + a->from);
        return lost(r, words, err);
    }
    return ZL_OK;
}

static enum zl_status command(struct sink_read *r, int n, const struct zl_span *arguments,
                              struct sink_reply *a, struct zl_error *err)
{
    sink_wire_command(&r->wire, n);
    for (int i = 0; i < n; i++)
        sink_wire_argument(&r->wire, arguments[i]);
    return ask(r, a, err);
}

static enum zl_status greet(struct sink_read *r, struct zl_error *err)
{
    char db[16];
    struct sink_reply a;
    struct zl_span user = zl_span_of(r->url.user), password = zl_span_of(r->url.password);
    if (user.len)
        TRY(command(r, 3, (struct zl_span[]){ZL_SPAN("AUTH"), user, password}, &a, err));
    else if (password.len)
        TRY(command(r, 2, (struct zl_span[]){ZL_SPAN("AUTH"), password}, &a, err));
    snprintf(db, sizeof db, "%d", r->url.db);
    return r->url.db ? command(r, 2, (struct zl_span[]){ZL_SPAN("SELECT"), zl_span_of(db)}, &a, err)
                     : command(r, 1, (struct zl_span[]){ZL_SPAN("PING")}, &a, err);
}

static enum zl_status reach(struct sink_read *r, struct zl_error *err)
{
    if (r->fd >= 0)
        return ZL_OK;
    TRY(connect_now(r, err));
    return greet(r, err);
}

static void start_clock(struct sink_read *r)
{
    r->deadline_ns = clock_monotonic_ns() + (int64_t)r->timeout_ms * 1000000;
}

enum zl_status sink_read_open(const char *url, int timeout_ms, struct sink_read **out,
                              struct zl_error *err)
{
    return sink_read_open_as(url, NULL, NULL, timeout_ms, out, err);
}

enum zl_status sink_read_open_as(const char *url, const char *username, const char *password,
                                 int timeout_ms, struct sink_read **out, struct zl_error *err)
{
    struct sink_read *r = xcalloc(1, sizeof *r);
    *out = NULL;
    r->fd = -1;
    r->timeout_ms = timeout_ms;
    enum zl_status st = sink_url_parse(url, &r->url, err);
    if (st == ZL_OK)
        st = sink_url_credentials(&r->url, username, password, err);
    start_clock(r);
    if (st == ZL_OK)
        st = reach(r, err);
    if (st != ZL_OK) {
        sink_read_close(r);
        return st;
    }
    *out = r;
    return ZL_OK;
}

void sink_read_close(struct sink_read *r)
{
    if (!r)
        return;
    hang_up(r);
    sink_wire_release(&r->wire);
    explicit_bzero(&r->url, sizeof r->url);
    free(r->bytes);
    free(r);
}

static enum zl_status get(struct sink_read *r, struct zl_span key, struct zl_span *value,
                          struct zl_error *err)
{
    struct sink_reply a;
    TRY(reach(r, err));
    TRY(command(r, 2, (struct zl_span[]){ZL_SPAN("GET"), key}, &a, err));
    *value = (struct zl_span){r->bytes + a.from, a.len};
    return a.nothing ? ZL_END : ZL_OK;
}

enum zl_status sink_read_get(struct sink_read *r, struct zl_span key, struct zl_span *value,
                             struct zl_error *err)
{
    bool was_connected = r->fd >= 0;
    start_clock(r);
    *value = (struct zl_span){NULL, 0};
    enum zl_status st = get(r, key, value, err);
    if (st == ZL_EUNREACHABLE && was_connected)
        st = get(r, key, value, err); /* it was restarted, or closed an idle connection */
    return st;
}
