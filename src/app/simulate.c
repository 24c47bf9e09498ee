/* Time, and whose turn it is.
 *
 * Two clocks. Events get their ts from a schedule: so many a second on a day's average, more in the evening than before dawn. The
 * visits have a clock of their own on which they are ordered (a heap): a person acts some seconds after the last act. As many
 * visits run at once as the schedule's rate needs, so the two clocks keep pace without being tied; with live pacing the caller's
 * clock takes the schedule's place and nothing else changes. Bad events and repeats are drawn by event number from a stream of
 * their own: planting them leaves all other events as they were. */
#include "app/simulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/simulate_world.h"
#include "base/check.h"

static bool plain_name(const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    size_t n = strlen(name);
    return n >= 1 && n <= 48 &&
           strspn(name, allowed) == n; /* ids like "s-NAME-7" must stay within 64 */
}

static enum zl_status check_config(const struct simulate_config *c, struct zl_error *err)
{
    if (c->users < 1 || c->items < 1 || c->topics < 1 || c->topics > 60000)
        return zl_fail(err, ZL_EUSAGE,
                       "a platform needs at least 1 user, 1 item and 1..60000 topics");
    if (c->users > 100000000 || c->items > 100000000 || c->courses > 10000000)
        return zl_fail(err, ZL_EUSAGE,
                       "at most 100,000,000 users and items and 10,000,000 courses");
    if (!(c->events_per_s > 0) || !(c->events_per_s <= 1e9))
        return zl_fail(err, ZL_EUSAGE, "events a second must be above 0 and at most 1,000,000,000");
    if (c->named_user && !plain_name(c->named_user))
        return zl_fail(err, ZL_EUSAGE,
                       "a user's name is 1..48 letters, digits, '.', '_' or '-': %s",
                       c->named_user);
    if (c->lists && (c->page < 1 || c->page > SIMULATE_PAGE))
        return zl_fail(err, ZL_EUSAGE, "a page has 1..%d places", SIMULATE_PAGE);
    if (c->over_show != 0 &&
        (!(c->over_show >= 1 && c->over_show <= 1e6) || c->over_topic >= c->topics))
        return zl_fail(err, ZL_EUSAGE,
                       "a topic that there is may be shown 1..1,000,000 times as often");
    if (c->bad > 0 && !(c->reasons & SIMULATE_REASONS_ALL))
        return zl_fail(err, ZL_EUSAGE, "bad events were asked for, but no reason");
    return ZL_OK;
}

/* ---- the heap of turns, soonest first; equal times by slot ---- */
static bool sooner(const struct sim_turn *a, const struct sim_turn *b)
{
    return a->at_ms < b->at_ms || (a->at_ms <= b->at_ms && a->visit < b->visit);
}

static void sink_down(struct simulate *s, uint32_t i)
{
    struct sim_turn moving = s->heap[i];
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= s->n_visits)
            break;
        if (child + 1 < s->n_visits && sooner(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!sooner(&s->heap[child], &moving))
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = moving;
}

