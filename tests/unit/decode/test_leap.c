/* Who leaps, and who says that it may. Times are in days; users are letters. */
#include "decode/leap.h"

#include "unit/decode/decode_door.h"

#define DAY INT64_C(86400000)
#define YEAR 366

static struct zl_event events[200];
static size_t n_log;

/* "a100 b101": user a on day 100, user b on day 101. */
static void log_of(const char *text)
{
    n_log = 0;
    while (*text) {
        char *end;
        struct zl_event *ev = &events[n_log++];
        *ev = (struct zl_event){.user_id = {text, 1}};
        ev->ts_ms = strtoll(text + 1, &end, 10) * DAY;
        text = end + strspn(end, " ");
    }
}

static enum leap verdict(bool end, bool first)
{
    return decode_leap_judge(events, n_log, 0, end, first);
}

static void a_leap_is_more_than_a_year(void **state)
{
    (void)state;
    assert_false(decode_leap_is(100 * DAY, (100 + YEAR) * DAY));
    assert_true(decode_leap_is(100 * DAY, (100 + YEAR) * DAY + 1));
    assert_true(decode_leap_is(0, 1));
    assert_false(decode_leap_is(100 * DAY, DECODE_MAX_CLOCK_MS)); /* no time at all */
}

static void a_pause_that_others_follow_is_believed(void **state)
{
    (void)state;
    log_of("a5000 b5000 c5001 a5001");
    assert_int_equal(verdict(true, false), LEAP_BELIEVED);
}

static void a_wrong_clock_is_refused_however_often_it_speaks(void **state)
{
    (void)state;
    log_of("a370000 a370000 a370000 a370000 b100 a370000 a370000");
    assert_int_equal(verdict(true, false), LEAP_REFUSED);
    assert_int_equal(verdict(true, true), LEAP_REFUSED);
}

static void where_only_one_user_speaks_that_user_is_asked(void **state)
{
    (void)state;
    log_of("a5000 a5001 a5002");
    assert_int_equal(verdict(true, false), LEAP_BELIEVED);
    log_of("a5000 a100 a101 a102 a103 a104");
    assert_int_equal(verdict(true, false), LEAP_REFUSED);
}

static void a_quarter_of_the_others_is_enough(void **state)
{
    (void)state;
    log_of("a5000 b100 c4990 d101 e102"); /* sorted by user: each begins anew */
    assert_int_equal(verdict(true, false), LEAP_BELIEVED);
    log_of("a5000 b100 c4990 d101 e102 f103");
    assert_int_equal(verdict(true, false), LEAP_REFUSED);
}

static void with_nothing_after_it_only_the_first_event_is_believed(void **state)
{
    (void)state;
    log_of("a5000");
    assert_int_equal(verdict(true, true), LEAP_BELIEVED);
    assert_int_equal(verdict(true, false), LEAP_REFUSED);
}

static void it_stays_open_until_the_window_is_there(void **state)
{
    (void)state;
    log_of("a5000");
    while (n_log < LEAP_WINDOW) {
        events[n_log] = events[0];
        events[n_log++].user_id = ZL_SPAN("b");
    }
    assert_int_equal(verdict(false, false), LEAP_OPEN);
    assert_int_equal(verdict(true, false), LEAP_BELIEVED);
    events[n_log] = events[1];
    n_log++;
    assert_int_equal(verdict(false, false), LEAP_BELIEVED);
}

static void what_lies_beyond_the_window_has_no_say(void **state)
{
    (void)state;
    log_of("a5000");
    for (; n_log < 200; n_log++)
        events[n_log] = (struct zl_event){.user_id = ZL_SPAN("b"),
                                          .ts_ms = (n_log <= LEAP_WINDOW ? 100 : 5000) * DAY};
    assert_int_equal(verdict(true, false), LEAP_REFUSED);
}

/* ---- the decoder that asks ---- */

