/* Stands for src/app/evaluate.c, evaluate_compare.c and the names of evaluate_rivals.c: sums against hand-made records. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/evaluate_priv.h"
#include "app/evaluate_rivals.h"
#include "app/progress.h"
#include "base/check.h"
#include "base/rng.h"

/* A record a rank; users take turns. */
static struct evaluate *records(const float *ranks, int n, uint32_t n_users)
{
    struct evaluate *e = evaluate_open(RANK_TOP);
    e->records = xcalloc((size_t)n, sizeof *e->records);
    for (int i = 0; i < n; i++) {
        struct evaluate_record *r = &e->records[e->n++];
        r->at = (uint64_t)i;
        r->user = (uint32_t)i % n_users;
        r->frozen = -1;
        r->ranks[RANK_MIX] = ranks[i];
        r->ranks[RANK_CORE] = 11;
    }
    return e;
}

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-9)

static void a_hit_is_among_the_first_n_asked_for(void **state)
{
    (void)state;
    static const float ranks[] = {1, 10.5F, 11, 60, 0};
    static const struct {
        int top, hits;
    } cases[] = {{1, 1}, {10, 1}, {11, 3}, {60, 4}, {100, 4}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct evaluate *e = records(ranks, 5, 5);
        struct evaluate *none = records((const float[]){0, 0, 0, 0, 0}, 5, 5);
        struct evaluate_result r;
        struct evaluate_comparison pair;
        struct zl_error err;
        e->top = none->top = cases[c].top;
        evaluate_summarise(e, 10, &r);
        NEAR(r.overall.hr, cases[c].hits / 5.0);
        NEAR(r.windows[2].hr, cases[c].top >= 11); /* the second record of five */
        assert_int_equal(evaluate_compare(&e, &none, 1, &pair, &err), ZL_OK);
        NEAR(pair.only_a, cases[c].hits);
        evaluate_close(e);
        evaluate_close(none);
    }
}

static void the_figures_are_those_of_the_page(void **state)
{
    (void)state;
    static const float ranks[] = {1, 3, 10, 11, 0};
    struct evaluate *e = records(ranks, 5, 5);
    struct evaluate_result r;
    e->records[0].length = 2;
    e->records[1].ranks[RANK_COOCCUR] = 2;
    evaluate_summarise(e, 10, &r);
    NEAR(r.overall.n, 5);
    NEAR(r.overall.hr, 3 / 5.0);
    NEAR(r.overall.ndcg, (1 + 1 / log2(4) + 1 / log2(11)) / 5);
    NEAR(r.overall.mrr, (1 + 1 / 3.0 + 1 / 10.0 + 1 / 11.0) / 5);
    NEAR(r.parts[RANK_CORE].hr, 0);
    NEAR(r.by_history[2].n, 1);
    NEAR(r.by_history[2].hr, 1);
    NEAR(r.by_history[0].hr, 2 / 4.0);
    NEAR(r.parts_by_history[0 * RANK_N_PARTS + RANK_MIX].hr, 2 / 4.0);
    NEAR(r.parts_by_history[2 * RANK_N_PARTS + RANK_CORE].n, 1);
    NEAR(r.parts_by_history[2 * RANK_N_PARTS + RANK_CORE].hr, 0);
    NEAR(r.parts_by_history[0 * RANK_N_PARTS + RANK_COOCCUR].hr, 1 / 4.0);
    NEAR(r.frozen.n, 0); /* nobody asked */
    NEAR(r.windows[0].hr, 1);
    NEAR(r.windows[8].hr, 0);
    evaluate_close(e);
}

static void the_mean_is_that_of_each_figure_and_the_spread_a_deviation(void **state)
{
    (void)state;
    struct evaluate_result runs[2] = {{.overall = {100, 0.2, 0.1, 0.3}, .cold_auc = 0.6},
                                      {.overall = {100, 0.3, 0.2, 0.4}, .cold_auc = 0.7}},
                           mean;
    runs[0].windows[9].hr = 0.5;
    evaluate_mean(runs, 2, &mean);
    NEAR(mean.overall.n, 100);
    NEAR(mean.overall.hr, 0.25);
    NEAR(mean.overall.mrr, 0.35);
    NEAR(mean.cold_auc, 0.65);
    NEAR(mean.windows[9].hr, 0.25);
    NEAR(evaluate_spread(runs, 2), sqrt(2 * 0.05 * 0.05));
    NEAR(evaluate_spread(runs, 1), 0);
}

static void a_run_against_itself_differs_in_nothing(void **state)
{
    (void)state;
    static const float ranks[] = {1, 3, 10, 11, 0, 20, 2};
    struct evaluate *a = records(ranks, 7, 3);
    struct evaluate_comparison c;
    struct zl_error err;
    assert_int_equal(evaluate_compare(&a, &a, 1, &c, &err), ZL_OK);
    assert_true(c.only_a == 0 && c.only_b == 0 && c.p == 1);
    assert_true(c.difference == 0 && c.low == 0 && c.high == 0);
    evaluate_close(a);
}

static void other_events_cannot_be_paired(void **state)
{
    (void)state;
    static const float ranks[] = {1, 3, 10, 11};
    struct evaluate *a = records(ranks, 4, 3), *b = records(ranks, 3, 3), *c = records(ranks, 4, 2);
    struct evaluate_comparison out;
    struct zl_error err;
    assert_int_equal(evaluate_compare(&a, &b, 1, &out, &err), ZL_EBADDATA);
    assert_int_equal(evaluate_compare(&a, &c, 1, &out, &err), ZL_EBADDATA);
    evaluate_close(a);
    evaluate_close(b);
    evaluate_close(c);
}

