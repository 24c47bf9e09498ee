/* Stands for src/model/correct.c: the formulas, and what they do where the truth is known (tests/support/closed_loop.h). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/copied_rows.h"
#include "support/closed_loop.h"

static const char *const names[] = {"off", "ratio", "inverse"};

static void print_errors(uint64_t seed, int correction, const struct closed_loop_errors *e)
{
    print_message(
        "SEED %llu %-7s error of shares: users %.4f, their mean %.4f, popularity %.4f   learned",
        (unsigned long long)seed, names[correction], e->user, e->mean, e->popularity);
    for (int t = 0; t < TOPICS; t++)
        print_message(" %.3f", e->shares[t]);
    print_message("\n");
}

/* The bar: half. */
static void correction_halves_the_error_of_topic_shares(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct closed_loop_errors e[3];
        for (int c = 0; c < 3; c++) {
            closed_loop_run((enum model_correction)c, 0, seed, &e[c]);
            print_errors(seed, c, &e[c]);
        }
        assert_true(e[MODEL_CORRECT_RATIO].user < e[MODEL_CORRECT_OFF].user);
        assert_true(e[MODEL_CORRECT_RATIO].mean < e[MODEL_CORRECT_OFF].mean);
        assert_true(e[MODEL_CORRECT_INVERSE].user <= 0.5 * e[MODEL_CORRECT_OFF].user);
        assert_true(e[MODEL_CORRECT_INVERSE].mean <= 0.5 * e[MODEL_CORRECT_OFF].mean);
        assert_true(e[MODEL_CORRECT_INVERSE].popularity <= 0.5 * e[MODEL_CORRECT_OFF].popularity);
    }
}

static void live(struct model *m, int64_t from, int64_t to)
{
    for (int64_t at = from; at < to; at++) {
        double share[TOPICS];
        struct rng r = rng_at(9, 3, (uint64_t)at, 0);
        loop_true_shares(9, (uint32_t)(at % LOOP_USERS), share);
        loop_visit(m, (uint32_t)(at % LOOP_USERS), share, at, &r);
    }
}

static void without_a_propensity_correction_changes_no_bit(void **state)
{
    (void)state;
    uint64_t digests[3];
    for (int c = 0; c < 3; c++) {
        struct model *m = loop_open((enum model_correction)c, 0, 3);
        for (int i = 0; i < 3000; i++) {
            struct zl_event ev = {.from = {.offset = i},
                                  .type = ZL_LIKE,
                                  .user = (uint32_t)i % 7,
                                  .item = (uint32_t)(i * 13) % LOOP_ITEMS,
                                  .course = ZL_NO_INDEX,
                                  .outcome = ZL_COUNTED,
                                  .weight = 1,
                                  .at_ms = 1 + i * 5000,
                                  .reward_micro = 700000};
            model_batch(m, &ev, 1, NULL, NULL);
        }
        digests[c] = model_digest(m);
        model_close(m);
    }
    assert_int_equal(digests[0], digests[1]);
    assert_int_equal(digests[0], digests[2]);
}

static void corrected_learning_goes_on_from_copied_rows_to_the_same_bytes(void **state)
{
    (void)state;
    for (int c = 0; c < 3; c++) {
        struct model *a = loop_open((enum model_correction)c, 5, 4),
                     *b = loop_open((enum model_correction)c, 5, 4);
        a->cfg.baseline = b->cfg.baseline = true;
        live(a, 0, 4000);
        copy_model_rows(a, b);
        model_loaded(b);
        live(a, 4000, 6000);
        live(b, 4000, 6000);
        assert_int_equal(model_digest(a), model_digest(b));
        model_close(a);
        model_close(b);
    }
}

static void inverse_factors_are_one_on_average_and_never_above_the_cap(void **state)
{
    (void)state;
    struct model *m = loop_open(MODEL_CORRECT_INVERSE, 0, 5);
    struct rng r = {11};
    double sum = 0, most = 0;
    m->cfg.correction_cap = 4;
    for (int i = 0; i < 20000; i++) {
        correct_begin(m, 1, rng_below(&r, 100) ? 0.5 : 0.01); /* 1 / beta: 2, now and then 100 */
        sum += m->correct.factor / 20000;
        most = m->correct.factor > most ? m->correct.factor : most;
    }
    assert_true(most == 4);
    assert_true(fabs(sum - 1) < 0.02); /* of capped weights; 200 rare ones, 1/sqrt(200) of 3 % */
    correct_begin(m, 1, 0);
    assert_true(m->correct.factor == 1);
    model_close(m);
}

