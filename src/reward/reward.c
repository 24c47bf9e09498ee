/* What an event is worth: a table of weights, and for a watch a factor m of its watch time (watch.c). */
#include "reward/reward.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "reward/watch.h"

#define MICRO 1000000.0

struct reward {
    struct reward_config cfg;
    struct watch watch;
};

void reward_default_weights(double weights[ZL_N_EVENT_TYPES])
{
    static const double table[ZL_N_EVENT_TYPES] = {
        [ZL_IMPRESSION] = 0,     [ZL_WATCH] = 1,     [ZL_LIKE] = 1,           [ZL_COIN] = 2,
        [ZL_FAVORITE] = 1.5,     [ZL_COMMENT] = 1.5, [ZL_SHARE] = 2,          [ZL_FOLLOW] = 2,
        [ZL_NOT_INTERESTED] = 0, [ZL_REPORT] = 0,    [ZL_COURSE_CLICK] = 1.5, [ZL_ENROLL] = 3,
        [ZL_PURCHASE] = 4,       [ZL_REFUND] = 0,
    };
    memcpy(weights, table, sizeof table);
}

enum zl_status reward_open(const struct reward_config *cfg, struct reward **out,
                           struct zl_error *err)
{
    *out = NULL;
    struct reward *r = xcalloc(1, sizeof *r);
    r->cfg = *cfg;
    enum zl_status st = reward_watch_init(&r->watch, cfg->half_life, err);
    if (st != ZL_OK) {
        free(r);
        return st;
    }
    *out = r;
    return ZL_OK;
}

void reward_close(struct reward *r)
{
    if (!r)
        return;
    reward_watch_release(&r->watch);
    free(r);
}

/* Left at once: shorter than the least watch and than 5 % of the video (of unknown length: than the least watch). */
static bool is_skip(const struct reward *r, const struct zl_event *ev)
{
    return ev->watch_ms < r->cfg.min_watch_ms &&
           (ev->duration_ms <= 0 || ev->watch_ms * 20 < ev->duration_ms);
}

/* A skip is worth nothing, but it is a watch time like others: without skips the rank of what stays would sink. */
static double watch_factor(struct reward *r, const struct zl_event *ev)
{
    double m = 0;
    switch (r->cfg.watch) {
    case REWARD_WATCH_RANK: m = reward_watch_rank(&r->watch, ev->watch_ms, ev->duration_ms); break;
    case REWARD_WATCH_RAW:
        m = (double)ev->watch_ms / 60000; /* minutes */
        break;
    case REWARD_WATCH_COMPLETION: m = reward_watch_completion(ev->watch_ms, ev->duration_ms); break;
    }
    return is_skip(r, ev) ? 0 : m;
}

static double factor(struct reward *r, const struct zl_event *ev)
{
    switch (ev->type) {
    case ZL_IMPRESSION:
    case ZL_NOT_INTERESTED:
    case ZL_REPORT:
    case ZL_REFUND: return 0;
    case ZL_WATCH: return ev->watch_ms < 0 ? 0 : watch_factor(r, ev);
    default: return 1;
    }
}

int64_t reward_of(struct reward *r, const struct zl_event *ev)
{
    double value = r->cfg.weights[ev->type] * factor(r, ev);
    if (!(value > 0))
        return 0;
    if (value > r->cfg.r_max)
        value = r->cfg.r_max;
    return (int64_t)(value * MICRO + 0.5);
}

void reward_batch(struct reward *r, struct zl_event *events, int n)
{
    for (int i = 0; i < n; i++)
        events[i].reward_micro = events[i].outcome == ZL_COUNTED ? reward_of(r, &events[i]) : 0;
}

struct rows_table reward_rows(struct reward *r)
{
    return reward_watch_rows(&r->watch);
}
