/* An item goes round:
 *
 *   still --moved--> ready --its list is made--> resting --`every` has passed--> ready, if it moved meanwhile; else still
 *
 * Resting items stand in the order they were made in, and all rest equally long, so looking at the first tells who is next. Work is paid
 * from a purse that fills with a tenth of the passing time: a large catalogue makes lists dear, and then there are fewer, not slower
 * events.
 *
 * Which lists hold an item that was just blocked is not kept anywhere: it is looked for in the lists as they were written, some thousands
 * a turn (blocking is rare, and a million lists of 20 are read in half a second). */
#include "app/similar.h"

#include <stdlib.h>
#include <string.h>

#include "app/fifo.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/table.h"

#define SHARE 10            /* of the time: one part in so many */
#define MOST_NS 1000000LL   /* saved up */
#define SWEEP_A_TURN 2000U  /* lists looked through for what is not served */
#define LIVE_A_TURN 2000U   /* items looked at after a new connection */
#define READY_ENOUGH 256U   /* live ones are called while fewer are ready */
#define ROUND_A_TICK 20000U /* lists looked at for their age */
#define GONE_TTL_MS 3600000 /* of the empty list of an item that is not served */
#define MOST_ON_THE_WAY 32U /* unanswered: the rest of the store's room is the users' */
#define NOWHERE UINT32_MAX  /* no sweep is under way */

enum state { READY = 1, RESTING = 2, MOVED = 4, HAS_LIST = 8, CUT = 16 };

struct entry {
    int64_t made_ns, written_ns;
    uint32_t n;
    uint32_t list[];
};

struct similar {
    struct similar_config cfg;
    struct rank_similar *rank;
    const struct model *model;
    const struct catalog *catalog;
    struct sink *sink;
    const struct ids *items;
    const struct zl_positions *positions;
    struct table states; /* a byte an item, apart from the lists: marking touches nothing else */
    struct table entries;
    uint32_t count; /* items ever marked: indexes below */
    struct fifo ready, resting, cut;
    uint32_t n_moved_resting, n_on_the_way;
    uint32_t sweep_at, live_at, round_at, end_at;
    uint64_t connections;
    int64_t purse_ns, last_ns;
    struct zl_span names[RANK_SIMILAR_MAX];
};

enum zl_status similar_open(const struct similar_config *cfg, struct rank_similar *r,
                            const struct model *m, const struct catalog *c, struct sink *sink,
                            const struct ids *items, const struct zl_positions *positions,
                            struct similar **out, struct zl_error *err)
{
    struct similar *s = xcalloc(1, sizeof *s);
    *out = NULL;
    *s = (struct similar){.cfg = *cfg,
                          .rank = r,
                          .model = m,
                          .catalog = c,
                          .sink = sink,
                          .items = items,
                          .positions = positions,
                          .sweep_at = NOWHERE,
                          .live_at = NOWHERE};
    enum zl_status st = table_init(&s->states, "related lists' states (catalog.max_items)",
                                   cfg->max_items / 16 + 1, 16, err);
    if (st == ZL_OK)
        st = table_init(&s->entries, "related lists (catalog.max_items)", cfg->max_items,
                        sizeof(struct entry) + (size_t)cfg->n * sizeof(uint32_t), err);
    if (st != ZL_OK) {
        similar_close(s);
        return st;
    }
    *out = s;
    return ZL_OK;
}

void similar_close(struct similar *s)
{
    if (!s)
        return;
    fifo_release(&s->ready);
    fifo_release(&s->resting);
    fifo_release(&s->cut);
    table_release(&s->entries);
    table_release(&s->states);
    free(s);
}

static struct entry *entry_of(const struct similar *s, uint32_t item)
{
    return table_row(&s->entries, item);
}

static uint8_t *state_of(const struct similar *s, uint32_t item)
{
    return (uint8_t *)s->states.rows + item;
}

static bool has_room(const struct similar *s)
{
    return s->n_on_the_way < MOST_ON_THE_WAY && sink_room(s->sink) > 0;
}

/* ---- who is due ---- */

void similar_mark(struct similar *s, uint32_t item)
{
    if (!s || item == ZL_NO_INDEX)
        return;
    uint8_t *state = state_of(s, item);
    if (item >= s->count)
        s->count = item + 1;
    if (*state & MOVED)
        return;
    *state |= MOVED;
    s->n_moved_resting += (*state & RESTING) != 0;
    if (*state & (READY | RESTING) || s->cfg.at_end)
        return;
    *state |= READY;
    fifo_push(&s->ready, item);
}

void similar_mark_user(struct similar *s, uint32_t user)
{
    uint32_t n;
    if (!s)
        return;
    const struct model_history_entry *h = model_similar_history(s->model, user, &n);
    for (uint32_t i = 0; i < n && i <= MODEL_SIMILAR_LINKED; i++)
        similar_mark(s, h[i].item);
}

