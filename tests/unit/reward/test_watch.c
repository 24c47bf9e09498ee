/* The histogram of watch times against exact ranks, the decay against its formula, and the rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "reward/watch.h"

static void open_watch(struct watch *w, double half_life)
{
    struct zl_error err;
    assert_int_equal(reward_watch_init(w, half_life, &err), ZL_OK);
}

static void the_integer_logarithm_is_exact(void **state)
{
    (void)state;
    for (int e = 0; e < 64; e++)
        assert_int_equal(reward_watch_log2x8(UINT64_C(1) << e), 8 * e);
    for (int e = 1; e < 64; e++)
        assert_int_equal(reward_watch_log2x8((UINT64_C(1) << e) - 1),
                         e < 4 ? (int)floor(8 * log2((double)((1 << e) - 1))) : 8 * e - 1);
    for (uint64_t x = 1; x < 200000;
         x++) /* far from a border double is right: 8 log2(x) is whole only at powers of two */
        assert_int_equal(reward_watch_log2x8(x), (int)floor(8 * log2((double)x) + 1e-12));
    assert_int_equal(reward_watch_log2x8(UINT64_MAX), 511);
}

static void buckets_are_four_an_octave_from_a_second_to_three_hours(void **state)
{
    (void)state;
    assert_int_equal(reward_watch_bucket(0), WATCH_UNKNOWN);
    assert_int_equal(reward_watch_bucket(-1), WATCH_UNKNOWN);
    assert_int_equal(reward_watch_bucket(1), 0);
    assert_int_equal(reward_watch_bucket(1000), 0);
    assert_int_equal(reward_watch_bucket(86400000), WATCH_UNKNOWN - 1);
    int last = 0;
    for (int64_t ms = 1000; ms <= 3 * 3600000; ms += 7) {
        int bucket = reward_watch_bucket(ms);
        assert_true(bucket == last || bucket == last + 1);
        last = bucket;
    }
    assert_int_equal(last, WATCH_UNKNOWN - 1);
    for (int64_t ms = 2000; ms < 2000000; ms = ms * 5 / 4)
        assert_int_equal(reward_watch_bucket(2 * ms), reward_watch_bucket(ms) + 4);
}

static void a_rank_is_close_to_the_exact_one(void **state)
{
    (void)state;
    enum { N = 2000 };
    static int64_t watches[N];
    uint64_t seed = 3;
    print_message("SEED %llu\n", (unsigned long long)seed);
    struct rng r = {seed};
    struct watch w;
    open_watch(&w, 1e9); /* no forgetting */
    double worst = 0;
    for (int i = 0; i < N; i++) {
        int64_t ms = (int64_t)(60000 * exp(rng_normal(&r) - 1));
        double below = 0;
        for (int j = 0; j < i; j++)
            below += watches[j] < ms ? 1 : watches[j] == ms ? 0.5 : 0;
        double rank = reward_watch_rank(&w, ms, 60000);
        watches[i] = ms;
        if (i >= 200)
            worst = fmax(worst, fabs(rank - below / i));
    }
    /* half a bin of 1/8 octave: 0.0433 in log, times the density 0.4 of a normal: 0.0173; sampling of 200: one bin's share off by
     * three of its own deviations, 3 * sqrt(.035 / 200) / 2 = 0.02 */
    assert_true(worst < 0.0373);
    reward_watch_release(&w);
}

static void the_first_watch_is_worth_its_completion(void **state)
{
    (void)state;
    struct watch w;
    open_watch(&w, 10000);
    assert_true(reward_watch_rank(&w, 15000, 60000) == 0.25);
    assert_true(reward_watch_rank(&w, 90000, 30000) == 1);
    assert_true(reward_watch_rank(&w, 20000, 0) == 0.5);
    reward_watch_release(&w);
}

static void a_rank_is_taken_before_the_watch_enters(void **state)
{
    (void)state;
    struct watch w;
    open_watch(&w, 10000);
    for (int i = 0; i < 100; i++)
        reward_watch_rank(&w, 1000, 60000);
    assert_true(reward_watch_rank(&w, 60000, 60000) == 1); /* nothing as long yet */
    assert_true(reward_watch_rank(&w, 60000, 60000) < 1);
    assert_true(reward_watch_rank(&w, 0, 60000) == 0);
    reward_watch_release(&w);
}

