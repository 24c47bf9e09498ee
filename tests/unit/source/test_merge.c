/* Whose turn is it? Lanes of times made by hand and by chance, with clocks that jump, stand still, run ahead or are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "source/merge.h"

#define LANES 16
#define LONG 4000
#define S ((int64_t)1000000000)

/* A log: what each lane holds, how much of it has come, and whether it is known that more is to come. */
struct message {
    int lane, at;
    int64_t ms;
};

static struct message log_[LANES][LONG];
static int length[LANES], come[LANES], put_[LANES];
static int n_lanes, most_ahead;
static struct source_merge merge;
static const struct message *out[LANES * LONG];
static int n_out;

static void put_what_came(void *ctx, int lane)
{
    (void)ctx;
    for (int n = 0; n < MERGE_AHEAD && put_[lane] < come[lane]; n++) {
        struct message *m = &log_[lane][put_[lane]++];
        source_merge_put(&merge, lane, m, m->ms);
    }
}

static bool more_to_come(void *ctx, int lane)
{
    (void)ctx;
    return come[lane] < length[lane];
}

static void count_given_back(void *what)
{
    (void)what;
    n_out++;
}

static void open_lanes(int n)
{
    n_lanes = n;
    n_out = most_ahead = 0;
    memset(length, 0, sizeof length);
    memset(come, 0, sizeof come);
    memset(put_, 0, sizeof put_);
    const struct source_merge_calls calls = {.put_what_came = put_what_came,
                                             .more_to_come = more_to_come};
    source_merge_init(&merge, n, &calls);
}

static void close_lanes(void)
{
    source_merge_release(&merge, count_given_back);
}

static void add(int lane, int64_t ms)
{
    log_[lane][length[lane]] = (struct message){lane, length[lane], ms};
    length[lane]++;
}

/* n messages from start_ms on, every step_ms. */
static void add_many(int lane, int n, int64_t start_ms, int64_t step_ms)
{
    for (int i = 0; i < n; i++)
        add(lane, start_ms + i * step_ms);
}

static void all_come(void)
{
    memcpy(come, length, sizeof come);
}

/* A round at this moment, of at most so many; how it ended, or the lane that would be next. */
static int turn(int64_t now_ns, int most)
{
    int lane = MERGE_EMPTY;
    source_merge_begin(&merge, now_ns);
    for (int i = 0; i < most && (lane = source_merge_pick(&merge)) >= 0; i++) {
        out[n_out++] = source_merge_take(&merge, lane);
        assert_int_equal(out[n_out - 1]->lane, lane);
    }
    return lane;
}

/* Rounds in which nothing comes, until this moment; how the last one ended. */
static int wait_until(int64_t from_ns, int64_t to_ns)
{
    int64_t now = from_ns;
    int last = MERGE_WAIT;
    while (now < to_ns && last == MERGE_WAIT) {
        now = now + MERGE_CHARGE_NS < to_ns ? now + MERGE_CHARGE_NS : to_ns;
        last = turn(now, INT32_MAX);
    }
    return last;
}

static void all_came_once_and_in_lane_order(void)
{
    int next[LANES] = {0};
    for (int i = 0; i < n_out; i++)
        assert_int_equal(out[i]->at, next[out[i]->lane]++);
    assert_memory_equal(next, length, sizeof next);
}

static int late_by_more_than(int64_t ms)
{
    int64_t newest = INT64_MIN;
    int n = 0;
    for (int i = 0; i < n_out; i++) {
        n += out[i]->ms + ms < newest;
        newest = out[i]->ms > newest ? out[i]->ms : newest;
    }
    return n;
}

static int place_of(int lane, int at)
{
    for (int i = 0; i < n_out; i++)
        if (out[i]->lane == lane && out[i]->at == at)
            return i;
    return -1;
}

/* ---- order ---- */

static void a_backlog_comes_in_order_of_time(void **state)
{
    (void)state;
    open_lanes(4);
    for (int lane = 0; lane < 4; lane++)
        add_many(lane, LONG / (lane + 1), 1000 + lane,
                 1 + lane); /* unlike rates, all end together */
    all_come();
    assert_int_equal(turn(S, INT32_MAX), MERGE_EMPTY);
    all_came_once_and_in_lane_order();
    assert_int_equal(late_by_more_than(0), 0);
    close_lanes();
}

