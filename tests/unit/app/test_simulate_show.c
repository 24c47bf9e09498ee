/* Stands for src/app/simulate_show.c: the chances that go on the log are those by which is drawn. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/simulate_world.h"
#include "base/check.h"

#define ITEMS 150
#define DRAWS 200000

static struct simulate *world(double over_show)
{
    struct simulate *s;
    struct zl_error err;
    struct simulate_config c = {.seed = 5,
                                .users = 50,
                                .items = ITEMS,
                                .topics = 6,
                                .start_ms = 1767225600000LL,
                                .events_per_s = 20,
                                .new_items = 0.01,
                                .over_show = over_show,
                                .over_topic = 2};
    struct simulate_record r;
    assert_int_equal(simulate_open(&c, &s, &err), ZL_OK);
    for (int i = 0; i < ITEMS + 3000;
         i++) /* new items too: they are on shelves, but without heat */
        simulate_next(s, -1, &r);
    assert_true(simulate_items(s) > ITEMS + 20);
    return s;
}

static void what_is_shown_is_shown_as_often_as_its_chance_says(void **state)
{
    (void)state;
    static const double factors[] = {0, 8};
    for (int f = 0; f < 2; f++) {
        struct simulate *s = world(factors[f]);
        const struct sim_user *u = &s->users[7];
        uint32_t n = simulate_items(s), *drawn = xcalloc(n, sizeof *drawn);
        double sum = 0, chi2 = 0;
        int terms = 0;
        for (int i = 0; i < DRAWS; i++)
            drawn[sim_show(s, u)]++;
        for (uint32_t i = 0; i < n; i++) {
            double p = sim_show_chance(s, u, i), expected = p * DRAWS;
            sum += p;
            assert_true(p > 0); /* an item in twelve is arbitrary */
            if (expected < 5)
                continue;
            chi2 += (drawn[i] - expected) * (drawn[i] - expected) / expected;
            terms++;
        }
        assert_true(fabs(sum - 1) < 1e-9); /* rounding of some hundred terms */
        assert_true(terms > 100);
        /* mean: terms, deviation: sqrt(2 terms); four of these */
        if (fabs(chi2 - terms) > 4 * sqrt(2.0 * terms))
            fail_msg("chi2 %.1f of %d", chi2, terms);
        free(drawn);
        simulate_close(s);
    }
}

static void an_item_of_the_topic_is_shown_so_many_times_as_often_against_another(void **state)
{
    (void)state;
    struct simulate *s = world(8);
    const struct sim_user *u = &s->users[7];
    uint32_t of = 0, other = 0;
    while (s->items[of].topic != 2)
        of++;
    while (s->items[other].topic == 2)
        other++;
    double over = sim_show_chance(s, u, of) / sim_show_chance(s, u, other);
    s->cfg.over_show = 0;
    double plain = sim_show_chance(s, u, of) / sim_show_chance(s, u, other);
    assert_true(fabs(over / plain - 8) < 1e-9);
    simulate_close(s);
}

/* Impressions with a propensity, of 2,000 events; *shown: impressions. */
static int with_propensity(double over_show, int *shown)
{
    struct simulate *s = world(over_show);
    struct simulate_record r;
    int n = 0;
    *shown = 0;
    for (int i = 0; i < 2000; i++) {
        char line[1024];
        simulate_next(s, -1, &r);
        snprintf(line, sizeof line, "%.*s", (int)r.value.len, r.value.ptr);
        bool impression = strstr(line, "\"type\":\"impression\"") != NULL;
        bool tells = strstr(line, "\"propensity\":") != NULL;
        assert_true(impression || !tells);
        *shown += impression;
        n += tells;
    }
    simulate_close(s);
    return n;
}

static void chances_are_on_the_log_only_of_a_platform_that_over_shows(void **state)
{
    (void)state;
    int shown, told = with_propensity(0, &shown);
    assert_int_equal(told, 0);
    told = with_propensity(8, &shown);
    assert_int_equal(told, shown);
    assert_true(shown > 500);
}

static void a_topic_that_is_not_there_cannot_be_over_shown(void **state)
{
    (void)state;
    uint32_t topic;
    struct simulate *s;
    struct zl_error err;
    struct simulate_config c = {.users = 5, .items = 5, .topics = 2, .events_per_s = 1};
    assert_true(simulate_topic("football", 8, 3, &topic) && topic == 2);
    assert_false(simulate_topic("football", 8, 2, &topic));
    assert_false(simulate_topic("foot", 4, 3, &topic));
    assert_true(simulate_topic("topic31", 7, 40, &topic) && topic == 31);
    c.over_topic = 2;
    c.over_show = 8;
    assert_int_equal(simulate_open(&c, &s, &err), ZL_EUSAGE);
    c.over_topic = 1;
    c.over_show = 0.5;
    assert_int_equal(simulate_open(&c, &s, &err), ZL_EUSAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shown_is_shown_as_often_as_its_chance_says),
        cmocka_unit_test(an_item_of_the_topic_is_shown_so_many_times_as_often_against_another),
        cmocka_unit_test(chances_are_on_the_log_only_of_a_platform_that_over_shows),
        cmocka_unit_test(a_topic_that_is_not_there_cannot_be_over_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
