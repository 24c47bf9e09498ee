/* The duplicate memory at size: every id comes twice, the second time after a random lag below half the window.
 * bench_dedupe [ids [partitions]]; prints CPU an event, bytes an id, duplicates let through and genuine ids lost (the bar: 0 and
 * 3e-4), the longest batch, and the time a restart needs to rebuild it. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "guard/guard.h"

#define BATCH 1024
#define DAY INT64_C(86400000)
#define T0 INT64_C(1700000000000)

struct run {
    struct guard *g;
    struct rng r;
    int64_t n_ids, n_partitions, lost, through, events, cpu_ns, worst_ns;
    struct zl_event batch[BATCH];
    bool again[BATCH];
    int n;
};

static void flush(struct run *run)
{
    int64_t start = clock_cpu_ns();
    guard_batch(run->g, run->batch, run->n);
    int64_t spent = clock_cpu_ns() - start;
    run->cpu_ns += spent;
    run->worst_ns = spent > run->worst_ns ? spent : run->worst_ns;
    for (int i = 0; i < run->n; i++) {
        run->lost += !run->again[i] && run->batch[i].outcome == ZL_DUPLICATE;
        run->through += run->again[i] && run->batch[i].outcome != ZL_DUPLICATE;
    }
    run->events += run->n;
    run->n = 0;
}

static void put(struct run *run, int64_t id, int64_t clock_ms, bool again)
{
    run->again[run->n] = again;
    run->batch[run->n++] = (struct zl_event){
        .from = {.partition = (int32_t)(id % run->n_partitions), .log_ms = clock_ms},
        .ts_ms = clock_ms,
        .watch_ms = -1,
        .duration_ms = -1,
        .id_hash = hash_mix((uint64_t)id),
    };
    if (run->n == BATCH)
        flush(run);
}

struct copy {
    struct guard *to;
};

static void restore(void *ctx, const struct guard_ids *ids)
{
    guard_restore_ids(((struct copy *)ctx)->to, ids);
}

static struct guard *open_guard(void)
{
    struct guard_config cfg = {.duplicates_window_ms = DAY,
                               .duplicates_budget_bytes = INT64_C(1) << 30,
                               .late_ms = DAY,
                               .skew_ms = 60000,
                               .future_ms = DAY};
    struct guard *g;
    struct zl_error err;
    if (guard_open(&cfg, &g, &err) != ZL_OK)
        abort();
    return g;
}

/* All ids were left untaken in this one. */
static void restart(struct guard *from)
{
    struct zl_error err;
    struct rows_buffer rows = {0};
    struct rows_table t = guard_rows(from);
    struct copy copy = {open_guard()};
    struct rows_table to = guard_rows(copy.to);
    int64_t start = clock_cpu_ns();
    for (uint32_t key = 0; key < t.count(t.room); key++)
        t.write(t.room, key, &rows);
    struct rows_cursor c = {.at = rows.bytes, .end = rows.bytes + rows.len};
    for (uint32_t key = 0; key < t.count(t.room); key++)
        if (to.read(to.room, key, &c, &err) != ZL_OK)
            abort();
    guard_take_new_ids(from, restore, &copy);
    if (guard_restored(copy.to, &err) != ZL_OK)
        abort();
    printf("restart: %.0f ms\n", (double)(clock_cpu_ns() - start) / 1e6);
    rows_buffer_release(&rows);
    guard_close(copy.to);
}

int main(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof *run);
    run->n_ids = argc > 1 ? atoll(argv[1]) : 10000000;
    run->n_partitions = argc > 2 ? atoll(argv[2]) : 4;
    run->g = open_guard();
    run->r = (struct rng){1};
    for (int64_t i = 0; i < run->n_ids; i++) {
        /* two days in all */
        int64_t clock_ms = T0 + (int64_t)((double)i / (double)run->n_ids * 2 * (double)DAY);
        int64_t back = (int64_t)rng_below(&run->r, (uint32_t)(run->n_ids / 4));
        put(run, i, clock_ms, false);
        if (back <= i)
            put(run, i - back, clock_ms, true);
    }
    flush(run);
    printf("%lld events, %lld ids, %lld partitions: %.0f ns an event, longest batch %.2f ms\n",
           (long long)run->events, (long long)run->n_ids, (long long)run->n_partitions,
           (double)run->cpu_ns / (double)run->events, (double)run->worst_ns / 1e6);
    printf("duplicates let through %lld, genuine lost %lld (%.1e), window %lld s\n",
           (long long)run->through, (long long)run->lost, (double)run->lost / (double)run->n_ids,
           (long long)guard_duplicates_window_s(run->g));
    int64_t with_log = guard_duplicates_bytes(run->g);
    restart(run->g);
    printf("memory %.1f MiB with the untaken ids of the whole run\n", (double)with_log / 1048576);
    guard_close(run->g);
    free(run);
    return 0;
}
