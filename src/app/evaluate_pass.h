/* app/evaluate_pass.h - one configuration and seed over the whole log: what was asked for, and what came out.
 * Promise  The same plan, configuration and log give the same outcome, all but us_per_event. A prequential test changes nothing: the state
 *          after it has the digest of a pass that only learns, which is checked.
 * Threads  one. */
#ifndef APP_EVALUATE_PASS_H
#define APP_EVALUATE_PASS_H

#include "app/config.h"
#include "app/evaluate.h"
#include "app/evaluate_rivals.h"

enum evaluate_protocol { EVALUATE_PREQUENTIAL, EVALUATE_HOLDOUT, EVALUATE_KFOLD };

/* What the command line asks for; texts are borrowed from it. */
struct evaluate_plan {
    const char *file, *items_file; /* items_file NULL: none */
    const char *protocol_name;
    enum evaluate_protocol protocol;
    int top;        /* N of HR@N */
    uint64_t every; /* test each n-th of the testable events */
    double skip;    /* share of the testable events that is not tested; prequential only */
    uint32_t types; /* bits of the event types that are tested; 0: all that have a reward */
    int64_t freeze_items;
    struct evaluate_rival_names rivals;
    int64_t retrain, retrain_window; /* of baselines, in positives */
};

struct evaluate_outcome {
    int64_t seed;
    struct evaluate *records, *rival_records[EVALUATE_MAX_RIVALS];
    struct evaluate_result result, rivals[EVALUATE_MAX_RIVALS];
    uint64_t events;                /* admitted, of all kinds */
    uint64_t refused[ZL_N_REASONS]; /* records, of items too */
    uint64_t digest;                /* of the state after learning them all */
    double us_per_event;
};

/* out is zeros; evaluate_outcome_release() also after a failure. */
MUST_CHECK enum zl_status evaluate_pass(const struct evaluate_plan *plan, const struct config *cfg,
                                        struct evaluate_outcome *out, struct zl_error *err);
void evaluate_outcome_release(struct evaluate_outcome *o);

#endif
