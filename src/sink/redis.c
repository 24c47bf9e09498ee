/* Lists to Redis, without waiting for it. hiredis is the codec of its replies; socket, deadlines and order are ours.
 *
 * A connection goes    AWAY --due--> DIALING --connected--> GREETING --script is there--> READY
 *                       ^                 any trouble                                        |
 *                       +--------------------------------------------------------------------+
 *
 * Redis answers in the order it was asked, so a queue of what was asked (`asked`) is all that is needed to know what a reply
 * means. When a connection dies nobody knows which of its lists arrived: each is answered SINK_FAILED, the caller still has its
 * dirty bit and sends a newer list later. That it may have arrived does no harm: writing an equal version again is accepted.
 *
 * The script keeps a newer list from being replaced by an older one, whoever sends it. Versions are hex text of fixed width, for
 * Lua in Redis compares strings by the server's locale, which for hex digits is the same order everywhere. A key of another type
 * (WRONGTYPE) counts as empty and is replaced; text that is not a version neither.
 *
 * Trouble of the whole store (memory full, read-only, still loading) answers every list with an error. Then no room is given for a
 * wait that grows from 50 ms to 2 s, and after it for one list only, until one is written again.
 */
#define _GNU_SOURCE
#include "sink/sink_priv.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "sink/dial.h"
#include "sink/trouble.h"
#include "sink/url.h"
#include "sink/wire.h"

#define FIRST_WAIT_MS 50
#define MOST_WAIT_MS 2000
#define CALM_NS 5000000000LL /* an error this long ago, and none since, is over */
#define LOOK_UP_NS 5000000LL /* how often a name on its way is asked for */
#define MOST_UNSENT_BYTES (1 << 20)
#define WRITE_AT_BYTES (64 << 10) /* sink_put writes by itself from here on */
#define MOST_UNPARSED_BYTES (64 << 10)
#define GREETING_REPLIES 8
#define SHA_LEN 40

static const char script[] =
    "local c=redis.pcall('GETRANGE',KEYS[1],14,53) "
    "if type(c)=='table' then if not string.find(c.err,'WRONGTYPE',1,true) then return c end c='' "
    "end "
    "if #c==40 and c>ARGV[1] and not string.find(c,'[^0-9a-f]') then return c end "
    "redis.call('SET',KEYS[1],ARGV[2],'PX',ARGV[3]) return 1";

enum state { AWAY, DIALING, GREETING, READY };
enum ask { ASK_AUTH, ASK_SELECT, ASK_NAME, ASK_PING, ASK_SCRIPT, ASK_LIST };

struct asked {
    enum ask ask;
    uint64_t token; /* of ASK_LIST */
};

/* The one reply being looked at; hiredis fills it in place, so nothing is allocated for it. */
struct reply {
    int type; /* REDIS_REPLY_... */
    long long integer;
    char text[240]; /* cut */
};

struct sink_redis {
    struct sink base;
    struct sink_url url;
    enum state state;
    struct sink_dial dial;
    int fd;
    redisReader *reader;
    struct reply reply;
    char sha[SHA_LEN + 1];
    bool script_asked;

    struct asked *asked; /* ring, oldest at `first` */
    int first, n_asked, capacity;
    uint64_t *failed; /* tokens to hand out as SINK_FAILED, from the front */
    int n_failed, n_lists;

    struct sink_wire wire;
    char *value; /* one value being formatted */
    size_t value_capacity;

    int64_t now_ns; /* of the newest poll */
    /* something is on the way and nothing came since; 0: nothing is on the way */
    int64_t silent_since_ns;
    int64_t heard_ns; /* newest reply */
    int64_t due_ns;   /* AWAY: next dial; READY: room again */
    int64_t error_ns; /* newest error of a list; 0: the store takes lists */
    int64_t wait_ms;  /* newest wait; 0: all is well */
    int noscripts;    /* reloads without a list written since */
    bool more;        /* the newest poll ended for want of room in the caller's answers */
};

static struct sink_redis *own(struct sink *s)
{
    return (struct sink_redis *)s;
}

