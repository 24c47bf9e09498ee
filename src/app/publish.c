/* A user is due when its bit is set; three lines (fifos) give the order: cut, fresh, backlog. What was last written is kept a user, to
 * see whether a new list differs, and to cut blocked items without asking the store. A list on its way has a ticket with the times
 * of the event it answers; the store's answer closes it and gives the freshness figure. */
#include "app/publish.h"

#include <stdlib.h>
#include <string.h>

#include "app/fifo.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/table.h"

enum due { DUE_CUT = 1, DUE_FRESH = 2, DUE_BACKLOG = 4, DUE_STALE = 8 };

struct entry {
    uint8_t due;           /* enum due bits: in which lines the user stands */
    bool has_list, forget; /* has_list: list[] is what was last sent */
    bool cut;              /* since it was ranked */
    uint16_t n;
    int64_t sent_ms, log_ms; /* of the oldest event that no list answers yet; 0: none */
    int64_t due_ns;          /* since when it is due */
    int64_t written_ms;      /* wall clock */
    uint64_t base;           /* the slate's */
    uint32_t list[];
};

struct ticket {
    uint32_t user, next_free;
    int64_t sent_ms, log_ms;
};

struct publish {
    struct publish_config cfg;
    struct model *model;
    struct rank *rank;
    struct catalog *catalog;
    struct sink *sink;
    const struct ids *users, *items;
    struct zl_positions *positions;
    struct table entries;
    uint32_t n_entries;
    struct fifo cut, fresh, backlog, stale;
    struct ticket *tickets;
    uint32_t n_tickets, free_ticket, n_on_the_way;
    uint64_t connections;
    uint32_t blocks;                 /* ranked so far */
    uint32_t round_at, round_active; /* the round over all lists: next user, active ones so far */
    uint32_t cut_at, cut_left;      /* lists to be looked through for what is not served any more */
    uint32_t active_at, active_end; /* users to be asked whether they are active */
    struct zl_span names[ZL_MAX_LIST];
    publish_answer others; /* see publish_share */
    void *others_ctx;
};

#define NO_TICKET UINT32_MAX
#define ROUND_A_TICK 100000U

enum zl_status publish_open(const struct publish_config *cfg, struct model *m, struct rank *r,
                            struct catalog *c, struct sink *s, const struct ids *users,
                            const struct ids *items, struct zl_positions *positions,
                            struct publish **out, struct zl_error *err)
{
    struct publish *p = xcalloc(1, sizeof *p);
    *out = NULL;
    p->cfg = *cfg;
    p->model = m;
    p->rank = r;
    p->catalog = c;
    p->sink = s;
    p->users = users;
    p->items = items;
    p->positions = positions;
    p->free_ticket = NO_TICKET;
    enum zl_status st = table_init(&p->entries, "users' lists (model.max_users)", cfg->max_users,
                                   sizeof(struct entry) + (size_t)cfg->n * sizeof(uint32_t), err);
    if (st != ZL_OK) {
        publish_close(p);
        return st;
    }
    *out = p;
    return ZL_OK;
}

void publish_close(struct publish *p)
{
    if (!p)
        return;
    fifo_release(&p->cut);
    fifo_release(&p->fresh);
    fifo_release(&p->backlog);
    fifo_release(&p->stale);
    table_release(&p->entries);
    free(p->tickets);
    free(p);
}

static struct entry *entry_of(const struct publish *p, uint32_t user)
{
    return table_row(&p->entries, user);
}

/* ---- who is due ---- */

static struct fifo *line_of(struct publish *p, enum due line)
{
    switch (line) {
    case DUE_CUT: return &p->cut;
    case DUE_FRESH: return &p->fresh;
    case DUE_BACKLOG: return &p->backlog;
    case DUE_STALE: break;
    }
    return &p->stale;
}

