/* The checkpoint against crashes, full disks and damage: whatever moment is cut, what loads is a moment that was, whole.
 *
 * A world of small tables lives through thousands of random steps on a disk of ours (checkpoint_fake.h). The writer has no thread
 * here: its jobs run when the seed says so. At random file operations the folder is copied, in the middle of a write, with or
 * without what was not synced: that copy is a crash. Loaded into fresh tables it must equal the record of the moment it says. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/app/checkpoint_fake.h"
#include "base/log.h"

#define MAX_MOMENTS 20000

struct record {
    bool frozen;
    uint64_t digest, guard;
    int newest[2];
};

static struct record records[MAX_MOMENTS];
static struct world *world;
static char folder[256], copy[256];
static bool copied, power_loss;
static uint64_t sealed_at_crash;

static uint64_t seed_of_the_day(void)
{
    const char *text = getenv("SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 20240607;
    print_message("SEED=%" PRIu64 "\n", seed);
    return seed;
}

static void record_moment(const struct world *w)
{
    uint64_t m = w->c->moment;
    ASSERT(m < MAX_MOMENTS);
    records[m] = (struct record){true,
                                 world_digest(w),
                                 guard_digest(&w->guard, w->guard.newest),
                                 {w->guard.newest[0], w->guard.newest[1]}};
}

/* What a machine without power forgets: bytes that no fsync has confirmed. */
static void forget_unsynced(void)
{
    for (int i = 0; i < 64; i++) {
        const struct disk_file *f = &disk.files[i];
        char path[600];
        size_t len;
        if (!f->path[0] || !f->unsynced)
            continue;
        snprintf(path, sizeof path, "%s%s", copy, strrchr(f->path, '/'));
        if (access(path, F_OK) != 0)
            continue;
        unsigned char *bytes = file_bytes(path, &len);
        for (size_t k = f->from; k < len; k++)
            if (rng_below(&disk.rng, 2))
                bytes[k] = 0;
        file_put(path, bytes, f->from < len && rng_below(&disk.rng, 2) ? f->from : len);
        free(bytes);
    }
}

static void crash_now(void)
{
    folder_copy(folder, copy);
    copied = true;
    sealed_at_crash = checkpoint_sealed_moment(world->c);
    if (power_loss)
        forget_unsynced();
}

static void expect_record(const struct world *w)
{
    uint64_t m = checkpoint_sealed_moment(w->c);
    assert_true(m < MAX_MOMENTS && records[m].frozen);
    assert_true(world_digest(w) == records[m].digest);
    assert_true(guard_digest(&w->guard, records[m].newest) == records[m].guard);
}

/* The copy as a start would find it. Returns a world that goes on from there, or NULL when there was nothing yet. */
static struct world *load_copy(bool must)
{
    struct zl_error err = {""};
    struct world *w = world_new();
    enum zl_status st = world_load(w, copy, false, &err);
    if (st != ZL_OK) {
        if (must && !(st == ZL_ENOENT && sealed_at_crash == 0))
            print_message("after moment %" PRIu64 ": %s\n", sealed_at_crash, err.text);
        assert_true(!must || (st == ZL_ENOENT && sealed_at_crash == 0));
        assert_true(st == ZL_ENOENT || st == ZL_EBADDATA);
        world_free(w);
        return NULL;
    }
    expect_record(w);
    assert_true(!must || checkpoint_sealed_moment(w->c) >= sealed_at_crash);
    return w;
}

static void one_turn(struct rng *rng)
{
    uint64_t before = world->c->moment;
    for (uint32_t n = rng_below(rng, 6); n > 0; n--)
        world_happen(world, rng);
    world->now_ms += 1 + rng_below(rng, 40);
    world->dead_put += rng_below(rng, 20) == 0;
    if (rng_below(rng, 10) == 0)
        world->dead_acked = world->dead_put;
    world->c->slice_rows = 1 + rng_below(rng, 12);
    world_step(world);
    if (world->c->moment != before)
        record_moment(world);
    for (uint32_t n = rng_below(rng, 12); n > 0; n--)
        checkpoint_writer_run_one(&world->c->writer);
}

