/* app/evaluate.h - quality of recommendations from how each event would have been served.
 * Source   Vinagre, Jorge, Gama, "Evaluation of recommender systems in streaming environments" (2014): test, then learn.
 * Formula  one relevant item an event: HR@N = share of ranks <= N; NDCG@N = mean of 1 / log2(rank + 1) within N; MRR = mean of
 *          1 / rank; coverage = share of known items that stood in some top N; novelty = mean over shown items of
 *          -log2(share of the item among all positives so far).
 * Who      evaluate_pass.c runs the engine and gives each tested event to evaluate_take(); evaluate_compare.c holds two runs against
 *          each other; evaluate_print.c writes what came out.
 * Threads  one. */
#ifndef APP_EVALUATE_H
#define APP_EVALUATE_H

#include <stdint.h>

#include "rank/rank.h"
#include "zhiliu/event.h"

#define EVALUATE_WINDOWS 10
#define EVALUATE_LENGTHS 4 /* of a user's history at the test: none, 1-4, 5-19, 20 and more */

struct evaluate_quality {
    double n; /* events */
    double hr, ndcg, mrr;
};

struct evaluate_result {
    struct evaluate_quality overall, warm, first;
    struct evaluate_quality by_history[EVALUATE_LENGTHS];
    struct evaluate_quality
        parts_by_history[EVALUATE_LENGTHS * RANK_N_PARTS]; /* length by length */
    struct evaluate_quality parts[RANK_N_PARTS];
    struct evaluate_quality frozen; /* the core with old rows; n 0: not asked for */
    struct evaluate_quality windows[EVALUATE_WINDOWS]; /* of the scored events, in order */
    double n_cold, cold_auc, cold_hr, coverage, novelty;
};

struct evaluate; /* grows by 56 bytes a scored event */

/* top: N, 1..RANK_TOP_MAX. */
struct evaluate *evaluate_open(int top);
void evaluate_close(struct evaluate *e);
/* One scored event. `m` as it was before the event. at: its number among the tested events, rising. */
void evaluate_take(struct evaluate *e, const struct model *m, const struct zl_event *ev,
                   uint64_t at, const struct rank_result *r);
void evaluate_summarise(const struct evaluate *e, uint32_t n_items, struct evaluate_result *out);
/* Field by field, of n > 0 runs (seeds). */
void evaluate_mean(const struct evaluate_result *results, int n, struct evaluate_result *out);
/* Standard deviation of HR@N overall among n runs (over n - 1); 0 for one. */
double evaluate_spread(const struct evaluate_result *results, int n);

/* ---- evaluate_compare.c ---- */

/* Two runs over the same events, or the means of n pairs of them. */
struct evaluate_comparison {
    double only_a, only_b; /* events that were hits of the one and not of the other */
    double p;              /* McNemar, two-sided; of the mean counts when there are several pairs */
    double difference;     /* HR@N of a minus that of b */
    double low, high;      /* 95 % interval of it: bootstrap over users */
};

/* ZL_EBADDATA: a pair did not score the same events. */
MUST_CHECK enum zl_status evaluate_compare(struct evaluate *const *a, struct evaluate *const *b,
                                           int n, struct evaluate_comparison *out,
                                           struct zl_error *err);

#endif
