/* Which part to believe, by how long a history there is: R_uj = sum_k w_k(bucket) f_k(u, j), learned online by softmax on the candidates
 * that were scored.
 *
 * The parts say nearly the same of most items, so that steps along single weights crawl. Hence Newton's step: with p the softmax of the
 * mixed scores, a bucket keeps the decayed sum of curvatures
 *   A <- P + decay (A - P) + Cov_p[f],      w <- w - A^-1 (E_p[f] - f(chosen))
 * (online Newton step: Hazan, Agarwal, Kale, "Logarithmic regret algorithms for online convex optimization", Machine Learning 69, 2007;
 * decay: as recursive least squares with forgetting). P = PRIOR * I ties each bucket to the weights of all buckets together, which are
 * learned in the same way from every step: a bucket that few users are in stays near them. When those move by d, the bucket's optimum
 * moves by A^-1 P d. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/newton.h"
#include "base/special.h"
#include "base/vec.h"
#include "model/model_priv.h"

#define PRIOR 50.0
#define PRIOR_OF_BIAS 1.0
#define DECAY 0.996
#define TIME_SCALE 0.3f      /* of the log of ages, so that all parts have about one range */
#define NEVER_CHOSEN -100.0f /* log of a share that is nothing beside epsilon */
#define LEAST -20.0f         /* log of a probability that moves nothing */
#define APART                                                                                      \
    1000.0f /* features are never further apart: floats of larger squares would make A indefinite */

/* Without a history the core is b alone, which is another thing than z . q + b and of another size: that weight is bucket 0's own. */
static bool is_apart(int bucket, int part)
{
    return bucket == 0 && part == MODEL_CORE;
}

static double prior_of(int bucket, int part)
{
    return is_apart(bucket, part) ? PRIOR_OF_BIAS : PRIOR;
}

void mixer_init(struct mixer *x)
{
    static const double start[MODEL_PARTS] = {
        [MODEL_CORE] = 1,         [MODEL_COOCCUR] = 0.5,  [MODEL_POP_SLOW] = 0.2,
        [MODEL_POP_MIDDLE] = 0.2, [MODEL_POP_FAST] = 0.1, [MODEL_SUBJECTS] = 0.2};
    for (int b = 0; b <= MODEL_BUCKETS; b++)
        for (int k = 0; k < MODEL_PARTS; k++) {
            x->w[b][k] = start[k];
            for (int j = 0; j < MODEL_PARTS; j++)
                x->a[b][k][j] = j == k ? prior_of(b, k) : 0;
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
    for (int i = 0; i < n; i++) {
        double a = items_stats(&m->items, items[i])->pop[h];
        f[i] = isinf(a) ? NEVER_CHOSEN : (float)((a - m->pop_total[h]) * SPECIAL_LN2);
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

/* ---- one step ---- */

struct moments {
    double gradient[MODEL_PARTS], curvature[MODEL_PARTS][MODEL_PARTS]; /* lower triangle */
};

/* scores[0..n) become their softmax, with zeros up to a multiple of 16; returns that multiple. */
static int softmax(float *scores, int n)
{
    float most = -INFINITY, total = 0;
    int padded = (n + 15) & ~15;
    for (int i = 0; i < n; i++)
        most = scores[i] > most ? scores[i] : most;
    for (int i = 0; i < n; i++)
        scores[i] = scores[i] - most >= LEAST ? scores[i] - most : LEAST; /* of no number too */
    special_exp_all(scores, scores, n);
    for (int i = 0; i < n; i++)
        total += scores[i];
    for (int i = 0; i < n; i++)
        scores[i] /= total;
    memset(scores + n, 0, (size_t)(padded - n) * sizeof *scores);
    return padded;
}

/* Features are taken from the chosen one's: it is near the means, which keeps the differences of products exact enough. */
static void moments_of(float *f, int stride, float *p, int n, int chosen, struct moments *out)
{
    float weighted[MODEL_MAX_SCORED];
    int padded = softmax(p, n);
    for (int k = 0; k < MODEL_PARTS; k++) {
        float *column = f + k * stride, zero = column[chosen];
        for (int i = 0; i < n; i++) {
            float apart = column[i] - zero;
            column[i] = apart < APART ? (apart > -APART ? apart : -APART) : APART;
        }
        memset(column + n, 0, (size_t)(padded - n) * sizeof *column);
        out->gradient[k] = (double)vec_dot(column, p, padded);
        for (int i = 0; i < padded; i++)
            weighted[i] = p[i] * column[i];
        for (int j = 0; j <= k; j++)
            out->curvature[k][j] = (double)vec_dot(weighted, f + j * stride, padded) -
                                   out->gradient[k] * out->gradient[j];
    }
}

/* As if the part were the same for all items. */
static void leave_out(struct moments *m, int part)
{
    m->gradient[part] = 0;
    for (int k = 0; k < MODEL_PARTS; k++)
        m->curvature[k][part] = m->curvature[part][k] = 0;
}

/* One Newton step of a bucket; d is by how much its weights moved. */
static void step(struct mixer *x, int bucket, const struct moments *m, double weight, double *d)
{
    for (int k = 0; k < MODEL_PARTS; k++)
        for (int j = 0; j <= k; j++) {
            double prior = j == k ? prior_of(bucket, k) : 0, *a = &x->a[bucket][k][j];
            *a = prior + DECAY * (*a - prior) + weight * m->curvature[k][j];
        }
    newton_solve(&x->a[bucket][0][0], MODEL_PARTS, 0, m->gradient, d);
    for (int k = 0; k < MODEL_PARTS; k++) {
        d[k] *= -weight;
        x->w[bucket][k] += d[k];
    }
}

static void follow_all(struct mixer *x, const double *moved)
{
    double pull[MODEL_PARTS], d[MODEL_PARTS];
    for (int b = 0; b < MODEL_BUCKETS; b++) {
        for (int k = 0; k < MODEL_PARTS; k++)
            pull[k] = is_apart(b, k) ? 0 : PRIOR * moved[k];
        newton_solve(&x->a[b][0][0], MODEL_PARTS, 0, pull, d);
        for (int k = 0; k < MODEL_PARTS; k++)
            x->w[b][k] += d[k];
    }
}

void model_learn_mixer(struct model *m, int bucket, float *f, int stride, float *scores, int n,
                       int chosen, double weight)
{
    struct moments moments;
    double d[MODEL_PARTS];
    ASSERT(n + 15 <= MODEL_MAX_SCORED && n <= stride);
    rows_touch(&m->track, 0);
    moments_of(f, stride, scores, n, chosen, &moments);
    step(&m->mixer, bucket, &moments, weight, d);
    if (bucket == 0)
        leave_out(&moments, MODEL_CORE);
    step(&m->mixer, MODEL_BUCKETS, &moments, weight, d);
    follow_all(&m->mixer, d);
}
