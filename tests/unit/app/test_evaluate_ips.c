/* Off-policy estimates: against sums by hand, and over runs of the closed loop where the truth is known. */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "support/explore_runs.h"

#define WINDOW_MS 1000

static double half(void *ctx, struct engine *e, const struct evaluate_draw *d)
{
    (void)ctx;
    (void)e;
    return d->item == 1 ? 0.5 : 0.25;
}

static struct evaluate_ips *opened(int outcome)
{
    return evaluate_ips_open(
        &(struct evaluate_ips_plan){.window_ms = WINDOW_MS, .outcome = outcome, .target = half});
}

/* A showing of the list that was ranked at `position`. */
static void shown(struct evaluate_ips *e, int64_t at_ms, uint32_t user, uint32_t item,
                  double propensity, unsigned position)
{
    char id[ZL_VERSION_LEN + 1];
    zl_version_format(&(struct zl_version){1, position, 1}, id);
    struct zl_event ev = {.type = ZL_IMPRESSION,
                          .user = user,
                          .item = item,
                          .at_ms = at_ms,
                          .position = 10,
                          .propensity = propensity,
                          .request_id = zl_span_of(id)};
    evaluate_ips_take(e, &ev);
}

static void answered(struct evaluate_ips *e, int64_t at_ms, uint32_t user, uint32_t item,
                     enum zl_event_type type, double reward)
{
    struct zl_event ev = {.type = type,
                          .user = user,
                          .item = item,
                          .at_ms = at_ms,
                          .reward_micro = (int64_t)(reward * 1e6)};
    evaluate_ips_take(e, &ev);
}

static struct evaluate_ips_result closed(struct evaluate_ips *e)
{
    struct evaluate_ips_result r;
    answered(e, 1000000, 99, 99, ZL_LIKE, 1); /* the log goes on */
    evaluate_ips_sort(e);
    for (uint64_t position = 0; position < 100; position++)
        evaluate_ips_ask(e, position, NULL);
    evaluate_ips_summarise(e, &r);
    evaluate_ips_close(e);
    return r;
}

static void the_estimates_are_the_sums_of_the_formula(void **state)
{
    (void)state;
    struct evaluate_ips *e = opened(-1);
    shown(e, 0, 1, 1, 0.25, 5); /* w = 2, twice shown, earns 1.5 and 0 */
    answered(e, 10, 1, 1, ZL_WATCH, 0.5);
    answered(e, 20, 1, 1, ZL_FAVORITE, 1.5);
    shown(e, 500, 1, 1, 0.25, 5);
    shown(e, 600, 2, 7, 0.5, 6); /* w = .5, earns 1 */
    answered(e, 700, 2, 7, ZL_LIKE, 1);
    struct evaluate_ips_result r = closed(e);
    assert_int_equal(r.impressions, 3);
    assert_int_equal(r.draws, 2);
    assert_true(fabs(r.logged - 2.5 / 3) < 1e-12);
    assert_true(fabs(r.ips.value - 3.5 / 3) < 1e-12);     /* (2 * 1.5 + .5) / 3 */
    assert_true(fabs(r.snips.value - 3.5 / 4.5) < 1e-12); /* / (2 * 2 + .5) */
    assert_true(fabs(r.effective - 6.25 / 4.25) < 1e-12);
    assert_true(fabs(r.mean_weight - 1.5) < 1e-12);
    assert_true(r.ips.low < r.ips.value && r.ips.high > r.ips.value);
}

static void an_impression_without_propensity_makes_no_claim(void **state)
{
    (void)state;
    struct evaluate_ips *e = opened(-1);
    shown(e, 0, 1, 1, 0, 5);
    answered(e, 10, 1, 1, ZL_LIKE, 1);
    shown(e, 20, 2, 2, 0.5, 6);
    shown(e, 30, 2, 2, 0, 7); /* the same item at an ordinary place: what comes is its */
    answered(e, 40, 2, 2, ZL_LIKE, 1);
    struct evaluate_ips_result r = closed(e);
    assert_int_equal(r.impressions, 1);
    assert_true(r.logged == 0);
}

