/* The log is read at least twice. The first pass only learns: it tells what an event costs, how many events there are and how many of them
 * could be tested (so that "the first 30 %" and "the last 20 %" are known in advance and nothing is ranked in vain), and the digest of the
 * learned state. Then come the passes that test: one, or five for k-fold.
 *
 * What happens to each event of a testing pass, in this order (app/batch.c, before_learning):
 *   wants_test   is it tested? A test ranks the whole catalogue and costs more than learning does
 *   on_scored    its rank becomes a record
 *   use_of       is it learned? Baselines are tested and learn here, before the engine does */
#include "app/evaluate_pass.h"

#include <stdio.h>
#include <string.h>

#include "app/engine.h"
#include "app/interrupt.h"
#include "app/progress.h"
#include "base/clock.h"
#include "base/hash.h"
#include "catalog/catalog.h"

#define FOLDS 5
#define HOLDOUT 0.8 /* share of the events that are learned before the test */

/* One walk over the log. */
struct walk {
    const struct evaluate_plan *plan;
    struct engine *engine;
    struct evaluate_outcome *out;   /* NULL: only learns and counts */
    struct evaluate_rivals *rivals; /* NULL: none */
    struct progress progress;
    uint64_t events, testable;            /* so far */
    uint64_t refused[ZL_N_REASONS];       /* at the end */
    uint64_t all_events, testable_before; /* of the first pass; testable events that are skipped */
    int fold;
    bool tested; /* the event under way */
};

/* A like after the watch of the same item asks nothing of a list: lists never hold what the user has met. */
static bool is_testable(const struct walk *w, const struct zl_event *ev)
{
    const struct evaluate_plan *plan = w->plan;
    if (ev->item == ZL_NO_INDEX)
        return false;
    if (plan->types ? !(plan->types >> ev->type & 1) : ev->reward_micro <= 0)
        return false;
    return !model_has_met(engine_model(w->engine), ev->user, ev->item);
}

/* Of the user's fold, or after the moment of the holdout. */
static bool is_held_out(const struct walk *w, const struct zl_event *ev)
{
    if (w->plan->protocol == EVALUATE_HOLDOUT)
        return w->events >= (uint64_t)(HOLDOUT * (double)w->all_events);
    return w->plan->protocol == EVALUATE_KFOLD &&
           (int)(hash_bytes(ev->user_id.ptr, ev->user_id.len, 1) % FOLDS) == w->fold;
}

/* Nobody has spoken of the item yet, and it does not say when it was published: it enters the catalogue just before this event, so that it
 * can be learned from. It could not have been recommended, and being the newest of all it gives the answer away: a miss for everyone. */
static bool enters_now(const struct walk *w, const struct zl_event *ev)
{
    struct model_item_info known;
    struct catalog_item described;
    if (model_item_positives(engine_model(w->engine), ev->item) > 0)
        return false; /* the usual case, soon told */
    model_item_info(engine_model(w->engine), ev->item, &known);
    for (int t = 0; t < ZL_N_EVENT_TYPES; t++)
        if (known.counts[t] > 0)
            return false;
    catalog_get(engine_catalog(w->engine), ev->item, &described);
    return described.published_at_ms < 0 || described.published_at_ms > ev->from.log_ms;
}

static bool wants_test(void *ctx, const struct zl_event *ev)
{
    struct walk *w = ctx;
    if (!is_testable(w, ev) || (w->plan->protocol != EVALUATE_PREQUENTIAL && !is_held_out(w, ev)))
        return false;
    uint64_t at = w->testable++;
    return at >= w->testable_before && at % w->plan->every == 0;
}

static void on_scored(void *ctx, const struct zl_event *ev, const struct rank_result *r)
{
    struct walk *w = ctx;
    struct rank_result as_served = *r;
    w->tested = true;
    if (enters_now(w, ev)) {
        memset(as_served.ranks, 0, sizeof as_served.ranks);
        as_served.frozen = r->frozen < 0 ? r->frozen : 0;
    }
    evaluate_take(w->out->records, engine_model(w->engine), ev, w->testable - 1, &as_served);
}

static enum engine_use use_of(void *ctx, const struct zl_event *ev)
{
    struct walk *w = ctx;
    bool learn = !w->out || !is_held_out(w, ev);
    bool teaches = learn && ev->item != ZL_NO_INDEX && ev->reward_micro > 0 && ev->weight > 0;
    if (w->rivals && (teaches || w->tested))
        evaluate_rivals_take(w->rivals, w->engine, ev, w->tested ? w->out->rival_records : NULL,
                             w->testable - 1, teaches, enters_now(w, ev));
    if (!w->out)
        w->testable += is_testable(w, ev);
    w->tested = false;
    w->events++;
    progress_step(&w->progress);
    return learn ? ENGINE_LEARN : ENGINE_REMEMBER;
}