/* The world dies at the copy and a new one goes on from it. */
static void restart_from_copy(void)
{
    char other[256];
    disk_forget();
    struct world *next = load_copy(true);
    disk_forget();
    world_free(world);
    memcpy(other, folder, sizeof other);
    memcpy(folder, copy, sizeof folder);
    memcpy(copy, other, sizeof copy);
    if (!next) {
        next = world_new();
        world_close_checkpoint(next);
        folder_empty(folder);
        assert_int_equal(world_load(next, folder, false, NULL), ZL_ENOENT);
    }
    world = next;
    world->c->base_least_bytes = 3000;
    disk_forget();
}

static void damage_copy(struct rng *rng)
{
    DIR *dir = opendir(copy);
    char path[600];
    for (struct dirent *e; (e = readdir(dir));) {
        size_t len;
        if (e->d_name[0] == '.' || strcmp(e->d_name, "epoch") == 0 ||
            strcmp(e->d_name, "lock") == 0 || rng_below(rng, 3))
            continue;
        snprintf(path, sizeof path, "%s/%s", copy, e->d_name);
        unsigned char *bytes = file_bytes(path, &len);
        if (len && rng_below(rng, 2))
            bytes[rng_below(rng, (uint32_t)len)] ^= (unsigned char)(1 << rng_below(rng, 8));
        else
            len = rng_below(rng, (uint32_t)len + 1);
        file_put(path, bytes, len);
        free(bytes);
    }
    closedir(dir);
}

static void check_crash(struct rng *rng)
{
    uint32_t what = rng_below(rng, 40);
    copied = false;
    if (what == 0) {
        restart_from_copy();
        return;
    }
    struct disk keep = disk; /* loading is not the world's disk */
    disk_forget();
    bool damage = what < 8;
    if (damage)
        damage_copy(rng);
    struct world *w = load_copy(!damage);
    if (w)
        world_free(w);
    disk = keep;
}

static void live(uint64_t seed, int steps, bool failures)
{
    struct rng rng = {seed};
    uint64_t n_crashes = 0, n_sealed = 0, last = 0, n_failed = 0;
    folder_new(folder);
    folder_new(copy);
    disk_install(seed);
    memset(records, 0, sizeof records);
    world = world_new();
    assert_int_equal(world_load(world, folder, false, NULL), ZL_ENOENT);
    world->c->base_least_bytes = 3000;
    for (int i = 0; i < steps; i++) {
        if (!disk.crash && rng_below(&rng, 4) == 0) {
            disk.crash = crash_now;
            disk.crash_at = disk.n_ops + 1 + rng_below(&rng, 40);
            power_loss = rng_below(&rng, 2);
        }
        disk.fail_one_in = failures && rng_below(&rng, 3) == 0 ? 8 : 0;
        one_turn(&rng);
        n_sealed += world->c->sealed_moment != last;
        last = world->c->sealed_moment;
        if (copied) {
            n_crashes++;
            n_failed += disk.n_failed;
            disk.n_failed = 0;
            check_crash(&rng);
            disk.crash = NULL;
        } else if (disk.crash && disk.n_ops > disk.crash_at) {
            disk.crash = NULL; /* it fell on an operation that failed */
        }
    }
    disk.crash = NULL;
    disk.fail_one_in = 0;
    world->dead_acked = world->dead_put;
    uint64_t end = world_digest(world);
    struct zl_error err = {""};
    enum zl_status st = world_finish(world, &err);
    assert_int_equal(st, ZL_OK);
    record_moment(world);
    print_message("%" PRIu64 " crashes, %" PRIu64 " sealed moments, %" PRIu64
                  " failed operations, %d bases at the end\n",
                  n_crashes, n_sealed, n_failed, folder_count(folder, "base-"));
    assert_true(n_crashes > (uint64_t)steps / 40 && n_sealed > (uint64_t)steps / 100);
    assert_true(!failures || n_failed > 20);
    world_close_checkpoint(world);
    struct world *w = world_new();
    assert_int_equal(world_load(w, folder, false, &err), ZL_OK);
    assert_true(world_digest(w) == end);
    world_free(w);
    world_free(world);
    folder_remove(folder);
    folder_remove(copy);
}

