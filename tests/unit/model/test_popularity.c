/* Stands for src/model/popularity.c: who is on the lists of the most popular, and who takes whose place. The clocks stand still here. */
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
#define N_ITEMS 200
#define SLOW 0

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

static void choose(struct model *m, uint32_t item, int times)
{
    for (int i = 0; i < times; i++) {
        window_push(m, item);
        popularity_add(m, item, 1);
    }
}

static bool is_popular(const struct model *m, uint32_t item)
{
    int n;
    const uint32_t *items = model_popular(m, SLOW, &n);
    for (int i = 0; i < n; i++)
        if (items[i] == item)
            return true;
    return false;
}

static void one_takes_a_place_only_with_more_choices_than_the_least(void **state)
{
    (void)state;
    struct model *m = open_model();
    int n;
    for (uint32_t i = 0; i < MODEL_POPULAR; i++)
        choose(m, i, i == 10 ? 2 : 3);
    choose(m, 100, 2);
    assert_false(is_popular(m, 100)); /* as many as the least: the lower index stays */
    choose(m, 100, 1);
    assert_true(is_popular(m, 100));
    assert_false(is_popular(m, 10));
    choose(m, 150, 4);
    assert_true(is_popular(m, 150));
    assert_false(is_popular(m, 100)); /* of equal ones the last index is the least */
    model_popular(m, SLOW, &n);
    assert_int_equal(n, MODEL_POPULAR);
    model_close(m);
}

static void the_list_stands_in_order_of_index_also_when_made_anew(void **state)
{
    (void)state;
    struct model *m = open_model();
    int n;
    for (uint32_t i = 0; i < 150; i++)
        choose(m, i * 37 % N_ITEMS, 1 + (int)(i * 11 % 5));
    const uint32_t *items = model_popular(m, SLOW, &n);
    for (int i = 1; i < n; i++)
        assert_true(items[i - 1] < items[i]);
    struct popular before = m->popular[SLOW];
    popularity_rebuild(m);
    assert_int_equal(n, m->popular[SLOW].n);
    assert_memory_equal(before.items, m->popular[SLOW].items, sizeof before.items);
    assert_int_equal(before.least, m->popular[SLOW].least);
    model_close(m);
}

static void an_item_that_nobody_chose_is_on_no_list(void **state)
{
    (void)state;
    struct model *m = open_model();
    float score;
    int n;
    choose(m, 3, 1);
    popularity_rebuild(m);
    for (int h = 0; h < MODEL_HALF_LIVES; h++) {
        const uint32_t *items = model_popular(m, h, &n);
        assert_int_equal(n, 1);
        assert_int_equal(items[0], 3);
    }
    model_popularity(m, 4, 1, &score);
    assert_true(isinf(score) && score < 0);
    assert_true(popularity_count(m, 4, SLOW) == 0);
    model_close(m);
}

static void two_halves_of_a_choice_are_one(void **state)
{
    (void)state;
    struct model *m = open_model();
    choose(m, 3, 1);
    popularity_add(m, 4, 0.5);
    popularity_add(m, 4, 0.5);
    for (int h = 0; h < MODEL_HALF_LIVES; h++)
        assert_true(fabs(popularity_count(m, 3, h) - popularity_count(m, 4, h)) < 1e-12);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_takes_a_place_only_with_more_choices_than_the_least),
        cmocka_unit_test(the_list_stands_in_order_of_index_also_when_made_anew),
        cmocka_unit_test(an_item_that_nobody_chose_is_on_no_list),
        cmocka_unit_test(two_halves_of_a_choice_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
