/* base/hash.h - 64-bit hashes (XXH3, the one file that knows xxHash).
 * Seeded, so that ids chosen by an enemy who does not know the seed do not collide on purpose. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed);

/* A long message in pieces; hash_end gives hash_bytes of the whole. */
struct hash_stream;
struct hash_stream *hash_begin(uint64_t seed);
void hash_add(struct hash_stream *h, const void *bytes, size_t len);
uint64_t hash_end(struct hash_stream *h); /* frees it */

/* A well-mixed function of a number (SplitMix64's finaliser, Steele et al. 2014). */
static inline uint64_t hash_mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
}

#endif