static const struct sink_redis *own_const(const struct sink *s)
{
    return (const struct sink_redis *)s;
}

/* ---- replies: hiredis builds them through these ---- */

static void *reply_text(const redisReadTask *task, char *text, size_t len)
{
    struct reply *reply = task->privdata;
    reply->type = task->type;
    if (len >= sizeof reply->text)
        len = sizeof reply->text - 1;
    memcpy(reply->text, text, len);
    reply->text[len] = '\0';
    return reply;
}

static void *reply_integer(const redisReadTask *task, long long value)
{
    struct reply *reply = task->privdata;
    reply->type = task->type;
    reply->integer = value;
    reply->text[0] = '\0';
    return reply;
}

static void *reply_nil(const redisReadTask *task)
{
    return reply_integer(task, 0);
}

/* Nothing we ask is answered by an array, and one header of it could ask for gigabytes. */
static void *reply_array(const redisReadTask *task, int n)
{
    (void)task;
    (void)n;
    return NULL;
}

static void reply_free(void *reply)
{
    (void)reply;
}

static redisReplyObjectFunctions reply_functions = {reply_text, reply_array, reply_integer,
                                                    reply_nil, reply_free};

/* ---- waits and words ---- */

/* 50 ms, doubled each time up to 2 s, a quarter shorter by chance: a fleet must not come back in step. */
static int64_t next_wait_ns(struct sink_redis *r)
{
    r->wait_ms = r->wait_ms ? r->wait_ms * 2 : FIRST_WAIT_MS;
    if (r->wait_ms > MOST_WAIT_MS)
        r->wait_ms = MOST_WAIT_MS;
    int64_t ns = r->wait_ms * 1000000;
    uint64_t chance = hash_mix((uint64_t)r->now_ns ^ (uint64_t)(uintptr_t)r);
    return FIRST_WAIT_MS * 1000000 >= ns ? ns : ns - (int64_t)(chance % (uint64_t)(ns / 4));
}

static PRINTF_LIKE(2, 3) void set_why(struct sink_redis *r, const char *fmt, ...)
{
    char words[sizeof r->base.why];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    snprintf(r->base.why, sizeof r->base.why, "Redis at %s: %.180s", r->url.words, words);
}

static void set_why_from(struct sink_redis *r, const char *error)
{
    set_why(r, "%s (%.120s)", sink_trouble_words(error), error);
}

/* ---- the queue of what was asked ---- */

static void push_asked(struct sink_redis *r, enum ask ask, uint64_t token)
{
    ASSERT(r->n_asked < r->capacity);
    r->asked[(r->first + r->n_asked) % r->capacity] = (struct asked){ask, token};
    r->n_asked++;
    r->n_lists += ask == ASK_LIST;
}

static struct asked pop_asked(struct sink_redis *r)
{
    struct asked a = r->asked[r->first];
    r->first = (r->first + 1) % r->capacity;
    r->n_asked--;
    r->n_lists -= a.ask == ASK_LIST;
    return a;
}

/* The connection is dead: everything on the way has failed, the next dial comes after a wait. */
static void lose_connection(struct sink_redis *r)
{
    r->base.failures++;
    metrics_add(METRIC_SINK_ERRORS, 0, 1);
    sink_dial_cancel(&r->dial);
    if (r->fd >= 0)
        close(r->fd);
    if (r->reader)
        redisReaderFree(r->reader);
    r->fd = -1;
    r->reader = NULL;
    while (r->n_asked) {
        struct asked a = pop_asked(r);
        if (a.ask == ASK_LIST)
            r->failed[r->n_failed++] = a.token;
    }
    sink_wire_clear(&r->wire);
    r->silent_since_ns = 0;
    r->script_asked = false;
    bool was_ready = r->state == READY;
    r->state = AWAY;
    r->due_ns = r->now_ns + next_wait_ns(r);
    if (!r->base.quiet && was_ready)
        LOG(WARN, "sink", "lost: %s; lists wait until it is back", r->base.why);
    else if (!r->base.quiet)
        LOG(WARN, "sink", "not connected: %s; trying again", r->base.why);
}

