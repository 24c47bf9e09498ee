/* Item rows and the few operations that may change them. A learned row lies in one piece, x, q, the scalars, with content c, so a
 * step touches neighbouring lines; counts lie apart, since drawing negatives never needs them. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/vec.h"
#include "model/adagrad.h"
#include "model/model_priv.h"

#define RENEW_FLOOR 4e-4f /* of the squared length: a smaller move of content changes no list */
#define INITIAL_SCALE 0.5 /* of a row's length; anything small does (measured) */

enum zl_status items_init(struct items *t, const struct model_config *cfg, struct zl_error *err)
{
    t->n_vectors = cfg->content ? 3 : 2;
    size_t learned =
        (size_t)t->n_vectors * (size_t)cfg->k * sizeof(float) + sizeof(struct item_learned);
    learned = (learned + 63) & ~(size_t)63; /* rows start on a cache line */
    t->k = cfg->k;
    t->max_items = cfg->max_items;
    t->seed = cfg->seed;
    TRY(table_init(&t->learned, "item vectors (catalog.max_items)", cfg->max_items, learned, err));
    TRY(table_init(&t->stats, "item counts (catalog.max_items)", cfg->max_items,
                   (sizeof(struct item_stats) + 63) & ~(size_t)63, err));
    TRY(table_init(&t->in_window, "items in the window (catalog.max_items)", cfg->max_items / 4 + 1,
                   16, err));
    TRY(table_init(&t->changed, "marks of changed items (catalog.max_items)",
                   cfg->max_items / 128 + 1, 16, err));
    t->first_changed = 0;
    return rows_track_init(&t->track, cfg->max_items, err);
}

void items_release(struct items *t)
{
    rows_track_release(&t->track);
    table_release(&t->changed);
    table_release(&t->in_window);
    table_release(&t->stats);
    table_release(&t->learned);
}

static void mark_changed(struct items *t, uint32_t item)
{
    ((uint64_t *)(void *)t->changed.rows)[item / 64] |= 1ULL << item % 64;
    t->first_changed = item / 64 < t->first_changed ? item / 64 : t->first_changed;
}

uint32_t items_take_changed(struct items *t, uint32_t *items, uint32_t max)
{
    uint64_t *words = (uint64_t *)(void *)t->changed.rows;
    uint32_t n = 0, end = (t->count + 63) / 64;
    for (; t->first_changed < end; t->first_changed++)
        for (uint64_t *word = &words[t->first_changed]; *word; *word &= *word - 1) {
            if (n == max)
                return n;
            items[n++] = 64 * t->first_changed + (uint32_t)__builtin_ctzll(*word);
        }
    return n;
}

static void init_row(struct items *t, uint32_t item)
{
    struct rng rng = rng_at(t->seed, 0xA11, item, 0);
    /* uniform of that deviation */
    float scale = (float)(INITIAL_SCALE * 1.7320508 / sqrt((double)t->k));
    float *x = items_x(t, item);
    for (int f = 0; f < 2 * t->k; f++)
        x[f] = scale * (float)(2 * rng_uniform(&rng) - 1);
    if (t->n_vectors > 2)
        memset(items_c(t, item), 0, (size_t)t->k * sizeof(float));
    *items_learned(t, item) = (struct item_learned){0};
    struct item_stats *s = items_stats(t, item);
    for (int h = 0; h < MODEL_HALF_LIVES; h++)
        s->pop[h] = -INFINITY;
    s->count = -INFINITY;
    s->damp = 1;
    s->known = true;
}

void items_know(struct items *t, uint32_t item)
{
    ASSERT(item < t->max_items);
    if (item < t->count && items_stats(t, item)->known)
        return;
    rows_touch(&t->track, item);
    if (item >= t->count)
        t->count = item + 1;
    init_row(t, item);
    mark_changed(t, item);
}

struct item_stats *items_stats_to_change(struct items *t, uint32_t item)
{
    rows_touch(&t->track, item);
    return items_stats(t, item);
}

void items_step_output(struct items *t, uint32_t item, float d, const float *z, float z_norm2,
                       float learning_rate)
{
    rows_touch(&t->track, item);
    struct item_learned *l = items_learned(t, item);
    float mean_square = d * d * z_norm2 / (float)t->k;
    vec_add(items_q(t, item), -d * adagrad_size(&l->gq, mean_square, learning_rate), z, t->k);
    l->b -= d * adagrad_size(&l->gb, d * d, learning_rate);
    mark_changed(t, item);
}

