/* model/correct.h - what was shown biases what is chosen: how far a step is scaled to take that off.
 * Formula  beta = the logged chance with which the item was shown (the event's `propensity`, else that of the user's remembered showing of it).
 *          ratio:   step * min(pi / beta, cap)             pi = the core's own chance of the item now, over the drawn sample
 *          inverse: step * min(1 / (beta mean(1 / beta)), cap), mean: running, so that the learning rate stays what it was
 *          counts (window, popularity, co-occurrence, mixer): always the inverse factor
 *          top K:   step * K (1 - pi)^(K - 1)              less for what would stand in a list of K anyway
 *          baseline: r - mean(r), at least a tenth of r
 *          Chen, Beutel, Covington, Jain, Belletti, Chi, "Top-K off-policy correction for a REINFORCE recommender system", WSDM 2019
 *          (pi / beta with a cap, lambda_K); self-normalised: Swaminathan, Joachims, NIPS 2015.
 * Promise  All off, or no propensity: factor 1, and no bit of the state differs. The means are in global row 0.
 * Threads  the engine's loop only. */
#ifndef MODEL_CORRECT_H
#define MODEL_CORRECT_H

#include "base/rng.h"
#include "base/rows.h"
#include "model/model.h"

struct user;

/* A running mean: of all at first, then of about the newest CORRECT_MEMORY. */
struct correct_mean {
    uint64_t n;
    double mean;
};

struct correct {
    struct correct_mean inverse, reward; /* of 1 / beta; of the rewards of steps */
    /* of the step under way */
    double propensity; /* 0: not known */
    double factor;     /* of counts */
};

/* Chance with which the event's item was shown to the user, a millionth at least; 0: not known. */
double correct_propensity(const struct user *u, const struct zl_event *ev, uint32_t item);
/* Factor of the counts of an event with this propensity; the mean is not moved. */
double correct_counts(const struct model *m, double propensity);
/* Begins a step: moves the means; returns the weight of reward r after the baseline. */
double correct_begin(struct model *m, double r, double propensity);
/* Factor of the gradient, from m->logits of n drawn items (0 is the chosen one), which still hold -kappa log Q. */
float correct_step(const struct model *m, int n);
/* A count of `factor` choices as whole ones, right on average; 1 draws nothing. */
uint32_t correct_copies(double factor, struct rng *rng);

/* The part of global row 0 that is this file's. */
void correct_write(const struct correct *c, struct rows_buffer *out);
void correct_read(struct correct *c, struct rows_cursor *in);

#endif
