/* zhiliu evaluate EVENTS: the same rooms offline, in log order: test, then learn. Prequential is the honest protocol; holdout by global
 * time and k-fold by user are there because people ask for them (docs/how-to/evaluate.md says what they hide).
 * Each seed is a pass of its own (evaluate_pass.c); with --against each seed is a pair of passes. Printed is one report, at the end. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/commands.h"
#include "app/evaluate_ips.h"
#include "app/evaluate_print.h"
#include "app/evaluate_similar.h"
#include "app/interrupt.h"
#include "app/refused.h"
#include "app/score_types.h"
#include "base/check.h"
#include "base/log.h"

static enum evaluate_protocol protocol_of(const char *name)
{
    return strcmp(name, "holdout") == 0 ? EVALUATE_HOLDOUT
           : strcmp(name, "kfold") == 0 ? EVALUATE_KFOLD
                                        : EVALUATE_PREQUENTIAL;
}

/* Every seed, fold and check of the digest is a pass of its own over the whole file. */
static enum zl_status check_file(const char *what, const char *path, struct zl_error *err)
{
    struct stat s;
    bool spent = strcmp(path, "-") == 0 ||
                 (stat(path, &s) == 0 && (S_ISFIFO(s.st_mode) || S_ISSOCK(s.st_mode)));
    if (!spent)
        return ZL_OK;
    return zl_fail(err, ZL_EUSAGE,
                   "%s is read several times and cannot come from a pipe: write it to a file",
                   what);
}

/* What is asked of the log instead of the lists' quality (ips, snips, similar) knows nothing of other flags. */
static enum zl_status check_flags(const struct args *args, struct zl_error *err)
{
    const char *asked = args_on(args, "ips")       ? "ips"
                        : args_on(args, "snips")   ? "snips"
                        : args_on(args, "similar") ? "similar"
                                                   : NULL;
    if (!asked)
        return ZL_OK;
    bool similar = strcmp(asked, "similar") == 0;
    const char *idle = !similar && args_on(args, "similar")          ? "similar"
                       : args_text(args, "baseline")                 ? "baseline"
                       : args_text(args, "against")                  ? "against"
                       : !similar && args_integer(args, "seeds") > 1 ? "seeds"
                       : protocol_of(args_text(args, "protocol")) != EVALUATE_PREQUENTIAL
                           ? "protocol"
                       : args_given(args, "every")            ? "every"
                       : args_given(args, "score")            ? "score"
                       : args_given(args, "freeze-items")     ? "freeze-items"
                       : !similar && args_given(args, "skip") ? "skip"
                       : !similar && args_given(args, "top")  ? "top"
                                                              : NULL;
    return idle ? zl_fail(err, ZL_EUSAGE, "--%s and --%s do not go together", asked, idle) : ZL_OK;
}

static bool has_ials(const struct evaluate_rival_names *rivals)
{
    for (int i = 0; i < rivals->n; i++)
        if (strncmp(rivals->names[i], "ials", 4) == 0)
            return true;
    return false;
}

