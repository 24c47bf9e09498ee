/* zhiliu dead-letters list | show KEY | requeue: look through what was refused, and send it in again.
 * A letter may be in the topic several times (an engine that was killed puts it again): the newest of a key counts. Requeueing leaves
 * the letter where it is; its topic forgets by its own retention. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/commands.h"
#include "app/dead_letters.h"
#include "base/check.h"
#include "base/clock.h"
#include "source/kafka.h"
#include "source/producer.h"

#define SILENCE_MS 10000

/* A letter that is kept: its bytes are its own. */
struct kept {
    struct dead_letter l;
    char *bytes;
    size_t order; /* as read */
};

struct box {
    const struct args *args;
    struct config cfg;
    struct source_property properties[CONFIG_MAX_PROPERTIES];
    struct source_config source;
    const char *file, *topic, *key, *reason, *to;
    bool whole; /* values and headers are wanted, not only the list */
    struct kept *kept;
    size_t n, room;
};

/* ---- where they are ---- */

static bool names_a_pipeline(const char *word)
{
    const char *dot = strrchr(word, '.');
    return strchr(word, '/') || (dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml")));
}

static void use_brokers(struct box *b, const char *pipeline)
{
    const char *given = args_text(b->args, "brokers"), *usual = getenv("KAFKA_BROKERS");
    b->source.brokers = b->cfg.source.brokers;
    if (!pipeline || strcmp(given, usual ? usual : "127.0.0.1:9092") != 0)
        b->source.brokers = given;
    for (int i = 0; i < b->cfg.source.n_kafka; i++)
        b->properties[i] =
            (struct source_property){b->cfg.source.kafka[i].name, b->cfg.source.kafka[i].value};
    b->source.kafka = true;
    b->source.properties = b->properties;
    b->source.n_properties = b->cfg.source.n_kafka;
    b->source.max_message_bytes = 16 << 20;
}

/* Words after the verb's own: a pipeline, or the key. */
static int settle(struct box *b)
{
    const char *pipeline = NULL;
    b->key = args_text(b->args, "key");
    for (int i = 1; i < b->args->n_words; i++) {
        if (names_a_pipeline(b->args->words[i]))
            pipeline = b->args->words[i];
        else
            b->key = b->args->words[i];
    }
    int code = args_config_file(b->args, pipeline, &b->cfg);
    if (code)
        return code;
    use_brokers(b, pipeline);
    b->reason = args_text(b->args, "reason");
    b->to = args_text(b->args, "to");
    b->file = args_text(b->args, "file");
    b->topic = args_text(b->args, "topic");
    if (!b->file && !b->topic && b->cfg.dead_letters.file && b->cfg.dead_letters.file[0])
        b->file = b->cfg.dead_letters.file;
    if (!b->topic)
        b->topic = b->cfg.dead_letters.topic;
    if (b->reason && zl_reason_of(zl_span_of(b->reason)) < 0) {
        fprintf(stderr, "zhiliu: there is no reason %s\n", b->reason);
        return 64;
    }
    return 0;
}

/* ---- reading ---- */

static bool wanted(const struct box *b, const struct dead_letter *l)
{
    return l->key.len > 0 && (!b->key || zl_span_is(l->key, b->key)) &&
           (!b->reason || zl_span_is(l->reason, b->reason));
}

static void copy_span(char **at, struct zl_span *s)
{
    if (s->len)
        memcpy(*at, s->ptr, s->len);
    s->ptr = *at;
    *at += s->len;
}

static void keep(struct box *b, const struct dead_letter *from)
{
    if (b->n == b->room) {
        b->room = b->room * 2 + 256;
        b->kept = xrealloc(b->kept, b->room, sizeof *b->kept);
    }
    struct kept *k = &b->kept[b->n];
    *k = (struct kept){.l = *from, .order = b->n};
    b->n++;
    struct dead_letter *l = &k->l;
    if (!b->whole) {
        l->value.len = 0;
        l->n_headers = 0;
    }
    struct zl_span *spans[] = {&l->key,   &l->reason,       &l->detail,
                               &l->topic, &l->original_key, &l->value};
    size_t n_spans = sizeof spans / sizeof spans[0], bytes = 1;
    for (size_t i = 0; i < n_spans; i++)
        bytes += spans[i]->len;
    for (int i = 0; i < l->n_headers; i++)
        bytes += l->headers[i].name.len + l->headers[i].value.len;
    size_t spans_bytes = (size_t)l->n_headers * sizeof *l->headers;
    k->bytes = xcalloc(1, spans_bytes + bytes);
    l->headers = (struct source_header *)(void *)k->bytes;
    if (spans_bytes)
        memcpy(l->headers, from->headers, spans_bytes);
    char *at = k->bytes + spans_bytes;
    for (size_t i = 0; i < n_spans; i++)
        copy_span(&at, spans[i]);
    for (int i = 0; i < l->n_headers; i++) {
        copy_span(&at, &l->headers[i].name);
        copy_span(&at, &l->headers[i].value);
    }
}

static int64_t integer_of(struct zl_span text)
{
    char digits[24] = "";
    memcpy(digits, text.ptr ? text.ptr : "", text.len < 23 ? text.len : 23);
    return strtoll(digits, NULL, 10);
}

/* A header of ours goes to its field, any other is kept. */
static void take_header(struct dead_letter *l, const struct source_header *h)
{
    if (zl_span_is(h->name, "dlq.reason"))
        l->reason = h->value;
    else if (zl_span_is(h->name, "dlq.detail"))
        l->detail = h->value;
    else if (zl_span_is(h->name, "dlq.topic"))
        l->topic = h->value;
    else if (zl_span_is(h->name, "dlq.partition"))
        l->partition = (int32_t)integer_of(h->value);
    else if (zl_span_is(h->name, "dlq.offset"))
        l->offset = integer_of(h->value);
    else if (zl_span_is(h->name, "dlq.index"))
        l->index = (int32_t)integer_of(h->value);
    else if (zl_span_is(h->name, "dlq.truncated"))
        l->truncated = true;
    else if (zl_span_is(h->name, "dlq.key")) {
        l->original_key = h->value;
        l->has_original_key = true;
    } else if (l->n_headers < DEAD_LETTERS_MAX_HEADERS)
        l->headers[l->n_headers++] = *h;
}

static bool visit(void *ctx, const struct source_message *m)
{
    struct box *b = ctx;
    struct source_header headers[DEAD_LETTERS_MAX_HEADERS];
    struct dead_letter l = {
        .key = m->key, .value = m->value, .time_ms = m->log_ms, .headers = headers};
    for (int i = 0; i < m->n_headers; i++)
        take_header(&l, &m->headers[i]);
    if (wanted(b, &l))
        keep(b, &l);
    return true;
}

static enum zl_status read_file(struct box *b, struct zl_error *err)
{
    FILE *f = fopen(b->file, "re");
    if (!f)
        return zl_fail(err, errno == ENOENT ? ZL_ENOENT : ZL_EIO, "cannot open %s: %s", b->file,
                       strerror(errno));
    char *line = NULL, *scratch = NULL;
    size_t room = 0, scratch_room = 0, number = 0;
    for (ssize_t len; (len = getline(&line, &room, f)) > 0;) {
        struct source_header headers[DEAD_LETTERS_MAX_HEADERS];
        struct dead_letter l;
        number++;
        if (scratch_room < room)
            scratch = xrealloc(scratch, scratch_room = room, 1);
        if (line[len - 1] == '\n')
            len--;
        if (!dead_letters_parse(line, (size_t)len, scratch, headers, &l))
            fprintf(stderr, "zhiliu: %s:%zu: not a dead letter, left out\n", b->file, number);
        else if (wanted(b, &l))
            keep(b, &l);
    }
    free(line);
    free(scratch);
    fclose(f);
    return ZL_OK;
}

static int compare_keys(const void *x, const void *y)
{
    const struct kept *a = x, *b = y;
    int c = zl_span_compare(a->l.key, b->l.key);
    return c ? c : (a->order > b->order) - (a->order < b->order);
}

static int compare_order(const void *x, const void *y)
{
    const struct kept *a = x, *b = y;
    return (a->order > b->order) - (a->order < b->order);
}

/* The newest of each key stays, in the order they were read. */
static void keep_newest(struct box *b)
{
    if (b->n == 0)
        return;
    qsort(b->kept, b->n, sizeof *b->kept, compare_keys);
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (i + 1 < b->n && zl_span_equal(b->kept[i].l.key, b->kept[i + 1].l.key))
            free(b->kept[i].bytes);
        else
            b->kept[n++] = b->kept[i];
    }
    b->n = n;
    qsort(b->kept, b->n, sizeof *b->kept, compare_order);
}

