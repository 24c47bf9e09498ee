/* One batch, from raw messages to marked users. Read this beside docs/tour.md.
 *
 *   raw -> decode -> events | items | controls | rejects
 *   items, controls -> catalog, model            events -> guard -> (ids) -> reward -> model -> publish
 *   rejects of decode and guard -> dead letters; when all are taken, and only then, the positions move. */
#include <stdio.h>
#include <string.h>

#include "app/engine_priv.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "catalog/features.h"

#define YEAR_MS INT64_C(31556952000)
#define LEAST_SECONDS INT64_C(100000000)   /* 1973 in seconds; 2 January 1970 in milliseconds */
#define MOST_SECONDS INT64_C(100000000000) /* 5138 in seconds; March 1973 in milliseconds */
#define PUBLISH_BUDGET_NS 1000000000LL /* event by event (a file): rank everything that is due */

/* ---- decode ---- */

static void decode_all(struct engine *e)
{
    decode_begin(e->decode);
    for (int i = 0; i < e->batch.n; i++) {
        const struct source_message *s = &e->batch.messages[i];
        struct decode_message m = {.topic = s->topic,
                                   .partition = s->partition,
                                   .offset = s->offset,
                                   .log_ms = s->log_ms,
                                   .sent_ms = s->sent_ms,
                                   .has_key = s->has_key,
                                   .has_value = s->has_value,
                                   .key = s->key,
                                   .value = s->value};
        decode_message(e->decode, &m, (uint32_t)i);
    }
}

/* A file has no clock but its events: one that leaps far ahead of them waits until the events after it are read. */
static void settle_clock(struct engine *e)
{
    struct source_batch *b = &e->batch;
    if (!e->reads_file || b->n == 0)
        return;
    struct decode_log log = {.end = b->end,
                             .full = b->n == SOURCE_BATCH,
                             .live = b->live,
                             .first_offset = b->messages[0].offset};
    int64_t again = decode_settle_clock(e->decode, &log);
    if (again < 0)
        return;
    int from = 0;
    while (b->messages[from].offset != again)
        from++;
    source_put_back(e->source, b, from);
    b->n = from;
}

static void count_messages(const struct source_batch *b)
{
    for (int i = 0; i < b->n; i++) {
        metrics_add(METRIC_SOURCE_MESSAGES, b->messages[i].topic, 1);
        metrics_add(METRIC_SOURCE_BYTES, b->messages[i].topic, b->messages[i].value.len);
    }
}

static struct zl_reject *add_reject(struct engine *e)
{
    if (e->n_rejects == e->max_rejects) {
        e->max_rejects = e->max_rejects ? e->max_rejects * 2 : 64;
        e->rejects = xrealloc(e->rejects, (size_t)e->max_rejects, sizeof *e->rejects);
    }
    return &e->rejects[e->n_rejects++];
}

/* ---- items and controls ---- */

static void note_served(struct engine *e, uint32_t item, bool served)
{
    if (served)
        similar_mark(e->similar, item);
    else
        similar_unserved(e->similar, item);
    hot_changed(e->hot);
}

/* The rooms do not know each other: the catalogue's words become the model's keys here. */
static void describe_to_model(struct engine *e, uint32_t index, bool again)
{
    uint64_t keys[CATALOG_FEATURES];
    struct catalog_item item;
    catalog_get(e->catalog, index, &item);
    int n_subjects, n = catalog_features(&item, keys, &n_subjects);
    (again ? model_describe_again : model_describe)(e->model, index, keys, n, n_subjects,
                                                    item.features);
}

void batch_describe_again(struct engine *e)
{
    uint32_t n = catalog_count(e->catalog);
    for (uint32_t i = 0; i < n; i++)
        describe_to_model(e, i, true);
}

/* The category that it has now, before its new description. */
static void note_leaving(struct engine *e, uint32_t item)
{
    struct catalog_item before;
    catalog_get(e->catalog, item, &before);
    hot_leaving(e->hot, before.category);
}