/* ---- questions ---- */

static void put_command(struct sink_redis *r, enum ask ask, int n, const struct zl_span *arguments)
{
    sink_wire_command(&r->wire, n);
    for (int i = 0; i < n; i++)
        sink_wire_argument(&r->wire, arguments[i]);
    push_asked(r, ask, 0);
}

static void ask_script(struct sink_redis *r)
{
    if (r->script_asked)
        return;
    r->script_asked = true;
    struct zl_span load[] = {ZL_SPAN("SCRIPT"), ZL_SPAN("LOAD"), ZL_SPAN(script)};
    put_command(r, ASK_SCRIPT, 3, load);
}

/* All in one packet: the first error among the answers is the one that counts. */
static void greet(struct sink_redis *r)
{
    char db[16];
    struct zl_span password = zl_span_of(r->url.password), user = zl_span_of(r->url.user);
    if (user.len)
        put_command(r, ASK_AUTH, 3, (struct zl_span[]){ZL_SPAN("AUTH"), user, password});
    else if (password.len)
        put_command(r, ASK_AUTH, 2, (struct zl_span[]){ZL_SPAN("AUTH"), password});
    snprintf(db, sizeof db, "%d", r->url.db);
    if (r->url.db)
        put_command(r, ASK_SELECT, 2, (struct zl_span[]){ZL_SPAN("SELECT"), zl_span_of(db)});
    /* takes what a server says before it closes */
    put_command(r, ASK_PING, 1, (struct zl_span[]){ZL_SPAN("PING")});
    put_command(
        r, ASK_NAME, 3,
        (struct zl_span[]){ZL_SPAN("CLIENT"), ZL_SPAN("SETNAME"), zl_span_of(r->base.cfg.name)});
    ask_script(r);
}

/* ---- what the replies mean ---- */

static void become_ready(struct sink_redis *r)
{
    r->state = READY;
    r->due_ns = r->now_ns;
    r->base.connections++;
    if (!r->error_ns)
        r->base.why[0] = '\0';
    metrics_add(METRIC_SINK_RECONNECTS, 0, 1);
    if (!r->base.quiet)
        LOG(INFO, "sink", "connected to %s", r->url.words);
}

/* False: the connection is useless. */
static bool take_greeting(struct sink_redis *r, enum ask ask)
{
    const struct reply *reply = &r->reply;
    if (reply->type == REDIS_REPLY_ERROR) {
        if (ask == ASK_NAME)
            return true; /* a name is a courtesy */
        set_why_from(r, reply->text);
        return false;
    }
    if (ask == ASK_SCRIPT) {
        if (reply->type != REDIS_REPLY_STRING || strlen(reply->text) != SHA_LEN) {
            set_why(r, "SCRIPT LOAD was not answered with a SHA; is it a Redis?");
            return false;
        }
        memcpy(r->sha, reply->text, SHA_LEN + 1);
        r->script_asked = false;
        if (r->state == GREETING)
            become_ready(r);
        return true;
    }
    if (reply->type != REDIS_REPLY_STATUS) {
        set_why(r, "an unexpected answer; is it a Redis?");
        return false;
    }
    return true;
}

/* A list was refused. Of the many refusals of one moment the first one makes the wait. False: connect anew, for a demoted
 * primary stays read-only while its name may already lead to the new one. */
static bool take_refusal(struct sink_redis *r)
{
    const char *error = r->reply.text;
    metrics_add(METRIC_SINK_ERRORS, 0, 1);
    if (strncmp(error, "NOSCRIPT", 8) ==
        0) { /* SCRIPT FLUSH, or a restart behind a proxy: once is no trouble */
        r->noscripts += !r->script_asked;
        ask_script(r);
        if (r->noscripts == 1)
            return true;
    }
    r->base.failures++;
    set_why_from(r, error);
    if (!r->base.quiet)
        LOG(WARN, "sink", "a list was refused: %s; trying again after a wait", r->base.why);
    r->error_ns = r->now_ns;
    if (r->due_ns <= r->now_ns)
        r->due_ns = r->now_ns + next_wait_ns(r);
    return !strstr(error, "READONLY");
}

