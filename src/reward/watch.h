/* reward/watch.h - how good is this watch time among those of videos of about the same length?
 * Promise  rank in 0..1: the share of recent watches of the bucket that were shorter, half of the equal ones included. It is taken
 *          before the watch itself enters. The first WATCH_PRIOR watches of a bucket are mixed with completion.
 * Buckets  four an octave of duration from 1 s to 3 h; one more for videos of unknown length.
 * Bins     64 a bucket, eight an octave of watch / duration from 1/128 to 2 (unknown length: four an octave of watch from
 *          0.5 s), what is beyond goes into the outermost.
 * Decay    a watch weighs half after half_life watches of its bucket.
 * Exact    integers, and + - * / of doubles in a fixed order: the same on every processor. No libm.
 * Threads  one owner. */
#ifndef REWARD_WATCH_H
#define REWARD_WATCH_H

#include <stdint.h>

#include "base/rows.h"

#define WATCH_BUCKETS 55 /* 0..53 by duration, 54 unknown */
#define WATCH_UNKNOWN 54
#define WATCH_BINS 64
#define WATCH_PRIOR 30

struct watch_bucket {
    uint64_t n;    /* watches ever */
    double weight; /* of the next watch */
    double mass[WATCH_BINS];
};

struct watch {
    double growth; /* of the weight, a watch: 2^(1/half_life) */
    struct watch_bucket buckets[WATCH_BUCKETS];
    struct rows_track track;
};

MUST_CHECK enum zl_status reward_watch_init(struct watch *w, double half_life,
                                            struct zl_error *err);
void reward_watch_release(struct watch *w);

/* duration_ms <= 0: unknown. Both at most 24 h. */
double reward_watch_rank(struct watch *w, int64_t watch_ms, int64_t duration_ms);
/* min(1, watch / duration); of an unknown length watch / (watch + 20 s). */
double reward_watch_completion(int64_t watch_ms, int64_t duration_ms);
int reward_watch_bucket(int64_t duration_ms);
/* floor(8 * log2(x)), exact; x > 0. */
int reward_watch_log2x8(uint64_t x);

struct rows_table reward_watch_rows(struct watch *w);

#endif
