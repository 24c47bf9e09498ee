/* zhiliu simulate: the simulated platform (simulate.h), written to files or produced into Kafka, at a rate or flat out.
 *
 * The world makes the messages; here is only where they go, when, and what is said meanwhile. Pacing works in slots of one
 * millisecond: what is due by now is written, then we sleep to the next slot, so 2,000 a second is two a slot and not a
 * burst of 200 every tenth. Ctrl-C and SIGTERM end between two messages; what was produced is waited for. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/simulate.h"
#include "app/simulate_learned.h"
#include "app/simulate_loop_engine.h"
#include "app/simulate_loop_redis.h"
#include "base/clock.h"
#include "base/log.h"
#include "decode/decode.h"
#include "source/producer.h"

#define SLOT_NS 1000000LL
/* 2026-01-01: files are the same whenever they are written */
#define FIXED_START_MS 1767225600000LL

static volatile sig_atomic_t stop_asked;

static void ask_stop(int signo)
{
    (void)signo;
    stop_asked = 1;
}

struct output {
    FILE *events, *items, *ledger; /* NULL: not wanted */
    struct producer *producer;     /* NULL: files */
    const char *topics[2];         /* events, items */
    bool live, want_events, want_items;
    uint64_t lines[2], n_bad, n_repeats; /* lines: a topic's messages so far */
    uint64_t n_events;                   /* of the events topic, offered or not */
    struct zl_error err;
};

struct pace {
    int64_t limit;  /* messages of the events topic; 0: none */
    int64_t end_ns; /* monotonic; 0: none */
    uint64_t open;  /* closed loop: so many come first, flat out */
    double rate;    /* a second; 0: flat out */
    int64_t begin_ns, next_word_ns;
    bool terminal;
    const struct simulate_truth *truth; /* closed loop; else NULL */
    struct simulate_sums said;          /* at the newest line */
};

/* ---- where a message goes ---- */
static enum zl_status write_line(struct output *o, FILE *file, struct zl_span value)
{
    if (!file)
        return ZL_OK;
    if (fwrite(value.ptr, 1, value.len, file) != value.len || fputc('\n', file) == EOF)
        return zl_fail(&o->err, ZL_EIO, "cannot write: %s", strerror(errno));
    return ZL_OK;
}

static enum zl_status produce(struct output *o, const struct simulate_record *r)
{
    char sent[24];
    const char *topic = o->topics[r->topic == ZL_TOPIC_ITEMS];
    for (;;) {
        int64_t now_ms = clock_wall_ms();
        int n = snprintf(sent, sizeof sent, "%lld", (long long)now_ms);
        struct source_header header = {ZL_SPAN("sent_ms"), {sent, (size_t)n}};
        enum zl_status st = producer_put(o->producer, topic, -1, r->key, r->value, &header, 1,
                                         o->live ? now_ms : r->ts_ms, &o->err);
        if (st != ZL_EAGAIN)
            return st;
        if (stop_asked)
            return ZL_OK;
        producer_poll(o->producer, 10); /* back-pressure: the broker is behind */
    }
}

static void note(struct output *o, const struct simulate_record *r)
{
    bool items = r->topic == ZL_TOPIC_ITEMS;
    o->n_bad += r->planted != ZL_REASON_NONE;
    o->n_repeats += r->repeated;
    if (o->ledger && (r->planted || r->repeated))
        fprintf(o->ledger, "{\"n\":%llu,\"topic\":\"%s\",\"%s\":\"%s\"}\n",
                (unsigned long long)o->lines[items], items ? "items" : "events",
                r->planted ? "reason" : "repeat", r->planted ? zl_reason_name(r->planted) : "true");
    o->lines[items]++;
}

