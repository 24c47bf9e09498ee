/* A cuckoo table that forgets nothing of what it keeps.
 *
 * A plain cuckoo filter keeps a fingerprint and cannot grow: the rest of the hash is gone. Here the place is part of what is
 * kept. Of a hash the top 10 bits choose a segment, the next 33 are a number x. In a segment of m buckets
 *
 *     x  =  rest * m + home          home = x mod m,  rest = x div m  (fits in 30 bits, for m >= 8)
 *
 * and x may lie in bucket `home` or in `other = (mix(rest) - home) mod m`, a mapping that is its own inverse. A slot keeps the
 * rest and one bit that says which of the two buckets it is in, so x can be computed back from any slot: the table is an exact
 * set of 43-bit numbers, and can be rebuilt at another size. Buckets of 4 fill up to 94 % before a way is hard to find.
 *
 *     slot = (rest << 1 | in_other) + 1,  0 = free
 *
 * Cuckoo filters: Fan, Andersen, Kaminsky, Mitzenmacher, CoNEXT 2014. Keeping the quotient: Cleary, IEEE Trans. Computers 1984. */
#include "guard/idset.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"

#define SLOTS 4
#define X_BITS 33
#define MIN_BUCKETS 8
#define MAX_KICKS 256

struct place {
    uint32_t home, rest;
};

static struct guard_idset_segment *segment_of(const struct guard_idset *s, uint64_t hash)
{
    return (struct guard_idset_segment *)&s->segments[hash >> 54];
}

static uint64_t x_of(uint64_t hash)
{
    return hash << 10 >> (64 - X_BITS);
}

static struct place place_of(uint64_t x, uint32_t n_buckets)
{
    return (struct place){(uint32_t)(x % n_buckets), (uint32_t)(x / n_buckets)};
}

/* The other bucket of a slot that lies in `bucket`. */
static uint32_t other_bucket(uint32_t bucket, uint32_t rest, uint32_t n_buckets)
{
    uint32_t sum = (uint32_t)(((hash_mix(rest) >> 32) * n_buckets) >> 32);
    return sum >= bucket ? sum - bucket : sum + n_buckets - bucket;
}

static uint32_t slot_of(uint32_t rest, uint32_t in_other)
{
    return (rest << 1 | in_other) + 1;
}

/* 8 10 12 14 16 20 24 28 32 ...: the steps in which allocators hand out memory. */
static uint32_t next_size(uint32_t n_buckets)
{
    uint32_t step = MIN_BUCKETS / 4;
    while (n_buckets >= step * 8)
        step *= 2;
    return n_buckets + step;
}

/* The step below what is wanted, so that a guess never costs memory that growing would not have cost. */
static uint32_t first_size(uint64_t expected_ids)
{
    uint64_t wanted = expected_ids / GUARD_IDSET_SEGMENTS * 100 / 94 / SLOTS;
    uint32_t n_buckets = MIN_BUCKETS;
    while (n_buckets < 1U << 28 && next_size(n_buckets) <= wanted)
        n_buckets = next_size(n_buckets);
    return n_buckets;
}

struct guard_idset *guard_idset_open(uint64_t expected_ids)
{
    struct guard_idset *s = xcalloc(1, sizeof *s);
    s->bytes = (int64_t)sizeof *s;
    s->first_buckets = first_size(expected_ids);
    return s;
}

void guard_idset_close(struct guard_idset *s)
{
    if (!s)
        return;
    for (int i = 0; i < GUARD_IDSET_SEGMENTS; i++)
        free(s->segments[i].slots);
    free(s);
}

void guard_idset_prefetch(const struct guard_idset *s, uint64_t hash)
{
    const struct guard_idset_segment *g = segment_of(s, hash);
    if (!g->slots)
        return;
    struct place p = place_of(x_of(hash), g->n_buckets);
    __builtin_prefetch(&g->slots[(size_t)p.home * SLOTS]);
    __builtin_prefetch(&g->slots[(size_t)other_bucket(p.home, p.rest, g->n_buckets) * SLOTS]);
}

