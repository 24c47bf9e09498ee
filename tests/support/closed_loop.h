/* tests/support/closed_loop.h - a platform of which the truth is known, around the real model room: users with true shares of topics, a policy
 * that shows one topic too often and logs its chances, and what the model then believes.
 * World    TOPICS topics of ITEMS_A_TOPIC items; a user's true shares: half of the users prefer one topic strongly, all a little of each. The
 *          policy shows a topic by `shown`, any item of it alike, and logs that chance. A shown item is liked with the user's share of its topic.
 * Learned  shares of a user: softmax of the core (z . q + b, kappa 1: no popularity in it) over all items, summed by topic, averaged over the user's
 *          last LOOKS visits, as lists drawn from it would show. Popularity shares: decayed counts of choices by topic.
 * Errors   mean |learned - true| over topics: of each user's shares, and of their mean over all users. */
#ifndef SUPPORT_CLOSED_LOOP_H
#define SUPPORT_CLOSED_LOOP_H

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "model/model_priv.h"
#include "support/small_model.h"

#define TOPICS 4
#define ITEMS_A_TOPIC 10
#define LOOP_ITEMS (TOPICS * ITEMS_A_TOPIC)
#define LOOP_USERS 200
#define LOOP_VISITS 60000
#define LOOKS 60

struct closed_loop_errors {
    double user, mean, popularity;
    double shares[TOPICS]; /* learned, mean of users */
    double strongest
        [TOPICS]; /* learned share of the users' truly strongest topic, their mean by that topic; they add up to the mean of all */
};

static const double shown[TOPICS] = {0.7, 0.1, 0.1, 0.1};

static inline void loop_true_shares(uint64_t seed, uint32_t user, double share[TOPICS])
{
    struct rng r = rng_at(seed, 1, user, 0);
    double total = 0;
    for (int t = 0; t < TOPICS; t++)
        total += share[t] = 0.2 + rng_uniform(&r);
    share[rng_below(&r, TOPICS)] += 3 * total * rng_below(&r, 2);
    total = 0;
    for (int t = 0; t < TOPICS; t++)
        total += share[t];
    for (int t = 0; t < TOPICS; t++)
        share[t] /= total;
}

static inline struct model *loop_open(enum model_correction correction, int top_k, uint64_t seed)
{
    struct model_config cfg = small_model_config(LOOP_USERS, LOOP_ITEMS, 16, seed);
    cfg.history = 50;
    cfg.negatives = 32;
    cfg.window = 4096;
    cfg.kappa = 1;
    cfg.session_gap_ms = 1000; /* each visit a session: repeats count */
    cfg.correction = correction;
    cfg.correction_cap = 20;
    cfg.correction_top_k = top_k;
    struct model *m;
    struct zl_error err;
    return model_open(&cfg, &m, &err) == ZL_OK ? m : NULL;
}

/* One visit: an item is shown, and liked or not. */
static inline void loop_visit(struct model *m, uint32_t user, const double share[TOPICS],
                              int64_t at, struct rng *r)
{
    double x = rng_uniform(r);
    uint32_t topic = 0;
    while (topic < TOPICS - 1 && x >= shown[topic])
        x -= shown[topic++];
    struct zl_event ev = {.from = {.offset = 2 * at},
                          .type = ZL_IMPRESSION,
                          .user = user,
                          .item = topic * ITEMS_A_TOPIC + rng_below(r, ITEMS_A_TOPIC),
                          .course = ZL_NO_INDEX,
                          .outcome = ZL_COUNTED,
                          .weight = 1,
                          .at_ms = 1 + at * 10000,
                          .propensity = shown[topic] / ITEMS_A_TOPIC};
    bool liked = rng_uniform(r) < share[topic];
    model_batch(m, &ev, 1, NULL, NULL);
    if (!liked)
        return;
    ev.type = ZL_LIKE; /* says nothing of propensity: it is the remembered showing's */
    ev.from.offset++;
    ev.propensity = 0;
    ev.outcome = ZL_COUNTED;
    ev.reward_micro = 1000000;
    model_batch(m, &ev, 1, NULL, NULL);
}

static inline void loop_add_learned(const struct model *m, uint32_t user, double share[TOPICS])
{
    float z[MODEL_MAX_K], q[MODEL_MAX_K], b;
    double e[LOOP_ITEMS], total = 0;
    if (!model_encode(m, user, z))
        return;
    for (uint32_t i = 0; i < model_items(m); i++) {
        model_item_output(m, i, q, &b);
        double s = (double)b;
        for (int f = 0; f < model_k(m); f++)
            s += (double)z[f] * (double)q[f];
        total += e[i] = exp(s);
    }
    for (uint32_t i = 0; i < model_items(m); i++)
        share[i / ITEMS_A_TOPIC] += e[i] / total;
}

static inline double loop_error(const double a[TOPICS], const double b[TOPICS])
{
    double sum = 0;
    for (int t = 0; t < TOPICS; t++)
        sum += fabs(a[t] - b[t]) / TOPICS;
    return sum;
}

static inline void loop_compare(const struct model *m, uint64_t seed,
                                double learned[LOOP_USERS][TOPICS], struct closed_loop_errors *out)
{
    double truth[TOPICS], mean_truth[TOPICS] = {0}, popular[TOPICS] = {0}, total = 0;
    *out = (struct closed_loop_errors){0};
    for (uint32_t u = 0; u < LOOP_USERS; u++) {
        double n = 0;
        loop_true_shares(seed, u, truth);
        for (int t = 0; t < TOPICS; t++)
            n += learned[u][t];
        for (int t = 0; t < TOPICS; t++) {
            learned[u][t] /= n;
            mean_truth[t] += truth[t] / LOOP_USERS;
            out->shares[t] += learned[u][t] / LOOP_USERS;
        }
        int best = 0;
        for (int t = 1; t < TOPICS; t++)
            best = truth[t] > truth[best] ? t : best;
        out->strongest[best] += learned[u][best] / LOOP_USERS;
        out->user += loop_error(learned[u], truth) / LOOP_USERS;
    }
    out->mean = loop_error(out->shares, mean_truth);
    for (uint32_t i = 0; i < LOOP_ITEMS; i++)
        total += popularity_count(m, i, 0);
    for (uint32_t i = 0; i < LOOP_ITEMS; i++)
        popular[i / ITEMS_A_TOPIC] += popularity_count(m, i, 0) / total;
    out->popularity = loop_error(popular, mean_truth);
}

static inline void closed_loop_run(enum model_correction correction, int top_k, uint64_t seed,
                                   struct closed_loop_errors *out)
{
    static double learned[LOOP_USERS][TOPICS];
    struct model *m = loop_open(correction, top_k, seed);
    struct rng r = rng_at(seed, 2, 0, 0);
    memset(learned, 0, sizeof learned);
    for (uint32_t i = 0; i < LOOP_ITEMS; i++)
        model_know_item(m, i);
    for (int64_t at = 0; at < LOOP_VISITS; at++) {
        double share[TOPICS];
        uint32_t user = (uint32_t)(at % LOOP_USERS);
        loop_true_shares(seed, user, share);
        if (at >= LOOP_VISITS - LOOKS * LOOP_USERS)
            loop_add_learned(m, user, learned[user]);
        loop_visit(m, user, share, at, &r);
    }
    loop_compare(m, seed, learned, out);
    model_close(m);
}

#endif