static void stand(struct publish *p, uint32_t user, enum due line)
{
    struct entry *e = entry_of(p, user);
    if (user >= p->n_entries) {
        p->cut_left += p->cut_left ? user + 1 - p->n_entries : 0; /* the circle is longer */
        p->n_entries = user + 1;
    }
    if (e->due & line)
        return;
    e->due |= (uint8_t)line;
    fifo_push(line_of(p, line), user);
}

void publish_mark(struct publish *p, uint32_t user, int64_t sent_ms, int64_t log_ms, int64_t now_ns)
{
    if (!p->cfg.ranked)
        return;
    struct entry *e = entry_of(p, user);
    if (!(e->due & DUE_FRESH))
        e->due_ns = now_ns;
    if (e->sent_ms == 0)
        e->sent_ms = sent_ms;
    if (e->log_ms == 0)
        e->log_ms = log_ms;
    e->forget = false;
    stand(p, user, DUE_FRESH);
}

static int64_t newest_log_ms(const struct publish *p)
{
    int64_t newest = 0;
    for (int i = 0; i < p->positions->n; i++)
        if (p->positions->at[i].topic == ZL_TOPIC_EVENTS && p->positions->at[i].log_ms > newest)
            newest = p->positions->at[i].log_ms;
    return newest;
}

static void mark_if_active(struct publish *p, uint32_t user, int64_t since_ms)
{
    int64_t last_ms = model_user_last_ms(p->model, user);
    if (model_user_forgotten(p->model, user))
        publish_forget(p, user); /* the store may not have heard it */
    if (last_ms == 0 || last_ms < since_ms)
        return;
    entry_of(p, user)->has_list = false; /* the store may have lost it */
    stand(p, user, DUE_BACKLOG);
}

static void mark_some_active(struct publish *p)
{
    int64_t since_ms = p->active_at < p->active_end ? newest_log_ms(p) - p->cfg.active_ms : 0;
    for (uint32_t n = 0; n < p->cfg.scan && p->active_at < p->active_end; n++)
        mark_if_active(p, p->active_at++, since_ms);
}

void publish_mark_active(struct publish *p)
{
    if (!p->cfg.ranked)
        return;
    p->active_at = 0;
    p->active_end = model_users(p->model);
    mark_some_active(p);
}

/* ---- one list out ---- */

static struct ticket *take_ticket(struct publish *p, uint32_t *index)
{
    if (p->free_ticket == NO_TICKET) {
        uint32_t n = p->n_tickets ? p->n_tickets * 2 : 256;
        p->tickets = xrealloc(p->tickets, n, sizeof *p->tickets);
        for (uint32_t i = p->n_tickets; i < n; i++)
            p->tickets[i].next_free = i + 1 < n ? i + 1 : NO_TICKET;
        p->free_ticket = p->n_tickets;
        p->n_tickets = n;
    }
    *index = p->free_ticket;
    struct ticket *t = &p->tickets[*index];
    p->free_ticket = t->next_free;
    p->n_on_the_way++;
    return t;
}

static struct zl_version version_now(const struct publish *p, uint32_t user, int64_t *ts_ms)
{
    const struct zl_position *at =
        zl_positions_find(p->positions, ZL_TOPIC_EVENTS, model_user_partition(p->model, user));
    *ts_ms = at ? at->log_ms : 0;
    return (struct zl_version){.incarnation = p->cfg.incarnation,
                               .position = at && at->next > 0 ? (uint64_t)at->next : 0,
                               .epoch = p->cfg.epoch};
}

static uint32_t ticket_for(struct publish *p, uint32_t user)
{
    struct entry *e = entry_of(p, user);
    uint32_t index;
    struct ticket *t = take_ticket(p, &index);
    *t = (struct ticket){.user = user, .sent_ms = e->sent_ms, .log_ms = e->log_ms};
    e->sent_ms = e->log_ms = 0;
    return index;
}

