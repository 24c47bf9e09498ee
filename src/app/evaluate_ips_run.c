/* The two passes of evaluate_ips.c over a file of events. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/commands.h"
#include "app/engine.h"
#include "app/evaluate_ips.h"
#include "app/interrupt.h"
#include "app/refused.h"
#include "model/model.h"
#include "rank/rank.h"

struct pass {
    struct evaluate_ips *estimator;
    struct engine *engine;
};

/* Remembered, not learned: rewards need no model. */
static enum engine_use collect(void *ctx, const struct zl_event *ev)
{
    struct pass *p = ctx;
    evaluate_ips_take(p->estimator, ev);
    return ENGINE_REMEMBER;
}

static enum engine_use ask_and_learn(void *ctx, const struct zl_event *ev)
{
    struct pass *p = ctx;
    evaluate_ips_ask(p->estimator, (uint64_t)ev->from.offset, p->engine);
    return ENGINE_LEARN;
}

static double pipeline_target(void *ctx, struct engine *e, const struct evaluate_draw *d)
{
    (void)ctx;
    if (d->user >= model_users(engine_model(e)) || d->item >= model_items(engine_model(e)))
        return -1; /* not the state that list was ranked in */
    return rank_explore_propensity(engine_rank(e), d->user, &d->version, d->item, d->place);
}

/* A pass asks event by event; `each` keeps the state at an event free of what follows it in its batch. */
static enum zl_status one_pass(const struct evaluate_ips_plan *plan, const struct config *cfg,
                               struct pass *p, engine_use_of use, bool each, struct zl_error *err)
{
    struct engine_options opt = {.file = plan->file,
                                 .items_file = plan->items_file,
                                 .checkpoint_path = "",
                                 .use = use,
                                 .each_event = each,
                                 .ctx = p};
    TRY(engine_open(cfg, &opt, &p->engine, err));
    enum zl_status st = interrupt_run(p->engine, INTERRUPT_NO_FIGURES, err);
    if (plan->refused)
        memcpy(plan->refused, engine_refused(p->engine), ZL_N_REASONS * sizeof *plan->refused);
    engine_close(p->engine);
    p->engine = NULL;
    return st;
}

enum zl_status evaluate_ips_run(const struct evaluate_ips_plan *given, const struct config *cfg,
                                struct evaluate_ips **out, struct zl_error *err)
{
    struct evaluate_ips_plan plan = *given;
    struct config target = *cfg; /* shallow: its strings stay the caller's */
    *out = NULL;
    if (!plan.target)
        plan.target = pipeline_target;
    if (plan.uniform)
        target.policy.explore.floor = 1; /* all of the chance is given to all alike */
    struct pass p = {.estimator = evaluate_ips_open(&plan)};
    enum zl_status st = one_pass(&plan, cfg, &p, collect, false, err);
    evaluate_ips_sort(p.estimator);
    if (st == ZL_OK)
        st = one_pass(&plan, &target, &p, ask_and_learn, true, err);
    if (st != ZL_OK) {
        evaluate_ips_close(p.estimator);
        return st;
    }
    *out = p.estimator;
    return ZL_OK;
}

/* ---- the verb ---- */

static enum zl_status plan_of(const struct args *args, struct evaluate_ips_plan *out,
                              struct zl_error *err)
{
    const char *outcome = args_text(args, "outcome");
    *out = (struct evaluate_ips_plan){.file = args->words[0],
                                      .items_file = args_text(args, "items"),
                                      .window_ms = args_ms(args, "outcome-window"),
                                      .outcome = -1,
                                      .uniform = strcmp(args_text(args, "policy"), "uniform") == 0};
    if (strcmp(outcome, "reward") == 0)
        return ZL_OK;
    out->outcome = zl_event_type_of(zl_span_of(outcome));
    return out->outcome > ZL_IMPRESSION
               ? ZL_OK
               : zl_fail(err, ZL_EUSAGE, "--outcome: reward or a type of event, not \"%s\"",
                         outcome);
}

static void print_json_interval(const char *name, const struct evaluate_interval *i)
{
    printf("\"%s\":{\"value\":%.6f,\"low\":%.6f,\"high\":%.6f},", name, i->value, i->low, i->high);
}

/* "trusted":false,"doubts":["..."]; the words hold nothing that JSON would have escaped. */
static void print_json_doubts(const struct evaluate_ips_result *r)
{
    struct evaluate_doubt doubts[EVALUATE_IPS_DOUBTS];
    int n = evaluate_ips_doubts(r, doubts);
    printf("\"trusted\":%s,\"doubts\":[", n ? "false" : "true");
    for (int i = 0; i < n; i++)
        printf("%s\"%s\"", i ? "," : "", doubts[i].words);
    printf("],");
}