static void a_made_up_propensity_makes_no_claim(void **state)
{
    (void)state;
    struct evaluate_ips *e = opened(-1);
    shown(e, 0, 1, 1, 5e-324, 5);
    answered(e, 10, 1, 1, ZL_LIKE, 1);
    shown(e, 20, 2, 2, 0.5, 6);
    struct evaluate_ips_result r = closed(e);
    assert_int_equal(r.impressions, 1);
    assert_true(r.mean_weight == 0.5 && r.effective == 1);
}

static void what_comes_after_the_window_is_not_its_outcome(void **state)
{
    (void)state;
    struct evaluate_ips *e = opened(ZL_LIKE);
    shown(e, 0, 1, 1, 0.5, 5);
    answered(e, WINDOW_MS, 1, 1, ZL_LIKE, 1); /* the last that counts */
    shown(e, 0, 2, 1, 0.5, 6);
    answered(e, WINDOW_MS + 1, 2, 1, ZL_LIKE, 1);
    shown(e, 0, 3, 1, 0.5, 7);
    answered(e, 5, 3, 1, ZL_WATCH, 1); /* not what was asked for */
    struct evaluate_ips_result r = closed(e);
    assert_true(fabs(r.logged - 1.0 / 3) < 1e-12);
}

static void an_impression_near_the_end_of_the_log_is_left_out(void **state)
{
    (void)state;
    struct evaluate_ips *e = opened(-1);
    shown(e, 0, 1, 1, 0.5, 5);
    answered(e, 1, 1, 1, ZL_LIKE, 1);
    shown(e, 1000001 - WINDOW_MS, 2, 1, 0.5, 6);
    struct evaluate_ips_result r = closed(e);
    assert_int_equal(r.impressions, 1);
    assert_int_equal(r.open, 1);
    assert_true(r.logged == 1);
}

static void a_list_that_the_log_does_not_reach_is_lost(void **state)
{
    (void)state;
    struct evaluate_ips *e = opened(-1);
    shown(e, 0, 1, 1, 0.5, 5);
    shown(e, 0, 2, 1, 0.5, 5000);
    struct evaluate_ips_result r = closed(e);
    assert_int_equal(r.impressions, 1);
    assert_int_equal(r.lost, 1);
}

/* n draws of one impression each; every `heavy`-th has weight 2, the others weight 1 (0: none). */
static int doubts_of(unsigned n, unsigned heavy, struct evaluate_doubt out[EVALUATE_IPS_DOUBTS])
{
    struct evaluate_ips *e = opened(-1);
    for (unsigned i = 0; i < n; i++)
        shown(e, 0, i, 1, heavy && i % heavy == 0 ? 0.25 : 0.5, 5 + i % 90);
    struct evaluate_ips_result r = closed(e);
    return evaluate_ips_doubts(&r, out);
}

static void the_error_of_the_mean_weight_is_that_of_a_mean(void **state)
{
    (void)state;
    struct evaluate_ips *e = opened(-1);
    for (unsigned i = 0; i < 80; i++)
        shown(e, 0, i, 1, i % 4 == 0 ? 0.25 : 0.5, 5);
    struct evaluate_ips_result r = closed(e);
    assert_true(fabs(r.mean_weight - 1.25) < 1e-12);
    assert_true(fabs(r.mean_weight_error - sqrt(0.1875 / 79)) < 1e-12); /* 20 of 2, 60 of 1 */
}

static void a_mean_weight_more_than_three_errors_off_is_a_doubt(void **state)
{
    (void)state;
    struct evaluate_doubt doubts[EVALUATE_IPS_DOUBTS];
    assert_int_equal(doubts_of(80, 0, doubts), 0);
    assert_int_equal(doubts_of(80, 16, doubts), 0); /* 1.06, error .027 */
    assert_int_equal(doubts_of(80, 4, doubts), 1);  /* 1.25, error .049 */
    assert_non_null(strstr(doubts[0].words, "mean weight is 1.250"));
    assert_non_null(strstr(doubts[0].words, "--items"));
    assert_non_null(strstr(doubts[0].words, "model.seed"));
}

static void fewer_than_thirty_draws_are_a_doubt(void **state)
{
    (void)state;
    struct evaluate_doubt doubts[EVALUATE_IPS_DOUBTS];
    assert_int_equal(doubts_of(30, 0, doubts), 0);
    assert_int_equal(doubts_of(29, 0, doubts), 1);
    assert_non_null(strstr(doubts[0].words, "effective size is 29.0"));
}

