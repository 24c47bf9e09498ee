/* Which part to believe, by how long a history there is: R_uj = sum_k alpha_k(bucket) f_k(u, j), learned online by softmax on the
 * candidates that were scored.
 *   alpha_k -= eta (E_softmax[f_k] - f_k(chosen)) / sqrt(G_k + 1),  G_k += gradient^2 */
#include <math.h>

#include "base/special.h"
#include "model/model_priv.h"

#define LEARNING_RATE 0.3
#define TIME_SCALE 0.3f /* of the log of ages, so that one rate fits all parts */

void mixer_init(struct mixer *x)
{
    static const double start[MODEL_PARTS] = {1, 0.5, 0.2, 0.2, 0.1, 0, 0};
    for (int b = 0; b < MODEL_BUCKETS; b++)
        for (int k = 0; k < MODEL_PARTS; k++) {
            x->w[b][k] = start[k];
            x->g[b][k] = 0;
        }
}

static int bucket_of(uint32_t n)
{
    static const uint32_t most[MODEL_BUCKETS - 1] = {0, 2, 5, 10, 20, 50, 100};
    int b = 0;
    while (b < MODEL_BUCKETS - 1 && n > most[b])
        b++;
    return b;
}

const double *model_mixer(const struct model *m, uint32_t user, int *bucket)
{
    const struct user *u = user < m->users.count ? users_row(&m->users, user) : NULL;
    *bucket = u && !u->opted_out
                  ? bucket_of(u->n_history < m->cfg.history ? u->n_history : u->seen.n)
                  : 0;
    return m->mixer.w[*bucket];
}

static void log_shares(const struct model *m, const uint32_t *items, int n, int h, float *f)
{
    float epsilon = 1.0f / (float)(m->items.count + 1);
    double now = (double)m->window.n / m->cfg.half_lives[h];
    double log_total = m->pop_total[h] > 0 ? special_log2(m->pop_total[h]) : 0;
    for (int i = 0; i < n; i++) {
        double a = items_stats(&m->items, items[i])->pop[h];
        f[i] = isinf(a) ? -100.0f : (float)((a - now - log_total) * 0.69314718055994531);
        f[i] = f[i] > 0 ? 0 : f[i];
    }
    special_exp_all(f, f, n);
    for (int i = 0; i < n; i++)
        f[i] += epsilon;
    special_log_all(f, f, n);
}

static void log_ages(const struct model *m, const uint32_t *items, int n, float *age, float *idle)
{
    for (int i = 0; i < n; i++) {
        const struct item_stats *s = items_stats(&m->items, items[i]);
        age[i] = (float)(m->window.n + 2 - (s->first ? s->first : m->window.n + 1));
        idle[i] = (float)(m->window.n + 2 - (s->last ? s->last : m->window.n + 1));
    }
    special_log_all(age, age, n);
    special_log_all(idle, idle, n);
    for (int i = 0; i < n; i++) {
        age[i] *= TIME_SCALE;
        idle[i] *= TIME_SCALE;
    }
}

void model_features(const struct model *m, const uint32_t *items, int n, float cooccur_total,
                    float *f, int stride)
{
    float epsilon = 1.0f / (float)(m->items.count + 1), *c = f + MODEL_COOCCUR * stride;
    float scale = cooccur_total > 0 ? 1 / cooccur_total : 0;
    for (int i = 0; i < n; i++)
        c[i] = c[i] * scale + epsilon;
    special_log_all(c, c, n);
    for (int h = 0; h < MODEL_HALF_LIVES; h++)
        log_shares(m, items, n, h, f + (MODEL_POP_SLOW + h) * stride);
    log_ages(m, items, n, f + MODEL_AGE * stride, f + MODEL_IDLE * stride);
}

void model_learn_mixer(struct model *m, int bucket, const float *f, int stride, const float *scores,
                       int n, int chosen, double weight)
{
    double total = 0, mean[MODEL_PARTS] = {0};
    float most = -INFINITY;
    rows_touch(&m->track, 0);
    for (int i = 0; i < n; i++)
        most = scores[i] > most ? scores[i] : most;
    for (int i = 0; i < n; i++) {
        float x = scores[i] - most, p;
        if (x < -20)
            continue;
        special_exp_all(&x, &p, 1);
        total += (double)p;
        for (int k = 0; k < MODEL_PARTS; k++)
            mean[k] += (double)p * (double)f[k * stride + i];
    }
    for (int k = 0; k < MODEL_PARTS; k++) {
        double *w = &m->mixer.w[bucket][k], *g = &m->mixer.g[bucket][k];
        double gradient = weight * (mean[k] / total - (double)f[k * stride + chosen]);
        *g += gradient * gradient;
        *w -= LEARNING_RATE * gradient / sqrt(*g + 1);
    }
}
