/* The bytes of a base or segment.
 *
 *     header    magic "ZHILIU01", version, check of these 12 bytes | fingerprint, moment, previous, moment_ms, kind | hash
 *     block     hash | length, type, kind, rows | payload            positions, then counts, then lengths of the ids logs,
 *     block     ...                                                   then rows: (key u32, length u32, bytes), one kind a block
 *     footer    a block too: rows and bytes in total, magic; the file ends with it
 *
 * Each hash is seeded with the hash before it, the first one with the header's: a block that is cut out, doubled or moved breaks
 * the chain, and the footer's hash is a checksum of the whole file. The check behind the version is there so that a flipped bit
 * is called damage and not "another version". Reading is total: whatever the bytes are, they are read or refused in words, and
 * no length in them is believed before it was held against the file's size. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/checkpoint_priv.h"
#include "base/check.h"
#include "base/hash.h"

static const char file_magic[8] = {'Z', 'H', 'I', 'L', 'I', 'U', '0', '1'};
static const char footer_magic[8] = {'Z', 'H', 'I', 'L', 'I', 'U', 'E', 'N'};

/* ---- writing ---- */
static void put_u32(unsigned char *at, uint32_t v)
{
    memcpy(at, &v, sizeof v);
}

static void put_u64(unsigned char *at, uint64_t v)
{
    memcpy(at, &v, sizeof v);
}

void checkpoint_format_put_preamble(unsigned char out[16], const char magic[8])
{
    memcpy(out, magic, 8);
    put_u32(out + 8, CHECKPOINT_VERSION);
    put_u32(out + 12, (uint32_t)hash_bytes(out, 12, 0));
}

void checkpoint_format_header(const struct checkpoint_header *h,
                              unsigned char out[CHECKPOINT_HEADER_BYTES])
{
    checkpoint_format_put_preamble(out, file_magic);
    put_u64(out + 16, h->fingerprint);
    put_u64(out + 24, h->moment);
    put_u64(out + 32, h->previous);
    put_u64(out + 40, (uint64_t)h->moment_ms);
    put_u32(out + 48, (uint32_t)h->kind);
    put_u32(out + 52, 0);
    put_u64(out + 56, hash_bytes(out, 56, 0));
}

uint64_t checkpoint_format_first_chain(const unsigned char header[CHECKPOINT_HEADER_BYTES])
{
    uint64_t chain;
    memcpy(&chain, header + 56, sizeof chain);
    return chain;
}

void checkpoint_format_begin_block(struct rows_buffer *b)
{
    static const unsigned char zeros[CHECKPOINT_BLOCK_HEADER];
    ASSERT(b->len == 0);
    rows_put_bytes(b, zeros, sizeof zeros);
}

void checkpoint_format_describe_block(struct rows_buffer *b, enum checkpoint_block_type type,
                                      uint32_t kind, uint32_t n_rows)
{
    ASSERT(b->len - CHECKPOINT_BLOCK_HEADER <= UINT32_MAX);
    put_u32(b->bytes + 8, (uint32_t)(b->len - CHECKPOINT_BLOCK_HEADER));
    put_u32(b->bytes + 12, (uint32_t)type | kind << 16);
    put_u32(b->bytes + 16, n_rows);
    put_u32(b->bytes + 20, 0);
}

uint64_t checkpoint_format_seal_block(struct rows_buffer *b, uint64_t chain)
{
    uint64_t hash = hash_bytes(b->bytes + 8, b->len - 8, chain);
    put_u64(b->bytes, hash);
    return hash;
}

void checkpoint_format_footer(struct rows_buffer *b, uint64_t n_rows, uint64_t bytes)
{
    checkpoint_format_begin_block(b);
    rows_put_u64(b, n_rows);
    rows_put_u64(b, bytes);
    rows_put_bytes(b, footer_magic, sizeof footer_magic);
    checkpoint_format_describe_block(b, BLOCK_FOOTER, 0, 0);
}

void checkpoint_format_positions(struct rows_buffer *b, const struct zl_positions *p)
{
    rows_put_u32(b, (uint32_t)p->n);
    for (int i = 0; i < p->n; i++) {
        rows_put_u32(b, (uint32_t)p->at[i].topic);
        rows_put_u32(b, (uint32_t)p->at[i].partition);
        rows_put_i64(b, p->at[i].next);
        rows_put_i64(b, p->at[i].log_ms);
    }
}

