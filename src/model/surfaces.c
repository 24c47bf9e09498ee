/* A surface is a row of counts by item, in the table that co-occurrence is kept in: what is chosen after an item and what is chosen on a
 * surface are the same kind of thing. Both need rows that forget, and that keep their strongest entries only.
 *
 * The user's row remembers the newest surface by its hash, so a surface that lost its place says nothing any more. */
#include "model/surfaces.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/special.h"
#include "base/topk.h"
#include "model/model_priv.h"

#define KEY_SEED 0x5afaceULL
#define CLOCK 0        /* of the slow half-life */
#define HARDLY_ANY 0.0 /* log2 of one decayed choice: a surface with less may lose its place */

enum zl_status surfaces_init(struct surfaces *s, struct zl_error *err)
{
    TRY(cooccur_init(&s->items, MODEL_SURFACES, err));
    return rows_track_init(&s->track, MODEL_SURFACES, err);
}

void surfaces_release(struct surfaces *s)
{
    rows_track_release(&s->track);
    cooccur_release(&s->items);
}

uint64_t surfaces_key(struct zl_span name)
{
    if (name.len == 0 || name.len > MODEL_SURFACE_NAME)
        return 0;
    uint64_t key = hash_bytes(name.ptr, name.len, KEY_SEED);
    return key ? key : 1;
}

static uint32_t find(const struct surfaces *s, uint64_t key)
{
    for (uint32_t i = 0; key && i < s->count; i++)
        if (s->at[i].key == key)
            return i;
    return ZL_NO_INDEX;
}

/* A free place, or that of the least chosen when hardly anything is left of it. */
static uint32_t place_for(struct surfaces *s, double now)
{
    uint32_t least = 0;
    if (s->count < MODEL_SURFACES)
        return s->count;
    for (uint32_t i = 1; i < s->count; i++)
        if (s->at[i].total < s->at[least].total)
            least = i;
    return s->at[least].total - now < HARDLY_ANY ? least : ZL_NO_INDEX;
}

static uint32_t take_place(struct surfaces *s, struct zl_span name, double now)
{
    uint64_t key = surfaces_key(name);
    uint32_t at = find(s, key);
    if (at != ZL_NO_INDEX || key == 0 || (at = place_for(s, now)) == ZL_NO_INDEX)
        return at;
    rows_touch(&s->track, at);
    if (at == s->count)
        s->count++;
    else
        cooccur_clear(&s->items, at);
    s->at[at] = (struct surface){.key = key, .total = -INFINITY, .len = (uint32_t)name.len};
    memcpy(s->at[at].name, name.ptr, name.len);
    return at;
}

void surfaces_add(struct model *m, struct zl_span name, uint32_t item, double weight)
{
    struct surfaces *s = &m->surfaces;
    double now = m->decay.now[CLOCK];
    uint32_t at = m->cfg.surface_evidence > 0 ? take_place(s, name, now) : ZL_NO_INDEX;
    if (at == ZL_NO_INDEX || weight <= 0)
        return;
    rows_touch(&s->track, at);
    s->at[at].total = now + special_log2(special_exp2(s->at[at].total - now) + weight);
    cooccur_add(&s->items, at, item, (float)weight, now);
}

/* ---- what rank and the popularity lists ask ---- */

uint32_t model_surfaces(const struct model *m)
{
    return m->cfg.surface_evidence > 0 ? m->surfaces.count : 0;
}

struct zl_span model_surface_name(const struct model *m, uint32_t surface)
{
    const struct surface *s = &m->surfaces.at[surface];
    return (struct zl_span){s->name, s->len};
}

uint32_t model_user_surface(const struct model *m, uint32_t user)
{
    if (user >= m->users.count || m->cfg.surface_evidence <= 0)
        return ZL_NO_INDEX;
    const struct user *u = users_row(&m->users, user);
    return u->n_history || u->opted_out ? ZL_NO_INDEX : find(&m->surfaces, u->surface);
}

float model_surface_lift(const struct model *m, uint32_t surface, uint32_t item)
{
    double now = m->decay.now[CLOCK], k = m->cfg.surface_evidence;
    double count = (double)cooccur_weight(&m->surfaces.items, surface, item, now);
    double expected = special_exp2(m->surfaces.at[surface].total - now +
                                   items_stats(&m->items, item)->pop[CLOCK] - m->pop_total[CLOCK]);
    return (float)(special_log2((count + k) / (expected + k)) * SPECIAL_LN2);
}

static bool lower(const void *ctx, uint32_t a, uint32_t b)
{
    (void)ctx;
    return a < b;
}

int model_surface_popular(const struct model *m, uint32_t surface, uint32_t *items, int max)
{
    struct topk_entry heap[MODEL_SURFACE_ITEMS];
    struct topk best = {.heap = heap, .n_max = max, .before = lower};
    float scale;
    const struct cooccur_row *r =
        cooccur_row(&m->surfaces.items, surface, m->decay.now[CLOCK], &scale);
    for (uint32_t i = 0; r && i < r->capacity; i++)
        if (r->slots[i].item != ZL_NO_INDEX && r->slots[i].weight >= topk_threshold(&best))
            topk_offer(&best, r->slots[i].weight, r->slots[i].item);
    for (int i = 0; i < best.n; i++)
        items[i] = heap[i].key;
    return best.n;
}

/* ---- rows ---- */

static uint32_t rows_count(const void *room)
{
    const struct surfaces *s = room;
    return s->count;
}

static void rows_write(const void *room, uint32_t key, struct rows_buffer *out)
{
    const struct surface *s = &((const struct surfaces *)room)->at[key];
    rows_put_f64(out, s->total);
    rows_put_span(out, (struct zl_span){s->name, s->len});
}

static enum zl_status rows_read(void *room, uint32_t key, struct rows_cursor *in,
                                struct zl_error *err)
{
    struct surfaces *s = room;
    double total = rows_get_f64(in);
    struct zl_span name = rows_get_span(in);
    if (in->bad || in->at != in->end || key >= MODEL_SURFACES || surfaces_key(name) == 0)
        return zl_fail(err, ZL_EBADDATA, "surface row %u is not of this form", key);
    if (key >= s->count)
        s->count = key + 1;
    s->at[key] =
        (struct surface){.key = surfaces_key(name), .total = total, .len = (uint32_t)name.len};
    memcpy(s->at[key].name, name.ptr, name.len);
    return ZL_OK;
}

struct rows_table surfaces_rows(struct surfaces *s)
{
    return (struct rows_table){.kind = ROWS_SURFACES,
                               .name = "surfaces",
                               .room = s,
                               .track = &s->track,
                               .count = rows_count,
                               .write = rows_write,
                               .read = rows_read};
}

struct rows_table surfaces_item_rows(struct surfaces *s)
{
    struct rows_table t = cooccur_rows(&s->items);
    t.kind = ROWS_SURFACE_ITEMS;
    t.name = "choices by surface";
    return t;
}