void items_step_history(struct items *t, uint32_t item, float w, const float *gz, float gz_norm2,
                        float learning_rate)
{
    rows_touch(&t->track, item);
    struct item_learned *l = items_learned(t, item);
    float mean_square = w * w * gz_norm2 / (float)t->k;
    vec_add(items_x(t, item), -w * adagrad_size(&l->gx, mean_square, learning_rate), gz, t->k);
    vec_add(items_q(t, item), -w * adagrad_size(&l->gq, mean_square, learning_rate), gz, t->k);
    mark_changed(t, item);
}

void items_renew(struct items *t, uint32_t item, const float *c)
{
    VEC_SCRATCH float moved[MODEL_MAX_K];
    float *kept = items_c(t, item);
    memcpy(moved, c, (size_t)t->k * sizeof *moved);
    vec_add(moved, -1, kept, t->k);
    if (vec_dot(moved, moved, t->k) <= RENEW_FLOOR * vec_dot(kept, kept, t->k))
        return;
    rows_touch(&t->track, item);
    vec_add(items_q(t, item), 1, moved, t->k);
    memcpy(kept, c, (size_t)t->k * sizeof *kept);
    mark_changed(t, item);
}

/* ---- rows ---- */

static uint32_t rows_count(const void *room)
{
    const struct items *t = room;
    return t->count;
}

static void rows_write(const void *room, uint32_t key, struct rows_buffer *out)
{
    const struct items *t = room;
    const struct item_stats *s = items_stats(t, key);
    const struct item_learned *l = items_learned(t, key);
    rows_put_u8(out, s->known);
    if (!s->known)
        return;
    rows_put_f32s(out, items_x(t, key), 2 * (size_t)t->k);
    if (t->n_vectors > 2)
        rows_put_f32s(out, items_c(t, key), (size_t)t->k);
    rows_put_f32(out, l->b);
    rows_put_f32(out, l->gx);
    rows_put_f32(out, l->gq);
    rows_put_f32(out, l->gb);
    rows_put_u32s(out, s->counts, ZL_N_EVENT_TYPES);
    rows_put_i64(out, s->reward_table_micro);
    rows_put_i64(out, s->last_ms);
    rows_put_i64(out, s->first_ms);
    for (int h = 0; h < MODEL_HALF_LIVES; h++)
        rows_put_f64(out, s->pop[h]);
    rows_put_u64(out, s->first);
    rows_put_u64(out, s->last);
    rows_put_u32(out, s->positives);
    rows_put_f64(out, s->count);
    rows_put_f32(out, s->damp);
    rows_put_f32(out, s->shown_explore);
    rows_put_f32(out, s->reward_explore);
}

static enum zl_status rows_read(void *room, uint32_t key, struct rows_cursor *in,
                                struct zl_error *err)
{
    struct items *t = room;
    if (key >= t->max_items)
        return zl_fail(err, ZL_EBADDATA, "item row %u is beyond catalog.max_items %u", key,
                       t->max_items);
    if (key >= t->count)
        t->count = key + 1;
    if (!rows_get_u8(in))
        return in->bad ? zl_fail(err, ZL_EBADDATA, "item row %u is empty", key) : ZL_OK;
    struct item_stats *s = items_stats(t, key);
    struct item_learned *l = items_learned(t, key);
    s->known = true;
    rows_get_f32s(in, items_x(t, key), 2 * (size_t)t->k);
    if (t->n_vectors > 2)
        rows_get_f32s(in, items_c(t, key), (size_t)t->k);
    l->b = rows_get_f32(in);
    l->gx = rows_get_f32(in);
    l->gq = rows_get_f32(in);
    l->gb = rows_get_f32(in);
    rows_get_u32s(in, s->counts, ZL_N_EVENT_TYPES);
    s->reward_table_micro = rows_get_i64(in);
    s->last_ms = rows_get_i64(in);
    s->first_ms = rows_get_i64(in);
    for (int h = 0; h < MODEL_HALF_LIVES; h++)
        s->pop[h] = rows_get_f64(in);
    s->first = rows_get_u64(in);
    s->last = rows_get_u64(in);
    s->positives = rows_get_u32(in);
    s->count = rows_get_f64(in);
    s->damp = rows_get_f32(in);
    s->shown_explore = rows_get_f32(in);
    s->reward_explore = rows_get_f32(in);
    mark_changed(t, key);
    if (in->bad || in->at != in->end)
        return zl_fail(err, ZL_EBADDATA,
                       "item row %u is not of this form (is model.k that of the checkpoint?)", key);
    return ZL_OK;
}

struct rows_table items_rows(struct items *t)
{
    return (struct rows_table){.kind = ROWS_ITEMS,
                               .name = "items",
                               .room = t,
                               .track = &t->track,
                               .count = rows_count,
                               .write = rows_write,
                               .read = rows_read};
}