static void stand_to_be_cut(struct similar *s, uint32_t item)
{
    uint8_t *state = state_of(s, item);
    if (item >= s->count)
        s->count = item + 1;
    if (*state & CUT)
        return;
    *state |= CUT;
    fifo_push(&s->cut, item);
}

void similar_unserved(struct similar *s, uint32_t item)
{
    if (!s || s->cfg.at_end)
        return;
    stand_to_be_cut(s, item);
    s->sweep_at = 0; /* lists behind a sweep under way are looked at again */
}

/* Those whose rest is over. */
static void wake(struct similar *s, int64_t now_ns)
{
    while (s->resting.n &&
           now_ns - entry_of(s, fifo_peek(&s->resting))->made_ns >= s->cfg.every_ns) {
        uint32_t item = fifo_pop(&s->resting);
        uint8_t *state = state_of(s, item);
        *state &= (uint8_t)~RESTING;
        if (!(*state & MOVED))
            continue;
        s->n_moved_resting--;
        *state |= READY;
        fifo_push(&s->ready, item);
    }
}

/* ---- one list out ---- */

struct zl_version similar_version(const struct zl_positions *positions, uint32_t incarnation,
                                  uint64_t epoch, int64_t *ts_ms)
{
    struct zl_version v = {.incarnation = incarnation, .epoch = epoch};
    *ts_ms = 0;
    for (int i = 0; i < positions->n; i++) {
        const struct zl_position *at = &positions->at[i];
        if (at->topic != ZL_TOPIC_EVENTS)
            continue;
        v.position += at->next > 0 ? (uint64_t)at->next : 0;
        *ts_ms = at->log_ms > *ts_ms ? at->log_ms : *ts_ms;
    }
    return v;
}

static void send(struct similar *s, uint32_t item, const float *scores, int64_t now_ns)
{
    struct entry *e = entry_of(s, item);
    bool served = catalog_served(s->catalog, item);
    if (!served)
        e->n =
            0; /* what stands in the store from now on: served again, the item has another list */
    struct sink_list list = {.key = SINK_SIMILAR,
                             .token = s->cfg.token | item,
                             .user_id = ids_name(s->items, item),
                             .ttl_ms = served ? s->cfg.ttl_ms : GONE_TTL_MS,
                             .n = (int)e->n,
                             .items = s->names,
                             .scores = scores};
    list.version = similar_version(s->positions, s->cfg.incarnation, s->cfg.epoch, &list.ts_ms);
    for (int i = 0; i < list.n; i++)
        s->names[i] = ids_name(s->items, e->list[i]);
    *state_of(s, item) |= HAS_LIST;
    e->written_ns = now_ns;
    s->n_on_the_way++;
    sink_put(s->sink, &list);
}

/* An item without a choice has no list: nothing would speak for one. */
static void make(struct similar *s, uint32_t item, int64_t now_ns)
{
    struct entry *e = entry_of(s, item);
    if (!catalog_served(s->catalog, item) || model_item_positives(s->model, item) == 0)
        return;
    const struct rank_similar_list *l = rank_similar_of(s->rank, item);
    size_t bytes = (size_t)l->n * sizeof *l->items;
    metrics_add(METRIC_SIMILAR_LISTS, 0, 1);
    if (*state_of(s, item) & HAS_LIST && e->n == (uint32_t)l->n &&
        memcmp(e->list, l->items, bytes) == 0) {
        metrics_add(METRIC_SIMILAR_LISTS, 1, 1);
        return;
    }
    e->n = (uint32_t)l->n;
    memcpy(e->list, l->items, bytes);
    send(s, item, l->scores, now_ns);
}

static void make_next(struct similar *s, int64_t now_ns)
{
    uint32_t item = fifo_pop(&s->ready);
    uint8_t *state = state_of(s, item);
    *state = (uint8_t)((*state & ~(READY | MOVED)) | RESTING);
    make(s, item, now_ns);
    entry_of(s, item)->made_ns = now_ns;
    fifo_push(&s->resting, item);
}

/* ---- what is not served any more ---- */

static bool cut(const struct similar *s, struct entry *e)
{
    uint32_t kept = 0, n = e->n;
    for (uint32_t i = 0; i < n; i++)
        if (catalog_served(s->catalog, e->list[i]))
            e->list[kept++] = e->list[i];
    e->n = kept;
    return kept != n;
}

/* The shortened list goes out at once; the item is made anew when its turn comes. */
static void sweep(struct similar *s)
{
    for (uint32_t i = 0; i < SWEEP_A_TURN && s->sweep_at != NOWHERE; i++) {
        if (s->sweep_at >= s->count) {
            s->sweep_at = NOWHERE;
            return;
        }
        uint32_t item = s->sweep_at++;
        if (!(*state_of(s, item) & HAS_LIST) || !cut(s, entry_of(s, item)))
            continue;
        stand_to_be_cut(s, item);
        similar_mark(s, item);
    }
}

