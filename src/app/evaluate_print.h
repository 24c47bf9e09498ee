/* app/evaluate_print.h - what `zhiliu evaluate` prints: a table for people, or one JSON object. docs/reference/metrics-of-quality.md defines
 * each figure. A new block is one function and one row of a table in evaluate_print.c.
 * Threads  one. */
#ifndef APP_EVALUATE_PRINT_H
#define APP_EVALUATE_PRINT_H

#include "app/evaluate_pass.h"

#define EVALUATE_MAX_SEEDS 100

/* One configuration over all seeds. Means are over the seeds. */
struct evaluate_report {
    const struct evaluate_plan *plan;
    const char *pipeline; /* NULL: the defaults */
    int n;                /* seeds */
    const struct evaluate_outcome *outcomes;
    struct evaluate_result mean, rival_means[EVALUATE_MAX_RIVALS];
    double spread; /* of HR@N overall among the seeds */
    double us_per_event;
    struct evaluate_comparison rivals[EVALUATE_MAX_RIVALS]; /* the engine against each baseline */
};

/* Means and comparisons of n outcomes, which are borrowed for as long as the report lives. */
MUST_CHECK enum zl_status evaluate_report_make(const struct evaluate_plan *plan,
                                               const char *pipeline,
                                               const struct evaluate_outcome *outcomes, int n,
                                               struct evaluate_report *out, struct zl_error *err);

/* other, comparison: of --against, or NULL. To stdout. */
void evaluate_print_text(const struct evaluate_report *r, const struct evaluate_report *other,
                         const struct evaluate_comparison *comparison);
void evaluate_print_json(const struct evaluate_report *r, const struct evaluate_report *other,
                         const struct evaluate_comparison *comparison);

#endif
