/* zhiliu evaluate EVENTS: the same rooms offline, in log order: test, then learn. Prequential is the honest protocol; holdout by global
 * time and k-fold by user are there because people ask for them (docs/how-to/evaluate.md says what they hide). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "app/engine.h"
#include "app/evaluate.h"
#include "app/evaluate_similar.h"
#include "app/score_types.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "catalog/catalog.h"
#include "evaluate/baseline.h"

#define FOLDS 5
#define HOLDOUT 0.8 /* share of the events that are learned before the test */

enum protocol { PREQUENTIAL, HOLDOUT_BY_TIME, FOLD_BY_USER };

/* A baseline beside the engine: the same events, the same items, the same question. */
struct rival {
    struct baseline *model;
    struct evaluate *evaluate;
    uint8_t *met; /* a byte an item */
    float *scores;
    uint32_t capacity;
};

/* One pass of one configuration. */
struct pass {
    struct rival *rival; /* NULL: none */
    struct engine *engine;
    struct evaluate *evaluate;
    enum protocol protocol;
    uint64_t events, learn_until; /* holdout */
    int fold;                     /* k-fold: users of this fold are tested, never learned from */
    uint32_t types; /* --score: bits of the types that are tested; 0: what is rewarded */
};

static enum engine_use use_of(void *ctx, const struct zl_event *ev)
{
    struct pass *p = ctx;
    uint64_t at = p->events++;
    if (p->protocol == HOLDOUT_BY_TIME)
        return at < p->learn_until ? ENGINE_LEARN : ENGINE_TEST;
    if (p->protocol == FOLD_BY_USER)
        return (int)(hash_bytes(ev->user_id.ptr, ev->user_id.len, 1) % FOLDS) == p->fold
                   ? ENGINE_TEST
                   : ENGINE_LEARN;
    return ENGINE_LEARN;
}

static bool tested(const struct pass *p, const struct zl_event *ev)
{
    if (p->types ? !(p->types >> ev->type & 1) : ev->reward_micro <= 0)
        return false;
    if (p->protocol == HOLDOUT_BY_TIME)
        return p->events > p->learn_until; /* use_of has counted this one */
    if (p->protocol == FOLD_BY_USER)
        return (int)(hash_bytes(ev->user_id.ptr, ev->user_id.len, 1) % FOLDS) == p->fold;
    return true;
}

static void rival_reserve(struct rival *r, uint32_t n)
{
    if (n <= r->capacity)
        return;
    r->capacity = n * 2;
    r->met = xrealloc(r->met, r->capacity, 1);
    r->scores = xrealloc(r->scores, r->capacity, sizeof *r->scores);
}

static double rank_among(const struct rival *r, uint32_t n, uint32_t item)
{
    double above = 0, equal = 0;
    for (uint32_t i = 0; i < n; i++) {
        above += !r->met[i] && i != item && r->scores[i] > r->scores[item];
        equal += !r->met[i] && i != item && r->scores[i] == r->scores[item];
    }
    return 1 + above + equal / 2;
}

/* Items without a first event are nobody's candidates: to the baseline they are met. */
static void rival_take(struct rival *r, const struct engine *e, const struct zl_event *ev)
{
    const struct model *m = engine_model(e);
    uint32_t n = model_items(m), n_seen;
    const uint32_t *seen = model_seen(m, ev->user, &n_seen);
    struct rank_result result = {.n_top = 0};
    rival_reserve(r, n);
    for (uint32_t i = 0; i < n; i++)
        r->met[i] = !catalog_served(engine_catalog(e), i);
    for (uint32_t i = 0; i < n_seen; i++)
        r->met[seen[i]] = 1;
    bool met = r->met[ev->item];
    baseline_score(r->model, ev->user, n, r->met, ev->item, r->scores);
    if (!met)
        result.ranks[RANK_MIX] = rank_among(r, n, ev->item);
    evaluate_take(r->evaluate, m, ev, &result);
    if (!met)
        baseline_learn(r->model, ev->user, ev->item);
}

static void on_scored(void *ctx, const struct zl_event *ev, const struct rank_result *r)
{
    struct pass *p = ctx;
    if (!tested(p, ev))
        return;
    evaluate_take(p->evaluate, engine_model(p->engine), ev, r);
    if (p->rival)
        rival_take(p->rival, p->engine, ev);
}

struct outcome {
    struct evaluate *evaluate;
    struct evaluate_result result;
    uint64_t messages, digest;
    double us_per_event;
    bool has_rival;
    struct evaluate_quality rival; /* --baseline, over the same events */
};

