/* How an event would have been served, for tests offline: the place of its item by the mix and by each part alone. The mix is what lists
 * are made by, so its place is among the candidates. A part alone is asked over the whole catalogue, which is a count of scores above the
 * item's own: 16 at a time, first over all served items, then what the user has met is taken off again. */
#include <string.h>

#include "base/vec.h"
#include "rank/rank_priv.h"

typedef float v16f __attribute__((vector_size(64), aligned(4), may_alias));
typedef int v16i __attribute__((vector_size(64)));
typedef unsigned char v16b __attribute__((vector_size(16), aligned(1), may_alias));

struct counted {
    uint32_t above, equal;
};

static void count_one(struct counted *c, float score, float mine)
{
    c->above += score > mine;
    c->equal += score == mine;
}

VEC_CLONES static struct counted count_served(const float *scores, const uint8_t *served,
                                              uint32_t n, float mine)
{
    struct counted c = {0};
    v16i above = {0}, equal = {0};
    uint32_t i = 0;
    for (; i + 16 <= n; i += 16) {
        v16f s = *(const v16f *)(scores + i);
        v16i is_served = __builtin_convertvector(*(const v16b *)(served + i), v16i);
        above += (s > mine) & is_served;
        equal += (s == mine) & is_served;
    }
    for (int lane = 0; lane < 16; lane++) {
        c.above += (uint32_t)above[lane];
        c.equal += (uint32_t)equal[lane];
    }
    for (; i < n; i++)
        if (served[i])
            count_one(&c, scores[i], mine);
    return c;
}

/* Rank of an eligible item among all eligible ones by dense scores. */
static double rank_dense(const struct rank *r, const struct query *q, uint32_t item,
                         const float *scores)
{
    float mine = scores[item];
    struct counted c = count_served(scores, r->served, r->pack.n_items, mine), met = {0};
    for (uint32_t i = 0; i < q->n_seen; i++)
        if (q->seen[i] < r->pack.n_items && r->served[q->seen[i]])
            count_one(&met, scores[q->seen[i]], mine);
    return 1 + (c.above - met.above) + (c.equal - met.equal - 1) / 2.0; /* -1: the item itself */
}

/* Rank among candidates; an item that was not one stands behind them all. */
static double rank_mixed(struct rank *r, const struct query *q, uint32_t item)
{
    const struct candidates *c = &r->candidates;
    int n = c->n, place = candidates_place(r, q, item);
    double above = 0, equal = 0;
    if (place == n)
        return n + 1;
    for (int i = 0; i < n; i++) {
        above += c->scores[i] > c->scores[place];
        equal += i != place && c->scores[i] == c->scores[place];
    }
    return 1 + above + equal / 2;
}

static double rank_popular(struct rank *r, const struct query *q, uint32_t item)
{
    float *scores = r->queries[1].core; /* nobody else is being ranked */
    model_popularity(r->model, 0, r->pack.n_items, scores);
    return rank_dense(r, q, item, scores);
}

/* By what is written about the items alone. */
static double rank_content(struct rank *r, const struct query *q, uint32_t item)
{
    float *scores = r->queries[1].core;
    for (uint32_t i = 0; i < r->pack.n_items; i++)
        scores[i] = model_content_score(r->model, i, q->z);
    return rank_dense(r, q, item, scores);
}

/* By the tags and categories of the history; the user's lie ready until candidates_done(). */
static double rank_subjects(struct rank *r, const struct query *q, uint32_t item)
{
    float *scores = r->queries[1].core;
    for (uint32_t i = 0; i < r->pack.n_items; i++)
        model_subjects(r->model, &i, 1, &scores[i]);
    return rank_dense(r, q, item, scores);
}

static double rank_frozen(struct rank *r, const struct query *q, uint32_t item)
{
    float *scores = r->queries[1].core;
    frozen_step(r->frozen, r->model); /* the item itself may be new */
    frozen_scores(r->frozen, r->model, q->user, scores);
    return rank_dense(r, q, item, scores);
}

/* Score without the bias, from the packed table. */
static float score_without_bias(const struct rank *r, const struct query *q, uint32_t item)
{
    return q->core[item] -
           pack_panel(&r->pack, item / PANEL)[r->pack.k * PANEL + (int)(item % PANEL)];
}

static void rank_cold(const struct rank *r, const struct query *q, uint32_t item,
                      struct rank_result *out)
{
    double above = 0, equal = 0, n = 0, mine = (double)score_without_bias(r, q, item);
    if (model_item_positives(r->model, item) > RANK_COLD)
        return;
    for (uint32_t i = 0; i < r->pack.n_items; i++) {
        if (i == item || model_item_positives(r->model, i) > RANK_COLD || !rank_eligible(r, q, i))
            continue;
        double s = (double)score_without_bias(r, q, i);
        n++;
        above += s > mine;
        equal += s == mine;
    }
    if (n < 50)
        return;
    out->cold = true;
    out->cold_auc = 1 - (above + equal / 2) / n;
    out->cold_rank = 1 + above + equal / 2;
}

static void take_top(struct rank *r, struct rank_result *out)
{
    const struct candidates *c = &r->candidates;
    int n = r->cfg.top ? r->cfg.top : RANK_TOP;
    struct topk best = {.heap = r->heap, .n_max = n, .before = rank_before, .ctx = r};
    for (int i = 0; i < c->n; i++)
        if (c->scores[i] >= topk_threshold(&best))
            topk_offer(&best, c->scores[i], c->items[i]);
    topk_sort(&best);
    for (int i = 0; i < best.n; i++)
        out->top[i] = best.heap[i].key;
    out->n_top = best.n;
}

void rank_of(struct rank *r, uint32_t user, uint32_t item, struct rank_result *out)
{
    struct query *q = &r->queries[0];
    *out = (struct rank_result){.frozen = r->frozen ? 0 : -1};
    rank_begin_all(r, &user, 1);
    q->n_shown = 0; /* its own showing came just before it */
    candidates_of(r, q);
    take_top(r, out);
    if (item < r->pack.n_items && rank_eligible(r, q, item)) {
        out->ranks[RANK_MIX] = rank_mixed(r, q, item);
        out->ranks[RANK_CORE] = rank_dense(r, q, item, q->core);
        out->ranks[RANK_COOCCUR] =
            rank_dense(r, q, item, (const float *)(const void *)r->sums.rows);
        out->ranks[RANK_CONTENT] = rank_content(r, q, item);
        out->ranks[RANK_SUBJECTS] = rank_subjects(r, q, item);
        out->ranks[RANK_POPULARITY] = rank_popular(r, q, item);
        rank_cold(r, q, item, out);
        if (r->frozen)
            out->frozen = rank_frozen(r, q, item);
    }
    candidates_done(r);
    rank_query_end(q);
}

void rank_freeze_step(struct rank *r)
{
    if (r->frozen)
        frozen_step(r->frozen, r->model);
}