static void one_lane_is_taken_as_it_is(void **state)
{
    (void)state;
    open_lanes(1);
    add_many(0, 500, 9000, -7);
    add(0, -1);
    add_many(0, 500, INT64_MAX - 1, 0);
    all_come();
    assert_int_equal(turn(S, INT32_MAX), MERGE_EMPTY);
    all_came_once_and_in_lane_order();
    close_lanes();
}

static void equal_times_take_turns(void **state)
{
    (void)state;
    open_lanes(3);
    for (int lane = 0; lane < 3; lane++)
        add_many(lane, 100, 5000, 0);
    all_come();
    turn(S, INT32_MAX);
    for (int i = 0; i < 300; i++)
        assert_int_equal(out[i]->lane, i % 3);
    close_lanes();
}

static void lanes_without_times_take_turns(void **state)
{
    (void)state;
    open_lanes(3);
    for (int lane = 0; lane < 3; lane++)
        add_many(lane, 100, -1, 0);
    all_come();
    turn(S, INT32_MAX);
    for (int i = 0; i < 300; i++)
        assert_int_equal(out[i]->lane, i % 3);
    close_lanes();
}

static void a_message_without_a_time_has_that_of_the_one_before(void **state)
{
    (void)state;
    open_lanes(2);
    add(0, 1000);
    add(0, -1);
    add(0, 3000);
    add_many(1, 20, 1001, 100);
    all_come();
    turn(S, INT32_MAX);
    assert_int_equal(place_of(0, 1), 1); /* at 1000: before 1001 */
    assert_int_equal(place_of(0, 2), 22);
    close_lanes();
}

static void a_message_without_a_time_does_not_jump_the_queue(void **state)
{
    (void)state;
    open_lanes(2);
    add(0, 1000);
    add(0, 5000);
    add(0, -1);
    add_many(
        1, LONG, 1001,
        1); /* 5000 has its turn among these, by the count of passes; its companion is ahead like it */
    all_come();
    turn(S, INT32_MAX);
    assert_in_range(place_of(0, 2) - place_of(0, 1), MERGE_PASSES, MERGE_PASSES + 1);
    close_lanes();
}

static void a_time_that_goes_back_stays_in_its_lane(void **state)
{
    (void)state;
    open_lanes(2);
    add(0, 1000);
    add(0, 100); /* a late message: at once when it is the head, not before */
    add(0, 1200);
    add_many(1, 5, 1050, 100);
    all_come();
    turn(S, INT32_MAX);
    all_came_once_and_in_lane_order();
    assert_int_equal(place_of(0, 1), 1);
    assert_int_equal(place_of(0, 2), 4);
    close_lanes();
}

static void the_same_log_gives_the_same_order_however_it_is_cut_into_rounds(void **state)
{
    (void)state;
    const uint64_t seed = 4711;
    static const struct message *whole[LANES * LONG];
    for (int run = 0; run < 2; run++) {
        struct rng r = rng_at(seed, 0, 0, 0);
        open_lanes(5);
        for (int lane = 0; lane < 5; lane++)
            for (int i = 0; i < 1000; i++)
                add(lane, (int64_t)rng_below(&r, 100000) - 1); /* hostile: no order, some without */
        all_come();
        for (int64_t ns = S; turn(ns, run == 0 ? INT32_MAX : 1 + (int)rng_below(&r, 50)) >= 0; ns++)
            continue;
        all_came_once_and_in_lane_order();
        if (run == 0)
            memcpy(whole, out, sizeof out);
        close_lanes();
        n_out = 5000;
    }
    if (memcmp(whole, out, 5000 * sizeof *out) != 0)
        fail_msg("SEED %llu", (unsigned long long)seed);
}

/* ---- nobody starves ---- */

static void a_lane_an_hour_ahead_is_served_now_and_then(void **state)
{
    (void)state;
    open_lanes(2);
    add_many(0, LONG, 1000, 1);
    add_many(1, 100, 3600000, 1);
    all_come();
    turn(S, LONG / 2);
    int n = 0;
    for (int i = 0; i < n_out; i++)
        n += out[i]->lane == 1;
    assert_int_equal(n, LONG / 2 / (MERGE_PASSES + 1));
    turn(2 * S, INT32_MAX);
    all_came_once_and_in_lane_order();
    close_lanes();
}

static void a_clock_far_in_the_future_does_not_stop_its_lane(void **state)
{
    (void)state;
    open_lanes(2);
    add_many(0, LONG, 1000, 1);
    add(1, 1000);
    add(1, INT64_MAX); /* one of these */
    add_many(1, 1000, 1001, 1);
    all_come();
    turn(S, INT32_MAX);
    all_came_once_and_in_lane_order();
    assert_in_range(place_of(1, 1), MERGE_PASSES, MERGE_PASSES + 4);
    assert_in_range(place_of(1, 2), place_of(1, 1) + 1, place_of(1, 1) + 1);
    close_lanes();
}

