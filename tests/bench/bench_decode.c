/* Nanoseconds of CPU an event from raw bytes to struct zl_event, for the shapes that Kafka brings: a small event, a full one,
 * lines, an array, an item with features. bench_decode [events]; prints median and best of nine runs, and the allocations of the
 * last run (none are expected). */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "decode/decode.h"

#define N_RUNS 9
#define BATCH 1024

static const char small[] = "{\"event_id\":\"e%012d\",\"type\":\"like\",\"user_id\":\"user-%06d\","
                            "\"item_id\":\"item-%06d\","
                            "\"ts\":1700000000%03d,\"device_id\":\"d-%08d\",\"surface\":\"home\","
                            "\"session_id\":\"s-%010d\","
                            "\"x\":\"%016d\"}";
static const char full[] =
    "{\"event_id\":\"e%012d\",\"type\":\"watch\",\"user_id\":\"user-%06d\",\"item_id\":\"item-%"
    "06d\","
    "\"ts\":1700000000%03d,\"device_id\":\"d-%08d\",\"surface\":\"home\",\"session_id\":\"s-%"
    "010d\","
    "\"request_id\":\"%040d\",\"watch_ms\":12345,\"duration_ms\":61000,\"course_id\":\"c-17\","
    "\"uploader_id\":\"up-99\","
    "\"position\":3,\"propensity\":0.125,\"experiment\":{\"ranker\":\"b\",\"cover\":\"a\"},"
    "\"unknown\":{\"app\":\"1.2.3\",\"net\":\"wifi\"}}";

struct shape {
    const char *name;
    enum zl_topic topic;
    int n_each; /* records a message */
    int n;
    struct zl_span *messages;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static size_t event_text(char *to, size_t size, const char *format, int i)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return (size_t)snprintf(to, size, format, i, i % 5000, i % 9973, i % 1000, i, i, i);
#pragma GCC diagnostic pop
}

static struct zl_span copy(const char *text, size_t len)
{
    char *p = malloc(len);
    if (!p)
        abort();
    memcpy(p, text, len);
    return (struct zl_span){p, len};
}

/* n_each events a message: 1 alone, else lines or an array. */
static struct shape shape_of(const char *name, const char *format, int n_each, bool lines)
{
    static char text[1 << 20];
    struct shape s = {name, ZL_TOPIC_EVENTS, n_each, 4096 / n_each,
                      calloc(4096, sizeof *s.messages)};
    for (int m = 0; m < s.n; m++) {
        size_t len = 0;
        for (int i = 0; i < n_each; i++) {
            if (n_each > 1)
                text[len++] = lines ? '\n' : i ? ',' : '[';
            len += event_text(text + len, sizeof text - len, format, m * n_each + i);
        }
        if (n_each > 1 && !lines)
            text[len++] = ']';
        s.messages[m] = copy(text, len);
    }
    return s;
}

static struct shape items(void)
{
    static char text[1 << 16];
    struct shape s = {"item, 3 x 128 features", ZL_TOPIC_ITEMS, 1, 1024,
                      calloc(1024, sizeof *s.messages)};
    for (int m = 0; m < s.n; m++) {
        size_t len = (size_t)sprintf(
            text,
            "{\"item_id\":\"item-%d\",\"title\":\"a title of some words\",\"tags\":[\"a\","
            "\"b\"],\"duration_ms\":60000,\"features\":{",
            m);
        static const char *const names[] = {"video", "audio", "text"};
        for (int f = 0; f < 3; f++) {
            len += (size_t)sprintf(text + len, "%s\"%s\":[", f ? "," : "", names[f]);
            for (int i = 0; i < 128; i++)
                len += (size_t)sprintf(text + len, "%s%.6f", i ? "," : "",
                                       (double)((m + f) * 131 + i) / 977.0 - 40);
            len += (size_t)sprintf(text + len, "]");
        }
        len += (size_t)sprintf(text + len, "}}");
        s.messages[m] = copy(text, len);
    }
    return s;
}

static double run_once(struct decode *d, const struct shape *s, long records)
{
    long done = 0;
    int64_t start = clock_cpu_ns();
    for (int at = 0; done < records; at = (at + 1) % s->n) {
        struct decode_message m = {.topic = s->topic,
                                   .log_ms = 1700000000000,
                                   .has_value = true,
                                   .value = s->messages[at]};
        if (done % BATCH < s->n_each)
            decode_begin(d);
        decode_message(d, &m, 0);
        done += s->n_each;
    }
    return (double)(clock_cpu_ns() - start) / (double)done;
}

static void measure(struct decode *d, const struct shape *s, long records)
{
    double ns[N_RUNS];
    size_t bytes = 0, before = 0;
    int events, n_items, rejects;
    for (int m = 0; m < s->n; m++)
        bytes += s->messages[m].len;
    for (int i = 0; i < N_RUNS; i++) {
        before = mallinfo2().uordblks;
        ns[i] = run_once(d, s, records);
    }
    decode_events(d, &events);
    decode_items(d, &n_items);
    decode_rejects(d, &rejects);
    if (rejects || events + n_items == 0)
        abort();
    qsort(ns, N_RUNS, sizeof ns[0], by_value);
    double each = (double)bytes / s->n / s->n_each;
    printf("%-28s %6.0f B  median %5.0f ns  best %5.0f ns  %5.2f GB/s  heap grew by %zu B\n",
           s->name, each, ns[N_RUNS / 2], ns[0], each / ns[0], mallinfo2().uordblks - before);
}

int main(int argc, char **argv)
{
    long records = argc > 1 ? atol(argv[1]) : 200000;
    struct decode_config cfg = {.max_bytes = 1 << 20, .n_features = {128, 128, 128}, .id_seed = 1};
    struct decode *d;
    struct zl_error err;
    if (decode_open(&cfg, &d, &err) != ZL_OK)
        return 1;
    struct shape shapes[] = {
        shape_of("event, small", small, 1, false),
        shape_of("event, all fields", full, 1, false),
        shape_of("64 small events, lines", small, 64, true),
        shape_of("64 small events, array", small, 64, false),
        items(),
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        measure(d, &shapes[i], shapes[i].topic == ZL_TOPIC_ITEMS ? records / 20 : records);
        for (int m = 0; m < shapes[i].n; m++)
            free((void *)shapes[i].messages[m].ptr);
        free(shapes[i].messages);
    }
    decode_close(d);
    return 0;
}