static void all_is_well(struct sink_redis *r)
{
    r->error_ns = 0;
    r->wait_ms = 0;
    r->noscripts = 0;
    r->due_ns = r->now_ns;
    r->base.why[0] = '\0';
}

/* False: the connection is useless. */
static bool take_list_reply(struct sink_redis *r, struct sink_answer *answer)
{
    const struct reply *reply = &r->reply;
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer == 1) {
        answer->result = SINK_WRITTEN;
        all_is_well(r);
        return true;
    }
    if (reply->type == REDIS_REPLY_STRING && strlen(reply->text) == ZL_VERSION_LEN) {
        answer->result = SINK_STALE;
        memcpy(answer->newer, reply->text, ZL_VERSION_LEN + 1);
        all_is_well(r);
        return true;
    }
    answer->result = SINK_FAILED;
    if (reply->type == REDIS_REPLY_ERROR)
        return take_refusal(r);
    set_why(r, "an unexpected answer to a list; is it a Redis?");
    return false;
}

/* One reply, if a whole one is there: 1 taken, 0 none, -1 the connection is useless. */
static int take_reply(struct sink_redis *r, struct sink_answer *answers, int *n)
{
    void *got = NULL;
    if (redisReaderGetReply(r->reader, &got) != REDIS_OK) {
        set_why(r, "what answers is not a Redis (%.100s)", r->reader->errstr);
        return -1;
    }
    if (!got) {
        if (r->reader->len - r->reader->pos <= MOST_UNPARSED_BYTES)
            return 0;
        set_why(r, "what answers is not a Redis (an endless reply)");
        return -1;
    }
    if (r->n_asked == 0) {
        set_why(r, "it answers what was not asked; is it a Redis?");
        if (r->reply.type == REDIS_REPLY_ERROR)
            set_why_from(r, r->reply.text); /* "max number of clients reached", before it closes */
        return -1;
    }
    r->silent_since_ns = r->heard_ns = r->now_ns;
    struct asked a = pop_asked(r);
    if (a.ask != ASK_LIST)
        return take_greeting(r, a.ask) ? 1 : -1;
    struct sink_answer *answer = &answers[(*n)++];
    *answer = (struct sink_answer){.token = a.token};
    return take_list_reply(r, answer) ? 1 : -1;
}

/* Replies that are there already, as long as answers have room: 0, or -1. */
static int take_replies(struct sink_redis *r, struct sink_answer *answers, int *n, int max)
{
    while (*n < max) {
        int taken = take_reply(r, answers, n);
        if (taken <= 0)
            return taken;
    }
    return 0;
}

