/* rank/explore.h - which item takes a place that is left to chance, and with what probability.
 * Promise  pi sums to 1 over the items that may take the place, and the item is drawn with exactly that pi, which is a function of the state
 *          and of what was drawn before on the same list. The draw is keyed by (seed, user, version, place, item): same version, same
 *          draw. Nothing depends on the order in which items came.
 * Threads  the engine's loop only. */
#ifndef RANK_EXPLORE_H
#define RANK_EXPLORE_H

#include <stdbool.h>
#include <stdint.h>

#include "rank/policy.h"
#include "zhiliu/slate.h"

#define EXPLORE_POOL 64 /* RANK_EXPLORE_POOL of rank.h */

struct rank;
struct query;

/* Those who may be drawn, in order of item. */
struct explore_pool {
    int n;
    int at[EXPLORE_POOL]; /* index among the candidates */
    uint32_t items[EXPLORE_POOL];
    double weights[EXPLORE_POOL]; /* not normalised */
    bool cold[EXPLORE_POOL];      /* chosen as one that was hardly ever chosen */
    bool gone[EXPLORE_POOL];      /* drawn already on this list */
    double floor;
};

/* Is the place (from 1) of a list of n places left to chance? */
bool explore_is_open(const struct rank_policy *p, int n, int place);
int explore_open_places(const struct rank_policy *p, int n);
/* Chooses the pool from r's candidates that are not in `taken` (one byte a candidate), and weighs it. */
void explore_gather(struct rank *r, const struct rank_policy *p, const uint8_t *taken,
                    struct explore_pool *pool);
/* Probabilities of those that are allowed (one byte each) and not gone; 0 elsewhere. Returns how many may be drawn. */
int explore_chances(const struct explore_pool *pool, const uint8_t *allowed,
                    double pi[EXPLORE_POOL]);
/* Which of the pool is drawn with these chances, at least one of them above 0. */
int explore_draw(const struct explore_pool *pool, const double pi[EXPLORE_POOL], uint64_t seed,
                 uint32_t user, const struct zl_version *v, int place);

#endif
