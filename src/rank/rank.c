/* Two passes. First every item gets its core score, four users at a time against one panel of 16 items, which is then in cache. Then each
 * user's candidates (candidates.c) are scored by the mixer and the best N kept. */
#include "rank/rank.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/vec.h"
#include "rank/rank_priv.h"

#define LANES_OF 4 /* users a kernel call */

static const struct lessons lessons = {.first_choices = 100, .in_items = 500, .most = 1 / 16.0};

static enum zl_status reserve_tables(struct rank *r, const struct ids *item_ids,
                                     struct zl_error *err)
{
    size_t n = r->cfg.max_items, bitmap = (n / 64 + 1) * sizeof(uint64_t);
    TRY(names_init(&r->names, item_ids, r->cfg.max_items, err));
    TRY(pack_init(&r->pack, model_k(r->model), r->cfg.max_items, err));
    TRY(table_init(&r->met, "the seen marks (catalog.max_items)", RANK_BLOCK, bitmap, err));
    TRY(table_init(&r->unit, "candidates' directions", MAX_CANDIDATES,
                   (size_t)model_k(r->model) * sizeof(float), err));
    TRY(table_init(&r->chosen, "the candidate marks (catalog.max_items)", 1, bitmap, err));
    TRY(table_init(&r->core, "core scores (catalog.max_items)", RANK_BLOCK,
                   (n + 4 * PANEL) * sizeof(float), err));
    TRY(table_init(&r->sums, "co-occurrence sums (catalog.max_items)", 1, n * sizeof(float), err));
    return table_init(&r->touched_list, "co-occurring items (catalog.max_items)", 1,
                      (n + 1) * sizeof(uint32_t), err);
}

static void make_queries(struct rank *r)
{
    size_t n = (size_t)r->cfg.n;
    r->touched = (uint32_t *)(void *)r->touched_list.rows;
    r->heap = xcalloc(MAX_CANDIDATES, sizeof *r->heap);
    for (int i = 0; i < RANK_BLOCK; i++) {
        struct query *q = &r->queries[i];
        q->items = xcalloc(n, sizeof *q->items);
        q->scores = xcalloc(n, sizeof *q->scores);
        q->slots = xcalloc(n, sizeof *q->slots);
        q->propensities = xcalloc(n, sizeof *q->propensities);
        q->z = xcalloc((size_t)model_k(r->model), sizeof *q->z);
        q->met = table_row(&r->met, (uint32_t)i);
        q->core = table_row(&r->core, (uint32_t)i);
    }
}

enum zl_status rank_open(const struct rank_config *cfg, struct model *m, const uint8_t *served,
                         const struct ids *item_ids, struct rank **out, struct zl_error *err)
{
    *out = NULL;
    ASSERT(cfg->n >= 1 && cfg->n <= ZL_MAX_LIST);
    struct rank *r = xcalloc(1, sizeof *r);
    r->cfg = *cfg;
    r->model = m;
    r->served = served;
    enum zl_status st = reserve_tables(r, item_ids, err);
    if (st != ZL_OK) {
        rank_close(r);
        return st;
    }
    make_queries(r);
    if (cfg->freeze_items > 0 && (st = frozen_open(cfg, m, &r->frozen, err)) != ZL_OK) {
        rank_close(r);
        return st;
    }
    *out = r;
    return ZL_OK;
}

void rank_close(struct rank *r)
{
    if (!r)
        return;
    for (int i = 0; i < RANK_BLOCK; i++) {
        free(r->queries[i].items);
        free(r->queries[i].scores);
        free(r->queries[i].slots);
        free(r->queries[i].propensities);
        free(r->queries[i].z);
    }
    free(r->heap);
    table_release(&r->touched_list);
    table_release(&r->sums);
    table_release(&r->core);
    table_release(&r->chosen);
    table_release(&r->unit);
    table_release(&r->met);
    pack_release(&r->pack);
    names_release(&r->names);
    frozen_close(r->frozen);
    free(r);
}

/* ---- one user ---- */

static void query_begin(struct rank *r, struct query *q, uint32_t user)
{
    q->user = user;
    q->seen = model_seen(r->model, user, &q->n_seen);
    q->shown = model_impressions(r->model, user, &q->n_shown);
    for (uint32_t i = 0; i < q->n_seen; i++)
        q->met[q->seen[i] / 64] |= 1ULL << (q->seen[i] % 64);
    q->n_hidden = model_hidden(r->model, user, q->hidden);
    for (uint32_t i = 0; i < q->n_hidden; i++)
        q->met[q->hidden[i] / 64] |= 1ULL << (q->hidden[i] % 64);
    memset(q->z, 0, (size_t)r->pack.k * sizeof *q->z);
    q->has_history = model_encode(r->model, user, q->z);
}

void rank_query_end(struct query *q)
{
    for (uint32_t i = 0; i < q->n_seen; i++)
        q->met[q->seen[i] / 64] = 0;
    for (uint32_t i = 0; i < q->n_hidden; i++)
        q->met[q->hidden[i] / 64] = 0;
}

float rank_penalty(const struct rank *r, const struct query *q, uint32_t item)
{
    for (uint32_t i = 0; i < q->n_shown; i++)
        if (q->shown[i].item == item)
            return (float)(r->cfg.impression_penalty * q->shown[i].times);
    return 0;
}

