/* Stands for the delayed outcomes of src/model/model.c and users.c: a purchase long after the views that led to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/model.h"
#include "support/small_model.h"

#define DAY_MS (24LL * 3600 * 1000)
#define COURSE 9

static struct model *open_model(void)
{
    struct model *m;
    struct zl_error err;
    struct model_config cfg = small_model_config(10, 100, 16, 3);
    small_model_forgets(&cfg, 1000, 100, 10);
    cfg.negatives = 8;
    cfg.window = 512;
    cfg.kappa = 1;
    assert_int_equal(model_open(&cfg, &m, &err), ZL_OK);
    return m;
}

static int64_t next_offset;

static enum zl_outcome give(struct model *m, enum zl_event_type type, uint32_t item,
                            uint32_t course, int64_t at_ms, int64_t reward_micro)
{
    struct zl_event ev = {.from = {.offset = next_offset++},
                          .type = type,
                          .user = 0,
                          .item = item,
                          .course = course,
                          .outcome = ZL_COUNTED,
                          .weight = 1,
                          .at_ms = at_ms,
                          .reward_micro = reward_micro};
    model_batch(m, &ev, 1, NULL, NULL);
    return ev.outcome;
}

/* The reward that the history holds of an item; -1: it is not there. */
static int64_t credited(const struct model *m, uint32_t item)
{
    struct model_user_info u;
    model_user_info(m, 0, &u);
    for (uint32_t i = 0; i < u.n_history; i++)
        if (u.history[i].item == item)
            return u.history[i].reward_micro;
    return -1;
}

static void a_purchase_a_day_later_credits_the_last_viewed_by_recency(void **state)
{
    (void)state;
    static const int64_t share[3][3] = {
        {4000000, 0, 0}, {2666666, 1333333, 0}, {2000000, 1333333, 666666}};
    for (uint32_t n = 1; n <= 3; n++) {
        struct model *m = open_model();
        for (uint32_t i = 1; i <= n; i++)
            give(m, ZL_WATCH, i, COURSE, 1000 * i, 100000);
        give(m, ZL_WATCH, 50, 8, 5000, 100000); /* of another course */
        assert_int_equal(give(m, ZL_PURCHASE, ZL_NO_INDEX, COURSE, DAY_MS, 4000000), ZL_LEARNED);
        for (uint32_t i = 0; i < n; i++) /* a new session: the whole reward counts */
            assert_in_range(credited(m, n - i), share[n - 1][i] - 1, share[n - 1][i] + 1);
        assert_int_equal(credited(m, 50), 100000);
        model_close(m);
    }
}

static void a_purchase_that_names_its_item_credits_that_alone(void **state)
{
    (void)state;
    struct model *m = open_model();
    give(m, ZL_WATCH, 1, COURSE, 1000, 100000);
    give(m, ZL_WATCH, 2, COURSE, 2000, 100000);
    assert_int_equal(give(m, ZL_PURCHASE, 1, COURSE, DAY_MS, 4000000), ZL_LEARNED);
    assert_int_equal(credited(m, 1), 4000000);
    assert_int_equal(credited(m, 2), 100000);
    model_close(m);
}

static void views_are_credited_for_seven_days_and_no_longer(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct model *m = open_model();
        give(m, ZL_WATCH, 1, COURSE, 1000, 100000);
        enum zl_outcome outcome =
            give(m, ZL_PURCHASE, ZL_NO_INDEX, COURSE, 1000 + 7 * DAY_MS + late, 4000000);
        assert_int_equal(outcome, late ? ZL_COUNTED : ZL_LEARNED);
        assert_int_equal(credited(m, 1), late ? 100000 : 4000000);
        model_close(m);
    }
}

static void a_purchase_of_a_course_never_viewed_is_counted_only(void **state)
{
    (void)state;
    struct model *m = open_model();
    give(m, ZL_WATCH, 1, COURSE, 1000, 100000);
    assert_int_equal(give(m, ZL_PURCHASE, ZL_NO_INDEX, 7, DAY_MS, 4000000), ZL_COUNTED);
    assert_int_equal(give(m, ZL_PURCHASE, ZL_NO_INDEX, ZL_NO_INDEX, DAY_MS, 4000000), ZL_COUNTED);
    assert_int_equal(model_event_counts(m)[ZL_PURCHASE], 2);
    assert_int_equal(credited(m, 1), 100000);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_purchase_a_day_later_credits_the_last_viewed_by_recency),
        cmocka_unit_test(a_purchase_that_names_its_item_credits_that_alone),
        cmocka_unit_test(views_are_credited_for_seven_days_and_no_longer),
        cmocka_unit_test(a_purchase_of_a_course_never_viewed_is_counted_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
