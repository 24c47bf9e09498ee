/* Stands for src/evaluate: solves, counts, gradients and both anchors against small, slow, plain versions in double. */
#define _GNU_SOURCE /* strtok_r */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "evaluate/evaluate_priv.h"

#define SEED 20240607
#define N_USERS 40
#define N_ITEMS 60

static struct baseline *opened(const char *name, uint64_t seed)
{
    struct baseline_config cfg = {.name = name, .k = 16, .every = 150, .seed = seed};
    struct baseline *b;
    struct zl_error err;
    assert_int_equal(baseline_open(&cfg, &b, &err), ZL_OK);
    return b;
}

/* A made-up log in which user u likes items of the same parity, each pair once; half of the users like one more from the other side.
 * Every user keeps at least ten items of their own side unmet. */
struct pair {
    uint32_t user, item;
};

static int made_up_log(struct pair *pairs, uint64_t seed)
{
    struct rng rng = rng_at(seed, 0, 0, 0);
    static uint8_t taken[N_USERS][N_ITEMS];
    memset(taken, 0, sizeof taken);
    int n = 0;
    for (int round = 0; round < 20; round++)
        for (uint32_t u = 0; u < N_USERS; u++) {
            uint32_t item = rng_below(&rng, N_ITEMS / 2) * 2 + u % 2;
            if (round == 3 && u % 4 < 2)
                item ^= 1;
            if (taken[u][item])
                continue;
            taken[u][item] = 1;
            pairs[n++] = (struct pair){u, item};
        }
    return n;
}

static void feed(struct baseline *b, const struct pair *pairs, int n)
{
    for (int x = 0; x < n; x++)
        baseline_learn(b, pairs[x].user, pairs[x].item);
}

static void met_of(const struct pair *pairs, int n, uint32_t user, uint8_t met[N_ITEMS])
{
    memset(met, 0, N_ITEMS);
    for (int x = 0; x < n; x++)
        if (pairs[x].user == user)
            met[pairs[x].item] = 1;
}

/* ---- the door ---- */

static void an_unknown_name_is_refused_and_the_known_ones_are_named(void **state)
{
    (void)state;
    struct baseline_config cfg = {.name = "deep"};
    struct baseline *b;
    struct zl_error err;
    assert_int_equal(baseline_open(&cfg, &b, &err), ZL_EUSAGE);
    assert_null(b);
    assert_non_null(strstr(err.text, "deep"));
    assert_non_null(strstr(err.text, "ials+popularity"));
    cfg = (struct baseline_config){.name = "bpr", .k = 1025};
    assert_int_equal(baseline_open(&cfg, &b, &err), ZL_EUSAGE);
    baseline_close(NULL);
}

/* Calls do() with each name. */
static void each_name(void (*visit)(const char *name))
{
    char *names = xstrdup(baseline_names()), *rest = NULL;
    int n = 0;
    for (char *name = strtok_r(names, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest), n++)
        visit(name);
    assert_int_equal(n, 6);
    free(names);
}

static void score_all(struct baseline *b, const struct pair *pairs, int n, float *scores)
{
    uint8_t met[N_ITEMS + 5] = {0};
    for (uint32_t u = 0; u < N_USERS + 1; u++) {
        met_of(pairs, n, u, met);
        baseline_score(b, u, N_ITEMS + 5, met, 7, scores + (size_t)u * (N_ITEMS + 5));
    }
}

static void run_twice(const char *name)
{
    static struct pair pairs[N_USERS * 20];
    static float first[(N_USERS + 1) * (N_ITEMS + 5)], again[(N_USERS + 1) * (N_ITEMS + 5)];
    int n = made_up_log(pairs, SEED);
    for (int run = 0; run < 2; run++) {
        struct baseline *b = opened(name, SEED);
        memset(run ? again : first, 0xff, sizeof first);
        feed(b, pairs, n);
        score_all(b, pairs, n, run ? again : first);
        baseline_close(b);
    }
    assert_memory_equal(first, again, sizeof first);
    for (size_t x = 0; x < sizeof first / sizeof first[0]; x++)
        assert_true(isfinite(first[x]));
}

