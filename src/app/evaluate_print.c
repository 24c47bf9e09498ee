/* Two printers of one report. Each is a table of blocks, in the order in which they are printed. */
#include "app/evaluate_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/json_text.h"
#include "app/refused.h"

/* Names of the ranks of rank/rank.h. */
static const char *const part_names[RANK_N_PARTS] = {"mix",        "core",    "cooccurrence",
                                                     "popularity", "content", "subjects"};
static const char *const length_names[EVALUATE_LENGTHS] = {"0", "1-4", "5-19", "20+"};

enum zl_status evaluate_report_make(const struct evaluate_plan *plan, const char *pipeline,
                                    const struct evaluate_outcome *outcomes, int n,
                                    struct evaluate_report *out, struct zl_error *err)
{
    static struct evaluate_result results[EVALUATE_MAX_SEEDS];
    struct evaluate *ours[EVALUATE_MAX_SEEDS], *theirs[EVALUATE_MAX_SEEDS];
    *out =
        (struct evaluate_report){.plan = plan, .pipeline = pipeline, .n = n, .outcomes = outcomes};
    for (int r = 0; r < plan->rivals.n; r++) {
        for (int s = 0; s < n; s++) {
            results[s] = outcomes[s].rivals[r];
            ours[s] = outcomes[s].records;
            theirs[s] = outcomes[s].rival_records[r];
        }
        evaluate_mean(results, n, &out->rival_means[r]);
        TRY(evaluate_compare(ours, theirs, n, &out->rivals[r], err));
    }
    for (int s = 0; s < n; s++) {
        results[s] = outcomes[s].result;
        out->us_per_event += outcomes[s].us_per_event / n;
    }
    evaluate_mean(results, n, &out->mean);
    out->spread = evaluate_spread(results, n);
    return ZL_OK;
}

/* Ours over theirs, less one: .13 is 13 % more hits. */
static double gain(double ours, double theirs)
{
    return theirs > 0 ? ours / theirs - 1 : 0;
}

static double best_part(const struct evaluate_result *r)
{
    double best = 0;
    for (int p = 1; p < RANK_N_PARTS; p++)
        best = r->parts[p].hr > best ? r->parts[p].hr : best;
    return best;
}

/* HR@N of a part for users of one length of history. */
static double part_of(const struct evaluate_report *r, int length, int part)
{
    return r->mean.parts_by_history[length * RANK_N_PARTS + part].hr;
}

/* ---- JSON ---- */

static void json_figures(int top, const struct evaluate_quality *q)
{
    printf("\"n\":%.0f,\"hr@%d\":%.5f,\"ndcg@%d\":%.5f,\"mrr\":%.5f", q->n, top, q->hr, top,
           q->ndcg, q->mrr);
}

static void json_quality(const char *name, int top, const struct evaluate_quality *q)
{
    printf("\"%s\":{", name);
    json_figures(top, q);
    putchar('}');
}

static void json_windows(const struct evaluate_result *r)
{
    printf("\"windows\":[");
    for (int w = 0; w < EVALUATE_WINDOWS; w++)
        printf("%s%.5f", w ? "," : "", r->windows[w].hr);
    putchar(']');
}

static void json_comparison(int top, const struct evaluate_comparison *c)
{
    printf("\"difference\":{\"hr@%d\":%.5f,\"low\":%.5f,\"high\":%.5f},\"only_this\":%.1f,"
           "\"only_other\":%.1f,\"mcnemar_p\":%.3g",
           top, c->difference, c->low, c->high, c->only_a, c->only_b, c->p);
}

static void json_qualities(const struct evaluate_report *r)
{
    json_quality("overall", r->plan->top, &r->mean.overall);
    putchar(',');
    json_quality("warm", r->plan->top, &r->mean.warm);
    putchar(',');
    json_quality("first", r->plan->top, &r->mean.first);
}

static void json_cold(const struct evaluate_report *r)
{
    printf("\"cold\":{\"n\":%.0f,\"auc\":%.5f,\"hr@%d\":%.5f}", r->mean.n_cold, r->mean.cold_auc,
           r->plan->top, r->mean.cold_hr);
}

static void json_by_history(const struct evaluate_report *r)
{
    printf("\"by_history\":{");
    for (int l = 0; l < EVALUATE_LENGTHS; l++) {
        printf("%s", l ? "," : "");
        json_quality(length_names[l], r->plan->top, &r->mean.by_history[l]);
    }
    printf("},\"parts_by_history\":{");
    for (int l = 0; l < EVALUATE_LENGTHS; l++) {
        printf("%s\"%s\":{", l ? "," : "", length_names[l]);
        for (int p = 1; p < RANK_N_PARTS; p++)
            printf("%s\"%s\":%.5f", p > 1 ? "," : "", part_names[p], part_of(r, l, p));
        putchar('}');
    }
    putchar('}');
}

