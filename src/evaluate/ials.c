/* Implicit alternating least squares, retrained on schedule: anchor A.
 * Over the positives S, all pairs, and norms:
 *   sum_S (p_u.q_i - 1)^2 + alpha0 sum_{all u,i} (p_u.q_i)^2 + lambda sum_u (n_u + alpha0 |I|)^nu |p_u|^2 + the same for items, nu = 1.
 * With the items fixed each user is a small system of its own, the sum over all items being one k x k matrix made once:
 *   (alpha0 sum_i q_i q_i^T + sum_{i in S_u} q_i q_i^T + lambda_u I) p_u = sum_{i in S_u} q_i,
 * then the other way round. (Hu, Koren, Volinsky, ICDM 2008; in the form of Rendle, Krichene, Zhang, Koren, "Revisiting the performance of
 * iALS on item recommendation benchmarks", 2021.) Trainings begin with the rows of the last one.
 * Between trainings a list uses the user's history as it is now: the same system with weight 2^(-l/4) on the l-th newest item. It is this
 * fold-in that makes the anchor strong; the trained user rows serve the items' half only. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/vec.h"
#include "evaluate/evaluate_priv.h"

#define ALPHA0 0.3
#define SWEEPS 4
#define FIRST_TRAINING 500
#define HALVING 4.0    /* of a history item's weight, in items */
#define MOST_FOLDED 80 /* the weight there is 2^-20: nothing is left for a float to see */

struct evaluate_ials *evaluate_ials_open(const struct baseline_config *cfg)
{
    struct evaluate_ials *a = xcalloc(1, sizeof *a);
    size_t k = (size_t)cfg->k;
    a->k = cfg->k;
    a->every = cfg->every;
    a->window = cfg->window;
    a->lambda = cfg->l2;
    a->seed = cfg->seed;
    a->users.k = a->items.k = cfg->k;
    a->gram = xcalloc(k * k, sizeof(float));
    a->scratch = xcalloc(k * k, sizeof(float));
    a->folded = xcalloc(k, sizeof(float));
    return a;
}

void evaluate_ials_close(struct evaluate_ials *a)
{
    free(a->folded);
    free(a->scratch);
    free(a->gram);
    free(a->log_items);
    free(a->log_users);
    evaluate_histories_release(&a->histories);
    evaluate_rows_release(&a->items);
    evaluate_rows_release(&a->users);
    free(a);
}

/* ---- one side of the positives, grouped ---- */

/* Group g has members[starts[g]] .. members[starts[g + 1] - 1]. */
struct groups {
    uint32_t *starts, *members;
    uint32_t n;
};

static struct groups group(const uint32_t *keys, const uint32_t *values, uint32_t n,
                           uint32_t n_groups)
{
    struct groups g = {xcalloc((size_t)n_groups + 2, sizeof *g.starts),
                       xcalloc(n, sizeof *g.members), n_groups};
    for (uint32_t x = 0; x < n; x++)
        g.starts[keys[x] + 2]++;
    for (uint32_t x = 2; x < n_groups + 2; x++)
        g.starts[x] += g.starts[x - 1];
    for (uint32_t x = 0; x < n; x++) /* starts[key + 1] walks from the group's start to its end */
        g.members[g.starts[keys[x] + 1]++] = values[x];
    return g;
}

static void groups_release(struct groups *g)
{
    free(g->starts);
    free(g->members);
}

/* ---- training ---- */

/* matrix = sum of v v^T over all rows; rows that are not trained are zero and left out. */
static void sum_outer(float *matrix, const struct evaluate_rows *rows)
{
    memset(matrix, 0, sizeof(float) * (size_t)rows->k * (size_t)rows->k);
    for (uint32_t i = 0; i < rows->n; i++) {
        const float *v = evaluate_row(rows, i);
        if (v[0] != 0 || v[1] != 0)
            evaluate_solve_add(matrix, 1, v, rows->k);
    }
}

/* scratch = alpha0 gram + (lambda (n + alpha0 n_others)) I */
static void begin_system(const struct evaluate_ials *a, const float *gram, uint32_t n,
                         uint32_t n_others)
{
    size_t k = (size_t)a->k;
    for (size_t x = 0; x < k * k; x++)
        a->scratch[x] = (float)ALPHA0 * gram[x];
    float lambda = (float)(a->lambda * ((double)n + ALPHA0 * (double)n_others));
    for (size_t f = 0; f < k; f++)
        a->scratch[f * k + f] += lambda;
}

static void solve_side(struct evaluate_ials *a, struct evaluate_rows *to,
                       const struct evaluate_rows *from, const struct groups *g)
{
    sum_outer(a->gram, from);
    for (uint32_t key = 0; key < g->n; key++) {
        uint32_t begin = g->starts[key], end = g->starts[key + 1];
        float *row = evaluate_row(to, key);
        memset(row, 0, sizeof(float) * (size_t)a->k);
        if (begin == end)
            continue;
        begin_system(a, a->gram, end - begin, from->n);
        for (uint32_t x = begin; x < end; x++) {
            const float *v = evaluate_row(from, g->members[x]);
            evaluate_solve_add(a->scratch, 1, v, a->k);
            vec_add(row, 1, v, a->k);
        }
        evaluate_solve(a->scratch, row, a->k);
    }
}

