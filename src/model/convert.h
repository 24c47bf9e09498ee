/* model/convert.h - the conversion head: P(this user enrols in or buys what the item leads to), and what that is worth.
 * Event    a watch of an item that has a course (of any length: it was a chance to convert) is an exposure. It converts when the same
 *          user's enroll or purchase of that course follows within `window_ms`. P is the chance that a watch does.
 * Formula  P = 1 / (1 + e^-s);  s = log-odds(base rate of the course's kind) + w . x;  x is named in enum convert_feature.
 *          Loss of an exposure with label y: L(s, y) = log(1 + e^s) - y s (logistic).
 * Delay    L is linear in y. So its gradient is made in two halves: p x when the watch is learned, -x when the conversion comes,
 *          be it a day later; +x again when it is refunded. The sum is the gradient of the label as it is known by now, whatever
 *          the delay: no waiting for negatives to be sure, and no bias from taking them too early. Ktena et al., "Addressing delayed
 *          feedback for continuous training with neural networks in CTR prediction", RecSys 2019, learn a negative at once and a
 *          positive in full later, and invert the bias of that (b = p / (1 + p)); two halves need no inversion, and undo a
 *          refund exactly in the label. What is left: an exposure that will yet convert counts as 0 until it does.
 * Step     Newton's: w -= (A + rho I)^-1 half; A = decayed sum of p (1 - p) x x^T, the expected curvature, grown at the first half only:
 *          both halves of an exposure then have steps of one size. A is F x F and F is small: a Cholesky solution a half-step costs
 *          about a microsecond, and in tens of thousands of exposures reaches what one accumulator a weight (Adagrad) did not in
 *          hundreds of thousands. (Online Newton step: Hazan, Agarwal, Kale,
 *          "Logarithmic regret algorithms for online convex optimization", Machine Learning 69, 2007; ours with the logistic curvature.)
 * Settles  an exposure settles once: as 1 by the first conversion of its course that follows (one that names the item: the newest
 *          exposure of that item; else the newest of the course); as 0 when the window has passed, or when it is pushed out of the
 *          user's 8 (first goes the oldest that has a newer one of its course beside it: the newest of each of 8 courses stay).
 * Rates    the decayed counts of kinds, courses and bins forget by exposures; a conversion adds 1 when it comes, whenever its exposure
 *          was: what is kept is the ratio of two flows, right in the long run whatever the delay.
 * Bought   a course the user has converted on has P = 0, and its watches are no exposures (kinds with `again`, ads, excepted).
 *          The newest 256 conversions of a user are remembered.
 * Refund   of a remembered conversion: the course's and the kind's decayed conversions and the observed count of the reliability table fall
 *          by the share given back, and the head takes that share of the label's half-step back. The share is the refund's amount over the
 *          purchase's, all that is left when either is not told. With nothing left conversions_net of course and user fall by one, and the
 *          course may be sold to the user again. Counts of events by type stay: they are a ledger. Any other refund is counted, no more.
 * Price    that of the catalogue; without any the newest amount paid for the course, at most CONVERT_PRICE_BOUND times the median of the
 *          newest CONVERT_AMOUNTS amounts of the kind (one a user and conversion), and unknown while there are fewer than
 *          CONVERT_LEAST_AMOUNTS: one absurd amount lifts nothing.
 * Owners   the head, the kinds' rates and the courses' rows are ROWS_CONVERT (key 0; 1 + course); exposures and conversions of a user
 *          lie in the user's row.
 * Units    prices and amounts in minor units (hundredths); value in what the operator counts in. Times are event time.
 * Memory   a course 72 bytes; a user with exposures about 0.8 KiB; a remembered conversion 96 bytes.
 * Threads  the engine's loop only. */
#ifndef MODEL_CONVERT_H
#define MODEL_CONVERT_H

#include <stdbool.h>
#include <stdint.h>

#include "zhiliu/span.h"

/* What an item leads to, by the prefix of its course_id: "ad:9", "sub:pro", "q:77"; anything else is a course. */
enum convert_kind {
    CONVERT_COURSE,
    CONVERT_SUBSCRIPTION,
    CONVERT_QUESTION,
    CONVERT_AD,
    CONVERT_N_KINDS
};
enum convert_kind convert_kind_of(struct zl_span course_id);
const char *convert_kind_name(enum convert_kind kind); /* "course", as in the config */

