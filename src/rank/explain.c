/* A list is ranked as it always is, and before the candidates are let go their parts are read once more. What pulled an item is asked of
 * the model: the core is a sum over the history, and so are the co-occurrence counts. */
#include "rank/explain.h"

#include <string.h>

#include "rank/rank_priv.h"

/* An item of the history is as important as its share in the two sums; the core may be negative. */
static void explain_item(struct rank *r, const struct query *q, int place, const double *weights,
                         struct rank_explained *out)
{
    const struct build *b = &r->build;
    const struct candidates *c = &r->candidates;
    int at = b->list[place];
    *out = (struct rank_explained){.item = c->items[at],
                                   .slot = (enum zl_slot)b->slots[place],
                                   .propensity = b->propensities[place],
                                   .passed = ZL_NO_INDEX,
                                   .score = c->scores[at],
                                   .conversion = b->conversion[at]};
    if (b->passed[place] >= 0)
        out->passed = c->items[b->passed[place]];
    for (int k = 0; k < MODEL_PARTS; k++)
        out->parts[k] = (float)weights[k] * c->f[(size_t)k * MAX_CANDIDATES + (size_t)at];
    uint32_t surface = model_user_surface(r->model, q->user);
    if (surface != ZL_NO_INDEX)
        out->surface = model_surface_lift(r->model, surface, out->item);
    out->penalty = rank_penalty(r, q, out->item);
    out->n_reasons = model_reasons(r->model, q->user, out->item, out->reasons, 3);
}

int rank_explain(struct rank *r, uint32_t user, const struct zl_version *v,
                 struct rank_explained *out, int max)
{
    struct query *q = &r->queries[0];
    struct zl_slate slate;
    int bucket;
    rank_begin_all(r, &user, 1);
    candidates_of(r, q);
    policy_lay(r, q, v, &slate);
    const double *weights = model_mixer(r->model, user, &bucket);
    int n = slate.n < max ? slate.n : max;
    for (int i = 0; i < n; i++)
        explain_item(r, q, i, weights, &out[i]);
    candidates_done(r);
    rank_query_end(q);
    return n;
}