static void send_cuts(struct similar *s, int64_t now_ns)
{
    while (s->cut.n && has_room(s)) {
        uint32_t item = fifo_pop(&s->cut);
        *state_of(s, item) &= (uint8_t)~CUT;
        send(s, item, NULL, now_ns);
    }
}

/* ---- a new connection: the store may have lost everything ---- */

static void watch_connection(struct similar *s)
{
    uint64_t connections = sink_connections(s->sink);
    if (connections == s->connections)
        return;
    s->connections = connections;
    s->live_at = 0;
}

static void call_live(struct similar *s)
{
    for (uint32_t i = 0; i < LIVE_A_TURN && s->live_at != NOWHERE && s->ready.n < READY_ENOUGH;
         i++) {
        if (s->live_at >= model_items(s->model)) {
            s->live_at = NOWHERE;
            return;
        }
        uint32_t item = s->live_at++;
        *state_of(s, item) &= (uint8_t)~HAS_LIST;
        if (model_item_positives(s->model, item) == 0)
            continue;
        if (catalog_served(s->catalog, item))
            similar_mark(s, item);
        else
            stand_to_be_cut(s, item);
    }
}

/* ---- turns ---- */

static void fill_purse(struct similar *s, int64_t now_ns)
{
    if (s->last_ns == 0)
        s->last_ns = now_ns;
    s->purse_ns += (now_ns - s->last_ns) / SHARE;
    s->purse_ns = s->purse_ns > MOST_NS ? MOST_NS : s->purse_ns;
    s->last_ns = now_ns;
}

void similar_turn(struct similar *s, int64_t now_ns, bool feed_waits)
{
    if (!s || s->cfg.at_end)
        return;
    fill_purse(s, now_ns);
    watch_connection(s);
    wake(s, now_ns);
    sweep(s);
    send_cuts(s, now_ns);
    if (feed_waits)
        return;
    call_live(s);
    while (s->ready.n && s->purse_ns > 0 && has_room(s)) {
        int64_t start_ns = clock_monotonic_ns();
        make_next(s, now_ns);
        s->purse_ns -= clock_monotonic_ns() - start_ns;
    }
}

void similar_tick(struct similar *s, int64_t now_ns)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < ROUND_A_TICK && s->round_at < s->count; i++) {
        uint32_t item = s->round_at++;
        uint8_t *state = state_of(s, item);
        if (!(*state & HAS_LIST) ||
            now_ns - entry_of(s, item)->written_ns < s->cfg.ttl_ms / 2 * 1000000)
            continue;
        *state &= (uint8_t)~HAS_LIST; /* written again though it may be the same */
        similar_mark(s, item);
    }
    if (s->round_at >= s->count)
        s->round_at = 0;
    metrics_set(METRIC_SIMILAR_DUE, 0, similar_due(s));
}

bool similar_finish(struct similar *s)
{
    if (!s || !s->cfg.at_end)
        return true;
    for (; s->end_at < s->count && has_room(s); s->end_at++)
        if (*state_of(s, s->end_at) & MOVED)
            make(s, s->end_at, 0);
    return s->end_at == s->count && s->n_on_the_way == 0;
}

void similar_take_answer(struct similar *s, const struct sink_answer *a)
{
    static const unsigned label[] = {2, 3, 4}; /* of enum sink_result */
    uint32_t item = (uint32_t)(a->token & ~s->cfg.token);
    s->n_on_the_way--;
    metrics_add(METRIC_SIMILAR_LISTS, label[a->result], 1);
    if (a->result == SINK_WRITTEN)
        return;
    *state_of(s, item) &= (uint8_t)~HAS_LIST;
    if (catalog_served(s->catalog, item))
        similar_mark(s, item);
    else if (a->result == SINK_FAILED)
        stand_to_be_cut(s, item);
}

int64_t similar_next_ns(const struct similar *s)
{
    if (!s || s->cfg.at_end || !has_room(s))
        return INT64_MAX;
    if (s->cut.n || s->sweep_at != NOWHERE || s->live_at != NOWHERE)
        return s->last_ns + 1000000;
    if (s->ready.n) /* wait for half of a full purse, not for every coin */
        return s->last_ns + SHARE * (s->purse_ns < MOST_NS / 2 ? MOST_NS / 2 - s->purse_ns : 0);
    return s->resting.n && s->n_moved_resting
               ? entry_of(s, fifo_peek(&s->resting))->made_ns + s->cfg.every_ns
               : INT64_MAX;
}

uint32_t similar_due(const struct similar *s)
{
    return s ? s->ready.n + s->n_moved_resting : 0;
}