static void heap_push(struct simulate *s, struct sim_turn turn)
{
    uint32_t i = s->n_visits++;
    while (i > 0 && sooner(&turn, &s->heap[(i - 1) / 2])) {
        s->heap[i] = s->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    s->heap[i] = turn;
}

/* ---- visits ---- */
/* Some people come far more often than others. */
static uint32_t pick_visitor(struct simulate *s)
{
    uint32_t user = 0;
    for (int tries = 0; tries < 50; tries++) {
        double u = rng_uniform(&s->rng);
        user = (uint32_t)((double)s->cfg.users * u * u);
        if (!s->users[user].busy)
            return user;
    }
    while (s->users[user].busy)
        user = (user + 1) % s->cfg.users;
    return user;
}

static void begin_visits(struct simulate *s)
{
    double wanted = s->cfg.events_per_s * simulate_daylight(s->clock_ms) * SIM_PLAN_GAP_MS / 1000;
    uint32_t target = wanted < 1 ? 1 : wanted > s->max_visits ? s->max_visits : (uint32_t)wanted;
    while (s->n_visits < target) {
        uint32_t slot = s->free_visits[--s->n_free];
        sim_visit_begin(s, &s->visits[slot], pick_visitor(s));
        heap_push(s,
                  (struct sim_turn){s->visits_ms + rng_uniform(&s->rng) * SIM_PLAN_GAP_MS, slot});
    }
}

static void end_first_visit(struct simulate *s)
{
    s->free_visits[s->n_free++] = s->heap[0].visit;
    s->heap[0] = s->heap[--s->n_visits];
    if (s->n_visits)
        sink_down(s, 0);
}

/* Who acts next, and what. */
static struct sim_visit *next_act(struct simulate *s, struct sim_plan *plan)
{
    for (;;) {
        begin_visits(s);
        struct sim_visit *v = &s->visits[s->heap[0].visit];
        s->visits_ms = s->heap[0].at_ms;
        if (sim_visit_next(s, v, plan)) {
            s->heap[0].at_ms += sim_visit_wait_ms(v);
            sink_down(s, 0);
            return v;
        }
        end_first_visit(s);
    }
}

static bool named_is_due(const struct simulate *s)
{
    return s->cfg.named_user && s->clock_ms >= s->named_due_ms;
}

static struct sim_visit *named_act(struct simulate *s, struct sim_plan *plan)
{
    struct sim_visit *v = &s->visits[s->max_visits];
    while (!sim_visit_next(s, v, plan))
        sim_visit_begin(s, v, s->cfg.users);
    s->named_due_ms = fmax(s->named_due_ms, s->clock_ms - 5000) + 1000;
    return v;
}

/* ---- opening ---- */
static void make_visits(struct simulate *s)
{
    s->max_visits =
        s->cfg.users > 1 ? s->cfg.users * 3ULL / 5 ? (uint32_t)(s->cfg.users * 3ULL / 5) : 1 : 1;
    s->visits = xcalloc((size_t)s->max_visits + 1, sizeof *s->visits);
    s->heap = xcalloc(s->max_visits, sizeof *s->heap);
    s->free_visits = xcalloc(s->max_visits, sizeof *s->free_visits);
    while (s->n_free < s->max_visits) {
        s->free_visits[s->n_free] = s->max_visits - 1 - s->n_free;
        s->n_free++;
    }
    sim_loop_make(s);
}

static void begin_named(struct simulate *s)
{
    if (s->cfg.named_user)
        sim_visit_begin(s, &s->visits[s->max_visits], s->cfg.users);
}

static void make_past(struct simulate *s)
{
    s->line = xcalloc(1, SIM_LINE);
    if (s->cfg.repeats <= 0)
        return;
    s->past = xcalloc(SIM_PAST, sizeof *s->past);
    for (int i = 0; i < SIM_PAST; i++)
        s->past[i].line = xcalloc(1, SIM_LINE);
}

enum zl_status simulate_open(const struct simulate_config *cfg, struct simulate **out,
                             struct zl_error *err)
{
    *out = NULL;
    TRY(check_config(cfg, err));
    struct simulate *s = xcalloc(1, sizeof *s);
    s->cfg = *cfg;
    s->cfg.reasons &= SIMULATE_REASONS_ALL;
    if (cfg->named_user)
        strcpy(s->named, cfg->named_user); /* plain_name() bounds it */
    s->rng = rng_at(cfg->seed, 0, 0, 0);
    s->tag = (uint32_t)hash_mix(hash_mix(cfg->seed) ^ (uint64_t)cfg->start_ms);
    s->clock_ms = s->named_due_ms = (double)cfg->start_ms;
    s->last_ts_ms = cfg->start_ms;
    s->max_items = cfg->max_items ? cfg->max_items : cfg->items * 4 + 1000000;
    if (s->max_items < cfg->items)
        s->max_items = cfg->items;
    sim_world_make(s);
    make_visits(s);
    begin_named(s);
    make_past(s);
    *out = s;
    return ZL_OK;
}

void simulate_close(struct simulate *s)
{
    if (!s)
        return;
    sim_world_release(s);
    sim_loop_release(s);
    for (int i = 0; s->past && i < SIM_PAST; i++)
        free(s->past[i].line);
    free(s->past);
    free(s->visits);
    free(s->heap);
    free(s->free_visits);
    free(s->line);
    free(s->large);
    free(s);
}

/* ---- one message ---- */
static void give_item(struct simulate *s, struct simulate_record *out)
{
    uint32_t item = s->n_given++;
    size_t len = sim_write_item(s, item, s->line);
    char *end = s->line + len;
    *end = '\0';
    const char *id = s->line + sizeof "{\"item_id\":\"" - 1;
    size_t id_len = (size_t)(strchr(id, '"') - id);
    memcpy(s->key, id, id_len);
    int64_t ts_ms = s->items[item].published_ms < s->cfg.start_ms ? s->cfg.start_ms
                                                                  : s->items[item].published_ms;
    *out = (struct simulate_record){ZL_TOPIC_ITEMS, {s->key, id_len}, {s->line, len},
                                    ts_ms,          ZL_REASON_NONE,   false};
}

static void remember(struct simulate *s, const struct simulate_record *r)
{
    struct sim_past *p = &s->past[s->n_events % SIM_PAST];
    memcpy(p->user, r->key.ptr, r->key.len);
    p->user[r->key.len] = '\0';
    memcpy(p->line, r->value.ptr, r->value.len);
    p->len = r->value.len;
    s->n_past += s->n_past < SIM_PAST;
}

static void give_repeat(struct simulate *s, struct simulate_record *out)
{
    struct rng r = rng_at(s->cfg.seed, 6, s->n_events, 0);
    uint64_t back = rng_below(&r, s->n_past);
    const struct sim_past *p = &s->past[(s->n_events - back) % SIM_PAST];
    *out = (struct simulate_record){
        .topic = ZL_TOPIC_EVENTS, .ts_ms = s->last_ts_ms, .repeated = true};
    out->key = zl_span_of(p->user);
    out->value = (struct zl_span){p->line, p->len};
}

/* What else the event just given brings with it. */
static void draw_owed(struct simulate *s)
{
    struct rng r = rng_at(s->cfg.seed, 7, s->n_events, 0);
    double x = rng_uniform(&r);
    if (x < s->cfg.bad)
        s->owed = SIM_BAD;
    else if (x < s->cfg.bad + s->cfg.repeats)
        s->owed = SIM_REPEAT;
    if ((double)s->n_events * s->cfg.new_items >= (double)(s->n_new + 1)) {
        s->n_new++;
        if (sim_item_add(s, s->last_ts_ms) == NO_ITEM)
            s->cfg.new_items = 0; /* full: the world stays as it is */
    }
}

static void give_event(struct simulate *s, int64_t now_ms, struct simulate_record *out)
{
    struct sim_plan plan;
    s->clock_ms = now_ms >= 0
                      ? (double)now_ms
                      : s->clock_ms + 1000 / (s->cfg.events_per_s * simulate_daylight(s->clock_ms));
    s->last_ts_ms = (int64_t)s->clock_ms;
    struct sim_visit *v = named_is_due(s) ? named_act(s, &plan) : next_act(s, &plan);
    s->n_events++;
    size_t len = sim_write_event(s, v, &plan, s->last_ts_ms, s->line);
    size_t key_len = sim_user_name(s, v->user, s->key);
    *out = (struct simulate_record){ZL_TOPIC_EVENTS, {s->key, key_len}, {s->line, len},
                                    s->last_ts_ms,   ZL_REASON_NONE,    false};
    if (s->past)
        remember(s, out);
    sim_heat(s);
    draw_owed(s);
}

void simulate_next(struct simulate *s, int64_t now_ms, struct simulate_record *out)
{
    if (s->n_given < s->n_items) {
        give_item(s, out);
    } else if (s->owed == SIM_BAD) {
        s->owed = SIM_NOTHING;
        sim_write_bad(s, s->last_ts_ms, out);
    } else if (s->owed == SIM_REPEAT) {
        s->owed = SIM_NOTHING;
        give_repeat(s, out);
    } else {
        give_event(s, now_ms, out);
    }
}

double simulate_interest(const struct simulate *s, uint32_t user, uint32_t item)
{
    ASSERT(user <= s->cfg.users && item < s->n_items);
    return sim_interest(&s->users[user], &s->items[item]);
}

const struct simulate_truth *simulate_truth(const struct simulate *s)
{
    return &s->truth;
}

uint32_t simulate_items(const struct simulate *s)
{
    return s->n_items;
}