static int read_box(struct box *b)
{
    struct zl_error err = {""};
    enum zl_status st = b->file ? read_file(b, &err)
                                : source_scan(&b->source, b->topic, SILENCE_MS, visit, b, &err);
    if (st != ZL_OK) {
        fprintf(stderr, "zhiliu: %s\n", err.text);
        return zl_exit_code(st);
    }
    keep_newest(b);
    return 0;
}

/* ---- list ---- */

/* Bytes of strangers, fit for a terminal. */
static void print_plain(struct zl_span text, size_t max)
{
    for (size_t i = 0; i < text.len && i < max; i++)
        putchar((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f ? '.' : text.ptr[i]);
    if (text.len > max)
        fputs("...", stdout);
}

static void print_row(const struct dead_letter *l)
{
    char when[40] = "-";
    time_t s = (time_t)(l->time_ms / 1000);
    struct tm utc;
    if (l->time_ms > 0 && gmtime_r(&s, &utc))
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    printf("%-32.*s %-15.*s %-21s ", (int)l->key.len, l->key.ptr, (int)l->reason.len, l->reason.ptr,
           when);
    print_plain(l->detail, 80);
    putchar('\n');
}

static void print_counts(const struct box *b)
{
    size_t counts[ZL_N_REASONS] = {0};
    for (size_t i = 0; i < b->n; i++) {
        int reason = zl_reason_of(b->kept[i].l.reason);
        counts[reason > 0 ? reason : 0]++;
    }
    printf("\n%zu dead letters", b->n);
    for (int r = 0; r < ZL_N_REASONS; r++)
        if (counts[r])
            printf(", %s %zu", r ? zl_reason_name((enum zl_reason)r) : "other", counts[r]);
    putchar('\n');
}

static int list(struct box *b)
{
    bool json = strcmp(args_text(b->args, "format"), "json") == 0;
    b->whole = json;
    int code = read_box(b);
    if (code)
        return code;
    int64_t limit = args_integer(b->args, "limit");
    size_t n = limit > 0 && (size_t)limit < b->n ? (size_t)limit : b->n, first = b->n - n;
    if (!json)
        printf("%-32s %-15s %-21s %s\n", "KEY", "REASON", "TIME", "DETAIL");
    for (size_t i = first; i < b->n; i++) {
        if (json)
            dead_letters_print(stdout, &b->kept[i].l);
        else
            print_row(&b->kept[i].l);
    }
    if (!json)
        print_counts(b);
    if (first > 0)
        fprintf(stderr, "zhiliu: the newest %zu of %zu are shown (--limit 0: all)\n", n, b->n);
    return 0;
}

/* ---- show ---- */

static int show(struct box *b)
{
    if (!b->key) {
        fputs("zhiliu: which one? zhiliu dead-letters show KEY\n", stderr);
        return 64;
    }
    int code = read_box(b);
    if (code)
        return code;
    if (b->n == 0) {
        fprintf(stderr, "zhiliu: there is no dead letter %s\n", b->key);
        return 66;
    }
    const struct dead_letter *l = &b->kept[0].l;
    if (strcmp(args_text(b->args, "format"), "json") == 0) {
        dead_letters_print(stdout, l);
        return 0;
    }
    fprintf(stderr,
            "dlq.reason: %.*s\ndlq.detail: %.*s\ndlq.topic: %.*s\ndlq.partition: %" PRId32
            "\ndlq.offset: %" PRId64 "\ndlq.index: %" PRId32 "\n%s",
            (int)l->reason.len, l->reason.ptr, (int)l->detail.len, l->detail.ptr, (int)l->topic.len,
            l->topic.ptr, l->partition, l->offset, l->index,
            l->truncated ? "dlq.truncated: true\n" : "");
    if (l->has_original_key)
        fprintf(stderr, "dlq.key: %.*s\n", (int)l->original_key.len, l->original_key.ptr);
    for (int i = 0; i < l->n_headers; i++)
        fprintf(stderr, "%.*s: %.*s\n", (int)l->headers[i].name.len, l->headers[i].name.ptr,
                (int)l->headers[i].value.len, l->headers[i].value.ptr);
    fwrite(l->value.ptr, 1, l->value.len, stdout); /* the bytes, and nothing else */
    return 0;
}

/* ---- requeue ---- */

static enum zl_status send_one(struct box *b, struct producer *p, struct dead_letter *l,
                               struct zl_error *err)
{
    char now[24], topic[256];
    struct zl_span to = b->to ? zl_span_of(b->to) : l->topic;
    snprintf(now, sizeof now, "%" PRId64, clock_wall_ms());
    snprintf(topic, sizeof topic, "%.*s", (int)to.len, to.ptr);
    for (int i = 0; i < l->n_headers; i++)
        if (zl_span_is(l->headers[i].name, "sent_ms")) /* freshness counts from here */
            l->headers[i].value = zl_span_of(now);
    struct zl_span key = l->has_original_key ? l->original_key : (struct zl_span){NULL, 0};
    enum zl_status st;
    while ((st = producer_put(p, topic, -1, key, l->value, l->headers, l->n_headers, 0, err)) ==
           ZL_EAGAIN)
        producer_poll(p, 20);
    producer_poll(p, 0);
    return st;
}

static enum zl_status send_all(struct box *b, size_t *sent, size_t *cut, struct zl_error *err)
{
    struct producer *p;
    TRY(producer_open(&(struct producer_config){.brokers = b->source.brokers,
                                                .properties = b->source.properties,
                                                .n_properties = b->source.n_properties,
                                                .linger_ms = 5,
                                                .keep_copies = true},
                      &p, err));
    enum zl_status st = ZL_OK;
    for (size_t i = 0; i < b->n && st == ZL_OK; i++) {
        struct dead_letter *l = &b->kept[i].l;
        if (l->truncated)
            (*cut)++;
        else if ((st = send_one(b, p, l, err)) == ZL_OK)
            (*sent)++;
    }
    uint64_t left = producer_close(p, 30000);
    if (st == ZL_OK && left > 0)
        st = zl_fail(err, ZL_EUNREACHABLE, "%" PRIu64 " of them were not acknowledged in 30 s",
                     left);
    return st;
}

static int requeue(struct box *b)
{
    int code = read_box(b);
    if (code)
        return code;
    struct zl_error err = {""};
    size_t sent = 0, cut = 0;
    enum zl_status st = b->n ? send_all(b, &sent, &cut, &err) : ZL_OK;
    if (cut)
        fprintf(stderr, "zhiliu: %zu left out: they were cut when they were refused\n", cut);
    if (st != ZL_OK) {
        fprintf(stderr, "zhiliu: %s\n", err.text);
        return zl_exit_code(st);
    }
    printf("%zu requeued\n", sent);
    return 0;
}

int cmd_dead_letters(const struct args *args)
{
    static const struct {
        const char *name;
        int (*call)(struct box *b);
    } verbs[] = {{"list", list}, {"show", show}, {"requeue", requeue}};
    struct box *b = xcalloc(1, sizeof *b);
    b->args = args;
    b->whole = true;
    int code = 64;
    size_t i = 0;
    while (i < 3 && strcmp(args->words[0], verbs[i].name) != 0)
        i++;
    if (i == 3)
        fprintf(stderr, "zhiliu: dead-letters list, show or requeue, not %s\n", args->words[0]);
    else if ((code = settle(b)) == 0)
        code = verbs[i].call(b);
    for (size_t k = 0; k < b->n; k++)
        free(b->kept[k].bytes);
    free(b->kept);
    config_release(&b->cfg);
    free(b);
    return code;
}