/* slate NULL: the list was cut since it was ranked; it claims nothing of scores and chances, whose places have moved. */
static void send_list(struct publish *p, uint32_t user, const struct zl_slate *slate)
{
    struct entry *e = entry_of(p, user);
    struct sink_list list = {.user_id = ids_name(p->users, user), .n = e->n, .items = p->names};
    if (slate) {
        list.scores = slate->scores;
        list.propensities = slate->propensities;
    }
    list.version = version_now(p, user, &list.ts_ms);
    for (int i = 0; i < e->n; i++)
        p->names[i] = ids_name(p->items, e->list[i]);
    list.token = ticket_for(p, user);
    e->written_ms = clock_wall_ms();
    sink_put(p->sink, &list);
}

void publish_forget(struct publish *p, uint32_t user)
{
    struct entry *e = entry_of(p, user);
    e->has_list = false;
    e->sent_ms = e->log_ms = 0;
    e->forget = true;
    if (p->cfg.ranked)
        stand(p, user, DUE_CUT);
}

/* Neither may stand on a list that stays. */
static bool is_met_or_hidden(const struct publish *p, uint32_t user, uint32_t item)
{
    uint32_t hidden[MODEL_HIDDEN], n = model_hidden(p->model, user, hidden);
    for (uint32_t i = 0; i < n; i++)
        if (hidden[i] == item)
            return true;
    return model_has_met(p->model, user, item);
}

/* An old list of the same base has other items only where chance chose. Those of the new list have just been found unmet. */
static bool shows_what_was_met(const struct publish *p, const struct entry *e,
                               const struct zl_slate *s)
{
    for (int i = 0; i < e->n; i++)
        if ((i >= s->n || e->list[i] != s->items[i]) && is_met_or_hidden(p, s->user, e->list[i]))
            return true;
    return false;
}

/* Is the list in the store to be replaced? A list that stays is that of its old version, with the draw and the propensities of that
 * version. These are true only if replacing does not depend on what the new version has drawn: a rule that kept the old list whenever
 * the new draw is the same, say, would show each draw with another probability than the one logged. So what is compared is the list
 * before it draws; and a draw of old goes when the user has met it, whatever is drawn instead. */
static bool differs(const struct publish *p, const struct entry *e, const struct zl_slate *s)
{
    if (!e->has_list || e->cut || clock_wall_ms() - e->written_ms > p->cfg.ttl_ms / 2)
        return true;
    return e->base != s->base || shows_what_was_met(p, e, s);
}

static void take_slate(struct publish *p, const struct zl_slate *s)
{
    struct entry *e = entry_of(p, s->user);
    metrics_add(METRIC_LISTS_RANKED, 0, 1);
    if (!differs(p, e, s)) {
        metrics_add(METRIC_LISTS_UNCHANGED, 0, 1);
        e->sent_ms = e->log_ms = 0;
        return;
    }
    e->has_list = true;
    e->cut = false;
    e->base = s->base;
    e->n = (uint16_t)s->n;
    memcpy(e->list, s->items, (size_t)s->n * sizeof *s->items);
    send_list(p, s->user, s);
}

/* ---- blocked items ---- */

static bool cut_list(struct publish *p, struct entry *e)
{
    uint16_t kept = 0;
    for (uint16_t i = 0; i < e->n; i++)
        if (catalog_served(p->catalog, e->list[i]))
            e->list[kept++] = e->list[i];
    bool changed = kept != e->n;
    e->cut |= changed;
    e->n = kept;
    return changed;
}

/* In a circle: whoever comes last is reached even if items are taken down all the time. */
static void cut_some(struct publish *p)
{
    for (uint32_t n = 0; n < p->cfg.scan && p->cut_left > 0; n++, p->cut_left--) {
        uint32_t user = p->cut_at < p->n_entries ? p->cut_at : 0;
        struct entry *e = entry_of(p, user);
        p->cut_at = user + 1;
        if (!e->has_list || !cut_list(p, e))
            continue;
        metrics_add(METRIC_LISTS_CUT, 0, 1);
        stand(p, user, DUE_CUT);
        stand(p, user, DUE_BACKLOG); /* ranked again when its turn comes: the list is short now */
    }
}

