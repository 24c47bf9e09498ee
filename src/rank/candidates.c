/* From many to few: who is worth a look, and what each part says of them. Core scores are there for every item already; co-occurrence
 * reaches what its rows reach; popularity keeps its own short lists. The union is scored by the mixer. */
#include <math.h>
#include <string.h>

#include "base/special.h"
#include "base/vec.h"
#include "rank/rank_priv.h"

#define SAMPLE 128 /* draws of what stands for the rest */
#define SHOWN_BITS 2048
#define NEWEST 64          /* newest items that are hardly chosen yet, at most, */
#define NEWEST_LOOKED 256U /* among so many of the newest */

static float *column(struct candidates *c, int part)
{
    return c->f + (size_t)part * MAX_CANDIDATES;
}

static void choose_mark(struct rank *r, uint32_t item)
{
    ((uint64_t *)(void *)r->chosen.rows)[item / 64] |= 1ULL << (item % 64);
}

static bool choose(struct rank *r, uint32_t item)
{
    uint64_t *word = (uint64_t *)(void *)r->chosen.rows + item / 64, bit = 1ULL << (item % 64);
    if (*word & bit || r->candidates.n == MAX_CANDIDATES - 1)
        return false;
    *word |= bit;
    r->candidates.items[r->candidates.n++] = item;
    return true;
}

static void unchoose_all(struct rank *r)
{
    uint64_t *words = (uint64_t *)(void *)r->chosen.rows;
    for (int i = 0; i < r->candidates.n; i++)
        words[r->candidates.items[i] / 64] = 0;
}

/* ---- the best of one part ---- */

static struct topk_bag bag_of(struct rank *r, int n)
{
    int room = 3 * n > 256 ? 3 * n : 256;
    return (struct topk_bag){.entries = r->heap,
                             .n_best = n,
                             .room = room < MAX_CANDIDATES ? room : MAX_CANDIDATES,
                             .threshold = -INFINITY,
                             .before = rank_before,
                             .ctx = r};
}

static void choose_best(struct rank *r, struct topk_bag *best)
{
    topk_bag_cut(best);
    for (int i = 0; i < best->n; i++)
        choose(r, best->entries[i].key);
}

/* A bag is filled with n in a register and no branch: most of the time of a small catalogue is spent here. */
static void put_panel(const struct rank *r, const struct query *q, uint32_t first,
                      struct topk_bag *best)
{
    uint32_t end = first + PANEL < r->pack.n_items ? first + PANEL : r->pack.n_items;
    topk_bag_space(best, PANEL);
    struct topk_entry *entries = best->entries;
    const uint8_t *served = r->served + first;
    uint32_t unmet = ~(uint32_t)(q->met[first / 64] >> (first % 64));
    float threshold = best->threshold;
    int n = best->n;
    for (uint32_t i = 0; i < end - first; i++) {
        float score = q->core[first + i];
        entries[n] = (struct topk_entry){score, first + i};
        n += (score >= threshold) & served[i] & (int)(unmet >> i & 1);
    }
    best->n = n;
}

static void best_of_core(struct rank *r, const struct query *q, int n)
{
    struct topk_bag best = bag_of(r, n);
    for (uint32_t first = 0; first < r->pack.n_items; first += PANEL)
        if (vec_reaches(q->core + first, best.threshold))
            put_panel(r, q, first, &best);
    choose_best(r, &best);
}

static void best_of_cooccur(struct rank *r, const struct query *q, int n)
{
    struct topk_bag best = bag_of(r, n);
    const float *sums = (const float *)(const void *)r->sums.rows;
    for (uint32_t i = 0; i < r->n_touched;) {
        uint32_t left = r->n_touched - i, space = (uint32_t)topk_bag_space(&best, PANEL);
        uint32_t end = i + (left < space ? left : space);
        float threshold = best.threshold;
        int in_bag = best.n;
        for (; i < end; i++) {
            uint32_t item = r->touched[i];
            best.entries[in_bag] = (struct topk_entry){sums[item], item};
            in_bag += (sums[item] >= threshold) & rank_eligible(r, q, item);
        }
        best.n = in_bag;
    }
    choose_best(r, &best);
}

static void most_popular(struct rank *r, const struct query *q)
{
    for (int h = 0; h < MODEL_HALF_LIVES; h++) {
        int n;
        const uint32_t *items = model_popular(r->model, h, &n);
        for (int i = 0; i < n; i++)
            if (rank_eligible(r, q, items[i]))
                choose(r, items[i]);
    }
}

/* On the surface that somebody without a history comes from. */
static void popular_there(struct rank *r, const struct query *q)
{
    uint32_t items[MODEL_POPULAR], surface = model_user_surface(r->model, q->user);
    int n =
        surface == ZL_NO_INDEX ? 0 : model_surface_popular(r->model, surface, items, MODEL_POPULAR);
    for (int i = 0; i < n; i++)
        if (rank_eligible(r, q, items[i]))
            choose(r, items[i]);
}

static void choose_all(struct rank *r, const struct query *q)
{
    for (uint32_t i = 0; i < r->pack.n_items; i++)
        if (rank_eligible(r, q, i))
            choose(r, i);
}

/* ---- co-occurrence, dense ---- */

/* Dense sums of the query's user, damped, in r->sums; they stay until candidates_done. */
static void sum_cooccur(struct rank *r, const struct query *q)
{
    float *sums = (float *)(void *)r->sums.rows;
    r->n_touched = model_cooccur(r->model, q->user, sums, r->touched);
    r->sums_total = model_cooccur_damp(r->model, r->touched, r->n_touched, sums);
}

