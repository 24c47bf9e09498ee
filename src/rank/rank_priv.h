/* What the files of this room share: the packed table. */
#ifndef RANK_PRIV_H
#define RANK_PRIV_H

#include "base/table.h"
#include "rank/rank.h"

#define PANEL 16

/* All items' outputs, 16 items a panel: k rows of 16 floats, then 16 biases. A panel is what vec_score_panel4 eats. */
struct pack {
    int k;
    uint32_t n_items;
    struct table panels;
};

enum zl_status pack_init(struct pack *p, int k, uint32_t max_items, struct zl_error *err);
void pack_release(struct pack *p);
/* Copies in what the model changed since the last call. */
void pack_refresh(struct pack *p, struct model *m);

static inline const float *pack_panel(const struct pack *p, uint32_t panel)
{
    return table_row(&p->panels, panel);
}

#endif
