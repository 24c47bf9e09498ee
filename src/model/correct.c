/* People choose among what they are shown, so what is shown often is chosen often, whether it is liked or not. Where the log says with what
 * chance an item was shown, a choice of it stands for 1 / chance choices of one who is shown everything alike.
 *
 * Such weights have two troubles. They are large for rare showings: a cap bounds what one event may do, at the price of some bias. And they
 * are all larger than 1: as they are, they would be nothing but a higher learning rate. Divided by their running mean they are 1 on average.
 *
 * pi is asked of the sample that the step has drawn anyway. The sample comes from Q, the window, so each drawn item stands for 1 / (n Q):
 *   pi_i = e^f_i / (e^f_i + 1/n sum_j e^f_j / Q_j),  f = z . q + b                                    (importance sampling) */
#include "model/correct.h"

#include <math.h>

#include "base/special.h"
#include "model/model_priv.h"

#define CORRECT_MEMORY 10000.0 /* steps that a running mean looks back */
#define LEAST_PROPENSITY                                                                           \
    1e-6 /* what was drawn with less was not drawn: one made-up chance would fill the mean for ever */
#define LEAST_OF_REWARD                                                                            \
    0.1 /* of r stays when the baseline is larger: what was chosen is never pushed away */

static void mean_add(struct correct_mean *x, double value)
{
    x->n++;
    x->mean += (value - x->mean) / ((double)x->n < CORRECT_MEMORY ? (double)x->n : CORRECT_MEMORY);
}

double correct_propensity(const struct user *u, const struct zl_event *ev, uint32_t item)
{
    double propensity = item == ev->item ? ev->propensity : 0;
    if (propensity <= 0)
        propensity = users_shown_propensity(u, item);
    return propensity > 0 && propensity < LEAST_PROPENSITY ? LEAST_PROPENSITY : propensity;
}

static bool is_on(const struct model *m, double propensity)
{
    return m->cfg.correction != MODEL_CORRECT_OFF && propensity > 0;
}

static double capped(const struct model *m, double weight)
{
    return weight < m->cfg.correction_cap ? weight : m->cfg.correction_cap;
}

double correct_counts(const struct model *m, double propensity)
{
    if (!is_on(m, propensity))
        return 1;
    const struct correct_mean *x = &m->correct.inverse;
    return x->n ? capped(m, 1 / (propensity * x->mean)) : 1;
}

double correct_begin(struct model *m, double r, double propensity)
{
    struct correct *c = &m->correct;
    double weight = r;
    c->propensity = propensity;
    c->factor = 1;
    if (is_on(m, propensity)) {
        double inverse = 1 / propensity,
               most = m->cfg.correction_cap * (c->inverse.n ? c->inverse.mean : 1);
        rows_touch(&m->track, 0);
        mean_add(&c->inverse, inverse > most ? most : inverse);
        c->factor = correct_counts(m, propensity);
    }
    if (m->cfg.baseline) {
        weight = r - c->reward.mean;
        weight = weight > LEAST_OF_REWARD * r ? weight : LEAST_OF_REWARD * r;
        rows_touch(&m->track, 0);
        mean_add(&c->reward, r);
    }
    return weight;
}

/* The core's chance of the chosen item. m->logits hold f - kappa log n_j, n_j: how often j stands in the window. */
static double chance(const struct model *m, int n)
{
    float s[MODEL_MAX_NEGATIVES + 1] = {0}, most = -INFINITY;
    uint64_t in = m->window.n < m->window.size ? m->window.n : m->window.size;
    double others = 0;
    for (int i = 0; i < n; i++) {
        float log_n = m->window.log_share[*items_in_window(&m->items, m->drawn[i])];
        s[i] = m->logits[i] + (float)m->cfg.kappa * log_n - (i > 0 ? log_n : 0);
        most = s[i] > most ? s[i] : most;
    }
    for (int i = 0; i < n; i++)
        s[i] -= most;
    special_exp_all(s, s, n);
    for (int i = 1; i < n; i++)
        others += (double)s[i];
    others *= (double)in / m->cfg.negatives; /* 1 / (n Q_j) = in / (n n_j) */
    return (double)s[0] > 0 ? (double)s[0] / ((double)s[0] + others) : 0;
}

/* K (1 - pi)^(K - 1), by products: the same bits everywhere. */
static double top_k(int k, double pi)
{
    double power = 1, base = 1 - pi;
    for (int e = k - 1; e > 0; e /= 2, base *= base)
        power *= e % 2 ? base : 1;
    return k * power;
}

float correct_step(const struct model *m, int n)
{
    const struct correct *c = &m->correct;
    double factor = c->factor, pi = 0;
    bool ratio = m->cfg.correction == MODEL_CORRECT_RATIO && is_on(m, c->propensity);
    if (ratio || m->cfg.correction_top_k > 0)
        pi = chance(m, n);
    if (ratio)
        factor = capped(m, pi / c->propensity);
    if (m->cfg.correction_top_k > 0)
        factor *= top_k(m->cfg.correction_top_k, pi);
    return (float)factor;
}

uint32_t correct_copies(double factor, struct rng *rng)
{
    if (factor == 1)
        return 1;
    uint32_t whole = (uint32_t)factor;
    return whole + (rng_uniform(rng) < factor - whole);
}

void correct_write(const struct correct *c, struct rows_buffer *out)
{
    rows_put_u64(out, c->inverse.n);
    rows_put_f64(out, c->inverse.mean);
    rows_put_u64(out, c->reward.n);
    rows_put_f64(out, c->reward.mean);
}

void correct_read(struct correct *c, struct rows_cursor *in)
{
    c->inverse.n = rows_get_u64(in);
    c->inverse.mean = rows_get_f64(in);
    c->reward.n = rows_get_u64(in);
    c->reward.mean = rows_get_f64(in);
}
