/* One small hash table an item. Weights are not decayed one by one: a row's weights are as of its `since`, new ones are added larger by
 * 2^(now - since), and the row is brought up to date when that factor grows large. A row that is too full keeps its
 * strongest entries, ties by item, so that what is kept does not depend on where entries lie.
 *
 * Which slots are taken stands in bits behind them: whoever reads a row goes from bit to bit. */
#include "model/cooccur.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/special.h"
#include "base/vec.h"
#include "zhiliu/event.h"

#define KEEP 300U
#define FULL (COOCCUR_ENTRIES - 1U)
#define FIRST_CAPACITY 8U
#define STALE_HALF_LIVES 8.0 /* a row this old is rescaled before it is added to */
#define NEXT_OLDER 0.9f      /* what an item one place further back in the history is tied by */
#define BACK 0.5f            /* and of that, from the chosen one back: what comes after says more */

enum zl_status cooccur_init(struct cooccur *c, uint32_t max_items, struct zl_error *err)
{
    c->max_items = max_items;
    TRY(table_init(&c->rows, "co-occurrence rows (catalog.max_items)", max_items,
                   sizeof(struct cooccur_row), err));
    return rows_track_init(&c->track, max_items, err);
}

static struct cooccur_row *row_of(const struct cooccur *c, uint32_t item)
{
    return table_row(&c->rows, item);
}

void cooccur_release(struct cooccur *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        free(row_of(c, i)->slots);
    rows_track_release(&c->track);
    table_release(&c->rows);
}

/* ---- the hash table of a row ---- */

static uint32_t home(const struct cooccur_row *r, uint32_t item)
{
    return (item * 2654435761U) >> 7 & (r->capacity - 1);
}

static struct cooccur_entry *probe(const struct cooccur_row *r, uint32_t item)
{
    for (uint32_t i = home(r, item);; i = (i + 1) & (r->capacity - 1))
        if (r->slots[i].item == item || r->slots[i].item == ZL_NO_INDEX)
            return &r->slots[i];
}

static uint32_t words_of(uint32_t capacity)
{
    return (capacity + 63) / 64;
}

/* Free slots, then a bit for each of them. */
static struct cooccur_entry *free_slots(uint32_t capacity)
{
    struct cooccur_entry *slots =
        xrealloc(NULL, capacity * sizeof *slots + words_of(capacity) * sizeof(uint64_t), 1);
    for (uint32_t i = 0; i < capacity; i++)
        slots[i] = (struct cooccur_entry){ZL_NO_INDEX, 0};
    memset(slots + capacity, 0, words_of(capacity) * sizeof(uint64_t));
    return slots;
}

static uint64_t *taken(const struct cooccur_row *r)
{
    return (uint64_t *)(void *)(r->slots + r->capacity);
}

static void take_slot(struct cooccur_row *r, struct cooccur_entry *slot, struct cooccur_entry e)
{
    uint32_t at = (uint32_t)(slot - r->slots);
    *slot = e;
    taken(r)[at / 64] |= 1ULL << at % 64;
}

static void rebuild(struct cooccur_row *r, uint32_t capacity, const struct cooccur_entry *entries,
                    uint32_t n)
{
    struct cooccur_entry *old = r->slots;
    r->slots = free_slots(capacity);
    r->capacity = capacity;
    r->n = n;
    for (uint32_t i = 0; i < n; i++)
        take_slot(r, probe(r, entries[i].item), entries[i]);
    free(old);
}

uint32_t cooccur_entries(const struct cooccur_row *r, struct cooccur_entry *out)
{
    uint32_t n = 0;
    for (uint32_t w = 0; w < words_of(r->capacity); w++)
        for (uint64_t left = taken(r)[w]; left; left &= left - 1)
            out[n++] = r->slots[64 * w + (uint32_t)__builtin_ctzll(left)];
    return n;
}

/* A weight is never negative, so its bits order as it does: turned over, the strongest come first, then the least item. */
static uint64_t order_of(struct cooccur_entry e)
{
    uint32_t bits;
    memcpy(&bits, &e.weight, sizeof bits);
    return (uint64_t)~bits << 32 | e.item;
}

static struct cooccur_entry entry_of(uint64_t order)
{
    struct cooccur_entry e = {(uint32_t)order, 0};
    uint32_t bits = ~(uint32_t)(order >> 32);
    memcpy(&e.weight, &bits, sizeof bits);
    return e;
}