/* ---- reading ---- */
static enum zl_status damaged(const struct checkpoint_reader *r, uint64_t at, const char *what,
                              struct zl_error *err)
{
    return zl_fail(err, ZL_EBADDATA, "%s is damaged: at byte %llu: %s", r->name,
                   (unsigned long long)at, what);
}

enum zl_status checkpoint_format_pread(const struct checkpoint_reader *r, void *out, size_t len,
                                       uint64_t at, struct zl_error *err)
{
    if (at > r->size || len > r->size - at)
        return damaged(r, r->size, "it ends too early (truncated)", err);
    if (r->memory) {
        if (len)
            memcpy(out, r->memory + at, len);
        return ZL_OK;
    }
    for (size_t done = 0; done < len;) {
        ssize_t n = checkpoint_ops.pread(r->fd, (char *)out + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return zl_fail(err, ZL_EIO, "cannot read %s: %s", r->name, strerror(errno));
        if (n == 0)
            return damaged(r, at + done, "it ends too early (truncated)", err);
        done += (size_t)n;
    }
    return ZL_OK;
}

enum zl_status checkpoint_format_preamble(const struct checkpoint_reader *r,
                                          const unsigned char *bytes, const char magic[8],
                                          struct zl_error *err)
{
    uint32_t version, check;
    memcpy(&version, bytes + 8, sizeof version);
    memcpy(&check, bytes + 12, sizeof check);
    if (memcmp(bytes, magic, 8) != 0)
        return damaged(r, 0, "it does not begin as a file of zhiliu does", err);
    if (check != (uint32_t)hash_bytes(bytes, 12, 0) && !r->ignore_hashes)
        return damaged(r, 8, "the version's check does not match", err);
    if (version != CHECKPOINT_VERSION)
        return zl_fail(
            err, ZL_ECONFIG,
            "%s is of another version: format %u, this program reads format %d; start the program "
            "that wrote it, or give this one an empty checkpoint.path",
            r->name, version, CHECKPOINT_VERSION);
    return ZL_OK;
}

static enum zl_status read_header(const struct checkpoint_reader *r, uint64_t fingerprint,
                                  struct checkpoint_header *h, uint64_t *chain,
                                  struct zl_error *err)
{
    unsigned char bytes[CHECKPOINT_HEADER_BYTES];
    TRY(checkpoint_format_pread(r, bytes, sizeof bytes, 0, err));
    TRY(checkpoint_format_preamble(r, bytes, file_magic, err));
    *chain = checkpoint_format_first_chain(bytes);
    if (*chain != hash_bytes(bytes, 56, 0) && !r->ignore_hashes)
        return damaged(r, 16, "the header's checksum does not match", err);
    struct rows_cursor c = {bytes + 16, bytes + 56, false};
    h->fingerprint = rows_get_u64(&c);
    h->moment = rows_get_u64(&c);
    h->previous = rows_get_u64(&c);
    h->moment_ms = rows_get_i64(&c);
    uint32_t kind = rows_get_u32(&c);
    if (kind != CHECKPOINT_BASE && kind != CHECKPOINT_SEGMENT)
        return damaged(r, 48, "it is neither base nor segment", err);
    h->kind = (enum checkpoint_kind)kind;
    if (h->moment == 0 || h->previous >= h->moment)
        return damaged(r, 24, "its moments are out of order", err);
    if (h->fingerprint != fingerprint)
        return zl_fail(
            err, ZL_ECONFIG,
            "%s was made by another pipeline: its model, catalog or guard keys differ (%016llx, "
            "this pipeline is %016llx); start it with that pipeline, or give this one an empty "
            "checkpoint.path",
            r->name, (unsigned long long)h->fingerprint, (unsigned long long)fingerprint);
    return ZL_OK;
}

/* The block at a place, its payload in scratch from CHECKPOINT_BLOCK_HEADER on, and its hash. */
static enum zl_status read_block(const struct checkpoint_reader *r, uint64_t at, uint64_t chain,
                                 struct rows_buffer *scratch, struct checkpoint_block *b,
                                 uint64_t *hash, struct zl_error *err)
{
    unsigned char head[CHECKPOINT_BLOCK_HEADER];
    TRY(checkpoint_format_pread(r, head, sizeof head, at, err));
    struct rows_cursor c = {head, head + sizeof head, false};
    *hash = rows_get_u64(&c);
    *b = (struct checkpoint_block){.offset = at, .chain = chain};
    b->len = rows_get_u32(&c);
    uint32_t type = rows_get_u32(&c);
    b->type = (uint16_t)(type & 0xffff);
    b->kind = (uint16_t)(type >> 16);
    b->n_rows = rows_get_u32(&c);
    if (b->len > r->size - at - sizeof head)
        return damaged(r, at, "a block is longer than the file", err);
    size_t len = sizeof head + b->len;
    if (scratch->capacity < len) {
        scratch->bytes = xrealloc(scratch->bytes, len, 1);
        scratch->capacity = len;
    }
    memcpy(scratch->bytes, head, sizeof head);
    TRY(checkpoint_format_pread(r, scratch->bytes + sizeof head, b->len, at + sizeof head, err));
    if (hash_bytes(scratch->bytes + 8, len - 8, chain) != *hash && !r->ignore_hashes)
        return damaged(r, at, "a block's checksum does not match", err);
    return ZL_OK;
}

static bool parse_positions(struct rows_cursor *c, struct zl_positions *p)
{
    uint32_t n = rows_get_u32(c);
    if (n > ZL_MAX_PARTITIONS)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t topic = rows_get_u32(c);
        int32_t partition = (int32_t)rows_get_u32(c);
        if (topic >= ZL_N_TOPICS || partition < 0)
            return false;
        struct zl_position *at = zl_positions_get(p, (enum zl_topic)topic, partition);
        at->next = rows_get_i64(c);
        at->log_ms = rows_get_i64(c);
    }
    return p->n == (int)n; /* else: one came twice */
}

