/* Exact top-N. Users are scored four at a time against one panel of 16 items, which is then in cache; scores above a user's present
 * threshold (the worst of the N best so far) are looked at one by one: is the item served, has the user met it, was it shown in vain?
 * Few pass, so those questions may be slow. */
#include "rank/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/table.h"
#include "base/topk.h"
#include "base/vec.h"
#include "rank/rank_priv.h"

#define LANES_OF 4 /* users a kernel call */

/* One user's ranking under way. */
struct query {
    struct topk best;
    struct topk_entry *heap;
    uint64_t *met; /* a bit an item: seen by this user */
    const uint32_t *seen;
    const struct model_impressed *shown;
    uint32_t n_seen, n_shown;
    float *z;
    uint32_t *items; /* of the slate */
    float *scores;
};

struct rank {
    struct rank_config cfg;
    struct model *model;
    const uint8_t *served;
    const struct ids *item_ids;
    struct pack pack;
    struct table met;        /* RANK_BLOCK bitmaps */
    struct table popularity; /* floats by item, when a user without history asks */
    struct query queries[RANK_BLOCK];
};

static bool before(const void *ctx, uint32_t a, uint32_t b)
{
    const struct rank *r = ctx;
    return zl_span_compare(ids_name(r->item_ids, a), ids_name(r->item_ids, b)) < 0;
}

enum zl_status rank_open(const struct rank_config *cfg, struct model *m, const uint8_t *served,
                         const struct ids *item_ids, struct rank **out, struct zl_error *err)
{
    enum zl_status st;
    *out = NULL;
    ASSERT(cfg->n >= 1 && cfg->n <= ZL_MAX_LIST);
    struct rank *r = xcalloc(1, sizeof *r);
    r->cfg = *cfg;
    r->model = m;
    r->served = served;
    r->item_ids = item_ids;
    size_t bitmap = ((size_t)cfg->max_items / 64 + 1) * sizeof(uint64_t);
    if ((st = pack_init(&r->pack, model_k(m), cfg->max_items, err)) != ZL_OK)
        goto fail;
    if ((st = table_init(&r->met, "the seen marks", RANK_BLOCK, bitmap, err)) != ZL_OK)
        goto fail;
    if ((st = table_init(&r->popularity, "popularity scores", cfg->max_items / 4 + 1, 16, err)) !=
        ZL_OK)
        goto fail;
    for (int i = 0; i < RANK_BLOCK; i++) {
        struct query *q = &r->queries[i];
        q->heap = xcalloc((size_t)cfg->n, sizeof *q->heap);
        q->items = xcalloc((size_t)cfg->n, sizeof *q->items);
        q->scores = xcalloc((size_t)cfg->n, sizeof *q->scores);
        q->z = xcalloc((size_t)model_k(m), sizeof *q->z);
        q->met = table_row(&r->met, (uint32_t)i);
    }
    *out = r;
    return ZL_OK;
fail:
    rank_close(r);
    return st;
}

void rank_close(struct rank *r)
{
    if (!r)
        return;
    for (int i = 0; i < RANK_BLOCK; i++) {
        free(r->queries[i].heap);
        free(r->queries[i].items);
        free(r->queries[i].scores);
        free(r->queries[i].z);
    }
    table_release(&r->popularity);
    table_release(&r->met);
    pack_release(&r->pack);
    free(r);
}

/* ---- one user ---- */

static void query_begin(struct rank *r, struct query *q, uint32_t user)
{
    q->best = (struct topk){.heap = q->heap, .n_max = r->cfg.n, .before = before, .ctx = r};
    q->seen = model_seen(r->model, user, &q->n_seen);
    q->shown = model_impressions(r->model, user, &q->n_shown);
    for (uint32_t i = 0; i < q->n_seen; i++)
        q->met[q->seen[i] / 64] |= 1ULL << (q->seen[i] % 64);
}

static void query_end(struct query *q, uint32_t user, struct zl_slate *slate)
{
    for (uint32_t i = 0; i < q->n_seen; i++)
        q->met[q->seen[i] / 64] = 0;
    topk_sort(&q->best);
    for (int i = 0; i < q->best.n; i++) {
        q->items[i] = q->heap[i].key;
        q->scores[i] = q->heap[i].score;
    }
    *slate =
        (struct zl_slate){.user = user, .n = q->best.n, .items = q->items, .scores = q->scores};
}

static float penalty(const struct rank *r, const struct query *q, uint32_t item)
{
    for (uint32_t i = 0; i < q->n_shown; i++)
        if (q->shown[i].item == item)
            return (float)(r->cfg.impression_penalty * q->shown[i].times);
    return 0;
}

static bool eligible(const struct rank *r, const struct query *q, uint32_t item)
{
    return r->served[item] && !(q->met[item / 64] >> (item % 64) & 1);
}

