/* iALS with live popularity: anchor B, the strongest thing one gets without changing how the factors are trained. The score of anchor A,
 * z-scored over all items a user, stands beside what is known up to the second: three log shares of popularity at half-lives of 20,000,
 * 2,000 and 300 positives, the logs of age and of idle time. What each is worth is learned online by how long the user's history is:
 *   R_uj = sum_k w_k(bucket) f_k(j);   w_k -= 0.15 (E_softmax[f_k] - f_k(chosen)) / sqrt(G_k + 1),  G_k += gradient^2,
 * softmax over all items the user has not met. The engine mixes its own parts in the same way (model/mixer.c). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/special.h"
#include "evaluate/evaluate_priv.h"

#define LEARNING_RATE 0.15
#define TIME_SCALE 0.3f /* of the log of ages, so that one rate fits all parts */
#define HALF_LIVES 3
#define BUCKETS 8
#define LEAST_LOGIT -20.0f /* below the best: adds nothing to a sum of doubles worth having */

enum part { IALS, POPULARITY, AGE = POPULARITY + HALF_LIVES, IDLE, PARTS };

struct mixed {
    struct evaluate_ials *ials;
    struct evaluate_counts counts[HALF_LIVES];
    uint64_t positives;
    uint64_t *first, *last; /* the item's positives, numbered from 1; 0: none */
    uint32_t first_capacity, last_capacity;
    double weights[BUCKETS][PARTS], squares[BUCKETS][PARTS];
    float *features; /* PARTS columns of `stride` floats */
    uint32_t stride;
};

static void *open_mixed(const struct baseline_config *cfg)
{
    static const double half_lives[HALF_LIVES] = {20000, 2000, 300};
    static const double start[PARTS] = {0.5, 0.2, 0.2, 0.1, 0, 0};
    struct mixed *m = xcalloc(1, sizeof *m);
    m->ials = evaluate_ials_open(cfg);
    for (int h = 0; h < HALF_LIVES; h++)
        evaluate_counts_init(&m->counts[h], half_lives[h]);
    for (int b = 0; b < BUCKETS; b++)
        memcpy(m->weights[b], start, sizeof start);
    return m;
}

static void close_mixed(void *state)
{
    struct mixed *m = state;
    free(m->features);
    free(m->last);
    free(m->first);
    for (int h = 0; h < HALF_LIVES; h++)
        evaluate_counts_release(&m->counts[h]);
    evaluate_ials_close(m->ials);
    free(m);
}

static int bucket_of(uint32_t n)
{
    static const uint32_t most[BUCKETS - 1] = {0, 2, 5, 10, 20, 50, 100};
    int b = 0;
    while (b < BUCKETS - 1 && n > most[b])
        b++;
    return b;
}

/* ---- features ---- */

static float *column(const struct mixed *m, int part)
{
    return m->features + (size_t)part * m->stride;
}

/* Mean 0 and deviation 1 over the items; all alike: all 0. */
static void z_score(float *x, uint32_t n)
{
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
    }
    double mean = sum / n, variance = squares / n - mean * mean;
    double scale = variance > 1e-20 ? 1 / sqrt(variance) : 0;
    for (uint32_t i = 0; i < n; i++)
        x[i] = (float)(((double)x[i] - mean) * scale);
}

static void log_shares(const struct evaluate_counts *c, uint32_t n, float *out)
{
    double epsilon = 1.0 / n;
    for (uint32_t i = 0; i < n; i++)
        out[i] = (float)(epsilon + evaluate_counts_share(c, i));
    special_log_all(out, out, (int)n);
}

/* Logs of 1 + the positives since `when`; an item that never came is new: 0. */
static void log_since(const struct mixed *m, const uint64_t *when, uint32_t capacity, uint32_t n,
                      float *out)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = i < capacity && when[i] ? when[i] : m->positives + 1;
        out[i] = (float)(m->positives + 2 - at);
    }
    special_log_all(out, out, (int)n);
    for (uint32_t i = 0; i < n; i++)
        out[i] *= TIME_SCALE;
}

static void fill_features(struct mixed *m, uint32_t user, uint32_t n)
{
    if (n > m->stride) {
        m->stride = n + n / 2;
        m->features = xrealloc(m->features, m->stride, PARTS * sizeof(float));
    }
    evaluate_ials_score(m->ials, user, n, column(m, IALS));
    z_score(column(m, IALS), n);
    for (int h = 0; h < HALF_LIVES; h++)
        log_shares(&m->counts[h], n, column(m, POPULARITY + h));
    log_since(m, m->first, m->first_capacity, n, column(m, AGE));
    log_since(m, m->last, m->last_capacity, n, column(m, IDLE));
}

/* ---- the mixer ---- */

/* Adds e^(score - best) and each feature by it, over items not met. Returns the total. */
static double soften(const struct mixed *m, uint32_t n, const uint8_t *met, const float *scores,
                     double mean[PARTS])
{
    float best = -INFINITY;
    double total = 0;
    for (uint32_t i = 0; i < n; i++)
        best = !met[i] && scores[i] > best ? scores[i] : best;
    for (uint32_t i = 0; i < n; i++) {
        float x = scores[i] - best, p;
        if (met[i] || x < LEAST_LOGIT)
            continue;
        special_exp_all(&x, &p, 1);
        total += (double)p;
        for (int k = 0; k < PARTS; k++)
            mean[k] += (double)p * (double)column(m, k)[i];
    }
    return total;
}

static void learn_weights(struct mixed *m, int bucket, uint32_t n, const uint8_t *met,
                          uint32_t item, const float *scores)
{
    double mean[PARTS] = {0}, total = soften(m, n, met, scores, mean);
    for (int k = 0; k < PARTS; k++) {
        double *w = &m->weights[bucket][k], *g = &m->squares[bucket][k];
        double gradient = mean[k] / total - (double)column(m, k)[item];
        *g += gradient * gradient;
        *w -= LEARNING_RATE * gradient / sqrt(*g + 1);
    }
}

static void score_mixed(void *state, uint32_t user, uint32_t n_items, const uint8_t *met,
                        uint32_t item, float *scores)
{
    struct mixed *m = state;
    if (n_items == 0)
        return;
    int bucket = bucket_of(evaluate_histories_of(&m->ials->histories, user).n);
    fill_features(m, user, n_items);
    memset(scores, 0, sizeof(float) * n_items);
    for (int k = 0; k < PARTS; k++) {
        const float *f = column(m, k);
        float w = (float)m->weights[bucket][k];
        for (uint32_t i = 0; i < n_items; i++)
            scores[i] += w * f[i];
    }
    if (item < n_items && !met[item])
        learn_weights(m, bucket, n_items, met, item, scores);
}

static void learn_mixed(void *state, uint32_t user, uint32_t item)
{
    struct mixed *m = state;
    m->positives++;
    m->first = evaluate_grow(m->first, &m->first_capacity, item + 1, sizeof *m->first);
    m->last = evaluate_grow(m->last, &m->last_capacity, item + 1, sizeof *m->last);
    m->first[item] = m->first[item] ? m->first[item] : m->positives;
    m->last[item] = m->positives;
    for (int h = 0; h < HALF_LIVES; h++)
        evaluate_counts_add(&m->counts[h], item);
    evaluate_ials_learn(m->ials, user, item);
}

const struct baseline_method evaluate_ials_popularity_method = {
    .name = "ials+popularity",
    .learns_by_scoring = true,
    .k = 64,
    .l2 = 0.01,
    .open = open_mixed,
    .close = close_mixed,
    .score = score_mixed,
    .learn = learn_mixed,
};