static bool bucket_has(const struct guard_idset_segment *g, uint32_t bucket, uint32_t slot)
{
    const uint32_t *s = &g->slots[(size_t)bucket * SLOTS];
    return (s[0] == slot) | (s[1] == slot) | (s[2] == slot) | (s[3] == slot);
}

bool guard_idset_has(const struct guard_idset *s, uint64_t hash)
{
    const struct guard_idset_segment *g = segment_of(s, hash);
    if (!g->slots)
        return false;
    struct place p = place_of(x_of(hash), g->n_buckets);
    return bucket_has(g, p.home, slot_of(p.rest, 0)) ||
           bucket_has(g, other_bucket(p.home, p.rest, g->n_buckets), slot_of(p.rest, 1));
}

static bool bucket_put(struct guard_idset_segment *g, uint32_t bucket, uint32_t slot)
{
    uint32_t *s = &g->slots[(size_t)bucket * SLOTS];
    for (int i = 0; i < SLOTS; i++)
        if (s[i] == 0) {
            s[i] = slot;
            return true;
        }
    return false;
}

/* Finds a place for x, moving others between their two buckets. On failure *x is the number that is left over. Which slot is moved
 * follows from the numbers alone, so the same numbers in the same order make the same table. */
static bool segment_put(struct guard_idset_segment *g, uint64_t *x)
{
    struct place p = place_of(*x, g->n_buckets);
    uint32_t bucket = p.home, slot = slot_of(p.rest, 0), way = p.rest;
    for (int kick = 0; kick < MAX_KICKS; kick++) {
        if (bucket_put(g, bucket, slot))
            return true;
        if (kick == 0 &&
            bucket_put(g, other_bucket(bucket, p.rest, g->n_buckets), slot_of(p.rest, 1)))
            return true;
        way = way * 1664525u + 1013904223u;
        uint32_t *victim = &g->slots[(size_t)bucket * SLOTS + (way >> 30)], moved = *victim;
        *victim = slot;
        bucket = other_bucket(bucket, (moved - 1) >> 1, g->n_buckets);
        slot = ((moved - 1) ^ 1) + 1;
    }
    uint32_t rest = (slot - 1) >> 1;
    uint32_t home = (slot - 1) & 1 ? other_bucket(bucket, rest, g->n_buckets) : bucket;
    *x = (uint64_t)rest * g->n_buckets + home;
    return false;
}

static bool rebuild(const struct guard_idset_segment *from, struct guard_idset_segment *to)
{
    for (uint32_t bucket = 0; bucket < from->n_buckets; bucket++)
        for (int i = 0; i < SLOTS; i++) {
            uint32_t slot = from->slots[(size_t)bucket * SLOTS + (size_t)i], rest = (slot - 1) >> 1;
            if (slot == 0)
                continue;
            uint32_t home = (slot - 1) & 1 ? other_bucket(bucket, rest, from->n_buckets) : bucket;
            uint64_t x = (uint64_t)rest * from->n_buckets + home;
            if (!segment_put(to, &x))
                return false;
        }
    return true;
}

static void grow(struct guard_idset *s, struct guard_idset_segment *g)
{
    struct guard_idset_segment bigger = *g;
    bigger.slots = NULL;
    do {
        free(bigger.slots);
        bigger.n_buckets = bigger.n_buckets ? next_size(bigger.n_buckets) : s->first_buckets;
        bigger.slots = xcalloc((size_t)bigger.n_buckets * SLOTS, sizeof *bigger.slots);
    } while (!rebuild(g, &bigger));
    s->bytes += (int64_t)(bigger.n_buckets - g->n_buckets) * SLOTS * (int64_t)sizeof *g->slots;
    free(g->slots);
    *g = bigger;
}

void guard_idset_add(struct guard_idset *s, uint64_t hash)
{
    struct guard_idset_segment *g = segment_of(s, hash);
    uint64_t x = x_of(hash);
    if ((uint64_t)(g->n_ids + 1) * 100 > (uint64_t)g->n_buckets * SLOTS * 94)
        grow(s, g);
    while (!segment_put(g, &x))
        grow(s, g);
    g->n_ids++;
    s->n_ids++;
}