/* Runs of `length` are sorted; merged in pairs they are in `to`. */
static void merge_runs(const uint64_t *from, uint64_t *to, uint32_t n, uint32_t length)
{
    for (uint32_t start = 0; start < n; start += 2 * length) {
        uint32_t middle = start + length < n ? start + length : n;
        uint32_t end = middle + length < n ? middle + length : n, a = start, b = middle;
        for (uint32_t i = start; i < end; i++) {
            bool first = b >= end || (a < middle && from[a] <= from[b]);
            to[i] = from[first ? a : b];
            a += first;
            b += !first;
        }
    }
}

static void prune(struct cooccur_row *r)
{
    VEC_SCRATCH struct cooccur_entry all[COOCCUR_ENTRIES];
    VEC_SCRATCH uint64_t orders[2][COOCCUR_ENTRIES];
    uint32_t n = cooccur_entries(r, all);
    int in = 0;
    ASSERT(n >= KEEP);
    for (uint32_t i = 0; i < n; i++)
        orders[0][i] = order_of(all[i]);
    for (uint32_t length = 1; length < n; length *= 2, in = !in)
        merge_runs(orders[in], orders[!in], n, length);
    for (uint32_t i = 0; i < KEEP; i++)
        all[i] = entry_of(orders[in][i]);
    rebuild(r, 512, all, KEEP);
}

static void grow(struct cooccur_row *r)
{
    VEC_SCRATCH struct cooccur_entry all[COOCCUR_ENTRIES];
    uint32_t n = r->capacity ? cooccur_entries(r, all) : 0;
    rebuild(r, r->capacity ? r->capacity * 2 : FIRST_CAPACITY, all, n);
}

static void bring_up_to(struct cooccur_row *r, double now)
{
    float factor = (float)special_exp2(-(now - r->since));
    for (uint32_t i = 0; i < r->capacity; i++)
        r->slots[i].weight *= factor;
    r->since = now;
}

/* ---- */

static struct cooccur_row *row_to_change(struct cooccur *c, uint32_t item, double now)
{
    ASSERT(item < c->max_items);
    rows_touch(&c->track, item);
    if (item >= c->count)
        c->count = item + 1;
    struct cooccur_row *r = row_of(c, item);
    if (r->n == 0)
        r->since = now;
    if (now - r->since > STALE_HALF_LIVES)
        bring_up_to(r, now);
    return r;
}

/* weight: as of the row's since. */
static void add(struct cooccur_row *r, uint32_t to, float weight)
{
    if (r->n == FULL)
        prune(r);
    if (r->n * 4 >= r->capacity * 3)
        grow(r);
    struct cooccur_entry *e = probe(r, to);
    if (e->item == ZL_NO_INDEX) {
        take_slot(r, e, (struct cooccur_entry){to, 0});
        r->n++;
    }
    e->weight += weight;
}

void cooccur_add(struct cooccur *c, uint32_t from, uint32_t to, float weight, double now)
{
    struct cooccur_row *r = row_to_change(c, from, now);
    add(r, to, weight * (float)special_exp2(now - r->since));
}

/* Rows lie anywhere in memory: all the places are asked for first, then written. */
void cooccur_link(struct cooccur *c, uint32_t chosen, const uint32_t *history, int n, float weight,
                  double now)
{
    struct cooccur_row *own = row_to_change(c, chosen, now), *rows[COOCCUR_DEPTH];
    double age[COOCCUR_DEPTH + 1] = {now - own->since}; /* own, then theirs */
    ASSERT(n >= 1 && n <= COOCCUR_DEPTH);
    for (int l = 0; l < n; l++) {
        rows[l] = row_to_change(c, history[l], now);
        age[1 + l] = now - rows[l]->since;
        __builtin_prefetch(rows[l]->slots + home(rows[l], chosen), 1);
        __builtin_prefetch(own->slots + home(own, history[l]), 1);
    }
    special_exp2_all(age, age, 1 + n);
    for (int l = 0; l < n; l++, weight *= NEXT_OLDER) {
        add(rows[l], chosen, weight * (float)age[1 + l]);
        add(own, history[l], BACK * weight * (float)age[0]);
    }
}

