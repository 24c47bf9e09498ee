/* bench_checkpoint [ROWS [ROW_BYTES [FOLDER]]] - what a checkpoint of 1 GB costs the loop.
 * A loop of turns of 1 ms touches rows at 100,000 a second (on all rows, at random) and calls checkpoint_step() as the engine does.
 * It prints the largest CPU of one checkpoint_step() and of one turn's touches (rows saved before they change included), with the time from
 * freeze to seal of the first base, of segments and of a base beside them; then what fork(2) would cost for the same tables, and loading. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/checkpoint_priv.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/rng.h"
#include "base/table.h"

#define TOUCHES_A_TURN 100 /* a turn is 1 ms: 100,000/s */

struct state {
    struct table rows;
    struct rows_track track;
    uint32_t count;
    size_t row_bytes;
};

static uint32_t state_count(const void *room)
{
    return ((const struct state *)room)->count;
}

static void state_write(const void *room, uint32_t key, struct rows_buffer *out)
{
    const struct state *s = room;
    rows_put_bytes(out, table_row(&s->rows, key), s->row_bytes);
}

static enum zl_status state_read(void *room, uint32_t key, struct rows_cursor *in,
                                 struct zl_error *err)
{
    struct state *s = room;
    (void)err;
    rows_get_bytes(in, table_row(&s->rows, key), s->row_bytes);
    if (key >= s->count)
        s->count = key + 1;
    return ZL_OK;
}

static void state_init(struct state *s, uint32_t rows, size_t row_bytes)
{
    s->row_bytes = row_bytes;
    s->count = 0;
    ASSERT(table_init(&s->rows, "rows", rows, row_bytes, NULL) == ZL_OK);
    ASSERT(rows_track_init(&s->track, rows, NULL) == ZL_OK);
}

static struct rows_table state_table(struct state *s)
{
    return (struct rows_table){ROWS_ITEMS,  "rows",      s,         &s->track,
                               state_count, state_write, state_read};
}

struct loop {
    struct state *s;
    struct checkpoint *c;
    struct zl_positions positions;
    struct rng rng;
    int64_t n_turns, over_10_ms;
    int64_t step_ns, touch_ns; /* largest of a turn since the last report */
    int64_t all_ns;            /* sum of checkpoint_step */
};

static void touch_some(struct loop *l)
{
    int64_t start = clock_cpu_ns();
    for (int i = 0; i < TOUCHES_A_TURN; i++) {
        uint32_t key = rng_below(&l->rng, l->s->count);
        rows_touch(&l->s->track, key);
        *(uint64_t *)table_row(&l->s->rows, key) += 1;
    }
    int64_t ns = clock_cpu_ns() - start;
    l->touch_ns = ns > l->touch_ns ? ns : l->touch_ns;
}

static void turn(struct loop *l)
{
    int64_t begin_ns = clock_monotonic_ns();
    touch_some(l);
    l->positions.at[0].next += TOUCHES_A_TURN;
    int64_t start = clock_cpu_ns();
    checkpoint_step(l->c, clock_wall_ms(), &l->positions, 0, 0);
    int64_t ns = clock_cpu_ns() - start;
    l->step_ns = ns > l->step_ns ? ns : l->step_ns;
    l->over_10_ms += ns > 10000000;
    l->all_ns += ns;
    l->n_turns++;
    int64_t rest_ns = 1000000 - (clock_monotonic_ns() - begin_ns);
    if (rest_ns > 0)
        nanosleep(&(struct timespec){0, rest_ns}, NULL);
}

static void report(struct loop *l, const char *what, int64_t start_ns)
{
    printf("%-34s %7.2f s   largest step %6.2f ms   largest touches of a turn %6.2f ms   steps in "
           "all %6.0f ms\n",
           what, (double)(clock_monotonic_ns() - start_ns) / 1e9, (double)l->step_ns / 1e6,
           (double)l->touch_ns / 1e6, (double)l->all_ns / 1e6);
    fflush(stdout);
    l->step_ns = l->touch_ns = l->all_ns = 0;
}