/* 1 / 5e-324 is infinite; 1e300 in the mean would be the end of all learning from what has a propensity. */
static void a_made_up_propensity_does_not_end_the_learning_from_others(void **state)
{
    (void)state;
    static const double made_up[] = {5e-324, 1e-300, 1e-12};
    for (int i = 0; i < 3; i++) {
        struct model *m = loop_open(MODEL_CORRECT_INVERSE, 0, 5);
        struct zl_event ev = {.item = 1, .propensity = made_up[i]};
        struct user *u = users_to_change(&m->users, 0);
        m->cfg.correction_cap = 10;
        correct_begin(m, 1, correct_propensity(u, &ev, 1));
        for (int n = 0; n < 100; n++)
            correct_begin(m, 1, 0.5);
        assert_true(m->correct.factor > 0.9 && m->correct.factor <= 1);
        model_close(m);
    }
}

static double exact_chance(const struct model *m, const float *z, uint32_t item)
{
    double total = 0, mine = 0;
    for (uint32_t j = 0; j < LOOP_ITEMS; j++) {
        double s = (double)items_learned(&m->items, j)->b;
        for (int f = 0; f < m->cfg.k; f++)
            s += (double)z[f] * (double)items_q(&m->items, j)[f];
        total += exp(s);
        mine = j == item ? exp(s) : mine;
    }
    return mine / total;
}

/* As learn_step draws and scores, for a chosen item. */
static int draw_and_score(struct model *m, const float *z, uint32_t item, struct rng *r)
{
    int n = 1;
    uint32_t in = m->window.n < m->window.size ? (uint32_t)m->window.n : m->window.size;
    m->drawn[0] = item;
    for (int i = 0; i < m->cfg.negatives; i++) {
        uint32_t j = m->window.items[rng_below(r, in)];
        if (j != item)
            m->drawn[n++] = j;
    }
    for (int i = 0; i < n; i++) {
        uint32_t j = m->drawn[i];
        m->logits[i] = items_learned(&m->items, j)->b -
                       (float)m->cfg.kappa * m->window.log_share[*items_in_window(&m->items, j)];
        for (int f = 0; f < m->cfg.k; f++)
            m->logits[i] += z[f] * items_q(&m->items, j)[f];
    }
    return n;
}

static void the_ratio_is_the_softmaxs_chance_over_the_logged_one(void **state)
{
    (void)state;
    int checked = 0;
    for (int half = 0; half < 2; half++) {
        struct model *m = loop_open(MODEL_CORRECT_RATIO, 0, 6);
        float z[MODEL_MAX_K];
        struct rng r = {12};
        m->cfg.kappa = half ? 0.5 : 1;
        m->cfg.correction_cap = 1e9;
        m->cfg.negatives = 200;
        live(m, 0, 20000);
        for (uint32_t at = 0; at < 10 * LOOP_ITEMS; at++) {
            uint32_t user = at / LOOP_ITEMS, item = at % LOOP_ITEMS;
            model_encode(m, user, z);
            double mean = 0, pi = exact_chance(m, z, item);
            if (pi < 0.01)
                continue;
            correct_begin(m, 1, 0.25);
            /* 1 / pi is what the sample estimates without bias. Its worst case is one likely item of which the window has few, say 30 of
             * 4,096: 300 draws of it in 40,000, 6 % of luck; three of those */
            for (int i = 0; i < 200; i++)
                mean += 1 / (double)correct_step(m, draw_and_score(m, z, item, &r)) / 200;
            if (fabs(mean - 0.25 / pi) > 0.18 * 0.25 / pi)
                fail_msg("user %u item %u: %.4f, not %.4f", user, item, mean, 0.25 / pi);
            m->cfg.correction_cap = 1.5; /* over 0.0001 it is cut */
            correct_begin(m, 1, 0.0001);
            assert_true(correct_step(m, draw_and_score(m, z, item, &r)) == 1.5f);
            m->cfg.correction_cap = 1e9;
            checked++;
        }
        model_close(m);
    }
    assert_true(checked > 50);
}