static void take_item(struct engine *e, const struct zl_item *item)
{
    uint32_t index = ids_intern(e->items, item->item_id);
    if (index == ZL_NO_INDEX) {
        LOG(WARN, "catalog", "the item table is full: raise catalog.max_items (%lld)",
            (long long)e->cfg->catalog.max_items);
        return;
    }
    uint32_t course = item->course_id.len ? ids_intern(e->courses, item->course_id) : ZL_NO_INDEX;
    bool served = catalog_served(e->catalog, index);
    if (served)
        note_leaving(e, index);
    catalog_put(e->catalog, index, item, course);
    if (course != ZL_NO_INDEX)
        model_know_course(e->model, course, convert_kind_of(item->course_id), item->price);
    if (served != catalog_served(e->catalog, index))
        note_served(e, index, !served);
    describe_to_model(e, index, false);
    metrics_add(METRIC_ITEMS, item->removed ? ZL_ITEM_REMOVED : item->status, 1);
}

static void take_items(struct engine *e)
{
    int n;
    const struct zl_item *items = decode_items(e->decode, &n);
    for (int i = 0; i < n; i++)
        take_item(e, &items[i]);
}

static void take_controls(struct engine *e)
{
    int n;
    const struct zl_control *controls = decode_controls(e->decode, &n);
    for (int i = 0; i < n; i++) {
        const struct zl_control *c = &controls[i];
        metrics_add(METRIC_CONTROLS, c->type, 1);
        uint32_t user = ids_intern(e->users, c->user_id);
        if (user == ZL_NO_INDEX)
            continue;
        if (c->type == ZL_FORGET) {
            model_forget(e->model, user);
            publish_forget(e->publish, user);
        } else {
            model_set_opt_out(e->model, user, c->type == ZL_OPT_OUT);
            publish_mark(e->publish, user, c->from.sent_ms, c->from.log_ms, clock_monotonic_ns());
        }
    }
}

/* ---- events ---- */

/* Ids to indexes, in log order; an event whose user or item does not fit any more is counted and let go. */
static void resolve(struct engine *e, struct zl_event *ev)
{
    ev->user = ids_intern(e->users, ev->user_id);
    ev->item = ev->item_id.len ? ids_intern(e->items, ev->item_id) : ZL_NO_INDEX;
    ev->course = ev->course_id.len ? ids_intern(e->courses, ev->course_id) : ZL_NO_INDEX;
    if (ev->user == ZL_NO_INDEX || (ev->item_id.len && ev->item == ZL_NO_INDEX)) {
        ev->outcome = ZL_TABLE_FULL;
        LOG(WARN, "engine", "the %s table is full: events of new ones are not learned; raise %s",
            ev->user == ZL_NO_INDEX ? "user" : "item",
            ev->user == ZL_NO_INDEX ? "model.max_users" : "catalog.max_items");
        return;
    }
    if (ev->course != ZL_NO_INDEX)
        model_know_course(e->model, ev->course, convert_kind_of(ev->course_id), 0);
    if (ev->item == ZL_NO_INDEX)
        return;
    catalog_observe(e->catalog, ev->item, ev);
    if (ev->course == ZL_NO_INDEX)
        ev->course = catalog_course(e->catalog, ev->item);
    if (ev->duration_ms < 0)
        ev->duration_ms = catalog_duration_ms(e->catalog, ev->item);
}

static void note_guard_reject(struct engine *e, const struct zl_event *ev, uint32_t message)
{
    struct zl_reject *r = add_reject(e);
    const struct source_message *m = &e->batch.messages[message];
    *r = (struct zl_reject){
        .from = ev->from, .reason = ev->reason, .key = m->key, .message = message};
    r->value = decode_element(e->decode, m->value, ev->from.index);
    snprintf(r->detail, sizeof r->detail, "%s", ev->detail ? ev->detail : "");
}