static enum zl_status run_pass(const struct args *args, const struct config *cfg, struct pass *p,
                               uint64_t *messages, uint64_t *digest, uint32_t *n_items,
                               struct zl_error *err)
{
    struct engine_options opt = {.file = args->words[0],
                                 .items_file = args_text(args, "items"),
                                 .checkpoint_path = "",
                                 .scored = p->evaluate ? on_scored : NULL,
                                 .use = use_of,
                                 .hold_items = true,
                                 .ctx = p};
    TRY(engine_open(cfg, &opt, &p->engine, err));
    enum zl_status st = engine_run(p->engine, err);
    *messages = engine_messages(p->engine);
    *digest = engine_digest(p->engine);
    *n_items = ids_count(engine_items(p->engine));
    engine_close(p->engine);
    return st;
}

/* Learning alone, without tests: what an event costs. Also counts the events. */
static enum zl_status time_learning(const struct args *args, const struct config *cfg,
                                    struct outcome *out, uint64_t *events, struct zl_error *err)
{
    struct pass p = {.protocol = PREQUENTIAL};
    uint32_t n_items;
    int64_t start_ns = clock_cpu_ns();
    TRY(run_pass(args, cfg, &p, &out->messages, &out->digest, &n_items, err));
    *events = p.events;
    out->us_per_event =
        p.events ? (double)(clock_cpu_ns() - start_ns) * 1e-3 / (double)p.events : 0;
    return ZL_OK;
}

static enum zl_status rival_open(const struct args *args, const struct config *cfg, struct rival *r,
                                 struct zl_error *err)
{
    const char *name = args_text(args, "baseline");
    if (!name)
        return ZL_OK;
    r->evaluate = evaluate_open(args_integer(args, "every"));
    return baseline_open(&(struct baseline_config){.name = name,
                                                   .every = args_integer(args, "retrain"),
                                                   .window = args_integer(args, "retrain-window"),
                                                   .seed = (uint64_t)cfg->model.seed},
                         &r->model, err);
}

static void rival_close(struct rival *r)
{
    if (r->model)
        baseline_close(r->model);
    evaluate_close(r->evaluate);
    free(r->met);
    free(r->scores);
}

static enum protocol protocol_of(const struct args *args)
{
    const char *name = args_text(args, "protocol");
    return strcmp(name, "holdout") == 0 ? HOLDOUT_BY_TIME
           : strcmp(name, "kfold") == 0 ? FOLD_BY_USER
                                        : PREQUENTIAL;
}

static enum zl_status test_all(const struct args *args, const struct config *cfg,
                               struct rival *rival, struct outcome *out, struct zl_error *err)
{
    enum protocol protocol = protocol_of(args);
    double skip = protocol == PREQUENTIAL ? args_number(args, "skip") : 0;
    uint64_t events, messages, digest;
    uint32_t n_items = 0, types;
    TRY(score_types_parse(args_text(args, "score"), &types, err));
    TRY(time_learning(args, cfg, out, &events, err));
    for (int fold = 0; fold < (protocol == FOLD_BY_USER ? FOLDS : 1); fold++) {
        struct pass p = {
            .evaluate = out->evaluate, .protocol = protocol, .fold = fold, .types = types};
        p.rival = rival->model ? rival : NULL;
        p.learn_until = (uint64_t)(HOLDOUT * (double)events);
        TRY(run_pass(args, cfg, &p, &messages, &digest, &n_items, err));
    }
    evaluate_summarise(out->evaluate, skip, n_items, &out->result);
    if (!rival->model)
        return ZL_OK;
    struct evaluate_result result;
    evaluate_summarise(rival->evaluate, skip, n_items, &result);
    out->has_rival = true;
    out->rival = result.overall;
    return ZL_OK;
}

static enum zl_status evaluate(const struct args *args, const struct config *cfg,
                               struct outcome *out, struct zl_error *err)
{
    struct rival rival = {.model = NULL};
    out->evaluate = evaluate_open(args_integer(args, "every"));
    enum zl_status st = rival_open(args, cfg, &rival, err);
    if (st == ZL_OK)
        st = test_all(args, cfg, &rival, out, err);
    rival_close(&rival);
    return st;
}

/* ---- printing ---- */

static const char *const part_names[RANK_N_PARTS] = {"mix", "core", "cooccurrence", "popularity"};

static void print_quality_json(const char *name, const struct evaluate_quality *q)
{
    printf("\"%s\":{\"n\":%" PRIu64 ",\"hr@10\":%.5f,\"ndcg@10\":%.5f,\"mrr\":%.5f}", name, q->n,
           q->hr, q->ndcg, q->mrr);
}

