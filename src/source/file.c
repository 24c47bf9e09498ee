/* A file is a log with one partition: the offset of a message is the number of its line.
 *
 *      bytes of the file ──► unpack (as they are, gzip, zstd) ──► buffer ──► lines, lent in place
 *
 *      buffer   [ lent lines … | begin of a line ...            ]
 *                ^0             ^start      ^scanned       ^end
 *
 * Lines are lent where they lie, so nothing moves between two polls; the next poll first moves what is left to the front. Growing the
 * buffer inside a poll may move it, therefore a poll notes places and makes pointers of them at its end. Standard input may be a slow
 * pipe: it is only read when poll(2) says that there is something, so the loop never waits in here. */
#define _GNU_SOURCE
#include "source/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "source/source_priv.h"

#define RAW_BYTES ((size_t)64 << 10)
#define POLL_BYTES ((size_t)4 << 20) /* unpacked in one poll: a few milliseconds */

enum packing { PACKING_UNKNOWN, PACKING_NONE, PACKING_GZIP, PACKING_ZSTD };

struct reader {
    const char *name;
    enum zl_topic topic;
    int fd;
    bool patient;    /* a pipe or terminal: ask before reading */
    bool raw_end;    /* the file gave its last byte */
    bool end;        /* and all of it is unpacked */
    bool frame_open; /* inside a compressed frame: an end here is a truncation */
    enum packing packing;
    unsigned char raw[RAW_BYTES];
    size_t raw_at, raw_len;
    z_stream gzip;
    ZSTD_DStream *zstd;

    char *bytes;
    size_t start, scanned, len, capacity;
    int64_t line;    /* number of the line that begins at start */
    int64_t skip_to; /* lines below were taken in before */
    uint64_t first;  /* hash of the first line that is not blank; 0: none yet */
};

struct file_source {
    struct source base;
    struct reader readers[2];
    int n_readers, current;
    size_t places[SOURCE_BATCH];
};

/* ---- bytes ---- */

static enum zl_status reader_open(struct reader *r, const char *name, enum zl_topic topic,
                                  struct zl_error *err)
{
    bool standard = strcmp(name, "-") == 0;
    r->name = standard ? "standard input" : name;
    r->topic = topic;
    r->fd = standard ? dup(STDIN_FILENO) : open(name, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0)
        return zl_fail(err, errno == ENOENT ? ZL_ENOENT : ZL_EIO, "cannot open %s: %s", r->name,
                       strerror(errno));
    struct stat about;
    if (fstat(r->fd, &about) == 0 && S_ISDIR(about.st_mode))
        return zl_fail(err, ZL_ENOENT, "cannot read %s: it is a folder", r->name);
    r->patient = !S_ISREG(about.st_mode);
    return ZL_OK;
}

static void reader_close(struct reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    if (r->packing == PACKING_GZIP)
        inflateEnd(&r->gzip);
    ZSTD_freeDStream(r->zstd);
    r->zstd = NULL;
    free(r->bytes);
    r->bytes = NULL;
}

static enum zl_status damaged(const struct reader *r, const char *what, struct zl_error *err)
{
    return zl_fail(err, ZL_EBADDATA, "%s is damaged after line %lld: %s", r->name,
                   (long long)r->line, what);
}

/* The file is called NAME.gz and ends before its first bytes could say so: cut off, and not a log without events. */
static bool ends_in_magic(const struct reader *r, const char *suffix, const char *magic)
{
    size_t name = strlen(r->name), end = strlen(suffix);
    return name > end && strcmp(r->name + name - end, suffix) == 0 && r->raw_len < strlen(magic) &&
           memcmp(r->raw, magic, r->raw_len) == 0;
}

static enum zl_status choose_packing(struct reader *r, struct zl_error *err)
{
    const unsigned char *b = r->raw;
    if (r->raw_len >= 2 && b[0] == 0x1f && b[1] == 0x8b) {
        if (inflateInit2(&r->gzip, 15 + 16) != Z_OK)
            return zl_fail(err, ZL_EINTERNAL, "zlib does not start");
        r->packing = PACKING_GZIP;
    } else if (r->raw_len >= 4 && memcmp(b, "\x28\xb5\x2f\xfd", 4) == 0) {
        r->zstd = ZSTD_createDStream();
        ASSERT(r->zstd);
        r->packing = PACKING_ZSTD;
    } else if (ends_in_magic(r, ".gz", "\x1f\x8b") ||
               ends_in_magic(r, ".zst", "\x28\xb5\x2f\xfd")) {
        return damaged(r, "it ends in the middle", err);
    } else {
        r->packing = PACKING_NONE;
    }
    return ZL_OK;
}

