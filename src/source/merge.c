/* Kafka gives no order across partitions, and whoever catches up reads them in bursts: a megabyte of one, a megabyte of the next. What
 * is learned depends on who came before whom, so the partitions are merged by the times of their messages, as they would have come.
 *
 *   lane 0   [ 12:00:07  12:00:09 ... ]      head = oldest of all: taken
 *   lane 1   [ 12:00:08 ... ]
 *   lane 2   [ ]  at its end                 is not waited for
 *   lane 3   [ ]  more to come: on its way   is waited for, if it may hold something older, while there is patience
 *
 * Only heads are compared, so a message with a time of its own (a clock that jumped, one far ahead) keeps its place in its lane. What
 * such a head cannot do is to stop its lane: the count of picks that passed it over brings it its turn. Equal times: who was passed
 * over longest.
 *
 * At the end of the log no more is to come, so nothing waits and every message goes on at once. */
#include "source/merge.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define NEVER INT64_MIN

struct source_merge_head {
    int64_t ms;      /* of the first message */
    uint64_t served; /* m->picks when it was last served, or stopped being empty */
    int n;           /* messages; 0: nothing to pick */
};

/* calls.more_to_come() is asked once a round, when it matters. */
enum more_to_come { NOT_ASKED, AT_END, MORE_TO_COME };

struct source_merge_lane {
    void *what[MERGE_AHEAD];
    int64_t ms[MERGE_AHEAD];
    int first;
    int64_t put_ms, taken_ms; /* of the newest put and taken; NEVER: none */
    bool dry;                 /* in this round: nothing (more) has come */
    bool given_up;            /* was waited for long enough; until something comes */
    enum more_to_come more;   /* in this round */
};

void source_merge_init(struct source_merge *m, int n, const struct source_merge_calls *calls)
{
    *m = (struct source_merge){.calls = *calls, .n = n, .patience_ns = MERGE_PATIENCE_NS};
    m->lanes = xcalloc((size_t)n, sizeof *m->lanes);
    m->heads = xcalloc((size_t)n, sizeof *m->heads);
    for (int i = 0; i < n; i++)
        m->lanes[i].put_ms = m->lanes[i].taken_ms = NEVER;
}

void source_merge_release(struct source_merge *m, void (*give_back)(void *what))
{
    for (int i = 0; i < m->n; i++)
        while (m->heads[i].n > 0) {
            struct source_merge_lane *lane = &m->lanes[i];
            give_back(lane->what[lane->first]);
            lane->first = (lane->first + 1) % MERGE_AHEAD;
            m->heads[i].n--;
        }
    free(m->lanes);
    free(m->heads);
    memset(m, 0, sizeof *m);
}

void source_merge_put(struct source_merge *m, int lane, void *what, int64_t ms)
{
    struct source_merge_lane *l = &m->lanes[lane];
    struct source_merge_head *h = &m->heads[lane];
    ASSERT(h->n < MERGE_AHEAD);
    l->put_ms = ms >= 0 ? ms : l->put_ms;
    int at = (l->first + h->n) % MERGE_AHEAD;
    l->what[at] = what;
    l->ms[at] = l->put_ms;
    l->given_up = false;
    if (h->n++ == 0) {
        h->ms = l->put_ms;
        h->served = m->picks;
    }
}

static void refill(struct source_merge *m, int lane)
{
    m->calls.put_what_came(m->calls.ctx, lane);
    m->lanes[lane].dry = m->heads[lane].n == 0;
}

/* What passed beyond MERGE_CHARGE_NS is not charged: the process stood still (a stopped machine, a slow disk), and what came meanwhile
 * has not been looked at. Whoever waits has some patience left, so a debt is never larger than one charge: it is paid in 5 s. */
static void count_patience(struct source_merge *m, int64_t now_ns)
{
    int64_t passed_ns = m->round_ns ? now_ns - m->round_ns : 0;
    int64_t charged_ns = passed_ns < MERGE_CHARGE_NS ? passed_ns : MERGE_CHARGE_NS;
    m->patience_ns += m->waiting ? -charged_ns : passed_ns / 20;
    if (m->patience_ns > MERGE_PATIENCE_NS)
        m->patience_ns = MERGE_PATIENCE_NS;
    m->round_ns = now_ns;
}

void source_merge_begin(struct source_merge *m, int64_t now_ns)
{
    count_patience(m, now_ns);
    m->waiting = false;
    for (int i = 0; i < m->n; i++) {
        m->lanes[i].more = NOT_ASKED;
        if (m->heads[i].n == 0)
            refill(m, i);
    }
}

/* Could something older than ms be on its way in this empty lane? */
static bool is_awaited(struct source_merge *m, int lane, int64_t ms)
{
    struct source_merge_lane *l = &m->lanes[lane];
    if (l->given_up || ms == NEVER)
        return false;
    if (l->taken_ms != NEVER && ms - MERGE_SLACK_MS <= l->taken_ms)
        return false;
    if (l->more == NOT_ASKED)
        l->more = m->calls.more_to_come(m->calls.ctx, lane) ? MORE_TO_COME : AT_END;
    return l->more == MORE_TO_COME;
}

/* True: somebody is waited for. False: who is not here is left behind, since patience is at its end. */
static bool wait_or_give_up(struct source_merge *m, int64_t ms)
{
    for (int i = 0; i < m->n; i++) {
        if (!m->lanes[i].dry || !is_awaited(m, i, ms))
            continue;
        if (m->patience_ns > 0)
            return true;
        m->lanes[i].given_up = true;
    }
    return false;
}

static uint64_t most_passes(const struct source_merge *m)
{
    uint64_t fair = (uint64_t)m->n * 64;
    return fair > MERGE_PASSES ? fair : MERGE_PASSES;
}

int source_merge_pick(struct source_merge *m)
{
    int oldest = MERGE_EMPTY, longest = MERGE_EMPTY;
    const struct source_merge_head *h = m->heads;
    for (int i = 0; i < m->n; i++) {
        if (h[i].n == 0)
            continue;
        if (longest < 0 || h[i].served < h[longest].served)
            longest = i;
        if (oldest < 0 || h[i].ms < h[oldest].ms ||
            (h[i].ms == h[oldest].ms && h[i].served < h[oldest].served))
            oldest = i;
    }
    if (oldest < 0)
        return MERGE_EMPTY;
    if (m->picks - h[longest].served >= most_passes(m))
        return longest;
    m->waiting = wait_or_give_up(m, h[oldest].ms);
    return m->waiting ? MERGE_WAIT : oldest;
}

void *source_merge_take(struct source_merge *m, int lane)
{
    struct source_merge_lane *l = &m->lanes[lane];
    struct source_merge_head *h = &m->heads[lane];
    ASSERT(h->n > 0);
    void *what = l->what[l->first];
    l->taken_ms = h->ms;
    l->first = (l->first + 1) % MERGE_AHEAD;
    h->served = ++m->picks;
    if (--h->n == 0)
        refill(m, lane);
    else
        h->ms = l->ms[l->first];
    return what;
}