/* Messages come in order of the batch, and so do their events. */
static void collect_guard_rejects(struct engine *e, const struct zl_event *events, int n)
{
    uint32_t message = 0;
    for (int i = 0; i < n; i++) {
        if (events[i].outcome != ZL_REJECTED)
            continue;
        while (e->batch.messages[message].topic != ZL_TOPIC_EVENTS ||
               e->batch.messages[message].partition != events[i].from.partition ||
               e->batch.messages[message].offset != events[i].from.offset) {
            message++;
            ASSERT(message < (uint32_t)e->batch.n);
        }
        note_guard_reject(e, &events[i], message);
    }
}

static void learn_similar(struct engine *e, const struct zl_event *ev)
{
    struct rank_similar_result result;
    if (e->cfg->similar.n == 0)
        return;
    if (e->opt.similar_scored && rank_similar_test(e->rank_similar, ev, &result))
        e->opt.similar_scored(e->opt.ctx, ev, &result);
    rank_similar_learn(e->rank_similar, ev);
}

static bool is_tested(const struct engine *e, const struct zl_event *ev)
{
    return e->opt.scored && ev->item != ZL_NO_INDEX &&
           (!e->opt.test || e->opt.test(e->opt.ctx, ev));
}

/* Before an event is learned: it tests the model as it is, and teaches the mix of the parts. An item
 * enters the catalogue just before its first event. */
static void before_learning(void *ctx, const struct zl_event *ev)
{
    struct engine *e = ctx;
    rank_freeze_step(e->rank);
    if (is_tested(e, ev)) {
        struct rank_result result;
        model_know_item(e->model, ev->item);
        rank_of(e->rank, ev->user, ev->item, &result);
        e->opt.scored(e->opt.ctx, ev, &result);
    }
    enum engine_use use = e->opt.use ? e->opt.use(e->opt.ctx, ev) : ENGINE_LEARN;
    if (e->opt.use)
        model_set_learning(e->model, use == ENGINE_LEARN);
    if (use == ENGINE_LEARN) {
        rank_learn_mix(e->rank, ev);
        learn_similar(e, ev);
    }
}

static void mark_user(struct engine *e, const struct zl_event *ev, int64_t now_ns)
{
    publish_mark(e->publish, ev->user, ev->from.sent_ms ? ev->from.sent_ms : ev->from.log_ms,
                 ev->from.log_ms, now_ns);
}

static void learn_all(struct engine *e, struct zl_event *events, int n, int64_t now_ns)
{
    reward_batch(e->reward, events, n);
    model_batch(e->model, events, n, before_learning, e);
    for (int i = 0; i < n; i++)
        if (events[i].outcome == ZL_LEARNED || events[i].outcome == ZL_COUNTED) {
            mark_user(e, &events[i], now_ns);
            if (events[i].outcome == ZL_LEARNED)
                similar_mark_user(e->similar, events[i].user);
        }
}

/* A file: each event's list before the next event, as if the log had come slowly. */
static void learn_each(struct engine *e, struct zl_event *events, int n)
{
    for (int i = 0; i < n; i++) {
        int64_t now_ns = clock_monotonic_ns();
        struct zl_position *at =
            zl_positions_get(&e->positions, ZL_TOPIC_EVENTS, events[i].from.partition);
        at->next = events[i].from.offset +
                   1; /* versions the list; the batch's own move comes when it settles */
        if (events[i].from.log_ms > at->log_ms)
            at->log_ms = events[i].from.log_ms;
        catalog_advance(e->catalog, events[i].from.log_ms);
        if (events[i].outcome == ZL_COUNTED)
            resolve(e, &events[i]);
        learn_all(e, &events[i], 1, now_ns);
        publish_due(e->publish, now_ns, true, PUBLISH_BUDGET_NS);
        do
            publish_exchange(e->publish, clock_monotonic_ns());
        while (sink_room(e->sink) == 0 && sink_connected(e->sink, NULL, 0) && !e->stopping &&
               e->cfg->sink.kind == SINK_STDOUT); /* a slow reader: every list, not the newest */
    }
}