static void a_crash_at_any_file_operation_loads_a_moment_that_was(void **state)
{
    (void)state;
    uint64_t seed = seed_of_the_day();
    for (uint64_t i = 0; i < 4; i++)
        live(seed + i, 2500, false);
}

static void crashes_on_a_disk_that_fails_now_and_then_lose_nothing_sealed(void **state)
{
    (void)state;
    uint64_t seed = seed_of_the_day();
    for (uint64_t i = 0; i < 4; i++)
        live(seed + 100 + i, 2500, true);
}

/* ---- every operation fails, one after the other ---- */
#define SCRIPT_MOMENTS 9

static enum zl_status play_script(struct world *w, struct zl_error *err)
{
    struct rng rng = {11};
    for (int m = 0; m < SCRIPT_MOMENTS; m++) {
        for (int i = 0; i < 40; i++)
            world_happen(w, &rng);
        if (m % 3 == 2)
            w->guard.newest[m % 2]++;
        w->now_ms += 100;
        world_step(w);
        fake_change(&w->items, 0, &rng); /* while the moment is being written */
        world_step(w);
        while (checkpoint_writer_run_one(&w->c->writer))
            ;
        world_step(w);
        while (checkpoint_writer_run_one(&w->c->writer))
            ;
        world_step(w);
    }
    enum zl_status st = world_finish(w, err);
    return st == ZL_OK ? ZL_OK
                       : world_finish(w, err); /* a disk that failed once works the second time */
}

/* Number of file operations of the script. */
static uint64_t script_with_failure(uint64_t at, bool for_good)
{
    struct zl_error err = {""};
    char path[256];
    folder_new(path);
    disk_install(1);
    world = world_new();
    enum zl_status opened = world_load(world, path, false, NULL);
    assert_int_equal(opened, ZL_ENOENT);
    world->c->base_least_bytes = 2000;
    disk.n_ops = 0;
    disk.fail_at = for_good ? 0 : at;
    disk.fail_from = for_good ? at : 0;
    enum zl_status st = play_script(world, &err);
    uint64_t n_ops = disk.n_ops, end = world_digest(world),
             sealed = checkpoint_sealed_moment(world->c);
    assert_true(for_good || st == ZL_OK);
    assert_true(st == ZL_OK || strstr(err.text, "No space left on device"));
    world_close_checkpoint(world);
    disk_forget();
    struct world *w = world_new();
    enum zl_status loaded = world_load(w, path, false, &err);
    if (!for_good || st == ZL_OK) {
        assert_int_equal(loaded, ZL_OK);
        assert_true(world_digest(w) == end);
        assert_true(guard_digest(&w->guard, world->guard.newest) ==
                    guard_digest(&world->guard, world->guard.newest));
    } else {
        assert_true(loaded == ZL_OK || (loaded == ZL_ENOENT && sealed == 0));
        assert_true(checkpoint_sealed_moment(w->c) >= sealed);
    }
    world_free(w);
    world_free(world);
    folder_remove(path);
    return n_ops;
}

static void any_one_failing_file_operation_costs_nothing(void **state)
{
    (void)state;
    uint64_t n = script_with_failure(0, false);
    print_message("%" PRIu64 " file operations\n", n);
    assert_true(n > 100);
    for (uint64_t at = 1; at <= n; at++)
        script_with_failure(at, false);
}

static void a_disk_full_for_good_from_any_operation_on_keeps_what_was_sealed(void **state)
{
    (void)state;
    uint64_t n = script_with_failure(0, false);
    for (uint64_t at = 1; at <= n; at++)
        script_with_failure(at, true);
}

int main(void)
{
    log_setup(LOG_ERROR + 1, LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_one_failing_file_operation_costs_nothing),
        cmocka_unit_test(a_disk_full_for_good_from_any_operation_on_keeps_what_was_sealed),
        cmocka_unit_test(a_crash_at_any_file_operation_loads_a_moment_that_was),
        cmocka_unit_test(crashes_on_a_disk_that_fails_now_and_then_lose_nothing_sealed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