/* ---- with the engine ---- */

static void folder_of(char out[64])
{
    snprintf(out, 64, "/tmp/test-evaluate-ips-XXXXXX");
    assert_non_null(mkdtemp(out));
}

static void remove_folder(const char *folder)
{
    char path[300];
    snprintf(path, sizeof path, "%s/events.jsonl", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/items.jsonl", folder);
    unlink(path);
    rmdir(folder);
}

/* It stands on: versions, the order of learning and ranking, the draws' keys, the text of the propensity. */
static void a_replay_gives_every_logged_propensity_to_the_bit(void **state)
{
    (void)state;
    char folder[64];
    struct config logging;
    struct run_result r;
    struct zl_error err;
    folder_of(folder);
    run_config(NULL, 0, &logging);
    assert_int_equal(run_once(3, 4000, &logging, &logging, folder, &r, &err), ZL_OK);
    assert_true(r.estimate.impressions > 80);
    assert_int_equal(r.estimate.lost, 0);
    assert_int_equal(r.unmatched, 0);
    assert_true(r.estimate.most_off_one == 0);
    assert_true(r.estimate.ips.value == r.estimate.snips.value);
    config_release(&logging);
    remove_folder(folder);
}

static void another_temperature_gives_other_weights_of_mean_one(void **state)
{
    (void)state;
    char folder[64];
    const char *set[] = {"policy.explore.temperature=3"};
    struct config logging, target;
    struct run_result r;
    struct zl_error err;
    folder_of(folder);
    run_config(NULL, 0, &logging);
    run_config(set, 1, &target);
    assert_int_equal(run_once(4, 9000, &logging, &target, folder, &r, &err), ZL_OK);
    assert_true(r.estimate.most_off_one > 0.1);
    assert_true(fabs(r.estimate.mean_weight - 1) < 0.4); /* its standard error is about .07 */
    assert_true(r.estimate.effective < (double)r.estimate.draws);
    config_release(&logging);
    config_release(&target);
    remove_folder(folder);
}

/* 40 runs; with a true coverage of 90 % fewer than 31 hits have a chance of 1 % (binomial). The full figure, 200 runs and more
 * targets: bench_explore_coverage. */
static void the_interval_holds_the_truth(void **state)
{
    (void)state;
    char folder[64];
    const char *set[] = {"policy.explore.temperature=2"};
    struct config logging, target;
    int ips = 0, snips = 0;
    folder_of(folder);
    run_config(NULL, 0, &logging);
    run_config(set, 1, &target);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct run_result r;
        struct zl_error err;
        assert_int_equal(run_once(seed, 3000, &logging, &target, folder, &r, &err), ZL_OK);
        ips += r.estimate.ips.low <= r.truth && r.truth <= r.estimate.ips.high;
        snips += r.estimate.snips.low <= r.truth && r.truth <= r.estimate.snips.high;
    }
    print_message("SEEDS 1..40: ips covers %d, snips %d of 40\n", ips, snips);
    assert_true(ips >= 31);
    assert_true(snips >= 31);
    config_release(&logging);
    config_release(&target);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_estimates_are_the_sums_of_the_formula),
        cmocka_unit_test(an_impression_without_propensity_makes_no_claim),
        cmocka_unit_test(a_made_up_propensity_makes_no_claim),
        cmocka_unit_test(what_comes_after_the_window_is_not_its_outcome),
        cmocka_unit_test(an_impression_near_the_end_of_the_log_is_left_out),
        cmocka_unit_test(a_list_that_the_log_does_not_reach_is_lost),
        cmocka_unit_test(the_error_of_the_mean_weight_is_that_of_a_mean),
        cmocka_unit_test(a_mean_weight_more_than_three_errors_off_is_a_doubt),
        cmocka_unit_test(fewer_than_thirty_draws_are_a_doubt),
        cmocka_unit_test(a_replay_gives_every_logged_propensity_to_the_bit),
        cmocka_unit_test(another_temperature_gives_other_weights_of_mean_one),
        cmocka_unit_test(the_interval_holds_the_truth),
    };
    log_setup(LOG_WARN, LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
