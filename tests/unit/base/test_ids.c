/* Strings to dense indexes. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>

#include "base/ids.h"
#include "base/rng.h"

static struct ids *make(uint32_t max)
{
    struct ids *ids;
    assert_int_equal(ids_open(ROWS_ITEM_IDS, "item ids", max, &ids, NULL), ZL_OK);
    return ids;
}

static struct zl_span nth(uint32_t i, char out[32])
{
    return (struct zl_span){out, (size_t)snprintf(out, 32, "item-%u", i)};
}

static void an_id_keeps_its_index_and_indexes_have_no_gaps(void **state)
{
    (void)state;
    struct ids *ids = make(200000);
    char text[32];
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 100000; i++)
            assert_int_equal(ids_intern(ids, nth(i, text)), i);
    assert_int_equal(ids_count(ids), 100000);
    for (uint32_t i = 0; i < 100000; i++) {
        assert_int_equal(ids_find(ids, nth(i, text)), i);
        assert_true(zl_span_is(ids_name(ids, i), text));
    }
    assert_int_equal(ids_find(ids, ZL_SPAN("item-100000")), ZL_NO_INDEX);
    ids_close(ids);
}

static void a_lent_name_stays_where_it_is_while_others_come(void **state)
{
    (void)state;
    struct ids *ids = make(200000);
    char text[32];
    ids_intern(ids, ZL_SPAN("first"));
    const char *before = ids_name(ids, 0).ptr;
    for (uint32_t i = 0; i < 100000; i++)
        ids_intern(ids, nth(i, text));
    assert_ptr_equal(ids_name(ids, 0).ptr, before);
    assert_true(zl_span_is(ids_name(ids, 0), "first"));
    ids_close(ids);
}

static void any_bytes_of_1_to_64_are_an_id(void **state)
{
    (void)state;
    struct rng rng = {42};
    struct ids *ids = make(10000);
    char text[64] = {0};
    print_message("SEED=42\n");
    for (size_t len = 1; len <= 64; len++) { /* zeros of each length are ids of their own */
        struct zl_span id = {text, len};
        assert_int_equal(ids_intern(ids, id), len - 1);
    }
    for (int i = 0; i < 5000; i++) {
        struct zl_span id = {text, 1 + rng_below(&rng, 64)};
        for (size_t k = 0; k < id.len; k++)
            text[k] = (char)rng_below(&rng, 4);
        uint32_t index = ids_intern(ids, id);
        assert_true(zl_span_equal(ids_name(ids, index), id));
        assert_int_equal(ids_find(ids, id), index);
    }
    ids_close(ids);
}

static void a_full_table_knows_its_ids_and_takes_no_more(void **state)
{
    (void)state;
    struct ids *ids = make(3);
    char text[32];
    for (uint32_t i = 0; i < 3; i++)
        ids_intern(ids, nth(i, text));
    assert_int_equal(ids_intern(ids, ZL_SPAN("one more")), ZL_NO_INDEX);
    assert_int_equal(ids_count(ids), 3);
    assert_int_equal(ids_intern(ids, nth(1, text)), 1);
    ids_close(ids);
}

static void only_new_ids_are_touched(void **state)
{
    (void)state;
    struct ids *ids = make(10);
    ids_intern(ids, ZL_SPAN("a"));
    ids_intern(ids, ZL_SPAN("b"));
    ids_intern(ids, ZL_SPAN("a"));
    ids_find(ids, ZL_SPAN("c"));
    assert_int_equal(ids_rows(ids).track->n_dirty, 2);
    ids_close(ids);
}

static enum zl_status read_back(struct ids *ids, uint32_t key, const char *id, struct zl_error *err)
{
    struct rows_table t = ids_rows(ids);
    struct rows_cursor c = {(const unsigned char *)id, (const unsigned char *)id + strlen(id),
                            false};
    return t.read(t.room, key, &c, err);
}

static void rows_written_are_read_back_to_the_same_indexes(void **state)
{
    (void)state;
    struct ids *a = make(1000), *b = make(1000);
    struct rows_table from = ids_rows(a), to = ids_rows(b);
    struct rows_buffer row = {0};
    char text[32];
    for (uint32_t i = 0; i < 1000; i++)
        ids_intern(a, nth(i * 7, text));
    for (int round = 0; round < 2; round++) { /* a base and a segment may both have a row */
        for (uint32_t i = 0; i < from.count(from.room); i++) {
            row.len = 0;
            from.write(from.room, i, &row);
            struct rows_cursor c = {row.bytes, row.bytes + row.len, false};
            assert_int_equal(to.read(to.room, i, &c, NULL), ZL_OK);
            assert_ptr_equal(c.at, c.end);
        }
    }
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(ids_find(b, nth(i * 7, text)), i);
    rows_buffer_release(&row);
    ids_close(a);
    ids_close(b);
}

static void a_row_out_of_order_twice_or_of_bad_length_is_refused_in_words(void **state)
{
    (void)state;
    struct zl_error err;
    struct ids *ids = make(10);
    assert_int_equal(read_back(ids, 1, "b", &err), ZL_EBADDATA);
    assert_non_null(strstr(err.text, "item ids row 1"));
    assert_int_equal(read_back(ids, 0, "a", &err), ZL_OK);
    assert_int_equal(read_back(ids, 1, "a", &err), ZL_EBADDATA); /* one id, two indexes */
    assert_int_equal(read_back(ids, 0, "b", &err), ZL_EBADDATA); /* one index, two ids */
    assert_int_equal(read_back(ids, 1, "", &err), ZL_EBADDATA);
    assert_int_equal(read_back(ids, 1,
                               "12345678901234567890123456789012345678901234567890123456789012345",
                               &err),
                     ZL_EBADDATA);
    assert_non_null(strstr(err.text, "65 bytes"));
    ids_close(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_keeps_its_index_and_indexes_have_no_gaps),
        cmocka_unit_test(a_lent_name_stays_where_it_is_while_others_come),
        cmocka_unit_test(any_bytes_of_1_to_64_are_an_id),
        cmocka_unit_test(a_full_table_knows_its_ids_and_takes_no_more),
        cmocka_unit_test(only_new_ids_are_touched),
        cmocka_unit_test(rows_written_are_read_back_to_the_same_indexes),
        cmocka_unit_test(a_row_out_of_order_twice_or_of_bad_length_is_refused_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
