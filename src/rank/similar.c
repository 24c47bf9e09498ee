/* A related list is a user's list for somebody of whom one item is known. So the parts are the same, and so is the way they are
 * weighed: nobody says how far vectors are to be believed beside co-occurrence, the next choices of real people do. What differs is who
 * is asked about: an item with three choices has a row of co-occurrence that is mostly chance, one with a thousand has the best
 * evidence there is. So weights are kept by the number of choices of the item. */
#include "rank/similar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/special.h"
#include "base/vec.h"
#include "rank/rank_priv.h"

#define BEST_BY_CORE 100
#define BAG (4 * BEST_BY_CORE)
#define SAMPLE 256 /* draws of what stands for the rest */

#define LEARNING_RATE 0.3

static const struct lessons lessons = {.first_choices = 150, .in_items = 1000, .most = 1 / 64.0};

struct weights {
    double w[RANK_SIMILAR_SIZES][RANK_SIMILAR_PARTS], g[RANK_SIMILAR_SIZES][RANK_SIMILAR_PARTS];
};

struct rank_similar {
    struct rank *r;
    int n;
    struct weights weights;
    struct rows_track track;
    struct table core, sums, touched, chosen;
    uint32_t n_touched;
    float *z;
    uint32_t item; /* whose list is under way */
    int n_candidates;
    uint32_t candidates[MAX_CANDIDATES];
    float f[MODEL_PARTS * MAX_CANDIDATES]; /* by column, as the model makes them */
    float scores[MAX_CANDIDATES];
    struct topk_entry best[BAG];
    struct rank_similar_list list;
};

static const int column_of[RANK_SIMILAR_PARTS] = {MODEL_CORE, MODEL_COOCCUR, MODEL_POP_MIDDLE};

static enum zl_status reserve(struct rank_similar *s, struct zl_error *err)
{
    size_t n = s->r->cfg.max_items;
    TRY(table_init(&s->core, "core scores of an item (catalog.max_items)", 1,
                   (n + 4 * PANEL) * sizeof(float), err));
    TRY(table_init(&s->sums, "co-occurrence of an item (catalog.max_items)", 1, n * sizeof(float),
                   err));
    TRY(table_init(&s->touched, "items beside an item (catalog.max_items)", 1, n * sizeof(uint32_t),
                   err));
    TRY(table_init(&s->chosen, "candidate marks of an item (catalog.max_items)", 1,
                   (n / 64 + 1) * 8, err));
    return rows_track_init(&s->track, 1, err);
}

enum zl_status rank_similar_open(struct rank *r, int n, struct rank_similar **out,
                                 struct zl_error *err)
{
    static const double start[RANK_SIMILAR_PARTS] = {1, 0.5, 0.2};
    *out = NULL;
    ASSERT(n >= 1 && n <= RANK_SIMILAR_MAX);
    struct rank_similar *s = xcalloc(1, sizeof *s);
    s->r = r;
    s->n = n;
    s->z = xcalloc((size_t)model_k(r->model), sizeof *s->z);
    for (int b = 0; b < RANK_SIMILAR_SIZES; b++)
        memcpy(s->weights.w[b], start, sizeof start);
    enum zl_status st = reserve(s, err);
    if (st != ZL_OK) {
        rank_similar_close(s);
        return st;
    }
    *out = s;
    return ZL_OK;
}

void rank_similar_close(struct rank_similar *s)
{
    if (!s)
        return;
    rows_track_release(&s->track);
    table_release(&s->chosen);
    table_release(&s->touched);
    table_release(&s->sums);
    table_release(&s->core);
    free(s->z);
    free(s);
}

static int size_of(uint32_t positives)
{
    return positives < 3 ? 0 : positives < 10 ? 1 : positives < 50 ? 2 : 3;
}

static int size_of_item(const struct rank_similar *s, uint32_t item)
{
    return size_of(model_item_positives(s->r->model, item));
}

const double *rank_similar_weights(const struct rank_similar *s, uint32_t positives)
{
    return s->weights.w[size_of(positives)];
}

static float *floats(const struct table *t)
{
    return (float *)(void *)t->rows;
}

static bool may_stand(const struct rank_similar *s, uint32_t item)
{
    return s->r->served[item] && item != s->item;
}