static void every_baseline_gives_the_same_finite_scores_again(void **state)
{
    (void)state;
    each_name(run_twice);
}

static void score_empty(const char *name)
{
    struct baseline *b = opened(name, SEED);
    uint8_t met[3] = {0};
    float scores[3] = {NAN, NAN, NAN};
    baseline_score(b, 5, 0, met, UINT32_MAX, scores);
    baseline_score(b, 5, 3, met, UINT32_MAX, scores);
    for (int i = 0; i < 3; i++)
        assert_true(isfinite(scores[i]));
    baseline_learn(b, 2, 1);
    baseline_close(b);
}

static void every_baseline_scores_before_it_has_learned(void **state)
{
    (void)state;
    each_name(score_empty);
}

static void another_seed_gives_other_factors(void **state)
{
    (void)state;
    uint8_t met[4] = {0};
    float a[4], b[4];
    struct baseline *x = opened("bpr", 1), *y = opened("bpr", 2);
    baseline_score(x, 0, 4, met, UINT32_MAX, a);
    baseline_score(y, 0, 4, met, UINT32_MAX, b);
    for (int i = 0; i < 4; i++)
        assert_true(a[i] != b[i]);
    baseline_close(x);
    baseline_close(y);
}

/* ---- popularity ---- */

static void a_decayed_count_is_the_sum_over_its_events(void **state)
{
    (void)state;
    struct evaluate_counts c;
    struct rng rng = rng_at(SEED, 1, 0, 0);
    uint32_t items[400];
    const double half_life = 0.7; /* steep: the scale passes its limit within 400 events */
    evaluate_counts_init(&c, half_life);
    for (int t = 0; t < 400; t++) {
        items[t] = rng_below(&rng, 5);
        evaluate_counts_add(&c, items[t]);
        double slow[5] = {0}, total = 0;
        for (int s = 0; s <= t; s++) {
            slow[items[s]] += exp2(-(t - s) / half_life);
            total += exp2(-(t - s) / half_life);
        }
        for (uint32_t i = 0; i < 5; i++) { /* 400 products of doubles: 400 * 2^-53, thrice */
            assert_true(fabs(evaluate_counts_of(&c, i) - slow[i]) <= 1e-12 * slow[i]);
            assert_true(fabs(evaluate_counts_share(&c, i) - slow[i] / total) <= 1e-12);
        }
    }
    assert_true(evaluate_counts_of(&c, 1000000) == 0);
    evaluate_counts_release(&c);
}

static void all_time_popularity_counts_and_decayed_forgets(void **state)
{
    (void)state;
    struct baseline_config cfg = {.name = "decayed-popularity", .half_life = 2};
    struct baseline *all = opened("popularity", 1), *decayed;
    struct zl_error err;
    assert_int_equal(baseline_open(&cfg, &decayed, &err), ZL_OK);
    static const uint32_t items[] = {0, 0, 0, 0, 0, 1, 1, 1};
    uint8_t met[3] = {0};
    float scores[3];
    for (uint32_t x = 0; x < 8; x++) {
        baseline_learn(all, x, items[x]);
        baseline_learn(decayed, x, items[x]);
    }
    baseline_score(all, 0, 3, met, UINT32_MAX, scores);
    assert_true(scores[0] == 5 && scores[1] == 3 && scores[2] == 0);
    baseline_score(decayed, 0, 3, met, UINT32_MAX, scores);
    assert_true(scores[1] > scores[0] && scores[0] > scores[2]);
    baseline_close(all);
    baseline_close(decayed);
}

/* ---- factorisation ---- */

static double bpr_loss(const float *p, const float *q_i, double b_i, const float *q_j, double b_j)
{
    double x = b_i - b_j;
    for (int f = 0; f < 16; f++)
        x += (double)p[f] * ((double)q_i[f] - (double)q_j[f]);
    return log1p(exp(-x));
}

/* Slope of the loss along one float of a row, from both sides. */
static double slope(float *at, const float *p, const float *q_i, const float *q_j)
{
    const float step = 1.0f / 256;
    float was = *at;
    *at = was + step;
    double above = (double)*at, up = bpr_loss(p, q_i, 0.3, q_j, -0.2);
    *at = was - step;
    double below = (double)*at, down = bpr_loss(p, q_i, 0.3, q_j, -0.2);
    *at = was;
    return (up - down) / (above - below);
}

