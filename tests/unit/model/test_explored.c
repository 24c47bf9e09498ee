/* Stands for src/model/explored.c: what a showing by chance counts, what a reward adds to it, and whose does not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model_priv.h"
#include "support/small_model.h"

#define WINDOW 256
#define N_ITEMS 20

static struct model *open_model(void)
{
    struct model_config cfg = small_model_config(100, 1000, 16, 3);
    struct model *m;
    struct zl_error err;
    cfg.window = WINDOW;
    assert_int_equal(model_open(&cfg, &m, &err), ZL_OK);
    for (uint32_t i = 0; i < N_ITEMS; i++)
        model_know_item(m, i);
    return m;
}

static void assert_explored(const struct model *m, uint32_t item, double shown, double reward)
{
    double n, sum;
    model_explored(m, item, &n, &sum);
    assert_true(fabs(n - shown) < 1e-6 * (1 + shown)); /* both are kept as floats */
    assert_true(fabs(sum - reward) < 1e-6 * (1 + reward));
}

static void a_showing_takes_a_512th_of_those_before(void **state)
{
    (void)state;
    struct model *m = open_model();
    const double keep = 511.0 / 512;
    explored_note(m, 3, 1);
    explored_reward(m, 3, 0.5);
    assert_explored(m, 3, 1, 0.5);
    explored_note(m, 3, 1);
    assert_explored(m, 3, 1 + keep, 0.5 * keep);
    explored_reward(m, 3, 2);
    assert_explored(m, 3, 1 + keep, 2 + 0.5 * keep);
    assert_explored(m, 4, 0, 0);
    model_close(m);
}

static void a_showing_of_half_the_weight_counts_half(void **state)
{
    (void)state;
    struct model *m = open_model();
    explored_note(m, 3, 0.5f);
    assert_explored(m, 3, 0.5, 0);
    model_close(m);
}

static void of_an_item_without_a_row_nothing_is_known(void **state)
{
    (void)state;
    struct model *m = open_model();
    assert_explored(m, N_ITEMS, 0, 0);
    model_close(m);
}

static void the_mean_begins_at_two_tenths_and_goes_to_what_is_seen(void **state)
{
    (void)state;
    struct model *m = open_model();
    assert_true(fabs(model_explored_mean(m) - 0.2) < 1e-12);
    explored_note(m, 1, 1);
    explored_reward(m, 1, 1);
    assert_true(fabs(model_explored_mean(m) - 3.0 / 11) < 1e-12);
    for (uint32_t i = 0; i < 20000; i++) {
        explored_note(m, i % N_ITEMS, 1);
        explored_reward(m, i % N_ITEMS, 0.05);
    }
    assert_true(fabs(model_explored_mean(m) - 0.05) < 0.001);
    model_close(m);
}

static void give(struct model *m, enum zl_event_type type, uint32_t user, uint32_t item,
                 double propensity)
{
    static int64_t offset;
    struct zl_event ev = {.from = {.offset = offset++},
                          .type = type,
                          .user = user,
                          .item = item,
                          .course = ZL_NO_INDEX,
                          .outcome = ZL_COUNTED,
                          .weight = 1,
                          .at_ms = 1000 + offset,
                          .propensity = propensity,
                          .reward_micro = type == ZL_IMPRESSION ? 0 : 1000000};
    model_batch(m, &ev, 1, NULL, NULL);
}

static void only_who_was_shown_it_by_chance_tells_what_a_showing_is_worth(void **state)
{
    (void)state;
    struct model *m = open_model();
    give(m, ZL_IMPRESSION, 1, 3, 0); /* stood there for its score */
    give(m, ZL_LIKE, 1, 3, 0);
    assert_explored(m, 3, 0, 0);
    give(m, ZL_IMPRESSION, 2, 3, 0.1);
    give(m, ZL_LIKE, 3, 3, 0); /* somebody else */
    assert_explored(m, 3, 1, 0);
    give(m, ZL_LIKE, 2, 3, 0);
    assert_explored(m, 3, 1, 1);
    model_close(m);
}

static void what_is_only_tested_and_who_opted_out_teach_nothing(void **state)
{
    (void)state;
    struct model *m = open_model();
    model_set_opt_out(m, 1, true);
    give(m, ZL_IMPRESSION, 1, 3, 0.1);
    give(m, ZL_LIKE, 1, 3, 0);
    model_set_learning(m, false);
    give(m, ZL_IMPRESSION, 2, 3, 0.1);
    give(m, ZL_LIKE, 2, 3, 0);
    assert_explored(m, 3, 0, 0);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_showing_takes_a_512th_of_those_before),
        cmocka_unit_test(a_showing_of_half_the_weight_counts_half),
        cmocka_unit_test(of_an_item_without_a_row_nothing_is_known),
        cmocka_unit_test(the_mean_begins_at_two_tenths_and_goes_to_what_is_seen),
        cmocka_unit_test(only_who_was_shown_it_by_chance_tells_what_a_showing_is_worth),
        cmocka_unit_test(what_is_only_tested_and_who_opted_out_teach_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
