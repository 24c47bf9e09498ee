/* Stands for src/app/explain_store.c: what is read out of a stored list, and what is no list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "app/explain_store.h"

#define VER "000000010000000000000bad0000000000000002"

static struct ids *open_items(void)
{
    struct ids *items;
    struct zl_error err;
    assert_int_equal(ids_open(ROWS_ITEM_IDS, "items", 16, &items, &err), ZL_OK);
    ids_intern(items, ZL_SPAN("a"));
    ids_intern(items, ZL_SPAN("b"));
    return items;
}

static void version_and_places_are_those_of_the_value(void **state)
{
    (void)state;
    struct ids *items = open_items();
    struct explain_stored s;
    assert_true(
        explain_store_parse(ZL_SPAN("{\"v\":1,\"ver\":\"" VER "\",\"ts\":5,\"experiment\":{},"
                                    "\"items\":[\"b\",\"gone\",\"a\"],\"explore\":{\"2\":0.5}}"),
                            items, &s));
    assert_string_equal(s.ver, VER);
    assert_int_equal(s.version.incarnation, 1);
    assert_int_equal(s.version.position, 0xbad);
    assert_int_equal(s.version.epoch, 2);
    assert_int_equal(s.n, 3);
    assert_int_equal(explain_store_place(&s, 1), 1);
    assert_int_equal(explain_store_place(&s, 0), 3);
    assert_int_equal(explain_store_place(&s, 7), 0);
    ids_close(items);
}

static void what_is_no_list_is_refused(void **state)
{
    (void)state;
    static const char *const values[] = {
        "",
        "null",
        "[]",
        "{",
        "{\"ver\":\"" VER "\"}",
        "{\"items\":[]}",
        "{\"ver\":\"00\",\"items\":[]}",
        "{\"ver\":7,\"items\":[]}",
        "{\"ver\":\"" VER "\",\"items\":7}",
        "{\"ver\":\"00000001000000000000xxxx0000000000000002\",\"items\":[]}"};
    struct ids *items = open_items();
    struct explain_stored s;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_false(explain_store_parse(zl_span_of(values[i]), items, &s));
    assert_true(explain_store_parse(ZL_SPAN("{\"ver\":\"" VER "\",\"items\":[]}"), items, &s));
    assert_int_equal(s.n, 0);
    ids_close(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_and_places_are_those_of_the_value),
        cmocka_unit_test(what_is_no_list_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
