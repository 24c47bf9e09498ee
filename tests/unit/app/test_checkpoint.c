/* The checkpoint's promises one by one: what is written when, what is refused in which words, what is kept. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/app/checkpoint_fake.h"
#include "base/log.h"
#include "base/metrics.h"

static char folder[256], other[256];

static int setup(void **state)
{
    (void)state;
    folder_new(folder);
    folder_new(other);
    disk_install(1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    folder_remove(other);
    return 0;
}

static void pump(struct world *w)
{
    while (checkpoint_writer_run_one(&w->c->writer))
        ;
}

/* A moment from begin to seal. */
static void moment(struct world *w)
{
    w->now_ms += w->c->cfg.interval_ms;
    world_step(w);
    pump(w);
    world_step(w);
    pump(w);
}

static struct world *fresh(void)
{
    struct world *w = world_new();
    assert_int_equal(world_load(w, folder, false, NULL), ZL_ENOENT);
    world_step(w); /* the interval runs from here */
    return w;
}

/* n moments in the folder, the digest after each in digests[1..n]. Bases of any size are large enough. */
static struct world *history(int n, uint64_t *digests)
{
    struct rng rng = {5};
    struct world *w = fresh();
    w->c->base_least_bytes = 1;
    for (int m = 1; m <= n; m++) {
        for (int i = 0; i < 30; i++)
            world_happen(w, &rng);
        digests[m] = world_digest(w);
        moment(w);
        assert_int_equal(checkpoint_sealed_moment(w->c), m);
    }
    return w;
}

static void flip(const char *name, size_t at)
{
    char path[600];
    size_t len;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unsigned char *bytes = file_bytes(path, &len);
    bytes[at % len] ^= 1;
    file_put(path, bytes, len);
    free(bytes);
}

static size_t file_len(const char *name)
{
    char path[600];
    size_t len;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    free(file_bytes(path, &len));
    return len;
}

/* Loads into new tables and closes them; the moment, or 0 with the words in err. */
static uint64_t load_moment(const char *path, uint64_t *digest, struct zl_error *err)
{
    struct world *w = world_new();
    enum zl_status st = world_load(w, path, false, err);
    uint64_t m = st == ZL_OK ? checkpoint_sealed_moment(w->c) : 0;
    *digest = st == ZL_OK ? world_digest(w) : (uint64_t)st;
    world_free(w);
    return m;
}

static void a_fresh_folder_says_that_there_is_none(void **state)
{
    (void)state;
    struct zl_error err;
    uint64_t st;
    assert_int_equal(load_moment(folder, &st, &err), 0);
    assert_int_equal(st, ZL_ENOENT);
    assert_non_null(strstr(err.text, folder));
}

static void the_first_moment_is_a_base_and_the_next_are_segments(void **state)
{
    (void)state;
    uint64_t digests[8];
    struct world *w = history(3, digests);
    assert_true(file_there(folder, "base-1"));
    assert_false(file_there(folder, "segment-1"));
    assert_true(file_there(folder, "segment-2"));
    assert_true(file_there(folder, "segment-3"));
    world_free(w);
}

static void what_is_loaded_is_what_was_saved_positions_and_ids_too(void **state)
{
    (void)state;
    uint64_t digests[8];
    struct zl_error err;
    struct world *w = history(4, digests), *again = world_new();
    assert_int_equal(world_load(again, folder, true, &err), ZL_OK);
    assert_true(world_digest(again) == world_digest(w));
    assert_true(guard_digest(&again->guard, w->guard.newest) ==
                guard_digest(&w->guard, w->guard.newest));
    assert_int_equal(again->positions.n, w->positions.n);
    assert_memory_equal(again->positions.at, checkpoint_sealed_positions(w->c)->at,
                        (size_t)w->positions.n * sizeof w->positions.at[0]);
    assert_int_equal(checkpoint_sealed_ms(again->c), checkpoint_sealed_ms(w->c));
    assert_int_equal(again->items.track.n_dirty, 0);
    world_free(again);
    world_free(w);
}

