/* app/similar.h - which related lists (zl:similar:<item>) are due, when they are made, and what stands in the store.
 * Moved    an item was chosen, or is among the newest of the history of somebody who chose: its row of co-occurrence changed.
 * Promise  The list of a moved item is made anew, at most once every `every`, and written when it differs from what was written last
 *          or half of its TTL has passed. An item that is not served any more gets an empty list for an hour and leaves
 *          the lists of others without waiting for `every`. While the store is away there is a byte an item and no queue of lists; on a
 *          new connection all live items are due again, a few at a time. Making lists takes at most a tenth of the time, at most a
 *          millisecond (or one list) in a piece, and only while no user's list waits.
 *          A file source: nothing is written before the end, then every item's list once, in order of index: no clock has a say.
 * Memory   (32 + 4 n) bytes an item that ever had a list; reserved for max_items.
 * Threads  the engine's loop only. */
#ifndef APP_SIMILAR_H
#define APP_SIMILAR_H

#include <stdbool.h>
#include <stdint.h>

#include "catalog/catalog.h"
#include "rank/similar.h"
#include "sink/sink.h"
#include "zhiliu/position.h"

struct similar_config {
    uint32_t max_items;
    int n; /* list length */
    int64_t every_ns, ttl_ms;
    uint32_t incarnation;
    uint64_t epoch;
    uint64_t token; /* set in every token */
    bool at_end;    /* a file: see above */
};

struct similar;

/* The rooms are borrowed until similar_close. */
MUST_CHECK enum zl_status similar_open(const struct similar_config *cfg, struct rank_similar *r,
                                       const struct model *m, const struct catalog *c,
                                       struct sink *s, const struct ids *items,
                                       const struct zl_positions *positions, struct similar **out,
                                       struct zl_error *err);
void similar_close(struct similar *s);

/* All take NULL for s: related lists are off. */
/* The item moved. */
void similar_mark(struct similar *s, uint32_t item);
/* An event of the user was learned. */
void similar_mark_user(struct similar *s, uint32_t user);
/* The item may not stand in lists any more. */
void similar_unserved(struct similar *s, uint32_t item);
/* A slice of work. feed_waits: users' lists are due, nothing is ranked. now_ns: monotonic. */
void similar_turn(struct similar *s, int64_t now_ns, bool feed_waits);
/* Once a second: lists grow old; the gauge. */
void similar_tick(struct similar *s, int64_t now_ns);
/* The end of a file: makes and sends while there is room; true: everything is sent and answered. */
bool similar_finish(struct similar *s);
void similar_take_answer(struct similar *s, const struct sink_answer *a);
/* When similar_turn has something to do, monotonic ns; INT64_MAX: nothing. */
int64_t similar_next_ns(const struct similar *s);
/* Items that are due or resting and dirty. */
uint32_t similar_due(const struct similar *s);

/* The moment of a list that does not belong to one partition: its version has the sum of all positions, which grows with each. */
struct zl_version similar_version(const struct zl_positions *positions, uint32_t incarnation,
                                  uint64_t epoch, int64_t *ts_ms);

#endif