/* Items with positives begin at random once; items without any in the window are zero, and begin anew when they come back. */
static void prepare_items(struct evaluate_ials *a, const struct groups *by_item)
{
    double sd = 0.1 / sqrt((double)a->k);
    for (uint32_t i = 0; i < by_item->n; i++) {
        float *v = evaluate_row(&a->items, i);
        if (by_item->starts[i] == by_item->starts[i + 1]) {
            memset(v, 0, sizeof(float) * (size_t)a->k);
        } else if (v[0] == 0 && v[1] == 0) {
            struct rng rng = rng_at(a->seed, 4, i, 0);
            for (int f = 0; f < a->k; f++)
                v[f] = (float)(sd * rng_normal(&rng));
        }
    }
}

void evaluate_ials_train(struct evaluate_ials *a)
{
    uint32_t n = a->window > 0 && a->window < a->n_log ? (uint32_t)a->window : a->n_log;
    const uint32_t *users = a->log_users + (a->n_log - n), *items = a->log_items + (a->n_log - n);
    evaluate_rows_reach(&a->users, a->n_users);
    evaluate_rows_reach(&a->items, a->n_items);
    struct groups by_user = group(users, items, n, a->n_users);
    struct groups by_item = group(items, users, n, a->n_items);
    prepare_items(a, &by_item);
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        solve_side(a, &a->users, &a->items, &by_user);
        solve_side(a, &a->items, &a->users, &by_item);
    }
    sum_outer(a->gram, &a->items);
    groups_release(&by_item);
    groups_release(&by_user);
    a->trained = a->positives;
}

/* ---- lists ---- */

const float *evaluate_ials_fold(struct evaluate_ials *a, uint32_t user)
{
    struct evaluate_history h = evaluate_histories_of(&a->histories, user);
    if (a->trained == 0 || h.n == 0)
        return NULL;
    memset(a->folded, 0, sizeof(float) * (size_t)a->k);
    begin_system(a, a->gram, h.n, a->n_items);
    for (uint32_t l = 0; l < h.n && l < MOST_FOLDED; l++) {
        uint32_t item = h.items[h.n - 1 - l];
        if (item >= a->items.n)
            continue; /* newer than the training */
        float weight = (float)exp2(-(double)l / HALVING);
        evaluate_solve_add(a->scratch, weight, evaluate_row(&a->items, item), a->k);
        vec_add(a->folded, weight, evaluate_row(&a->items, item), a->k);
    }
    evaluate_solve(a->scratch, a->folded, a->k);
    return a->folded;
}

void evaluate_ials_score(struct evaluate_ials *a, uint32_t user, uint32_t n_items, float *scores)
{
    const float *z = evaluate_ials_fold(a, user);
    for (uint32_t i = 0; i < n_items; i++)
        scores[i] = z && i < a->items.n ? vec_dot(z, evaluate_row(&a->items, i), a->k) : 0;
}

/* Keeps twice the window at most. */
static void remember(struct evaluate_ials *a, uint32_t user, uint32_t item)
{
    if (a->window > 0 && a->n_log >= 2 * a->window) {
        uint32_t gone = a->n_log - (uint32_t)a->window;
        memmove(a->log_users, a->log_users + gone, sizeof(uint32_t) * (size_t)a->window);
        memmove(a->log_items, a->log_items + gone, sizeof(uint32_t) * (size_t)a->window);
        a->n_log -= gone;
    }
    uint32_t capacity = a->log_capacity;
    a->log_users = evaluate_grow(a->log_users, &capacity, a->n_log + 1, sizeof(uint32_t));
    a->log_items = evaluate_grow(a->log_items, &a->log_capacity, a->n_log + 1, sizeof(uint32_t));
    a->log_users[a->n_log] = user;
    a->log_items[a->n_log++] = item;
}

void evaluate_ials_learn(struct evaluate_ials *a, uint32_t user, uint32_t item)
{
    a->n_users = user < a->n_users ? a->n_users : user + 1;
    a->n_items = item < a->n_items ? a->n_items : item + 1;
    evaluate_histories_add(&a->histories, user, item);
    remember(a, user, item);
    a->positives++;
    int64_t first = a->every < FIRST_TRAINING ? a->every : FIRST_TRAINING;
    if (a->trained ? a->positives - a->trained >= a->every : a->positives >= first)
        evaluate_ials_train(a);
}

/* ---- the method ---- */

static void *open_method(const struct baseline_config *cfg)
{
    return evaluate_ials_open(cfg);
}

static void close_method(void *state)
{
    evaluate_ials_close(state);
}

static void score_method(void *state, uint32_t user, uint32_t n_items, const uint8_t *met,
                         uint32_t item, float *scores)
{
    (void)met, (void)item;
    evaluate_ials_score(state, user, n_items, scores);
}

static void learn_method(void *state, uint32_t user, uint32_t item)
{
    evaluate_ials_learn(state, user, item);
}

const struct baseline_method evaluate_ials_method = {
    .name = "ials",
    .k = 64,
    .l2 = 0.01,
    .open = open_method,
    .close = close_method,
    .score = score_method,
    .learn = learn_method,
};
