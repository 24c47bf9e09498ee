/* Decayed popularity without a decay pass. With t on a clock that runs in half-lives (decay.h) a count is c(t) = sum over its events of
 * 2^-(t - t_e). Kept is a = log2 c(t) + t, which does not change while nothing happens to the item: it is both the stored state and a key
 * that orders items at any time. An event at t makes c = 2^(a - t) + 1. (Forward decay: Cormode, Shkapenyuk, Srivastava, Xu, "Forward
 * decay: a practical time decay model for streaming systems", ICDE 2009; the landmark here moves with t, so nothing overflows.) */
#include <math.h>
#include <string.h>

#include "base/special.h"
#include "model/model_priv.h"

/* Ties are divided by count^0.3: at 0 what everybody meets stands on every list, at 1 what nobody else
 * met does. */
#define DAMPING 0.3

static double age(const struct model *m, int h)
{
    return m->decay.now[h];
}

double popularity_count(const struct model *m, uint32_t item, int h)
{
    return special_exp2(items_stats(&m->items, item)->pop[h] - age(m, h));
}

void model_popularity(const struct model *m, uint32_t from, uint32_t n, float *scores)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct item_stats *s = items_stats(&m->items, from + i);
        scores[i] = (float)(s->pop[1] - age(m, 1));
    }
}

/* ---- the most popular ---- */

static bool more_popular(const struct model *m, int h, uint32_t a, uint32_t b)
{
    double x = items_stats(&m->items, a)->pop[h], y = items_stats(&m->items, b)->pop[h];
    return x != y ? x > y : a < b;
}

static void find_least(const struct model *m, int h, struct popular *p)
{
    p->least = 0;
    for (int i = 1; i < p->n; i++)
        if (more_popular(m, h, p->items[p->least], p->items[i]))
            p->least = i;
}

/* In order of index, whatever the order of coming: sums over candidates must not depend on it. */
static void insert_sorted(struct popular *p, uint32_t item)
{
    int at = p->n++;
    for (; at > 0 && p->items[at - 1] > item; at--)
        p->items[at] = p->items[at - 1];
    p->items[at] = item;
}

static void remove_at(struct popular *p, int at)
{
    memmove(&p->items[at], &p->items[at + 1], (size_t)(p->n - at - 1) * sizeof p->items[0]);
    p->n--;
}

/* Keys only grow and only when their item is chosen, so an item outside need be looked at only
 * then: the list stays exact. */
static void offer_popular(struct model *m, int h, uint32_t item)
{
    struct popular *p = &m->popular[h];
    for (int i = 0; i < p->n; i++)
        if (p->items[i] == item) {
            if (i == p->least)
                find_least(m, h, p);
            return;
        }
    if (p->n == MODEL_POPULAR) {
        if (!more_popular(m, h, item, p->items[p->least]))
            return;
        remove_at(p, p->least);
    }
    insert_sorted(p, item);
    find_least(m, h, p);
}

void popularity_rebuild(struct model *m)
{
    for (int h = 0; h < MODEL_HALF_LIVES; h++) {
        m->popular[h].n = 0;
        for (uint32_t i = 0; i < m->items.count; i++)
            if (items_stats(&m->items, i)->last)
                offer_popular(m, h, i);
    }
}

const uint32_t *model_popular(const struct model *m, int half_life, int *n)
{
    *n = m->popular[half_life].n;
    return m->popular[half_life].items;
}

/* Each half-life's count of the item and of all items, and the count that co-occurrence divides by, at another half-life than the lists'. */
#define COUNTS (2 * MODEL_HALF_LIVES + 1)

/* a = log2(2^(a - t) + weight) + t for all of them, side by side. Returns log2 of the last one's count + 1. */
static double add_to_all(const struct model *m, double *const counts[COUNTS], double weight)
{
    double x[COUNTS + 1], t[COUNTS];
    for (int i = 0; i < COUNTS; i++) {
        t[i] = i < 2 * MODEL_HALF_LIVES ? age(m, i / 2) : m->decay.now[DECAY_COOCCUR];
        x[i] = *counts[i] - t[i];
    }
    special_exp2_all(x, x, COUNTS);
    for (int i = 0; i < COUNTS; i++)
        x[i] += weight;
    x[COUNTS] = x[COUNTS - 1] + 1;
    special_log2_all(x, x, COUNTS + 1);
    for (int i = 0; i < COUNTS; i++)
        *counts[i] = t[i] + x[i];
    return x[COUNTS];
}

void popularity_add(struct model *m, uint32_t item, double weight)
{
    struct item_stats *s = items_stats_to_change(&m->items, item);
    double *counts[COUNTS];
    s->last = m->window.n;
    s->positives++;
    if (!s->first)
        s->first = m->window.n;
    for (int h = 0; h < MODEL_HALF_LIVES; h++) {
        counts[2 * h] = &s->pop[h];
        counts[2 * h + 1] = &m->pop_total[h];
    }
    counts[COUNTS - 1] = &s->count;
    s->damp = (float)special_exp2(-DAMPING * add_to_all(m, counts, weight));
    for (int h = 0; h < MODEL_HALF_LIVES; h++)
        offer_popular(m, h, item);
}
