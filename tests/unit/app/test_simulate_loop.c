/* The closed loop: what a page is, what comes back with an impression, and the truth of what was shown. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/config.h"
#include "app/simulate.h"
#include "app/simulate_loop_engine.h"
#include "app/simulate_loop_redis.h"
#include "base/hash.h"
#include "decode/json.h"

#define VER "0000000100000000000000ff0000000000000001"

static struct simulate_config world(uint64_t seed)
{
    return (struct simulate_config){.seed = seed,
                                    .users = 120,
                                    .items = 150,
                                    .topics = 6,
                                    .courses = 12,
                                    .start_ms = 1767225600000LL,
                                    .events_per_s = 20,
                                    .page = 20};
}

static void a_value_of_the_store_becomes_a_page(void **state)
{
    (void)state;
    char text[512];
    struct simulate_page page = {0};
    struct json_members members = {0};
    struct json *j = decode_json_open();
    int n = snprintf(text, sizeof text,
                     "{\"v\":1,\"ver\":\"" VER "\",\"ts\":7,\"experiment\":{\"a\":\"b\"},\"items\":"
                     "[\"v3\",\"other\",\"v1\",\"v9\"],\"explore\":{\"3\":0.25}}");
    assert_true(
        simulate_loop_redis_parse(j, &members, (struct zl_span){text, (size_t)n}, 3, &page));
    assert_int_equal(page.n, 2);
    assert_int_equal(page.items[0], 2);
    assert_int_equal(page.items[1], 0);
    assert_int_equal(page.places[1], 3); /* the one that is not ours keeps its place */
    assert_true(page.propensity[0] == 0 && page.propensity[1] == 0.25);
    assert_string_equal(page.request_id, VER);
    assert_string_equal(page.experiment, "{\"a\":\"b\"}");
    n = snprintf(text, sizeof text, "{\"v\":1}");
    assert_false(
        simulate_loop_redis_parse(j, &members, (struct zl_span){text, (size_t)n}, 3, &page));
    n = snprintf(text, sizeof text, "broken");
    assert_false(
        simulate_loop_redis_parse(j, &members, (struct zl_span){text, (size_t)n}, 3, &page));
    decode_json_members_release(&members);
    decode_json_close(j);
}

/* Three items for everybody, the third drawn. */
static bool same_for_all(void *ctx, struct zl_span user_id, enum simulate_origin origin, int max,
                         struct simulate_page *out)
{
    (void)user_id;
    ++*(int *)ctx;
    if (origin != SIMULATE_FEED)
        return false;
    strcpy(out->request_id, VER);
    strcpy(out->experiment, "{\"x\":\"y\"}");
    for (int i = 0; i < 3 && i < max; i++) {
        out->items[i] = (uint32_t)i;
        out->places[i] = i + 1;
        out->n++;
    }
    out->propensity[2] = 0.125;
    return true;
}

static void impressions_carry_what_the_list_said(void **state)
{
    (void)state;
    int reads = 0, n_third = 0, n_first = 0;
    uint64_t n = 0;
    struct simulate_lists lists = {same_for_all, &reads};
    struct simulate_config c = world(3);
    struct simulate *s;
    struct simulate_record r;
    c.lists = &lists;
    assert_int_equal(simulate_open(&c, &s, NULL), ZL_OK);
    for (int i = 0; i < 4000; i++) {
        simulate_next(s, -1, &r);
        if (!memmem(r.value.ptr, r.value.len, "\"impression\"", 12))
            continue;
        char line[1024];
        n++;
        snprintf(line, sizeof line, "%.*s", (int)r.value.len, r.value.ptr);
        assert_non_null(strstr(line, "\"request_id\":\"" VER "\""));
        assert_non_null(strstr(line, "\"experiment\":{\"x\":\"y\"}"));
        bool third = strstr(line, "\"item_id\":\"v3\"") != NULL;
        assert_true(third == (strstr(line, "\"propensity\":0.125") != NULL));
        assert_true(third == (strstr(line, "\"position\":3") != NULL));
        n_third += third;
        n_first += strstr(line, "\"item_id\":\"v1\"") != NULL;
    }
    assert_true(n_third > 100 && n_first > n_third); /* some leave before the third */
    assert_true(reads > 100);
    const struct simulate_truth *t = simulate_truth(s);
    assert_int_equal(t->all.shown, t->origins[SIMULATE_FEED].shown);
    assert_int_equal(t->explored.shown, n_third);
    assert_int_equal(t->all.shown, n);
    simulate_close(s);
}

static bool nobody(void *ctx, struct zl_span user_id, enum simulate_origin origin, int max,
                   struct simulate_page *out)
{
    (void)ctx;
    (void)user_id;
    (void)origin;
    (void)max;
    (void)out;
    return false;
}

