/* app/simulate_learned.h - what an engine has learned of people's topics, held against what is true of them.
 * True     share of topic t of user u = sum over its items of f / sum over all items of f, f: the chance of a like when the item is shown
 *          (sim_like_chance). So it is the share of the likes that would be of this topic, were everything shown to everybody alike.
 * Learned  the same share of the core's softmax over all served items, P(i | u) ~ e^(z . q_i + b_i) Q_i^(1 - kappa), Q: the item's share
 *          of the newest choices (which the step takes off only in part).
 * Looks    Shares move with each choice, and tastes drift, so both are taken at many moments and averaged for each user.
 * Errors   mean over topics of |learned - true|: of each user's shares (mean over users), and of the mean shares of all.
 * Threads  one. */
#ifndef APP_SIMULATE_LEARNED_H
#define APP_SIMULATE_LEARNED_H

#include <stdio.h>

#include "app/simulate.h"

struct engine;
struct simulate_learned;

struct simulate_learned_errors {
    uint32_t users; /* that were looked at */
    uint64_t looks;
    double user, all;
};

/* Both are borrowed until close. */
struct simulate_learned *simulate_learned_open(const struct simulate *world, struct engine *engine);
void simulate_learned_close(struct simulate_learned *l); /* copes with NULL */
/* One look at a user (from 0); no look, if the engine knows no choice of theirs. */
void simulate_learned_look(struct simulate_learned *l, uint32_t user);

void simulate_learned_errors(const struct simulate_learned *l, struct simulate_learned_errors *out);
/* Mean shares of a topic over the users that were looked at; 0, 0 when nobody was. */
void simulate_learned_topic(const struct simulate_learned *l, uint32_t topic, double *learned,
                            double *wanted);
/* In one line of words; and as a member of a JSON object, with its comma. */
void simulate_learned_say(const struct simulate_learned *l, FILE *out);
void simulate_learned_print(const struct simulate_learned *l, FILE *out);

#endif