static bool parse_counts(struct rows_cursor *c, struct checkpoint_image *image)
{
    uint32_t n = rows_get_u32(c);
    if (n > CHECKPOINT_MAX_TABLES)
        return false;
    image->counts = xcalloc(n, sizeof *image->counts);
    image->n_counts = n;
    for (uint32_t i = 0; i < n; i++) {
        image->counts[i].kind = rows_get_u32(c);
        image->counts[i].rows = rows_get_u32(c);
    }
    return true;
}

#define LENGTH_BYTES 20

static bool parse_ids(struct rows_cursor *c, struct checkpoint_image *image)
{
    uint32_t n = rows_get_u32(c);
    if (n > (size_t)(c->end - c->at) / LENGTH_BYTES)
        return false;
    image->ids = xcalloc(n, sizeof *image->ids);
    image->n_ids = n;
    for (uint32_t i = 0; i < n; i++) {
        image->ids[i].partition = (int32_t)rows_get_u32(c);
        image->ids[i].generation_ms = rows_get_i64(c);
        image->ids[i].bytes = rows_get_u64(c);
    }
    return true;
}

/* A block of rows is only walked here, to see that its rows fill it exactly. */
static bool rows_fit(struct rows_cursor c, uint32_t n_rows)
{
    uint32_t n = 0;
    while (c.at < c.end && !c.bad) {
        rows_get_u32(&c);
        rows_get_span(&c);
        n++;
    }
    return !c.bad && n == n_rows;
}

static void add_block(struct checkpoint_image *image, const struct checkpoint_block *b)
{
    if (image->n_blocks == image->capacity) {
        image->capacity = image->capacity ? image->capacity * 2 : 16;
        image->blocks = xrealloc(image->blocks, image->capacity, sizeof *image->blocks);
    }
    image->blocks[image->n_blocks++] = *b;
    image->n_rows += b->n_rows;
}

