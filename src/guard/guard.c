/* The room's order of work: all events are looked at for plausibility, then asked for in the memory of ids, in blocks: while
 * the ids of one block are compared, the memory of the next is on its way. An event is judged in the order of the batch, so the second
 * of two equal ids in one batch is the duplicate, and where a batch ends changes nothing. */
#include "guard/guard.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/metrics.h"
#include "guard/dedupe.h"
#include "guard/validity.h"

#define BLOCK 32

struct guard {
    struct guard_config cfg;
    struct guard_dedupe *dedupe;
};

enum zl_status guard_open(const struct guard_config *cfg, struct guard **out, struct zl_error *err)
{
    *out = NULL;
    struct guard *g = xcalloc(1, sizeof *g);
    g->cfg = *cfg;
    enum zl_status st =
        guard_dedupe_open(cfg->duplicates_window_ms, cfg->duplicates_budget_bytes, &g->dedupe, err);
    if (st != ZL_OK) {
        guard_close(g);
        return st;
    }
    *out = g;
    return ZL_OK;
}

void guard_close(struct guard *g)
{
    if (!g)
        return;
    guard_dedupe_close(g->dedupe);
    free(g);
}

static void check_and_prefetch(struct guard *g, struct zl_event *events, int n)
{
    for (int i = 0; i < n; i++)
        if (guard_validity_check(&g->cfg, &events[i]))
            guard_dedupe_prefetch(g->dedupe, events[i].from.partition, events[i].id_hash);
}

static void admit(struct guard *g, struct zl_event *ev)
{
    if (ev->outcome == ZL_REJECTED)
        return;
    if (guard_dedupe_seen(g->dedupe, ev->from.partition, ev->from.log_ms, ev->id_hash)) {
        ev->outcome = ZL_DUPLICATE;
        return;
    }
    if (ev->late)
        metrics_add(METRIC_LATE, 0, 1);
    if (guard_validity_is_skewed(ev))
        metrics_add(METRIC_CLOCK_SKEW, 0, 1);
}

void guard_batch(struct guard *g, struct zl_event *events, int n)
{
    int ready = n < BLOCK ? n : BLOCK;
    check_and_prefetch(g, events, ready);
    for (int at = 0; at < n; at += BLOCK) {
        int next = n - ready < BLOCK ? n - ready : BLOCK, end = at + BLOCK < n ? at + BLOCK : n;
        check_and_prefetch(g, events + ready, next);
        ready += next;
        for (int i = at; i < end; i++)
            admit(g, &events[i]);
    }
}

int64_t guard_duplicates_window_s(const struct guard *g)
{
    return guard_dedupe_window_s(g->dedupe);
}

int64_t guard_duplicates_bytes(const struct guard *g)
{
    return guard_dedupe_bytes(g->dedupe);
}

void guard_take_new_ids(struct guard *g, void (*visit)(void *ctx, const struct guard_ids *ids),
                        void *ctx)
{
    guard_dedupe_take(g->dedupe, visit, ctx);
}

void guard_restore_ids(struct guard *g, const struct guard_ids *ids)
{
    guard_dedupe_restore(g->dedupe, ids);
}

enum zl_status guard_restored(const struct guard *g, struct zl_error *err)
{
    return guard_dedupe_restored(g->dedupe, err);
}

int64_t guard_oldest_generation_ms(const struct guard *g, int32_t partition)
{
    return guard_dedupe_oldest_ms(g->dedupe, partition);
}

struct rows_table guard_rows(struct guard *g)
{
    return guard_dedupe_rows(g->dedupe);
}