static void print_json(const struct args *args, const struct config *cfg, const struct outcome *o)
{
    const struct evaluate_result *r = &o->result;
    printf("{\"stream\":\"%s\",\"protocol\":\"%s\",\"seed\":%lld,\"events\":%" PRIu64 ",",
           args->words[0], args_text(args, "protocol"), (long long)cfg->model.seed, o->messages);
    print_quality_json("overall", &r->overall);
    putchar(',');
    print_quality_json("warm", &r->warm);
    putchar(',');
    print_quality_json("first", &r->first);
    printf(",\"cold\":{\"n\":%" PRIu64
           ",\"auc\":%.5f,\"hr@10\":%.5f},\"coverage\":%.4f,\"novelty\":%.4f,\"parts\":{",
           r->n_cold, r->cold_auc, r->cold_hr, r->coverage, r->novelty);
    for (int p = 1; p < RANK_N_PARTS; p++) {
        printf("%s", p > 1 ? "," : "");
        print_quality_json(part_names[p], &r->parts[p]);
    }
    printf("},\"windows\":[");
    for (int w = 0; w < EVALUATE_WINDOWS; w++)
        printf("%s%.5f", w ? "," : "", r->windows[w].hr);
    printf("],");
    if (o->has_rival) {
        print_quality_json("baseline", &o->rival);
        putchar(',');
    }
    printf("\"us_per_event\":%.2f,\"digest\":\"%016" PRIx64 "\"}\n", o->us_per_event, o->digest);
}

static void print_row(const char *name, const struct evaluate_quality *q)
{
    printf("  %-14s %9" PRIu64 "   %.4f   %.4f   %.4f\n", name, q->n, q->hr, q->ndcg, q->mrr);
}

static void print_text(const struct args *args, const struct config *cfg, const struct outcome *o)
{
    const struct evaluate_result *r = &o->result;
    printf("%s, %s, seed %lld\n", args->words[0], args_text(args, "protocol"),
           (long long)cfg->model.seed);
    printf("  %-14s %9s   %-6s   %-6s   %s\n", "", "events", "HR@10", "NDCG", "MRR");
    print_row("overall", &r->overall);
    print_row("warm", &r->warm);
    print_row("first", &r->first);
    for (int p = 1; p < RANK_N_PARTS; p++)
        print_row(part_names[p], &r->parts[p]);
    if (o->has_rival)
        print_row(args_text(args, "baseline"), &o->rival);
    printf("  cold items     %9" PRIu64 "   AUC %.3f, HR@10 %.4f among the cold\n", r->n_cold,
           r->cold_auc, r->cold_hr);
    printf("  coverage %.3f   novelty %.2f bits   learning %.2f us an event   digest %016" PRIx64
           "\n",
           r->coverage, r->novelty, o->us_per_event, o->digest);
}

static void print_outcome(const struct args *args, const struct config *cfg,
                          const struct outcome *o)
{
    if (strcmp(args_text(args, "format"), "json") == 0)
        print_json(args, cfg, o);
    else
        print_text(args, cfg, o);
    fflush(stdout);
}

/* ---- */

static int fail(enum zl_status st, const struct zl_error *err)
{
    fprintf(stderr, "zhiliu evaluate: %s\n", err->text);
    return zl_exit_code(st);
}

static int compare(const struct args *args, const struct outcome *ours)
{
    struct config other;
    struct outcome o = {0};
    struct zl_error err = {""};
    uint64_t only_ours, only_other;
    double p;
    int code = args_config_file(args, args_text(args, "against"), &other);
    if (code != 0) {
        config_release(&other);
        return code;
    }
    enum zl_status st = evaluate(args, &other, &o, &err);
    if (st == ZL_OK) {
        print_outcome(args, &other, &o);
        st = evaluate_compare(ours->evaluate, o.evaluate, args_number(args, "skip"), &only_ours,
                              &only_other, &p, &err);
    }
    if (st == ZL_OK)
        printf("McNemar: %" PRIu64 " events were hits of the first only, %" PRIu64
               " of the second only, p = %.2g\n",
               only_ours, only_other, p);
    evaluate_close(o.evaluate);
    config_release(&other);
    return st == ZL_OK ? 0 : fail(st, &err);
}

static int evaluate_seed(const struct args *args, struct config *cfg, int64_t seed)
{
    struct outcome o = {0};
    struct zl_error err = {""};
    int code = 0;
    cfg->model.seed = seed;
    if (args_on(args, "similar"))
        return evaluate_similar(args, cfg);
    enum zl_status st = evaluate(args, cfg, &o, &err);
    if (st == ZL_OK)
        print_outcome(args, cfg, &o);
    else
        code = fail(st, &err);
    if (code == 0 && args_text(args, "against"))
        code = compare(args, &o);
    evaluate_close(o.evaluate);
    return code;
}

int cmd_evaluate(const struct args *args)
{
    struct config cfg;
    int code = args_config_file(args, args_text(args, "pipeline"), &cfg);
    int64_t first = cfg.model.seed;
    if (code == 0)
        log_setup(LOG_WARN, (enum log_format)cfg.log.format);
    for (int64_t s = 0; code == 0 && s < args_integer(args, "seeds"); s++)
        code = evaluate_seed(args, &cfg, first + s);
    config_release(&cfg);
    return code;
}