/* What is wrong with a block's content, or NULL. */
static const char *take_block(struct checkpoint_image *image, const struct checkpoint_block *b,
                              struct rows_cursor c)
{
    switch (b->type) {
    case BLOCK_POSITIONS:
        if (image->positions)
            return "positions come twice";
        image->positions = xcalloc(1, sizeof *image->positions);
        return parse_positions(&c, image->positions) && !c.bad && c.at == c.end
                   ? NULL
                   : "positions make no sense";
    case BLOCK_COUNTS:
        if (image->counts)
            return "counts come twice";
        return parse_counts(&c, image) && !c.bad && c.at == c.end ? NULL : "counts make no sense";
    case BLOCK_IDS:
        if (image->ids)
            return "lengths of ids logs come twice";
        return parse_ids(&c, image) && !c.bad && c.at == c.end
                   ? NULL
                   : "lengths of ids logs make no sense";
    case BLOCK_ROWS:
        if (!rows_fit(c, b->n_rows))
            return "rows do not fill their block";
        add_block(image, b);
        return NULL;
    default: return "a block of unknown type";
    }
}

static const char *check_footer(const struct checkpoint_image *image,
                                const struct checkpoint_block *b, struct rows_cursor c,
                                uint64_t size)
{
    char magic[8];
    uint64_t n_rows = rows_get_u64(&c), bytes = rows_get_u64(&c);
    rows_get_bytes(&c, magic, sizeof magic);
    if (c.bad || c.at != c.end || memcmp(magic, footer_magic, sizeof magic) != 0)
        return "the footer makes no sense";
    if (n_rows != image->n_rows || bytes != b->offset)
        return "the footer counts other rows or bytes than there are";
    if (b->offset + CHECKPOINT_BLOCK_HEADER + b->len != size)
        return "something follows the footer";
    if (!image->positions || !image->counts || !image->ids)
        return "positions, counts or lengths of ids logs are missing";
    return NULL;
}

static enum zl_status read_blocks(const struct checkpoint_reader *r, uint64_t chain,
                                  struct rows_buffer *scratch, struct checkpoint_image *out,
                                  struct zl_error *err)
{
    struct checkpoint_block b = {0};
    for (uint64_t at = CHECKPOINT_HEADER_BYTES; b.type != BLOCK_FOOTER;) {
        uint64_t hash;
        TRY(read_block(r, at, chain, scratch, &b, &hash, err));
        const unsigned char *payload = scratch->bytes + CHECKPOINT_BLOCK_HEADER;
        struct rows_cursor c = {payload, payload + b.len, false};
        const char *wrong =
            b.type == BLOCK_FOOTER ? check_footer(out, &b, c, r->size) : take_block(out, &b, c);
        if (wrong)
            return damaged(r, at, wrong, err);
        chain = hash;
        at += CHECKPOINT_BLOCK_HEADER + b.len;
    }
    return ZL_OK;
}

enum zl_status checkpoint_format_read(const struct checkpoint_reader *r, uint64_t fingerprint,
                                      struct checkpoint_image *out, struct zl_error *err)
{
    uint64_t chain;
    struct rows_buffer scratch = {0};
    *out = (struct checkpoint_image){.bytes = r->size};
    enum zl_status st = read_header(r, fingerprint, &out->header, &chain, err);
    if (st == ZL_OK)
        st = read_blocks(r, chain, &scratch, out, err);
    rows_buffer_release(&scratch);
    return st;
}

enum zl_status checkpoint_format_rows(const struct checkpoint_reader *r,
                                      const struct checkpoint_block *b, struct rows_buffer *scratch,
                                      checkpoint_row_visit visit, void *ctx, struct zl_error *err)
{
    uint64_t hash;
    struct checkpoint_block again;
    /* Its checksum is asked once more: what is applied is what was found whole. */
    TRY(read_block(r, b->offset, b->chain, scratch, &again, &hash, err));
    const unsigned char *payload = scratch->bytes + CHECKPOINT_BLOCK_HEADER;
    struct rows_cursor c = {payload, payload + again.len, false};
    while (c.at < c.end) {
        uint32_t key = rows_get_u32(&c);
        struct zl_span bytes = rows_get_span(&c);
        if (c.bad)
            return damaged(r, b->offset, "a row is longer than its block", err);
        const unsigned char *row = (const unsigned char *)bytes.ptr;
        struct rows_cursor in = {row, row + bytes.len, false};
        TRY(visit(ctx, key, &in, err));
    }
    return ZL_OK;
}

void checkpoint_image_release(struct checkpoint_image *image)
{
    free(image->blocks);
    free(image->positions);
    free(image->counts);
    free(image->ids);
    *image = (struct checkpoint_image){0};
}