static void json_parts(const struct evaluate_report *r)
{
    printf("\"parts\":{");
    for (int p = 1; p < RANK_N_PARTS; p++) {
        printf("%s", p > 1 ? "," : "");
        json_quality(part_names[p], r->plan->top, &r->mean.parts[p]);
    }
    printf("},\"gain_over_best_part\":%.4f", gain(r->mean.overall.hr, best_part(&r->mean)));
}

static void json_frozen(const struct evaluate_report *r)
{
    const struct evaluate_quality *live = &r->mean.parts[RANK_CORE], *old = &r->mean.frozen;
    if (r->plan->freeze_items == 0) {
        printf("\"frozen\":null");
        return;
    }
    printf("\"frozen\":{\"every\":%lld,", (long long)r->plan->freeze_items);
    json_figures(r->plan->top, old);
    printf(",\"loss\":%.4f}", live->hr > 0 ? 1 - old->hr / live->hr : 0);
}

static void json_spread(const struct evaluate_report *r)
{
    printf("\"coverage\":%.4f,\"novelty\":%.4f,", r->mean.coverage, r->mean.novelty);
    json_windows(&r->mean);
}

static void json_rivals(const struct evaluate_report *r)
{
    printf("\"baselines\":{");
    for (int i = 0; i < r->plan->rivals.n; i++) {
        printf("%s\"%s\":{", i ? "," : "", r->plan->rivals.names[i]);
        json_figures(r->plan->top, &r->rival_means[i].overall);
        printf(",\"gain\":%.4f,", gain(r->mean.overall.hr, r->rival_means[i].overall.hr));
        json_comparison(r->plan->top, &r->rivals[i]);
        putchar(',');
        json_windows(&r->rival_means[i]);
        putchar('}');
    }
    putchar('}');
}

static void json_seeds(const struct evaluate_report *r)
{
    printf("\"spread\":{\"hr@%d\":%.5f},\"seeds\":[", r->plan->top, r->spread);
    for (int s = 0; s < r->n; s++) {
        const struct evaluate_outcome *o = &r->outcomes[s];
        printf("%s{\"seed\":%lld,", s ? "," : "", (long long)o->seed);
        json_figures(r->plan->top, &o->result.overall);
        for (int i = 0; i < r->plan->rivals.n; i++)
            printf("%s\"%s\":%.5f", i ? "," : ",\"baselines\":{", r->plan->rivals.names[i],
                   o->rivals[i].overall.hr);
        printf("%s,\"us_per_event\":%.2f,\"digest\":\"%016" PRIx64 "\"}",
               r->plan->rivals.n ? "}" : "", o->us_per_event, o->digest);
    }
    putchar(']');
}

static void (*const json_blocks[])(const struct evaluate_report *r) = {
    json_qualities, json_cold,   json_by_history, json_parts,
    json_frozen,    json_spread, json_rivals,     json_seeds,
};
#define N_JSON (sizeof json_blocks / sizeof json_blocks[0])

static void json_report(const struct evaluate_report *r)
{
    printf("{\"stream\":");
    json_text_print(stdout, zl_span_of(r->plan->file));
    printf(",\"pipeline\":");
    if (r->pipeline)
        json_text_print(stdout, zl_span_of(r->pipeline));
    else
        printf("null");
    printf(",\"protocol\":\"%s\",\"seed\":%lld,\"events\":%" PRIu64, r->plan->protocol_name,
           (long long)r->outcomes[0].seed, r->outcomes[0].events);
    putchar(',');
    refused_print_json(r->outcomes[0].refused);
    for (size_t b = 0; b < N_JSON; b++) {
        putchar(',');
        json_blocks[b](r);
    }
    printf(",\"us_per_event\":%.2f,\"digest\":\"%016" PRIx64 "\"", r->us_per_event,
           r->outcomes[0].digest);
}

void evaluate_print_json(const struct evaluate_report *r, const struct evaluate_report *other,
                         const struct evaluate_comparison *comparison)
{
    json_report(r);
    if (other) {
        printf(",\"against\":");
        json_report(other);
        printf("},\"comparison\":{");
        json_comparison(r->plan->top, comparison);
        putchar('}');
    }
    printf("}\n");
}

/* ---- text ---- */

