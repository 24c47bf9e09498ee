/* A sweep goes over all items, a slice a turn, and keeps the best n of every category in a heap; at its end each heap is held against
 * the list that was written last. Nothing is counted here: the model's decayed counts are the popularity. */
#include "app/hot.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/metrics.h"
#include "base/special.h"
#include "base/topk.h"

#define SLICE 1024U
#define LISTS (HOT_CATEGORIES + MODEL_SURFACES)

static const char of_surface[] = "surface:";

struct category {            /* or surface */
    struct topk_entry *heap; /* n entries; made when the first item comes */
    uint32_t *list;          /* what was sent last */
    int n_heap, n_list;
    bool has_list, due;
    int64_t written_ns;
    uint64_t name_hash; /* of a surface: its place may be taken by another */
};

struct hot {
    struct hot_config cfg;
    const struct model *model;
    const struct catalog *catalog;
    struct sink *sink;
    const struct ids *items;
    const struct zl_positions *positions;
    struct ids *names;           /* categories: 0 is "all" */
    struct category *categories; /* HOT_CATEGORIES of them, then the model's surfaces */
    bool sweeping, changed, swept;
    uint32_t sweep_at, send_at, n_due, n_on_the_way;
    uint64_t positives, connections;
    int64_t begun_ns;
    struct zl_span list[ZL_MAX_LIST];
    float scores[ZL_MAX_LIST], popularity[SLICE];
    char name[sizeof of_surface + MODEL_SURFACE_NAME];
};

enum zl_status hot_open(const struct hot_config *cfg, const struct model *m,
                        const struct catalog *c, struct sink *sink, const struct ids *items,
                        const struct zl_positions *positions, struct hot **out,
                        struct zl_error *err)
{
    struct hot *h = xcalloc(1, sizeof *h);
    *out = NULL;
    h->cfg = *cfg;
    h->model = m;
    h->catalog = c;
    h->sink = sink;
    h->items = items;
    h->positions = positions;
    h->categories = xcalloc(LISTS, sizeof *h->categories);
    enum zl_status st =
        ids_open(ROWS_ITEM_IDS, "categories", HOT_CATEGORIES, &h->names, err); /* never saved */
    if (st != ZL_OK) {
        hot_close(h);
        return st;
    }
    ids_intern(h->names, ZL_SPAN("all"));
    *out = h;
    return ZL_OK;
}

void hot_close(struct hot *h)
{
    if (!h)
        return;
    for (uint32_t i = 0; i < LISTS; i++) {
        free(h->categories[i].heap);
        free(h->categories[i].list);
    }
    ids_close(h->names);
    free(h->categories);
    free(h);
}

void hot_changed(struct hot *h)
{
    if (h)
        h->changed = true;
}

/* ---- the sweep ---- */

static bool earlier(const void *ctx, uint32_t a, uint32_t b)
{
    const struct hot *h = ctx;
    return zl_span_compare(ids_name(h->items, a), ids_name(h->items, b)) < 0;
}

static struct category *category_of(struct hot *h, uint32_t index)
{
    struct category *c = &h->categories[index];
    if (!c->heap) {
        c->heap = xcalloc((size_t)h->cfg.n, sizeof *c->heap);
        c->list = xcalloc((size_t)h->cfg.n, sizeof *c->list);
    }
    return c;
}

static void offer(struct hot *h, uint32_t index, uint32_t item, float score)
{
    struct category *c = category_of(h, index);
    struct topk best = {
        .heap = c->heap, .n = c->n_heap, .n_max = h->cfg.n, .before = earlier, .ctx = h};
    if (score >= topk_threshold(&best))
        topk_offer(&best, score, item);
    c->n_heap = best.n;
}

static bool begins(struct zl_span text, const char *with)
{
    size_t n = strlen(with);
    return text.len >= n && memcmp(text.ptr, with, n) == 0;
}

static uint32_t index_of(struct hot *h, struct zl_span category)
{
    bool has_none = category.len == 0 || begins(category, of_surface);
    return has_none ? ZL_NO_INDEX : ids_intern(h->names, category);
}

