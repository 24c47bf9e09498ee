/* rank/explain.h - why each item stands on a user's list: the ranking of rank_users, with its parts kept.
 * Promise  The same list as rank_users of the same version. score = sum of parts + surface + conversion - penalty.
 * Threads  the engine's loop only. */
#ifndef RANK_EXPLAIN_H
#define RANK_EXPLAIN_H

#include "rank/rank.h"

struct rank_explained {
    uint32_t item;
    enum zl_slot slot;
    double propensity;        /* of a drawn item, else 0 */
    uint32_t passed;          /* ZL_SLOT_MOVED: the better item that a rule passed over */
    float score;              /* as it was ranked by */
    float parts[MODEL_PARTS]; /* weight of the part times what it says */
    float
        surface; /* log of how much likelier it is chosen on the surface of one without a history */
    float conversion;               /* what the worth of a conversion added */
    float penalty;                  /* what showings in vain took off, >= 0 */
    struct model_reason reasons[3]; /* of the history, the largest first */
    int n_reasons;
};

/* Up to max places of the list, best first; how many. */
int rank_explain(struct rank *r, uint32_t user, const struct zl_version *v,
                 struct rank_explained *out, int max);

#endif
