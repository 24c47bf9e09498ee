/* What the model knows of two items without anybody in between: what was chosen after one of them (its row of co-occurrence), and
 * what somebody would be whose history is this item alone. The list of an item's page is made of these (rank/similar.c). */
#include "base/vec.h"
#include "model/model_priv.h"

_Static_assert(MODEL_SIMILAR_LINKED == COOCCUR_DEPTH, "what is linked has moved");

/* z of a history of one: W = 1, so beta and gamma have no say (learn.c). */
void model_similar_encode(const struct model *m, uint32_t item, float *z)
{
    model_item_input(m, item, z);
}

uint32_t model_similar_cooccur(const struct model *m, uint32_t item, float *sums, uint32_t *touched)
{
    VEC_SCRATCH struct cooccur_entry entries[COOCCUR_ENTRIES];
    float scale;
    const struct cooccur_row *r =
        cooccur_row(&m->cooccur, item, m->decay.now[DECAY_COOCCUR], &scale);
    uint32_t n = 0, in_row = r ? cooccur_entries(r, entries) : 0;
    for (uint32_t i = 0; i < in_row; i++) {
        uint32_t j = entries[i].item;
        if (j == item)
            continue;
        touched[n] = j;
        n += sums[j] == 0;
        sums[j] += scale * entries[i].weight;
    }
    return n;
}

const struct model_history_entry *model_similar_history(const struct model *m, uint32_t user,
                                                        uint32_t *n)
{
    *n = 0;
    if (user >= m->users.count || users_row(&m->users, user)->opted_out)
        return NULL;
    *n = users_row(&m->users, user)->n_history;
    return users_row(&m->users, user)->history;
}

bool model_similar_pair(const struct model *m, const struct zl_event *ev, uint32_t *from)
{
    uint32_t n;
    const struct model_history_entry *h = model_similar_history(m, ev->user, &n);
    if (n == 0 || ev->item == ZL_NO_INDEX || model_choice(m, ev) <= 0 || ev->weight <= 0)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (h[i].item == ev->item)
            return false;
    *from = h[0].item;
    return true;
}
