/* The memory of event ids: the window, the budget, and a restart in the middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "guard/dedupe.h"
#include "zhiliu/position.h"

#define MIB (INT64_C(1) << 20)
#define T0 INT64_C(1700000000000)

static struct guard_dedupe *open_dedupe(int64_t window_ms, int64_t budget)
{
    struct guard_dedupe *d;
    struct zl_error err;
    assert_int_equal(guard_dedupe_open(window_ms, budget, &d, &err), ZL_OK);
    return d;
}

static void an_id_is_a_duplicate_for_a_window_and_forgotten_after_two(void **state)
{
    (void)state;
    struct guard_dedupe *d = open_dedupe(1000, MIB);
    assert_false(guard_dedupe_seen(d, 0, T0, hash_mix(1)));
    assert_false(guard_dedupe_seen(d, 0, T0 + 999, hash_mix(2)));
    assert_true(guard_dedupe_seen(d, 0, T0 + 999, hash_mix(1)));
    /* the first generation is the older one now */
    assert_false(guard_dedupe_seen(d, 0, T0 + 1500, hash_mix(3)));
    assert_true(guard_dedupe_seen(d, 0, T0 + 1998, hash_mix(2))); /* 999 ms later */
    assert_true(guard_dedupe_seen(d, 0, T0 + 1999, hash_mix(1)));
    assert_false(guard_dedupe_seen(d, 0, T0 + 2500, hash_mix(1))); /* and is forgotten */
    assert_true(guard_dedupe_seen(d, 0, T0 + 2500, hash_mix(3)));
    assert_int_equal(guard_dedupe_window_s(d), 1);
    guard_dedupe_close(d);
}

static void a_silence_of_two_windows_forgets_all(void **state)
{
    (void)state;
    struct guard_dedupe *d = open_dedupe(1000, MIB);
    assert_false(guard_dedupe_seen(d, 0, T0, hash_mix(1)));
    assert_false(guard_dedupe_seen(d, 0, T0 + 2000, hash_mix(1)));
    assert_true(guard_dedupe_seen(d, 0, T0 + 2000, hash_mix(1)));
    assert_int_equal(guard_dedupe_window_s(d), 1); /* nothing younger than a window was forgotten */
    guard_dedupe_close(d);
}

static void partitions_do_not_share_ids(void **state)
{
    (void)state;
    struct guard_dedupe *d = open_dedupe(1000, MIB);
    assert_false(guard_dedupe_seen(d, 0, T0, hash_mix(1)));
    assert_false(guard_dedupe_seen(d, 1023, T0, hash_mix(1)));
    assert_true(guard_dedupe_seen(d, 0, T0, hash_mix(1)));
    assert_true(guard_dedupe_seen(d, 1023, T0, hash_mix(1)));
    guard_dedupe_close(d);
}

static void a_clock_that_falls_back_forgets_nothing(void **state)
{
    (void)state;
    struct guard_dedupe *d = open_dedupe(1000, MIB);
    assert_false(guard_dedupe_seen(d, 0, T0, hash_mix(1)));
    assert_false(guard_dedupe_seen(d, 0, T0 + 900, hash_mix(2)));
    assert_false(guard_dedupe_seen(d, 0, T0 - 5000, hash_mix(3)));
    assert_true(guard_dedupe_seen(d, 0, T0 + 950, hash_mix(3)));
    assert_true(guard_dedupe_seen(d, 0, T0 + 950, hash_mix(1)));
    guard_dedupe_seen(d, 0, T0 + 1000, hash_mix(4));
    guard_dedupe_seen(d, 0, T0 + 2000, hash_mix(5)); /* the first generation is gone */
    guard_dedupe_seen(d, 0, T0 - 5000, hash_mix(6));
    assert_int_equal(guard_dedupe_window_s(d), 1);
    guard_dedupe_close(d);
}