/* A flag that changes nothing was given for a reason, and the figures would pass for an answer to it. */
static enum zl_status check_idle(const struct args *args, const struct evaluate_plan *plan,
                                 struct zl_error *err)
{
    bool ips = args_on(args, "ips") || args_on(args, "snips");
    bool ials = has_ials(&plan->rivals), prequential = plan->protocol == EVALUATE_PREQUENTIAL;
    const struct {
        const char *flag;
        bool used;
        const char *without;
    } rules[] = {
        {"retrain", ials, "is for --baseline ials or ials+popularity, which is not asked for"},
        {"retrain-window", ials,
         "is for --baseline ials or ials+popularity, which is not asked for"},
        {"policy", ips, "is for --ips and --snips, of which neither is given"},
        {"outcome", ips, "is for --ips and --snips, of which neither is given"},
        {"outcome-window", ips, "is for --ips and --snips, of which neither is given"},
        {"skip", prequential,
         "is for --protocol prequential: the others say themselves what is tested"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (!rules[i].used && args_given(args, rules[i].flag))
            return zl_fail(err, ZL_EUSAGE, "--%s %s", rules[i].flag, rules[i].without);
    return ZL_OK;
}

static enum zl_status plan_of(const struct args *args, struct evaluate_plan *out,
                              struct zl_error *err)
{
    *out = (struct evaluate_plan){.file = args->words[0],
                                  .items_file = args_text(args, "items"),
                                  .protocol_name = args_text(args, "protocol"),
                                  .protocol = protocol_of(args_text(args, "protocol")),
                                  .top = (int)args_integer(args, "top"),
                                  .every = (uint64_t)args_integer(args, "every"),
                                  .skip = args_number(args, "skip"),
                                  .freeze_items = args_integer(args, "freeze-items"),
                                  .retrain = args_integer(args, "retrain"),
                                  .retrain_window = args_integer(args, "retrain-window")};
    TRY(check_flags(args, err));
    TRY(check_file("EVENTS", out->file, err));
    if (out->items_file)
        TRY(check_file("--items", out->items_file, err));
    TRY(score_types_parse(args_text(args, "score"), &out->types, err));
    TRY(evaluate_rivals_parse(args_text(args, "baseline"), &out->rivals, err));
    return check_idle(args, out, err);
}

/* One configuration over all seeds. Owned by the caller, for runs_release. */
struct runs {
    struct config cfg;
    const char *pipeline;
    int n;
    struct evaluate_outcome *outcomes;
    struct evaluate *records[EVALUATE_MAX_SEEDS]; /* of the outcomes */
    struct evaluate_report report;
};

/* 0, or the exit code after words on stderr. */
static int runs_open(const struct args *args, const char *pipeline, int n, struct runs *r)
{
    *r = (struct runs){.pipeline = pipeline, .n = n};
    r->outcomes = xcalloc((size_t)n, sizeof *r->outcomes);
    return args_config_file(args, pipeline, &r->cfg);
}

static void runs_release(struct runs *r)
{
    for (int s = 0; s < r->n; s++)
        evaluate_outcome_release(&r->outcomes[s]);
    free(r->outcomes);
    config_release(&r->cfg);
}

/* The scorer alone is tested (rank_of), so two pipelines that differ in their policies alone are equal here. */
static void say_idle_policy(const struct runs *r)
{
    char keys[400];
    int n = config_changed(&r->cfg, "policy", keys, sizeof keys);
    if (n > 0)
        fprintf(stderr,
                "zhiliu evaluate: %s%s%s %s no effect on these figures: the score alone is tested, "
                "without chance, business value and rules\n",
                r->pipeline ? r->pipeline : "", r->pipeline ? ": " : "", keys,
                n > 1 ? "have" : "has");
}

/* Places are counted among all candidates, whatever the length of a list. */
static void say_longer_list(const struct args *args, int64_t n, const char *key)
{
    int64_t top = args_integer(args, "top");
    if (args_given(args, "top") && n > 0 && top > n)
        fprintf(stderr,
                "zhiliu evaluate: %s is %" PRId64 ": lists that are served are shorter than the "
                "%" PRId64 " places of --top\n",
                key, n, top);
}

static enum zl_status run_seed(struct runs *r, const struct evaluate_plan *plan, int s,
                               int64_t seed, struct zl_error *err)
{
    r->cfg.model.seed = seed;
    TRY(evaluate_pass(plan, &r->cfg, &r->outcomes[s], err));
    r->records[s] = r->outcomes[s].records;
    return ZL_OK;
}

/* other: NULL without --against. Both have the same seeds, so that they differ in nothing but their configuration. */
static enum zl_status run_all(const struct evaluate_plan *plan, struct runs *r, struct runs *other,
                              bool json, struct zl_error *err)
{
    struct evaluate_comparison comparison;
    struct evaluate_plan alone = *plan;
    int64_t first = r->cfg.model.seed;
    say_idle_policy(r);
    if (other)
        say_idle_policy(other);
    alone.rivals.n = 0; /* baselines do not depend on the configuration: once is enough */
    for (int s = 0; s < r->n; s++) {
        TRY(run_seed(r, plan, s, first + s, err));
        if (other)
            TRY(run_seed(other, &alone, s, first + s, err));
    }
    refused_say("evaluate", plan->file, r->outcomes[0].refused);
    TRY(evaluate_report_make(plan, r->pipeline, r->outcomes, r->n, &r->report, err));
    if (other) {
        TRY(evaluate_report_make(&alone, other->pipeline, other->outcomes, r->n, &other->report,
                                 err));
        TRY(evaluate_compare(r->records, other->records, r->n, &comparison, err));
    }
    if (r->report.mean.overall.n == 0)
        return zl_fail(err, ZL_EBADDATA,
                       "no event was tested: see --skip, --every, --score, and that the file holds "
                       "events with a reward");
    (json ? evaluate_print_json : evaluate_print_text)(&r->report, other ? &other->report : NULL,
                                                       &comparison);
    return ZL_OK;
}

/* --similar: another question, with a report of its own for each seed. */
static int run_similar(const struct args *args, struct runs *r)
{
    int code = 0;
    int64_t first = r->cfg.model.seed;
    for (int s = 0; s < r->n && code == 0; s++) {
        r->cfg.model.seed = first + s;
        code = evaluate_similar(args, &r->cfg);
    }
    return code;
}

static int fail(enum zl_status st, const struct zl_error *err)
{
    fprintf(stderr, "zhiliu evaluate: %s\n", err->text);
    return interrupt_exit_code(st);
}

int cmd_evaluate(const struct args *args)
{
    struct evaluate_plan plan;
    struct runs ours, other = {.n = 0};
    struct zl_error err = {""};
    const char *against = args_text(args, "against");
    int n = (int)args_integer(args, "seeds");
    bool json = strcmp(args_text(args, "format"), "json") == 0;
    enum zl_status st = plan_of(args, &plan, &err);
    if (st != ZL_OK)
        return fail(st, &err);
    int code = runs_open(args, args_text(args, "pipeline"), n, &ours);
    if (code == 0 && against)
        code = runs_open(args, against, n, &other);
    if (code == 0)
        log_setup(LOG_WARN, (enum log_format)ours.cfg.log.format);
    if (code == 0)
        args_no_dead_letters(args, &ours.cfg);
    if (code == 0 && (args_on(args, "ips") || args_on(args, "snips"))) {
        code = evaluate_ips_command(args, &ours.cfg);
    } else if (code == 0 && args_on(args, "similar")) {
        say_longer_list(args, ours.cfg.similar.n, "similar.n");
        code = run_similar(args, &ours);
    } else if (code == 0) {
        say_longer_list(args, ours.cfg.rank.n, "rank.n");
        st = run_all(&plan, &ours, against ? &other : NULL, json, &err);
        code = st == ZL_OK ? 0 : fail(st, &err);
    }
    if (other.n)
        runs_release(&other);
    runs_release(&ours);
    return code;
}
