/* rank/rank.h - the best N of what a user has not met, by the learned mix of all parts.
 * Candidates  best by core (exact, over every served unseen item), by co-occurrence with the newest 20 of the history, most popular at
 *          each half-life; all served unseen items while there are at most RANK_ALL. Scored by the mixer, ties by item id.
 *          The list is then made by the policy (policy.h): its terms and rules, and the places that are drawn by chance.
 * Promise  Never an item that is not served or that the user has seen. An item shown without a watch loses `impression_penalty` a
 *          showing. Results do not depend on how users were batched: each score is one sum in a fixed order, which is why no
 *          BLAS is used here.
 * Memory   a packed copy of all q and b, and dense scores of a block: max_items * (k + 10) * 4 bytes reserved.
 * Threads  the engine's loop only. */
#ifndef RANK_RANK_H
#define RANK_RANK_H

#include <stdint.h>

#include "base/ids.h"
#include "model/model.h"
#include "rank/policy.h"
#include "zhiliu/slate.h"

#define RANK_BLOCK 8  /* users scored together */
#define RANK_ALL 512U /* catalogues up to this size are candidates as a whole */

struct rank_config {
    int n; /* list length, 1..ZL_MAX_LIST */
    uint32_t max_items;
    double impression_penalty;
    uint64_t seed; /* of the draws of exploration */
    struct rank_policy policy;
    /* a row an item (catalog_facts_array), borrowed until rank_close; NULL: nothing is known of any */
    const struct zl_item_facts *facts;
    int64_t freeze_items; /* of rank_of()'s `frozen`, in positives; 0: none */
    int top;              /* of rank_of()'s `top`, up to RANK_TOP_MAX; 0: RANK_TOP */
};

struct rank;

/* All borrowed until rank_close. served: one byte an item (catalog_served_array). */
MUST_CHECK enum zl_status rank_open(const struct rank_config *cfg, struct model *m,
                                    const uint8_t *served, const struct ids *item_ids,
                                    struct rank **out, struct zl_error *err);
void rank_close(struct rank *r);

/* Ranks users[0..n) under the policy: slates[i].user is set, its arrays point into rank's own memory, lent until the next call.
 * versions[i] is the version that users[i]'s list will carry: it keys what is drawn by chance, so the same version and state give the
 * same list. versions NULL: no exploration. n <= RANK_BLOCK. */
void rank_users(struct rank *r, const uint32_t *users, const struct zl_version *versions, int n,
                struct zl_slate *slates);

/* Probability with which the present policy and state would put the item at this place (from 1) of the list of that version, given what
 * the same list draws before it. 0: the place is not left to chance, or the item could not be drawn for it. Costs one ranking. */
double rank_explore_propensity(struct rank *r, uint32_t user, const struct zl_version *v,
                               uint32_t item, int position);

/* The same for all that could be drawn: items and their probabilities (0 for one that is gone); how many. */
#define RANK_EXPLORE_POOL 64
int rank_explore_chances(struct rank *r, uint32_t user, const struct zl_version *v, int position,
                         uint32_t items[RANK_EXPLORE_POOL], double pi[RANK_EXPLORE_POOL]);

/* Learns the mixer from an event that is about to be learned: scores its candidates, takes one step towards its item. Does so for a share
 * of events that is chosen by (partition, offset) and falls with the size of the catalogue, so that it costs a bounded time an event. */
void rank_learn_mix(struct rank *r, const struct zl_event *ev);

#define RANK_TOP 10
/* Below the fewest candidates of a large catalogue, so that who is none of them stands behind every top. */
#define RANK_TOP_MAX 100
#define RANK_COLD 5U /* an item with at most this many positives is cold */
enum rank_part {
    RANK_MIX,
    RANK_CORE,
    RANK_COOCCUR,
    RANK_POPULARITY,
    RANK_CONTENT,
    RANK_SUBJECTS,
    RANK_N_PARTS
};

/* How the model would have served an event, before it learns from it. */
struct rank_result {
    /* Of the item among all served unseen ones, from 1, ties half, by the mix and by single parts; 0: a miss for everyone (not
     * known, not served, or seen). */
    double ranks[RANK_N_PARTS];
    uint32_t top[RANK_TOP_MAX]; /* the best by the mix */
    int n_top;
    /* The item is cold and at least 50 others are: its place among them, bias and popularity left out. */
    bool cold;
    double cold_auc, cold_rank;
    /* By the core as a server would have it that copies item rows every freeze_items positives; the user's history is live. -1:
     * freeze_items is 0. */
    double frozen;
};
/* Before each event, whether it is tested or not: old rows of `frozen` are replaced when it is time. */
void rank_freeze_step(struct rank *r);
/* By the scorer alone: no exploration, no rules, no quotas. O(items). Changes nothing that learning or lists depend on. */
void rank_of(struct rank *r, uint32_t user, uint32_t item, struct rank_result *out);

#endif
