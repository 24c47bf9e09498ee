/* zhiliu evaluate EVENTS: the same rooms offline, in log order: test, then learn. Prequential is the honest protocol; holdout by global
 * time and k-fold by user are there because people ask for them (docs/how-to/evaluate.md says what they hide). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "app/engine.h"
#include "app/evaluate.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#define FOLDS 5
#define HOLDOUT 0.8 /* share of the events that are learned before the test */

enum protocol { PREQUENTIAL, HOLDOUT_BY_TIME, FOLD_BY_USER };

/* One pass of one configuration. */
struct pass {
    struct engine *engine;
    struct evaluate *evaluate;
    enum protocol protocol;
    uint64_t events, learn_until; /* holdout */
    int fold;                     /* k-fold: users of this fold are tested, never learned from */
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
    if (p->protocol == HOLDOUT_BY_TIME)
        return p->events > p->learn_until; /* use_of has counted this one */
    if (p->protocol == FOLD_BY_USER)
        return (int)(hash_bytes(ev->user_id.ptr, ev->user_id.len, 1) % FOLDS) == p->fold;
    return true;
}

static void on_scored(void *ctx, const struct zl_event *ev, const struct rank_result *r)
{
    struct pass *p = ctx;
    if (ev->reward_micro > 0 && tested(p, ev))
        evaluate_take(p->evaluate, engine_model(p->engine), ev, r);
}

struct outcome {
    struct evaluate *evaluate;
    struct evaluate_result result;
    uint64_t messages, digest;
    double us_per_event;
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

static enum zl_status evaluate(const struct args *args, const struct config *cfg,
                               struct outcome *out, struct zl_error *err)
{
    static const char *const names[] = {"prequential", "holdout", "kfold"};
    enum protocol protocol = PREQUENTIAL;
    for (int i = 0; i < 3; i++)
        if (strcmp(args_text(args, "protocol"), names[i]) == 0)
            protocol = (enum protocol)i;
    uint64_t events, messages, digest;
    uint32_t n_items = 0;
    out->evaluate = evaluate_open(args_integer(args, "every"));
    TRY(time_learning(args, cfg, out, &events, err));
    for (int fold = 0; fold < (protocol == FOLD_BY_USER ? FOLDS : 1); fold++) {
        struct pass p = {.evaluate = out->evaluate, .protocol = protocol, .fold = fold};
        p.learn_until = (uint64_t)(HOLDOUT * (double)events);
        TRY(run_pass(args, cfg, &p, &messages, &digest, &n_items, err));
    }
    evaluate_summarise(out->evaluate, protocol == PREQUENTIAL ? args_number(args, "skip") : 0,
                       n_items, &out->result);
    return ZL_OK;
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
    printf("],\"us_per_event\":%.2f,\"digest\":\"%016" PRIx64 "\"}\n", o->us_per_event, o->digest);
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
