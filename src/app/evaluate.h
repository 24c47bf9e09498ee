/* app/evaluate.h - quality of recommendations from how each event would have been served.
 * Source   Vinagre, Jorge, Gama, "Evaluation of recommender systems in streaming environments" (2014): test, then learn.
 * Formula  one relevant item an event: HR@N = share of ranks <= N; NDCG@N = mean of 1 / log2(rank + 1) within N; MRR = mean of
 *          1 / rank; coverage = share of known items that stood in some top N; novelty = mean over shown items of
 *          -log2(share of the item among all positives so far).
 * Threads  one. */
#ifndef APP_EVALUATE_H
#define APP_EVALUATE_H

#include <stdint.h>

#include "rank/rank.h"
#include "zhiliu/event.h"

#define EVALUATE_WINDOWS 10

struct evaluate_quality {
    uint64_t n;
    double hr, ndcg, mrr;
};

struct evaluate_result {
    struct evaluate_quality overall, warm, first, parts[RANK_N_PARTS];
    struct evaluate_quality windows[EVALUATE_WINDOWS]; /* of the scored events, in order */
    uint64_t n_cold;
    double cold_auc, cold_hr, coverage, novelty;
};

struct evaluate; /* grows by 48 bytes a scored event */

struct evaluate *evaluate_open(int64_t every);
void evaluate_close(struct evaluate *e);
/* One tested event. `m` as it was before the event. */
void evaluate_take(struct evaluate *e, const struct model *m, const struct zl_event *ev,
                   const struct rank_result *r);
/* Over all but the first `skip` share of the events. */
void evaluate_summarise(const struct evaluate *e, double skip, uint32_t n_items,
                        struct evaluate_result *out);
/* McNemar's test of two runs over the same events: hits of a only, of b only, two-sided p (normal approximation with correction). ZL_EBADDATA:
 * they did not score the same events. */
MUST_CHECK enum zl_status evaluate_compare(const struct evaluate *a, const struct evaluate *b,
                                           double skip, uint64_t *only_a, uint64_t *only_b,
                                           double *p, struct zl_error *err);

#endif