/* More raw bytes; ZL_EAGAIN: a pipe has none now. */
static enum zl_status read_raw(struct reader *r, struct zl_error *err)
{
    if (r->raw_at == r->raw_len)
        r->raw_at = r->raw_len = 0;
    struct pollfd ask = {.fd = r->fd, .events = POLLIN};
    if (r->patient && poll(&ask, 1, 0) <= 0)
        return ZL_EAGAIN;
    ssize_t got = read(r->fd, r->raw + r->raw_len, RAW_BYTES - r->raw_len);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return ZL_EAGAIN;
    if (got < 0)
        return zl_fail(err, ZL_EIO, "cannot read %s: %s", r->name, strerror(errno));
    r->raw_len += (size_t)got;
    r->raw_end = got == 0;
    if (r->packing == PACKING_UNKNOWN && (r->raw_len >= 4 || r->raw_end))
        return choose_packing(r, err);
    return r->packing == PACKING_UNKNOWN ? ZL_EAGAIN : ZL_OK;
}

static enum zl_status unpack_gzip(struct reader *r, char *to, size_t room, size_t *got,
                                  struct zl_error *err)
{
    z_stream *z = &r->gzip;
    if (!r->frame_open && r->raw_at < r->raw_len) { /* the first member, or one more behind it */
        inflateReset(z);
        r->frame_open = true;
    }
    z->next_in = r->raw + r->raw_at;
    z->avail_in = (unsigned)(r->raw_len - r->raw_at);
    z->next_out = (unsigned char *)to;
    z->avail_out = (unsigned)room;
    int code = r->frame_open ? inflate(z, Z_NO_FLUSH) : Z_BUF_ERROR;
    r->raw_at = r->raw_len - z->avail_in;
    *got = room - z->avail_out;
    if (code == Z_STREAM_END)
        r->frame_open = false;
    else if (code != Z_OK && code != Z_BUF_ERROR)
        return damaged(r, z->msg ? z->msg : "not gzip", err);
    return ZL_OK;
}

static enum zl_status unpack_zstd(struct reader *r, char *to, size_t room, size_t *got,
                                  struct zl_error *err)
{
    ZSTD_inBuffer in = {r->raw, r->raw_len, r->raw_at};
    ZSTD_outBuffer out = {to, room, 0};
    if (in.pos == in.size && !r->frame_open) {
        *got = 0;
        return ZL_OK;
    }
    size_t hint = ZSTD_decompressStream(r->zstd, &out, &in);
    if (ZSTD_isError(hint))
        return damaged(r, ZSTD_getErrorName(hint), err);
    r->frame_open = hint != 0;
    r->raw_at = in.pos;
    *got = out.pos;
    return ZL_OK;
}

static enum zl_status unpack_none(struct reader *r, char *to, size_t room, size_t *got)
{
    size_t n = r->raw_len - r->raw_at;
    n = n < room ? n : room;
    memcpy(to, r->raw + r->raw_at, n);
    r->raw_at += n;
    *got = n;
    return ZL_OK;
}

static enum zl_status unpack(struct reader *r, char *to, size_t room, size_t *got,
                             struct zl_error *err)
{
    switch (r->packing) {
    case PACKING_GZIP: return unpack_gzip(r, to, room, got, err);
    case PACKING_ZSTD: return unpack_zstd(r, to, room, got, err);
    case PACKING_NONE:
    case PACKING_UNKNOWN: break;
    }
    return unpack_none(r, to, room, got);
}

static void make_room(struct reader *r)
{
    if (r->capacity - r->len >= RAW_BYTES)
        return;
    r->capacity = r->capacity * 2 + 2 * RAW_BYTES;
    r->bytes = xrealloc(r->bytes, r->capacity, 1);
}

/* Appends what is there to the buffer. ZL_EAGAIN: nothing now. At the end of the file sets r->end. */
static enum zl_status fill(struct reader *r, size_t *filled, struct zl_error *err)
{
    make_room(r);
    size_t got = 0;
    if (r->packing != PACKING_UNKNOWN)
        TRY(unpack(r, r->bytes + r->len, r->capacity - r->len, &got, err));
    r->len += got;
    *filled += got;
    if (got)
        return ZL_OK;
    if (!r->raw_end)
        return read_raw(r, err);
    if (r->frame_open)
        return damaged(r, "it ends in the middle", err);
    r->end = true;
    return ZL_OK;
}

