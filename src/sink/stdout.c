/* Lists as lines on stdout, for a pipeline without any service: {"user":"...", and then the fields of the stored value.
 *
 * Lines of one round of the loop are gathered and written together by sink_poll, which then answers SINK_WRITTEN for each. A reader
 * that is slow gets no more room until it has taken what is there; a call waits for it at most STALL_MS. When
 * the reader has gone (EPIPE: `zhiliu run ... | head`) everything open is answered SINK_FAILED and no room is given any more; the
 * engine sees it in sink_connected and ends. The same store without a descriptor is SINK_NONE.
 */
#define _GNU_SOURCE
#include "sink/sink_priv.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

#define STALL_MS 100
#define PIECE ((size_t)4096)

struct sink_stdout {
    struct sink base;
    bool lines, gone, stalled; /* stalled: the reader has not taken everything yet */
    char *text;
    size_t len, capacity;
    uint64_t *tokens; /* taken and not handed out; a queue from the front */
    int n_tokens;
};

static struct sink_stdout *own(struct sink *s)
{
    return (struct sink_stdout *)s;
}

static const struct sink_stdout *own_const(const struct sink *s)
{
    return (const struct sink_stdout *)s;
}

static int stdout_room(const struct sink *s)
{
    const struct sink_stdout *o = own_const(s);
    return o->gone || o->stalled ? 0 : s->cfg.inflight - o->n_tokens;
}

static int stdout_inflight(const struct sink *s)
{
    return own_const(s)->n_tokens;
}

static void stdout_put(struct sink *s, const struct sink_list *list, int64_t ttl_ms)
{
    static const char *const name[SINK_N_KEYS] = {"user", "similar", "hot"};
    (void)ttl_ms;
    struct sink_stdout *o = own(s);
    o->tokens[o->n_tokens++] = list->token;
    if (!o->lines)
        return;
    size_t need = o->len + sink_value_bound(list, s->cfg.scores) + 6 * list->user_id.len + 32;
    if (need > o->capacity)
        o->text = xrealloc(o->text, 1, o->capacity = 2 * need);
    o->len += (size_t)sprintf(o->text + o->len, "{\"%s\":\"", name[list->key]);
    o->len += sink_format_escaped(list->user_id, o->text + o->len);
    o->len += (size_t)sprintf(o->text + o->len, "\",");
    size_t at = o->len - 1; /* the value's '{' falls on our ',': put that back */
    o->len = at + sink_format_value(list, s->cfg.scores, o->text + at, o->capacity - at);
    o->text[at] = ',';
    o->text[o->len++] = '\n';
}

/* A slow reader holds us up, which on a pipe is the back-pressure one wants, but never for longer than STALL_MS at a
 * time: the engine must see that it is asked to stop. Returns how much was written; *failed: it cannot be. */
static size_t write_some(const char *text, size_t len, bool *failed)
{
    size_t done = 0;
    while (done < len) {
        struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
        if (poll(&p, 1, STALL_MS) <= 0)
            break;
        size_t piece =
            len - done < PIECE ? len - done : PIECE; /* a pipe with room takes as much at once */
        ssize_t n = write(STDOUT_FILENO, text + done, piece);
        if (n > 0)
            done += (size_t)n;
        *failed = n < 0 && errno != EINTR && errno != EAGAIN;
        if (n < 0)
            break;
    }
    return done;
}

static void flush_lines(struct sink_stdout *o)
{
    bool failed = false;
    if (o->gone || o->len == 0)
        return;
    size_t done = write_some(o->text, o->len, &failed);
    o->len -= done;
    memmove(o->text, o->text + done, o->len);
    if (!failed)
        return;
    o->gone = true;
    o->len = 0;
    o->base.failures++;
    snprintf(o->base.why, sizeof o->base.why, "stdout cannot be written: %s", strerror(errno));
}

static int stdout_poll(struct sink *s, int64_t now_ns, struct sink_answer *answers, int max)
{
    (void)now_ns;
    struct sink_stdout *o = own(s);
    flush_lines(o);
    o->stalled = o->len > 0;
    if (o->stalled)
        return 0;
    int n = o->n_tokens < max ? o->n_tokens : max;
    for (int i = 0; i < n; i++)
        answers[i] = (struct sink_answer){.token = o->tokens[i],
                                          .result = o->gone ? SINK_FAILED : SINK_WRITTEN};
    o->n_tokens -= n;
    memmove(o->tokens, o->tokens + n, (size_t)o->n_tokens * sizeof o->tokens[0]);
    return n;
}

static int stdout_fd(const struct sink *s, bool *want_write)
{
    (void)s;
    *want_write = false;
    return -1;
}

static bool stdout_connected(const struct sink *s)
{
    return !own_const(s)->gone;
}

static int64_t stdout_next_ns(const struct sink *s)
{
    (void)s;
    return INT64_MAX;
}

static void stdout_close(struct sink *s)
{
    flush_lines(own(s));
    free(own(s)->text);
    free(own(s)->tokens);
    free(s);
}

static const struct sink_ops stdout_ops = {stdout_close,   stdout_room,    stdout_put,
                                           stdout_poll,    stdout_fd,      stdout_connected,
                                           stdout_next_ns, stdout_inflight};

/* Without this a closed pipe would end the process before write() could say EPIPE. A handler of the program's own stays. */
static void ignore_broken_pipes(void)
{
    struct sigaction old;
    if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

struct sink *sink_stdout_open(const struct sink_config *cfg)
{
    struct sink_stdout *o = xcalloc(1, sizeof *o);
    o->base.ops = &stdout_ops;
    o->base.connections = 1;
    o->lines = cfg->kind == SINK_STDOUT;
    o->tokens = xcalloc((size_t)cfg->inflight, sizeof o->tokens[0]);
    if (o->lines)
        ignore_broken_pipes();
    return &o->base;
}
