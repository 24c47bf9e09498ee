/* source/merge.h - of several lanes (partitions), each in its own order, whose turn is it? Its whose head is the oldest.
 * Promise  The order depends on what was fetched, not on the clock, but for the places where a lane was not waited for. A lane that
 *          is passed over again and again is served all the same: at most one pick in MERGE_PASSES / lanes is out of turn. A lane at
 *          its end is never waited for; one of which more is to come, which has not come yet, is, while there is patience: up to
 *          MERGE_PATIENCE_NS, which comes back at a twentieth of the time that passes. One round of waiting is charged MERGE_CHARGE_NS at
 *          most. With one lane nothing is chosen.
 * Memory   MERGE_AHEAD pointers a lane, made by init. Threads: the engine's loop only. */
#ifndef SOURCE_MERGE_H
#define SOURCE_MERGE_H

#include <stdbool.h>
#include <stdint.h>

#define MERGE_AHEAD 128 /* messages of a lane that are looked at ahead */
#define MERGE_PASSES                                                                               \
    512 /* so often is a lane passed over (more when there are more than 8 lanes) before it is its turn */
#define MERGE_SLACK_MS 1000 /* so much out of order is not worth a wait */
#define MERGE_PATIENCE_NS ((int64_t)1000000000)
#define MERGE_CHARGE_NS                                                                            \
    ((int64_t)250000000) /* a round is far shorter (the engine's turn), else we were stalled */

enum { MERGE_EMPTY = -1, MERGE_WAIT = -2 };

struct source_merge_calls {
    /* Puts up to MERGE_AHEAD of what has come for the lane, without waiting. */
    void (*put_what_came)(void *ctx, int lane);
    /* Nothing has come: is there more all the same, in the log and still on its way? Asked once a round, when it matters. */
    bool (*more_to_come)(void *ctx, int lane);
    void *ctx;
};

struct source_merge_lane;

struct source_merge {
    struct source_merge_calls calls;
    struct source_merge_lane *lanes;
    struct source_merge_head *heads; /* what a pick looks at, side by side */
    int n;
    uint64_t picks;
    int64_t patience_ns, round_ns; /* round_ns: when the round before began; 0: none yet */
    bool waiting;
};

void source_merge_init(struct source_merge *m, int n, const struct source_merge_calls *calls);
/* Drops what is waiting by give_back. Copes with zeroes. */
void source_merge_release(struct source_merge *m, void (*give_back)(void *what));

/* Only in put_what_came. ms: its time; -1: none, which is then that of the one before. */
void source_merge_put(struct source_merge *m, int lane, void *what, int64_t ms);

/* A round: looks what has come, then picks follow until one is EMPTY (nothing is there) or WAIT (for a lane; what is there is kept).
 * now_ns: monotonic. */
void source_merge_begin(struct source_merge *m, int64_t now_ns);
int source_merge_pick(struct source_merge *m);
/* Takes the head of the lane that was picked. */
void *source_merge_take(struct source_merge *m, int lane);

#endif
