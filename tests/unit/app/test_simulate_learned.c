/* Stands for src/app/simulate_learned.c: what is learned of people's topics is held against the truth. The bar itself is held by
 * tests/system/test_learned_shares.py, on a longer run. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/config.h"
#include "app/simulate_learned.h"
#include "app/simulate_loop_engine.h"

#define EVENTS 30000
#define TOPICS 4

static struct simulate_loop_engine *run(struct config *cfg, const char *correction)
{
    char setting[64];
    const char *set[] = {"model.max_users=1000", "catalog.max_items=1000",
                         "guard.duplicates.budget=16MiB", setting};
    struct simulate_loop_engine_config c = {.world = {.seed = 1,
                                                      .users = 100,
                                                      .items = 100,
                                                      .topics = TOPICS,
                                                      .start_ms = 1767225600000LL,
                                                      .events_per_s = 5,
                                                      .open_events = EVENTS,
                                                      .page = 20,
                                                      .over_show = 16,
                                                      .over_topic = 2},
                                            .pipeline = cfg,
                                            .look_from = EVENTS / 2};
    struct simulate_loop_engine *l;
    struct zl_error err;
    snprintf(setting, sizeof setting, "reward.correction.propensity=%s", correction);
    assert_int_equal(config_load("/dev/null", set, 4, cfg, stderr), ZL_OK);
    assert_int_equal(simulate_loop_engine_open(&c, &l, &err), ZL_OK);
    assert_int_equal(simulate_loop_engine_run(l, EVENTS, &err), ZL_OK);
    return l;
}

static double over_shown(const char *correction, double *wanted, struct simulate_learned_errors *e)
{
    struct config cfg;
    struct simulate_loop_engine *l = run(&cfg, correction);
    const struct simulate_learned *seen = simulate_loop_engine_learned(l);
    double learned, sum = 0, true_sum = 0;
    for (uint32_t t = 0; t < TOPICS; t++) {
        simulate_learned_topic(seen, t, &learned, wanted);
        sum += learned;
        true_sum += *wanted;
    }
    assert_true(fabs(sum - 1) < 1e-4); /* of float chances */
    assert_true(fabs(true_sum - 1) < 1e-9);
    simulate_learned_topic(seen, 2, &learned, wanted);
    simulate_learned_errors(seen, e);
    assert_true(e->users > 50 && e->looks > 1000);
    simulate_loop_engine_close(l);
    config_release(&cfg);
    return learned;
}

static void a_topic_that_is_shown_too_often_is_learned_too_large_unless_corrected(void **state)
{
    (void)state;
    double wanted, again;
    struct simulate_learned_errors off, inverse;
    double plain = over_shown("off", &wanted, &off),
           corrected = over_shown("inverse", &again, &inverse);
    print_message(
        "share of the topic: true %.3f, learned %.3f, corrected %.3f; errors %.4f %.4f of "
        "the mean %.4f %.4f\n",
        wanted, plain, corrected, off.user, inverse.user, off.all, inverse.all);
    assert_true(wanted == again && off.looks == inverse.looks); /* an open loop: the same events */
    assert_true(plain > 1.5 * wanted);
    assert_true(fabs(corrected - wanted) < 0.5 * fabs(plain - wanted));
    assert_true(inverse.user < off.user && inverse.all < 0.5 * off.all);
}

static void who_has_chosen_nothing_is_not_looked_at(void **state)
{
    (void)state;
    struct config cfg;
    struct simulate_loop_engine *l = run(&cfg, "off");
    struct simulate_learned_errors e;
    struct simulate_learned *fresh =
        simulate_learned_open(simulate_loop_engine_world(l), simulate_loop_engine_engine(l));
    double learned, wanted;
    simulate_learned_look(fresh, 100); /* the named user, who is not there */
    simulate_learned_errors(fresh, &e);
    assert_true(e.users == 0 && e.looks == 0 && e.user == 0 && e.all == 0);
    simulate_learned_topic(fresh, 0, &learned, &wanted);
    assert_true(learned == 0 && wanted == 0);
    simulate_learned_look(fresh, 0);
    simulate_learned_errors(fresh, &e);
    assert_true(e.users == 1 && e.looks == 1 && fabs(e.user - e.all) < 1e-12);
    simulate_learned_close(fresh);
    simulate_loop_engine_close(l);
    config_release(&cfg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_that_is_shown_too_often_is_learned_too_large_unless_corrected),
        cmocka_unit_test(who_has_chosen_nothing_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
