/* model/subjects.h - what the tags and categories of a history say of other items: counted, not learned, so one choice is enough.
 * Formula  A(f) = sum_l 0.97^(l-1) [h_l has f], W = sum_l 0.97^(l-1), l over the items of the history that have any, 1 is the newest;
 *          P(f): share of the newest choices of all users (the window) whose item has f;
 *              subjects(u, j) = |F_j|^-1/2 sum_{f in F_j} ( s_f log(1 + A(f) / (M P(f))) - log(1 + W / M) )        M = 2
 *          s_f as in content.h. With s_f = 1 a summand is log of P(f | u) / P(f), P(f | u) = (A(f) + M P(f)) / (W + M) being the share of f
 *          in the history and in M choices like anybody's: naive Bayes over the subjects. 0: nothing is known of the user or the item.
 * State    n choices of the window that have f. They follow from the window and the catalogue: made anew after a load, not written.
 * Threads  the engine's loop only. */
#ifndef MODEL_SUBJECTS_H
#define MODEL_SUBJECTS_H

#include "base/table.h"
#include "model/model.h"

/* A feature's; only of features that are subjects. */
struct subject {
    float says;      /* of the user under way; 0: no item of the history has it */
    uint32_t chosen; /* choices in the window whose item has it */
};

struct subjects {
    struct table rows; /* two features a row: a table's rows are 16 bytes at least */
    uint32_t touched[MODEL_MAX_HISTORY * MODEL_MAX_FEATURES];
    uint32_t n_touched; /* of the user under way */
    float none;         /* what a subject says that the history does not have */
};

MUST_CHECK enum zl_status subjects_init(struct subjects *s, const struct model_config *cfg,
                                        struct zl_error *err);
void subjects_release(struct subjects *s);
/* The item stands so many times more often in the window. */
void subjects_count(struct model *m, uint32_t item, int times);
/* Counts made anew from the window and the descriptions. */
void subjects_rebuild(struct model *m);

#endif