/* Reads until nothing is left; false: the connection is useless. */
static bool receive(struct sink_redis *r, struct sink_answer *answers, int *n, int max)
{
    char bytes[16384];
    for (;;) {
        if (take_replies(r, answers, n, max) < 0)
            return false;
        if (*n == max)
            return true;
        ssize_t got = recv(r->fd, bytes, sizeof bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return true;
        if (got <= 0) {
            set_why(r, "%s", got < 0 ? strerror(errno) : "it closed the connection");
            return false;
        }
        redisReaderFeed(r->reader, bytes, (size_t)got); /* a failure shows in the next GetReply */
    }
}

/* ---- one turn ---- */

static int64_t ping_every_ns(const struct sink_redis *r)
{
    return r->base.cfg.timeout_ms * 1000000;
}

static void dial_step(struct sink_redis *r)
{
    if (r->state == AWAY && r->now_ns >= r->due_ns) {
        sink_dial_begin(&r->dial, &r->url);
        r->state = DIALING;
        r->silent_since_ns = r->now_ns;
    }
    if (r->state != DIALING)
        return;
    enum sink_dial_state state = sink_dial_step(&r->dial);
    if (state == SINK_DIAL_FAILED) {
        set_why(r, "%s", r->dial.why);
        lose_connection(r);
    } else if (state == SINK_DIAL_DONE) {
        r->fd = r->dial.fd;
        r->dial.fd = -1;
        r->reader = redisReaderCreateWithFunctions(&reply_functions);
        ASSERT(r->reader);
        redisReaderSetPrivdata(r->reader, &r->reply);
        r->state = GREETING;
        greet(r);
    }
}

/* Without lists to write, a store that has gone would go unnoticed. */
static void ping_when_idle(struct sink_redis *r)
{
    if (r->state == READY && r->n_asked == 0 && r->now_ns - r->heard_ns >= ping_every_ns(r))
        put_command(r, ASK_PING, 1, (struct zl_span[]){ZL_SPAN("PING")});
}

static void talk(struct sink_redis *r, struct sink_answer *answers, int *n, int max)
{
    if (r->state != GREETING && r->state != READY)
        return;
    sink_wire_flush(&r->wire, r->fd);
    bool good = receive(r, answers, n, max);
    ping_when_idle(r);
    sink_wire_flush(&r->wire, r->fd); /* a reply may have led to a question */
    if (good && r->wire.broken) {
        set_why(r, "%s", strerror(r->wire.broken));
        good = false;
    }
    if (!good)
        lose_connection(r);
}

static void watch_clock(struct sink_redis *r)
{
    bool on_the_way = r->state == DIALING || r->n_asked;
    if (!on_the_way)
        r->silent_since_ns = 0;
    else if (!r->silent_since_ns)
        r->silent_since_ns = r->now_ns;
    else if (r->now_ns - r->silent_since_ns > r->base.cfg.timeout_ms * 1000000) {
        set_why(r, "no answer for %lld ms", (long long)r->base.cfg.timeout_ms);
        lose_connection(r);
    }
    if (r->state == READY && !r->n_asked && r->wait_ms && r->now_ns > r->due_ns + CALM_NS)
        all_is_well(r);
}

static int hand_out_failed(struct sink_redis *r, struct sink_answer *answers, int n, int max)
{
    int take = r->n_failed < max - n ? r->n_failed : max - n;
    for (int i = 0; i < take; i++)
        answers[n + i] = (struct sink_answer){.token = r->failed[i], .result = SINK_FAILED};
    r->n_failed -= take;
    memmove(r->failed, r->failed + take, (size_t)r->n_failed * sizeof r->failed[0]);
    return n + take;
}

static bool redis_connected(const struct sink *s)
{
    return own_const(s)->state == READY && !own_const(s)->error_ns;
}

static int redis_inflight(const struct sink *s)
{
    return own_const(s)->n_lists + own_const(s)->n_failed;
}

static int redis_poll(struct sink *s, int64_t now_ns, struct sink_answer *answers, int max)
{
    struct sink_redis *r = own(s);
    r->now_ns = now_ns;
    int n = hand_out_failed(r, answers, 0, max);
    dial_step(r);
    talk(r, answers, &n, max);
    watch_clock(r);
    n = hand_out_failed(r, answers, n, max);
    r->more = n == max;
    metrics_set(METRIC_SINK_STATE, 0, redis_connected(s));
    metrics_set(METRIC_SINK_INFLIGHT, 0, redis_inflight(s));
    return n;
}

static int redis_room(const struct sink *s)
{
    const struct sink_redis *r = own_const(s);
    if (r->state != READY || r->script_asked || r->wire.broken || r->now_ns < r->due_ns ||
        sink_wire_unsent(&r->wire) > MOST_UNSENT_BYTES)
        return 0;
    int most = r->wait_ms ? 1 : s->cfg.inflight; /* after trouble: one, to see */
    int room = most - redis_inflight(s);
    return room > 0 ? room : 0;
}

static size_t format_value(struct sink_redis *r, const struct sink_list *list)
{
    size_t bound = sink_value_bound(list, r->base.cfg.scores);
    if (bound > r->value_capacity)
        r->value = xrealloc(r->value, 1, r->value_capacity = 2 * bound);
    return sink_format_value(list, r->base.cfg.scores, r->value, r->value_capacity);
}

/* EVALSHA sha 1 key version value ttl. The braces of the key are real: in a cluster all keys of a user share a node. */
static void redis_put(struct sink *s, const struct sink_list *list, int64_t ttl_ms)
{
    struct sink_redis *r = own(s);
    static const char *const before[SINK_N_KEYS] = {"feed:{", "similar:", "hot:"};
    char version[ZL_VERSION_LEN + 1], ttl[24];
    zl_version_format(&list->version, version);
    snprintf(ttl, sizeof ttl, "%lld", (long long)ttl_ms);
    size_t len = format_value(r, list);
    struct zl_span value = {r->value, len}, prefix = zl_span_of(s->cfg.prefix);
    sink_wire_command(&r->wire, 7);
    sink_wire_argument(&r->wire, ZL_SPAN("EVALSHA"));
    sink_wire_argument(&r->wire, (struct zl_span){r->sha, SHA_LEN});
    sink_wire_argument(&r->wire, ZL_SPAN("1"));
    sink_wire_pieces(
        &r->wire, 4,
        (struct zl_span[]){prefix, zl_span_of(before[list->key]), list->user_id,
                           list->key == SINK_FEED ? ZL_SPAN("}") : (struct zl_span){NULL, 0}});
    sink_wire_argument(&r->wire, zl_span_of(version));
    sink_wire_argument(&r->wire, value);
    sink_wire_argument(&r->wire, zl_span_of(ttl));
    push_asked(r, ASK_LIST, list->token);
    if (sink_wire_unsent(&r->wire) > WRITE_AT_BYTES)
        sink_wire_flush(&r->wire, r->fd);
}

static int redis_fd(const struct sink *s, bool *want_write)
{
    const struct sink_redis *r = own_const(s);
    bool dialing = r->state == DIALING;
    *want_write = dialing || sink_wire_unsent(&r->wire) > 0;
    return dialing ? r->dial.fd : r->fd;
}

static int64_t redis_next_ns(const struct sink *s)
{
    const struct sink_redis *r = own_const(s);
    if (r->more)
        return r->now_ns;
    if (r->state == AWAY)
        return r->due_ns;
    if (r->state == DIALING && r->dial.lookup)
        return r->now_ns + LOOK_UP_NS;
    if (r->now_ns < r->due_ns)
        return r->due_ns;
    if (r->silent_since_ns)
        return r->silent_since_ns + s->cfg.timeout_ms * 1000000 + 1;
    return r->heard_ns + ping_every_ns(r);
}

static void redis_close(struct sink *s)
{
    struct sink_redis *r = own(s);
    sink_dial_cancel(&r->dial);
    if (r->fd >= 0)
        close(r->fd);
    if (r->reader)
        redisReaderFree(r->reader);
    explicit_bzero(&r->url, sizeof r->url);
    free(r->asked);
    free(r->failed);
    sink_wire_release(&r->wire);
    free(r->value);
    free(r);
}

static const struct sink_ops redis_ops = {redis_close,   redis_room,    redis_put,
                                          redis_poll,    redis_fd,      redis_connected,
                                          redis_next_ns, redis_inflight};

enum zl_status sink_redis_open(const struct sink_config *cfg, struct sink **out,
                               struct zl_error *err)
{
    *out = NULL;
    struct sink_url url;
    TRY(sink_url_parse(cfg->url, &url, err));
    TRY(sink_url_credentials(&url, cfg->username, cfg->password, err));
    struct sink_redis *r = xcalloc(1, sizeof *r);
    r->base.ops = &redis_ops;
    r->url = url;
    r->fd = r->dial.fd = -1;
    r->capacity = cfg->inflight + GREETING_REPLIES;
    r->asked = xcalloc((size_t)r->capacity, sizeof r->asked[0]);
    r->failed = xcalloc((size_t)cfg->inflight, sizeof r->failed[0]);
    set_why(r, "not connected yet");
    *out = &r->base;
    return ZL_OK;
}
