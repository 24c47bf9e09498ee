/* Ranges and the time rules, at their borders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard/validity.h"

#define LOG_MS INT64_C(1700000000000)
#define SKEW 60000
#define DAY INT64_C(86400000)

static const struct guard_config cfg = {.late_ms = DAY, .skew_ms = SKEW, .future_ms = DAY};

static struct zl_event event_at(int64_t ts_ms)
{
    return (struct zl_event){
        .from = {.log_ms = LOG_MS}, .ts_ms = ts_ms, .watch_ms = -1, .duration_ms = -1};
}

static void an_event_is_placed_by_its_distance_from_the_log(void **state)
{
    (void)state;
    static const struct {
        int64_t ts_ms, at_ms;
        bool admitted, late;
    } cases[] = {
        {LOG_MS, LOG_MS, true, false},
        {LOG_MS + SKEW, LOG_MS + SKEW, true, false},
        {LOG_MS + SKEW + 1, LOG_MS, true, false},
        {LOG_MS + DAY, LOG_MS, true, false},
        {LOG_MS + DAY + 1, 0, false, false},
        {LOG_MS - DAY, LOG_MS - DAY, true, false},
        {LOG_MS - DAY - 1, LOG_MS - DAY - 1, true, true},
        {1, 1, true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct zl_event ev = event_at(cases[i].ts_ms);
        assert_int_equal(guard_validity_check(&cfg, &ev), cases[i].admitted);
        if (!cases[i].admitted) {
            assert_int_equal(ev.reason, ZL_FUTURE_TIME);
            assert_int_equal(ev.outcome, ZL_REJECTED);
            assert_non_null(ev.detail);
            continue;
        }
        assert_int_equal(ev.outcome, ZL_COUNTED);
        assert_int_equal(ev.at_ms, cases[i].at_ms);
        assert_int_equal(ev.late, cases[i].late);
        assert_true(ev.weight == 1);
        assert_int_equal(guard_validity_is_skewed(&ev), ev.at_ms != ev.ts_ms);
    }
}

static void what_cannot_be_is_out_of_range(void **state)
{
    (void)state;
    static const struct {
        int64_t ts_ms, watch_ms, duration_ms;
        bool admitted;
    } cases[] = {
        {LOG_MS, 0, 0, true},         {LOG_MS, DAY, DAY, true},   {LOG_MS, DAY + 1, -1, false},
        {LOG_MS, -1, DAY + 1, false}, {LOG_MS, -2, -1, false},    {0, -1, -1, false},
        {INT64_MIN, -1, -1, false},   {INT64_MAX, -1, -1, false}, {GUARD_MAX_TS_MS, -1, -1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct zl_event ev = event_at(cases[i].ts_ms);
        ev.watch_ms = cases[i].watch_ms;
        ev.duration_ms = cases[i].duration_ms;
        assert_int_equal(guard_validity_check(&cfg, &ev), cases[i].admitted);
        if (!cases[i].admitted)
            assert_int_equal(ev.reason, ZL_OUT_OF_RANGE);
    }
}

static void without_a_log_time_the_event_is_taken_at_its_word(void **state)
{
    (void)state;
    struct zl_event ev = event_at(5);
    ev.from.log_ms = 0;
    assert_true(guard_validity_check(&cfg, &ev));
    assert_int_equal(ev.at_ms, 5);
    assert_false(ev.late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_placed_by_its_distance_from_the_log),
        cmocka_unit_test(what_cannot_be_is_out_of_range),
        cmocka_unit_test(without_a_log_time_the_event_is_taken_at_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