static void the_gradient_of_bpr_is_that_of_finite_differences(void **state)
{
    (void)state;
    struct rng rng = rng_at(SEED, 2, 0, 0);
    float p[16], q_i[16], q_j[16], g_i[16], g_p[16] = {0};
    for (int f = 0; f < 16; f++) {
        p[f] = (float)rng_normal(&rng);
        q_i[f] = (float)(0.5 * rng_normal(&rng));
        q_j[f] = (float)(0.5 * rng_normal(&rng));
    }
    float d = evaluate_mf_bpr_gradient(p, q_i, 0.3f, q_j, -0.2f, 16, g_i, g_p);
    double up = bpr_loss(p, q_i, 0.3 + 1e-5, q_j, -0.2);
    double down = bpr_loss(p, q_i, 0.3 - 1e-5, q_j, -0.2);
    assert_true(fabs((double)d - (up - down) / 2e-5) < 1e-5);
    /* Third derivative below 0.1 times |row|^3: the error of the difference is below 0.1 * 8 * step^2 / 6 = 2e-6; floats add as much. */
    for (int f = 0; f < 16; f++) {
        assert_true(fabs((double)g_p[f] - slope(&p[f], p, q_i, q_j)) < 1e-5);
        assert_true(fabs((double)g_i[f] - slope(&q_i[f], p, q_i, q_j)) < 1e-5);
        assert_true(fabs((double)g_i[f] + slope(&q_j[f], p, q_i, q_j)) < 1e-5);
    }
}

static void bpr_never_pushes_down_what_the_user_has_met(void **state)
{
    (void)state;
    struct baseline *b = opened("bpr", SEED);
    uint8_t met[3] = {0};
    float before[3], after[3];
    for (uint32_t i = 0; i < 2; i++)
        baseline_learn(b, 0, i);
    baseline_score(b, 1, 3, met, UINT32_MAX, before);
    baseline_learn(b, 0, 2); /* 0 and 1 are met: there is nothing to compare with */
    baseline_score(b, 1, 3, met, UINT32_MAX, after);
    assert_memory_equal(before, after, sizeof before);
    baseline_learn(b, 1, 2); /* for user 1 there is */
    baseline_score(b, 1, 3, met, UINT32_MAX, after);
    assert_true(after[2] > before[2] && after[0] < before[0] && after[1] < before[1]);
    baseline_close(b);
}

static void a_row_does_not_depend_on_when_it_was_asked_for(void **state)
{
    (void)state;
    struct evaluate_rows a = {.k = 16, .sd = 1, .seed = 5, .table = 1}, b = a;
    evaluate_rows_reach(&a, 40);
    for (uint32_t n = 1; n <= 40; n++)
        evaluate_rows_reach(&b, n);
    evaluate_rows_reach(&b, 3);
    assert_int_equal(b.n, 40);
    assert_memory_equal(a.at, b.at, sizeof(float) * 40 * (16 + EVALUATE_EXTRA));
    assert_true(evaluate_row(&a, 3)[0] != evaluate_row(&a, 4)[0]);
    assert_true(evaluate_row(&a, 3)[16] == 0);
    evaluate_rows_release(&a);
    evaluate_rows_release(&b);
}

static void bpr_moves_the_biases_apart(void **state)
{
    (void)state;
    /* Each of two items is chosen against the other by nobody: 0 is always chosen, 1 never. A user who never came has a row near no
     * other, so over many of them what the scores of 0 and 1 differ by is their biases. */
    struct baseline *b = opened("bpr", SEED);
    uint8_t met[3] = {0};
    float scores[3];
    double zero = 0, one = 0, two = 0;
    baseline_learn(b, 500, 2);
    for (uint32_t u = 0; u < 50; u++)
        baseline_learn(b, u, 0);
    for (uint32_t u = 1000; u < 1400; u++) {
        baseline_score(b, u, 3, met, UINT32_MAX, scores);
        zero += (double)scores[0] / 400;
        one += (double)scores[1] / 400;
        two += (double)scores[2] / 400;
    }
    assert_true(zero > 0.3 && one < -0.3 && two < -0.3);
    baseline_close(b);
}

