/* Nearness has two witnesses, as recommending has: vectors, which also know of items that few have chosen, and counts, which are sharp where there
 * are many. An item that is new has a vector drawn by chance, and no counts: it is near nothing (in 64 dimensions two such vectors have a cosine of
 * 0 +- 0.125, far from the threshold). */
#include "model/near.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/special.h"
#include "base/topk.h"
#include "base/vec.h"
#include "model/model_priv.h"

#define LEAST_COSINE 0.8f
#define LEAST_USE 0.2
#define LEAST_TIE 1.0 /* of either direction: more than one user */

static bool lower_first(const void *ctx, uint32_t a, uint32_t b)
{
    (void)ctx;
    return a < b;
}

static int take_sorted(struct topk *best, uint32_t *out, int n)
{
    topk_sort(best);
    for (int i = 0; i < best->n; i++) {
        bool there = false;
        for (int k = 0; k < n; k++)
            there |= out[k] == best->heap[i].key;
        if (!there)
            out[n++] = best->heap[i].key;
    }
    return n;
}

/* An item may be offered several times. */
static void offer_near(const struct model *m, uint32_t item, float norm2, uint32_t j,
                       struct topk *best)
{
    const float *other = items_q(&m->items, j);
    float dot = j == item ? 0 : vec_dot(items_q(&m->items, item), other, m->cfg.k);
    if (dot <= 0) /* half of all are settled here */
        return;
    float cosine = dot / sqrtf(norm2 * vec_dot(other, other, m->cfg.k));
    if (!(cosine >= LEAST_COSINE && cosine >= topk_threshold(best)))
        return;
    for (int i = 0; i < best->n; i++)
        if (best->heap[i].key == j)
            return;
    topk_offer(best, cosine, j);
}

static int near_by_taste(const struct model *m, uint32_t item, uint32_t *out)
{
    struct topk_entry heap[NEAR_MAX];
    struct topk best = {.heap = heap, .n_max = m->cfg.dislike_neighbours, .before = lower_first};
    const struct window *w = &m->window;
    const float *q = items_q(&m->items, item);
    float norm2 = vec_dot(q, q, m->cfg.k);
    for (uint32_t j = 0; m->items.count <= NEAR_SCANNED && j < m->items.count; j++)
        offer_near(m, item, norm2, j, &best);
    for (uint64_t i = 1;
         m->items.count > NEAR_SCANNED && i <= w->n && i <= w->size && i <= NEAR_SCANNED; i++)
        offer_near(m, item, norm2, w->items[(w->n - i) % w->size], &best);
    return take_sorted(&best, out, 0);
}

static double choices(const struct model *m, uint32_t item)
{
    return special_exp2(items_stats(&m->items, item)->count - m->decay.now[DECAY_COOCCUR]);
}

static int near_by_use(const struct model *m, uint32_t item, uint32_t *out, int n)
{
    float scale;
    struct topk_entry heap[NEAR_MAX];
    struct topk best = {.heap = heap, .n_max = m->cfg.dislike_neighbours, .before = lower_first};
    const struct cooccur_row *r =
        cooccur_row(&m->cooccur, item, m->decay.now[DECAY_COOCCUR], &scale);
    double mine = choices(m, item);
    for (uint32_t i = 0; r && i < r->capacity; i++) {
        uint32_t j = r->slots[i].item;
        if (j == ZL_NO_INDEX || j == item)
            continue;
        double norm = sqrt(mine * choices(m, j)), least = fmax(LEAST_USE * norm, LEAST_TIE),
               to = (double)(scale * r->slots[i].weight);
        double back = 0;
        if (to >= least) /* seldom asked: it is a search */
            back = (double)cooccur_weight(&m->cooccur, j, item, m->decay.now[DECAY_COOCCUR]);
        float both = (float)((to < back ? to : back) / norm);
        if (back >= least && both >= topk_threshold(&best))
            topk_offer(&best, both, j);
    }
    return take_sorted(&best, out, n);
}

int near_items(const struct model *m, uint32_t item, uint32_t out[2 * NEAR_MAX])
{
    ASSERT(m->cfg.dislike_neighbours <= NEAR_MAX);
    if (m->cfg.dislike_neighbours <= 0)
        return 0;
    return near_by_use(m, item, out, near_by_taste(m, item, out));
}

/* ---- the user's ring ---- */

static void hide(struct user *u, uint32_t item, int64_t at_ms)
{
    if (!u->hidden)
        u->hidden = xcalloc(MODEL_HIDDEN, sizeof *u->hidden);
    int at = 0;
    while (at < u->n_hidden && u->hidden[at].item != item)
        at++;
    if (at == u->n_hidden && u->n_hidden == MODEL_HIDDEN)
        at = 0; /* the one longest hidden makes room */
    if (at < u->n_hidden) {
        memmove(&u->hidden[at], &u->hidden[at + 1],
                (size_t)(u->n_hidden - at - 1) * sizeof *u->hidden);
        u->n_hidden--;
    }
    u->hidden[u->n_hidden++] = (struct user_hidden){item, at_ms};
}

void near_hide(const struct model *m, struct user *u, uint32_t item, int64_t at_ms)
{
    uint32_t near[2 * NEAR_MAX];
    int n = near_items(m, item, near);
    for (int i = n - 1; i >= 0; i--) /* the nearest last: it is kept longest */
        hide(u, near[i], at_ms);
}

uint32_t model_hidden(const struct model *m, uint32_t user, uint32_t out[MODEL_HIDDEN])
{
    uint32_t n = 0;
    const struct user *u = user < m->users.count ? users_row(&m->users, user) : NULL;
    for (int i = 0; u && i < u->n_hidden; i++)
        if (u->last_ms - u->hidden[i].at_ms < HIDDEN_MS)
            out[n++] = u->hidden[i].item;
    return n;
}