static void after_a_half_life_old_watches_count_half(void **state)
{
    (void)state;
    struct watch w;
    open_watch(&w, 1000);
    for (int i = 0; i < 50000; i++)
        reward_watch_rank(&w, 1000, 60000);
    for (int i = 0; i < 1000; i++) /* half of all mass is now in the upper bin */
        reward_watch_rank(&w, 60000, 60000);
    assert_true(fabs(reward_watch_rank(&w, 10000, 60000) - 0.5) < 1e-9);
    reward_watch_release(&w);
}

static void the_weight_is_brought_back_without_changing_a_rank(void **state)
{
    (void)state;
    struct watch w;
    struct rng r = {9};
    open_watch(&w, 2); /* 2^64 is reached every 128 watches */
    double reference[400];
    int64_t watches[400];
    for (int i = 0; i < 400; i++) {
        watches[i] = 1000 + (int64_t)rng_below(&r, 60000);
        double below = 0, total = 0;
        for (int j = i - 1; j >= 0 && j > i - 100; j--) {
            double weight = exp2(-(i - j) / 2.0);
            int a = reward_watch_log2x8((uint64_t)watches[j]),
                b = reward_watch_log2x8((uint64_t)watches[i]);
            total += weight;
            below += a < b ? weight : a == b ? weight / 2 : 0;
        }
        reference[i] = total > 0 ? below / total : 0.5;
    }
    for (int i = 0; i < 400; i++) {
        double rank = reward_watch_rank(&w, watches[i], 40000);
        if (i >= WATCH_PRIOR)
            assert_true(fabs(rank - reference[i]) < 1e-9);
    }
    reward_watch_release(&w);
}

static void rows_bring_back_every_bit(void **state)
{
    (void)state;
    struct watch a, b;
    struct rng r = {4};
    struct zl_error err;
    struct rows_buffer buffer = {0};
    open_watch(&a, 100);
    open_watch(&b, 100);
    for (int i = 0; i < 20000; i++)
        reward_watch_rank(&a, rng_below(&r, 100000), rng_below(&r, 200000));
    struct rows_table from = reward_watch_rows(&a), to = reward_watch_rows(&b);
    for (uint32_t key = 0; key < from.count(from.room); key++)
        from.write(from.room, key, &buffer);
    struct rows_cursor c = {.at = buffer.bytes, .end = buffer.bytes + buffer.len};
    for (uint32_t key = 0; key < from.count(from.room); key++)
        assert_int_equal(to.read(to.room, key, &c, &err), ZL_OK);
    assert_true(c.at == c.end);
    assert_memory_equal(a.buckets, b.buckets, sizeof a.buckets);
    for (int i = 0; i < 1000; i++) {
        int64_t watch = rng_below(&r, 100000), duration = rng_below(&r, 200000);
        assert_true(reward_watch_rank(&a, watch, duration) ==
                    reward_watch_rank(&b, watch, duration));
    }
    assert_true(a.track.n_dirty > 30 && a.track.n_dirty <= WATCH_BUCKETS);
    c = (struct rows_cursor){.at = buffer.bytes, .end = buffer.bytes + 100};
    assert_int_equal(to.read(to.room, 0, &c, &err), ZL_EBADDATA);
    memset(buffer.bytes + 8, 0xFF, 8); /* a weight that is NaN */
    c = (struct rows_cursor){.at = buffer.bytes, .end = buffer.bytes + buffer.len};
    assert_int_equal(to.read(to.room, 0, &c, &err), ZL_EBADDATA);
    assert_int_equal(to.read(to.room, WATCH_BUCKETS, &c, &err), ZL_EBADDATA);
    rows_buffer_release(&buffer);
    reward_watch_release(&a);
    reward_watch_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_integer_logarithm_is_exact),
        cmocka_unit_test(buckets_are_four_an_octave_from_a_second_to_three_hours),
        cmocka_unit_test(a_rank_is_close_to_the_exact_one),
        cmocka_unit_test(the_first_watch_is_worth_its_completion),
        cmocka_unit_test(a_rank_is_taken_before_the_watch_enters),
        cmocka_unit_test(after_a_half_life_old_watches_count_half),
        cmocka_unit_test(the_weight_is_brought_back_without_changing_a_rank),
        cmocka_unit_test(rows_bring_back_every_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