#define MANY 4000

/* a hits with chance p_a, b with p_b, independently. */
static void chance_pair(uint64_t seed, double p_a, double p_b, uint32_t n_users,
                        struct evaluate **a, struct evaluate **b)
{
    static float ranks_a[MANY], ranks_b[MANY];
    struct rng rng = rng_at(seed, 0, 0, 0);
    for (int i = 0; i < MANY; i++) {
        ranks_a[i] = rng_uniform(&rng) < p_a ? 5 : 50;
        ranks_b[i] = rng_uniform(&rng) < p_b ? 5 : 50;
    }
    *a = records(ranks_a, MANY, n_users);
    *b = records(ranks_b, MANY, n_users);
}

static void the_interval_covers_the_true_difference_and_is_as_wide_as_theory(void **state)
{
    (void)state;
    int covered = 0;
    double width = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct evaluate *a, *b;
        struct evaluate_comparison c;
        struct zl_error err;
        chance_pair(seed, 0.25, 0.20, 500, &a, &b);
        assert_int_equal(evaluate_compare(&a, &b, 1, &c, &err), ZL_OK);
        covered += c.low <= 0.05 && 0.05 <= c.high;
        width += (c.high - c.low) / 40;
        evaluate_close(a);
        evaluate_close(b);
    }
    double sd = sqrt((0.25 * 0.75 + 0.2 * 0.8) / MANY); /* of a difference of independent hits */
    assert_true(covered >= 35);                         /* 38 expected; 35 or more of 40: 0.95 */
    assert_true(fabs(width / (2 * 1.96 * sd) - 1) < 0.1);
}

static void mcnemar_is_the_formula(void **state)
{
    (void)state;
    struct evaluate *a, *b;
    struct evaluate_comparison c;
    struct zl_error err;
    chance_pair(7, 0.25, 0.24, 500, &a, &b);
    assert_int_equal(evaluate_compare(&a, &b, 1, &c, &err), ZL_OK);
    NEAR(c.difference, (c.only_a - c.only_b) / MANY);
    double z = fmax(fabs(c.only_a - c.only_b) - 1, 0) / sqrt(c.only_a + c.only_b);
    NEAR(c.p, erfc(z / sqrt(2)));
    evaluate_close(a);
    evaluate_close(b);
}

static void users_alike_in_all_their_events_widen_the_interval(void **state)
{
    (void)state;
    static float ranks_a[MANY], ranks_b[MANY];
    struct evaluate_comparison alone, alike;
    struct zl_error err;
    for (int i = 0; i < MANY; i++) {
        ranks_a[i] = i % 40 < 10 ? 5 : 50; /* of 40 users ten have only hits */
        ranks_b[i] = 50;
    }
    for (int users = 40; users <= MANY; users *= 100) {
        struct evaluate *a = records(ranks_a, MANY, (uint32_t)users),
                        *b = records(ranks_b, MANY, (uint32_t)users);
        assert_int_equal(evaluate_compare(&a, &b, 1, users == 40 ? &alike : &alone, &err), ZL_OK);
        evaluate_close(a);
        evaluate_close(b);
    }
    assert_true(alike.difference == alone.difference);
    assert_true(alike.high - alike.low > 5 * (alone.high - alone.low)); /* root of 100 is 10 */
}

static void names_of_baselines_are_a_list(void **state)
{
    (void)state;
    struct evaluate_rival_names names;
    struct zl_error err;
    assert_int_equal(evaluate_rivals_parse(NULL, &names, &err), ZL_OK);
    assert_int_equal(names.n, 0);
    assert_int_equal(evaluate_rivals_parse("ials,ials+popularity,popularity", &names, &err), ZL_OK);
    assert_int_equal(names.n, 3);
    assert_string_equal(names.names[1], "ials+popularity");
    static const char *const wrong[] = {"", "ials,", "ials,,bpr", "ials,ials", "ial", "svd"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(evaluate_rivals_parse(wrong[i], &names, &err), ZL_EUSAGE);
}

static void progress_says_rate_and_time_left(void **state)
{
    (void)state;
    char line[160];
    struct progress p = {.name = "evaluate", .done = 2500, .total = 10000};
    progress_line(&p, 5, false, line, sizeof line);
    assert_string_equal(line, "evaluate: 25 % of 10000 events, 500/s, 15 s left");
    progress_line(&p, 5, true, line, sizeof line);
    assert_non_null(strstr(line, "######.................."));
    p.total = 0;
    progress_line(&p, 5, true, line, sizeof line);
    assert_string_equal(line, "evaluate: 2500 events, 500/s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hit_is_among_the_first_n_asked_for),
        cmocka_unit_test(the_figures_are_those_of_the_page),
        cmocka_unit_test(the_mean_is_that_of_each_figure_and_the_spread_a_deviation),
        cmocka_unit_test(a_run_against_itself_differs_in_nothing),
        cmocka_unit_test(other_events_cannot_be_paired),
        cmocka_unit_test(the_interval_covers_the_true_difference_and_is_as_wide_as_theory),
        cmocka_unit_test(mcnemar_is_the_formula),
        cmocka_unit_test(users_alike_in_all_their_events_widen_the_interval),
        cmocka_unit_test(names_of_baselines_are_a_list),
        cmocka_unit_test(progress_says_rate_and_time_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