static enum zl_status put(struct output *o, const struct simulate_record *r)
{
    bool items = r->topic == ZL_TOPIC_ITEMS;
    o->n_events += !items;
    if (items ? !o->want_items : !o->want_events)
        return ZL_OK;
    enum zl_status st =
        o->producer ? produce(o, r) : write_line(o, items ? o->items : o->events, r->value);
    if (st == ZL_OK)
        note(o, r);
    return st;
}

/* ---- when ---- */
static void sleep_until(int64_t at_ns)
{
    struct timespec t = {at_ns / 1000000000, at_ns % 1000000000};
    /* a signal ends it early: the loop looks again */
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static uint64_t due_by(const struct pace *p, int64_t now_ns)
{
    if (p->rate <= 0)
        return UINT64_MAX;
    return p->open + (uint64_t)((double)(now_ns - p->begin_ns) * p->rate / 1e9);
}

static bool over(const struct pace *p, const struct output *o, int64_t now_ns)
{
    return stop_asked || (p->limit && o->n_events >= (uint64_t)p->limit) ||
           (p->end_ns && now_ns >= p->end_ns);
}

static void say_progress(struct pace *p, const struct output *o, int64_t now_ns)
{
    if (now_ns < p->next_word_ns)
        return;
    p->next_word_ns = now_ns + (p->terminal ? 500000000LL : 5000000000LL);
    double s = (double)(now_ns - p->begin_ns) / 1e9, rate = (double)o->n_events / fmax(s, 1e-9),
           left = -1;
    if (p->limit)
        left = ((double)p->limit - (double)o->n_events) / fmax(rate, 1e-9);
    if (p->end_ns && (left < 0 || (double)(p->end_ns - now_ns) / 1e9 < left))
        left = (double)(p->end_ns - now_ns) / 1e9;
    fprintf(stderr, "%ssimulate: %llu events, %.0f/s", p->terminal ? "\r" : "",
            (unsigned long long)o->n_events, rate);
    if (left >= 0)
        fprintf(stderr, ", %.0f s left", left);
    if (p->truth) {
        fputs("; ", stderr);
        simulate_loop_say(p->truth, &p->said, stderr);
        p->said = p->truth->all;
    }
    fputs(p->terminal ? "   " : "\n", stderr);
}

static enum zl_status flush(struct output *o)
{
    if (o->producer)
        producer_poll(o->producer, 0);
    else if ((o->events && fflush(o->events)) || (o->items && fflush(o->items)))
        return zl_fail(&o->err, ZL_EIO, "cannot write: %s", strerror(errno));
    return ZL_OK;
}

/* What is due by now, at most one slot's worth or (flat out) a few thousand. */
static enum zl_status one_slot(struct simulate *s, struct output *o, struct pace *p, int64_t now_ns)
{
    uint64_t due = due_by(p, now_ns);
    int64_t live_ms = o->live ? clock_wall_ms() : -1;
    struct simulate_record r;
    for (int i = 0; i < 4096 && o->n_events < due && !over(p, o, now_ns); i++) {
        simulate_next(s, live_ms, &r);
        TRY(put(o, &r));
    }
    if (p->rate <= 0)
        return o->producer ? flush(o) : ZL_OK;
    TRY(flush(o));
    if (o->n_events >= due)
        sleep_until(now_ns + SLOT_NS - (now_ns - p->begin_ns) % SLOT_NS);
    return ZL_OK;
}

static enum zl_status give_items(struct simulate *s, struct output *o)
{
    struct simulate_record r;
    for (uint32_t i = 0, n = simulate_items(s); i < n && !stop_asked; i++) {
        simulate_next(s, -1, &r);
        TRY(put(o, &r));
    }
    return flush(o);
}

static enum zl_status give_open(struct simulate *s, struct output *o, const struct pace *p)
{
    struct simulate_record r;
    while (o->n_events < p->open && !stop_asked) {
        simulate_next(s, -1, &r);
        TRY(put(o, &r));
    }
    return flush(o);
}

static enum zl_status give_all(struct simulate *s, struct output *o, struct pace *p)
{
    TRY(give_items(s, o));
    TRY(give_open(s, o, p));
    int64_t now_ns = p->begin_ns = clock_monotonic_ns();
    p->end_ns = p->end_ns ? now_ns + p->end_ns : 0;
    p->next_word_ns = now_ns + (p->terminal ? 500000000LL : 5000000000LL);
    while (o->want_events && !over(p, o, now_ns)) {
        TRY(one_slot(s, o, p, now_ns));
        now_ns = clock_monotonic_ns();
        say_progress(p, o, now_ns);
    }
    return flush(o);
}

/* ---- what was asked for ---- */
/* When history must begin so that n events end now: walks back over the days' rhythm, minute by minute. */
static int64_t begin_of_history(int64_t now_ms, double n, double per_s)
{
    double ms = (double)now_ms;
    for (int minutes = 0; n > 0 && minutes < 20 * 366 * 1440; minutes++) {
        n -= per_s * 60 * simulate_daylight(ms);
        ms -= 60000;
    }
    return ms > 0 ? (int64_t)ms : 0;
}

static double events_per_s(const struct args *args)
{
    double events = (double)args_integer(args, "events"),
           span_s = (double)args_ms(args, "span") / 1000;
    double rate = args_number(args, "rate");
    if (events > 0 && span_s > 0)
        return events / span_s;
    return rate > 0 ? rate : 0.005 * (double)args_integer(args, "users");
}

static int64_t start_ms(const struct args *args, const struct simulate_config *c)
{
    int64_t start = args_integer(args, "start");
    if (start > 0)
        return start;
    if (args_on(args, "live"))
        return clock_wall_ms();
    if (!args_on(args, "kafka"))
        return FIXED_START_MS;
    return begin_of_history(clock_wall_ms(), (double)args_integer(args, "events"), c->events_per_s);
}

static struct simulate_config world_of(const struct args *args)
{
    struct simulate_config c = {
        .seed = (uint64_t)args_integer(args, "seed"),
        .users = (uint32_t)args_integer(args, "users"),
        .items = (uint32_t)args_integer(args, "items"),
        .topics = (uint32_t)args_integer(args, "topics"),
        .courses = (uint32_t)args_integer(args, "courses"),
        .events_per_s = events_per_s(args),
        .surface_tastes = args_number(args, "surface-tastes"),
        .new_items = args_number(args, "new-items") / 1000,
        .bad = args_number(args, "bad"),
        .repeats = args_number(args, "repeats"),
        .reasons = args_on(args, "kafka") ? SIMULATE_REASONS_ALL : SIMULATE_REASONS_FILE,
        .bare = args_on(args, "bare"),
        .named_user = args_text(args, "named-user"),
    };
    const char *only = args_text(args, "only");
    if (only && strcmp(only, "events") == 0)
        c.reasons &= ~(1u << ZL_BAD_FEATURES);
    c.start_ms = start_ms(args, &c);
    return c;
}

static enum zl_status vectors_of(const struct args *args, struct simulate_config *c,
                                 struct zl_error *err)
{
    const char *text = args_text(args, "features");
    return text ? simulate_features_of(text, c->modalities, err) : ZL_OK;
}

/* --over-show TOPIC=FACTOR */
static enum zl_status over_show(const struct args *args, struct simulate_config *c,
                                struct zl_error *err)
{
    const char *text = args_text(args, "over-show"), *equals = text ? strrchr(text, '=') : NULL;
    char *end = NULL;
    if (!text)
        return ZL_OK;
    c->over_show = equals ? strtod(equals + 1, &end) : 0;
    if (!equals || end == equals + 1 || *end || c->over_show == 0)
        return zl_fail(err, ZL_EUSAGE, "--over-show wants TOPIC=FACTOR, say football=8: %s", text);
    if (!simulate_topic(text, (size_t)(equals - text), c->topics, &c->over_topic))
        return zl_fail(err, ZL_EUSAGE, "--over-show: none of the %u topics is named %.*s",
                       c->topics, (int)(equals - text), text);
    return ZL_OK;
}

/* An event at or beyond the year 3000 is a mistake to the engine. */
static enum zl_status check_times(const struct args *args, const struct simulate_config *c,
                                  struct zl_error *err)
{
    double end_ms =
        (double)c->start_ms + 1000 * (double)args_integer(args, "events") / c->events_per_s;
    if (args_on(args, "live") || end_ms < (double)DECODE_MAX_CLOCK_MS)
        return ZL_OK;
    return zl_fail(err, ZL_EUSAGE,
                   "these events would reach the year 3000 (--start is in ms, and --span or --rate "
                   "says how long they last), and an engine believes no such ts");
}

/* What a flag's text says of the world. */
static enum zl_status texts_of(const struct args *args, struct simulate_config *c,
                               struct zl_error *err)
{
    TRY(check_times(args, c, err));
    TRY(vectors_of(args, c, err));
    return over_show(args, c, err);
}

static enum zl_status open_file(const char *name, FILE **out, struct zl_error *err)
{
    if (!name || !*name)
        return ZL_OK;
    *out = strcmp(name, "-") == 0 ? stdout : fopen(name, "w");
    if (!*out)
        return zl_fail(err, ZL_EIO, "cannot write %s: %s", name, strerror(errno));
    setvbuf(*out, NULL, _IOFBF, 1 << 20);
    return ZL_OK;
}

static enum zl_status open_files(const struct args *args, struct output *o)
{
    const char *items = args_text(args, "items-out");
    TRY(open_file(items, &o->items, &o->err));
    if (!o->want_events && !o->items)
        /* --only items: they are what comes out */
        return open_file(args_text(args, "out"), &o->items, &o->err);
    return o->want_events ? open_file(args_text(args, "out"), &o->events, &o->err) : ZL_OK;
}

static enum zl_status open_kafka(const struct args *args, struct output *o)
{
    if (!args_integer(args, "events") && !args_on(args, "live") && !args_ms(args, "duration") &&
        o->want_events)
        return zl_fail(&o->err, ZL_EUSAGE,
                       "history needs an end: give --events or --duration, or --live for ts = now");
    const char *brokers = args_text(args, "brokers"), *environment = getenv("KAFKA_BROKERS");
    o->topics[0] = args_text(args, "topic");
    o->topics[1] = args_text(args, "items-topic");
    struct producer_config c = {
        .brokers = brokers       ? brokers
                   : environment ? environment
                                 : "127.0.0.1:9092",
        .linger_ms = (int)args_integer(args, "linger"),
        .max_message_bytes = 4 << 20, /* a planted one is over the engine's limit, not over ours */
    };
    return producer_open(&c, &o->producer, &o->err);
}

static enum zl_status open_output(const struct args *args, struct output *o)
{
    const char *only = args_text(args, "only");
    o->want_items = !only || strcmp(only, "events") != 0;
    o->want_events = !only || strcmp(only, "items") != 0;
    o->live = args_on(args, "live");
    TRY(open_file(args_text(args, "ledger"), &o->ledger, &o->err));
    return args_on(args, "kafka") ? open_kafka(args, o) : open_files(args, o);
}

/* Closes everything; the first thing that fails is told. */
static enum zl_status close_output(struct output *o)
{
    enum zl_status st = ZL_OK;
    uint64_t lost = o->producer ? producer_close(o->producer, 30000) : 0;
    if (lost)
        st = zl_fail(&o->err, ZL_EUNREACHABLE, "%llu messages were not acknowledged within 30 s",
                     (unsigned long long)lost);
    FILE *files[] = {o->events, o->items, o->ledger};
    for (int i = 0; i < 3; i++)
        if (files[i] && (files[i] == stdout ? fflush(stdout) : fclose(files[i])) && st == ZL_OK)
            st = zl_fail(&o->err, ZL_EIO, "cannot write: %s", strerror(errno));
    return st;
}

/* simulate | head: who reads no more has had enough, and that is no failure. */
static enum zl_status reader_may_leave(const struct output *o, enum zl_status st)
{
    bool piped = o->events == stdout || o->items == stdout;
    return st == ZL_EIO && piped && commands_reader_left() ? ZL_OK : st;
}

static void listen_for_signals(void)
{
    struct sigaction sa = {.sa_handler = ask_stop};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is a write error: reader_may_leave() */
}

static void say_end(const struct output *o, const struct pace *p)
{
    double s = (double)(clock_monotonic_ns() - p->begin_ns) / 1e9;
    fprintf(stderr,
            "%ssimulate: %llu events (%llu bad, %llu repeated) and %llu items in %.1f s, %.0f "
            "events/s\n",
            p->terminal ? "\r" : "", (unsigned long long)o->lines[0], (unsigned long long)o->n_bad,
            (unsigned long long)o->n_repeats, (unsigned long long)o->lines[1], s,
            (double)o->lines[0] / fmax(s, 1e-9));
}

/* ---- the closed loop ---- */
/* The open events come first. Only what is learned beside (--over-show) is worth a run of nothing else. */
static enum zl_status check_open(const struct args *args, struct zl_error *err)
{
    long long open = args_integer(args, "open-events"), events = args_integer(args, "events");
    bool in = args_on(args, "in-process"), learned = in && args_text(args, "over-show");
    if (open > 0 && !in && !args_on(args, "closed-loop"))
        return zl_fail(err, ZL_EUSAGE,
                       "--open-events come before a closed loop: add --closed-loop");
    if (open > 0 && events > 0 && open >= events && !learned)
        return zl_fail(err, ZL_EUSAGE,
                       "nothing is left for the closed loop: --open-events %lld of --events %lld",
                       open, events);
    return ZL_OK;
}

static enum zl_status open_loop(const struct args *args, struct simulate_config *c,
                                struct simulate_loop_redis **out, struct zl_error *err)
{
    if (!args_on(args, "closed-loop"))
        return ZL_OK;
    TRY(simulate_loop_redis_open(args_text(args, "redis"), args_text(args, "prefix"), out, err));
    c->lists = simulate_loop_redis_lists(*out);
    c->page = (int)args_integer(args, "page");
    c->open_events = (uint64_t)args_integer(args, "open-events");
    return ZL_OK;
}

/* The events may be on stdout: then the truth is words, on stderr. */
static void say_truth(const struct args *args, const struct output *o,
                      const struct simulate_truth *t, const struct simulate_learned *learned)
{
    FILE *out = o->events == stdout || o->items == stdout ? stderr : stdout;
    if (strcmp(args_text(args, "format"), "json") == 0) {
        simulate_loop_print(t, learned, out);
    } else {
        simulate_loop_say(t, NULL, out);
        if (t->all.shown > 0)
            fprintf(out, ", topic error %.3f (platform %.3f)",
                    simulate_loop_topic_error(t, t->topics),
                    simulate_loop_topic_error(t, t->platform_topics));
        fputc('\n', out);
        if (learned)
            simulate_learned_say(learned, out);
    }
    fflush(out);
}

/* Everything in this process: the engine's rooms make the lists, the log goes to files. */
static enum zl_status run_in_process(const struct args *args, const struct simulate_config *world,
                                     const struct config *pipeline, struct output *o,
                                     struct pace *p)
{
    struct simulate_loop_engine *l;
    struct simulate_loop_engine_config c = {
        .world = *world,
        .pipeline = pipeline,
        .events = o->events,
        .items = o->items,
        .look_from = world->over_show > 0 ? (uint64_t)p->limit / 2 + 1 : 0};
    if (p->limit == 0 || args_on(args, "kafka") || world->bad > 0)
        return zl_fail(&o->err, ZL_EUSAGE, "--in-process wants --events N, no --kafka, no --bad");
    TRY(simulate_loop_engine_open(&c, &l, &o->err));
    enum zl_status st = ZL_OK;
    p->truth = simulate_truth(simulate_loop_engine_world(l));
    while (st == ZL_OK && !stop_asked && o->n_events < (uint64_t)p->limit) {
        uint64_t left = (uint64_t)p->limit - o->n_events, n = left < 1000 ? left : 1000;
        st = simulate_loop_engine_run(l, n, &o->err);
        o->n_events += n;
        o->lines[0] += n;
        say_progress(p, o, clock_monotonic_ns());
    }
    if (st == ZL_OK) {
        o->lines[1] = simulate_items(simulate_loop_engine_world(l));
        say_end(o, p);
        say_truth(args, o, p->truth, simulate_loop_engine_learned(l));
    }
    simulate_loop_engine_close(l);
    return st;
}

static int in_process(const struct args *args)
{
    struct output o = {.want_events = true, .want_items = true};
    struct config pipeline;
    struct simulate_config c = world_of(args);
    struct pace p = {.limit = args_integer(args, "events"),
                     .begin_ns = clock_monotonic_ns(),
                     .terminal = isatty(STDERR_FILENO)};
    int code = args_config_file(args, args_text(args, "pipeline"), &pipeline);
    listen_for_signals();
    if (code == 0) {
        log_setup(LOG_WARN, (enum log_format)pipeline.log.format);
        c.page = (int)args_integer(args, "page");
        c.open_events = (uint64_t)args_integer(args, "open-events");
        enum zl_status st = check_open(args, &o.err);
        if (st == ZL_OK)
            st = texts_of(args, &c, &o.err);
        if (st == ZL_OK)
            st = open_files(args, &o);
        if (st == ZL_OK)
            st = run_in_process(args, &c, &pipeline, &o, &p);
        enum zl_status closed = reader_may_leave(&o, close_output(&o));
        st = reader_may_leave(&o, st) == ZL_OK ? closed : st;
        if (st != ZL_OK)
            fprintf(stderr, "simulate: %s\n", o.err.text);
        code = zl_exit_code(st);
    }
    config_release(&pipeline);
    return code;
}

int cmd_simulate(const struct args *args)
{
    if (args_on(args, "in-process"))
        return in_process(args);
    struct simulate_loop_redis *lists = NULL;
    struct output o = {0};
    struct simulate *s = NULL;
    struct simulate_config c = world_of(args);
    struct pace p = {.limit = args_integer(args, "events"),
                     .rate = args_number(args, "rate"),
                     .end_ns = args_ms(args, "duration") * 1000000,
                     .begin_ns = clock_monotonic_ns(),
                     .terminal = isatty(STDERR_FILENO)};
    listen_for_signals();
    enum zl_status st = check_open(args, &o.err);
    if (st == ZL_OK)
        st = texts_of(args, &c, &o.err);
    if (st == ZL_OK)
        st = open_loop(args, &c, &lists, &o.err);
    if (st == ZL_OK)
        st = simulate_open(&c, &s, &o.err);
    if (st == ZL_OK && c.lists) {
        p.truth = simulate_truth(s);
        p.open = c.open_events;
    }
    if (st == ZL_OK)
        st = open_output(args, &o);
    if (st == ZL_OK)
        st = give_all(s, &o, &p);
    enum zl_status closed = reader_may_leave(&o, close_output(&o));
    st = reader_may_leave(&o, st) == ZL_OK ? closed : st;
    if (st == ZL_OK)
        say_end(&o, &p);
    if (st == ZL_OK && p.truth)
        say_truth(args, &o, p.truth, NULL);
    if (st != ZL_OK)
        fprintf(stderr, "simulate: %s\n", o.err.text);
    simulate_close(s);
    simulate_loop_redis_close(lists);
    return zl_exit_code(st);
}