static void isgd_takes_the_published_step(void **state)
{
    (void)state;
    /* There is no door to the method's rows: tables of the same seed give those before, scores tell of those after. */
    struct baseline_config cfg = {
        .name = "isgd", .k = 16, .learning_rate = 0.3, .l2 = 0.05, .seed = 9};
    struct evaluate_rows users = {.k = 16, .sd = 0.1, .seed = 9, .table = 1};
    struct evaluate_rows items = {.k = 16, .sd = 0.1, .seed = 9, .table = 2};
    struct baseline *b;
    struct zl_error err;
    uint8_t met[3] = {0};
    float scores[3];
    assert_int_equal(baseline_open(&cfg, &b, &err), ZL_OK);
    evaluate_rows_reach(&users, 2);
    evaluate_rows_reach(&items, 3);
    double pq = 0, after = 0, other = 0;
    for (int f = 0; f < 16; f++)
        pq += (double)evaluate_row(&users, 1)[f] * (double)evaluate_row(&items, 2)[f];
    for (int f = 0; f < 16; f++) {
        double p = (double)evaluate_row(&users, 1)[f], q = (double)evaluate_row(&items, 2)[f];
        double moved_p = p + 0.3 * ((1 - pq) * q - 0.05 * p);
        double moved_q = q + 0.3 * ((1 - pq) * moved_p - 0.05 * q);
        after += moved_p * moved_q;
        other += moved_p * (double)evaluate_row(&items, 0)[f];
    }
    baseline_learn(b, 1, 2);
    baseline_score(b, 1, 3, met, UINT32_MAX, scores);
    assert_true(fabs((double)scores[2] + fabs(1 - after)) < 1e-6);
    assert_true(fabs((double)scores[0] + fabs(1 - other)) < 1e-6);
    baseline_close(b);
    evaluate_rows_release(&users);
    evaluate_rows_release(&items);
}

static double right_side_first(const char *name)
{
    static struct pair pairs[N_USERS * 20];
    int n = made_up_log(pairs, SEED), right = 0, asked = 0;
    struct baseline *b = opened(name, SEED);
    uint8_t met[N_ITEMS];
    float scores[N_ITEMS];
    feed(b, pairs, n);
    for (uint32_t u = 0; u < N_USERS; u++) {
        met_of(pairs, n, u, met);
        baseline_score(b, u, N_ITEMS, met, UINT32_MAX, scores);
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < N_ITEMS; i++)
            if (!met[i] && (best == UINT32_MAX || scores[i] > scores[best]))
                best = i;
        right += best % 2 == u % 2;
        asked++;
    }
    baseline_close(b);
    return (double)right / asked;
}

static void methods_with_factors_tell_two_groups_apart(void **state)
{
    (void)state;
    /* By chance half are right. */
    assert_true(right_side_first("bpr") > 0.9);
    assert_true(right_side_first("ials") == 1);
    assert_true(right_side_first("ials+popularity") == 1);
    assert_true(right_side_first("popularity") < 0.7);
}

/* ---- solving ---- */

#define K 32

/* max |A x - b| over max |b| where A was made of n outer products, lambda on the diagonal. */
static double residual(struct rng *rng, int n, double lambda)
{
    static float a[K * K];
    static double full[K][K];
    float b[K], x[K];
    memset(a, 0, sizeof a);
    memset(full, 0, sizeof full);
    for (int y = 0; y < n; y++) {
        float v[K], weight = (float)(0.1 + rng_uniform(rng));
        for (int f = 0; f < K; f++)
            v[f] = (float)rng_normal(rng);
        evaluate_solve_add(a, weight, v, K);
        for (int i = 0; i < K; i++)
            for (int j = 0; j < K; j++)
                full[i][j] += (double)weight * (double)v[i] * (double)v[j];
    }
    for (int i = 0; i < K; i++) {
        a[i * K + i] += (float)lambda;
        full[i][i] += lambda;
        x[i] = b[i] = (float)rng_normal(rng);
        for (int j = 0; j < i; j++)
            a[i * K + j] = NAN; /* what lies left of the diagonal is never read */
    }
    evaluate_solve(a, x, K);
    double worst = 0, most = 0;
    for (int i = 0; i < K; i++) {
        double sum = 0;
        for (int j = 0; j < K; j++)
            sum += full[i][j] * (double)x[j];
        worst = fmax(worst, fabs(sum - (double)b[i]));
        most = fmax(most, fabs((double)b[i]));
    }
    return worst / most;
}

