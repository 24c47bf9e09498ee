/* Stands for src/model/choice.c: what a watch has to be worth to be learned from, and what is kept of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/model_priv.h"
#include "support/small_model.h"

static struct model *open_model(double least, double most)
{
    struct model_config cfg = small_model_config(8, 64, 16, 7);
    small_model_forgets(&cfg, 100, 10, 5);
    cfg.history = 8;
    cfg.window = 64;
    cfg.watch_least = least;
    cfg.watch_most = most;
    struct model *m;
    struct zl_error err;
    assert_int_equal(model_open(&cfg, &m, &err), ZL_OK);
    return m;
}

static struct zl_event event(enum zl_event_type type, uint32_t item, int64_t reward_micro)
{
    static int64_t offset;
    offset++;
    return (struct zl_event){.from = {.offset = offset},
                             .type = type,
                             .item = item,
                             .course = ZL_NO_INDEX,
                             .outcome = ZL_COUNTED,
                             .weight = 1,
                             .at_ms = 1000 + offset,
                             .reward_micro = reward_micro};
}

static enum zl_outcome give(struct model *m, struct zl_event ev)
{
    model_batch(m, &ev, 1, NULL, NULL);
    return ev.outcome;
}

static int64_t worth(const struct model *m, enum zl_event_type type, int64_t reward_micro)
{
    struct zl_event ev = event(type, 0, reward_micro);
    return model_choice(m, &ev);
}

static void what_is_above_the_floor_is_stretched_and_the_most_stays(void **state)
{
    (void)state;
    struct model *m = open_model(0.5, 2); /* a floor of 1/4, a watch of weight 2 */
    assert_int_equal(worth(m, ZL_WATCH, 400000), 0);
    assert_int_equal(worth(m, ZL_WATCH, 500000), 0);
    assert_in_range(worth(m, ZL_WATCH, 500010), 1, 20);
    assert_int_equal(worth(m, ZL_WATCH, 1250000), 1000000);
    assert_int_equal(worth(m, ZL_WATCH, 2000000), 2000000);
    assert_int_equal(worth(m, ZL_WATCH, 3000000), 3000000);
    assert_int_equal(worth(m, ZL_LIKE, 400000), 400000);
    model_close(m);
}

static void without_a_floor_each_watch_counts_as_it_is(void **state)
{
    (void)state;
    struct model *m = open_model(0, 1);
    assert_int_equal(worth(m, ZL_WATCH, 1), 1);
    assert_int_equal(worth(m, ZL_WATCH, 700000), 700000);
    assert_int_equal(worth(m, ZL_IMPRESSION, 0), 0);
    model_close(m);
}

static void a_watch_below_the_floor_teaches_only_that_the_item_was_met(void **state)
{
    (void)state;
    struct model *m = open_model(0.3, 1);
    uint32_t n, from;
    give(m, event(ZL_LIKE, 1, 1000000));
    assert_int_equal(give(m, event(ZL_WATCH, 2, 290000)), ZL_COUNTED);
    assert_int_equal(model_positives(m), 1);
    assert_int_equal(model_item_positives(m, 2), 0);
    assert_int_equal(model_history_length(m, 0), 1);
    assert_int_equal(model_seen(m, 0, &n)[1], 2);
    assert_int_equal(n, 2);
    struct zl_event low = event(ZL_WATCH, 3, 290000), high = event(ZL_WATCH, 3, 310000);
    assert_false(model_similar_pair(m, &low, &from));
    assert_true(model_similar_pair(m, &high, &from));
    assert_int_equal(give(m, high), ZL_LEARNED);
    assert_int_equal(model_history_length(m, 0), 2);
    model_close(m);
}

/* The like that follows a dull beginning must still know with what chance the item was shown. */
static void a_showing_is_remembered_until_a_choice_answers_it(void **state)
{
    (void)state;
    struct model *m = open_model(0.3, 1);
    uint32_t n;
    struct zl_event shown = event(ZL_IMPRESSION, 2, 0);
    shown.propensity = 0.125;
    give(m, shown);
    give(m, event(ZL_WATCH, 2, 100000));
    const struct model_impressed *left = model_impressions(m, 0, &n);
    assert_int_equal(n, 1);
    assert_int_equal(left[0].item, 2);
    give(m, event(ZL_LIKE, 2, 1000000));
    double times, reward;
    model_explored(m, 2, &times, &reward);
    assert_true(reward > 0.9);
    model_impressions(m, 0, &n);
    assert_int_equal(n, 0);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_above_the_floor_is_stretched_and_the_most_stays),
        cmocka_unit_test(without_a_floor_each_watch_counts_as_it_is),
        cmocka_unit_test(a_watch_below_the_floor_teaches_only_that_the_item_was_met),
        cmocka_unit_test(a_showing_is_remembered_until_a_choice_answers_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
