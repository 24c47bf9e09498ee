/* A place left to chance. A recommender that only shows what it believes in never learns that it was wrong; so a few places go to items
 * that are not on the list, the likelier the more they may be worth:
 *
 *   pool    at most 64 candidates that are not on the list. The cold half were chosen at most RANK_COLD times: 16 by the core, which
 *           knows of content, and the 16 newest. The warm half are the best by score
 *   prior   m_i = r e^{(s_i - s_max) / 2} / mean of the same, at most 5 r; r: mean reward of a showing by chance; worth PRIOR showings.
 *           Each half by itself, the warm one by the mixed score s, the cold one by the core and half as large: the popularity in
 *           the mix says of cold items only that nobody has looked
 *   Gamma posterior of the item's rate, given its own n showings by chance and their rewards R (model/explored.c):
 *           mean = (PRIOR m_i + R) / (PRIOR + n),   sd = sqrt(PRIOR m_i + R) / (PRIOR + n)
 *   pi_i  = (1 - floor) softmax((mean + uncertainty sd) / (temperature r)) + floor / size of the pool
 *
 * One item is drawn from pi. That is done by a race: each item arrives after -log(u_i) / pi_i, and the first one wins; the logarithm of it
 * is Gumbel's maximum, so the winner has exactly the distribution pi (Maddison, Tarlow, Minka, "A* sampling", NIPS 2014). u_i depends
 * on seed, user, version, place and item and on nothing else, and pi is the state's: so the probability that goes out with the list
 * is the true one, and an estimate of another policy may divide by it. A second place draws from those that are left, with their pi. */
#include "rank/explore.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/special.h"
#include "rank/rank_priv.h"

#define COLD_POOL 32
#define BEST_COLD 16
#define PRIOR 5.0 /* showings that the score's opinion is worth */
#define COLD_MEAN 0.5
#define PRIOR_MOST 5.0      /* and it never says more than so many mean rewards */
#define SCORE_SCALE 2.0F    /* how flat the score's opinion is */
#define NOTHING -100.0F     /* its e^x is 0 */
#define NEARLY_1 (1 - 1e-9) /* more than the logarithm may be wrong by */
#define SEED_EXPLORE 0xE8C1ULL

bool explore_is_open(const struct rank_policy *p, int n, int place)
{
    int per = p->explore.per;
    if (p->explore.slots == 0)
        return false;
    if (n < per)
        return 2 * n >= per && place > n - p->explore.slots;
    return place <= n / per * per && (place - 1) % per >= per - p->explore.slots;
}

int explore_open_places(const struct rank_policy *p, int n)
{
    int open = 0;
    for (int place = 1; place <= n; place++)
        open += explore_is_open(p, n, place);
    return open;
}

/* ---- the pool ---- */

static bool by_item(const void *ctx, uint32_t a, uint32_t b)
{
    const struct candidates *c = ctx;
    return c->items[a] < c->items[b];
}

static struct topk_bag bag_of(struct rank *r, int most)
{
    return (struct topk_bag){.entries = r->heap,
                             .n_best = most,
                             .room = 3 * EXPLORE_POOL,
                             .threshold = -INFINITY,
                             .before = by_item,
                             .ctx = &r->candidates};
}

/* Into the pool, and marked as chosen. */
static void take_best(struct topk_bag *best, uint8_t *chosen, struct explore_pool *pool)
{
    topk_bag_cut(best);
    for (int i = 0; i < best->n; i++) {
        chosen[best->entries[i].key] = 1;
        pool->at[pool->n++] = (int)best->entries[i].key;
    }
}

/* Candidates that may be drawn and were hardly ever chosen; how many. */
static int find_cold(const struct rank *r, const uint8_t *taken, uint16_t cold[MAX_CANDIDATES])
{
    const struct candidates *c = &r->candidates;
    int n = 0;
    for (int i = 0; i < c->n; i++) {
        cold[n] = (uint16_t)i;
        n += !taken[i] & (model_item_positives(r->model, c->items[i]) <= RANK_COLD);
    }
    return n;
}

static void add_cold(struct rank *r, const uint8_t *taken, uint8_t *chosen,
                     struct explore_pool *pool)
{
    const float *core = r->candidates.f + (size_t)MODEL_CORE * MAX_CANDIDATES;
    uint16_t cold[MAX_CANDIDATES]; /* small: it is cleared at each call */
    int n = find_cold(r, taken, cold);
    struct topk_bag best = bag_of(r, BEST_COLD);
    for (int i = 0; i < n; i++)
        topk_bag_put(&best, core[cold[i]], cold[i], core[cold[i]] >= best.threshold);
    take_best(&best, chosen, pool);
    struct topk_bag newest = bag_of(r, COLD_POOL - pool->n);
    for (int i = 0; i < n; i++) /* items are numbered in the order they became known */
        topk_bag_put(&newest, (float)r->candidates.items[cold[i]], cold[i], !chosen[cold[i]]);
    take_best(&newest, chosen, pool);
}

static void add_warm(struct rank *r, uint8_t *chosen, struct explore_pool *pool)
{
    const float *scores = r->candidates.scores;
    struct topk_bag best = bag_of(r, EXPLORE_POOL - pool->n);
    for (int i = 0; i < r->candidates.n; i++)
        topk_bag_put(&best, scores[i], (uint32_t)i, !chosen[i] & (scores[i] >= best.threshold));
    take_best(&best, chosen, pool);
}

