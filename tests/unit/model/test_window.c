/* Stands for src/model/window.c: the ring of the newest choices, how often each item stands in it, and its rows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "model/model_priv.h"
#include "support/small_model.h"

#define WINDOW 512
#define CHUNK 256 /* choices a row */
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

static void an_item_is_counted_as_often_as_it_stands_in_the_window(void **state)
{
    (void)state;
    struct model *m = open_model();
    struct rng r = {5};
    uint32_t pushed[2 * WINDOW + 100];
    for (uint32_t n = 0; n < 2 * WINDOW + 100; n++) {
        window_push(m, pushed[n] = rng_below(&r, N_ITEMS));
        uint32_t plain[N_ITEMS] = {0};
        for (uint32_t i = n < WINDOW ? 0 : n + 1 - WINDOW; i <= n; i++)
            plain[pushed[i]]++;
        for (uint32_t i = 0; i < N_ITEMS; i++)
            assert_int_equal(*items_in_window(&m->items, i), plain[i]);
    }
    assert_int_equal(model_positives(m), 2 * WINDOW + 100); /* those that left are counted too */
    model_close(m);
}

static void a_choice_touches_its_own_part_of_the_ring_only(void **state)
{
    (void)state;
    struct model *m = open_model();
    for (int i = 0; i < CHUNK; i++)
        window_push(m, 1);
    for (uint32_t d = 0; d < m->track.n_dirty; d++)
        m->track.state[m->track.dirty[d]] = 0;
    m->track.n_dirty = 0;
    window_push(m, 1);
    assert_int_equal(m->track.n_dirty, 2);
    for (uint32_t d = 0; d < 2; d++)
        assert_int_not_equal(m->track.dirty[d], 1); /* the first chunk */
    model_close(m);
}

static enum zl_status read_row(struct model *m, uint32_t key, const struct rows_buffer *row)
{
    struct zl_error err;
    struct rows_table t = model_global_rows(m);
    struct rows_cursor in = {.at = row->bytes, .end = row->bytes + row->len};
    return t.read(t.room, key, &in, &err);
}

static void a_chunk_that_is_read_twice_counts_once(void **state)
{
    (void)state;
    struct model *m = open_model();
    struct rows_buffer base = {0}, segment = {0};
    rows_put_u32s(&base, (uint32_t[]){3, 3, 4}, 3);
    rows_put_u32s(&segment, (uint32_t[]){3, 5, 5, 6}, 4);
    assert_int_equal(read_row(m, 1, &base), ZL_OK);
    assert_int_equal(read_row(m, 1, &segment), ZL_OK);
    static const uint32_t plain[] = {0, 0, 0, 1, 0, 2, 1};
    for (uint32_t i = 0; i < 7; i++)
        assert_int_equal(*items_in_window(&m->items, i), plain[i]);
    rows_buffer_release(&base);
    rows_buffer_release(&segment);
    model_close(m);
}

static void rows_that_cannot_be_of_this_window_are_refused(void **state)
{
    (void)state;
    struct model *m = open_model();
    struct rows_buffer strange = {0}, full = {0}, size = {0};
    rows_put_u32(&strange, N_ITEMS); /* has no row */
    assert_int_equal(read_row(m, 1, &strange), ZL_EBADDATA);
    for (uint32_t i = 0; i <= CHUNK; i++)
        rows_put_u32(&full, 1);
    assert_int_equal(read_row(m, 1, &full), ZL_EBADDATA);
    full.len -= sizeof(uint32_t);
    assert_int_equal(read_row(m, 3, &full), ZL_EBADDATA); /* behind the ring's end */
    assert_int_equal(read_row(m, 2, &full), ZL_OK);
    rows_put_u32(&size, WINDOW / 2);
    assert_int_equal(read_row(m, 0, &size), ZL_EBADDATA);
    rows_buffer_release(&strange);
    rows_buffer_release(&full);
    rows_buffer_release(&size);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_is_counted_as_often_as_it_stands_in_the_window),
        cmocka_unit_test(a_choice_touches_its_own_part_of_the_ring_only),
        cmocka_unit_test(a_chunk_that_is_read_twice_counts_once),
        cmocka_unit_test(rows_that_cannot_be_of_this_window_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