static void offer(struct rank *r, struct query *q, uint32_t item, float score)
{
    if (!eligible(r, q, item))
        return;
    score -= penalty(r, q, item);
    if (score >= topk_threshold(&q->best))
        topk_offer(&q->best, score, item);
}

static bool any_reaches(const float *scores, float threshold)
{
    int any = 0;
    for (int i = 0; i < PANEL; i++)
        any |= scores[i] >= threshold;
    return any;
}

static void offer_panel(struct rank *r, struct query *q, uint32_t first, uint32_t n,
                        const float *scores)
{
    if (!any_reaches(scores, topk_threshold(&q->best)))
        return;
    for (uint32_t i = 0; i < n; i++)
        if (scores[i] >= topk_threshold(&q->best))
            offer(r, q, first + i, scores[i]);
}

/* ---- all items ---- */

static uint32_t panel_len(const struct rank *r, uint32_t first)
{
    return r->pack.n_items - first < PANEL ? r->pack.n_items - first : PANEL;
}

/* Up to LANES_OF users with a history. */
static void score_group(struct rank *r, struct query *const *group, int n)
{
    const float *z[LANES_OF];
    float scores[LANES_OF * PANEL];
    for (int i = 0; i < LANES_OF; i++)
        z[i] = group[i < n ? i : 0]->z;
    for (uint32_t first = 0; first < r->pack.n_items; first += PANEL) {
        vec_score_panel4(pack_panel(&r->pack, first / PANEL), z, r->pack.k, scores);
        for (int i = 0; i < n; i++)
            offer_panel(r, group[i], first, panel_len(r, first), scores + (size_t)i * PANEL);
    }
}

static void score_popular(struct rank *r, struct query *q)
{
    const float *scores = (const float *)(const void *)r->popularity.rows;
    for (uint32_t i = 0; i < r->pack.n_items; i++)
        if (scores[i] >= topk_threshold(&q->best))
            offer(r, q, i, scores[i]);
}

void rank_users(struct rank *r, const uint32_t *users, int n, struct zl_slate *slates)
{
    struct query *group[LANES_OF];
    int n_group = 0;
    bool have_popularity = false;
    ASSERT(n <= RANK_BLOCK);
    pack_refresh(&r->pack, r->model);
    for (int i = 0; i < n; i++) {
        struct query *q = &r->queries[i];
        query_begin(r, q, users[i]);
        if (model_encode(r->model, users[i], q->z)) {
            group[n_group++] = q;
            if (n_group == LANES_OF) {
                score_group(r, group, n_group);
                n_group = 0;
            }
            continue;
        }
        if (!have_popularity)
            model_popularity(r->model, 0, r->pack.n_items, (float *)(void *)r->popularity.rows);
        have_popularity = true;
        score_popular(r, q);
    }
    if (n_group)
        score_group(r, group, n_group);
    for (int i = 0; i < n; i++)
        query_end(&r->queries[i], users[i], &slates[i]);
}

/* ---- prequential ---- */

static void count_against(struct rank *r, const struct query *q, uint32_t item, float mine,
                          const float *scores, uint32_t first, uint32_t n, double *above,
                          double *equal)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t other = first + i;
        if (other == item || !eligible(r, q, other))
            continue;
        float s = scores[i] - penalty(r, q, other);
        *above += s > mine;
        *equal += s == mine;
    }
}

double rank_of(struct rank *r, uint32_t user, uint32_t item)
{
    struct query *q = &r->queries[0];
    struct zl_slate ignored;
    double above = 0, equal = 0;
    pack_refresh(&r->pack, r->model);
    query_begin(r, q, user);
    bool countable = item < r->pack.n_items && eligible(r, q, item);
    bool personal = model_encode(r->model, user, q->z);
    float *popular = (float *)(void *)r->popularity.rows, scores[LANES_OF * PANEL], mine = 0;
    const float *z[LANES_OF] = {q->z, q->z, q->z, q->z};
    if (countable && !personal)
        model_popularity(r->model, 0, r->pack.n_items, popular);
    if (countable && personal)
        vec_score_panel4(pack_panel(&r->pack, item / PANEL), z, r->pack.k, scores);
    if (countable)
        mine = (personal ? scores[item % PANEL] : popular[item]) - penalty(r, q, item);
    for (uint32_t first = 0; countable && first < r->pack.n_items; first += PANEL) {
        if (personal)
            vec_score_panel4(pack_panel(&r->pack, first / PANEL), z, r->pack.k, scores);
        count_against(r, q, item, mine, personal ? scores : popular + first, first,
                      panel_len(r, first), &above, &equal);
    }
    query_end(q, user, &ignored);
    return countable ? 1 + above + equal / 2 : 0;
}
