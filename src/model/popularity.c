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

/* A count at another half-life than the lists': what co-occurrence divides by. */
static void count_for_cooccur(struct model *m, struct item_stats *s, double weight)
{
    double t = m->decay.now[DECAY_COOCCUR], count = special_exp2(s->count - t) + weight;
    s->count = t + special_log2(count);
    s->damp = (float)special_exp2(-DAMPING * special_log2(count + 1));
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

void popularity_add(struct model *m, uint32_t item, double weight)
{
    struct item_stats *s = items_stats_to_change(&m->items, item);
    s->last = m->window.n;
    s->positives++;
    if (!s->first)
        s->first = m->window.n;
    count_for_cooccur(m, s, weight);
    for (int h = 0; h < MODEL_HALF_LIVES; h++) {
        double t = age(m, h);
        s->pop[h] = t + special_log2(special_exp2(s->pop[h] - t) + weight);
        m->pop_total[h] = t + special_log2(special_exp2(m->pop_total[h] - t) + weight);
        offer_popular(m, h, item);
    }
}
