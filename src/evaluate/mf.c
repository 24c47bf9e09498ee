/* Matrix factorisation learned online: a row p_u for each user, q_i for each item, one step an event.
 *   isgd  Vinagre, Jorge, Gama, "Fast incremental matrix factorization for recommendation with positive-only feedback", UMAP 2014:
 *         e = 1 - p.q; p += rate (e q - l2 p); q += rate (e p - l2 q) with the new p. Lists are sorted by |1 - p.q|, as published.
 *   bpr   Rendle, Freudenthaler, Gantner, Schmidt-Thieme, "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009:
 *         -log sigma(x_i - x_j) with x = p.q + b, for 20 items j drawn uniformly among those known and not met; one Adagrad sum a row.
 *         p moves once, after all pairs; the items move at each. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/special.h"
#include "base/vec.h"
#include "evaluate/evaluate_priv.h"

#define NEGATIVES 20
#define DRAWS 8 /* for one negative; after so many items the user has met, the pair is left out */

enum extra { BIAS, SQUARES, BIAS_SQUARES }; /* what stands behind a row */

struct mf {
    int k;
    float learning_rate, l2;
    uint64_t seed, learned;
    uint32_t n_items; /* known: highest index that came, plus one */
    struct evaluate_rows users, items;
    struct evaluate_histories histories;
    uint64_t *met_at; /* bpr: the event for which the item was marked as met, from 1 */
    uint32_t met_capacity;
    float *p, *g_i, *g_p; /* k floats each */
};

static struct mf *open_mf(const struct baseline_config *cfg, double sd)
{
    struct mf *m = xcalloc(1, sizeof *m);
    m->k = cfg->k;
    m->learning_rate = (float)cfg->learning_rate;
    m->l2 = (float)cfg->l2;
    m->seed = cfg->seed;
    m->users = (struct evaluate_rows){.k = cfg->k, .sd = sd, .seed = cfg->seed, .table = 1};
    m->items = (struct evaluate_rows){.k = cfg->k, .sd = sd, .seed = cfg->seed, .table = 2};
    m->p = xcalloc((size_t)cfg->k, sizeof(float));
    m->g_i = xcalloc((size_t)cfg->k, sizeof(float));
    m->g_p = xcalloc((size_t)cfg->k, sizeof(float));
    return m;
}

static void close_mf(void *state)
{
    struct mf *m = state;
    free(m->p);
    free(m->g_i);
    free(m->g_p);
    free(m->met_at);
    evaluate_histories_release(&m->histories);
    evaluate_rows_release(&m->items);
    evaluate_rows_release(&m->users);
    free(m);
}

/* Rows of the user and of all items up to this one exist. */
static void reach(struct mf *m, uint32_t user, uint32_t n_items)
{
    evaluate_rows_reach(&m->users, user + 1);
    evaluate_rows_reach(&m->items, n_items);
}

static void know(struct mf *m, uint32_t user, uint32_t item)
{
    m->n_items = item < m->n_items ? m->n_items : item + 1;
    reach(m, user, m->n_items);
}

/* ---- isgd ---- */

static void *open_isgd(const struct baseline_config *cfg)
{
    return open_mf(cfg, 0.1);
}

static void score_isgd(void *state, uint32_t user, uint32_t n_items, const uint8_t *met,
                       uint32_t item, float *scores)
{
    struct mf *m = state;
    (void)met, (void)item;
    reach(m, user, n_items);
    const float *p = evaluate_row(&m->users, user);
    for (uint32_t i = 0; i < n_items; i++)
        scores[i] = -fabsf(1 - vec_dot(p, evaluate_row(&m->items, i), m->k));
}

/* row += rate (e other - l2 row) */
static void step_squared(const struct mf *m, float *row, float e, const float *other)
{
    for (int f = 0; f < m->k; f++)
        row[f] += m->learning_rate * (e * other[f] - m->l2 * row[f]);
}

static void learn_isgd(void *state, uint32_t user, uint32_t item)
{
    struct mf *m = state;
    know(m, user, item);
    float *p = evaluate_row(&m->users, user), *q = evaluate_row(&m->items, item);
    float e = 1 - vec_dot(p, q, m->k);
    step_squared(m, p, e, q);
    step_squared(m, q, e, p);
}

const struct baseline_method evaluate_mf_isgd = {
    .name = "isgd",
    .k = 16,
    .learning_rate =
        0.1, /* 0.05 is better where items are few and dense, and collapses elsewhere */
    .l2 = 0.1,
    .open = open_isgd,
    .close = close_mf,
    .score = score_isgd,
    .learn = learn_isgd,
};

/* ---- bpr ---- */

