/* Stands for src/model/cooccur.c: directed counts that halve, in rows that keep their strongest. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/cooccur.h"
#include "zhiliu/event.h"

#define N_ITEMS 2000
#define FULL 600 /* of these the 300 strongest stay when one more comes */

static struct cooccur open_rows(void)
{
    struct cooccur c = {0};
    struct zl_error err;
    assert_int_equal(cooccur_init(&c, N_ITEMS, &err), ZL_OK);
    return c;
}

static void a_count_halves_when_the_clock_moves_by_one(void **state)
{
    (void)state;
    struct cooccur c = open_rows();
    cooccur_add(&c, 1, 2, 3, 10);
    assert_true(cooccur_weight(&c, 1, 2, 10) == 3);
    assert_true(cooccur_weight(&c, 1, 2, 11) == 1.5f);
    cooccur_add(&c, 1, 2, 1, 11);
    assert_true(cooccur_weight(&c, 1, 2, 11) == 2.5f);
    assert_true(cooccur_weight(&c, 2, 1, 11) == 0); /* directed */
    cooccur_release(&c);
}

static void a_choice_is_tied_to_the_history_more_strongly_than_back(void **state)
{
    (void)state;
    struct cooccur c = open_rows();
    cooccur_link(&c, 9, (uint32_t[]){4, 5}, 2, 2, 0);
    assert_true(cooccur_weight(&c, 4, 9, 0) == 2);
    assert_true(cooccur_weight(&c, 9, 4, 0) == 1);
    assert_true(fabsf(cooccur_weight(&c, 5, 9, 0) - 1.8f) < 1e-6f); /* one older: 0.9 */
    assert_true(fabsf(cooccur_weight(&c, 9, 5, 0) - 0.9f) < 1e-6f);
    assert_true(cooccur_weight(&c, 4, 5, 0) == 0);
    cooccur_release(&c);
}

static void a_full_row_keeps_its_strongest_and_takes_the_new_one(void **state)
{
    (void)state;
    struct cooccur c = open_rows();
    for (uint32_t i = 0; i < FULL; i++)
        cooccur_add(&c, 0, 1 + i, (float)(1 + (i * 7) % FULL), 0); /* 7 and 600: each weight once */
    cooccur_add(&c, 0, 1000, 0.5f, 0);
    for (uint32_t i = 0; i < FULL; i++) {
        float weight = (float)(1 + (i * 7) % FULL), kept = weight > 300 ? weight : 0;
        assert_true(cooccur_weight(&c, 0, 1 + i, 0) == kept);
    }
    assert_true(cooccur_weight(&c, 0, 1000, 0) == 0.5f);
    cooccur_release(&c);
}

static void which_of_equal_entries_stay_does_not_depend_on_their_order(void **state)
{
    (void)state;
    struct cooccur c = open_rows();
    for (uint32_t i = 0; i < FULL; i++) {
        cooccur_add(&c, 0, 1 + i, 1, 0);
        cooccur_add(&c, 1, FULL - i, 1, 0);
    }
    for (uint32_t from = 0; from < 2; from++)
        cooccur_add(&c, from, 1000, 1, 0);
    for (uint32_t to = 1; to <= FULL; to++)
        for (uint32_t from = 0; from < 2; from++)
            assert_true(cooccur_weight(&c, from, to, 0) == (to <= 300 ? 1 : 0));
    cooccur_release(&c);
}

static void a_row_that_nobody_asked_for_long_stays_finite(void **state)
{
    (void)state;
    struct cooccur c = open_rows();
    cooccur_add(&c, 1, 2, 1, 0);
    cooccur_add(&c, 1, 3, 1, 1000); /* 2^1000 is no float */
    assert_true(cooccur_weight(&c, 1, 3, 1000) == 1);
    assert_true(cooccur_weight(&c, 1, 2, 1000) == 0);
    cooccur_release(&c);
}

static void a_cleared_row_knows_nothing_and_begins_anew(void **state)
{
    (void)state;
    struct cooccur c = open_rows();
    float scale;
    cooccur_add(&c, 1, 2, 1, 5);
    cooccur_clear(&c, 1);
    assert_null(cooccur_row(&c, 1, 5, &scale));
    cooccur_add(&c, 1, 3, 1, 6);
    assert_true(cooccur_weight(&c, 1, 3, 6) == 1);
    assert_true(cooccur_weight(&c, 1, 2, 6) == 0);
    cooccur_release(&c);
}

/* Reads a row of these numbers and slots {7, 1} and free ones. */
static enum zl_status read_row(uint32_t n, uint32_t capacity)
{
    struct cooccur c = open_rows();
    struct rows_table t = cooccur_rows(&c);
    struct rows_buffer out = {0};
    struct zl_error err;
    rows_put_u32(&out, n);
    rows_put_u32(&out, capacity);
    rows_put_f64(&out, 0);
    for (uint32_t i = 0; i < capacity; i++) {
        struct cooccur_entry e = {i == 0 ? 7 : ZL_NO_INDEX, 1};
        rows_put_bytes(&out, &e, sizeof e);
    }
    struct rows_cursor in = {.at = out.bytes, .end = out.bytes + out.len};
    enum zl_status st = t.read(t.room, 3, &in, &err);
    rows_buffer_release(&out);
    cooccur_release(&c);
    return st;
}

static void a_row_whose_numbers_do_not_fit_is_refused(void **state)
{
    (void)state;
    assert_int_equal(read_row(1, 8), ZL_OK);
    assert_int_equal(read_row(2, 8), ZL_EBADDATA);    /* one is there */
    assert_int_equal(read_row(1, 6), ZL_EBADDATA);    /* no power of 2: probing would leave it */
    assert_int_equal(read_row(1, 1), ZL_EBADDATA);    /* no free slot: probing would not end */
    assert_int_equal(read_row(1, 2048), ZL_EBADDATA); /* larger than a row ever is */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_count_halves_when_the_clock_moves_by_one),
        cmocka_unit_test(a_choice_is_tied_to_the_history_more_strongly_than_back),
        cmocka_unit_test(a_full_row_keeps_its_strongest_and_takes_the_new_one),
        cmocka_unit_test(which_of_equal_entries_stay_does_not_depend_on_their_order),
        cmocka_unit_test(a_row_that_nobody_asked_for_long_stays_finite),
        cmocka_unit_test(a_cleared_row_knows_nothing_and_begins_anew),
        cmocka_unit_test(a_row_whose_numbers_do_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
