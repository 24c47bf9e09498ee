/* Stands for src/sink/format.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sink/sink.h"

static char out[1 << 16];

static const char *format(const struct sink_list *list, bool scores)
{
    size_t n = sink_format_value(list, scores, out, sizeof out);
    assert_true(n <= sink_value_bound(list, scores));
    out[n] = '\0';
    return out;
}

static struct sink_list small_list(void)
{
    static const struct zl_span items[] = {{"a", 1}, {"b", 1}};
    static const float scores[] = {0.123456789F, -2e-9F};
    return (struct sink_list){
        .version = {1, 255, 1}, .ts_ms = 1764007200000, .n = 2, .items = items, .scores = scores};
}

static void a_value_is_these_bytes(void **state)
{
    (void)state;
    struct sink_list list = small_list();
    assert_string_equal(
        format(&list, false),
        "{\"v\":1,\"ver\":\"0000000100000000000000ff0000000000000001\",\"ts\":1764007200000,"
        "\"experiment\":{},\"items\":[\"a\",\"b\"],\"explore\":{}}");
}

static void scores_follow_the_items_with_six_digits(void **state)
{
    (void)state;
    struct sink_list list = small_list();
    assert_non_null(strstr(format(&list, true),
                           "\"items\":[\"a\",\"b\"],\"scores\":[0.123457,-2e-09],\"explore\":{}}"));
}

static void the_version_stands_at_bytes_14_to_53_whatever_the_list(void **state)
{
    (void)state;
    struct rng r = rng_at(7, 0, 0, 0); /* SEED */
    print_message("SEED 7\n");
    for (int round = 0; round < 1000; round++) {
        struct sink_list list = small_list();
        list.version = (struct zl_version){(uint32_t)rng_next(&r), rng_next(&r), rng_next(&r)};
        list.ts_ms = (int64_t)(rng_next(&r) >> (1 + rng_below(&r, 62)));
        list.n = (int)rng_below(&r, 3);
        char version[ZL_VERSION_LEN + 1];
        zl_version_format(&list.version, version);
        assert_memory_equal(format(&list, false) + 14, version, ZL_VERSION_LEN);
        assert_int_equal(out[14 + ZL_VERSION_LEN], '"');
    }
}

static void an_empty_list_is_well_formed(void **state)
{
    (void)state;
    struct sink_list list = small_list();
    list.n = 0;
    assert_non_null(strstr(format(&list, true), "\"items\":[],\"scores\":[],\"explore\":{}}"));
    assert_non_null(strstr(format(&list, false), "\"items\":[],\"explore\":{}}"));
}

static void the_experiment_is_copied_as_it_is(void **state)
{
    (void)state;
    struct sink_list list = small_list();
    list.experiment = ZL_SPAN("{\"e\":\"b\"}");
    assert_non_null(strstr(format(&list, false), "\"experiment\":{\"e\":\"b\"},"));
}

static void a_propensity_reads_back_as_the_same_number(void **state)
{
    (void)state;
    struct rng r = rng_at(11, 0, 0, 0);
    print_message("SEED 11\n");
    for (int round = 0; round < 1000; round++) {
        struct sink_list list = small_list();
        double pi[2] = {0, (rng_uniform(&r) + 1e-9) / (double)(1ULL << rng_below(&r, 40))};
        list.propensities = pi;
        const char *at = strstr(format(&list, false), "\"explore\":{\"2\":");
        assert_non_null(at);
        assert_true(strtod(at + 15, NULL) == pi[1]);
        assert_string_equal(strchr(at, '}'), "}}");
    }
    struct sink_list both = small_list();
    both.propensities = (const double[]){1, 0.25};
    assert_non_null(strstr(format(&both, false), "\"explore\":{\"1\":1,\"2\":0.25}}"));
}

static void item_ids_are_escaped(void **state)
{
    (void)state;
    static const struct zl_span items[] = {{"q\"b\\n\n\x01\x1f\x7f", 9}, {"\xE7\x9F\xA5\0x", 5}};
    struct sink_list list = small_list();
    list.items = items;
    assert_non_null(strstr(format(&list, false),
                           "[\"q\\\"b\\\\n\\u000a\\u0001\\u001f\x7f\",\"\xE7\x9F\xA5\\u0000x\"]"));
}

static void the_longest_values_stay_below_their_bound(void **state)
{
    (void)state;
    char id[64];
    memset(id, 1, sizeof id); /* each byte becomes six */
    struct zl_span items[100];
    float scores[100];
    for (int i = 0; i < 100; i++) {
        items[i] = (struct zl_span){id, sizeof id};
        scores[i] = -1.23457e-38F;
    }
    struct sink_list list = {.version = {UINT32_MAX, UINT64_MAX, UINT64_MAX},
                             .ts_ms = INT64_MIN,
                             .n = 100,
                             .items = items,
                             .scores = scores};
    size_t bound = sink_value_bound(&list, true);
    char *exact = malloc(bound); /* the address sanitizer watches its end */
    assert_true(sink_format_value(&list, true, exact, bound) <= bound);
    free(exact);
}

static void a_score_that_is_no_number_is_written_as_0(void **state)
{
    (void)state;
    float scores[2] = {0, 0};
    scores[0] = (float)strtod("nan", NULL);
    scores[1] = (float)strtod("inf", NULL);
    struct sink_list list = small_list();
    list.scores = scores;
    assert_non_null(strstr(format(&list, true), "\"scores\":[0,0]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_these_bytes),
        cmocka_unit_test(scores_follow_the_items_with_six_digits),
        cmocka_unit_test(the_version_stands_at_bytes_14_to_53_whatever_the_list),
        cmocka_unit_test(an_empty_list_is_well_formed),
        cmocka_unit_test(the_experiment_is_copied_as_it_is),
        cmocka_unit_test(a_propensity_reads_back_as_the_same_number),
        cmocka_unit_test(item_ids_are_escaped),
        cmocka_unit_test(the_longest_values_stay_below_their_bound),
        cmocka_unit_test(a_score_that_is_no_number_is_written_as_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
