/* Stands for src/catalog/catalog.c: who is served, and that a description comes back as it went in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "catalog/catalog.h"

static struct catalog *open_catalog(bool serve_unknown)
{
    struct catalog *c;
    struct zl_error err;
    struct catalog_config cfg = {
        .max_items = 100, .serve_unknown = serve_unknown, .n_features = {3, 0, 2}};
    assert_int_equal(catalog_open(&cfg, &c, &err), ZL_OK);
    return c;
}

static struct zl_item item_of(enum zl_item_status status)
{
    return (struct zl_item){.title = ZL_SPAN("知识 video"),
                            .status = status,
                            .duration_ms = 60000,
                            .published_at_ms = 5,
                            .price = -1};
}

static void an_item_only_events_speak_of_is_served_unless_hidden(void **state)
{
    (void)state;
    struct zl_event watch = {.type = ZL_WATCH, .duration_ms = 90000, .course = ZL_NO_INDEX};
    for (int serve = 0; serve < 2; serve++) {
        struct catalog *c = open_catalog(serve);
        assert_false(catalog_served(c, 7));
        catalog_observe(c, 7, &watch);
        assert_int_equal(catalog_served(c, 7), serve);
        assert_int_equal(catalog_duration_ms(c, 7), 90000);
        catalog_close(c);
    }
}

static void only_approved_items_are_served_and_changes_are_named_once(void **state)
{
    (void)state;
    struct catalog *c = open_catalog(true);
    uint32_t n;
    struct zl_item it = item_of(ZL_ITEM_APPROVED);
    catalog_put(c, 3, &it, ZL_NO_INDEX);
    assert_true(catalog_served(c, 3));
    assert_int_equal(catalog_changes(c, &n)[0], 3);
    assert_int_equal(n, 1);
    catalog_put(c, 3, &it, ZL_NO_INDEX);
    catalog_changes(c, &n);
    assert_int_equal(n, 0);
    it = item_of(ZL_ITEM_BLOCKED);
    catalog_put(c, 3, &it, ZL_NO_INDEX);
    assert_false(catalog_served(c, 3));
    it = item_of(ZL_ITEM_PENDING);
    catalog_put(c, 4, &it, ZL_NO_INDEX);
    assert_false(catalog_served(c, 4));
    struct zl_event like = {.type = ZL_LIKE, .course = ZL_NO_INDEX};
    catalog_observe(c, 3, &like); /* an event does not bring a blocked item back */
    assert_false(catalog_served(c, 3));
    it = (struct zl_item){.removed = true};
    catalog_put(c, 4, &it, ZL_NO_INDEX);
    assert_false(catalog_served(c, 4));
    catalog_close(c);
}

static void a_held_item_is_served_from_its_time_or_its_first_event(void **state)
{
    (void)state;
    struct catalog *c;
    struct zl_error err;
    struct catalog_config cfg = {.max_items = 100, .serve_unknown = true, .hold = true};
    struct zl_event like = {.type = ZL_LIKE, .course = ZL_NO_INDEX};
    assert_int_equal(catalog_open(&cfg, &c, &err), ZL_OK);
    for (uint32_t i = 0; i < 20; i++) { /* times in mixed order; the last has none */
        struct zl_item it = item_of(i == 7 ? ZL_ITEM_BLOCKED : ZL_ITEM_APPROVED);
        it.published_at_ms = i == 19 ? -1 : 100 + (int64_t)(i * 7 % 19);
        catalog_put(c, i, &it, ZL_NO_INDEX);
        assert_false(catalog_served(c, i));
    }
    for (int64_t now = 99; now < 130; now++) {
        catalog_advance(c, now);
        for (uint32_t i = 0; i < 19; i++)
            assert_int_equal(catalog_served(c, i), i != 7 && 100 + i * 7 % 19 <= now);
        assert_false(catalog_served(c, 19));
    }
    catalog_observe(c, 19, &like);
    assert_true(catalog_served(c, 19));
    catalog_close(c);
}

static void a_description_comes_back_through_rows(void **state)
{
    (void)state;
    struct catalog *a = open_catalog(true), *b = open_catalog(true);
    float video[3] = {1, -2, 0.5f}, text[2] = {7, 8};
    struct zl_item it = item_of(ZL_ITEM_APPROVED);
    it.tags[0] = ZL_SPAN("数学");
    it.tags[1] = ZL_SPAN("odd length");
    it.n_tags = 2;
    it.features[ZL_VIDEO] = video;
    it.features[ZL_TEXT] = text;
    catalog_put(a, 5, &it, 9);
    struct rows_table from = catalog_rows(a), to = catalog_rows(b);
    struct rows_buffer bytes = {0};
    struct zl_error err;
    from.write(from.room, 5, &bytes);
    struct rows_cursor in = {.at = bytes.bytes, .end = bytes.bytes + bytes.len};
    assert_int_equal(to.read(to.room, 5, &in, &err), ZL_OK);
    struct catalog_item out;
    catalog_get(b, 5, &out);
    assert_true(zl_span_equal(out.title, it.title));
    assert_int_equal(out.n_tags, 2);
    assert_true(zl_span_is(out.tags[1], "odd length"));
    assert_memory_equal(out.features[ZL_VIDEO], video, sizeof video);
    assert_memory_equal(out.features[ZL_TEXT], text, sizeof text);
    assert_null(out.features[ZL_AUDIO]);
    assert_int_equal(out.course, 9);
    assert_true(catalog_served(b, 5));
    for (size_t cut = 0; cut < bytes.len; cut++) { /* every shorter row is refused in words */
        struct catalog *d = open_catalog(true);
        struct rows_table t = catalog_rows(d);
        in = (struct rows_cursor){.at = bytes.bytes, .end = bytes.bytes + cut};
        assert_int_equal(t.read(t.room, 5, &in, &err), ZL_EBADDATA);
        catalog_close(d);
    }
    rows_buffer_release(&bytes);
    catalog_close(a);
    catalog_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_only_events_speak_of_is_served_unless_hidden),
        cmocka_unit_test(only_approved_items_are_served_and_changes_are_named_once),
        cmocka_unit_test(a_held_item_is_served_from_its_time_or_its_first_event),
        cmocka_unit_test(a_description_comes_back_through_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