static void say_doubts(const struct evaluate_ips_result *r)
{
    struct evaluate_doubt doubts[EVALUATE_IPS_DOUBTS];
    int n = evaluate_ips_doubts(r, doubts);
    for (int i = 0; i < n; i++)
        fprintf(stderr, "zhiliu evaluate: WARN do not trust these figures: %s\n", doubts[i].words);
}

static void print_json(const struct args *args, const struct evaluate_ips_result *r,
                       const uint64_t *refused)
{
    printf("{\"policy\":\"%s\",\"outcome\":\"%s\",\"impressions\":%" PRIu64 ",\"draws\":%" PRIu64
           ",\"lost\":%" PRIu64 ",\"open\":%" PRIu64 ",\"logged\":%.6f,",
           args_text(args, "policy"), args_text(args, "outcome"), r->impressions, r->draws, r->lost,
           r->open, r->logged);
    if (args_on(args, "ips"))
        print_json_interval("ips", &r->ips);
    if (args_on(args, "snips"))
        print_json_interval("snips", &r->snips);
    print_json_doubts(r);
    refused_print_json(refused);
    printf(",\"effective\":%.1f,\"mean_weight\":%.6f,\"mean_weight_error\":%.6f,"
           "\"most_weight\":%.4f,\"most_off_one\":%.3g}\n",
           r->effective, r->mean_weight, r->mean_weight_error, r->most_weight, r->most_off_one);
}

static void print_row(const char *name, const struct evaluate_interval *i)
{
    printf("  %-6s %.5f   95 %% of %.5f .. %.5f\n", name, i->value, i->low, i->high);
}

static void print_text(const struct args *args, const struct evaluate_ips_result *r)
{
    printf("mean %s of an impression in an explored place: %" PRIu64 " impressions of %" PRIu64
           " draws\n  logged %.5f\n",
           args_text(args, "outcome"), r->impressions, r->draws, r->logged);
    if (args_on(args, "ips"))
        print_row("ips", &r->ips);
    if (args_on(args, "snips"))
        print_row("snips", &r->snips);
    printf("  effective size %.0f draws, mean weight %.3f, largest %.2f\n", r->effective,
           r->mean_weight, r->most_weight);
    if (r->most_off_one < 1e-9)
        puts("  every weight is 1: the policy asked for is the one that logged");
    if (r->open)
        printf("  %" PRIu64 " impressions are too near the end of the log for their outcome\n",
               r->open);
    if (r->lost)
        printf("  %" PRIu64 " impressions are of lists that this log does not explain: left out\n",
               r->lost);
}

static void print(const struct args *args, const struct evaluate_ips_result *r,
                  const uint64_t *refused)
{
    say_doubts(r);
    if (strcmp(args_text(args, "format"), "json") == 0)
        print_json(args, r, refused);
    else
        print_text(args, r);
}

/* Estimates of nothing are no estimates. */
static enum zl_status check_result(const struct evaluate_ips_result *r, struct zl_error *err)
{
    if (r->draws == 0)
        return zl_fail(err, ZL_EBADDATA,
                       "no impression carries request_id, position and propensity of a list that "
                       "this log explains (%llu carry some), with its outcome window before the "
                       "end of the log (%llu are later)",
                       (unsigned long long)r->lost, (unsigned long long)r->open);
    if (r->mean_weight == 0)
        return zl_fail(err, ZL_EBADDATA,
                       "the policy asked for would have drawn none of the %llu items that were "
                       "drawn by chance: is policy.explore (slots, per) or rank.n another than "
                       "when the log was made, or the log cut?",
                       (unsigned long long)r->draws);
    return ZL_OK;
}

static enum zl_status check_policy(const struct config *cfg, struct zl_error *err)
{
    return cfg->policy.explore.slots > 0
               ? ZL_OK
               : zl_fail(
                     err, ZL_EBADDATA,
                     "policy.explore.slots is 0: a policy that draws nothing by chance has no "
                     "chances to estimate from; give the slots of the engine that made the log");
}

int evaluate_ips_command(const struct args *args, const struct config *cfg)
{
    struct evaluate_ips_plan plan;
    struct evaluate_ips *e = NULL;
    struct evaluate_ips_result result;
    struct zl_error err = {""};
    uint64_t refused[ZL_N_REASONS] = {0};
    enum zl_status st = plan_of(args, &plan, &err);
    plan.refused = refused;
    if (st == ZL_OK)
        st = check_policy(cfg, &err);
    if (st == ZL_OK)
        st = evaluate_ips_run(&plan, cfg, &e, &err);
    refused_say("evaluate", plan.file, refused);
    if (st == ZL_OK) {
        evaluate_ips_summarise(e, &result);
        st = check_result(&result, &err);
    }
    if (st != ZL_OK)
        fprintf(stderr, "zhiliu evaluate: %s\n", err.text);
    else
        print(args, &result, refused);
    evaluate_ips_close(e);
    return interrupt_exit_code(st);
}