static void feed_line(int64_t offset, const char *user, int64_t day)
{
    char text[256];
    int n = snprintf(text, sizeof text,
                     "{\"event_id\":\"e%lld\",\"type\":\"follow\",\"user_id\":\"%s\",\"ts\":%lld}",
                     (long long)offset, user, (long long)(day * DAY));
    struct decode_message m = message(ZL_TOPIC_EVENTS, (struct zl_span){text, (size_t)n});
    m.log_ms = -1;
    m.offset = offset;
    decode_message(d, &m, (uint32_t)offset);
}

static void the_clock_stays_where_a_leap_is_not_believed(void **state)
{
    (void)state;
    int n;
    decode_set_clock(d, 100 * DAY);
    decode_begin(d);
    feed_line(0, "a", 101);
    feed_line(1, "b", 370000);
    feed_line(2, "c", 102);
    assert_int_equal(decode_settle_clock(d, &(struct decode_log){.end = true}), -1);
    const struct zl_event *ev = decode_events(d, &n);
    assert_int_equal(n, 3);
    assert_int_equal(ev[1].from.log_ms, 101 * DAY);
    assert_int_equal(ev[2].from.log_ms, 102 * DAY);
}

static void a_first_event_that_is_refused_has_the_time_of_those_after_it(void **state)
{
    (void)state;
    int n;
    decode_set_clock(d, 0);
    decode_begin(d);
    feed_line(0, "a", 370000);
    feed_line(1, "b", 103);
    feed_line(2, "c", 102);
    assert_int_equal(decode_settle_clock(d, &(struct decode_log){.end = true}), -1);
    const struct zl_event *ev = decode_events(d, &n);
    assert_int_equal(ev[0].from.log_ms, 102 * DAY);
    assert_int_equal(ev[1].from.log_ms, 103 * DAY);
}

static void the_first_event_of_a_pipe_is_not_kept_waiting(void **state)
{
    (void)state;
    decode_set_clock(d, 0);
    decode_begin(d);
    feed_line(0, "a", 100);
    assert_int_equal(decode_settle_clock(d, &(struct decode_log){.live = true}), -1);
    decode_set_clock(d, 0);
    decode_begin(d);
    feed_line(0, "a", 100);
    assert_int_equal(decode_settle_clock(d, &(struct decode_log){.live = false}), 0);
}

static void what_waits_for_its_judges_is_given_again_with_all_after_it(void **state)
{
    (void)state;
    int n;
    decode_set_clock(d, 100 * DAY);
    decode_begin(d);
    feed_line(7, "a", 101);
    feed_line(8, "b", 5000);
    feed_line(9, "c", 5001);
    assert_int_equal(decode_settle_clock(d, &(struct decode_log){.first_offset = 7}), 8);
    const struct zl_event *ev = decode_events(d, &n);
    assert_int_equal(n, 1);
    assert_int_equal(ev[0].from.log_ms, 101 * DAY);
    decode_begin(d); /* now it stands first in a batch that cannot grow */
    feed_line(8, "b", 5000);
    feed_line(9, "c", 5001);
    struct decode_log full = {.full = true, .first_offset = 8};
    assert_int_equal(decode_settle_clock(d, &full), -1);
    ev = decode_events(d, &n);
    assert_int_equal(n, 2);
    assert_int_equal(ev[0].from.log_ms, 5000 * DAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_leap_is_more_than_a_year),
        TEST(a_pause_that_others_follow_is_believed),
        TEST(a_wrong_clock_is_refused_however_often_it_speaks),
        TEST(where_only_one_user_speaks_that_user_is_asked),
        TEST(a_quarter_of_the_others_is_enough),
        TEST(with_nothing_after_it_only_the_first_event_is_believed),
        TEST(it_stays_open_until_the_window_is_there),
        TEST(what_lies_beyond_the_window_has_no_say),
        TEST(the_clock_stays_where_a_leap_is_not_believed),
        TEST(a_first_event_that_is_refused_has_the_time_of_those_after_it),
        TEST(the_first_event_of_a_pipe_is_not_kept_waiting),
        TEST(what_waits_for_its_judges_is_given_again_with_all_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
