/* app/fifo.h - a growing first-in, first-out line of user indexes. The caller keeps each user in it at most once. */
#ifndef APP_FIFO_H
#define APP_FIFO_H

#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"

struct fifo {
    uint32_t *slots;
    uint32_t head, n, capacity; /* capacity: a power of 2 */
};

static inline void fifo_push(struct fifo *f, uint32_t v)
{
    if (f->n == f->capacity) {
        uint32_t capacity = f->capacity ? f->capacity * 2 : 1024;
        uint32_t *slots = xcalloc(capacity, sizeof *slots);
        for (uint32_t i = 0; i < f->n; i++)
            slots[i] = f->slots[(f->head + i) & (f->capacity - 1)];
        free(f->slots);
        *f = (struct fifo){.slots = slots, .n = f->n, .capacity = capacity};
    }
    f->slots[(f->head + f->n++) & (f->capacity - 1)] = v;
}

static inline uint32_t fifo_peek(const struct fifo *f)
{
    return f->slots[f->head];
}

static inline uint32_t fifo_pop(struct fifo *f)
{
    uint32_t v = f->slots[f->head];
    f->head = (f->head + 1) & (f->capacity - 1);
    f->n--;
    return v;
}

static inline void fifo_release(struct fifo *f)
{
    free(f->slots);
    *f = (struct fifo){0};
}

#endif