void candidates_done(struct rank *r)
{
    float *sums = (float *)(void *)r->sums.rows;
    for (uint32_t i = 0; i < r->n_touched; i++)
        sums[r->touched[i]] = 0;
    r->n_touched = 0;
    model_subjects_end(r->model);
}

/* ---- features and scores ---- */

/* Bits of items that were shown: most candidates were not, and need not be looked for. */
static void mark_shown(const struct query *q, uint64_t shown[SHOWN_BITS / 64])
{
    memset(shown, 0, SHOWN_BITS / 8);
    for (uint32_t i = 0; i < q->n_shown; i++) {
        uint32_t bit = q->shown[i].item % SHOWN_BITS;
        shown[bit / 64] |= 1ULL << bit % 64;
    }
}

static void mix(struct rank *r, const struct query *q, int from)
{
    struct candidates *c = &r->candidates;
    int bucket;
    const double *w = model_mixer(r->model, q->user, &bucket);
    uint64_t shown[SHOWN_BITS / 64];
    mark_shown(q, shown);
    for (int i = from; i < c->n; i++) {
        uint32_t bit = c->items[i] % SHOWN_BITS;
        c->scores[i] = shown[bit / 64] >> bit % 64 & 1 ? -rank_penalty(r, q, c->items[i]) : 0;
    }
    for (int k = 0; k < MODEL_PARTS; k++) {
        const float *f = column(c, k);
        for (int i = from; i < c->n; i++)
            c->scores[i] += (float)w[k] * f[i];
    }
    uint32_t surface = model_user_surface(r->model, q->user);
    for (int i = from; i < c->n && surface != ZL_NO_INDEX; i++)
        c->scores[i] += model_surface_lift(r->model, surface, c->items[i]);
}

static void describe(struct rank *r, const struct query *q, int from)
{
    struct candidates *c = &r->candidates;
    const float *sums = (const float *)(const void *)r->sums.rows;
    for (int i = from; i < c->n; i++) {
        column(c, MODEL_CORE)[i] = q->core[c->items[i]];
        column(c, MODEL_COOCCUR)[i] = sums[c->items[i]];
    }
    model_features(r->model, c->items + from, c->n - from, r->sums_total, c->f + from,
                   MAX_CANDIDATES);
    model_subjects(r->model, c->items + from, c->n - from, column(c, MODEL_SUBJECTS) + from);
    model_newest(r->model, q->user, c->items + from, c->n - from, sums,
                 column(c, MODEL_LIKENESS) + from, column(c, MODEL_BACKWARD) + from);
    mix(r, q, from);
}

/* A uniform sample of the items that are no candidates, each standing for many: with it the softmax over what is here estimates the
 * softmax over all. Without it the mixer would only learn to tell good candidates from each other. */
static void add_sample(struct rank *r, const struct query *q, struct rng *rng)
{
    struct candidates *c = &r->candidates;
    int from = c->n;
    for (int i = 0; i < from; i++)
        choose_mark(r, c->items[i]);
    for (int i = 0; i < SAMPLE; i++) {
        uint32_t item = rng_below(rng, r->pack.n_items);
        if (rank_eligible(r, q, item))
            choose(r, item);
    }
    unchoose_all(r);
    describe(r, q, from);
    float stands_for =
              c->n > from ? ((float)r->pack.n_items - (float)from) / (float)(c->n - from) : 1,
          log_weight;
    special_log_all(&stands_for, &log_weight, 1);
    for (int i = from; i < c->n; i++)
        c->scores[i] += log_weight > 0 ? log_weight : 0;
}

/* n_core, n_cooccur: how many of the best by these parts. */
static void gather(struct rank *r, const struct query *q, int n_core, int n_cooccur)
{
    r->candidates.n = 0;
    sum_cooccur(r, q);
    model_subjects_begin(r->model, q->user);
    if (r->pack.n_items <= RANK_ALL) {
        choose_all(r, q);
    } else {
        best_of_core(r, q, n_core);
        best_of_cooccur(r, q, n_cooccur);
        most_popular(r, q);
        popular_there(r, q);
    }
    unchoose_all(r);
}

void candidates_to_learn(struct rank *r, const struct query *q, struct rng *rng)
{
    gather(r, q, BEST_TO_LEARN, BEST_TO_LEARN);
    describe(r, q, 0);
    r->candidates.n_listed = r->candidates.n;
    add_sample(r, q, rng);
}

void candidates_of(struct rank *r, const struct query *q)
{
    gather(r, q, BEST_OF_CORE + r->cfg.n, BEST_OF_COOCCUR);
    describe(r, q, 0);
    r->candidates.n_listed = r->candidates.n;
}

/* Items are numbered in the order they became known, so the newest stand at the end. */
void candidates_add_newest(struct rank *r, const struct query *q)
{
    struct candidates *c = &r->candidates;
    int from = c->n, left = NEWEST;
    if (r->pack.n_items <= RANK_ALL)
        return; /* all are here */
    for (int i = 0; i < from; i++)
        choose_mark(r, c->items[i]);
    uint32_t looked = r->pack.n_items < NEWEST_LOOKED ? r->pack.n_items : NEWEST_LOOKED;
    for (uint32_t i = 1; i <= looked && left > 0; i++) {
        uint32_t item = r->pack.n_items - i;
        if (rank_eligible(r, q, item) && model_item_positives(r->model, item) <= RANK_COLD)
            left -= choose(r, item);
    }
    unchoose_all(r);
    describe(r, q, from);
}

int candidates_place(struct rank *r, const struct query *q, uint32_t item)
{
    struct candidates *c = &r->candidates;
    for (int i = 0; i < c->n; i++)
        if (c->items[i] == item)
            return i;
    c->items[c->n++] = item;
    describe(r, q, c->n - 1);
    return c->n - 1;
}
