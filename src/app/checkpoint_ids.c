/* Logs of event-id hashes: ids-<partition>-<generation_ms>, which only grow.
 *
 *     header   magic "ZHILIUID", version, check | fingerprint, partition, generation | hash            (48 bytes)
 *     chunk    hash | n u32, 0 u32 | n hashes of 8 bytes                                             each moment at most one more
 *
 * 5 M ids a minute would be 40 MB in every segment if they were rows; here each is written once. What makes an append safe is
 * that bytes count only when a sealed base or segment says how many do: a chunk of a moment that failed is kept in memory and
 * written again, the same bytes at the same place, and whatever lies behind the valid length is overwritten. A chunk's hash is
 * seeded with its place. A log is deleted when no kept base or segment names it any more. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/checkpoint_priv.h"
#include "base/check.h"
#include "base/hash.h"

#define LOG_HEADER_BYTES 48
#define CHUNK_HEADER_BYTES 16

static const char log_magic[8] = {'Z', 'H', 'I', 'L', 'I', 'U', 'I', 'D'};

static uint64_t chunk_seed(int32_t partition, int64_t generation_ms, uint64_t at)
{
    return hash_mix(hash_mix((uint64_t)generation_ms ^ (uint64_t)(uint32_t)partition) ^ at);
}

static void put_header(struct rows_buffer *b, uint64_t fingerprint, int32_t partition,
                       int64_t generation_ms)
{
    unsigned char preamble[16];
    checkpoint_format_put_preamble(preamble, log_magic);
    rows_put_bytes(b, preamble, sizeof preamble);
    rows_put_u64(b, fingerprint);
    rows_put_u32(b, (uint32_t)partition);
    rows_put_u32(b, 0);
    rows_put_i64(b, generation_ms);
    rows_put_u64(b, hash_bytes(b->bytes, 40, 0));
}

/* ---- the list of logs ---- */
static uint32_t lower_bound(const struct checkpoint_ids *ids, int32_t partition,
                            int64_t generation_ms)
{
    uint32_t lo = 0, hi = ids->n_logs;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct checkpoint_log *l = &ids->logs[mid];
        if (l->partition < partition ||
            (l->partition == partition && l->generation_ms < generation_ms))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct checkpoint_log *get_log(struct checkpoint_ids *ids, int32_t partition,
                                      int64_t generation_ms)
{
    uint32_t i = lower_bound(ids, partition, generation_ms);
    if (i < ids->n_logs && ids->logs[i].partition == partition &&
        ids->logs[i].generation_ms == generation_ms)
        return &ids->logs[i];
    if (ids->n_logs == ids->capacity) {
        ids->capacity = ids->capacity ? ids->capacity * 2 : 16;
        ids->logs = xrealloc(ids->logs, ids->capacity, sizeof *ids->logs);
    }
    memmove(&ids->logs[i + 1], &ids->logs[i], (ids->n_logs - i) * sizeof *ids->logs);
    ids->logs[i] = (struct checkpoint_log){.partition = partition, .generation_ms = generation_ms};
    ids->n_logs++;
    return &ids->logs[i];
}

/* ---- a moment ---- */
static void add_chunk(void *ctx, const struct guard_ids *new)
{
    struct checkpoint *c = ctx;
    if (new->n == 0)
        return;
    struct checkpoint_log *log = get_log(&c->ids, new->partition, new->generation_ms);
    struct checkpoint_chunk *chunk = xcalloc(1, sizeof *chunk);
    log->dropped_moment = 0;
    chunk->partition = log->partition;
    chunk->generation_ms = log->generation_ms;
    chunk->at = log->bytes;
    if (log->bytes == 0)
        put_header(&chunk->bytes, c->cfg.fingerprint, log->partition, log->generation_ms);
    size_t at = chunk->bytes.len;
    rows_put_u64(&chunk->bytes, 0);
    rows_put_u32(&chunk->bytes, new->n);
    rows_put_u32(&chunk->bytes, 0);
    rows_put_bytes(&chunk->bytes, new->hashes, (size_t) new->n * sizeof *new->hashes);
    unsigned char *p = chunk->bytes.bytes + at;
    uint64_t hash = hash_bytes(p + 8, chunk->bytes.len - at - 8,
                               chunk_seed(log->partition, log->generation_ms, log->bytes + at));
    memcpy(p, &hash, sizeof hash);
    log->bytes += chunk->bytes.len;
    if (c->ids.last)
        c->ids.last->next = chunk;
    else
        c->ids.first = chunk;
    c->ids.last = chunk;
}

static void drop_old(struct checkpoint *c)
{
    for (uint32_t i = 0; i < c->ids.n_logs; i++) {
        struct checkpoint_log *log = &c->ids.logs[i];
        if (log->dropped_moment == 0 &&
            log->generation_ms < c->ids.from.oldest_ms(c->ids.from.ctx, log->partition))
            log->dropped_moment = c->moment;
    }
}

void checkpoint_ids_freeze(struct checkpoint *c)
{
    if (!c->ids.from.ctx)
        return;
    c->ids.from.take(c->ids.from.ctx, add_chunk, c);
    drop_old(c);
    for (struct checkpoint_chunk *chunk = c->ids.first; chunk; chunk = chunk->next) {
        struct checkpoint_job job = {.type = JOB_IDS,
                                     .file = c->carrier,
                                     .bytes = chunk->bytes.bytes,
                                     .len = chunk->bytes.len,
                                     .at = chunk->at};
        if (c->base && c->base != c->carrier && c->base->header.moment == c->moment)
            job.also = c->base;
        checkpoint_folder_log_name(job.name, chunk->partition, chunk->generation_ms);
        checkpoint_writer_send(&c->writer, job);
    }
}

void checkpoint_ids_lengths(const struct checkpoint *c, struct rows_buffer *b)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->ids.n_logs; i++)
        n += c->ids.logs[i].dropped_moment == 0;
    rows_put_u32(b, n);
    for (uint32_t i = 0; i < c->ids.n_logs; i++) {
        const struct checkpoint_log *log = &c->ids.logs[i];
        if (log->dropped_moment != 0)
            continue;
        rows_put_u32(b, (uint32_t)log->partition);
        rows_put_i64(b, log->generation_ms);
        rows_put_u64(b, log->bytes);
    }
}

