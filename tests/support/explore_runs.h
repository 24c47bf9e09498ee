/* One run of the closed loop in one process whose explored places are then estimated under another policy, with the truth beside: for
 * test_evaluate_ips.c and bench_explore_coverage.c.
 * Truth    of each draw that was shown: sum over what could be drawn there of the target's probability times the true chance that
 *          this user, at that moment, would have looked at the place and watched the item; mean over impressions. */
#ifndef TESTS_EXPLORE_RUNS_H
#define TESTS_EXPLORE_RUNS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/config.h"
#include "app/evaluate_ips.h"
#include "app/simulate_loop_engine.h"
#include "app/simulate_world.h"
#include "base/check.h"
#include "model/model.h"
#include "rank/rank.h"

#define RUN_ITEMS 150
#define RUN_PLACE 10

/* What was true when a list was read. */
struct run_moment {
    uint64_t position;
    uint32_t user;             /* the engine's */
    float interest[RUN_ITEMS]; /* by the simulator's number */
};

struct run {
    struct simulate_loop_engine *loop;
    struct run_moment *moments;
    uint32_t n, capacity, next;
    double wanted, impressions; /* sums of truth over impressions */
    uint32_t unmatched;
};

struct run_result {
    struct evaluate_ips_result estimate;
    double truth;
    uint32_t unmatched;
};

/* NULL: fails the program with words. */
static inline void run_config(const char *const *set, int n_set, struct config *out)
{
    const char *all[16] = {"model.max_users=2000",
                           "catalog.max_items=1000",
                           "guard.duplicates.budget=16MiB",
                           "rank.n=10",
                           "policy.explore.per=10",
                           "model.k=16",
                           "model.negatives=16",
                           "similar.n=0"};
    int n = 8;
    for (int i = 0; i < n_set; i++)
        all[n++] = set[i];
    ASSERT(config_load("/dev/null", all, n, out, stderr) == ZL_OK);
}

static inline void run_on_read(void *ctx, struct zl_span user_id, const struct zl_version *version,
                               const struct zl_slate *list)
{
    struct run *r = ctx;
    struct simulate *world = simulate_loop_engine_world(r->loop);
    char digits[24];
    if (list->n < RUN_PLACE || list->propensities[RUN_PLACE - 1] <= 0)
        return;
    if (r->n == r->capacity) {
        r->capacity = r->capacity ? 2 * r->capacity : 256;
        r->moments = xrealloc(r->moments, r->capacity, sizeof *r->moments);
    }
    struct run_moment *m = &r->moments[r->n++];
    snprintf(digits, sizeof digits, "%.*s", (int)user_id.len - 1, user_id.ptr + 1);
    uint32_t user = (uint32_t)(atoi(digits) - 1); /* "u7" is 6 */
    *m = (struct run_moment){.position = version->position, .user = list->user};
    for (uint32_t i = 0; i < RUN_ITEMS; i++)
        m->interest[i] = (float)simulate_interest(world, user, i);
}

static inline const struct run_moment *run_moment_of(struct run *r, const struct evaluate_draw *d)
{
    /* moments stand in order of position, and so are draws asked for */
    while (r->next < r->n && r->moments[r->next].position < d->version.position)
        r->next++;
    for (uint32_t i = r->next; i < r->n && r->moments[i].position == d->version.position; i++)
        if (r->moments[i].user == d->user)
            return &r->moments[i];
    return NULL;
}

/* The target's probability of the draw; on the way the truth. */
static inline double run_target(void *ctx, struct engine *e, const struct evaluate_draw *d)
{
    struct run *r = ctx;
    uint32_t items[RANK_EXPLORE_POOL];
    double pi[RANK_EXPLORE_POOL], mine = 0, truth = 0;
    const struct run_moment *m = run_moment_of(r, d);
    if (!m) {
        r->unmatched++;
        return -1;
    }
    int n = rank_explore_chances(engine_rank(e), d->user, &d->version, d->place, items, pi);
    for (int i = 0; i < n; i++) {
        uint32_t item = simulate_loop_item(ids_name(engine_items(e), items[i]), RUN_ITEMS);
        truth += pi[i] * sim_watch_chance((double)m->interest[item]);
        mine = items[i] == d->item ? pi[i] : mine;
    }
    r->wanted += truth * simulate_loop_looked_at(d->place) * (double)d->n;
    r->impressions += (double)d->n;
    return mine;
}

static inline enum zl_status run_log(uint64_t seed, uint64_t events, const struct config *logging,
                                     const char *folder, struct run *r, struct zl_error *err)
{
    char path[2][300];
    snprintf(path[0], sizeof path[0], "%s/events.jsonl", folder);
    snprintf(path[1], sizeof path[1], "%s/items.jsonl", folder);
    struct simulate_loop_engine_config c = {.world = {.seed = seed,
                                                      .users = 100,
                                                      .items = RUN_ITEMS,
                                                      .topics = 6,
                                                      .start_ms = 1767225600000LL,
                                                      .events_per_s = 1,
                                                      .page = RUN_PLACE,
                                                      .open_events = 500},
                                            .pipeline = logging,
                                            .read = run_on_read,
                                            .ctx = r,
                                            .events = fopen(path[0], "w"),
                                            .items = fopen(path[1], "w")};
    ASSERT(c.events && c.items);
    enum zl_status st = simulate_loop_engine_open(&c, &r->loop, err);
    if (st == ZL_OK)
        st = simulate_loop_engine_run(r->loop, events, err);
    simulate_loop_engine_close(r->loop);
    fclose(c.events);
    fclose(c.items);
    return st;
}

/* Logs a run in the folder, estimates the target's mean share of watches, and tells the truth of it. */
static inline enum zl_status run_once(uint64_t seed, uint64_t events, const struct config *logging,
                                      const struct config *target, const char *folder,
                                      struct run_result *out, struct zl_error *err)
{
    struct run r = {0};
    struct evaluate_ips *e = NULL;
    char path[2][300];
    snprintf(path[0], sizeof path[0], "%s/events.jsonl", folder);
    snprintf(path[1], sizeof path[1], "%s/items.jsonl", folder);
    struct evaluate_ips_plan plan = {.file = path[0],
                                     .items_file = path[1],
                                     .window_ms = 600000,
                                     .outcome = ZL_WATCH,
                                     .target = run_target,
                                     .ctx = &r};
    enum zl_status st = run_log(seed, events, logging, folder, &r, err);
    if (st == ZL_OK)
        st = evaluate_ips_run(&plan, target, &e, err);
    if (st == ZL_OK) {
        evaluate_ips_summarise(e, &out->estimate);
        out->truth = r.impressions > 0 ? r.wanted / r.impressions : 0;
        out->unmatched = r.unmatched;
    }
    evaluate_ips_close(e);
    free(r.moments);
    return st;
}

#endif