static void a_solved_system_has_no_residual(void **state)
{
    (void)state;
    struct rng rng = rng_at(SEED, 3, 0, 0);
    /* Floats: 2^-24 times K times a condition number below 40 in the first, 200 in the second. */
    for (int run = 0; run < 20; run++) {
        assert_true(residual(&rng, 200, 1) < 2e-5);
        assert_true(residual(&rng, 3, 1) < 2e-5);
    }
}

/* ---- iALS ---- */

static struct evaluate_ials *trained(const struct pair *pairs, int n, int64_t window)
{
    struct baseline_config cfg = {
        .k = 16, .every = 1000000, .window = window, .l2 = 0.02, .seed = SEED};
    struct evaluate_ials *a = evaluate_ials_open(&cfg);
    for (int x = 0; x < n; x++)
        evaluate_ials_learn(a, pairs[x].user, pairs[x].item);
    evaluate_ials_train(a);
    return a;
}

/* max over f of |(alpha0 sum_j v_j v_j^T + sum_x w_x v_x v_x^T + lambda I) z - sum_x w_x v_x|_f, all in double. */
static double normal_residual(const struct evaluate_rows *rows, const float *z,
                              const uint32_t *chosen, const double *weights, int n, double lambda)
{
    double r[16];
    for (int f = 0; f < 16; f++)
        r[f] = lambda * (double)z[f];
    for (uint32_t j = 0; j < rows->n; j++) {
        const float *v = evaluate_row(rows, j);
        double vz = 0, weight = 0;
        for (int x = 0; x < n; x++)
            weight += chosen[x] == j ? weights[x] : 0;
        for (int f = 0; f < 16; f++)
            vz += (double)v[f] * (double)z[f];
        for (int f = 0; f < 16; f++)
            r[f] += (double)v[f] * ((0.3 + weight) * vz - weight);
    }
    double worst = 0;
    for (int f = 0; f < 16; f++)
        worst = fmax(worst, fabs(r[f]));
    return worst;
}

static void trained_items_solve_their_normal_equations(void **state)
{
    (void)state;
    static struct pair pairs[N_USERS * 20];
    int n = made_up_log(pairs, SEED);
    const int window = 300;
    struct evaluate_ials *a = trained(pairs, n, window);
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        uint32_t users[N_USERS];
        double ones[N_USERS];
        int m = 0;
        for (int x = n - window; x < n; x++)
            if (pairs[x].item == i) {
                ones[m] = 1;
                users[m++] = pairs[x].user;
            }
        const float *row = evaluate_row(&a->items, i);
        if (m == 0) {
            assert_true(row[0] == 0 && row[15] == 0);
            continue;
        }
        assert_true(fabsf(row[0]) > 1e-4f);
        double lambda = 0.02 * (m + 0.3 * N_USERS);
        assert_true(normal_residual(&a->users, row, users, ones, m, lambda) < 1e-5);
    }
    evaluate_ials_close(a);
}