static void text_row(const char *name, const struct evaluate_quality *q)
{
    printf("  %-18s %9.0f   %.4f   %.4f   %.4f", name, q->n, q->hr, q->ndcg, q->mrr);
}

static void text_line(const char *name, const struct evaluate_quality *q)
{
    text_row(name, q);
    putchar('\n');
}

static void text_head(const struct evaluate_report *r)
{
    char hr[16];
    const struct evaluate_plan *plan = r->plan;
    printf("%s, %s, ", plan->file, plan->protocol_name);
    if (r->pipeline)
        printf("%s, ", r->pipeline);
    if (r->n == 1)
        printf("seed %lld\n", (long long)r->outcomes[0].seed);
    else
        printf("mean of seeds %lld to %lld\n", (long long)r->outcomes[0].seed,
               (long long)r->outcomes[r->n - 1].seed);
    snprintf(hr, sizeof hr, "HR@%d", plan->top);
    printf("  %-18s %9s   %-6s   %-6s   %s\n", "", "events", hr, "NDCG", "MRR");
}

static void text_qualities(const struct evaluate_report *r)
{
    text_row("overall", &r->mean.overall);
    if (r->n > 1)
        printf("   HR@%d +- %.4f among seeds", r->plan->top, r->spread);
    putchar('\n');
    text_line("warm", &r->mean.warm);
    text_line("first", &r->mean.first);
}

static void text_by_history(const struct evaluate_report *r)
{
    char name[32], hr[24];
    snprintf(hr, sizeof hr, "   HR@%d of", r->plan->top);
    for (int l = 0; l < EVALUATE_LENGTHS; l++) {
        snprintf(name, sizeof name, "history %s", length_names[l]);
        text_row(name, &r->mean.by_history[l]);
        for (int p = 1; p < RANK_N_PARTS; p++)
            printf("%s %s %.4f", p > 1 ? "," : hr, part_names[p], part_of(r, l, p));
        putchar('\n');
    }
}

static void text_parts(const struct evaluate_report *r)
{
    for (int p = 1; p < RANK_N_PARTS; p++)
        text_line(part_names[p], &r->mean.parts[p]);
}

static void text_frozen(const struct evaluate_report *r)
{
    const struct evaluate_quality *live = &r->mean.parts[RANK_CORE];
    if (r->plan->freeze_items == 0)
        return;
    text_row("core, frozen", &r->mean.frozen);
    printf("   %.1f %% fewer hits with item rows copied every %lld positives\n",
           live->hr > 0 ? 100 * (1 - r->mean.frozen.hr / live->hr) : 0,
           (long long)r->plan->freeze_items);
}

static void text_rivals(const struct evaluate_report *r)
{
    for (int i = 0; i < r->plan->rivals.n; i++) {
        const struct evaluate_comparison *c = &r->rivals[i];
        text_row(r->plan->rivals.names[i], &r->rival_means[i].overall);
        printf("   overall is %+.1f %%, %+.4f (%+.4f to %+.4f)\n",
               100 * gain(r->mean.overall.hr, r->rival_means[i].overall.hr), c->difference, c->low,
               c->high);
    }
}

static void text_cold(const struct evaluate_report *r)
{
    printf("  %-18s %9.0f   AUC %.3f, HR@%d %.4f among the cold\n", "cold items", r->mean.n_cold,
           r->mean.cold_auc, r->plan->top, r->mean.cold_hr);
}

static void text_rest(const struct evaluate_report *r)
{
    printf("  coverage %.3f   novelty %.2f bits   learning %.2f us an event   digest %016" PRIx64
           "\n",
           r->mean.coverage, r->mean.novelty, r->us_per_event, r->outcomes[0].digest);
}

static void (*const text_blocks[])(const struct evaluate_report *r) = {
    text_head,   text_qualities, text_by_history, text_parts,
    text_frozen, text_rivals,    text_cold,       text_rest,
};
#define N_TEXT (sizeof text_blocks / sizeof text_blocks[0])

static void text_report(const struct evaluate_report *r)
{
    for (size_t b = 0; b < N_TEXT; b++)
        text_blocks[b](r);
}

void evaluate_print_text(const struct evaluate_report *r, const struct evaluate_report *other,
                         const struct evaluate_comparison *comparison)
{
    text_report(r);
    if (!other)
        return;
    text_report(other);
    printf("McNemar: %.0f events were hits of the first only, %.0f of the second only, p = %.2g\n",
           comparison->only_a, comparison->only_b, comparison->p);
    printf("first - second: HR@%d %+.4f, 95 %% interval %+.4f to %+.4f (bootstrap over users)\n",
           r->plan->top, comparison->difference, comparison->low, comparison->high);
}