/* In order of item: sums over the pool must not depend on how it was gathered. The first n_cold are the cold half. */
static void sort_pool(const struct candidates *c, int n_cold, struct explore_pool *pool)
{
    int at[EXPLORE_POOL];
    uint32_t items[EXPLORE_POOL];
    for (int i = 0; i < pool->n; i++) {
        at[i] = pool->at[i];
        items[i] = c->items[at[i]];
    }
    for (int i = 0; i < pool->n; i++) {
        int place = 0;
        for (int j = 0; j < pool->n; j++) /* counting has no branches, and 64 are few */
            place += items[j] < items[i];
        pool->at[place] = at[i];
        pool->items[place] = items[i];
        pool->gone[place] = false;
        pool->cold[place] = i < n_cold;
    }
}

/* What the scores say each would bring, in mean rewards of a showing; those of one half. */
static void prior_means(const struct candidates *c, const struct explore_pool *pool, bool cold,
                        double *means)
{
    const float *scores = cold ? c->f + (size_t)MODEL_CORE * MAX_CANDIDATES : c->scores;
    float e[EXPLORE_POOL], most = -INFINITY;
    double sum = 0, n = 0, mean = cold ? COLD_MEAN : 1;
    for (int i = 0; i < pool->n; i++)
        if (pool->cold[i] == cold && scores[pool->at[i]] > most)
            most = scores[pool->at[i]];
    for (int i = 0; i < pool->n; i++)
        e[i] = pool->cold[i] == cold ? (scores[pool->at[i]] - most) / SCORE_SCALE : NOTHING;
    special_exp_all(e, e, pool->n);
    for (int i = 0; i < pool->n; i++) {
        sum += (double)e[i];
        n += pool->cold[i] == cold;
    }
    double scale = mean * n / sum;
    for (int i = 0; i < pool->n; i++) {
        double m = scale * (double)e[i];
        if (pool->cold[i] == cold)
            means[i] = m < PRIOR_MOST ? m : PRIOR_MOST;
    }
}

static void weigh(const struct rank *r, const struct rank_policy *p, struct explore_pool *pool)
{
    double values[EXPLORE_POOL], most = -INFINITY, unit = model_explored_mean(r->model);
    float e[EXPLORE_POOL];
    prior_means(&r->candidates, pool, true, values);
    prior_means(&r->candidates, pool, false, values);
    for (int i = 0; i < pool->n; i++) {
        double shown, reward;
        model_explored(r->model, pool->items[i], &shown, &reward);
        double sum = PRIOR * values[i] * unit + reward, n = PRIOR + shown;
        values[i] =
            (sum + p->explore.uncertainty * sqrt(sum)) / (n * unit * p->explore.temperature);
        most = values[i] > most ? values[i] : most;
    }
    for (int i = 0; i < pool->n; i++)
        e[i] = (float)(values[i] - most);
    special_exp_all(e, e, pool->n);
    for (int i = 0; i < pool->n; i++)
        pool->weights[i] = (double)e[i];
    pool->floor = p->explore.floor;
}

void explore_gather(struct rank *r, const struct rank_policy *p, const uint8_t *taken,
                    struct explore_pool *pool)
{
    uint8_t chosen[MAX_CANDIDATES];
    memcpy(chosen, taken, (size_t)r->candidates.n);
    pool->n = 0;
    add_cold(r, taken, chosen, pool);
    int n_cold = pool->n;
    add_warm(r, chosen, pool);
    sort_pool(&r->candidates, n_cold, pool);
    weigh(r, p, pool);
}

/* ---- the draw ---- */

int explore_chances(const struct explore_pool *pool, const uint8_t *allowed,
                    double pi[EXPLORE_POOL])
{
    int n = 0;
    double sum = 0;
    for (int i = 0; i < pool->n; i++) {
        pi[i] = allowed[i] && !pool->gone[i] ? 1 : 0;
        n += pi[i] > 0;
        sum += pi[i] * pool->weights[i];
    }
    if (n == 0)
        return 0;
    bool flat = sum <= 0; /* all are far below who is gone */
    double scale = (1 - pool->floor) / (flat ? n : sum), least = pool->floor / n;
    for (int i = 0; i < pool->n; i++) {
        double chance = (flat ? 1 : pool->weights[i]) * scale + least;
        pi[i] *= chance < 1 ? chance : 1; /* rounded up, it would be no probability */
    }
    return n;
}

int explore_draw(const struct explore_pool *pool, const double pi[EXPLORE_POOL], uint64_t seed,
                 uint32_t user, const struct zl_version *v, int place)
{
    int first = -1;
    double earliest = INFINITY;
    uint64_t list = hash_mix(hash_mix(hash_mix(v->position) ^ v->epoch) ^ v->incarnation);
    for (int i = 0; i < pool->n; i++) {
        if (pi[i] <= 0)
            continue;
        struct rng rng = rng_at(seed ^ SEED_EXPLORE, list, (uint64_t)user << 32 | (uint32_t)place,
                                pool->items[i]);
        double u = ((double)(rng_next(&rng) >> 11) + 0.5) * (1.0 / 9007199254740992.0);
        if ((1 - u) * NEARLY_1 > earliest * pi[i])
            continue; /* -log u is at least 1 - u: most need no logarithm */
        double arrival = -special_log(u) / pi[i];
        if (arrival < earliest) {
            earliest = arrival;
            first = i;
        }
    }
    ASSERT(first >= 0);
    return first;
}