static void a_row_that_changes_while_it_waits_is_saved_as_it_was(void **state)
{
    (void)state;
    struct rng rng = {3};
    struct world *w = fresh();
    for (int i = 0; i < 50; i++)
        world_happen(w, &rng);
    uint64_t digest = world_digest(w), loaded;
    w->c->slice_rows = 1;
    w->now_ms += 100;
    world_step(w);
    for (uint32_t key = 0; key < w->items.count; key++)
        fake_change(&w->items, key, &rng);
    fake_change(&w->items, w->items.count, &rng); /* and one that is new is not the moment's */
    for (int i = 0; i < 500; i++)
        world_step(w);
    pump(w);
    world_step(w);
    assert_int_equal(checkpoint_sealed_moment(w->c), 1);
    world_close_checkpoint(w);
    assert_int_equal(load_moment(folder, &loaded, NULL), 1);
    assert_true(loaded == digest);
    world_free(w);
}

static void a_row_touched_a_thousand_times_is_written_once_a_moment(void **state)
{
    (void)state;
    uint64_t digests[4];
    struct rng rng = {3};
    struct world *w = history(2, digests);
    for (int i = 0; i < 1000; i++)
        fake_change(&w->items, 1, &rng);
    assert_int_equal(w->items.track.n_dirty, 1);
    w->now_ms += 100;
    world_step(w);
    for (int i = 0; i < 1000; i++)
        fake_change(&w->items, 1, &rng);
    assert_int_equal(w->c->segment->n_rows, 1);
    assert_int_equal(w->items.track.n_dirty, 1);
    world_free(w);
}

static void a_moment_waits_for_the_dead_letters_before_it(void **state)
{
    (void)state;
    uint64_t digests[4];
    struct rng rng = {3};
    struct world *w = history(2, digests);
    world_happen(w, &rng);
    w->dead_put = 7;
    w->dead_acked = 6;
    for (int i = 0; i < 5; i++) {
        moment(w);
        world_happen(w, &rng);
    }
    assert_int_equal(checkpoint_sealed_moment(w->c), 2);
    assert_int_equal(w->c->moment, 3); /* and no other one was begun */
    assert_false(checkpoint_busy(w->c));
    w->dead_put = 9; /* later ones are not asked for */
    w->dead_acked = 7;
    moment(w);
    assert_int_equal(checkpoint_sealed_moment(w->c), 3);
    world_free(w);
}

static void nothing_new_makes_no_file_but_a_fresh_age(void **state)
{
    (void)state;
    uint64_t digests[4];
    struct world *w = history(2, digests);
    for (int i = 0; i < 10; i++)
        moment(w);
    assert_int_equal(checkpoint_sealed_moment(w->c), 2);
    assert_int_equal(folder_count(folder, "segment-"), 1);
    assert_int_equal(checkpoint_sealed_ms(w->c), w->now_ms);
    world_free(w);
}

static void two_bases_are_kept_and_the_segments_since_the_older(void **state)
{
    (void)state;
    uint64_t digests[40];
    struct world *w = history(30, digests);
    assert_int_equal(folder_count(folder, "base-"), 2);
    uint64_t bases[2], n = 0;
    for (uint64_t m = 1; m <= 30; m++) {
        char name[CHECKPOINT_NAME_MAX];
        checkpoint_folder_name(name, CHECKPOINT_BASE, m);
        if (file_there(folder, name))
            bases[n++] = m;
        checkpoint_folder_name(name, CHECKPOINT_SEGMENT, m);
        assert_int_equal(file_there(folder, name), n > 0 && m > bases[0]);
    }
    assert_true(n == 2 && bases[0] > 1);
    world_free(w);
}

static void logs_that_no_kept_file_names_are_deleted(void **state)
{
    (void)state;
    struct rng rng = {5};
    struct world *w = fresh();
    w->c->base_least_bytes = 1;
    for (int m = 0; m < 40; m++) {
        w->guard.newest[0] = m;
        for (int i = 0; i < 30; i++)
            world_happen(w, &rng);
        moment(w);
    }
    assert_false(file_there(folder, "ids-0-1000"));
    assert_true(file_there(folder, "ids-0-39000"));
    assert_true(folder_count(folder, "ids-0-") < 30);
    world_free(w);
}

/* Every byte, one bit each; and every length. */
static void every_flipped_byte_of_the_newest_segment_costs_that_moment_only(void **state)
{
    (void)state;
    uint64_t digests[8], digest;
    world_free(history(3, digests));
    size_t len = file_len("segment-3");
    for (size_t at = 0; at < len; at++) {
        struct zl_error err = {""};
        folder_copy(folder, other);
        flip("segment-3", at);
        uint64_t m = load_moment(folder, &digest, &err);
        if (m != 2)
            print_message("byte %zu of %zu: %s\n", at, len, err.text);
        assert_int_equal(m, 2);
        assert_true(digest == digests[2]);
        assert_true(file_there(folder, "segment-3.set-aside"));
        folder_copy(other, folder);
    }
}

