/* reward/reward.h - what an event is worth.
 * Formula  r = clip(w_type * m, 0, r_max); m = 1 but for a watch, where m = rank of this watch time among recent watches of
 *          videos of about the same length (D2Q: Zhan et al., "Deconfounding duration bias in watch-time prediction", KDD 2022;
 *          ours is streaming: a decayed 64-bin histogram a duration bucket).
 * Units    micro-units: 1,000,000 is 1.0. A watch shorter than min_watch_ms and than 5 % of its video is a skip: 0.
 * Promise  The rank is taken before the watch itself enters the histogram. refund, impression, not_interested, report: 0.
 *          The once-a-session rule is the model's (its history ring keeps the largest reward so far).
 * Threads  the engine's loop only. */
#ifndef REWARD_REWARD_H
#define REWARD_REWARD_H

#include "base/rows.h"
#include "zhiliu/event.h"

enum reward_watch { REWARD_WATCH_RANK, REWARD_WATCH_RAW, REWARD_WATCH_COMPLETION };

struct reward_config {
    double weights[ZL_N_EVENT_TYPES]; /* of a watch: a factor on m, default 1 */
    double r_max;
    enum reward_watch watch;
    int64_t min_watch_ms; /* 3,000 */
    double half_life;     /* of the histograms, in watches of the bucket; 10,000 */
};

struct reward;

MUST_CHECK enum zl_status reward_open(const struct reward_config *cfg, struct reward **out,
                                      struct zl_error *err);
void reward_close(struct reward *r);
/* Design's table (impression 0, watch 1, like 1, coin 2, ...). */
void reward_default_weights(double weights[ZL_N_EVENT_TYPES]);

/* Sets reward_micro of every event with outcome ZL_COUNTED (guard passed it). duration_ms of a watch is the event's, or what the
 * engine filled in from the catalogue. */
void reward_batch(struct reward *r, struct zl_event *events, int n);
/* One, for tests and the batch. */
int64_t reward_of(struct reward *r, const struct zl_event *ev);
struct rows_table reward_rows(struct reward *r);

#endif
