#include "base/arena.h"

#include <stdlib.h>

#include "base/check.h"

#define BLOCK_BYTES ((size_t)256 * 1024)
#define KEEP_BYTES ((size_t)16 * 1024 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t size;
    _Alignas(16) char bytes[];
};

static struct arena_block *block_new(struct arena *a, size_t size)
{
    struct arena_block *b = xcalloc(1, sizeof *b + size);
    b->size = size;
    a->total_bytes += size;
    return b;
}

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
    a->first = a->current = block_new(a, BLOCK_BYTES);
}

void arena_release(struct arena *a)
{
    for (struct arena_block *b = a->first; b;) {
        struct arena_block *next = b->next;
        free(b);
        b = next;
    }
    *a = (struct arena){0};
}

void *arena_take(struct arena *a, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    while (a->used + bytes > a->current->size) {
        struct arena_block *next = a->current->next;
        if (!next || next->size < bytes) {
            struct arena_block *b = block_new(a, bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES);
            b->next = next;
            a->current->next = b;
            next = b;
        }
        a->current = next;
        a->used = 0;
    }
    void *p = a->current->bytes + a->used;
    a->used += bytes;
    return p;
}

struct zl_span arena_copy(struct arena *a, struct zl_span text)
{
    if (text.len == 0)
        return (struct zl_span){0};
    char *p = arena_take(a, text.len);
    memcpy(p, text.ptr, text.len);
    return (struct zl_span){p, text.len};
}

void arena_clear(struct arena *a)
{
    if (a->total_bytes > KEEP_BYTES) {
        arena_release(a);
        arena_init(a);
        return;
    }
    a->current = a->first;
    a->used = 0;
}