/* Turns until a new moment is begun, then until it is sealed. */
static void one_moment(struct loop *l, const char *what)
{
    uint64_t before = l->c->moment;
    while (l->c->moment == before)
        turn(l);
    int64_t start = clock_monotonic_ns();
    bool with_base = l->c->base != NULL;
    while (checkpoint_sealed_moment(l->c) == before || l->c->carrier)
        turn(l);
    report(l, what, start);
    if (!with_base || !l->c->base)
        return;
    while (l->c->base)
        turn(l);
    report(l, "  the base beside it, more segments", start);
}

static void fork_for_comparison(struct loop *l)
{
    int64_t start = clock_monotonic_ns();
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    int64_t forked = clock_monotonic_ns();
    l->touch_ns = 0;
    for (int i = 0; i < 50; i++)
        touch_some(l);
    printf("%-34s %7.2f ms  to fork; then largest touches of a turn %6.2f ms (pages copied)\n",
           "a fork of the same, for comparison", (double)(forked - start) / 1e6,
           (double)l->touch_ns / 1e6);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

static void load(const char *folder, uint32_t rows, size_t row_bytes)
{
    struct state s;
    struct checkpoint *c;
    struct zl_positions positions;
    struct zl_error err;
    state_init(&s, rows, row_bytes);
    ASSERT(checkpoint_open(&(struct checkpoint_config){.path = folder, .read_only = true}, &c,
                           &err) == ZL_OK);
    checkpoint_register(c, state_table(&s));
    int64_t start = clock_monotonic_ns();
    enum zl_status st = checkpoint_load(c, &positions, &err);
    printf("%-34s %7.2f s   %s, %u rows, moment %llu\n", "load",
           (double)(clock_monotonic_ns() - start) / 1e9, st == ZL_OK ? "whole" : err.text, s.count,
           (unsigned long long)checkpoint_sealed_moment(c));
    checkpoint_close(c);
    rows_track_release(&s.track);
    table_release(&s.rows);
}

int main(int argc, char **argv)
{
    uint32_t rows = argc > 1 ? (uint32_t)atoi(argv[1]) : 800000;
    size_t row_bytes = argc > 2 ? (size_t)atoi(argv[2]) : 1200;
    char temporary[] = "/tmp/zl-bench-checkpoint-XXXXXX";
    char words[400];
    struct state s;
    struct loop l = {.s = &s, .rng = {1}};
    struct zl_error err;
    const char *folder = argc > 3 ? argv[3] : mkdtemp(temporary);
    ASSERT(folder && rows > 0 && row_bytes >= 8);
    state_init(&s, rows, row_bytes);
    for (uint32_t key = 0; key < rows; key++) {
        rows_touch(&s.track, key);
        memset(table_row(&s.rows, key), (int)key, row_bytes);
    }
    s.count = rows;
    printf("%u rows of %zu bytes (%.0f MB) in %s; a turn is 1 ms and touches %d rows\n", rows,
           row_bytes, (double)rows * (double)row_bytes / 1e6, folder, TOUCHES_A_TURN);
    if (checkpoint_open(&(struct checkpoint_config){.path = folder, .interval_ms = 2000}, &l.c,
                        &err) != ZL_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    checkpoint_register(l.c, state_table(&s));
    zl_positions_get(&l.positions, ZL_TOPIC_EVENTS, 0)->next = 0;
    one_moment(&l, "first base, freeze to seal");
    one_moment(&l, "segment");
    one_moment(&l, "segment");
    l.c->base_least_bytes = 0; /* a base now, though one is not due yet */
    for (size_t i = 0; i < l.c->n_known; i++)
        if (l.c->known[i].kind == CHECKPOINT_BASE)
            l.c->known[i].bytes = 0;
    one_moment(&l, "segment with a base");
    printf("%lld turns, %lld of them with more than 10 ms of CPU in checkpoint_step\n",
           (long long)l.n_turns, (long long)l.over_10_ms);
    fork_for_comparison(&l);
    if (checkpoint_finish(l.c, clock_wall_ms(), &l.positions, 0, NULL, NULL, 60000, &err) != ZL_OK)
        fprintf(stderr, "%s\n", err.text);
    checkpoint_close(l.c);
    load(folder, rows, row_bytes);
    rows_track_release(&s.track);
    table_release(&s.rows);
    if (argc <= 3) {
        snprintf(words, sizeof words, "rm -rf %s", folder);
        return system(words) != 0;
    }
    return 0;
}
