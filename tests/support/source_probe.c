/* source_probe - the source room by itself against a real Kafka: what comes out, in which order, how late.
 *
 *   source_probe BROKERS [--group G] [--instance I] [--events T] [--items T] [--controls T] [--from T[P]=OFFSET]...
 *                [--until T[P]=OFFSET]... [--seconds S] [--count N] [--quiet] [--latency] [--order] [--work-us N]
 *                [-X name=value]...
 *
 * Prints "message TOPIC PARTITION OFFSET VALUE" lines, "ready" when the catalogue is read, "connected" and "trouble WORDS" as
 * that changes, "fatal STATUS WORDS"; at the end "positions", "gaps", "latency", "order" and "cpu" lines. --order: events whose Kafka timestamp is more
 * than a second older than the newest before them, and the most by which one is. */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "source/source.h"

static struct source_config cfg = {
    .kafka = true, .group = "probe", .queue_bytes = 32 << 20, .max_message_bytes = 1 << 20};
static struct source_property properties[32];
static struct zl_positions positions, until;
static struct source_batch batch;
static volatile sig_atomic_t stop;
static double seconds = 1e9;
static long count = -1, work_us, taken;
static bool quiet, latency, order, first_ready = true;
static double *late_ms;
static long long first_us;
static long n_late, max_late = 2000000;
static long n_events, n_late_events;
static int64_t newest_ms, latest_ms;
static char trouble[1024] = "?";

static void on_signal(int n)
{
    (void)n;
    stop = 1;
}

static void put_position(struct zl_positions *to, const char *text)
{
    static const char letters[] = "eic";
    int partition;
    long long offset;
    const char *topic = strchr(letters, text[0]);
    if (!topic || sscanf(strchr(text, '[') + 1, "%d]=%lld", &partition, &offset) != 2)
        exit(64);
    zl_positions_get(to, (enum zl_topic)(topic - letters), partition)->next = offset;
}

static void parse(int argc, char **argv)
{
    cfg.brokers = argv[1];
    for (int i = 2; i < argc; i++) {
        const char *a = argv[i];
        if (!strcmp(a, "--quiet"))
            quiet = true;
        else if (!strcmp(a, "--latency"))
            latency = true;
        else if (!strcmp(a, "--order"))
            order = true;
        else if (i + 1 == argc)
            exit(64);
        else if (!strcmp(a, "--group"))
            cfg.group = argv[++i];
        else if (!strcmp(a, "--instance"))
            cfg.instance = argv[++i];
        else if (!strcmp(a, "--events"))
            cfg.topics[ZL_TOPIC_EVENTS] = argv[++i];
        else if (!strcmp(a, "--items"))
            cfg.topics[ZL_TOPIC_ITEMS] = argv[++i];
        else if (!strcmp(a, "--controls"))
            cfg.topics[ZL_TOPIC_CONTROLS] = argv[++i];
        else if (!strcmp(a, "--from"))
            put_position(&positions, argv[++i]);
        else if (!strcmp(a, "--until"))
            put_position(&until, argv[++i]);
        else if (!strcmp(a, "--seconds"))
            seconds = atof(argv[++i]);
        else if (!strcmp(a, "--count"))
            count = atol(argv[++i]);
        else if (!strcmp(a, "--work-us"))
            work_us = atol(argv[++i]);
        else if (!strcmp(a, "-X")) {
            char *eq = strchr(argv[++i], '=');
            *eq = '\0';
            properties[cfg.n_properties++] = (struct source_property){argv[i], eq + 1};
        } else
            exit(64);
    }
    cfg.properties = properties;
    cfg.positions = &positions;
    cfg.until = until.n ? &until : NULL;
}

static void note_order(const struct source_message *m)
{
    if (m->topic != ZL_TOPIC_EVENTS)
        return;
    n_events++;
    n_late_events += m->log_ms + 1000 < newest_ms;
    if (newest_ms - m->log_ms > latest_ms)
        latest_ms = newest_ms - m->log_ms;
    if (m->log_ms > newest_ms)
        newest_ms = m->log_ms;
}

