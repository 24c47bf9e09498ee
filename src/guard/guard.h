/* guard/guard.h - events in; each leaves with a weight, or as a counted drop.
 * Rules    validity (validity.h): ranges and the time rules; duplicates (dedupe.h): event_id within the window.
 *          Trust, rates and lockstep come later: the weight is already there.
 * Promise  Exactly one outcome an event: ZL_REJECTED (reason and detail set), ZL_DUPLICATE, or ZL_COUNTED (passed: the
 *          model may make it ZL_LEARNED).
 *          Order matters: validity first, so that a rejected event does not use up its id.
 * Counts   METRIC_LATE and METRIC_CLOCK_SKEW of admitted events; outcomes and rejects are the engine's to count.
 * Threads  the engine's loop only. */
#ifndef GUARD_GUARD_H
#define GUARD_GUARD_H

#include <stdint.h>

#include "base/rows.h"
#include "zhiliu/event.h"

struct guard_config {
    int64_t duplicates_window_ms; /* 24 h */
    int64_t duplicates_budget_bytes;
    int64_t late_ms;   /* older than this against the clock: counted late */
    int64_t skew_ms;   /* 60 s: ts up to this far ahead is taken */
    int64_t future_ms; /* 1 day: further ahead is a dead letter */
};

struct guard;

MUST_CHECK enum zl_status guard_open(const struct guard_config *cfg, struct guard **out,
                                     struct zl_error *err);
void guard_close(struct guard *g);

/* Sets at_ms, late, weight, and for drops outcome (+ reason, detail). Probes the whole batch after hashing it. */
void guard_batch(struct guard *g, struct zl_event *events, int n);

/* Seconds the duplicate memory is sure to reach back (the worst partition), and its bytes. */
int64_t guard_duplicates_window_s(const struct guard *g);
int64_t guard_duplicates_bytes(const struct guard *g);

/* The checkpoint: rows of kind ROWS_DUPLICATES, and the ids themselves as an append-only log of 8-byte hashes. The hashes admitted since the
 * last take are handed over (lent until the next guard_batch), oldest first. */
struct guard_ids {
    int32_t partition;
    /* clock at which this id's generation began: older logs are deleted by it */
    int64_t generation_ms;
    const uint64_t *hashes;
    uint32_t n;
};
/* Calls visit once a (partition, generation) with new hashes, then forgets that they are new. An engine without a checkpoint calls it
 * too (visit does nothing), or 8 bytes an id pile up until the generation is forgotten. */
void guard_take_new_ids(struct guard *g, void (*visit)(void *ctx, const struct guard_ids *ids),
                        void *ctx);
/* Load: hashes of a generation, in the order taken, after the rows were read. Generations that are too old are ignored. */
void guard_restore_ids(struct guard *g, const struct guard_ids *ids);
/* After all of them: does every generation hold the ids that its row counts? ZL_EBADDATA: ids are missing. */
MUST_CHECK enum zl_status guard_restored(const struct guard *g, struct zl_error *err);
/* Oldest generation of a partition that still matters (logs that began before it may be deleted); 0: none yet. */
int64_t guard_oldest_generation_ms(const struct guard *g, int32_t partition);
struct rows_table guard_rows(struct guard *g);

#endif