/* ---- lines ---- */

static bool blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

/* A line longer than we hold: keep its head, drop what comes until its end. */
static void cut_long_line(struct reader *r)
{
    if (r->len - r->start <= SOURCE_FILE_MAX_LINE)
        return;
    r->len = r->start + SOURCE_FILE_MAX_LINE;
    r->scanned = r->len;
}

/* The next whole line in the buffer: its place and length, or false. */
static bool next_line(struct reader *r, size_t *place, size_t *len)
{
    const char *from = r->bytes + r->scanned;
    const char *newline = r->len > r->scanned ? memchr(from, '\n', r->len - r->scanned) : NULL;
    if (!newline && !(r->end && r->len > r->start)) {
        r->scanned = r->len;
        cut_long_line(r);
        return false;
    }
    size_t stop = newline ? (size_t)(newline - r->bytes) : r->len;
    *place = r->start;
    *len = stop - r->start;
    if (*len > SOURCE_FILE_MAX_LINE)
        *len = SOURCE_FILE_MAX_LINE;
    r->start = r->scanned = newline ? stop + 1 : r->len;
    r->line++;
    return true;
}

static void put_line(struct file_source *f, struct source_batch *out, size_t place, size_t len)
{
    struct reader *r = &f->readers[f->current];
    int64_t number = r->line - 1, gap;
    if (r->first && number < r->skip_to)
        return;
    if (blank(r->bytes + place, len))
        return;
    if (!r->first)
        r->first = hash_bytes(r->bytes + place, len, 0) | 1; /* never 0 */
    if (number < r->skip_to)
        return;
    bool fresh = source_order_take(&f->base.order, r->topic, 0, number, &gap);
    ASSERT(fresh); /* lines are counted up */
    f->places[out->n] = place;
    out->messages[out->n++] = (struct source_message){
        .topic = r->topic, .offset = number, .log_ms = -1, .has_value = true, .value = {NULL, len}};
}

static void move_to_front(struct reader *r)
{
    if (r->start == 0)
        return;
    memmove(r->bytes, r->bytes + r->start, r->len - r->start);
    r->len -= r->start;
    r->scanned -= r->start;
    r->start = 0;
}

static bool range_done(const struct file_source *f)
{
    const struct reader *r = &f->readers[f->current];
    struct zl_position *stop =
        f->base.cfg.until ? zl_positions_find((struct zl_positions *)f->base.cfg.until, r->topic, 0)
                          : NULL;
    return stop && r->line >= stop->next;
}

/* Fills out from the current reader; ZL_END: it has no more. */
static enum zl_status read_lines(struct file_source *f, struct source_batch *out,
                                 struct zl_error *err)
{
    struct reader *r = &f->readers[f->current];
    size_t filled = 0, place, len;
    while (out->n < SOURCE_BATCH && !range_done(f)) {
        if (next_line(r, &place, &len))
            put_line(f, out, place, len);
        else if (r->end)
            return ZL_END;
        else if (filled >= POLL_BYTES)
            return ZL_OK;
        else
            TRY(fill(r, &filled, err));
    }
    return range_done(f) ? ZL_END : ZL_OK;
}

static enum zl_status shorter_than_position(const struct reader *r, struct zl_error *err)
{
    if (!r->end || r->line >= r->skip_to)
        return ZL_END;
    return zl_fail(
        err, ZL_EBADDATA,
        "%s has %lld lines, but the checkpoint already took in %lld: is it another file? "
        "Give the same file, or start with an empty checkpoint",
        r->name, (long long)r->line, (long long)r->skip_to);
}

static enum zl_status file_poll(struct source *s, struct source_batch *out, struct zl_error *err)
{
    struct file_source *f = (struct file_source *)s;
    if (f->current == f->n_readers)
        return ZL_END;
    struct reader *r = &f->readers[f->current];
    move_to_front(r);
    enum zl_status st = read_lines(f, out, err);
    for (int i = 0; i < out->n; i++)
        out->messages[i].value.ptr = r->bytes + f->places[i];
    out->more = st != ZL_EAGAIN;
    out->end = st == ZL_END;
    out->live = r->patient;
    if (st == ZL_EAGAIN)
        return ZL_OK;
    if (st == ZL_END && out->n == 0) {
        st = shorter_than_position(r, err);
        f->current++;
        return st == ZL_END && f->current < f->n_readers ? ZL_OK : st;
    }
    return st == ZL_END ? ZL_OK : st; /* said by the next poll: these lines are still lent */
}