static void *open_bpr(const struct baseline_config *cfg)
{
    return open_mf(cfg, 0.5 / sqrt((double)cfg->k));
}

static void score_bpr(void *state, uint32_t user, uint32_t n_items, const uint8_t *met,
                      uint32_t item, float *scores)
{
    struct mf *m = state;
    (void)met, (void)item;
    reach(m, user, n_items);
    const float *p = evaluate_row(&m->users, user);
    for (uint32_t i = 0; i < n_items; i++) {
        const float *q = evaluate_row(&m->items, i);
        scores[i] = vec_dot(p, q, m->k) + q[m->k + BIAS];
    }
}

/* 1 / (1 + e^x), by the smaller of the two powers. */
static float sigma_of_minus(float x)
{
    double power = special_exp2(-fabs((double)x) * 1.4426950408889634);
    return (float)((x > 0 ? power : 1) / (1 + power));
}

float evaluate_mf_bpr_gradient(const float *p, const float *q_i, float b_i, const float *q_j,
                               float b_j, int k, float *g_i, float *g_p)
{
    float x = vec_dot(p, q_i, k) + b_i - vec_dot(p, q_j, k) - b_j;
    float d = -sigma_of_minus(x);
    for (int f = 0; f < k; f++) {
        g_p[f] += d * (q_i[f] - q_j[f]);
        g_i[f] = d * p[f];
    }
    return d;
}

/* One Adagrad step of a row against sign * g; the l2 part is not divided by the squares. */
static void step_row(const struct mf *m, float *row, float sign, const float *g)
{
    float *squares = &row[m->k + SQUARES];
    *squares += vec_dot(g, g, m->k) / (float)m->k;
    float rate = m->learning_rate / sqrtf(*squares + 1e-8f), shrink = m->learning_rate * m->l2;
    for (int f = 0; f < m->k; f++)
        row[f] -= rate * (sign * g[f]) + shrink * row[f];
}

static void step_bias(const struct mf *m, float *row, float g)
{
    float *squares = &row[m->k + BIAS_SQUARES];
    *squares += g * g;
    row[m->k + BIAS] -= m->learning_rate * g / sqrtf(*squares + 1e-8f);
}

static void step_pair(struct mf *m, float *q_i, float *q_j)
{
    float d = evaluate_mf_bpr_gradient(m->p, q_i, q_i[m->k + BIAS], q_j, q_j[m->k + BIAS], m->k,
                                       m->g_i, m->g_p);
    step_row(m, q_i, 1, m->g_i);
    step_row(m, q_j, -1, m->g_i);
    step_bias(m, q_i, d);
    step_bias(m, q_j, -d);
}

/* Marks what the user has met, the item of this event with it, so that a draw is checked at once. */
static void mark_met(struct mf *m, uint32_t user, uint32_t item)
{
    struct evaluate_history h = evaluate_histories_of(&m->histories, user);
    m->met_at = evaluate_grow(m->met_at, &m->met_capacity, m->n_items, sizeof *m->met_at);
    for (uint32_t x = 0; x < h.n; x++)
        m->met_at[h.items[x]] = m->learned;
    m->met_at[item] = m->learned;
}

/* An item of the known ones, all alike, that the user has not met; UINT32_MAX: chance did not find one. */
static uint32_t draw_negative(const struct mf *m, struct rng *rng)
{
    for (int draw = 0; draw < DRAWS; draw++) {
        uint32_t j = rng_below(rng, m->n_items);
        if (m->met_at[j] != m->learned)
            return j;
    }
    return UINT32_MAX;
}

static void learn_bpr(void *state, uint32_t user, uint32_t item)
{
    struct mf *m = state;
    know(m, user, item);
    m->learned++;
    mark_met(m, user, item);
    struct rng rng = rng_at(m->seed, 3, m->learned, 0);
    float *p = evaluate_row(&m->users, user), *q_i = evaluate_row(&m->items, item);
    memcpy(m->p, p, sizeof(float) * (size_t)m->k);
    memset(m->g_p, 0, sizeof(float) * (size_t)m->k);
    for (int n = 0; n < NEGATIVES; n++) {
        uint32_t j = draw_negative(m, &rng);
        if (j != UINT32_MAX)
            step_pair(m, q_i, evaluate_row(&m->items, j));
    }
    step_row(m, p, 1, m->g_p);
    evaluate_histories_add(&m->histories, user, item);
}

const struct baseline_method evaluate_mf_bpr = {
    .name = "bpr",
    .k = 64,
    .learning_rate = 0.1,
    .l2 = 0.001,
    .open = open_bpr,
    .close = close_mf,
    .score = score_bpr,
    .learn = learn_bpr,
};
