/* app/evaluate_ips.h - what another policy would have earned in the places that were drawn by chance.
 * Formula  of each draw c: w_c = pi(item) / propensity, n_c impressions, R_c their summed rewards;
 *          IPS = sum w R / sum n;  SNIPS = sum w R / sum w n.  Horvitz, Thompson, "A generalization of sampling without
 *          replacement from a finite universe", JASA 1952; Swaminathan, Joachims, "The self-normalized estimator for
 *          counterfactual learning", NIPS 2015.
 *          95 % interval: both are ratios of sums over draws; delta method, residual w R - v n and w (R - v n), and Student's t
 *          with (effective size - 1) degrees. Effective size = (sum w)^2 / sum w^2 (Kong 1992).
 * Reward   of an impression: the largest of the later events of this user and item within the window, of those that come before
 *          the item is shown to the user again. Impressions whose window is not over at the end of the log are left out.
 * Promise  Impressions without a propensity make no claim. Exact integers and sums in log order.
 * Memory   about 100 bytes an impression that makes a claim, 32 a pair of user and item of these.
 * Threads  one. */
#ifndef APP_EVALUATE_IPS_H
#define APP_EVALUATE_IPS_H

#include <stdbool.h>
#include <stdint.h>

#include "zhiliu/event.h"
#include "zhiliu/slate.h"
#include "zhiliu/status.h"

struct config;
struct engine;

/* One item drawn for one place of one list; shown once or more. */
struct evaluate_draw {
    struct zl_version version;
    uint32_t user, item; /* the engine's indexes */
    int32_t place;
    double propensity;
    double pi;     /* of the target; < 0: not asked */
    uint64_t n;    /* impressions */
    double reward; /* sum over these */
};

/* Probability of the draw's item under the target, in the engine's present state, which is that of draw->version. */
typedef double (*evaluate_target)(void *ctx, struct engine *e, const struct evaluate_draw *draw);

struct evaluate_ips_plan {
    const char *file, *items_file; /* the log; items_file NULL: none */
    int64_t window_ms;
    int outcome;            /* -1: the reward, else an event type: 1 if it follows, 0 if not */
    bool uniform;           /* the target chooses evenly among those that may be drawn */
    evaluate_target target; /* NULL: the pipeline's policy */
    void *ctx;
    uint64_t *refused; /* out: ZL_N_REASONS counts, as engine_refused(); NULL: not asked for */
};

struct evaluate_interval {
    double value, low, high;
};

struct evaluate_ips_result {
    uint64_t impressions, draws; /* that make a claim and whose state was found */
    uint64_t lost;               /* impressions whose list's version is not on this log */
    uint64_t open; /* impressions whose window reaches beyond the end of the log: left out */
    double logged; /* mean reward as it was */
    struct evaluate_interval ips, snips;
    double effective; /* size, in draws */
    double mean_weight,
        most_weight; /* over impressions; the mean is near 1 when the target draws from the same items */
    double mean_weight_error; /* its standard error */
    double most_off_one;      /* largest |w - 1|: 0 when the target is the policy that logged */
};

struct evaluate_ips;
struct evaluate_ips *evaluate_ips_open(const struct evaluate_ips_plan *plan);
void evaluate_ips_close(struct evaluate_ips *e);
/* Events in log order, rewards and indexes filled in. */
void evaluate_ips_take(struct evaluate_ips *e, const struct zl_event *ev);
/* All were taken, once: windows are closed, draws stand in order of version. */
void evaluate_ips_sort(struct evaluate_ips *e);
/* Asks for the draws of lists that were ranked at this position or before, of those not asked yet. */
void evaluate_ips_ask(struct evaluate_ips *e, uint64_t position, struct engine *engine);
void evaluate_ips_summarise(const struct evaluate_ips *e, struct evaluate_ips_result *out);
/* What speaks against believing the estimates, each a sentence and what to do; how many of the two there are. Weights of a right replay are
 * 1 on average, so a mean more than 3 standard errors off is no chance; below EVALUATE_IPS_LEAST draws an interval means little. */
#define EVALUATE_IPS_LEAST 30
#define EVALUATE_IPS_DOUBTS 2
struct evaluate_doubt {
    char words[400];
};
int evaluate_ips_doubts(const struct evaluate_ips_result *r,
                        struct evaluate_doubt out[EVALUATE_IPS_DOUBTS]);
/* The draws, lent until close. */
const struct evaluate_draw *evaluate_ips_draws(const struct evaluate_ips *e, uint64_t *n);

/* Both passes over the log: what was shown and came of it, then the target's probabilities. */
MUST_CHECK enum zl_status evaluate_ips_run(const struct evaluate_ips_plan *plan,
                                           const struct config *cfg, struct evaluate_ips **out,
                                           struct zl_error *err);
/* zhiliu evaluate --ips, --snips: the exit code. */
struct args;
int evaluate_ips_command(const struct args *args, const struct config *cfg);

#endif
