/* Ranking reads every item of the catalogue for every list, learning writes single rows: two layouts. The packed table turns 16 items
 * on their side, so that one load serves 16 scores and no sum is needed across lanes. Only rows that the model marked changed are
 * copied, just before they are read. */
#include "base/vec.h"
#include "rank/rank_priv.h"

#define CHANGED_AT_ONCE 256
#define AHEAD 4U /* rows asked for before they are read */

enum zl_status pack_init(struct pack *p, int k, uint32_t max_items, struct zl_error *err)
{
    p->k = k;
    p->n_items = 0;
    return table_init(&p->panels, "the packed items (catalog.max_items)", max_items / PANEL + 4,
                      (size_t)(k + 1) * PANEL * sizeof(float), err);
}

void pack_release(struct pack *p)
{
    table_release(&p->panels);
}

void pack_put(struct pack *p, const struct model *m, uint32_t item)
{
    float *lane = (float *)table_row(&p->panels, item / PANEL) + item % PANEL;
    const float *q = model_item_vector(m, item, &lane[p->k * PANEL]);
    for (int f = 0; f < p->k; f++)
        lane[f * PANEL] = q[f];
}

void pack_refresh(struct pack *p, struct model *m)
{
    VEC_SCRATCH uint32_t changed[CHANGED_AT_ONCE];
    uint32_t n;
    while ((n = model_take_changed(m, changed, CHANGED_AT_ONCE)) > 0)
        for (uint32_t i = 0; i < n; i++) {
            model_item_prefetch(m, changed[i + AHEAD < n ? i + AHEAD : i]);
            pack_put(p, m, changed[i]);
        }
    p->n_items = model_items(m);
}