void publish_cut(struct publish *p)
{
    uint32_t n;
    const uint32_t *items = catalog_changes(p->catalog, &n);
    bool gone = false;
    for (uint32_t i = 0; i < n; i++)
        gone |= !catalog_served(p->catalog, items[i]);
    if (!gone)
        return;
    p->cut_left = p->n_entries;
    cut_some(p);
}

static void send_cuts(struct publish *p)
{
    while (p->cut.n && sink_room(p->sink) > 0) {
        uint32_t user = fifo_pop(&p->cut);
        struct entry *e = entry_of(p, user);
        e->due &= (uint8_t)~DUE_CUT;
        if (e->forget) {
            int64_t ts_ms;
            struct zl_version v = version_now(p, user, &ts_ms);
            sink_forget(p->sink, ticket_for(p, user), ids_name(p->users, user), v, ts_ms);
        } else if (e->has_list) {
            send_list(p, user, NULL);
        }
    }
}

/* ---- ranking what is due ---- */

static bool fresh_due(const struct publish *p, int64_t now_ns, bool idle)
{
    return p->fresh.n &&
           (idle || now_ns - entry_of(p, fifo_peek(&p->fresh))->due_ns >= p->cfg.coalesce_ns);
}

/* Up to a block of users from one line. */
static int take_users(struct publish *p, enum due line, int room, uint32_t *users)
{
    struct fifo *f = line_of(p, line);
    int n = 0;
    while (n < RANK_BLOCK && n < room && f->n) {
        uint32_t user = fifo_pop(f);
        struct entry *e = entry_of(p, user);
        if (!(e->due & line))
            continue; /* another line served it meanwhile */
        e->due &= (uint8_t) ~(DUE_FRESH | DUE_BACKLOG);
        if (!e->forget)
            users[n++] = user;
    }
    return n;
}

static int rank_some(struct publish *p, enum due line)
{
    uint32_t users[RANK_BLOCK];
    struct zl_slate slates[RANK_BLOCK];
    struct zl_version versions[RANK_BLOCK];
    int64_t ts_ms;
    int n = take_users(p, line, sink_room(p->sink), users);
    if (n == 0)
        return 0;
    int64_t start_ns = clock_monotonic_ns();
    for (int i = 0; i < n; i++)
        versions[i] = version_now(p, users[i], &ts_ms);
    rank_users(p->rank, users, versions, n, slates);
    int64_t ranked_ns = clock_monotonic_ns();
    for (int i = 0; i < n; i++)
        take_slate(p, &slates[i]);
    metrics_observe(METRIC_STAGE_SECONDS, STAGE_RANK, (double)(ranked_ns - start_ns) * 1e-9);
    metrics_observe(METRIC_STAGE_SECONDS, STAGE_WRITE,
                    (double)(clock_monotonic_ns() - ranked_ns) * 1e-9);
    return n;
}

int publish_due(struct publish *p, int64_t now_ns, bool idle, int64_t budget_ns)
{
    int ranked = 0;
    cut_some(p);
    mark_some_active(p);
    send_cuts(p);
    while (sink_room(p->sink) > 0) {
        bool backlog_turn = p->backlog.n && ++p->blocks % 4 == 0; /* new events do not starve it */
        if (!backlog_turn && fresh_due(p, now_ns, idle))
            ranked += rank_some(p, DUE_FRESH);
        else if (p->backlog.n)
            ranked += rank_some(p, DUE_BACKLOG);
        else
            break;
        if (clock_monotonic_ns() - now_ns > budget_ns)
            break;
    }
    return ranked;
}

/* ---- answers ---- */

static void observe_freshness(const struct ticket *t)
{
    int64_t now_ms = clock_wall_ms();
    if (t->sent_ms > 0)
        metrics_observe(METRIC_FRESHNESS_SENT, 0, (double)(now_ms - t->sent_ms) * 1e-3);
    if (t->log_ms > 0)
        metrics_observe(METRIC_FRESHNESS_LOG, 0, (double)(now_ms - t->log_ms) * 1e-3);
}

