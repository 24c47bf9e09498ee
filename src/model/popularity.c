/* Decayed popularity without a decay pass. A count that halves every H events is c(t) = sum over its events of 2^-((t - t_e) / H).
 * Kept is a = log2 c(t) + t / H, which does not change while nothing happens to the item: it is both the stored state and a key that
 * orders items at any time. An event at t makes c = 2^(a - t/H) + 1. (Forward decay: Cormode, Shkapenyuk, Srivastava, Xu, "Forward
 * decay: a practical time decay model for streaming systems", ICDE 2009; the landmark here moves with t, so nothing overflows.) */
#include <math.h>

#include "base/special.h"
#include "model/model_priv.h"

/* Weights of the half-lives in lists for users of whom nothing is known (slow, middle, fast: the mixer's start values). */
static const double mix[MODEL_HALF_LIVES] = {0.2, 0.2, 0.1};

static double age(const struct model *m, int h)
{
    return (double)m->window.n / m->cfg.half_lives[h];
}

double popularity_count(const struct model *m, uint32_t item, int h)
{
    return special_exp2(items_stats(&m->items, item)->pop[h] - age(m, h));
}

/* Called when the positive has been counted: m->window.n is its t. */
void popularity_add(struct model *m, uint32_t item)
{
    struct item_stats *s = items_stats_to_change(&m->items, item);
    for (int h = 0; h < MODEL_HALF_LIVES; h++) {
        double t = age(m, h);
        s->pop[h] = t + special_log2(special_exp2(s->pop[h] - t) + 1);
        m->pop_total[h] = m->pop_total[h] * special_exp2(-1 / m->cfg.half_lives[h]) + 1;
    }
}

void model_popularity(const struct model *m, uint32_t from, uint32_t n, float *scores)
{
    double epsilon = 1.0 / (m->items.count + 1.0), scale[MODEL_HALF_LIVES];
    for (int h = 0; h < MODEL_HALF_LIVES; h++)
        scale[h] = m->pop_total[h] > 0 ? 1 / m->pop_total[h] : 0;
    for (uint32_t i = 0; i < n; i++) {
        double sum = 0;
        for (int h = 0; h < MODEL_HALF_LIVES; h++) {
            const struct item_stats *s = items_stats(&m->items, from + i);
            double count = s->known ? special_exp2(s->pop[h] - age(m, h)) : 0;
            sum += mix[h] * special_log2(epsilon + count * scale[h]);
        }
        scores[i] = (float)sum;
    }
}
