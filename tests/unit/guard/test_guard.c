/* The room as a whole: one outcome each, in order, wherever batches end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/hash.h"
#include "base/metrics.h"
#include "base/rng.h"
#include "guard/guard.h"

#define T0 INT64_C(1700000000000)
#define DAY INT64_C(86400000)

static struct guard *open_guard(void)
{
    static const struct guard_config cfg = {
        .duplicates_window_ms = DAY,
        .duplicates_budget_bytes = 1 << 24,
        .late_ms = DAY,
        .skew_ms = 60000,
        .future_ms = DAY,
    };
    struct guard *g;
    struct zl_error err;
    assert_int_equal(guard_open(&cfg, &g, &err), ZL_OK);
    return g;
}

static struct zl_event event(uint64_t id, int64_t ts_ms)
{
    return (struct zl_event){.from = {.log_ms = T0},
                             .ts_ms = ts_ms,
                             .watch_ms = -1,
                             .duration_ms = -1,
                             .id_hash = hash_mix(id)};
}

static void the_second_of_two_equal_ids_in_a_batch_is_the_duplicate(void **state)
{
    (void)state;
    struct guard *g = open_guard();
    struct zl_event batch[] = {event(1, T0), event(2, T0), event(1, T0), event(2, T0 + 1)};
    guard_batch(g, batch, 4);
    assert_int_equal(batch[0].outcome, ZL_COUNTED);
    assert_int_equal(batch[1].outcome, ZL_COUNTED);
    assert_int_equal(batch[2].outcome, ZL_DUPLICATE);
    assert_int_equal(batch[3].outcome, ZL_DUPLICATE);
    guard_close(g);
}

static void a_rejected_event_does_not_use_up_its_id(void **state)
{
    (void)state;
    struct guard *g = open_guard();
    struct zl_event batch[] = {event(1, T0 + 2 * DAY), event(1, T0), event(1, T0 + 2 * DAY)};
    guard_batch(g, batch, 3);
    assert_int_equal(batch[0].outcome, ZL_REJECTED);
    assert_int_equal(batch[0].reason, ZL_FUTURE_TIME);
    assert_int_equal(batch[1].outcome, ZL_COUNTED);
    assert_int_equal(batch[2].outcome, ZL_REJECTED); /* validity comes first */
    guard_close(g);
}

static void late_and_skewed_events_are_counted_when_admitted(void **state)
{
    (void)state;
    struct guard *g = open_guard();
    uint64_t late = metrics_count(METRIC_LATE, 0), skew = metrics_count(METRIC_CLOCK_SKEW, 0);
    struct zl_event batch[] = {event(1, T0 - 2 * DAY), event(2, T0 + 61000), event(1, T0 - 2 * DAY),
                               event(3, T0)};
    guard_batch(g, batch, 4);
    assert_true(batch[0].late);
    assert_int_equal(batch[0].outcome, ZL_COUNTED);
    assert_int_equal(batch[1].at_ms, T0);
    assert_int_equal(metrics_count(METRIC_LATE, 0) - late, 1);
    assert_int_equal(metrics_count(METRIC_CLOCK_SKEW, 0) - skew, 1);
    guard_close(g);
}

static void where_a_batch_ends_changes_nothing(void **state)
{
    (void)state;
    enum { N = 5000 };
    static struct zl_event whole[N], pieces[N];
    uint64_t seed = 5;
    print_message("SEED %llu\n", (unsigned long long)seed);
    struct rng r = {seed};
    for (int i = 0; i < N; i++)
        whole[i] = event(rng_below(&r, N / 2), T0 + (int64_t)rng_below(&r, 3) * DAY);
    memcpy(pieces, whole, sizeof whole);
    struct guard *a = open_guard(), *b = open_guard();
    guard_batch(a, whole, N);
    for (int at = 0; at < N;) {
        int n = (int)rng_below(&r, 100);
        n = n < N - at ? n : N - at;
        guard_batch(b, pieces + at, n);
        at += n;
    }
    for (int i = 0; i < N; i++) {
        assert_int_equal(whole[i].outcome, pieces[i].outcome);
        assert_int_equal(whole[i].at_ms, pieces[i].at_ms);
    }
    guard_close(a);
    guard_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_of_two_equal_ids_in_a_batch_is_the_duplicate),
        cmocka_unit_test(a_rejected_event_does_not_use_up_its_id),
        cmocka_unit_test(late_and_skewed_events_are_counted_when_admitted),
        cmocka_unit_test(where_a_batch_ends_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