static double loss_of(const struct evaluate_ials *a, const struct pair *pairs, int n)
{
    double loss = 0, norm;
    int n_user[N_USERS] = {0}, n_item[N_ITEMS] = {0};
    for (int x = 0; x < n; x++) {
        n_user[pairs[x].user]++;
        n_item[pairs[x].item]++;
    }
    for (uint32_t u = 0; u < N_USERS; u++)
        for (uint32_t i = 0; i < N_ITEMS; i++) {
            double y = 0;
            for (int f = 0; f < 16; f++)
                y += (double)evaluate_row(&a->users, u)[f] * (double)evaluate_row(&a->items, i)[f];
            loss += 0.3 * y * y;
            for (int x = 0; x < n; x++)
                loss += pairs[x].user == u && pairs[x].item == i ? (y - 1) * (y - 1) : 0;
        }
    for (uint32_t u = 0; u < N_USERS; u++) {
        norm = 0;
        for (int f = 0; f < 16; f++)
            norm += pow((double)evaluate_row(&a->users, u)[f], 2);
        loss += 0.02 * (n_user[u] + 0.3 * N_ITEMS) * norm;
    }
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        norm = 0;
        for (int f = 0; f < 16; f++)
            norm += pow((double)evaluate_row(&a->items, i)[f], 2);
        loss += 0.02 * (n_item[i] + 0.3 * N_USERS) * norm;
    }
    return loss;
}

static void training_again_only_lowers_the_loss(void **state)
{
    (void)state;
    static struct pair pairs[N_USERS * 20];
    int n = made_up_log(pairs, SEED);
    struct evaluate_ials *a = trained(pairs, n, 0);
    double before = loss_of(a, pairs, n);
    assert_true(before < n); /* that of all zeros */
    for (int again = 0; again < 3; again++) {
        evaluate_ials_train(a);
        double after = loss_of(a, pairs, n);
        assert_true(after <= before * (1 + 1e-6)); /* rounding of float rows */
        before = after;
    }
    evaluate_ials_close(a);
}

static void a_fold_in_solves_its_weighted_equations_and_gives_the_scores(void **state)
{
    (void)state;
    static struct pair pairs[N_USERS * 20];
    int n = made_up_log(pairs, SEED);
    struct evaluate_ials *a = trained(pairs, n, 0);
    evaluate_ials_learn(
        a, 4, N_ITEMS + 2); /* newer than the training: has no row, pushes the others back */
    for (uint32_t u = 0; u < N_USERS; u++) {
        struct evaluate_history h = evaluate_histories_of(&a->histories, u);
        double weights[32];
        float scores[N_ITEMS + 5];
        for (uint32_t x = 0; x < h.n; x++)
            weights[x] = exp2(-(double)(h.n - 1 - x) / 4);
        const float *z = evaluate_ials_fold(a, u);
        double lambda = 0.02 * (h.n + 0.3 * (N_ITEMS + 3));
        assert_true(normal_residual(&a->items, z, h.items, weights, (int)h.n, lambda) < 1e-5);
        evaluate_ials_score(a, u, N_ITEMS + 5, scores);
        for (uint32_t i = 0; i < N_ITEMS; i++) {
            double y = 0;
            for (int f = 0; f < 16; f++)
                y += (double)z[f] * (double)evaluate_row(&a->items, i)[f];
            assert_true(fabs((double)scores[i] - y) < 1e-5);
        }
        assert_true(scores[N_ITEMS + 2] == 0 && scores[N_ITEMS + 4] == 0);
    }
    assert_null(evaluate_ials_fold(a, N_USERS + 100));
    evaluate_ials_close(a);
}

static void the_anchor_trains_on_schedule(void **state)
{
    (void)state;
    struct baseline_config cfg = {.k = 16, .every = 700, .l2 = 0.01, .seed = 1};
    struct evaluate_ials *a = evaluate_ials_open(&cfg);
    for (int64_t x = 1; x <= 2000; x++) {
        evaluate_ials_learn(a, (uint32_t)(x % 37), (uint32_t)(x % 41));
        int64_t expected = x < 500 ? 0 : x < 1200 ? 500 : x < 1900 ? 1200 : 1900;
        assert_int_equal(a->trained, expected);
    }
    evaluate_ials_close(a);
}

static void a_window_forgets_what_is_older(void **state)
{
    (void)state;
    struct baseline_config cfg = {.k = 16, .every = 50, .window = 60, .l2 = 0.01, .seed = 1};
    struct evaluate_ials *a = evaluate_ials_open(&cfg);
    for (uint32_t x = 0; x < 440; x++)
        evaluate_ials_learn(a, x % 7, x % 5);
    for (uint32_t x = 0; x < 60; x++)
        evaluate_ials_learn(a, x % 7, 5 + x % 5);
    assert_int_equal(a->trained, 500);
    for (uint32_t i = 0; i < 10; i++)
        assert_true((evaluate_row(&a->items, i)[0] != 0) == (i >= 5));
    assert_true(a->n_log <= 120);
    evaluate_ials_close(a);
}

