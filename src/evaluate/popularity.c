/* Popularity, all-time and decayed, the same list for everybody. Instead of shrinking every count at each positive, what a new one
 * counts grows: with half-life H the t-th positive counts 2^(t/H), and dividing by that of now gives 2^-(age/H). Before the growing
 * number leaves its range everything is divided by it once. (Forward decay: Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009.) */
#include <stdlib.h>

#include "base/check.h"
#include "base/special.h"
#include "evaluate/evaluate_priv.h"

#define SCALE_MOST 1e100

void evaluate_counts_init(struct evaluate_counts *c, double half_life)
{
    *c = (struct evaluate_counts){.half_life = half_life, .scale = 1};
}

void evaluate_counts_release(struct evaluate_counts *c)
{
    free(c->count);
    c->count = NULL;
    c->capacity = 0;
}

static void rescale(struct evaluate_counts *c)
{
    for (uint32_t i = 0; i < c->capacity; i++)
        c->count[i] /= c->scale;
    c->total /= c->scale;
    c->scale = 1;
}

void evaluate_counts_add(struct evaluate_counts *c, uint32_t item)
{
    c->count = evaluate_grow(c->count, &c->capacity, item + 1, sizeof *c->count);
    if (c->half_life > 0)
        c->scale *= special_exp2(1 / c->half_life);
    if (c->scale > SCALE_MOST)
        rescale(c);
    c->count[item] += c->scale;
    c->total += c->scale;
}

double evaluate_counts_of(const struct evaluate_counts *c, uint32_t item)
{
    return item < c->capacity ? c->count[item] / c->scale : 0;
}

double evaluate_counts_share(const struct evaluate_counts *c, uint32_t item)
{
    return item < c->capacity && c->total > 0 ? c->count[item] / c->total : 0;
}

/* ---- the two methods ---- */

static void *open_all_time(const struct baseline_config *cfg)
{
    (void)cfg;
    struct evaluate_counts *c = xcalloc(1, sizeof *c);
    evaluate_counts_init(c, 0);
    return c;
}

static void *open_decayed(const struct baseline_config *cfg)
{
    struct evaluate_counts *c = xcalloc(1, sizeof *c);
    evaluate_counts_init(c, cfg->half_life);
    return c;
}

static void close_counts(void *state)
{
    evaluate_counts_release(state);
    free(state);
}

static void score(void *state, uint32_t user, uint32_t n_items, const uint8_t *met, uint32_t item,
                  float *scores)
{
    (void)user, (void)met, (void)item;
    for (uint32_t i = 0; i < n_items; i++)
        scores[i] = (float)evaluate_counts_of(state, i);
}

static void learn(void *state, uint32_t user, uint32_t item)
{
    (void)user;
    evaluate_counts_add(state, item);
}

const struct baseline_method evaluate_popularity_all_time = {
    .name = "popularity",
    .k = 64,
    .open = open_all_time,
    .close = close_counts,
    .score = score,
    .learn = learn,
};

const struct baseline_method evaluate_popularity_decayed = {
    .name = "decayed-popularity",
    .k = 64,
    .open = open_decayed,
    .close = close_counts,
    .score = score,
    .learn = learn,
};
