/* base/arena.h - memory that is all given back at once.
 * Promise  arena_take() returns 16-byte aligned memory that stays put until arena_clear(); after a few rounds it
 *          allocates nothing (the blocks are kept). One owner, one thread. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "zhiliu/span.h"

struct arena_block;
struct arena {
    struct arena_block *first, *current;
    size_t used, total_bytes;
};

void arena_init(struct arena *a);
void arena_release(struct arena *a);
/* Not zeroed. Ends the process when memory is gone. */
void *arena_take(struct arena *a, size_t bytes);
/* A copy of text that lives as long as the arena's round. */
struct zl_span arena_copy(struct arena *a, struct zl_span text);
/* Everything taken is invalid afterwards; blocks are kept, but for what is beyond 16 MiB. */
void arena_clear(struct arena *a);

#endif
