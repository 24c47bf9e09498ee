/* A row travels as its fields, one after the other, little-endian. The writer never fails (memory gone ends the
 * process), the reader never trusts: a short row turns .bad on and every later field reads as zero. */
#define _GNU_SOURCE
#include "base/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rows are written as they lie in memory");

void rows_buffer_release(struct rows_buffer *b)
{
    free(b->bytes);
    *b = (struct rows_buffer){0};
}

void rows_put_bytes(struct rows_buffer *b, const void *bytes, size_t len)
{
    if (b->len + len > b->capacity) {
        size_t capacity = b->capacity ? b->capacity * 2 : 4096;
        while (capacity < b->len + len)
            capacity *= 2;
        b->bytes = xrealloc(b->bytes, capacity, 1);
        b->capacity = capacity;
    }
    if (len)
        memcpy(b->bytes + b->len, bytes, len);
    b->len += len;
}

void rows_put_u8(struct rows_buffer *b, uint8_t v)
{
    rows_put_bytes(b, &v, sizeof v);
}

void rows_put_u32(struct rows_buffer *b, uint32_t v)
{
    rows_put_bytes(b, &v, sizeof v);
}

void rows_put_u64(struct rows_buffer *b, uint64_t v)
{
    rows_put_bytes(b, &v, sizeof v);
}

void rows_put_i64(struct rows_buffer *b, int64_t v)
{
    rows_put_bytes(b, &v, sizeof v);
}

void rows_put_f32(struct rows_buffer *b, float v)
{
    rows_put_bytes(b, &v, sizeof v);
}

void rows_put_f64(struct rows_buffer *b, double v)
{
    rows_put_bytes(b, &v, sizeof v);
}

void rows_put_f32s(struct rows_buffer *b, const float *v, size_t n)
{
    rows_put_bytes(b, v, n * sizeof *v);
}

void rows_put_u32s(struct rows_buffer *b, const uint32_t *v, size_t n)
{
    rows_put_bytes(b, v, n * sizeof *v);
}

void rows_put_span(struct rows_buffer *b, struct zl_span s)
{
    rows_put_u32(b, (uint32_t)s.len);
    rows_put_bytes(b, s.ptr, s.len);
}

void rows_get_bytes(struct rows_cursor *c, void *bytes, size_t len)
{
    if (c->bad || (size_t)(c->end - c->at) < len) {
        c->bad = true;
        memset(bytes, 0, len);
        return;
    }
    if (len)
        memcpy(bytes, c->at, len);
    c->at += len;
}

uint8_t rows_get_u8(struct rows_cursor *c)
{
    uint8_t v;
    rows_get_bytes(c, &v, sizeof v);
    return v;
}

uint32_t rows_get_u32(struct rows_cursor *c)
{
    uint32_t v;
    rows_get_bytes(c, &v, sizeof v);
    return v;
}

uint64_t rows_get_u64(struct rows_cursor *c)
{
    uint64_t v;
    rows_get_bytes(c, &v, sizeof v);
    return v;
}

int64_t rows_get_i64(struct rows_cursor *c)
{
    int64_t v;
    rows_get_bytes(c, &v, sizeof v);
    return v;
}

float rows_get_f32(struct rows_cursor *c)
{
    float v;
    rows_get_bytes(c, &v, sizeof v);
    return v;
}

double rows_get_f64(struct rows_cursor *c)
{
    double v;
    rows_get_bytes(c, &v, sizeof v);
    return v;
}

void rows_get_f32s(struct rows_cursor *c, float *v, size_t n)
{
    rows_get_bytes(c, v, n * sizeof *v);
}

void rows_get_u32s(struct rows_cursor *c, uint32_t *v, size_t n)
{
    rows_get_bytes(c, v, n * sizeof *v);
}

struct zl_span rows_get_span(struct rows_cursor *c)
{
    size_t len = rows_get_u32(c);
    if (c->bad || (size_t)(c->end - c->at) < len) {
        c->bad = true;
        return (struct zl_span){0};
    }
    struct zl_span s = {(const char *)c->at, len};
    c->at += len;
    return s;
}

static void *reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

uint32_t *rows_keys_reserve(uint32_t max_rows)
{
    return reserve((size_t)max_rows * sizeof(uint32_t));
}

void rows_keys_release(uint32_t *keys, uint32_t max_rows)
{
    if (keys)
        munmap(keys, max_rows ? (size_t)max_rows * sizeof *keys : 1);
}

enum zl_status rows_track_init(struct rows_track *t, uint32_t max_rows, struct zl_error *err)
{
    *t = (struct rows_track){.max_rows = max_rows};
    t->state = reserve(max_rows);
    t->dirty = rows_keys_reserve(max_rows);
    if (t->state && t->dirty)
        return ZL_OK;
    rows_track_release(t);
    return zl_fail(err, ZL_EFULL,
                   "cannot reserve the touched marks of %u rows: %s; lower the setting that allows "
                   "so many (model.max_users, catalog.max_items, model.max_features)",
                   max_rows, strerror(errno));
}

void rows_track_release(struct rows_track *t)
{
    if (t->state)
        munmap(t->state, t->max_rows ? t->max_rows : 1);
    rows_keys_release(t->dirty, t->max_rows);
    *t = (struct rows_track){0};
}

void rows_touch_slowly(struct rows_track *t, uint32_t key)
{
    ASSERT(key < t->max_rows);
    if (t->state[key] & (ROWS_SEGMENT_PENDING | ROWS_BASE_PENDING)) {
        ASSERT(t->before_change);
        t->before_change(t->ctx, t, key);
    }
    if (!(t->state[key] & ROWS_DIRTY)) {
        ASSERT(t->n_dirty < t->max_rows);
        t->dirty[t->n_dirty++] = key;
    }
    t->state[key] = ROWS_DIRTY;
}
