/* The row codec and the marks of touched rows. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/check.h"
#include "base/rows.h"

static void put_all(struct rows_buffer *b)
{
    const float f32s[3] = {1.5f, -0.0f, 1e-40f};
    const uint32_t u32s[2] = {7, UINT32_MAX};
    rows_put_u8(b, 200);
    rows_put_u32(b, 0x01020304);
    rows_put_u64(b, UINT64_MAX - 1);
    rows_put_i64(b, INT64_MIN);
    rows_put_f32(b, -2.25f);
    rows_put_f64(b, 1.0 / 3);
    rows_put_f32s(b, f32s, 3);
    rows_put_u32s(b, u32s, 2);
    rows_put_span(b, ZL_SPAN("知流"));
    rows_put_span(b, (struct zl_span){0});
}

static void what_was_put_is_got_in_the_same_order(void **state)
{
    (void)state;
    struct rows_buffer b = {0};
    put_all(&b);
    struct rows_cursor c = {b.bytes, b.bytes + b.len, false};
    float f32s[3];
    uint32_t u32s[2];
    assert_int_equal(rows_get_u8(&c), 200);
    assert_int_equal(rows_get_u32(&c), 0x01020304);
    assert_true(rows_get_u64(&c) == UINT64_MAX - 1);
    assert_true(rows_get_i64(&c) == INT64_MIN);
    assert_true(rows_get_f32(&c) == -2.25f);
    assert_true(rows_get_f64(&c) == 1.0 / 3);
    rows_get_f32s(&c, f32s, 3);
    rows_get_u32s(&c, u32s, 2);
    assert_true(f32s[0] == 1.5f && __builtin_signbit(f32s[1]) && f32s[2] == 1e-40f);
    assert_true(u32s[0] == 7 && u32s[1] == UINT32_MAX);
    assert_true(zl_span_is(rows_get_span(&c), "知流"));
    assert_int_equal(rows_get_span(&c).len, 0);
    assert_false(c.bad);
    assert_ptr_equal(c.at, c.end);
    rows_buffer_release(&b);
}

static void integers_are_little_endian(void **state)
{
    (void)state;
    struct rows_buffer b = {0};
    rows_put_u32(&b, 0x01020304);
    assert_memory_equal(b.bytes, ((const unsigned char[]){4, 3, 2, 1}), 4);
    rows_buffer_release(&b);
}

static void get_all(struct rows_cursor *c)
{
    float f[3];
    uint32_t u[2];
    rows_get_u8(c);
    rows_get_u32(c);
    rows_get_u64(c);
    rows_get_i64(c);
    rows_get_f32(c);
    rows_get_f64(c);
    rows_get_f32s(c, f, 3);
    rows_get_u32s(c, u, 2);
    rows_get_span(c);
    rows_get_span(c);
}

static void a_row_cut_anywhere_turns_bad_and_reads_zeros_ever_after(void **state)
{
    (void)state;
    struct rows_buffer b = {0};
    put_all(&b);
    for (size_t len = 0; len < b.len; len++) {
        /* a block of its own: the sanitizer sees a read beyond it */
        unsigned char *cut = xcalloc(len, 1);
        memcpy(cut, b.bytes, len);
        struct rows_cursor c = {cut, cut + len, false};
        get_all(&c);
        assert_true(c.bad);
        assert_int_equal(rows_get_u8(&c), 0);
        assert_true(rows_get_u64(&c) == 0 && rows_get_f64(&c) == 0);
        assert_null(rows_get_span(&c).ptr);
        free(cut);
    }
    rows_buffer_release(&b);
}

static void a_span_that_claims_more_than_there_is_is_bad(void **state)
{
    (void)state;
    struct rows_buffer b = {0};
    rows_put_u32(&b, UINT32_MAX);
    rows_put_u8(&b, 'x');
    struct rows_cursor c = {b.bytes, b.bytes + b.len, false};
    assert_int_equal(rows_get_span(&c).len, 0);
    assert_true(c.bad);
    rows_buffer_release(&b);
}

static void a_buffer_grows_and_keeps_what_it_holds(void **state)
{
    (void)state;
    struct rows_buffer b = {0};
    for (uint32_t i = 0; i < 100000; i++)
        rows_put_u32(&b, i);
    struct rows_cursor c = {b.bytes, b.bytes + b.len, false};
    for (uint32_t i = 0; i < 100000; i++)
        assert_int_equal(rows_get_u32(&c), i);
    rows_buffer_release(&b);
}

static void a_touched_row_is_on_the_list_once_in_touch_order(void **state)
{
    (void)state;
    struct rows_track t;
    assert_int_equal(rows_track_init(&t, 10, NULL), ZL_OK);
    const uint32_t keys[] = {7, 2, 7, 9, 2, 0, 7};
    for (int i = 0; i < 7; i++)
        rows_touch(&t, keys[i]);
    assert_int_equal(t.n_dirty, 4);
    assert_memory_equal(t.dirty, ((const uint32_t[]){7, 2, 9, 0}), 4 * sizeof(uint32_t));
    rows_track_release(&t);
}

static int n_saved;

static void save(void *ctx, struct rows_track *t, uint32_t key)
{
    assert_ptr_equal(ctx, &n_saved);
    n_saved++;
    t->state[key] = t->state[key] & ROWS_DIRTY;
}

static void a_pending_row_is_saved_once_before_it_changes(void **state)
{
    (void)state;
    struct rows_track t;
    assert_int_equal(rows_track_init(&t, 10, NULL), ZL_OK);
    t.before_change = save;
    t.ctx = &n_saved;
    n_saved = 0;
    rows_touch(&t, 3);
    assert_int_equal(n_saved, 0);
    t.state[3] = ROWS_DIRTY | ROWS_BASE_PENDING; /* on the list already */
    t.state[4] = ROWS_SEGMENT_PENDING;
    rows_touch(&t, 3);
    rows_touch(&t, 4);
    rows_touch(&t, 3);
    rows_touch(&t, 4);
    assert_int_equal(n_saved, 2);
    assert_int_equal(t.n_dirty, 2);
    assert_memory_equal(t.dirty, ((const uint32_t[]){3, 4}), 2 * sizeof(uint32_t));
    assert_true(t.state[3] == ROWS_DIRTY && t.state[4] == ROWS_DIRTY);
    rows_track_release(&t);
}

static void every_row_may_be_dirty_at_once(void **state)
{
    (void)state;
    struct rows_track t;
    assert_int_equal(rows_track_init(&t, 1000, NULL), ZL_OK);
    for (int round = 0; round < 2; round++)
        for (uint32_t key = 0; key < 1000; key++)
            rows_touch(&t, key);
    assert_int_equal(t.n_dirty, 1000);
    rows_track_release(&t);
    rows_track_release(&t); /* copes with nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_got_in_the_same_order),
        cmocka_unit_test(integers_are_little_endian),
        cmocka_unit_test(a_row_cut_anywhere_turns_bad_and_reads_zeros_ever_after),
        cmocka_unit_test(a_span_that_claims_more_than_there_is_is_bad),
        cmocka_unit_test(a_buffer_grows_and_keeps_what_it_holds),
        cmocka_unit_test(a_touched_row_is_on_the_list_once_in_touch_order),
        cmocka_unit_test(a_pending_row_is_saved_once_before_it_changes),
        cmocka_unit_test(every_row_may_be_dirty_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
