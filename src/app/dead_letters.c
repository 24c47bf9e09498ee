/* Bad input is never lost and never stops the engine. It leaves by one of three doors, and each door says when a letter is safe:
 *
 *      topic   the broker's delivery report
 *      file    written, then synced a few times a second
 *      log     at once: a pipe into standard output keeps no books
 *
 * A checkpoint waits for that, so a letter that a crash swallowed is put again: its input is read again. */
#define _GNU_SOURCE
#include "app/dead_letters.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "source/producer.h"

#define ROOM "dead-letters"
#define MS ((int64_t)1000000)
#define SYNC_MS 200
/* of the headers a message came with; more are left out */
#define MAX_HEADER_BYTES ((size_t)64 << 10)

struct dead_letters {
    struct dead_letters_config cfg; /* brokers and properties are not kept */
    struct producer *producer;      /* topic */
    int fd;                         /* file; -1: none */
    uint64_t put, safe;             /* file and log */
    int64_t oldest_ns;              /* when the first letter that is not synced was written */
};

enum zl_status dead_letters_open(const struct dead_letters_config *cfg, struct dead_letters **out,
                                 struct zl_error *err)
{
    *out = NULL;
    struct dead_letters *d = xcalloc(1, sizeof *d);
    d->cfg = *cfg;
    d->fd = -1;
    if (d->cfg.max_bytes <= 0)
        d->cfg.max_bytes = 1000000;
    enum zl_status st = ZL_OK;
    if (cfg->file && cfg->file[0]) {
        d->fd = open(cfg->file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (d->fd < 0)
            st = zl_fail(err, ZL_EIO, "cannot open dead_letters.file %s: %s", cfg->file,
                         strerror(errno));
    } else if (cfg->brokers && cfg->topic && cfg->topic[0]) {
        st = producer_open(&(struct producer_config){.brokers = cfg->brokers,
                                                     .properties = cfg->properties,
                                                     .n_properties = cfg->n_properties,
                                                     .linger_ms = 5,
                                                     .max_message_bytes = d->cfg.max_bytes,
                                                     .keep_copies = true,
                                                     .cut_mark = "dlq.truncated"},
                           &d->producer, err);
    }
    if (st != ZL_OK) {
        dead_letters_close(d, 0);
        return st;
    }
    *out = d;
    return ZL_OK;
}

/* ---- a letter from a reject ---- */

static bool ours(struct zl_span name)
{
    return name.len >= 4 && memcmp(name.ptr, "dlq.", 4) == 0;
}

static void keep_headers(struct dead_letter *l, const struct source_message *m)
{
    size_t bytes = 0;
    for (int i = 0; i < m->n_headers && l->n_headers < DEAD_LETTERS_MAX_HEADERS - 10; i++) {
        const struct source_header *h = &m->headers[i];
        bytes += h->name.len + h->value.len;
        if (!ours(h->name) && bytes <= MAX_HEADER_BYTES)
            l->headers[l->n_headers++] = *h;
    }
}

/* key: room for the text of the key; l has room for headers. */
static void letter_of(const struct dead_letters *d, const struct zl_reject *r,
                      const struct source_message *m, char *key, size_t len, struct dead_letter *l)
{
    const char *topic = d->cfg.topics[r->from.topic];
    if (!topic || !topic[0])
        topic = zl_topic_name(r->from.topic);
    snprintf(key, len, "%s-%" PRId32 "-%" PRId64 "-%" PRId32, topic, r->from.partition,
             r->from.offset, r->from.index);
    *l = (struct dead_letter){
        .key = zl_span_of(key),
        .reason = zl_span_of(zl_reason_name(r->reason)),
        .detail = zl_span_of(r->detail),
        .topic = zl_span_of(topic),
        .partition = r->from.partition,
        .offset = r->from.offset,
        .index = r->from.index,
        .has_original_key = m->has_key,
        .original_key = m->key,
        .value = r->value,
        .headers = l->headers,
    };
    keep_headers(l, m);
}

/* ---- to the topic ---- */

static void add_header(struct dead_letter *l, const char *name, struct zl_span value)
{
    ASSERT(l->n_headers < DEAD_LETTERS_MAX_HEADERS);
    l->headers[l->n_headers++] = (struct source_header){zl_span_of(name), value};
}

static void add_our_headers(struct dead_letter *l, char numbers[3][24])
{
    snprintf(numbers[0], 24, "%" PRId32, l->partition);
    snprintf(numbers[1], 24, "%" PRId64, l->offset);
    snprintf(numbers[2], 24, "%" PRId32, l->index);
    add_header(l, "dlq.reason", l->reason);
    add_header(l, "dlq.detail", l->detail);
    add_header(l, "dlq.topic", l->topic);
    add_header(l, "dlq.partition", zl_span_of(numbers[0]));
    add_header(l, "dlq.offset", zl_span_of(numbers[1]));
    add_header(l, "dlq.index", zl_span_of(numbers[2]));
    if (l->has_original_key)
        add_header(l, "dlq.key", l->original_key);
}

/* What does not fit is cut off the value. Each header costs up to ten bytes of lengths beside its own. */
static void fit(const struct dead_letters *d, struct dead_letter *l)
{
    size_t bytes = l->key.len + 200;
    for (int i = 0; i < l->n_headers; i++)
        bytes += l->headers[i].name.len + l->headers[i].value.len + 10;
    size_t room = (size_t)d->cfg.max_bytes > bytes ? (size_t)d->cfg.max_bytes - bytes : 0;
    if (l->value.len <= room)
        return;
    l->value.len = room;
    l->truncated = true;
    add_header(l, "dlq.truncated", ZL_SPAN("true"));
}

static enum zl_status put_topic(struct dead_letters *d, struct dead_letter *l, struct zl_error *err)
{
    char numbers[3][24];
    if (l->original_key.len > 1024)
        l->has_original_key = false; /* not a key of ours, and the room is needed */
    add_our_headers(l, numbers);
    fit(d, l);
    return producer_put(d->producer, d->cfg.topic, -1, l->key, l->value, l->headers, l->n_headers,
                        0, err);
}

/* ---- to the file ---- */

/* A crash may have left half a line: its rest must not swallow the next one. */
static void end_broken_line(const struct dead_letters *d, off_t size)
{
    char last = '\n';
    if (size > 0 && pread(d->fd, &last, 1, size - 1) == 1 && last != '\n' &&
        write(d->fd, "\n", 1) != 1)
        LOG(ERROR, ROOM, "cannot write %s: %s", d->cfg.file, strerror(errno));
}

static enum zl_status put_file(struct dead_letters *d, struct dead_letter *l)
{
    char *text = NULL;
    size_t len = 0;
    FILE *line = open_memstream(&text, &len);
    ASSERT(line);
    l->time_ms = clock_wall_ms();
    dead_letters_print(line, l);
    ASSERT(fclose(line) == 0);
    struct stat before = {0};
    fstat(d->fd, &before);
    end_broken_line(d, before.st_size);
    ssize_t put = write(d->fd, text, len);
    free(text);
    if (put == (ssize_t)len) {
        d->put++;
        d->oldest_ns = d->oldest_ns ? d->oldest_ns : clock_monotonic_ns();
        return ZL_OK;
    }
    LOG(ERROR, ROOM, "cannot write %s: %s; nothing more is taken in until it can be", d->cfg.file,
        put < 0 ? strerror(errno) : "the disk is full");
    if (put > 0 && ftruncate(d->fd, before.st_size) != 0)
        LOG(WARN, ROOM, "half a line is left in %s", d->cfg.file);
    return ZL_EAGAIN;
}

/* A person looks into a file by its lines, which count from 1. */
static void say_refused(const struct dead_letters *d, const struct zl_reject *r, const char *key)
{
    const char *file = d->cfg.files[r->from.topic];
    char element[32] = "";
    if (!file) {
        LOG(WARN, ROOM, "refused %s: %s: %s", key, zl_reason_name(r->reason), r->detail);
        return;
    }
    if (r->from.index > 0)
        snprintf(element, sizeof element, ", element %" PRId32, r->from.index + 1);
    LOG(WARN, ROOM, "%s:%" PRId64 "%s: refused: %s: %s",
        strcmp(file, "-") == 0 ? "standard input" : file, r->from.offset + 1, element,
        zl_reason_name(r->reason), r->detail);
}

enum zl_status dead_letters_put(struct dead_letters *d, const struct zl_reject *r,
                                const struct source_message *m, struct zl_error *err)
{
    char key[320];
    struct source_header headers[DEAD_LETTERS_MAX_HEADERS];
    struct dead_letter l = {.headers = headers};
    letter_of(d, r, m, key, sizeof key, &l);
    if (d->producer)
        return put_topic(d, &l, err);
    if (d->fd >= 0)
        return put_file(d, &l);
    say_refused(d, r, key);
    d->safe = ++d->put;
    return ZL_OK;
}

/* ---- how far ---- */

uint64_t dead_letters_put_count(const struct dead_letters *d)
{
    return d->producer ? producer_put_count(d->producer) : d->put;
}

uint64_t dead_letters_acked(const struct dead_letters *d)
{
    return d->producer ? producer_acked(d->producer) : d->safe;
}

int64_t dead_letters_oldest_wait_ms(const struct dead_letters *d)
{
    if (d->producer)
        return producer_oldest_wait_ms(d->producer);
    return d->safe < d->put ? (clock_monotonic_ns() - d->oldest_ns) / MS : 0;
}

void dead_letters_sync(struct dead_letters *d)
{
    if (d->fd < 0 || d->safe == d->put)
        return;
    if (fdatasync(d->fd) != 0) {
        LOG(ERROR, ROOM, "cannot sync %s: %s", d->cfg.file, strerror(errno));
        /* a pipe or device cannot: written is all there is */
        if (errno != EINVAL && errno != ENOTSUP)
            return;
    }
    d->safe = d->put;
    d->oldest_ns = 0;
}

void dead_letters_poll(struct dead_letters *d, int timeout_ms)
{
    if (d->producer)
        producer_poll(d->producer, timeout_ms);
    else if (dead_letters_oldest_wait_ms(d) >= SYNC_MS)
        dead_letters_sync(d);
}

void dead_letters_close(struct dead_letters *d, int timeout_ms)
{
    if (!d)
        return;
    dead_letters_sync(d);
    uint64_t left = producer_close(d->producer, timeout_ms);
    if (left)
        LOG(WARN, ROOM,
            "%" PRIu64
            " dead letters are not acknowledged; their input is read again after the next start",
            left);
    if (d->fd >= 0)
        close(d->fd);
    free(d);
}