static void forget_chunks(struct checkpoint_ids *ids)
{
    for (struct checkpoint_chunk *chunk = ids->first; chunk;) {
        struct checkpoint_chunk *next = chunk->next;
        rows_buffer_release(&chunk->bytes);
        free(chunk);
        chunk = next;
    }
    ids->first = ids->last = NULL;
}

void checkpoint_ids_sealed(struct checkpoint *c)
{
    forget_chunks(&c->ids);
}

void checkpoint_ids_prune(struct checkpoint *c, uint64_t oldest_moment)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->ids.n_logs; i++) {
        const struct checkpoint_log log = c->ids.logs[i];
        if (log.dropped_moment == 0 || log.dropped_moment > oldest_moment) {
            c->ids.logs[kept++] = log;
            continue;
        }
        struct checkpoint_job job = {.type = JOB_DELETE};
        checkpoint_folder_log_name(job.name, log.partition, log.generation_ms);
        checkpoint_writer_send(&c->writer, job);
    }
    c->ids.n_logs = kept;
}

void checkpoint_ids_release(struct checkpoint *c)
{
    forget_chunks(&c->ids);
    free(c->ids.logs);
    c->ids = (struct checkpoint_ids){0};
}

/* ---- reading ---- */
static enum zl_status damaged(const struct checkpoint_reader *r, uint64_t at, const char *what,
                              struct zl_error *err)
{
    return zl_fail(err, ZL_EBADDATA, "%s is damaged: at byte %llu: %s", r->name,
                   (unsigned long long)at, what);
}

static enum zl_status read_header(const struct checkpoint_reader *r, uint64_t fingerprint,
                                  const struct checkpoint_length *length, struct zl_error *err)
{
    unsigned char bytes[LOG_HEADER_BYTES];
    uint64_t hash;
    TRY(checkpoint_format_pread(r, bytes, sizeof bytes, 0, err));
    TRY(checkpoint_format_preamble(r, bytes, log_magic, err));
    memcpy(&hash, bytes + 40, sizeof hash);
    if (hash != hash_bytes(bytes, 40, 0) && !r->ignore_hashes)
        return damaged(r, 16, "the header's checksum does not match", err);
    struct rows_cursor c = {bytes + 16, bytes + 40, false};
    uint64_t made_by = rows_get_u64(&c);
    int32_t partition = (int32_t)rows_get_u32(&c);
    rows_get_u32(&c);
    int64_t generation_ms = rows_get_i64(&c);
    if (made_by != fingerprint)
        return zl_fail(err, ZL_ECONFIG, "%s was made by another pipeline", r->name);
    if (partition != length->partition || generation_ms != length->generation_ms)
        return damaged(r, 24, "it is the log of another partition or generation", err);
    return ZL_OK;
}