void hot_leaving(struct hot *h, struct zl_span category)
{
    uint32_t index = h ? index_of(h, category) : ZL_NO_INDEX;
    if (index != ZL_NO_INDEX)
        category_of(h, index);
}

static void offer_item(struct hot *h, uint32_t item, float score)
{
    struct catalog_item about;
    if (!catalog_served(h->catalog, item) || model_item_positives(h->model, item) == 0)
        return;
    offer(h, 0, item, score);
    catalog_get(h->catalog, item, &about);
    uint32_t index = index_of(h, about.category);
    if (index != ZL_NO_INDEX && index > 0)
        offer(h, index, item, score);
}

static bool wants_sweep(const struct hot *h, int64_t now_ns)
{
    if (!h->swept || h->changed)
        return true;
    return h->positives != model_positives(h->model) && now_ns - h->begun_ns >= h->cfg.every_ns;
}

static void begin(struct hot *h, int64_t now_ns)
{
    h->sweeping = true;
    h->changed = false;
    h->sweep_at = 0;
    h->begun_ns = now_ns;
    h->positives = model_positives(h->model);
    for (uint32_t i = 0; i < LISTS; i++)
        h->categories[i].n_heap = 0;
}

static void judge(struct hot *h, struct category *c, int64_t now_ns)
{
    struct topk best = {
        .heap = c->heap, .n = c->n_heap, .n_max = h->cfg.n, .before = earlier, .ctx = h};
    bool differs = !c->has_list || c->n_list != c->n_heap ||
                   now_ns - c->written_ns > h->cfg.ttl_ms / 2 * 1000000;
    topk_sort(&best);
    for (int i = 0; i < c->n_heap; i++) {
        differs |= c->list[i] != c->heap[i].key;
        c->list[i] = c->heap[i].key;
    }
    c->n_list = c->n_heap;
    if (!differs || c->due || !c->heap)
        return;
    c->due = true;
    h->n_due++;
}

/* ---- surfaces: few items are counted there, and the rest stand as in the list of all ---- */

static void offer_there(struct hot *h, uint32_t surface, uint32_t item)
{
    float score;
    if (!catalog_served(h->catalog, item) || model_item_positives(h->model, item) == 0)
        return;
    model_popularity(h->model, item, 1, &score);
    offer(h, HOT_CATEGORIES + surface, item,
          score + model_surface_lift(h->model, surface, item) / (float)SPECIAL_LN2);
}

static bool is_among(uint32_t item, const uint32_t *items, int n)
{
    for (int i = 0; i < n; i++)
        if (items[i] == item)
            return true;
    return false;
}

static void make_surface(struct hot *h, uint32_t surface)
{
    struct category *c = &h->categories[HOT_CATEGORIES + surface];
    struct zl_span name = model_surface_name(h->model, surface);
    uint64_t name_hash = hash_bytes(name.ptr, name.len, 0);
    uint32_t items[MODEL_SURFACE_ITEMS];
    int n = model_surface_popular(h->model, surface, items, MODEL_SURFACE_ITEMS);
    c->has_list &= c->name_hash == name_hash;
    c->name_hash = name_hash;
    for (int i = 0; i < n; i++)
        offer_there(h, surface, items[i]);
    for (int i = 0; i < h->categories[0].n_heap; i++)
        if (!is_among(h->categories[0].heap[i].key, items, n))
            offer_there(h, surface, h->categories[0].heap[i].key);
}

/* The heaps stay as they are, sorted, until the next sweep: scores are read from them. */
static void end(struct hot *h, int64_t now_ns)
{
    h->sweeping = false;
    h->swept = true;
    for (uint32_t i = 0; i < model_surfaces(h->model); i++)
        make_surface(h, i);
    for (uint32_t i = 0; i < LISTS; i++)
        judge(h, &h->categories[i], now_ns);
}