static void every_cut_of_the_newest_segment_costs_that_moment_only(void **state)
{
    (void)state;
    uint64_t digests[8], digest;
    char path[600];
    size_t len;
    world_free(history(3, digests));
    snprintf(path, sizeof path, "%s/segment-3", folder);
    unsigned char *bytes = file_bytes(path, &len);
    for (size_t cut = 0; cut < len; cut += 1 + len / 97) {
        folder_copy(folder, other);
        file_put(path, bytes, cut);
        assert_int_equal(load_moment(folder, &digest, NULL), 2);
        assert_true(digest == digests[2]);
        folder_copy(other, folder);
    }
    free(bytes);
}

static void a_damaged_base_is_replaced_by_the_older_one_and_its_segments(void **state)
{
    (void)state;
    uint64_t digests[40], digest;
    world_free(history(20, digests));
    char newest[CHECKPOINT_NAME_MAX] = "";
    for (uint64_t m = 20; m > 0 && !newest[0]; m--) {
        checkpoint_folder_name(newest, CHECKPOINT_BASE, m);
        if (!file_there(folder, newest))
            newest[0] = '\0';
    }
    flip(newest, 200);
    assert_int_equal(load_moment(folder, &digest, NULL), 20);
    assert_true(digest == digests[20]);
}

static void what_lies_beyond_a_damaged_segment_is_never_chained_again(void **state)
{
    (void)state;
    uint64_t digests[8], digest;
    struct rng rng = {77};
    world_free(history(5, digests)); /* bases 1 and 4 or so: take them out of the way */
    struct world *w = world_new();
    for (int m = 2; m <= 5; m++) {
        char path[600];
        snprintf(path, sizeof path, "%s/base-%d", folder, m);
        unlink(path);
    }
    flip("segment-3", 100);
    assert_int_equal(world_load(w, folder, false, NULL), ZL_OK);
    assert_int_equal(checkpoint_sealed_moment(w->c), 2);
    world_step(w);
    world_happen(w, &rng);
    digests[6] = world_digest(w);
    moment(w);
    assert_int_equal(checkpoint_sealed_moment(w->c), 6); /* numbers are not used twice */
    world_free(w);
    assert_true(file_there(folder, "segment-4.set-aside") &&
                file_there(folder, "segment-5.set-aside"));
    assert_int_equal(load_moment(folder, &digest, NULL), 6);
    assert_true(digest == digests[6]);
}

static void a_damaged_ids_log_goes_back_to_where_it_was_whole(void **state)
{
    (void)state;
    uint64_t digests[8], digest;
    world_free(history(3, digests));
    flip("ids-0-0", file_len("ids-0-0") - 1);
    uint64_t m = load_moment(folder, &digest, NULL);
    assert_true(m == 1 || m == 2); /* moment 3 needed that byte */
    assert_true(digest == digests[m]);
}

static void nothing_usable_is_refused_with_the_damage_in_words(void **state)
{
    (void)state;
    uint64_t digests[4], st;
    struct zl_error err;
    world_free(history(2, digests));
    flip("base-1", 70);
    assert_int_equal(load_moment(folder, &st, &err), 0);
    assert_int_equal(st, ZL_EBADDATA);
    assert_non_null(strstr(err.text, "base-1 is damaged"));
    assert_true(file_there(folder, "base-1")); /* nothing was renamed: a person has to look */
}

static void another_pipelines_files_are_refused_in_words(void **state)
{
    (void)state;
    uint64_t digests[4];
    struct zl_error err;
    world_free(history(2, digests));
    struct world *w = world_new();
    assert_int_equal(world_open(w, folder, false, &err), ZL_OK);
    w->c->cfg.fingerprint++;
    assert_int_equal(checkpoint_load(w->c, &w->positions, &err), ZL_ECONFIG);
    assert_non_null(
        strstr(err.text, "made by another pipeline: its model, catalog or guard keys differ"));
    assert_int_equal(w->items.count, 0);
    world_free(w);
}