/* Every id comes again after up to a window, as a slow producer or a replayed file sends it. */
static void no_duplicate_within_the_window_gets_through_and_no_genuine_id_is_lost(void **state)
{
    (void)state;
    enum { N = 400000, WINDOW = 100000 };
    uint64_t seed = 11;
    print_message("SEED %llu\n", (unsigned long long)seed);
    struct guard_dedupe *d = open_dedupe(WINDOW, 64 * MIB);
    struct rng r = {seed};
    int lost = 0, through = 0;
    for (int i = 0; i < N; i++) {
        lost += guard_dedupe_seen(d, 0, T0 + i, hash_mix((uint64_t)i));
        int back = (int)rng_below(&r, WINDOW);
        if (back <= i)
            through += !guard_dedupe_seen(d, 0, T0 + i, hash_mix((uint64_t)(i - back)));
    }
    assert_int_equal(through, 0);
    assert_in_range(lost, 0, 3); /* expected 0.01; the bar is 3e-4 of 400,000 = 120 */
    assert_int_equal(guard_dedupe_window_s(d), WINDOW / 1000);
    guard_dedupe_close(d);
}

static void discard(void *ctx, const struct guard_ids *ids)
{
    (void)ctx;
    (void)ids;
}

static void over_the_budget_the_window_shrinks_and_says_so(void **state)
{
    (void)state;
    enum { N = 1000000 };
    int64_t budget = 2 * MIB + MIB / 2;
    struct guard_dedupe *d = open_dedupe(INT64_C(86400000), budget);
    int64_t most = 0;
    for (int i = 0; i < N; i++) {
        assert_false(guard_dedupe_seen(d, i & 1, T0 + i, hash_mix((uint64_t)i)));
        if (i % 1000 == 0) {
            guard_dedupe_take(d, discard, NULL);
            most = guard_dedupe_bytes(d) > most ? guard_dedupe_bytes(d) : most;
        }
    }
    /* within the budget but for the hashes kept for the checkpoint: 1,000 ids a take, in blocks that double */
    assert_in_range(most, budget * 6 / 10, budget + 2 * 2 * 8192 + (int64_t)1024 * 1024);
    int64_t window_s = guard_dedupe_window_s(d);
    assert_in_range(window_s, 200, 600);               /* 240,000..480,000 ids of 1 ms */
    for (int i = N - (int)window_s * 1000; i < N; i++) /* and what it says is held is held */
        assert_true(guard_dedupe_seen(d, i & 1, T0 + N, hash_mix((uint64_t)i)));
    guard_dedupe_close(d);
}

/* ---- restart ---- */

struct chunk {
    int32_t partition;
    int64_t generation_ms;
    size_t first, n;
};

/* The checkpoint's log of ids. */
struct log {
    uint64_t *hashes;
    size_t n, capacity;
    struct chunk chunks[4096];
    size_t n_chunks;
};

static void log_append(void *ctx, const struct guard_ids *ids)
{
    struct log *log = ctx;
    while (log->n + ids->n > log->capacity) {
        log->capacity = log->capacity ? log->capacity * 2 : 4096;
        log->hashes = realloc(log->hashes, log->capacity * sizeof *log->hashes);
    }
    memcpy(log->hashes + log->n, ids->hashes, ids->n * sizeof *ids->hashes);
    assert_true(log->n_chunks < sizeof log->chunks / sizeof log->chunks[0]);
    log->chunks[log->n_chunks++] =
        (struct chunk){ids->partition, ids->generation_ms, log->n, ids->n};
    log->n += ids->n;
}

static void rows_of(struct guard_dedupe *d, struct rows_buffer *out)
{
    struct rows_table t = guard_dedupe_rows(d);
    out->len = 0;
    for (uint32_t key = 0; key < t.count(t.room); key++)
        t.write(t.room, key, out);
}

static void read_rows(struct guard_dedupe *d, const struct rows_buffer *rows, uint32_t n)
{
    struct rows_table t = guard_dedupe_rows(d);
    struct rows_cursor c = {.at = rows->bytes, .end = rows->bytes + rows->len};
    struct zl_error err;
    for (uint32_t key = 0; key < n; key++)
        assert_int_equal(t.read(t.room, key, &c, &err), ZL_OK);
    assert_true(c.at == c.end && !c.bad);
}

