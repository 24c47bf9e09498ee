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
#define PRIOR_MOST 5.0  /* and it never says more than so many mean rewards */
#define SCORE_SCALE 2.0 /* how flat the score's opinion is */
#define SEED_EXPLORE 0xE8C1ULL
#define LOG2_E 1.4426950408889634

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

/* Adds the best `most` candidates by this column; cold: only those that were hardly ever chosen. Marks them in chosen. */
static void add_best(struct rank *r, const float *scores, bool cold, int most, uint8_t *chosen,
                     struct explore_pool *pool)
{
    const struct candidates *c = &r->candidates;
    struct topk_entry heap[EXPLORE_POOL];
    struct topk best = {.heap = heap, .n_max = most, .before = by_item, .ctx = c};
    for (int i = c->n - 1; i >= 0; i--) { /* a small catalogue comes oldest first */
        if (chosen[i] || scores[i] < topk_threshold(&best))
            continue;
        if (cold && model_item_positives(r->model, c->items[i]) > RANK_COLD)
            continue;
        topk_offer(&best, scores[i], (uint32_t)i);
    }
    for (int i = 0; i < best.n; i++) {
        chosen[heap[i].key] = 1;
        pool->at[pool->n++] = (int)heap[i].key;
    }
}

/* In order of item: sums over the pool must not depend on how it was gathered. */
static void sort_pool(const struct candidates *c, const uint8_t *cold, struct explore_pool *pool)
{
    for (int i = 1; i < pool->n; i++) {
        int at = pool->at[i], j = i;
        for (; j > 0 && c->items[pool->at[j - 1]] > c->items[at]; j--)
            pool->at[j] = pool->at[j - 1];
        pool->at[j] = at;
    }
    for (int i = 0; i < pool->n; i++) {
        pool->items[i] = c->items[pool->at[i]];
        pool->gone[i] = false;
        pool->cold[i] = cold[pool->at[i]];
    }
}

/* What the scores say each would bring, in mean rewards of a showing; those of one half. */
static void prior_means(const struct candidates *c, const struct explore_pool *pool, bool cold,
                        double *means)
{
    const float *scores = cold ? c->f + (size_t)MODEL_CORE * MAX_CANDIDATES : c->scores;
    double most = -INFINITY, sum = 0, n = 0, mean = cold ? COLD_MEAN : 1;
    for (int i = 0; i < pool->n; i++)
        if (pool->cold[i] == cold)
            most = fmax(most, (double)scores[pool->at[i]]);
    for (int i = 0; i < pool->n; i++)
        if (pool->cold[i] == cold) {
            double s = ((double)scores[pool->at[i]] - most) / SCORE_SCALE;
            sum += means[i] = special_exp2(s * LOG2_E);
            n++;
        }
    for (int i = 0; i < pool->n; i++)
        if (pool->cold[i] == cold)
            means[i] = fmin(mean * means[i] * n / sum, PRIOR_MOST);
}

static void weigh(const struct rank *r, const struct rank_policy *p, struct explore_pool *pool)
{
    double values[EXPLORE_POOL], most = -INFINITY, unit = model_explored_mean(r->model);
    prior_means(&r->candidates, pool, true, values);
    prior_means(&r->candidates, pool, false, values);
    for (int i = 0; i < pool->n; i++) {
        double shown, reward;
        model_explored(r->model, pool->items[i], &shown, &reward);
        double sum = PRIOR * values[i] * unit + reward, n = PRIOR + shown;
        values[i] =
            (sum + p->explore.uncertainty * sqrt(sum)) / (n * unit * p->explore.temperature);
        most = fmax(most, values[i]);
    }
    for (int i = 0; i < pool->n; i++)
        pool->weights[i] = special_exp2((values[i] - most) * LOG2_E);
    pool->floor = p->explore.floor;
}

void explore_gather(struct rank *r, const struct rank_policy *p, const uint8_t *taken,
                    struct explore_pool *pool)
{
    struct candidates *c = &r->candidates;
    uint8_t chosen[MAX_CANDIDATES], cold[MAX_CANDIDATES];
    float newest[MAX_CANDIDATES];
    memcpy(chosen, taken, (size_t)c->n);
    memset(cold, 0, (size_t)c->n);
    pool->n = 0;
    add_best(r, c->f + (size_t)MODEL_CORE * MAX_CANDIDATES, true, BEST_COLD, chosen, pool);
    for (int i = 0; i < c->n; i++)
        newest[i] = (float)c->items[i]; /* numbered in the order they became known */
    add_best(r, newest, true, COLD_POOL - pool->n, chosen, pool);
    for (int i = 0; i < pool->n; i++)
        cold[pool->at[i]] = 1;
    add_best(r, c->scores, false, EXPLORE_POOL - pool->n, chosen, pool);
    sort_pool(c, cold, pool);
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
    for (int i = 0; i < pool->n; i++) {
        if (pi[i] == 0)
            continue;
        double share =
            sum > 0 ? pool->weights[i] / sum : 1.0 / n; /* 0: all are far below who is gone */
        pi[i] = (1 - pool->floor) * share + pool->floor / n;
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
        double arrival = -special_log(u) / pi[i];
        if (arrival < earliest) {
            earliest = arrival;
            first = i;
        }
    }
    ASSERT(first >= 0);
    return first;
}