/* ---- the mix ---- */

#define PARTS 6

/* What anchor B is made of, slowly: features of item i after these positives, from the definitions. */
static void slow_features(const struct pair *pairs, int n, const float *ials, double f[][PARTS])
{
    static const double half_lives[3] = {20000, 2000, 300};
    double mean = 0, variance = 0;
    for (int i = 0; i < N_ITEMS; i++)
        mean += (double)ials[i] / N_ITEMS;
    for (int i = 0; i < N_ITEMS; i++)
        variance += pow((double)ials[i] - mean, 2) / N_ITEMS;
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        int first = -1, last = -1;
        f[i][0] = ((double)ials[i] - mean) / sqrt(variance);
        for (int h = 0; h < 3; h++) {
            double count = 0, total = 0;
            for (int x = 0; x < n; x++) {
                total += exp2((x - n) / half_lives[h]);
                count += pairs[x].item == i ? exp2((x - n) / half_lives[h]) : 0;
            }
            f[i][1 + h] = log(1.0 / N_ITEMS + count / total);
        }
        for (int x = 0; x < n; x++)
            if (pairs[x].item == i) {
                first = first < 0 ? x : first;
                last = x;
            }
        f[i][4] = first < 0 ? 0 : 0.3 * log(1 + n - first);
        f[i][5] = last < 0 ? 0 : 0.3 * log(1 + n - last);
    }
}

static void slow_scores(double f[][PARTS], const double w[PARTS], double scores[N_ITEMS])
{
    for (int i = 0; i < N_ITEMS; i++) {
        scores[i] = 0;
        for (int k = 0; k < PARTS; k++)
            scores[i] += w[k] * f[i][k];
    }
}

/* The first step of the weights: the sums of squares hold nothing else yet. */
static void slow_step(double f[][PARTS], const uint8_t *met, uint32_t chosen, double w[PARTS])
{
    double scores[N_ITEMS], mean[PARTS] = {0}, total = 0;
    slow_scores(f, w, scores);
    for (int i = 0; i < N_ITEMS; i++) {
        double p = met[i] ? 0 : exp(scores[i]);
        total += p;
        for (int k = 0; k < PARTS; k++)
            mean[k] += p * f[i][k];
    }
    for (int k = 0; k < PARTS; k++) {
        double g = mean[k] / total - f[chosen][k];
        w[k] -= 0.15 * g / sqrt(g * g + 1);
    }
}

static void scores_are_near(const float *scores, const double *slow)
{
    for (int i = 0; i < N_ITEMS; i++) /* logs of floats: 2e-7 of about 5, six of them */
        assert_true(fabs((double)scores[i] - slow[i]) < 2e-5);
}

static void anchor_b_is_the_mix_of_its_parts_and_takes_the_mixers_step(void **state)
{
    (void)state;
    static struct pair pairs[N_USERS * 20];
    double w[PARTS] = {0.5, 0.2, 0.2, 0.1, 0, 0};
    static double f[N_ITEMS][PARTS];
    double slow[N_ITEMS];
    float scores[N_ITEMS], ials[N_ITEMS];
    uint8_t met[N_ITEMS];
    int n = made_up_log(pairs, SEED);
    for (int x = 0; x < n; x++) /* item 59 never came */
        pairs[x].item = pairs[x].item == 59 ? 57 : pairs[x].item;
    struct baseline *b = opened("ials+popularity", SEED), *twin = opened("ials", SEED);
    feed(b, pairs, n);
    feed(twin, pairs, n);
    met_of(pairs, n, 3, met);
    baseline_score(twin, 3, N_ITEMS, met, UINT32_MAX, ials);
    slow_features(pairs, n, ials, f);
    slow_scores(f, w, slow);
    baseline_score(b, 3, N_ITEMS, met, 59, scores);
    scores_are_near(scores, slow);
    slow_step(f, met, 59, w);
    slow_scores(f, w, slow);
    baseline_score(b, 3, N_ITEMS, met, UINT32_MAX, scores);
    scores_are_near(scores, slow);
    baseline_close(b);
    baseline_close(twin);
}