static void without_lists_the_platform_chooses(void **state)
{
    (void)state;
    struct simulate_lists lists = {nobody, NULL};
    struct simulate_config c = world(4);
    struct simulate *s;
    struct simulate_record r;
    c.lists = &lists;
    assert_int_equal(simulate_open(&c, &s, NULL), ZL_OK);
    for (int i = 0; i < 4000; i++)
        simulate_next(s, -1, &r);
    const struct simulate_truth *t = simulate_truth(s);
    assert_true(t->all.shown > 500);
    assert_int_equal(t->all.shown, t->origins[SIMULATE_ROUGH].shown);
    /* its choice against its choice without repeats, of 500 and more: a standard error is .01 */
    double interest = t->all.interest / (double)t->all.shown;
    double again = t->platform_interest / (double)t->all.shown;
    assert_true(interest - again < 0.1 && again - interest < 0.04);
    simulate_close(s);
}

static void what_is_planned_and_not_on_the_log_was_not_shown(void **state)
{
    (void)state;
    struct simulate_lists lists = {nobody, NULL};
    struct simulate_config c = world(4);
    struct simulate *s;
    struct simulate_record r;
    uint64_t n = 0;
    c.lists = &lists;
    assert_int_equal(simulate_open(&c, &s, NULL), ZL_OK);
    for (int i = 0; i < 150 + 60; i++) { /* the items, then few events of many visits */
        simulate_next(s, -1, &r);
        n += memmem(r.value.ptr, r.value.len, "\"impression\"", 12) != NULL;
        assert_int_equal(simulate_truth(s)->all.shown, n);
    }
    assert_true(n > 0 && n < 60);
    simulate_close(s);
}

static void fewer_look_at_lower_places(void **state)
{
    (void)state;
    assert_true(simulate_loop_looked_at(1) == 1);
    for (int place = 2; place <= 50; place++)
        assert_true(simulate_loop_looked_at(place) < simulate_loop_looked_at(place - 1));
}

static void the_line_of_a_page_is_of_1_to_50_places(void **state)
{
    (void)state;
    struct simulate_lists lists = {nobody, NULL};
    struct simulate_config c = world(4);
    struct simulate *s;
    struct zl_error err;
    c.lists = &lists;
    c.page = 51;
    assert_int_equal(simulate_open(&c, &s, &err), ZL_EUSAGE);
}

/* ---- in one process ---- */

static void pipeline_of(struct config *cfg)
{
    const char *set[] = {"model.max_users=1000", "catalog.max_items=1000", "policy.explore.per=10",
                         "guard.duplicates.budget=16MiB"};
    assert_int_equal(config_load("/dev/null", set, 4, cfg, stderr), ZL_OK);
}

static uint64_t digest_of_loop(const struct config *cfg, uint64_t seed, struct simulate_sums *feed,
                               struct simulate_sums *explored)
{
    struct simulate_loop_engine_config c = {.world = world(seed), .pipeline = cfg};
    struct simulate_loop_engine *l;
    struct zl_error err;
    assert_int_equal(simulate_loop_engine_open(&c, &l, &err), ZL_OK);
    assert_int_equal(simulate_loop_engine_run(l, 3000, &err), ZL_OK);
    uint64_t digest = engine_digest(simulate_loop_engine_engine(l));
    const struct simulate_truth *t = simulate_truth(simulate_loop_engine_world(l));
    *feed = t->origins[SIMULATE_FEED];
    *explored = t->explored;
    simulate_loop_engine_close(l);
    return digest;
}

static void the_loop_in_one_process_is_the_same_from_the_same_seed(void **state)
{
    (void)state;
    struct config cfg;
    struct simulate_sums a, b, explored;
    pipeline_of(&cfg);
    uint64_t first = digest_of_loop(&cfg, 9, &a, &explored);
    assert_true(first == digest_of_loop(&cfg, 9, &b, &explored));
    assert_true(a.shown == b.shown && a.interest == b.interest);
    assert_true(a.shown > 300 && explored.shown > 5);
    assert_true(first != digest_of_loop(&cfg, 10, &b, &explored));
    config_release(&cfg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_of_the_store_becomes_a_page),
        cmocka_unit_test(impressions_carry_what_the_list_said),
        cmocka_unit_test(without_lists_the_platform_chooses),
        cmocka_unit_test(what_is_planned_and_not_on_the_log_was_not_shown),
        cmocka_unit_test(fewer_look_at_lower_places),
        cmocka_unit_test(the_line_of_a_page_is_of_1_to_50_places),
        cmocka_unit_test(the_loop_in_one_process_is_the_same_from_the_same_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