/* ---- core scores of all items ---- */

/* z is 0, so the score is the bias: one row of a panel is read instead of all. */
static void score_newcomer(struct rank *r, const struct query *q)
{
    for (uint32_t first = 0; first < r->pack.n_items; first += PANEL)
        memcpy(q->core + first, pack_panel(&r->pack, first / PANEL) + r->pack.k * PANEL,
               PANEL * sizeof(float));
}

static void score_one(struct rank *r, const struct query *q)
{
    long stride = (long)(r->pack.panels.stride_bytes / sizeof(float));
    for (uint32_t first = 0; first < r->pack.n_items;
         first += 4 * PANEL) /* the table has room for three panels more */
        vec_score_4panels(pack_panel(&r->pack, first / PANEL), stride, q->z, r->pack.k,
                          q->core + first);
}

/* n <= LANES_OF. */
static void score_group(struct rank *r, struct query *const *queries, int n)
{
    const float *z[LANES_OF];
    float scores[LANES_OF * PANEL];
    if (n == 1) {
        score_one(r, queries[0]);
        return;
    }
    for (int i = 0; i < LANES_OF; i++)
        z[i] = queries[i < n ? i : 0]->z;
    for (uint32_t first = 0; first < r->pack.n_items; first += PANEL) {
        vec_score_panel4(pack_panel(&r->pack, first / PANEL), z, r->pack.k, scores);
        for (int i = 0; i < n; i++)
            memcpy(queries[i]->core + first, scores + (size_t)i * PANEL, PANEL * sizeof(float));
    }
}

void rank_begin_all(struct rank *r, const uint32_t *users, int n)
{
    struct query *group[LANES_OF];
    int in_group = 0;
    ASSERT(n <= RANK_BLOCK);
    pack_refresh(&r->pack, r->model);
    names_refresh(&r->names, r->pack.n_items);
    for (int i = 0; i < n; i++) {
        query_begin(r, &r->queries[i], users[i]);
        if (r->queries[i].has_history)
            group[in_group++] = &r->queries[i];
        else
            score_newcomer(r, &r->queries[i]);
        if (in_group == LANES_OF || (i == n - 1 && in_group > 0)) {
            score_group(r, group, in_group);
            in_group = 0;
        }
    }
}

/* ---- lists ---- */

void rank_users(struct rank *r, const uint32_t *users, const struct zl_version *versions, int n,
                struct zl_slate *slates)
{
    rank_begin_all(r, users, n);
    for (int i = 0; i < n; i++) {
        candidates_of(r, &r->queries[i]);
        policy_lay(r, &r->queries[i], versions ? &versions[i] : NULL, &slates[i]);
        candidates_done(r);
        rank_query_end(&r->queries[i]);
    }
}

double rank_explore_propensity(struct rank *r, uint32_t user, const struct zl_version *v,
                               uint32_t item, int position)
{
    struct zl_slate slate;
    r->ask.item = item;
    r->ask.place = position;
    r->ask.answer = 0;
    rank_users(r, &user, v, 1, &slate);
    r->ask.place = 0;
    return r->ask.answer;
}

int rank_explore_chances(struct rank *r, uint32_t user, const struct zl_version *v, int position,
                         uint32_t items[RANK_EXPLORE_POOL], double pi[RANK_EXPLORE_POOL])
{
    struct explore_pool pool = {.n = 0};
    r->ask.pool = &pool;
    r->ask.pi = pi;
    rank_explore_propensity(r, user, v, ZL_NO_INDEX, position);
    r->ask.pool = NULL;
    memcpy(items, pool.items, (size_t)pool.n * sizeof *items);
    return pool.n;
}

/* ---- learning the mix ---- */

bool rank_takes_lesson(const struct model *m, const struct lessons *l, struct rng *rng)
{
    double first = l->first_choices / ((double)model_positives(m) + 1);
    double share = l->in_items / (model_items(m) + 1.0);
    share = share < l->most ? share : l->most;
    return rng_uniform(rng) < (share > first ? share : first);
}

/* Not from an item's first positive: where items enter the log with it, that would teach that the
 * newest item is always chosen. */
static bool learns_from(const struct rank *r, const struct zl_event *ev, struct rng *rng)
{
    if (ev->item == ZL_NO_INDEX || model_choice(r->model, ev) <= 0 ||
        model_item_positives(r->model, ev->item) == 0)
        return false;
    return rank_takes_lesson(r->model, &lessons, rng);
}

void rank_learn_mix(struct rank *r, const struct zl_event *ev)
{
    struct query *q = &r->queries[0];
    struct rng rng = rng_at(0x313, (uint64_t)ev->from.partition, (uint64_t)ev->from.offset,
                            (uint64_t)ev->from.index);
    if (!learns_from(r, ev, &rng))
        return;
    rank_begin_all(r, &ev->user, 1);
    q->n_shown = 0; /* its own showing came just before it */
    if (rank_eligible(r, q, ev->item)) {
        int bucket;
        candidates_to_learn(r, q, &rng);
        int place = candidates_place(r, q, ev->item);
        model_mixer(r->model, ev->user, &bucket);
        model_learn_mixer(r->model, bucket, r->candidates.f, MAX_CANDIDATES, r->candidates.scores,
                          r->candidates.n, place, model_correction(r->model, ev));
        candidates_done(r);
    }
    rank_query_end(q);
}