/* A new memory from the rows and the ids' log of the old one. */
static struct guard_dedupe *restart(struct guard_dedupe *old, struct log *log, int64_t window_ms,
                                    int64_t budget)
{
    struct rows_buffer rows = {0};
    struct zl_error err;
    struct rows_table t = guard_dedupe_rows(old);
    guard_dedupe_take(old, log_append, log);
    rows_of(old, &rows);
    struct guard_dedupe *d = open_dedupe(window_ms, budget);
    read_rows(d, &rows, t.count(t.room));
    for (size_t i = 0; i < log->n_chunks; i++) {
        struct chunk *c = &log->chunks[i];
        guard_dedupe_restore(d, &(struct guard_ids){.partition = c->partition,
                                                    .generation_ms = c->generation_ms,
                                                    .hashes = log->hashes + c->first,
                                                    .n = (uint32_t)c->n});
    }
    assert_int_equal(guard_dedupe_restored(d, &err), ZL_OK);
    guard_dedupe_close(old);
    rows_buffer_release(&rows);
    return d;
}

static void assert_same_rows(struct guard_dedupe *a, struct guard_dedupe *b)
{
    struct rows_buffer x = {0}, y = {0};
    rows_of(a, &x);
    rows_of(b, &y);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.bytes, y.bytes, x.len);
    rows_buffer_release(&x);
    rows_buffer_release(&y);
}

static void a_guard_that_is_restarted_equals_one_that_is_not(void **state)
{
    (void)state;
    enum { N = 30000, WINDOW = 4000 };
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rng r = {seed * 77};
        /* with and without generations cut short */
        int64_t budget = seed & 1 ? MIB : 30000, clock_ms = T0;
        struct guard_dedupe *calm = open_dedupe(WINDOW, budget),
                            *killed = open_dedupe(WINDOW, budget);
        struct log *log = calloc(1, sizeof *log);
        for (int i = 0; i < N; i++) {
            int32_t partition = (int32_t)rng_below(&r, 3) * 2;
            uint64_t hash = hash_mix(rng_below(&r, (uint32_t)i + 1));
            clock_ms += rng_below(&r, 2) + (rng_below(&r, 5000) == 0 ? 3000 : 0) +
                        (rng_below(&r, 20000) == 0 ? 9000 : 0);
            bool seen = guard_dedupe_seen(calm, partition, clock_ms, hash);
            if (seen != guard_dedupe_seen(killed, partition, clock_ms, hash))
                fail_msg("SEED %llu: event %d is judged differently", (unsigned long long)seed, i);
            if (rng_below(&r, 1500) == 0)
                killed = restart(killed, log, WINDOW, budget);
            else if (rng_below(&r, 200) == 0)
                guard_dedupe_take(killed, log_append, log);
        }
        assert_same_rows(calm, killed);
        assert_int_equal(guard_dedupe_window_s(calm), guard_dedupe_window_s(killed));
        guard_dedupe_close(calm);
        guard_dedupe_close(killed);
        free(log->hashes);
        free(log);
    }
}

static void every_id_is_taken_once_under_its_generation(void **state)
{
    (void)state;
    struct guard_dedupe *d = open_dedupe(1000, MIB);
    struct log *log = calloc(1, sizeof *log);
    for (uint64_t i = 0; i < 50; i++)
        guard_dedupe_seen(d, 0, T0 + (int64_t)i * 30, hash_mix(i));
    guard_dedupe_seen(d, 2, T0, 5);
    guard_dedupe_take(d, log_append, log);
    assert_int_equal(log->n_chunks, 3); /* two generations of partition 0, one of 2 */
    assert_int_equal(log->n, 51);
    assert_int_equal(log->chunks[0].generation_ms, T0);
    assert_int_equal(log->chunks[1].generation_ms, T0 + 1020);
    assert_int_equal(log->chunks[2].partition, 2);
    for (uint64_t i = 0; i < 50; i++)
        assert_true(log->hashes[i] == hash_mix(i)); /* oldest first */
    guard_dedupe_take(d, log_append, log);
    assert_int_equal(log->n, 51);
    assert_int_equal(guard_dedupe_oldest_ms(d, 0), T0);
    assert_int_equal(guard_dedupe_oldest_ms(d, 1), 0);
    guard_dedupe_close(d);
    free(log->hashes);
    free(log);
}

