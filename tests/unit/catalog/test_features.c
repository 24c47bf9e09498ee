/* Stands for src/catalog/features.c: which keys a description has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "catalog/features.h"

static uint64_t keys[CATALOG_FEATURES];
static int n, n_subjects;

static bool has(enum catalog_feature kind, const char *text)
{
    uint64_t key = catalog_features_key(kind, zl_span_of(text));
    for (int i = 0; i < n; i++)
        if (keys[i] == key)
            return true;
    return false;
}

static struct catalog_item titled(const char *title)
{
    return (struct catalog_item){.known = true,
                                 .described = true,
                                 .duration_ms = -1,
                                 .published_at_ms = -1,
                                 .price = -1,
                                 .title = zl_span_of(title)};
}

static void extract(const struct catalog_item *item)
{
    n = catalog_features(item, keys, &n_subjects);
}

static void chinese_is_pairs_of_neighbours_and_latin_is_words(void **state)
{
    (void)state;
    struct catalog_item item = titled("学线性代数: The CAFÉ's 3D“课”");
    extract(&item);
    assert_true(has(CATALOG_FEATURE_TITLE, "学线") && has(CATALOG_FEATURE_TITLE, "线性"));
    assert_true(has(CATALOG_FEATURE_TITLE, "性代") && has(CATALOG_FEATURE_TITLE, "代数"));
    assert_true(has(CATALOG_FEATURE_TITLE, "the") && has(CATALOG_FEATURE_TITLE, "cafés"));
    assert_true(has(CATALOG_FEATURE_TITLE, "3d"));
    assert_true(has(CATALOG_FEATURE_TITLE, "课")); /* alone: no neighbour to pair with */
    assert_int_equal(n, 8);
    assert_false(has(CATALOG_FEATURE_TAG, "the")); /* a tag is another thing than a word */
}

static void a_word_that_comes_twice_is_one_feature(void **state)
{
    (void)state;
    struct catalog_item item = titled("war and war, WAR!");
    extract(&item);
    assert_int_equal(n, 2);
}

static void tags_come_before_the_words_of_long_subtitles(void **state)
{
    (void)state;
    static char text[8192];
    struct catalog_item item = titled("one");
    for (size_t i = 0; i < sizeof text - 8; i += 4)
        memcpy(text + i, (char[4]){(char)('a' + i / 4 % 26), (char)('a' + i / 104 % 26), 'x', ' '},
               4);
    item.subtitles = zl_span_of(text);
    item.tags[0] = ZL_SPAN("last but not lost");
    item.n_tags = 1;
    item.category = ZL_SPAN("math");
    item.uploader_id = ZL_SPAN("up");
    item.duration_ms = 240000;
    item.fps = 29.97;
    item.width = 1080;
    item.height = 1920;
    item.price = 0;
    item.published_at_ms = 7200000;
    extract(&item);
    assert_int_equal(n, CATALOG_FEATURES);
    assert_true(has(CATALOG_FEATURE_TAG, "last but not lost"));
    assert_true(has(CATALOG_FEATURE_CATEGORY, "math") && has(CATALOG_FEATURE_UPLOADER, "up"));
    assert_true(has(CATALOG_FEATURE_TITLE, "one") && has(CATALOG_FEATURE_TEXT, "aax"));
}

static void the_first_keys_are_what_the_item_is_about(void **state)
{
    (void)state;
    struct catalog_item item = titled("one");
    extract(&item);
    assert_int_equal(n_subjects, 0);
    item.tags[0] = ZL_SPAN("sums");
    item.tags[1] = ZL_SPAN("sums");
    item.n_tags = 2;
    item.category = ZL_SPAN("math");
    item.uploader_id = ZL_SPAN("up");
    extract(&item);
    assert_int_equal(n_subjects, 2);
    assert_true(keys[0] == catalog_features_key(CATALOG_FEATURE_TAG, ZL_SPAN("sums")));
    assert_true(keys[1] == catalog_features_key(CATALOG_FEATURE_CATEGORY, ZL_SPAN("math")));
}

static void numbers_of_about_the_same_size_share_a_bucket(void **state)
{
    (void)state;
    struct catalog_item item = titled("");
    item.duration_ms = 240000;
    extract(&item);
    uint64_t first = keys[0];
    item.duration_ms = 245000;
    extract(&item);
    assert_int_equal(n, 1);
    assert_true(keys[0] == first);
    item.duration_ms = 480000;
    extract(&item);
    assert_true(keys[0] != first);
}

static void text_cut_inside_a_character_is_read_without_harm(void **state)
{
    (void)state;
    struct catalog_item item = titled("知流");
    for (size_t len = 0; len <= 6; len++) {
        item.title.len = len;
        extract(&item);
        assert_true(n <= 2);
    }
}

static void an_item_that_is_not_described_has_none(void **state)
{
    (void)state;
    struct catalog_item item = titled("words");
    item.described = false;
    extract(&item);
    assert_int_equal(n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chinese_is_pairs_of_neighbours_and_latin_is_words),
        cmocka_unit_test(a_word_that_comes_twice_is_one_feature),
        cmocka_unit_test(tags_come_before_the_words_of_long_subtitles),
        cmocka_unit_test(the_first_keys_are_what_the_item_is_about),
        cmocka_unit_test(numbers_of_about_the_same_size_share_a_bucket),
        cmocka_unit_test(text_cut_inside_a_character_is_read_without_harm),
        cmocka_unit_test(an_item_that_is_not_described_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
