/* Maximal marginal relevance: of the items that are left the next is the one with the largest score - mmr * (cosine of its q to that of
 * the most alike item above it). Carbonell, Goldstein, "The use of MMR, diversity-based reranking for reordering documents and
 * producing summaries", SIGIR 1998; theirs weighs the two by lambda and 1 - lambda, ours leaves the score as it is, so that 0 is
 * exactly no MMR. What is most alike is kept for every candidate and looked at again when an item is put: n * candidates dot
 * products a list. */
#include <math.h>
#include <string.h>

#include "base/vec.h"
#include "rank/rank_priv.h"

static float *unit_of(const struct rank *r, int candidate)
{
    return table_row(&r->unit, (uint32_t)candidate);
}

void likeness_begin(struct rank *r)
{
    int k = r->pack.k;
    for (int i = 0; i < r->candidates.n; i++) {
        uint32_t item = r->candidates.items[i];
        const float *panel = pack_panel(&r->pack, item / PANEL) + item % PANEL;
        float *u = unit_of(r, i);
        for (int f = 0; f < k; f++)
            u[f] = panel[f * PANEL];
        float length = sqrtf(vec_dot(u, u, k));
        for (int f = 0; f < k && length > 0; f++)
            u[f] /= length;
    }
    memset(r->build.alike, 0, (size_t)r->candidates.n * sizeof r->build.alike[0]);
}

void likeness_add(struct rank *r, int candidate)
{
    struct build *b = &r->build;
    bool first = b->n == 0;
    for (int i = 0; i < r->candidates.n; i++) {
        if (b->used[i])
            continue;
        float cosine = vec_dot(unit_of(r, i), unit_of(r, candidate), r->pack.k);
        b->alike[i] = first || cosine > b->alike[i] ? cosine : b->alike[i];
    }
}
