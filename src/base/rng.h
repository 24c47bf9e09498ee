/* base/rng.h - chance as an argument. xoshiro is not needed: streams are short and keyed, SplitMix64 passes BigCrush.
 * Source   Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

#include "base/hash.h"

struct rng {
    uint64_t state;
};

/* A stream for one place in the log: the same (seed, partition, offset, index) draws the same numbers, however the
 * events were batched. */
static inline struct rng rng_at(uint64_t seed, uint64_t partition, uint64_t offset, uint64_t index)
{
    return (struct rng){hash_mix(hash_mix(hash_mix(seed) ^ partition) ^ offset) ^
                        hash_mix(index + 1)};
}

static inline uint64_t rng_next(struct rng *r)
{
    r->state += 0x9E3779B97F4A7C15ULL;
    uint64_t x = r->state;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
}

/* 0 .. n-1, n > 0 (multiply-shift; bias below n / 2^32). */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
    return (uint32_t)(((rng_next(r) >> 32) * n) >> 32);
}

/* [0, 1) */
static inline double rng_uniform(struct rng *r)
{
    return (double)(rng_next(r) >> 11) * (1.0 / 9007199254740992.0);
}

/* Standard normal (Box-Muller). */
double rng_normal(struct rng *r);

#endif
