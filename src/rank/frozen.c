/* What a list is worth when item rows come late. A server that copies the model now and then scores with rows of a while ago, while what
 * its users did is known at once. This is that server, for tests offline: it keeps of each item the sum x + q by which histories are encoded,
 * and q and b by which items are found, all as of the last copy. Items that came since have the rows they came with. Nothing that is
 * served or learned looks at it.
 *
 * The copy is made every `freeze_items` positives, so rows are half as old as that on average. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/vec.h"
#include "rank/rank_priv.h"

struct frozen {
    int64_t every;
    uint64_t copied_at; /* positives */
    struct pack pack;
    struct table inputs; /* k floats an item: x + q */
    float *z;
};

enum zl_status frozen_open(const struct rank_config *cfg, const struct model *m,
                           struct frozen **out, struct zl_error *err)
{
    *out = NULL;
    struct frozen *f = xcalloc(1, sizeof *f);
    size_t k = (size_t)model_k(m);
    f->every = cfg->freeze_items;
    f->z = xcalloc(k, sizeof *f->z);
    enum zl_status st = pack_init(&f->pack, (int)k, cfg->max_items, err);
    if (st == ZL_OK)
        st = table_init(&f->inputs, "the frozen items (catalog.max_items)", cfg->max_items,
                        k * sizeof(float), err);
    if (st != ZL_OK) {
        frozen_close(f);
        return st;
    }
    *out = f;
    return ZL_OK;
}

void frozen_close(struct frozen *f)
{
    if (!f)
        return;
    table_release(&f->inputs);
    pack_release(&f->pack);
    free(f->z);
    free(f);
}

void frozen_step(struct frozen *f, const struct model *m)
{
    uint32_t from = f->pack.n_items, n = model_items(m);
    /* a reward that grows moves rows and is no positive: 1 means always */
    if (f->every <= 1 || model_positives(m) >= f->copied_at + (uint64_t)f->every) {
        f->copied_at = model_positives(m);
        from = 0;
    }
    for (uint32_t i = from; i < n; i++) {
        pack_put(&f->pack, m, i);
        model_item_input(m, i, table_row(&f->inputs, i));
    }
    f->pack.n_items = n;
}

static void encode(const struct frozen *f, const struct model *m, uint32_t user)
{
    uint32_t items[MODEL_MAX_HISTORY];
    float weights[MODEL_MAX_HISTORY];
    int n = model_encoding(m, user, items, weights);
    memset(f->z, 0, (size_t)f->pack.k * sizeof *f->z);
    for (int l = 0; l < n; l++)
        vec_add(f->z, weights[l], table_row(&f->inputs, items[l]), f->pack.k);
}

void frozen_scores(const struct frozen *f, const struct model *m, uint32_t user, float *scores)
{
    long stride = (long)(f->pack.panels.stride_bytes / sizeof(float));
    encode(f, m, user);
    for (uint32_t first = 0; first < f->pack.n_items; first += 4 * PANEL)
        vec_score_4panels(pack_panel(&f->pack, first / PANEL), stride, f->z, f->pack.k,
                          scores + first);
}
