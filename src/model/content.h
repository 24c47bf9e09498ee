/* model/content.h - what an item's description says of it, before anybody has chosen it.
 * Formula  c_j = |F_j|^-1/2 sum_f s_f w_f + sum_m g_m M_m phi_m(j), s_f = n_f / (n_f + SHRINK), n_f: items that have f;
 *          the item's output is q_j = e_j + c_j, its own part and this one. (The linear case of a content tower trained end to end.)
 * Shapes   w_f and each row of M_m (one a dimension of phi_m) are k floats with an Adagrad accumulator; phi has length 1.
 * State    rows of features and of projections. Which features an item has follows from the catalogue: who loads a checkpoint
 *          describes the items again. c_j itself is kept in the item's row and may be a little behind; see items_renew().
 * Threads  the engine's loop only. */
#ifndef MODEL_CONTENT_H
#define MODEL_CONTENT_H

#include "base/rng.h"
#include "base/table.h"
#include "model/model.h"

/* A feature's row: k floats, then this. */
struct content_feature {
    uint64_t key;
    float g;      /* Adagrad accumulator */
    float shrink; /* n / (n + SHRINK) */
    uint32_t n;   /* items that have it */
};

struct content_item {
    uint16_t n, n_subjects;                /* the first of them are subjects (subjects.h) */
    float scale, subject_scale;            /* n^-1/2, n_subjects^-1/2 */
    float norm[ZL_N_MODALITIES];           /* 1 / |phi|; 0: missing */
    const float *phi[ZL_N_MODALITIES];     /* lent until the item's next description */
    uint32_t features[MODEL_MAX_FEATURES]; /* indexes of rows */
};

struct content {
    bool on;
    int k;
    int dims[ZL_N_MODALITIES], first[ZL_N_MODALITIES]; /* rows of M_m: first .. first + dims - 1 */
    double learning_rate;
    struct table features, items, slots, sums, projections;
    uint32_t n_features, max_features, n_slots;
    struct rows_track track, projection_track;
    float gate[ZL_N_MODALITIES], gate_g[ZL_N_MODALITIES], projection_g[ZL_N_MODALITIES];
    /* of the step under way */
    uint32_t *touched, n_touched, max_touched;
    float *errors; /* of those in `touched` that move */
    float *psi;    /* a float a row of all M */
    bool any_psi[ZL_N_MODALITIES];
};

MUST_CHECK enum zl_status content_init(struct content *t, const struct model_config *cfg,
                                       struct zl_error *err);
void content_release(struct content *t);

/* What the item has from now on. again: after a load, the counts know it already. True: it is another description than before. */
bool content_describe(struct content *t, uint32_t item, const uint64_t *keys, int n, int n_subjects,
                      const float *const phi[ZL_N_MODALITIES], bool again);
static inline const struct content_item *content_item(const struct content *t, uint32_t item)
{
    return table_row(&t->items, item);
}
float content_shrink(const struct content *t, uint32_t feature);
bool content_has(const struct content *t, uint32_t item);
/* c (k floats) of an item as of now. */
void content_of(const struct content *t, uint32_t item, float *c);

/* The item's features are soon to be gathered; with their vectors soon to be added up, in content_of(). */
void content_prefetch(const struct content *t, uint32_t item);
void content_prefetch_features(const struct content *t, uint32_t item);
/* One step: gradients d_j z of the loss for c of some items j are gathered, then every w_f, M_m and g_m concerned moves once. */
void content_gather(struct content *t, uint32_t item, float d);
void content_step(struct content *t, const float *z, float z_norm2, float learning_rate,
                  struct rng *rng);

struct rows_table content_feature_rows(struct content *t);
struct rows_table content_projection_rows(struct content *t);

#endif