static void take(const struct source_message *m)
{
    note_order(m);
    zl_positions_get(&positions, m->topic, m->partition)->next = m->offset + 1;
    taken++;
    if (latency && m->sent_ms && m->value.len >= 100 && n_late < max_late) {
        long long us = strtoll(m->value.ptr, NULL, 10); /* source_feed puts microseconds first */
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        long long now_us = now.tv_sec * 1000000LL + now.tv_nsec / 1000;
        first_us = first_us ? first_us : now_us;
        if (now_us - first_us > 1000000) /* the first second is the producer's start */
            late_ms[n_late++] = (double)(now_us - us) / 1e3;
    }
    if (!quiet)
        printf("message %s %d %lld %.*s\n", zl_topic_name(m->topic), m->partition,
               (long long)m->offset, (int)(m->value.len < 60 ? m->value.len : 60),
               m->has_value ? m->value.ptr : "null");
}

static void tell_state(struct source *s)
{
    char why[1024];
    if (first_ready && source_items_ready(s)) {
        printf("ready\n");
        first_ready = false;
    }
    if (source_connected(s, why, sizeof why))
        why[0] = '\0';
    if (strcmp(why, trouble) != 0) {
        printf(why[0] ? "trouble %.3f %s\n" : "connected %.3f%s\n", (double)clock_wall_ms() / 1e3,
               why);
        strcpy(trouble, why);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(double spent_s)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    for (int i = 0; i < positions.n; i++)
        printf("positions %s %d %lld\n", zl_topic_name(positions.at[i].topic),
               positions.at[i].partition, (long long)positions.at[i].next);
    printf("gaps %llu\n", (unsigned long long)metrics_count(METRIC_SOURCE_GAPS, 0));
    if (n_late) {
        qsort(late_ms, (size_t)n_late, sizeof *late_ms, compare);
        printf("latency n %ld p50 %.2f ms p90 %.2f ms p99 %.2f ms max %.2f ms\n", n_late,
               late_ms[n_late / 2], late_ms[n_late * 9 / 10], late_ms[n_late * 99 / 100],
               late_ms[n_late - 1]);
    }
    if (order && n_events)
        printf("order %.3f late in 1000 of %ld, by up to %.1f s\n",
               1e3 * (double)n_late_events / (double)n_events, n_events, (double)latest_ms / 1e3);
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    printf("cpu %.3f s in %.1f s, %ld messages, %.0f messages/s, max rss %ld MiB\n", cpu, spent_s,
           taken, (double)taken / spent_s, use.ru_maxrss >> 10);
}

static enum zl_status run(struct source *s, struct zl_error *err)
{
    int64_t until_ns = clock_monotonic_ns() + (int64_t)(seconds < 1e6 ? seconds * 1e9 : 1e15);
    while (!stop && clock_monotonic_ns() < until_ns && (count < 0 || taken < count)) {
        struct pollfd fd = {.events = POLLIN};
        if (!batch.more && source_fds(s, &fd.fd, 1) == 1)
            poll(&fd, 1, 1000);
        source_wake_clear(s);
        enum zl_status st = source_poll(s, &batch, err);
        for (int i = 0; i < batch.n; i++)
            take(&batch.messages[i]);
        int64_t busy = clock_monotonic_ns() + work_us * 1000 * batch.n;
        while (work_us && clock_monotonic_ns() < busy)
            ;
        tell_state(s);
        fflush(stdout);
        if (st != ZL_OK)
            return st;
    }
    return ZL_OK;
}

int main(int argc, char **argv)
{
    struct zl_error err = {""};
    struct source *s;
    if (argc < 2)
        return 64;
    parse(argc, argv);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    late_ms = malloc((size_t)max_late * sizeof *late_ms);
    enum zl_status st = source_open(&cfg, &s, &err);
    if (st == ZL_OK) {
        int64_t from = clock_monotonic_ns();
        st = run(s, &err);
        double spent = (double)(clock_monotonic_ns() - from) / 1e9;
        source_commit(s, &positions);
        int64_t closing = clock_monotonic_ns();
        source_close(s);
        printf("closed in %.2f s\n", (double)(clock_monotonic_ns() - closing) / 1e9);
        report(spent);
    }
    if (st != ZL_OK && st != ZL_END)
        printf("fatal %d %s\n", zl_exit_code(st), err.text);
    free(late_ms);
    return zl_exit_code(st);
}
