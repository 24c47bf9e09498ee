#include "base/hash.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/check.h"

struct hash_stream {
    XXH3_state_t *state;
};

uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, len, seed);
}

struct hash_stream *hash_begin(uint64_t seed)
{
    struct hash_stream *h = xcalloc(1, sizeof *h);
    h->state = XXH3_createState();
    ASSERT(h->state && XXH3_64bits_reset_withSeed(h->state, seed) == XXH_OK);
    return h;
}

void hash_add(struct hash_stream *h, const void *bytes, size_t len)
{
    ASSERT(XXH3_64bits_update(h->state, bytes, len) == XXH_OK);
}

uint64_t hash_end(struct hash_stream *h)
{
    uint64_t v = XXH3_64bits_digest(h->state);
    XXH3_freeState(h->state);
    free(h);
    return v;
}