static void a_clock_that_stands_at_zero_does_not_keep_the_others_out(void **state)
{
    (void)state;
    open_lanes(LANES);
    add_many(0, LONG, 0, 0);
    for (int lane = 1; lane < LANES; lane++)
        add_many(lane, 100, 1000000 + lane, 1);
    all_come();
    turn(S, LONG);
    int most = LANES * 64, served = 0;
    for (int i = 0; i < n_out; i++)
        served += out[i]->lane != 0;
    assert_in_range(served, (LANES - 1) * (LONG / (most + LANES)), LONG / 64);
    close_lanes();
}

/* ---- waiting ---- */

static void a_lane_that_lags_is_waited_for(void **state)
{
    (void)state;
    open_lanes(2);
    add_many(0, 100, 100000, 10);
    add_many(1, 100, 1000, 10);
    come[0] = 100; /* of 1 nothing has come */
    assert_int_equal(turn(S, INT32_MAX), MERGE_WAIT);
    assert_int_equal(n_out, 0);
    come[1] = 100;
    assert_int_equal(turn(S + S / 10, INT32_MAX), MERGE_EMPTY);
    assert_int_equal(late_by_more_than(0), 0);
    all_came_once_and_in_lane_order();
    close_lanes();
}

static void a_lane_at_its_end_is_never_waited_for(void **state)
{
    (void)state;
    open_lanes(3);
    add_many(0, 100, 100000, 10);
    add_many(1, 1, 1000, 10);
    all_come(); /* 2 is empty */
    assert_int_equal(turn(S, INT32_MAX), MERGE_EMPTY);
    assert_int_equal(n_out, 101);
    close_lanes();
}

static void a_lane_that_was_at_the_same_time_is_not_waited_for(void **state)
{
    (void)state;
    open_lanes(2);
    add_many(0, 100, 1000, 10);
    add_many(1, 100, 1000, 10);
    come[0] = 100;
    come[1] = 50; /* up to 1490; what may come is at most MERGE_SLACK_MS older than 1990 */
    assert_int_equal(turn(S, INT32_MAX), MERGE_EMPTY);
    assert_int_equal(n_out, 150);
    close_lanes();
}

static void waiting_ends_with_patience_and_does_not_begin_again(void **state)
{
    (void)state;
    open_lanes(3);
    add_many(0, 1000, 100000, 10);
    add_many(1, 100, 1000, 10);
    add_many(2, 100, 1000, 10);
    come[0] = 500;
    assert_int_equal(turn(S, INT32_MAX), MERGE_WAIT);
    assert_int_equal(wait_until(S, S + MERGE_PATIENCE_NS - 1), MERGE_WAIT);
    assert_int_equal(turn(S + MERGE_PATIENCE_NS, INT32_MAX), MERGE_EMPTY);
    assert_int_equal(n_out, 500);
    come[0] = 1000; /* an hour later, patience is back: but these two are dead */
    assert_int_equal(turn(3600 * S, INT32_MAX), MERGE_EMPTY);
    assert_int_equal(n_out, 1000);
    close_lanes();
}

static void patience_is_not_saved_up(void **state)
{
    (void)state;
    open_lanes(2);
    add_many(0, 100, 100000, 10);
    add_many(1, 100, 1000, 10);
    assert_int_equal(turn(S, INT32_MAX), MERGE_EMPTY);
    come[0] = 100;
    assert_int_equal(turn(3600 * S, INT32_MAX), MERGE_WAIT);
    assert_int_equal(wait_until(3600 * S, 3600 * S + MERGE_PATIENCE_NS), MERGE_EMPTY);
    close_lanes();
}

static void a_stall_is_not_charged_as_waiting(void **state)
{
    (void)state;
    open_lanes(2);
    add_many(0, 100, 100000, 10);
    add_many(1, 100, 1000, 10);
    come[0] = 100;
    assert_int_equal(turn(S, INT32_MAX), MERGE_WAIT);
    assert_int_equal(turn(61 * S, INT32_MAX), MERGE_WAIT); /* it stood still for a minute */
    come[1] = 100;
    assert_int_equal(turn(61 * S + 1, INT32_MAX), MERGE_EMPTY);
    assert_int_equal(late_by_more_than(0), 0);
    close_lanes();
}