/* ---- all items by one part ---- */

static void score_core(struct rank_similar *s)
{
    struct rank *r = s->r;
    long stride = (long)(r->pack.panels.stride_bytes / sizeof(float));
    pack_refresh(&r->pack, r->model);
    model_similar_encode(r->model, s->item, s->z);
    for (uint32_t first = 0; first < r->pack.n_items; first += 4 * PANEL)
        vec_score_4panels(pack_panel(&r->pack, first / PANEL), stride, s->z, r->pack.k,
                          floats(&s->core) + first);
}

/* The damped sums; returns their total. */
static float sum_cooccur(struct rank_similar *s)
{
    float *sums = floats(&s->sums);
    uint32_t *touched = (uint32_t *)(void *)s->touched.rows;
    s->n_touched = model_similar_cooccur(s->r->model, s->item, sums, touched);
    return model_cooccur_damp(s->r->model, touched, s->n_touched, sums);
}

/* ---- candidates ---- */

static void choose(struct rank_similar *s, uint32_t item)
{
    uint64_t *word = (uint64_t *)(void *)s->chosen.rows + item / 64, bit = 1ULL << (item % 64);
    if (*word & bit || s->n_candidates == MAX_CANDIDATES - 1 || !may_stand(s, item))
        return;
    *word |= bit;
    s->candidates[s->n_candidates++] = item;
}

static void unmark(struct rank_similar *s)
{
    for (int i = 0; i < s->n_candidates; i++)
        ((uint64_t *)(void *)s->chosen.rows)[s->candidates[i] / 64] = 0;
}

static void put_panel(const struct rank_similar *s, uint32_t first, struct topk_bag *best)
{
    const float *core = floats(&s->core);
    uint32_t n = s->r->pack.n_items, end = first + PANEL < n ? first + PANEL : n;
    for (uint32_t i = first; i < end; i++)
        topk_bag_put(best, core[i], i, core[i] >= best->threshold && may_stand(s, i));
}

static void choose_by_core(struct rank_similar *s)
{
    struct topk_bag best = {.entries = s->best,
                            .n_best = BEST_BY_CORE,
                            .room = BAG,
                            .threshold = -INFINITY,
                            .before = rank_before,
                            .ctx = s->r};
    for (uint32_t first = 0; first < s->r->pack.n_items; first += PANEL)
        if (vec_reaches(floats(&s->core) + first, best.threshold))
            put_panel(s, first, &best);
    topk_bag_cut(&best);
    for (int i = 0; i < best.n; i++)
        choose(s, best.entries[i].key);
}

static void choose_candidates(struct rank_similar *s)
{
    int n;
    const uint32_t *touched = (const uint32_t *)(const void *)s->touched.rows,
                   *popular = model_popular(s->r->model, 1, &n);
    s->n_candidates = 0;
    if (s->r->pack.n_items <= RANK_ALL) {
        for (uint32_t i = 0; i < s->r->pack.n_items; i++)
            choose(s, i);
    } else {
        choose_by_core(s);
        for (uint32_t i = 0; i < s->n_touched; i++)
            choose(s, touched[i]);
        for (int i = 0; i < n; i++)
            choose(s, popular[i]);
    }
}

/* Drawn evenly among the items that are no candidates (candidates_add_sample says why). Returns log of how many each stands for. */
static float add_sample(struct rank_similar *s, struct rng *rng)
{
    int from = s->n_candidates;
    uint32_t n_items = s->r->pack.n_items;
    for (int i = 0; i < SAMPLE; i++)
        choose(s, rng_below(rng, n_items));
    int drawn = s->n_candidates - from;
    float stands_for = drawn ? ((float)n_items - (float)from) / (float)drawn : 1, log_weight;
    if (stands_for <= 1)
        return 0;
    special_log_all(&stands_for, &log_weight, 1);
    return log_weight;
}

/* ---- features and scores ---- */

