/* The table of rewards, skips, and what the rank is for: interest without the video's length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "reward/reward.h"

static struct reward_config config(enum reward_watch watch)
{
    struct reward_config cfg = {
        .r_max = 5, .watch = watch, .min_watch_ms = 3000, .half_life = 10000};
    reward_default_weights(cfg.weights);
    return cfg;
}

static struct reward *open_reward(const struct reward_config *cfg)
{
    struct reward *r;
    struct zl_error err;
    assert_int_equal(reward_open(cfg, &r, &err), ZL_OK);
    return r;
}

static struct zl_event event(enum zl_event_type type, int64_t watch_ms, int64_t duration_ms)
{
    return (struct zl_event){.type = type,
                             .watch_ms = watch_ms,
                             .duration_ms = duration_ms,
                             .outcome = ZL_COUNTED,
                             .weight = 1};
}

static void the_table_is_the_designs(void **state)
{
    (void)state;
    static const int64_t micro[ZL_N_EVENT_TYPES] = {
        0,       -1, 1000000, 2000000, 1500000, 1500000, 2000000,
        2000000, 0,  0,       1500000, 3000000, 4000000, 0,
    };
    struct reward_config cfg = config(REWARD_WATCH_RANK);
    struct reward *r = open_reward(&cfg);
    for (int t = 0; t < ZL_N_EVENT_TYPES; t++) {
        struct zl_event ev = event((enum zl_event_type)t, -1, -1);
        if (t != ZL_WATCH)
            assert_int_equal(reward_of(r, &ev), micro[t]);
    }
    reward_close(r);
}

static void no_weight_rewards_what_is_no_praise(void **state)
{
    (void)state;
    struct reward_config cfg = config(REWARD_WATCH_RANK);
    for (int t = 0; t < ZL_N_EVENT_TYPES; t++)
        cfg.weights[t] = 100;
    struct reward *r = open_reward(&cfg);
    for (int t = 0; t < ZL_N_EVENT_TYPES; t++) {
        struct zl_event ev = event((enum zl_event_type)t, 60000, 60000);
        bool none =
            t == ZL_IMPRESSION || t == ZL_NOT_INTERESTED || t == ZL_REPORT || t == ZL_REFUND;
        assert_int_equal(reward_of(r, &ev), none ? 0 : 5000000); /* and r_max cuts the rest */
    }
    reward_close(r);
}

static void negative_and_missing_things_are_worth_nothing(void **state)
{
    (void)state;
    struct reward_config cfg = config(REWARD_WATCH_RANK);
    cfg.weights[ZL_LIKE] = -1;
    struct reward *r = open_reward(&cfg);
    struct zl_event like = event(ZL_LIKE, -1, -1), watch = event(ZL_WATCH, -1, -1);
    assert_int_equal(reward_of(r, &like), 0);
    assert_int_equal(reward_of(r, &watch), 0);
    reward_close(r);
}

static void a_skip_is_short_by_both_measures(void **state)
{
    (void)state;
    static const struct {
        int64_t watch_ms, duration_ms;
        bool skip;
    } cases[] = {
        {2999, 60000, true}, {3000, 60000, false}, {2999, 59980, false}, {2999, 59981, true},
        {2999, 0, true},     {3000, -1, false},    {500, 10000, false},  {499, 10000, true},
    };
    for (int mode = 0; mode < 3; mode++) {
        struct reward_config cfg = config((enum reward_watch)mode);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            struct reward *r = open_reward(&cfg);
            struct zl_event ev = event(ZL_WATCH, cases[i].watch_ms, cases[i].duration_ms);
            if (cases[i].skip != (reward_of(r, &ev) == 0))
                fail_msg("mode %d, case %zu", mode, i);
            reward_close(r);
        }
    }
}

static void only_admitted_events_are_rewarded_or_remembered(void **state)
{
    (void)state;
    struct reward_config cfg = config(REWARD_WATCH_RANK);
    struct reward *r = open_reward(&cfg);
    struct zl_event batch[ZL_N_OUTCOMES];
    for (int o = 0; o < ZL_N_OUTCOMES; o++) {
        batch[o] = event(ZL_WATCH, 30000, 60000);
        batch[o].outcome = (enum zl_outcome)o;
        batch[o].reward_micro = 77;
    }
    reward_batch(r, batch, ZL_N_OUTCOMES);
    for (int o = 0; o < ZL_N_OUTCOMES; o++)
        assert_int_equal(batch[o].reward_micro, o == ZL_COUNTED ? 500000 : 0);
    struct rows_table t = reward_rows(r);
    assert_int_equal(t.track->n_dirty, 1);
    reward_close(r);
}

static double correlation(const double *a, const double *b, int n)
{
    double ma = 0, mb = 0, ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < n; i++) {
        ma += a[i] / n;
        mb += b[i] / n;
    }
    for (int i = 0; i < n; i++) {
        ab += (a[i] - ma) * (b[i] - mb);
        aa += (a[i] - ma) * (a[i] - ma);
        bb += (b[i] - mb) * (b[i] - mb);
    }
    return ab / sqrt(aa * bb);
}

/* A platform where long videos are watched longer whatever they are: seconds = length^0.7 * how much it is liked * luck. */
static void rank_tells_interest_better_than_raw_watch_time(void **state)
{
    (void)state;
    enum { N = 20000 };
    static double interest[N], reward[3][N];
    for (uint64_t seed = 1; seed <= 5; seed++) {
        for (int mode = 0; mode < 3; mode++) {
            struct rng r = {seed * 1000003};
            struct reward_config cfg = config((enum reward_watch)mode);
            cfg.r_max = 1e6;
            struct reward *rw = open_reward(&cfg);
            for (int i = 0; i < N; i++) {
                double length_s = exp(2.3 + 4.6 * rng_uniform(&r)); /* 10 s .. 1000 s */
                interest[i] = rng_uniform(&r);
                double watch_s = pow(length_s, 0.7) * 3 * interest[i] * exp(0.3 * rng_normal(&r));
                watch_s = fmin(watch_s, length_s * 1.5);
                struct zl_event ev =
                    event(ZL_WATCH, (int64_t)(watch_s * 1000), (int64_t)(length_s * 1000));
                reward[mode][i] = (double)reward_of(rw, &ev);
            }
            reward_close(rw);
        }
        double rank = correlation(interest, reward[REWARD_WATCH_RANK], N);
        double raw = correlation(interest, reward[REWARD_WATCH_RAW], N);
        double completion = correlation(interest, reward[REWARD_WATCH_COMPLETION], N);
        print_message(
            "SEED %llu: correlation with interest: rank %.3f, completion %.3f, raw %.3f\n",
            (unsigned long long)seed, rank, completion, raw);
        assert_true(rank > raw + 0.1);
        assert_true(rank > completion + 0.05);
        assert_true(rank > 0.85);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_the_designs),
        cmocka_unit_test(no_weight_rewards_what_is_no_praise),
        cmocka_unit_test(negative_and_missing_things_are_worth_nothing),
        cmocka_unit_test(a_skip_is_short_by_both_measures),
        cmocka_unit_test(only_admitted_events_are_rewarded_or_remembered),
        cmocka_unit_test(rank_tells_interest_better_than_raw_watch_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