/* They still lie where they were lent: reading goes on from the first of them. */
static void file_put_back(struct source *s, const struct source_batch *batch, int from)
{
    struct file_source *f = (struct file_source *)s;
    struct reader *r = &f->readers[f->current];
    r->start = r->scanned = f->places[from];
    r->line = batch->messages[from].offset;
    source_order_back_to(&s->order, r->topic, 0, r->line);
}

static uint64_t file_first_record(const struct source *s)
{
    const struct file_source *f = (const struct file_source *)s;
    return f->readers[f->n_readers - 1].first; /* events are the last */
}

/* ---- the rest of the table ---- */

static void file_close(struct source *s)
{
    struct file_source *f = (struct file_source *)s;
    for (int i = 0; i < f->n_readers; i++)
        reader_close(&f->readers[i]);
    source_order_release(&s->order);
    free(f);
}

static int file_fds(struct source *s, int *fds, int max)
{
    struct file_source *f = (struct file_source *)s;
    const struct reader *r = &f->readers[f->current < f->n_readers ? f->current : 0];
    if (max < 1 || f->current == f->n_readers || !r->patient || r->raw_end)
        return -1; /* bytes of a file are always there */
    fds[0] = r->fd;
    return 1;
}

static void file_wake_clear(struct source *s)
{
    (void)s; /* the descriptor is the input itself: reading it is what clears it */
}

static bool file_items_ready(const struct source *s)
{
    const struct file_source *f = (const struct file_source *)s;
    return f->current >= f->n_readers || f->readers[f->current].topic != ZL_TOPIC_ITEMS;
}

static bool file_connected(struct source *s, char *why, size_t len)
{
    (void)s, (void)why, (void)len;
    return true;
}

static int file_partitions(const struct source *s)
{
    (void)s;
    return 1;
}

static int64_t file_high_watermark(struct source *s, enum zl_topic topic, int32_t partition)
{
    (void)s, (void)topic, (void)partition;
    return -1;
}

static struct zl_span file_statistics(struct source *s)
{
    (void)s;
    return (struct zl_span){NULL, 0};
}

static void file_commit(struct source *s, const struct zl_positions *upto)
{
    (void)s, (void)upto;
}

static const struct source_ops file_ops = {
    .close = file_close,
    .poll = file_poll,
    .put_back = file_put_back,
    .first_record = file_first_record,
    .fds = file_fds,
    .wake_clear = file_wake_clear,
    .items_ready = file_items_ready,
    .connected = file_connected,
    .partitions = file_partitions,
    .high_watermark = file_high_watermark,
    .statistics = file_statistics,
    .commit = file_commit,
};

static enum zl_status add_reader(struct file_source *f, const char *name, enum zl_topic topic,
                                 struct zl_error *err)
{
    if (!name || !name[0])
        return ZL_OK;
    struct reader *r = &f->readers[f->n_readers++];
    int64_t next = source_order_next(&f->base.order, topic, 0);
    r->skip_to = next > 0 ? next : 0;
    return reader_open(r, name, topic, err);
}

enum zl_status source_file_open(const struct source_config *cfg, struct source **out,
                                struct zl_error *err)
{
    *out = NULL;
    if (!cfg->file || !cfg->file[0])
        return zl_fail(err, ZL_ECONFIG, "source.kind is file, but source.file names none");
    struct file_source *f = xcalloc(1, sizeof *f);
    f->base.ops = &file_ops;
    f->base.cfg = *cfg;
    f->readers[0].fd = f->readers[1].fd = -1;
    source_order_init(&f->base.order, cfg->positions);
    enum zl_status st = add_reader(f, cfg->items_file, ZL_TOPIC_ITEMS, err);
    if (st == ZL_OK)
        st = add_reader(f, cfg->file, ZL_TOPIC_EVENTS, err);
    if (st != ZL_OK) {
        file_close(&f->base);
        return st;
    }
    *out = &f->base;
    return ZL_OK;
}

enum zl_status source_file_check(const struct source_config *cfg, struct zl_error *err)
{
    const char *names[2] = {cfg->items_file, cfg->file};
    for (int i = 0; i < 2; i++)
        if (names[i] && names[i][0] && strcmp(names[i], "-") != 0 && access(names[i], R_OK) != 0)
            return zl_fail(err, errno == ENOENT ? ZL_ENOENT : ZL_EIO, "cannot read %s: %s",
                           names[i], strerror(errno));
    return ZL_OK;
}