static void generations_that_begin_in_one_millisecond_have_different_names(void **state)
{
    (void)state;
    struct guard_dedupe *d = open_dedupe(1000, 1); /* a generation holds 1,024 ids */
    struct log *log = calloc(1, sizeof *log);
    for (uint64_t i = 0; i < 3000; i++) {
        assert_false(guard_dedupe_seen(d, 0, T0, hash_mix(i)));
        if (i % 100 == 99)
            guard_dedupe_take(d, log_append, log);
    }
    assert_int_equal(log->n, 3000);
    for (size_t i = 0; i < log->n_chunks; i++)
        assert_int_equal(log->chunks[i].generation_ms, T0 + (int64_t)(log->chunks[i].first / 1024));
    guard_dedupe_close(d);
    free(log->hashes);
    free(log);
}

static void missing_ids_are_noticed_after_a_load(void **state)
{
    (void)state;
    struct zl_error err;
    struct rows_buffer rows = {0};
    struct guard_dedupe *d = open_dedupe(1000, MIB), *e = open_dedupe(1000, MIB);
    guard_dedupe_seen(d, 0, T0, 1);
    guard_dedupe_seen(d, 0, T0, UINT64_C(1) << 40);
    rows_of(d, &rows);
    read_rows(e, &rows, 1);
    uint64_t one = 1;
    struct guard_ids ids = {.generation_ms = T0, .hashes = &one, .n = 1};
    guard_dedupe_restore(e, &ids);
    assert_int_equal(guard_dedupe_restored(e, &err), ZL_EBADDATA);
    one = UINT64_C(1) << 40;
    guard_dedupe_restore(e, &ids);
    assert_int_equal(guard_dedupe_restored(e, &err), ZL_OK);
    guard_dedupe_close(d);
    guard_dedupe_close(e);
    rows_buffer_release(&rows);
}

static void a_damaged_row_is_refused(void **state)
{
    (void)state;
    struct zl_error err;
    struct rows_buffer rows = {0};
    struct guard_dedupe *d = open_dedupe(1000, MIB);
    guard_dedupe_seen(d, 0, T0, 1);
    rows_of(d, &rows);
    struct rows_table t = guard_dedupe_rows(d);
    for (size_t len = 0; len < rows.len; len++) {
        struct rows_cursor c = {.at = rows.bytes, .end = rows.bytes + len};
        assert_int_equal(t.read(t.room, 0, &c, &err), ZL_EBADDATA);
    }
    struct rows_cursor c = {.at = rows.bytes, .end = rows.bytes + rows.len};
    assert_int_equal(t.read(t.room, ZL_MAX_PARTITIONS, &c, &err), ZL_EBADDATA);
    guard_dedupe_close(d);
    rows_buffer_release(&rows);
}

static void every_change_is_touched_first(void **state)
{
    (void)state;
    struct guard_dedupe *d = open_dedupe(1000, MIB);
    struct rows_table t = guard_dedupe_rows(d);
    guard_dedupe_seen(d, 7, T0, 1);
    assert_int_equal(t.track->n_dirty, 1);
    assert_int_equal(t.track->dirty[0], 7);
    assert_int_equal(t.count(t.room), 8);
    guard_dedupe_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_a_duplicate_for_a_window_and_forgotten_after_two),
        cmocka_unit_test(a_silence_of_two_windows_forgets_all),
        cmocka_unit_test(partitions_do_not_share_ids),
        cmocka_unit_test(a_clock_that_falls_back_forgets_nothing),
        cmocka_unit_test(no_duplicate_within_the_window_gets_through_and_no_genuine_id_is_lost),
        cmocka_unit_test(over_the_budget_the_window_shrinks_and_says_so),
        cmocka_unit_test(a_guard_that_is_restarted_equals_one_that_is_not),
        cmocka_unit_test(every_id_is_taken_once_under_its_generation),
        cmocka_unit_test(generations_that_begin_in_one_millisecond_have_different_names),
        cmocka_unit_test(missing_ids_are_noticed_after_a_load),
        cmocka_unit_test(a_damaged_row_is_refused),
        cmocka_unit_test(every_change_is_touched_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