static void sweep(struct hot *h, int64_t now_ns)
{
    uint32_t n = model_items(h->model) - h->sweep_at;
    n = n < SLICE ? n : SLICE;
    model_popularity(h->model, h->sweep_at, n, h->popularity);
    for (uint32_t i = 0; i < n; i++)
        offer_item(h, h->sweep_at + i, h->popularity[i]);
    h->sweep_at += n;
    if (h->sweep_at == model_items(h->model))
        end(h, now_ns);
}

/* ---- out ---- */

static struct zl_span name_of(struct hot *h, uint32_t index)
{
    if (index < HOT_CATEGORIES)
        return ids_name(h->names, index);
    struct zl_span surface = model_surface_name(h->model, index - HOT_CATEGORIES);
    size_t n = sizeof of_surface - 1;
    memcpy(h->name, of_surface, n);
    memcpy(h->name + n, surface.ptr, surface.len);
    return (struct zl_span){h->name, n + surface.len};
}

static void send(struct hot *h, uint32_t index, int64_t now_ns)
{
    struct category *c = &h->categories[index];
    struct sink_list list = {.key = SINK_HOT,
                             .token = h->cfg.token | index,
                             .user_id = name_of(h, index),
                             .ttl_ms = h->cfg.ttl_ms,
                             .n = c->n_list,
                             .items = h->list,
                             .scores = h->scores};
    list.version = similar_version(h->positions, h->cfg.incarnation, h->cfg.epoch, &list.ts_ms);
    for (int i = 0; i < c->n_list; i++) {
        h->list[i] = ids_name(h->items, c->list[i]);
        h->scores[i] = (float)special_exp2((double)c->heap[i].score);
    }
    c->due = false;
    c->has_list = true;
    c->written_ns = now_ns;
    h->n_due--;
    h->n_on_the_way++;
    sink_put(h->sink, &list);
}

static void send_due(struct hot *h, int64_t now_ns)
{
    for (int i = 0; i < 32 && h->n_due && sink_room(h->sink) > 0; h->send_at++) {
        if (h->send_at >= LISTS)
            h->send_at = 0;
        if (!h->categories[h->send_at].due)
            continue;
        send(h, h->send_at, now_ns);
        i++;
    }
}

void hot_take_answer(struct hot *h, const struct sink_answer *a)
{
    uint32_t index = (uint32_t)(a->token & ~h->cfg.token);
    h->n_on_the_way--;
    metrics_add(METRIC_HOT_LISTS, a->result, 1);
    if (a->result == SINK_WRITTEN)
        return;
    h->categories[index].has_list = false; /* the next sweep sends it */
    h->positives = 0;
}

/* ---- turns ---- */

static void watch_connection(struct hot *h)
{
    if (h->connections == sink_connections(h->sink))
        return;
    h->connections = sink_connections(h->sink);
    for (uint32_t i = 0; i < LISTS; i++)
        h->categories[i].has_list = false;
    h->swept = false;
}

void hot_turn(struct hot *h, int64_t now_ns, bool feed_waits)
{
    if (!h || h->cfg.at_end || feed_waits)
        return;
    watch_connection(h);
    if (!h->sweeping && h->n_due == 0 && wants_sweep(h, now_ns))
        begin(h, now_ns);
    if (h->sweeping)
        sweep(h, now_ns);
    else
        send_due(h, now_ns);
}

bool hot_finish(struct hot *h)
{
    if (!h || !h->cfg.at_end)
        return true;
    if (!h->swept)
        begin(h, 0);
    while (h->sweeping)
        sweep(h, 0);
    send_due(h, 0);
    return h->n_due == 0 && h->n_on_the_way == 0;
}

int64_t hot_next_ns(const struct hot *h)
{
    if (!h || h->cfg.at_end || sink_room(h->sink) == 0)
        return INT64_MAX;
    if (h->sweeping || h->n_due || h->changed || !h->swept)
        return 0;
    return h->positives != model_positives(h->model) ? h->begun_ns + h->cfg.every_ns : INT64_MAX;
}