struct convert_config {
    uint32_t max_courses; /* 0: there is no head, P is 0 */
    int64_t window_ms; /* 7 days: since negatives are not waited for, a long window costs nothing */
    double half_life;  /* exposures after which one counts half in A; 0: CONVERT_HALF_LIFE */
    struct {
        double value;   /* of one conversion */
        bool per_price; /* times the price in major units, when it is known */
        bool again;     /* may convert more than once a user */
    } outcomes[CONVERT_N_KINDS];
};

#define CONVERT_HALF_LIFE 200000.0
#define CONVERT_AMOUNTS 63
#define CONVERT_LEAST_AMOUNTS 5U
#define CONVERT_PRICE_BOUND 8

enum convert_feature {
    CONVERT_BIAS,
    CONVERT_SCORE, /* z_u . q_j, less its running mean, in running deviations, within +-4; 0 without history */
    CONVERT_SCORE_LOW,  /* what it is above -0.75, else 0: the four together are a bent line */
    CONVERT_SCORE_HIGH, /* above 0 */
    CONVERT_SCORE_TOP,  /* above 0.75 */
    CONVERT_SCORE_MET, /* the score when the item is in the user's history: its own vectors are in z_u; those above are then 0 */
    CONVERT_NEWCOMER,  /* 1 without history */
    CONVERT_RATE,    /* log-odds of the course's decayed rate, smoothed to its kind's, less that */
    CONVERT_PRICED,  /* 1 when the price is known */
    CONVERT_PRICE,   /* log(1 + price in major units) / 4 - 1, when known */
    CONVERT_BOUGHT,  /* log(1 + the user's conversions) */
    CONVERT_CLICKED, /* log(1 + the user's course clicks) */
    CONVERT_TOUCHED, /* log(1 + pending exposures of this course) */
    CONVERT_MET,     /* 1 when the item is in the user's history */
    CONVERT_N_FEATURES
};

struct model;

/* What ranking asks: p[i] = P of items[i], which leads to courses[i] (index, or ZL_NO_INDEX: p is 0), for each of n. O(n k + history k).
 * A user without a row, or who opted out, has the p of a newcomer. Changes nothing. */
void model_convert(const struct model *m, uint32_t user, const uint32_t *items,
                   const uint32_t *courses, int n, float *p);
/* What a conversion of the course is worth, by its kind and price; 0 for ZL_NO_INDEX. An expected value is p times this. */
float model_convert_value(const struct model *m, uint32_t course);
enum convert_kind model_convert_kind(const struct model *m, uint32_t course);

/* From whoever knows names and prices, before an event of the course is learned: its kind, and its price when it is above 0 (the newest
 * counts; without any the amounts of purchases do). Touches the row only when something is new. */
void model_know_course(struct model *m, uint32_t course, enum convert_kind kind, int64_t price);

/* ---- for inspect, metrics and tests ---- */
#define CONVERT_BINS 10
struct convert_bin { /* exposures between two running deciles of the prediction, decayed */
    double least;    /* the lower edge, a probability */
    double n, predicted, converted;
};
struct convert_kind_info {
    double exposures, conversions; /* decayed */
    double base_rate;              /* smoothed */
};
struct model_convert_info {
    uint64_t exposures, conversions; /* in all; conversions: settled as 1 */
    uint64_t uncredited;             /* conversions without a pending exposure */
    uint64_t refunds;                /* of conversions that were remembered */
    uint64_t unknown_refunds;        /* of others */
    double weights[CONVERT_N_FEATURES];
    double score_mean, score_deviation;
    double predicted, observed; /* means over the newest exposures (half-life 50,000) */
    struct convert_kind_info kinds[CONVERT_N_KINDS];
    struct convert_bin bins[CONVERT_BINS];
};
struct model_course_info {
    bool known;
    enum convert_kind kind;
    int64_t price;                 /* as it is used; 0: unknown */
    double exposures, conversions; /* decayed (half-life 2,000 exposures of the course) */
    double rate;                   /* smoothed to the kind's */
    uint64_t exposed, converted;   /* in all; converted: credited or not */
    int64_t conversions_net;       /* converted less what was given back as a whole */
};
void model_convert_info(const struct model *m, struct model_convert_info *out);
uint32_t model_courses(const struct model *m); /* courses 0..n-1 have rows */
void model_course_info(const struct model *m, uint32_t course, struct model_course_info *out);
/* Conversions of the user less whole refunds; pending: exposures that may yet convert. */
int64_t model_user_conversions(const struct model *m, uint32_t user, int *pending);
const char *convert_feature_name(enum convert_feature feature); /* "score" */

#endif