static void describe(struct rank_similar *s, float total)
{
    const float *core = floats(&s->core), *sums = floats(&s->sums);
    const double *w = s->weights.w[size_of_item(s, s->item)];
    for (int i = 0; i < s->n_candidates; i++) {
        s->f[MODEL_CORE * MAX_CANDIDATES + i] = core[s->candidates[i]];
        s->f[MODEL_COOCCUR * MAX_CANDIDATES + i] = sums[s->candidates[i]];
        s->scores[i] = 0;
    }
    model_features(s->r->model, s->candidates, s->n_candidates, total, s->f, MAX_CANDIDATES);
    for (int p = 0; p < RANK_SIMILAR_PARTS; p++) {
        const float *f = s->f + (size_t)column_of[p] * MAX_CANDIDATES;
        for (int i = 0; i < s->n_candidates; i++)
            s->scores[i] += (float)w[p] * f[i];
    }
}

static void clear_sums(struct rank_similar *s)
{
    const uint32_t *touched = (const uint32_t *)(const void *)s->touched.rows;
    for (uint32_t i = 0; i < s->n_touched; i++)
        floats(&s->sums)[touched[i]] = 0;
    s->n_touched = 0;
}

/* Scores of the candidates; the dense core scores and sums stay until clear_sums. To learn: rng draws the sample, and `chosen` is
 * among the candidates in any case. */
static void prepare(struct rank_similar *s, uint32_t item, struct rng *rng, uint32_t chosen)
{
    s->item = item;
    score_core(s);
    float total = sum_cooccur(s), log_weight = 0;
    choose_candidates(s);
    int from = s->n_candidates;
    if (rng)
        log_weight = add_sample(s, rng);
    int until = s->n_candidates;
    if (rng)
        choose(s, chosen);
    unmark(s);
    describe(s, total);
    for (int i = from; i < until; i++)
        s->scores[i] += log_weight;
}

const struct rank_similar_list *rank_similar_of(struct rank_similar *s, uint32_t item)
{
    struct topk_entry heap[RANK_SIMILAR_MAX];
    struct topk best = {.heap = heap, .n_max = s->n, .before = rank_before, .ctx = s->r};
    struct rank_similar_list *out = &s->list;
    uint32_t *place = (uint32_t *)(void *)s->touched.rows; /* item -> candidate, for the parts */
    prepare(s, item, NULL, 0);
    clear_sums(s);
    for (int i = 0; i < s->n_candidates; i++) {
        place[s->candidates[i]] = (uint32_t)i;
        if (s->scores[i] >= topk_threshold(&best))
            topk_offer(&best, s->scores[i], s->candidates[i]);
    }
    topk_sort(&best);
    out->n = best.n;
    for (int i = 0; i < best.n; i++) {
        out->items[i] = best.heap[i].key;
        out->scores[i] = best.heap[i].score;
        for (int p = 0; p < RANK_SIMILAR_PARTS; p++)
            out->parts[p][i] = s->f[(size_t)column_of[p] * MAX_CANDIDATES + place[out->items[i]]];
    }
    return out;
}

/* ---- learning ---- */

static int place_of(const struct rank_similar *s, uint32_t item)
{
    for (int i = 0; i < s->n_candidates; i++)
        if (s->candidates[i] == item)
            return i;
    return -1;
}

/* Adagrad, not the mixer's Newton steps: of three parts no two say so nearly the same that single weights crawl. Tried with base/newton.c, a
 * matrix for each size, HR@10 of movielens100k and movietweetings: .1194 and .2441 (decay .996, prior 50), .1220 and .2421 (.999, 10), against
 * .1219 and .2429 by these steps: what one gains the other loses. */
static void step(struct rank_similar *s, int chosen)
{
    int size = size_of_item(s, s->item);
    double total = 0, mean[RANK_SIMILAR_PARTS] = {0};
    float most = -INFINITY;
    rows_touch(&s->track, 0);
    for (int i = 0; i < s->n_candidates; i++)
        most = s->scores[i] > most ? s->scores[i] : most;
    for (int i = 0; i < s->n_candidates; i++)
        s->scores[i] -= most;
    special_exp_all(s->scores, s->scores, s->n_candidates);
    for (int i = 0; i < s->n_candidates; i++) {
        total += (double)s->scores[i];
        for (int p = 0; p < RANK_SIMILAR_PARTS; p++)
            mean[p] += (double)s->scores[i] * (double)s->f[column_of[p] * MAX_CANDIDATES + i];
    }
    for (int p = 0; p < RANK_SIMILAR_PARTS; p++) {
        double *w = &s->weights.w[size][p], *g = &s->weights.g[size][p];
        double gradient = mean[p] / total - (double)s->f[column_of[p] * MAX_CANDIDATES + chosen];
        *g += gradient * gradient;
        *w -= LEARNING_RATE * gradient / sqrt(*g + 1);
    }
}