/* The same number may be a time in seconds of our days, and is hardly one of 1970 in milliseconds. Smaller ones are made up. */
static void look_at_first_ts(struct engine *e, const struct zl_event *ev)
{
    e->met_event = true;
    if (ev->ts_ms >= LEAST_SECONDS && ev->ts_ms < MOST_SECONDS)
        LOG(WARN, "guard",
            "ts %lld of the first event is in %lld: milliseconds are expected; is it in seconds?",
            (long long)ev->ts_ms, 1970 + (long long)(ev->ts_ms / YEAR_MS));
}

static void take_events(struct engine *e, int64_t now_ns)
{
    int n;
    struct zl_event *events = decode_events(e->decode, &n);
    int64_t start_ns = clock_monotonic_ns();
    if (n > 0 && !e->met_event)
        look_at_first_ts(e, &events[0]);
    guard_batch(e->guard, events, n);
    bool each = e->each_event || e->opt.scored || e->opt.hold_items;
    for (int i = 0; i < n && !each; i++)
        if (events[i].outcome == ZL_COUNTED)
            resolve(e, &events[i]);
    int64_t guarded_ns = clock_monotonic_ns();
    if (each)
        learn_each(e, events, n);
    else
        learn_all(e, events, n, now_ns);
    for (int i = 0; i < n; i++)
        metrics_add(METRIC_EVENTS, (unsigned)events[i].type * ZL_N_OUTCOMES + events[i].outcome, 1);
    metrics_observe(METRIC_STAGE_SECONDS, STAGE_GUARD, (double)(guarded_ns - start_ns) * 1e-9);
    metrics_observe(METRIC_STAGE_SECONDS, STAGE_LEARN,
                    (double)(clock_monotonic_ns() - guarded_ns) * 1e-9);
    collect_guard_rejects(e, events, n);
}

void batch_take(struct engine *e, int64_t now_ns)
{
    int n;
    e->n_rejects = e->next_reject = 0;
    decode_all(e);
    settle_clock(e);
    count_messages(&e->batch);
    const struct zl_reject *rejects = decode_rejects(e->decode, &n);
    for (int i = 0; i < n; i++)
        *add_reject(e) = rejects[i];
    metrics_observe(METRIC_BATCH_SIZE, 0, e->batch.n);
    metrics_observe(METRIC_STAGE_SECONDS, STAGE_DECODE,
                    (double)(clock_monotonic_ns() - now_ns) * 1e-9);
    take_items(e);
    take_controls(e);
    take_events(e, now_ns);
    publish_cut(e->publish);
    e->messages += (uint64_t)e->batch.n;
    e->held = true;
}

/* ---- positions ---- */

static void move_positions(struct engine *e)
{
    for (int i = 0; i < e->batch.n; i++) {
        const struct source_message *m = &e->batch.messages[i];
        struct zl_position *at = zl_positions_get(&e->positions, m->topic, m->partition);
        ASSERT(at);
        at->next = m->offset + 1;
        if (m->log_ms > at->log_ms)
            at->log_ms = m->log_ms;
    }
    int n;
    /* a file's clock is in its events */
    const struct zl_event *events = decode_events(e->decode, &n);
    for (int i = 0; i < n; i++) {
        struct zl_position *at =
            zl_positions_find(&e->positions, ZL_TOPIC_EVENTS, events[i].from.partition);
        if (events[i].from.log_ms > at->log_ms)
            at->log_ms = events[i].from.log_ms;
    }
}

enum zl_status batch_settle(struct engine *e, struct zl_error *err)
{
    while (e->next_reject < e->n_rejects) {
        const struct zl_reject *r = &e->rejects[e->next_reject];
        enum zl_status st =
            dead_letters_put(e->dead_letters, r, &e->batch.messages[r->message], err);
        if (st == ZL_EAGAIN)
            return ZL_OK; /* stays held: nothing more is polled until it is taken */
        TRY(st);
        metrics_add(METRIC_REJECTS, r->reason, 1);
        e->refused[r->reason]++;
        e->next_reject++;
    }
    move_positions(e);
    e->held = false;
    return ZL_OK;
}