static void another_version_is_named_with_ours(void **state)
{
    (void)state;
    uint64_t digests[4], st;
    struct zl_error err;
    char path[600];
    size_t len;
    world_free(history(2, digests));
    snprintf(path, sizeof path, "%s/base-1", folder);
    unsigned char *bytes = file_bytes(path, &len);
    bytes[8] = 9;
    uint32_t check = (uint32_t)hash_bytes(bytes, 12, 0);
    memcpy(bytes + 12, &check, sizeof check);
    file_put(path, bytes, len);
    free(bytes);
    assert_int_equal(load_moment(folder, &st, &err), 0);
    assert_int_equal(st, ZL_ECONFIG); /* exit 78: to be started again helps nobody */
    assert_non_null(strstr(err.text, "another version: format 9, this program reads format 4"));
}

static void a_row_beyond_a_smaller_table_is_refused(void **state)
{
    (void)state;
    uint64_t digests[8];
    struct zl_error err;
    world_free(history(3, digests));
    struct world *w = world_new();
    w->users.track.max_rows = 5;
    assert_int_equal(world_load(w, folder, true, &err), ZL_EBADDATA);
    assert_non_null(strstr(err.text, "of users does not fit: the table is configured for 5 rows"));
    w->users.track.max_rows = FAKE_ROWS;
    world_free(w);
}

static void a_second_engine_is_refused_by_the_pid_of_the_first(void **state)
{
    (void)state;
    struct zl_error err;
    char pid[40];
    struct world *w = fresh(), *second = world_new();
    assert_int_equal(world_open(second, folder, false, &err), ZL_ECONFIG);
    assert_null(second->c);
    snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    assert_non_null(strstr(err.text, pid));
    world_free(w);
    assert_int_equal(world_open(second, folder, false, &err), ZL_OK);
    world_free(second);
}

static void every_start_has_a_higher_epoch(void **state)
{
    (void)state;
    struct zl_error err;
    for (uint64_t i = 1; i <= 3; i++) {
        struct world *w = world_new();
        assert_int_equal(world_open(w, folder, false, &err), ZL_OK);
        assert_int_equal(checkpoint_epoch(w->c), i);
        world_free(w);
    }
    char path[600];
    snprintf(path, sizeof path, "%s/epoch", folder);
    file_put(path, "4x", 2);
    struct world *w = world_new();
    assert_int_equal(world_open(w, folder, false, &err), ZL_EBADDATA);
    assert_non_null(strstr(err.text, "epoch is damaged"));
    world_free(w);
}

static void inspecting_a_folder_in_use_changes_nothing_in_it(void **state)
{
    (void)state;
    uint64_t digests[8];
    struct zl_error err;
    struct world *w = history(3, digests), *reader = world_new();
    flip("segment-3", 100);
    folder_copy(folder, other);
    int n = folder_count(folder, "");
    assert_int_equal(world_load(reader, folder, true, &err), ZL_OK);
    assert_int_equal(checkpoint_sealed_moment(reader->c), 2);
    assert_int_equal(checkpoint_epoch(reader->c), checkpoint_epoch(w->c));
    assert_int_equal(folder_count(folder, ""), n);
    assert_true(file_there(folder, "segment-3"));
    world_free(reader);
    world_free(w);
}

static void a_failed_moment_is_counted_and_tried_again_at_the_next_interval(void **state)
{
    (void)state;
    uint64_t digests[4], digest;
    struct rng rng = {9};
    struct world *w = history(2, digests);
    uint64_t failed = metrics_count(METRIC_CHECKPOINTS, 1),
             ok = metrics_count(METRIC_CHECKPOINTS, 0);
    world_happen(w, &rng);
    disk.fail_from = disk.n_ops + 1;
    moment(w);
    assert_int_equal(metrics_count(METRIC_CHECKPOINTS, 1), failed + 1);
    assert_int_equal(folder_count(folder, "segment-3"), 0);
    disk.fail_from = 0;
    world_step(w); /* not before the interval has passed */
    assert_int_equal(w->c->moment, 3);
    digests[3] = world_digest(w);
    moment(w);
    assert_int_equal(checkpoint_sealed_moment(w->c), 4);
    assert_int_equal(metrics_count(METRIC_CHECKPOINTS, 0), ok + 1);
    world_free(w);
    assert_int_equal(load_moment(folder, &digest, NULL), 4);
    assert_true(digest == digests[3]);
}