/* The chunk at a place, its hashes in scratch; its length in bytes goes to *len. */
static enum zl_status read_chunk(const struct checkpoint_reader *r,
                                 const struct checkpoint_length *length, uint64_t at,
                                 struct rows_buffer *scratch, uint64_t *len, struct zl_error *err)
{
    unsigned char head[CHUNK_HEADER_BYTES];
    uint64_t hash;
    uint32_t n;
    if (length->bytes - at < sizeof head)
        return damaged(r, at, "a chunk crosses the valid length", err);
    TRY(checkpoint_format_pread(r, head, sizeof head, at, err));
    memcpy(&hash, head, sizeof hash);
    memcpy(&n, head + 8, sizeof n);
    *len = sizeof head + (uint64_t)n * sizeof(uint64_t);
    if (n == 0 || *len > length->bytes - at)
        return damaged(r, at, "a chunk crosses the valid length", err);
    if (scratch->capacity < *len) {
        scratch->bytes = xrealloc(scratch->bytes, *len, 1);
        scratch->capacity = *len;
    }
    ASSERT(scratch->bytes);
    memcpy(scratch->bytes, head, sizeof head);
    TRY(checkpoint_format_pread(r, scratch->bytes + sizeof head, *len - sizeof head,
                                at + sizeof head, err));
    if (hash != hash_bytes(scratch->bytes + 8, *len - 8,
                           chunk_seed(length->partition, length->generation_ms, at)) &&
        !r->ignore_hashes)
        return damaged(r, at, "a chunk's checksum does not match", err);
    return ZL_OK;
}

static enum zl_status read_chunks(const struct checkpoint_reader *r,
                                  const struct checkpoint_length *length,
                                  struct rows_buffer *scratch,
                                  void (*visit)(void *ctx, const struct guard_ids *ids), void *ctx,
                                  struct zl_error *err)
{
    for (uint64_t at = LOG_HEADER_BYTES, len = 0; at < length->bytes; at += len) {
        TRY(read_chunk(r, length, at, scratch, &len, err));
        if (!visit)
            continue;
        visit(ctx,
              &(struct guard_ids){
                  .partition = length->partition,
                  .generation_ms = length->generation_ms,
                  .hashes = (const uint64_t *)(const void *)(scratch->bytes + CHUNK_HEADER_BYTES),
                  .n = (uint32_t)((len - CHUNK_HEADER_BYTES) / sizeof(uint64_t))});
    }
    return ZL_OK;
}

enum zl_status checkpoint_ids_read(const struct checkpoint_reader *r, uint64_t fingerprint,
                                   const struct checkpoint_length *length,
                                   void (*visit)(void *ctx, const struct guard_ids *ids), void *ctx,
                                   struct zl_error *err)
{
    struct rows_buffer scratch = {0};
    if (length->bytes > r->size)
        return damaged(r, r->size, "it ends before its valid length (truncated)", err);
    TRY(read_header(r, fingerprint, length, err));
    enum zl_status st = read_chunks(r, length, &scratch, visit, ctx, err);
    rows_buffer_release(&scratch);
    return st;
}

static enum zl_status read_log(const struct checkpoint *c, const struct checkpoint_length *length,
                               void (*visit)(void *ctx, const struct guard_ids *ids), void *ctx,
                               struct zl_error *err)
{
    char name[CHECKPOINT_NAME_MAX], path[CHECKPOINT_PATH_MAX];
    struct stat s;
    checkpoint_folder_log_name(name, length->partition, length->generation_ms);
    checkpoint_folder_path(path, c->path, name, "");
    struct checkpoint_reader r = {.name = path,
                                  .fd = checkpoint_ops.open(path, O_RDONLY | O_CLOEXEC, 0)};
    if (r.fd < 0)
        return zl_fail(err, ZL_EIO, "cannot open %s: %s", path, strerror(errno));
    enum zl_status st = ZL_OK;
    if (fstat(r.fd, &s) != 0)
        st = zl_fail(err, ZL_EIO, "cannot read %s: %s", path, strerror(errno));
    r.size = st == ZL_OK ? (uint64_t)s.st_size : 0;
    if (st == ZL_OK)
        st = checkpoint_ids_read(&r, c->cfg.fingerprint, length, visit, ctx, err);
    checkpoint_ops.close(r.fd);
    return st;
}

void checkpoint_ids_found(struct checkpoint *c, const struct checkpoint_length *log)
{
    get_log(&c->ids, log->partition, log->generation_ms)->bytes = 0;
}

enum zl_status checkpoint_ids_check(const struct checkpoint *c,
                                    const struct checkpoint_image *image, struct zl_error *err)
{
    if (!c->ids.from.ctx)
        return ZL_OK; /* nobody will ask for them */
    for (uint32_t i = 0; i < image->n_ids; i++)
        TRY(read_log(c, &image->ids[i], NULL, NULL, err));
    return ZL_OK;
}

enum zl_status checkpoint_ids_restore(struct checkpoint *c, const struct checkpoint_image *image,
                                      struct zl_error *err)
{
    for (uint32_t i = 0; i < c->ids.n_logs;
         i++) /* what the folder holds beside: goes when an older base does */
        c->ids.logs[i].dropped_moment = image->header.moment;
    for (uint32_t i = 0; i < image->n_ids; i++) {
        const struct checkpoint_length *length = &image->ids[i];
        struct checkpoint_log *log = get_log(&c->ids, length->partition, length->generation_ms);
        log->bytes = length->bytes;
        log->dropped_moment = 0;
        if (c->ids.from.ctx)
            TRY(read_log(c, length, c->ids.from.restore, c->ids.from.ctx, err));
    }
    return ZL_OK;
}
