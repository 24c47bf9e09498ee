/* An open-addressing table of (hash, index) with linear probing, beside an array of the names by index. Names lie in
 * large chunks that are never moved, so ids_name() can lend them. */
#include "base/ids.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/table.h"

#define CHUNK_BYTES ((size_t)64 * 1024)
#define ID_MAX_LEN 64
#define SEED 0x7a68696c6975ULL

struct slot {
    uint32_t tag; /* high half of the hash */
    uint32_t index_plus_1;
};

struct chunk {
    struct chunk *next;
    size_t used;
    char bytes[CHUNK_BYTES];
};

struct name {
    const char *ptr;
    uint32_t len;
};

struct ids {
    enum rows_kind kind;
    const char *label;
    uint32_t count, max_ids;
    struct table names;
    struct slot *slots;
    uint32_t n_slots; /* power of 2 */
    struct chunk *chunks;
    struct rows_track track;
};

enum zl_status ids_open(enum rows_kind kind, const char *name, uint32_t max_ids, struct ids **out,
                        struct zl_error *err)
{
    enum zl_status st;
    *out = NULL;
    struct ids *ids = xcalloc(1, sizeof *ids);
    ids->kind = kind;
    ids->label = name;
    ids->max_ids = max_ids;
    ids->n_slots = 1024;
    ids->slots = xcalloc(ids->n_slots, sizeof *ids->slots);
    if ((st = table_init(&ids->names, name, max_ids, sizeof(struct name), err)) != ZL_OK)
        goto fail;
    if ((st = rows_track_init(&ids->track, max_ids, err)) != ZL_OK)
        goto fail;
    *out = ids;
    return ZL_OK;
fail:
    ids_close(ids);
    return st;
}

void ids_close(struct ids *ids)
{
    if (!ids)
        return;
    for (struct chunk *c = ids->chunks; c;) {
        struct chunk *next = c->next;
        free(c);
        c = next;
    }
    rows_track_release(&ids->track);
    table_release(&ids->names);
    free(ids->slots);
    free(ids);
}

static const char *keep(struct ids *ids, struct zl_span id)
{
    if (!ids->chunks || ids->chunks->used + id.len > CHUNK_BYTES) {
        struct chunk *c = xcalloc(1, sizeof *c);
        c->next = ids->chunks;
        ids->chunks = c;
    }
    char *p = ids->chunks->bytes + ids->chunks->used;
    memcpy(p, id.ptr, id.len);
    ids->chunks->used += id.len;
    return p;
}

static struct slot *probe(const struct ids *ids, struct zl_span id, uint64_t hash)
{
    uint32_t mask = ids->n_slots - 1, tag = (uint32_t)(hash >> 32);
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        struct slot *s = &ids->slots[i];
        if (s->index_plus_1 == 0)
            return s;
        if (s->tag != tag)
            continue;
        const struct name *n = table_row(&ids->names, s->index_plus_1 - 1);
        if (n->len == id.len && memcmp(n->ptr, id.ptr, id.len) == 0)
            return s;
    }
}

static void grow(struct ids *ids)
{
    free(ids->slots);
    ids->n_slots *= 2;
    ids->slots = xcalloc(ids->n_slots, sizeof *ids->slots);
    for (uint32_t i = 0; i < ids->count; i++) {
        struct zl_span id = ids_name(ids, i);
        uint64_t hash = hash_bytes(id.ptr, id.len, SEED);
        *probe(ids, id, hash) = (struct slot){(uint32_t)(hash >> 32), i + 1};
    }
}

uint32_t ids_find(const struct ids *ids, struct zl_span id)
{
    const struct slot *s = probe(ids, id, hash_bytes(id.ptr, id.len, SEED));
    return s->index_plus_1 ? s->index_plus_1 - 1 : ZL_NO_INDEX;
}

uint32_t ids_intern(struct ids *ids, struct zl_span id)
{
    ASSERT(id.len > 0 && id.len <= ID_MAX_LEN);
    uint64_t hash = hash_bytes(id.ptr, id.len, SEED);
    struct slot *s = probe(ids, id, hash);
    if (s->index_plus_1)
        return s->index_plus_1 - 1;
    if (ids->count == ids->max_ids)
        return ZL_NO_INDEX;
    if ((ids->count + 1) * (uint64_t)3 > ids->n_slots * (uint64_t)2) {
        grow(ids);
        s = probe(ids, id, hash);
    }
    uint32_t index = ids->count;
    rows_touch(&ids->track, index);
    *(struct name *)table_row(&ids->names, index) = (struct name){keep(ids, id), (uint32_t)id.len};
    *s = (struct slot){(uint32_t)(hash >> 32), index + 1};
    ids->count++;
    return index;
}

struct zl_span ids_name(const struct ids *ids, uint32_t index)
{
    const struct name *n = table_row(&ids->names, index);
    return (struct zl_span){n->ptr, n->len};
}

uint32_t ids_count(const struct ids *ids)
{
    return ids->count;
}

static uint32_t rows_count(const void *room)
{
    return ids_count(room);
}

static void rows_write(const void *room, uint32_t key, struct rows_buffer *out)
{
    struct zl_span id = ids_name(room, key);
    rows_put_bytes(out, id.ptr, id.len);
}

static enum zl_status rows_read(void *room, uint32_t key, struct rows_cursor *in,
                                struct zl_error *err)
{
    struct ids *ids = room;
    struct zl_span id = {(const char *)in->at, (size_t)(in->end - in->at)};
    if (id.len == 0 || id.len > ID_MAX_LEN)
        return zl_fail(err, ZL_EBADDATA, "%s row %u has %zu bytes, 1..64 expected", ids->label, key,
                       id.len);
    in->at = in->end;
    if (key < ids->count && zl_span_equal(id, ids_name(ids, key)))
        return ZL_OK; /* the same row again: a base and a segment both have it */
    if (key != ids->count || ids_intern(ids, id) != key)
        return zl_fail(err, ZL_EBADDATA, "%s row %u comes out of order or twice", ids->label, key);
    return ZL_OK;
}

struct rows_table ids_rows(struct ids *ids)
{
    return (struct rows_table){.kind = ids->kind,
                               .name = ids->label,
                               .room = ids,
                               .track = &ids->track,
                               .count = rows_count,
                               .write = rows_write,
                               .read = rows_read};
}
