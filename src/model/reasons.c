/* What of a history pulls an item. Both memories are sums over the history, so each entry has its own summand:
 *   core            w_l (x_l + q_l) . q_j
 *   co-occurrence   0.8^(l-1) C[h_l -> j] (n_{h_l} + 1)^-0.7, the damping of j left out, since it is the same for all */
#include <stdlib.h>

#include "base/special.h"
#include "base/vec.h"
#include "model/model_priv.h"

static float tie(const struct model *m, uint32_t from, uint32_t to)
{
    double now = m->decay.now[DECAY_COOCCUR],
           count = special_exp2(items_stats(&m->items, from)->count - now);
    return cooccur_weight(&m->cooccur, from, to, now) *
           (float)special_exp2(COOCCUR_DAMP_FROM * special_log2(count + 1));
}

static int by_core(const void *a, const void *b)
{
    const struct model_reason *x = a, *y = b;
    if (x->core != y->core)
        return x->core > y->core ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

int model_reasons(const struct model *m, uint32_t user, uint32_t item, struct model_reason *out,
                  int max)
{
    struct model_reason all[MODEL_MAX_HISTORY];
    float w[MODEL_MAX_HISTORY], distance = 1;
    if (user >= m->users.count || item >= m->items.count || users_row(&m->users, user)->opted_out)
        return 0;
    const struct user *u = users_row(&m->users, user);
    int n = learn_history_weights(&m->cfg, u, w);
    const float *q = items_q(&m->items, item);
    for (int l = 0; l < n; l++, distance *= COOCCUR_OLDER) {
        uint32_t h = u->history[l].item;
        float core = w[l] * (vec_dot(items_x(&m->items, h), q, m->cfg.k) +
                             vec_dot(items_q(&m->items, h), q, m->cfg.k));
        all[l] = (struct model_reason){
            .item = h, .core = core, .cooccur = l < COOCCUR_DEPTH ? distance * tie(m, h, item) : 0};
    }
    qsort(all, (size_t)n, sizeof all[0], by_core);
    n = n < max ? n : max;
    for (int i = 0; i < n; i++)
        out[i] = all[i];
    return n;
}