static void take_answer(struct publish *p, const struct sink_answer *a)
{
    if (a->token & PUBLISH_OTHERS) {
        p->others(p->others_ctx, a);
        return;
    }
    struct ticket *t = &p->tickets[a->token];
    metrics_add(METRIC_LISTS_WRITTEN, a->result, 1);
    if (a->result == SINK_WRITTEN) {
        observe_freshness(t);
    } else {
        struct entry *e = entry_of(p, t->user);
        e->sent_ms = t->sent_ms ? t->sent_ms : e->sent_ms; /* the older event still waits */
        e->log_ms = t->log_ms ? t->log_ms : e->log_ms;
        e->has_list = false;
        stand(p, t->user, e->forget ? DUE_CUT : a->result == SINK_FAILED ? DUE_BACKLOG : DUE_STALE);
    }
    if (a->result == SINK_STALE)
        LOG(WARN, "sink",
            "a newer list stands in the store (version %s): another engine writes, or the log was "
            "read again from "
            "an older position; it is tried again every second",
            a->newer);
    t->next_free = p->free_ticket;
    p->free_ticket = (uint32_t)a->token;
    p->n_on_the_way--;
}

void publish_share(struct publish *p, publish_answer take, void *ctx)
{
    p->others = take;
    p->others_ctx = ctx;
}

void publish_exchange(struct publish *p, int64_t now_ns)
{
    struct sink_answer answers[256];
    int n;
    do {
        n = sink_poll(p->sink, now_ns, answers, 256);
        for (int i = 0; i < n; i++)
            take_answer(p, &answers[i]);
    } while (n == 256);
    uint64_t connections = sink_connections(p->sink);
    if (connections != p->connections) {
        p->connections = connections;
        publish_mark_active(p);
    }
}

/* A part of the round over all lists: old ones fall due, active users are counted. */
static void go_round(struct publish *p)
{
    int64_t old_ms = clock_wall_ms() - p->cfg.ttl_ms / 2;
    int64_t since = newest_log_ms(p) - p->cfg.active_ms;
    for (uint32_t i = 0; i < ROUND_A_TICK && p->round_at < p->n_entries; i++) {
        uint32_t user = p->round_at++;
        const struct entry *e = entry_of(p, user);
        if (model_user_last_ms(p->model, user) < since)
            continue;
        p->round_active++;
        if (e->has_list && e->written_ms < old_ms)
            stand(p, user, DUE_BACKLOG);
    }
    if (p->round_at < p->n_entries)
        return;
    metrics_set(METRIC_USERS_ACTIVE, 0, p->round_active);
    p->round_at = p->round_active = 0;
}

void publish_tick(struct publish *p)
{
    for (uint32_t n = p->stale.n; n > 0; n--) {
        uint32_t user = fifo_pop(&p->stale);
        entry_of(p, user)->due &= (uint8_t)~DUE_STALE;
        stand(p, user, DUE_BACKLOG);
    }
    go_round(p);
    metrics_set(METRIC_USERS_DIRTY, 0, (double)(p->cut.n + p->fresh.n + p->backlog.n + p->stale.n));
    metrics_set(METRIC_SINK_INFLIGHT, 0, (double)p->n_on_the_way);
}

int64_t publish_next_ns(const struct publish *p)
{
    if (sink_room(p->sink) == 0)
        return INT64_MAX;
    if (p->cut.n || p->backlog.n || p->cut_left || p->active_at < p->active_end)
        return 0;
    return p->fresh.n ? entry_of(p, fifo_peek(&p->fresh))->due_ns + p->cfg.coalesce_ns : INT64_MAX;
}

uint32_t publish_pending(const struct publish *p)
{
    return p->cut.n + p->fresh.n + p->backlog.n + p->n_on_the_way + (p->cut_left > 0);
}

int64_t publish_oldest_wait_ms(const struct publish *p, int64_t now_ns)
{
    return p->fresh.n ? (now_ns - entry_of(p, fifo_peek(&p->fresh))->due_ns) / 1000000 : 0;
}