/* Hits of a stream in which whatever was popular just now comes next, in all buckets of history. */
static int hits(bool learn)
{
    struct baseline *b = opened("ials+popularity", 3);
    struct rng rng = rng_at(SEED, 5, 0, 0);
    int n_hits = 0;
    uint8_t met[N_ITEMS] = {0};
    float scores[N_ITEMS];
    for (uint32_t x = 0; x < 3000; x++) {
        /* One item of 60 at a time is in fashion, for 50 events; one event in two is noise. */
        uint32_t item = rng_below(&rng, 2) ? (x / 50 * 37) % N_ITEMS : rng_below(&rng, N_ITEMS);
        uint32_t best = 0;
        baseline_score(b, x, N_ITEMS, met, learn ? item : UINT32_MAX, scores);
        for (uint32_t i = 0; i < N_ITEMS; i++)
            best = scores[i] > scores[best] ? i : best;
        n_hits += x >= 1000 && best == item;
        baseline_learn(b, x, item);
    }
    baseline_close(b);
    return n_hits;
}

static void the_mixer_learns_what_to_believe(void **state)
{
    (void)state;
    assert_true(hits(true) > hits(false) * 6 / 5);
}

static void a_next_item_that_was_met_or_is_unknown_teaches_nothing(void **state)
{
    (void)state;
    static struct pair pairs[N_USERS * 20];
    int n = made_up_log(pairs, SEED);
    struct baseline *b = opened("ials+popularity", 3);
    feed(b, pairs, n);
    uint8_t met[N_ITEMS] = {0};
    float before[N_ITEMS], after[N_ITEMS];
    met[8] = 1;
    baseline_score(b, 1, N_ITEMS, met, UINT32_MAX, before);
    baseline_score(b, 1, N_ITEMS, met, N_ITEMS, after);
    baseline_score(b, 1, N_ITEMS, met, 8, after);
    baseline_score(b, 1, N_ITEMS, met, 9, after);
    assert_memory_equal(before, after, sizeof before);
    baseline_score(b, 1, N_ITEMS, met, UINT32_MAX, after);
    assert_true(memcmp(before, after, sizeof before) != 0); /* 9 was neither: now it moved */
    baseline_close(b);
}

int main(void)
{
    printf("SEED %d\n", SEED);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_name_is_refused_and_the_known_ones_are_named),
        cmocka_unit_test(every_baseline_gives_the_same_finite_scores_again),
        cmocka_unit_test(every_baseline_scores_before_it_has_learned),
        cmocka_unit_test(another_seed_gives_other_factors),
        cmocka_unit_test(a_decayed_count_is_the_sum_over_its_events),
        cmocka_unit_test(all_time_popularity_counts_and_decayed_forgets),
        cmocka_unit_test(the_gradient_of_bpr_is_that_of_finite_differences),
        cmocka_unit_test(bpr_never_pushes_down_what_the_user_has_met),
        cmocka_unit_test(a_row_does_not_depend_on_when_it_was_asked_for),
        cmocka_unit_test(bpr_moves_the_biases_apart),
        cmocka_unit_test(isgd_takes_the_published_step),
        cmocka_unit_test(methods_with_factors_tell_two_groups_apart),
        cmocka_unit_test(a_solved_system_has_no_residual),
        cmocka_unit_test(trained_items_solve_their_normal_equations),
        cmocka_unit_test(training_again_only_lowers_the_loss),
        cmocka_unit_test(a_fold_in_solves_its_weighted_equations_and_gives_the_scores),
        cmocka_unit_test(the_anchor_trains_on_schedule),
        cmocka_unit_test(a_window_forgets_what_is_older),
        cmocka_unit_test(anchor_b_is_the_mix_of_its_parts_and_takes_the_mixers_step),
        cmocka_unit_test(the_mixer_learns_what_to_believe),
        cmocka_unit_test(a_next_item_that_was_met_or_is_unknown_teaches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
