/* guard/idset.h - a set of event ids' hashes in about 4.7 bytes an id.
 * Promise  Exactly the set of the 43 top bits of the hashes that were added: nothing about the order in which they came, the
 *          table's size or a restart changes an answer. An id that was added is always found. Another one is found by
 *          mistake with probability n / 2^43 (6.8e-6 at 60 million ids).
 * Memory   1,024 segments, each grows by itself in steps of at most a quarter, so no turn waits for a large copy: 0.2 ms at
 *          a segment of 10,000 ids. 16 KiB when empty.
 * Threads  one owner. */
#ifndef GUARD_IDSET_H
#define GUARD_IDSET_H

#include <stdbool.h>
#include <stdint.h>

#define GUARD_IDSET_SEGMENTS 1024

struct guard_idset_segment {
    uint32_t *slots; /* n_buckets buckets of 4; 0 is free; owned, NULL before the first id */
    uint32_t n_buckets;
    uint32_t n_ids;
};

struct guard_idset {
    struct guard_idset_segment segments[GUARD_IDSET_SEGMENTS];
    uint64_t n_ids;
    int64_t bytes;          /* of this struct and its slots */
    uint32_t first_buckets; /* of a segment that gets its first id */
};

/* expected_ids: a segment starts at most at the size that so many ids will want, and saves growing in steps; 0: unknown. */
struct guard_idset *guard_idset_open(uint64_t expected_ids);
void guard_idset_close(struct guard_idset *s); /* copes with NULL */

/* Asks for the memory that guard_idset_has() will want. */
void guard_idset_prefetch(const struct guard_idset *s, uint64_t hash);
bool guard_idset_has(const struct guard_idset *s, uint64_t hash);
/* hash: not in it. */
void guard_idset_add(struct guard_idset *s, uint64_t hash);

#endif