static enum zl_status walk_log(struct walk *w, const struct config *cfg, uint64_t *digest,
                               uint32_t *n_items, struct zl_error *err)
{
    struct engine_options opt = {.file = w->plan->file,
                                 .items_file = w->plan->items_file,
                                 .checkpoint_path = "",
                                 .test = wants_test,
                                 .scored = w->out ? on_scored : NULL,
                                 .use = use_of,
                                 .hold_items = true,
                                 .top = w->plan->top,
                                 .freeze_items = w->out ? w->plan->freeze_items : 0,
                                 .ctx = w};
    TRY(engine_open(cfg, &opt, &w->engine, err));
    enum zl_status st = interrupt_run(w->engine, INTERRUPT_NO_FIGURES, err);
    progress_end(&w->progress);
    *digest = engine_digest(w->engine);
    *n_items = ids_count(engine_items(w->engine));
    memcpy(w->refused, engine_refused(w->engine), sizeof w->refused);
    engine_close(w->engine);
    return st;
}

/* Learning alone: what an event costs. Leaves in `first` how many events there are. */
static enum zl_status learn_only(const struct evaluate_plan *plan, const struct config *cfg,
                                 struct walk *first, struct evaluate_outcome *out,
                                 struct zl_error *err)
{
    uint32_t n_items;
    char name[64];
    snprintf(name, sizeof name, "evaluate: seed %lld, learning", (long long)out->seed);
    *first = (struct walk){.plan = plan};
    progress_begin(&first->progress, name, 0);
    int64_t start_ns = clock_cpu_ns();
    TRY(walk_log(first, cfg, &out->digest, &n_items, err));
    out->events = first->events;
    memcpy(out->refused, first->refused, sizeof out->refused);
    out->us_per_event =
        first->events ? (double)(clock_cpu_ns() - start_ns) * 1e-3 / (double)first->events : 0;
    return ZL_OK;
}

static enum zl_status open_rivals(const struct evaluate_plan *plan, const struct config *cfg,
                                  struct evaluate_rivals **out, struct zl_error *err)
{
    *out = NULL;
    if (plan->rivals.n == 0)
        return ZL_OK;
    return evaluate_rivals_open(&plan->rivals,
                                &(struct baseline_config){.every = plan->retrain,
                                                          .window = plan->retrain_window,
                                                          .seed = (uint64_t)cfg->model.seed},
                                out, err);
}

static enum zl_status test_fold(const struct walk *first, const struct config *cfg, int fold,
                                struct evaluate_outcome *out, uint32_t *n_items,
                                struct zl_error *err)
{
    char name[64];
    uint64_t digest;
    const struct evaluate_plan *plan = first->plan;
    struct walk w = {.plan = plan, .out = out, .all_events = first->events, .fold = fold};
    if (plan->protocol == EVALUATE_PREQUENTIAL)
        w.testable_before = (uint64_t)(plan->skip * (double)first->testable + 0.999999);
    snprintf(name, sizeof name, "evaluate: seed %lld, testing", (long long)out->seed);
    TRY(open_rivals(plan, cfg, &w.rivals, err));
    progress_begin(&w.progress, name, first->events);
    enum zl_status st = walk_log(&w, cfg, &digest, n_items, err);
    evaluate_rivals_close(w.rivals);
    if (st == ZL_OK && plan->protocol == EVALUATE_PREQUENTIAL && digest != out->digest)
        return zl_fail(
            err, ZL_EINTERNAL,
            "testing changed what was learned: the state has digest %016llx, without tests "
            "%016llx",
            (unsigned long long)digest, (unsigned long long)out->digest);
    return st;
}

enum zl_status evaluate_pass(const struct evaluate_plan *plan, const struct config *cfg,
                             struct evaluate_outcome *out, struct zl_error *err)
{
    struct walk first;
    uint32_t n_items = 0;
    out->seed = cfg->model.seed;
    out->records = evaluate_open(plan->top);
    for (int i = 0; i < plan->rivals.n; i++)
        out->rival_records[i] = evaluate_open(plan->top);
    TRY(learn_only(plan, cfg, &first, out, err));
    for (int fold = 0; fold < (plan->protocol == EVALUATE_KFOLD ? FOLDS : 1); fold++)
        TRY(test_fold(&first, cfg, fold, out, &n_items, err));
    evaluate_summarise(out->records, n_items, &out->result);
    for (int i = 0; i < plan->rivals.n; i++)
        evaluate_summarise(out->rival_records[i], n_items, &out->rivals[i]);
    return ZL_OK;
}

void evaluate_outcome_release(struct evaluate_outcome *o)
{
    evaluate_close(o->records);
    for (int i = 0; i < EVALUATE_MAX_RIVALS; i++)
        evaluate_close(o->rival_records[i]);
    *o = (struct evaluate_outcome){0};
}
