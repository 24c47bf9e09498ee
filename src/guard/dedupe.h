/* guard/dedupe.h - was this event_id seen within the window?
 * Promise  A second event with an id that was admitted less than window_ms ago (by the partition's clock) is a duplicate. An id is
 *          surely forgotten after two windows. Two generations a partition: ids go into the newer one, both are asked; when the newer one
 *          has lasted a window it becomes the older one, whose ids are forgotten.
 * Clock    the highest log time seen in the partition. Nothing else tells the time.
 * Budget   over all partitions; each gets an equal share. A generation that has filled half of the share becomes the older
 *          one early, so the window shrinks: guard_dedupe_window_s() says to what. Decided by counts of ids alone.
 * State    which ids are held, starts, counts: the same events in the same order give the same state, also across a
 *          restart; the size of the tables in memory is no part of it.
 * Threads  one owner. */
#ifndef GUARD_DEDUPE_H
#define GUARD_DEDUPE_H

#include "guard/guard.h"

struct guard_dedupe; /* opaque */

MUST_CHECK enum zl_status guard_dedupe_open(int64_t window_ms, int64_t budget_bytes,
                                            struct guard_dedupe **out, struct zl_error *err);
void guard_dedupe_close(struct guard_dedupe *d); /* copes with NULL */

/* A hint; changes nothing. */
void guard_dedupe_prefetch(const struct guard_dedupe *d, int32_t partition, uint64_t hash);
/* Seen: true, and nothing but the clock changes. Else false, and it is remembered. */
bool guard_dedupe_seen(struct guard_dedupe *d, int32_t partition, int64_t log_ms, uint64_t hash);

/* As in guard.h. */
int64_t guard_dedupe_window_s(const struct guard_dedupe *d);
int64_t guard_dedupe_bytes(const struct guard_dedupe *d);
void guard_dedupe_take(struct guard_dedupe *d,
                       void (*visit)(void *ctx, const struct guard_ids *ids), void *ctx);
void guard_dedupe_restore(struct guard_dedupe *d, const struct guard_ids *ids);
MUST_CHECK enum zl_status guard_dedupe_restored(const struct guard_dedupe *d, struct zl_error *err);
int64_t guard_dedupe_oldest_ms(const struct guard_dedupe *d, int32_t partition);
struct rows_table guard_dedupe_rows(struct guard_dedupe *d);

#endif