/* Not from an item's first positive: where items enter the log with it, that would teach that the newest is always chosen. */
static bool learns_from(const struct rank_similar *s, const struct zl_event *ev, struct rng *rng)
{
    const struct model *m = s->r->model;
    if (ev->item >= model_items(m) || !s->r->served[ev->item] ||
        model_item_positives(m, ev->item) == 0)
        return false;
    return rank_takes_lesson(m, &lessons, rng);
}

void rank_similar_learn(struct rank_similar *s, const struct zl_event *ev)
{
    uint32_t from;
    struct rng rng = rng_at(0x51A, (uint64_t)ev->from.partition, (uint64_t)ev->from.offset,
                            (uint64_t)ev->from.index);
    if (!model_similar_pair(s->r->model, ev, &from) || !learns_from(s, ev, &rng))
        return;
    prepare(s, from, &rng, ev->item);
    clear_sums(s);
    int place = place_of(s, ev->item);
    if (place >= 0) /* the candidates may be full */
        step(s, place);
}

/* ---- prequential ---- */

static double rank_dense(const struct rank_similar *s, uint32_t item, const float *scores)
{
    double above = 0, equal = 0;
    for (uint32_t i = 0; i < s->r->pack.n_items; i++) {
        if (i == item || scores[i] < scores[item] || !may_stand(s, i))
            continue;
        above += scores[i] > scores[item];
        equal += scores[i] == scores[item];
    }
    return 1 + above + equal / 2;
}

static double rank_mixed(const struct rank_similar *s, uint32_t item)
{
    double above = 0, equal = 0;
    int place = place_of(s, item);
    if (place < 0)
        return s->n_candidates + 1;
    for (int i = 0; i < s->n_candidates; i++) {
        above += s->scores[i] > s->scores[place];
        equal += i != place && s->scores[i] == s->scores[place];
    }
    return 1 + above + equal / 2;
}

bool rank_similar_test(struct rank_similar *s, const struct zl_event *ev,
                       struct rank_similar_result *out)
{
    uint32_t from;
    *out = (struct rank_similar_result){0};
    if (!model_similar_pair(s->r->model, ev, &from))
        return false;
    if (ev->item >= model_items(s->r->model) || !s->r->served[ev->item])
        return true; /* a miss for everyone */
    prepare(s, from, NULL, 0);
    out->mix = rank_mixed(s, ev->item);
    out->core = rank_dense(s, ev->item, floats(&s->core));
    out->cooccur = rank_dense(s, ev->item, floats(&s->sums));
    clear_sums(s);
    return true;
}

/* ---- rows ---- */

static uint32_t rows_count(const void *room)
{
    (void)room;
    return 1;
}

static void rows_write(const void *room, uint32_t key, struct rows_buffer *out)
{
    const struct rank_similar *s = room;
    (void)key;
    for (int b = 0; b < RANK_SIMILAR_SIZES; b++)
        for (int p = 0; p < RANK_SIMILAR_PARTS; p++) {
            rows_put_f64(out, s->weights.w[b][p]);
            rows_put_f64(out, s->weights.g[b][p]);
        }
}

static enum zl_status rows_read(void *room, uint32_t key, struct rows_cursor *in,
                                struct zl_error *err)
{
    struct rank_similar *s = room;
    for (int b = 0; b < RANK_SIMILAR_SIZES; b++)
        for (int p = 0; p < RANK_SIMILAR_PARTS; p++) {
            s->weights.w[b][p] = rows_get_f64(in);
            s->weights.g[b][p] = rows_get_f64(in);
        }
    if (key != 0 || in->bad || in->at != in->end)
        return zl_fail(err, ZL_EBADDATA, "row %u of related items is not of this form", key);
    return ZL_OK;
}

struct rows_table rank_similar_rows(struct rank_similar *s)
{
    return (struct rows_table){.kind = ROWS_SIMILAR,
                               .name = "related items",
                               .room = s,
                               .track = &s->track,
                               .count = rows_count,
                               .write = rows_write,
                               .read = rows_read};
}
