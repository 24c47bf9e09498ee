/* Stands for src/model/decay.c: which of choices and time a half-life is, and that single gaps do not matter. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/decay.h"

static struct decay make(double choices, double span_ms)
{
    struct decay d = {0};
    for (int c = 0; c < DECAY_CLOCKS; c++) {
        d.choices[c] = choices;
        d.span_ms[c] = span_ms;
    }
    return d;
}

static double half_lives_in(struct decay *d, int choices, int64_t *at_ms, int64_t gap_ms)
{
    double before = d->now[0];
    for (int i = 0; i < choices; i++)
        decay_advance(d, *at_ms += gap_ms, 1);
    return d->now[0] - before;
}

static void thin_traffic_forgets_by_choices(void **state)
{
    (void)state;
    struct decay d = make(300, 150000);
    int64_t at_ms = 1;
    assert_true(fabs(half_lives_in(&d, 3000, &at_ms, 10000) - 10) <
                1e-9); /* 500 ms a choice is dense */
}

static void dense_traffic_forgets_by_time(void **state)
{
    (void)state;
    struct decay d = make(300, 150000);
    int64_t at_ms = 1;
    half_lives_in(&d, 5000, &at_ms, 1);
    assert_true(fabs(half_lives_in(&d, 150000, &at_ms, 1) - 1) < 0.01);
}

static void without_a_span_time_never_counts(void **state)
{
    (void)state;
    struct decay d = make(300, 0);
    int64_t at_ms = 1;
    assert_true(fabs(half_lives_in(&d, 3000, &at_ms, 1) - 10) < 1e-9);
}

/* 20 choices at one moment, then 200 s of nothing: 10 s a choice on average, which is thin. */
static void bursts_count_by_their_average(void **state)
{
    (void)state;
    struct decay d = make(300, 150000);
    int64_t at_ms = 1;
    for (int i = 0; i < 200; i++) {
        half_lives_in(&d, 20, &at_ms, 0);
        at_ms += 200000;
    }
    assert_true(d.now[0] > 0.95 * 4000 / 300.0);
}

static void a_late_event_does_not_turn_the_clock_back(void **state)
{
    (void)state;
    struct decay d = make(300, 150000);
    int64_t at_ms = 1;
    half_lives_in(&d, 2000, &at_ms, 100);
    double before = d.now[0], gap_ms = d.gap_ms;
    decay_advance(&d, 5, 1);
    assert_true(d.now[0] > before && d.gap_ms <= gap_ms && d.newest_ms == at_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thin_traffic_forgets_by_choices),
        cmocka_unit_test(dense_traffic_forgets_by_time),
        cmocka_unit_test(without_a_span_time_never_counts),
        cmocka_unit_test(bursts_count_by_their_average),
        cmocka_unit_test(a_late_event_does_not_turn_the_clock_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