static void a_stall_leaves_a_debt_of_five_seconds_at_most(void **state)
{
    (void)state;
    open_lanes(3);
    add_many(0, 200, 100000, 10);
    add_many(1, 100, 1000, 10);
    add_many(2, 100, 1000, 10);
    come[0] = 100;
    turn(S, INT32_MAX);
    wait_until(S, 2 * S - 1);
    assert_int_equal(turn(60 * S, INT32_MAX), MERGE_EMPTY); /* 1 ns was left, a minute passed */
    come[0] = 200;
    come[1] = 50; /* its last are far older than those of 0: its next is waited for */
    assert_int_equal(turn(65 * S, INT32_MAX), MERGE_WAIT);
    close_lanes();
}

static void a_lane_that_was_given_up_has_its_place_when_it_is_back(void **state)
{
    (void)state;
    open_lanes(2);
    add_many(0, 300, 100000, 10);
    add_many(1, 100, 1000, 10);
    come[0] = 100;
    turn(S, INT32_MAX);
    wait_until(S, S + MERGE_PATIENCE_NS);
    assert_int_equal(n_out, 100);
    come[0] = 300;
    come[1] = 40;
    assert_int_equal(turn(100 * S, INT32_MAX), MERGE_WAIT); /* 40 of lane 1, then for its others */
    assert_int_equal(n_out, 140);
    assert_int_equal(out[139]->lane, 1);
    close_lanes();
}

static void at_most_a_twentieth_of_the_time_is_waited(void **state)
{
    (void)state;
    const int64_t ms = 1000000;
    int64_t waited = 0, begin = S, now = begin;
    open_lanes(2);
    add_many(0, LONG, 1000, 2000);
    add_many(1, LONG, 1000, 2000);
    come[0] = LONG;
    for (come[1] = 1; come[1] < LONG && n_out < LONG; now += 5 * ms) {
        if (turn(now, 1) == MERGE_WAIT)
            waited += 5 * ms;
        come[1] += now % (60 * ms) == 0; /* one every 60 ms: slower than we */
    }
    assert_true(waited > MERGE_PATIENCE_NS / 2);
    assert_true(waited <= MERGE_PATIENCE_NS + (now - begin) / 20 + 10 * ms);
    close_lanes();
}

static void what_was_not_taken_is_given_back(void **state)
{
    (void)state;
    open_lanes(2);
    add_many(0, 300, 1000, 10);
    add_many(1, 5, 1000, 10);
    all_come();
    turn(S, 10);
    n_out = 0;
    source_merge_release(&merge, count_given_back);
    assert_int_equal(n_out, put_[0] + put_[1] - 10);
    assert_true(put_[0] <= MERGE_AHEAD);
    source_merge_release(&merge, count_given_back); /* copes with zeroes */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backlog_comes_in_order_of_time),
        cmocka_unit_test(one_lane_is_taken_as_it_is),
        cmocka_unit_test(equal_times_take_turns),
        cmocka_unit_test(lanes_without_times_take_turns),
        cmocka_unit_test(a_message_without_a_time_has_that_of_the_one_before),
        cmocka_unit_test(a_message_without_a_time_does_not_jump_the_queue),
        cmocka_unit_test(a_time_that_goes_back_stays_in_its_lane),
        cmocka_unit_test(the_same_log_gives_the_same_order_however_it_is_cut_into_rounds),
        cmocka_unit_test(a_lane_an_hour_ahead_is_served_now_and_then),
        cmocka_unit_test(a_clock_far_in_the_future_does_not_stop_its_lane),
        cmocka_unit_test(a_clock_that_stands_at_zero_does_not_keep_the_others_out),
        cmocka_unit_test(a_lane_that_lags_is_waited_for),
        cmocka_unit_test(a_lane_at_its_end_is_never_waited_for),
        cmocka_unit_test(a_lane_that_was_at_the_same_time_is_not_waited_for),
        cmocka_unit_test(waiting_ends_with_patience_and_does_not_begin_again),
        cmocka_unit_test(patience_is_not_saved_up),
        cmocka_unit_test(a_stall_is_not_charged_as_waiting),
        cmocka_unit_test(a_stall_leaves_a_debt_of_five_seconds_at_most),
        cmocka_unit_test(a_lane_that_was_given_up_has_its_place_when_it_is_back),
        cmocka_unit_test(at_most_a_twentieth_of_the_time_is_waited),
        cmocka_unit_test(what_was_not_taken_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