static void finishing_without_acknowledgements_says_what_it_waits_for(void **state)
{
    (void)state;
    uint64_t digests[4];
    struct rng rng = {9};
    struct zl_error err;
    struct world *w = history(2, digests);
    world_happen(w, &rng);
    w->dead_put = 1;
    assert_int_equal(checkpoint_finish(w->c, w->now_ms, &w->positions, 1, world_acked, w, 20, &err),
                     ZL_EIO);
    assert_non_null(strstr(err.text, "waiting for dead letters"));
    w->dead_acked = 1;
    assert_int_equal(world_finish(w, &err), ZL_OK);
    assert_int_equal(checkpoint_sealed_moment(w->c), 3);
    world_free(w);
}

static void the_digest_sees_every_byte_and_no_order_of_tables(void **state)
{
    (void)state;
    struct rng rng = {9};
    struct world *w = world_new();
    for (int i = 0; i < 60; i++)
        world_happen(w, &rng);
    struct rows_table mixed[4] = {w->tables[3], w->tables[1], w->tables[0], w->tables[2]};
    uint64_t digest = checkpoint_digest(w->tables, 4);
    assert_true(checkpoint_digest(mixed, 4) == digest);
    for (uint32_t key = 0; key < w->items.count; key++) {
        for (int i = 0; i < w->items.len[key]; i++) {
            w->items.rows[key][i] ^= 4;
            assert_true(checkpoint_digest(w->tables, 4) != digest);
            w->items.rows[key][i] ^= 4;
        }
    }
    world_free(w);
}

/* With its thread, as it runs: the same promises, and something for the thread sanitizer to look at. */
static void the_thread_writes_what_the_loop_froze(void **state)
{
    (void)state;
    struct rng rng = {13};
    struct zl_error err;
    uint64_t digest;
    checkpoint_ops.no_thread = false;
    struct world *w = world_new();
    assert_int_equal(world_load(w, folder, false, &err), ZL_ENOENT);
    w->c->base_least_bytes = 1;
    disk.fail_one_in = 60; /* the disk's table is the thread's alone from here on */
    for (int i = 0; i < 3000; i++) {
        world_happen(w, &rng);
        w->now_ms += 5;
        w->c->slice_rows = 7;
        world_step(w);
    }
    enum zl_status st;
    int tries = 0;
    while ((st = world_finish(w, &err)) != ZL_OK && tries++ < 50)
        ;
    assert_int_equal(st, ZL_OK);
    uint64_t end = world_digest(w);
    world_free(w);
    disk_install(1);
    assert_true(load_moment(folder, &digest, &err) > 0);
    assert_true(digest == end);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    log_setup(LOG_ERROR + 1, LOG_TEXT);
    const struct CMUnitTest tests[] = {
        TEST(a_fresh_folder_says_that_there_is_none),
        TEST(the_first_moment_is_a_base_and_the_next_are_segments),
        TEST(what_is_loaded_is_what_was_saved_positions_and_ids_too),
        TEST(a_row_that_changes_while_it_waits_is_saved_as_it_was),
        TEST(a_row_touched_a_thousand_times_is_written_once_a_moment),
        TEST(a_moment_waits_for_the_dead_letters_before_it),
        TEST(nothing_new_makes_no_file_but_a_fresh_age),
        TEST(two_bases_are_kept_and_the_segments_since_the_older),
        TEST(logs_that_no_kept_file_names_are_deleted),
        TEST(every_flipped_byte_of_the_newest_segment_costs_that_moment_only),
        TEST(every_cut_of_the_newest_segment_costs_that_moment_only),
        TEST(a_damaged_base_is_replaced_by_the_older_one_and_its_segments),
        TEST(what_lies_beyond_a_damaged_segment_is_never_chained_again),
        TEST(a_damaged_ids_log_goes_back_to_where_it_was_whole),
        TEST(nothing_usable_is_refused_with_the_damage_in_words),
        TEST(another_pipelines_files_are_refused_in_words),
        TEST(another_version_is_named_with_ours),
        TEST(a_row_beyond_a_smaller_table_is_refused),
        TEST(a_second_engine_is_refused_by_the_pid_of_the_first),
        TEST(every_start_has_a_higher_epoch),
        TEST(inspecting_a_folder_in_use_changes_nothing_in_it),
        TEST(a_failed_moment_is_counted_and_tried_again_at_the_next_interval),
        TEST(finishing_without_acknowledgements_says_what_it_waits_for),
        TEST(the_digest_sees_every_byte_and_no_order_of_tables),
        TEST(the_thread_writes_what_the_loop_froze),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
