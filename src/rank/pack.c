/* Ranking reads every item of the catalogue for every list, learning writes single rows: two layouts. The packed table turns 16 items
 * on their side, so that one load serves 16 scores and no sum is needed across lanes. Only rows that the model marked changed are
 * copied, just before they are read. */
#include "base/vec.h"
#include "rank/rank_priv.h"

#define CHANGED_AT_ONCE 256

enum zl_status pack_init(struct pack *p, int k, uint32_t max_items, struct zl_error *err)
{
    p->k = k;
    p->n_items = 0;
    return table_init(&p->panels, "the packed items", max_items / PANEL + 4,
                      (size_t)(k + 1) * PANEL * sizeof(float), err);
}

void pack_release(struct pack *p)
{
    table_release(&p->panels);
}

void pack_put(struct pack *p, const struct model *m, uint32_t item)
{
    float q[MODEL_MAX_K], b, *panel = table_row(&p->panels, item / PANEL);
    uint32_t lane = item % PANEL;
    model_item_output(m, item, q, &b);
    for (int f = 0; f < p->k; f++)
        panel[f * PANEL + (int)lane] = q[f];
    panel[p->k * PANEL + (int)lane] = b;
}

void pack_refresh(struct pack *p, struct model *m)
{
    uint32_t changed[CHANGED_AT_ONCE], n;
    while ((n = model_take_changed(m, changed, CHANGED_AT_ONCE)) > 0)
        for (uint32_t i = 0; i < n; i++)
            pack_put(p, m, changed[i]);
    p->n_items = model_items(m);
}