static void the_top_k_factor_is_its_formula(void **state)
{
    (void)state;
    struct model *m = loop_open(MODEL_CORRECT_RATIO, 0, 6);
    float z[MODEL_MAX_K];
    struct rng r = {12};
    live(m, 0, 5000);
    model_encode(m, 3, z);
    int n = draw_and_score(m, z, 8, &r);
    m->cfg.correction_cap = 1e9;
    correct_begin(m, 1, 1);
    double pi = (double)correct_step(m, n);
    m->cfg.correction = MODEL_CORRECT_OFF;
    for (int k = 1; k <= 100; k++) {
        m->cfg.correction_top_k = k;
        correct_begin(m, 1, 1);
        double expected = k * pow(1 - pi, k - 1);
        assert_true(fabs((double)correct_step(m, n) - expected) < 1e-4 * expected);
    }
    model_close(m);
}

/* Users who choose items of two kinds equally often, one kind worth 2, the other 1. Weighted likelihood has shares in proportion to the
 * weights: 2 : 1 as they are; after the mean of 1.5, 0.5 : 0.1 (a tenth of 1 stays). */
static double share_of_the_better(bool baseline)
{
    struct model *m = loop_open(MODEL_CORRECT_OFF, 0, 8);
    m->cfg.baseline = baseline;
    double share = 0, n = 0;
    struct rng r = {13};
    for (int i = 0; i < 40000; i++) {
        double looks[TOPICS] = {0};
        uint32_t better = rng_below(&r, 2);
        struct zl_event ev = {.from = {.offset = i},
                              .type = ZL_LIKE,
                              .user = (uint32_t)i % 50,
                              .item = rng_below(&r, ITEMS_A_TOPIC) + better * ITEMS_A_TOPIC,
                              .course = ZL_NO_INDEX,
                              .outcome = ZL_COUNTED,
                              .weight = 1,
                              .at_ms = 1 + (int64_t)i * 5000,
                              .reward_micro = better ? 2000000 : 1000000};
        if (i > 30000) {
            loop_add_learned(m, ev.user, looks);
            share += looks[1] / (looks[0] + looks[1]);
            n++;
        }
        model_batch(m, &ev, 1, NULL, NULL);
    }
    model_close(m);
    return share / n;
}

static void a_baseline_sharpens_what_is_worth_more(void **state)
{
    (void)state;
    double none = share_of_the_better(false), mean = share_of_the_better(true);
    print_message("share of what is worth twice: %.3f, with the mean taken off %.3f\n", none, mean);
    assert_true(fabs(none - 2.0 / 3) < 0.04); /* noise of a learner that keeps moving */
    assert_true(fabs(mean - 5.0 / 6) < 0.04);
}

static double mean_strongest(int top_k, uint64_t seed, double *user_error)
{
    struct closed_loop_errors e;
    double strongest = 0;
    closed_loop_run(MODEL_CORRECT_INVERSE, top_k, seed, &e);
    for (int t = 0; t < TOPICS; t++)
        strongest += e.strongest[t];
    *user_error = e.user;
    return strongest;
}

static void the_top_k_factor_spreads_what_is_learned(void **state)
{
    (void)state;
    double error, error_k, plain = mean_strongest(0, 2, &error),
                           wide = mean_strongest(8, 2, &error_k);
    print_message(
        "share of the users' strongest topic: %.3f, with top_k 8 %.3f (errors %.4f, %.4f)\n", plain,
        wide, error, error_k);
    assert_true(wide < plain - 0.02);
    assert_true(wide > 1.0 / TOPICS + 0.02); /* and still knows which it is */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(correction_halves_the_error_of_topic_shares),
        cmocka_unit_test(without_a_propensity_correction_changes_no_bit),
        cmocka_unit_test(corrected_learning_goes_on_from_copied_rows_to_the_same_bytes),
        cmocka_unit_test(inverse_factors_are_one_on_average_and_never_above_the_cap),
        cmocka_unit_test(a_made_up_propensity_does_not_end_the_learning_from_others),
        cmocka_unit_test(the_ratio_is_the_softmaxs_chance_over_the_logged_one),
        cmocka_unit_test(the_top_k_factor_is_its_formula),
        cmocka_unit_test(a_baseline_sharpens_what_is_worth_more),
        cmocka_unit_test(the_top_k_factor_spreads_what_is_learned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