void cooccur_clear(struct cooccur *c, uint32_t from)
{
    if (from >= c->count)
        return;
    rows_touch(&c->track, from);
    free(row_of(c, from)->slots);
    *row_of(c, from) = (struct cooccur_row){0};
}

const struct cooccur_row *cooccur_row(const struct cooccur *c, uint32_t item, double now,
                                      float *scale)
{
    if (item >= c->count || row_of(c, item)->n == 0)
        return NULL;
    const struct cooccur_row *r = row_of(c, item);
    *scale = (float)special_exp2(-(now - r->since));
    return r;
}

float cooccur_weight(const struct cooccur *c, uint32_t from, uint32_t to, double now)
{
    float scale;
    const struct cooccur_row *r = cooccur_row(c, from, now, &scale);
    const struct cooccur_entry *e = r ? probe(r, to) : NULL;
    return e && e->item == to ? scale * e->weight : 0;
}

void cooccur_weights(const struct cooccur *c, const uint32_t *from, int n, uint32_t to, double now,
                     float *out)
{
    VEC_SCRATCH double age[COOCCUR_BLOCK];
    ASSERT(n >= 1 && n <= COOCCUR_BLOCK);
    for (int i = 0; i < n; i++)
        __builtin_prefetch(row_of(c, from[i]));
    for (int i = 0; i < n; i++) {
        const struct cooccur_row *r = row_of(c, from[i]);
        if (r->n > 0)
            __builtin_prefetch(r->slots + home(r, to));
    }
    for (int i = 0; i < n; i++) {
        const struct cooccur_row *r = row_of(c, from[i]);
        const struct cooccur_entry *e = r->n > 0 ? probe(r, to) : NULL;
        out[i] = e && e->item == to ? e->weight : 0;
        age[i] = r->since - now;
    }
    special_exp2_all(age, age, n);
    for (int i = 0; i < n; i++)
        out[i] *= (float)age[i];
}

/* ---- rows: the table as it lies, so that a loaded row probes and prunes as the written one would ---- */

static uint32_t rows_count(const void *room)
{
    const struct cooccur *c = room;
    return c->count;
}

static void rows_write(const void *room, uint32_t key, struct rows_buffer *out)
{
    const struct cooccur_row *r = row_of(room, key);
    rows_put_u32(out, r->n);
    rows_put_u32(out, r->capacity);
    rows_put_f64(out, r->since);
    rows_put_bytes(out, r->slots, r->capacity * sizeof *r->slots);
}

/* Marks the slots that are taken. */
static bool fits(struct cooccur_row *r)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < r->capacity; i++)
        if (r->slots[i].item != ZL_NO_INDEX) {
            take_slot(r, &r->slots[i], r->slots[i]);
            used++;
        }
    return used == r->n && (r->capacity == 0 || used < r->capacity);
}

static enum zl_status rows_read(void *room, uint32_t key, struct rows_cursor *in,
                                struct zl_error *err)
{
    struct cooccur *c = room;
    if (key >= c->max_items)
        return zl_fail(err, ZL_EBADDATA, "co-occurrence row %u is beyond the limit of %u", key,
                       c->max_items);
    if (key >= c->count)
        c->count = key + 1;
    struct cooccur_row *r = row_of(c, key);
    free(r->slots);
    *r = (struct cooccur_row){0};
    r->n = rows_get_u32(in);
    r->capacity = rows_get_u32(in);
    r->since = rows_get_f64(in);
    bool sound = r->capacity <= 1024 && (r->capacity & (r->capacity - 1)) == 0 && r->n <= FULL;
    if (!sound)
        r->n = r->capacity = 0;
    r->slots = r->capacity ? free_slots(r->capacity) : NULL;
    if (r->capacity)
        rows_get_bytes(in, r->slots, r->capacity * sizeof *r->slots);
    if (!sound || in->bad || in->at != in->end || !fits(r))
        return zl_fail(err, ZL_EBADDATA, "co-occurrence row %u is not of this form", key);
    return ZL_OK;
}

struct rows_table cooccur_rows(struct cooccur *c)
{
    return (struct rows_table){.kind = ROWS_COOCCUR,
                               .name = "co-occurrence",
                               .room = c,
                               .track = &c->track,
                               .count = rows_count,
                               .write = rows_write,
                               .read = rows_read};
}
