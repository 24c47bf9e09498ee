/* Two generations of ids for each partition.
 *
 *      before                 now
 *   [ start .......... ) [ start ..... clock        both are asked, ids go into `now`
 *
 * When `now` has lasted a window, `before` is dropped and `now` takes its place: an id is held for at least one window and at
 * most two, and forgetting costs one free(). Partitions are separate, since their clocks are, and since an id always comes
 * with the same user, and so in the same partition.
 *
 * A generation is named by its start. Starts of a partition rise strictly: when two generations begin in one millisecond
 * of the log, the second is put one later. */
#include "guard/dedupe.h"

#include <stdlib.h>

#include "base/check.h"
#include "guard/idset.h"
#include "zhiliu/position.h"

#define BYTES_AN_ID 5.25 /* of guard/idset at its worst, for sharing out the budget */
#define AHEAD 16         /* ids whose memory is asked for before they are compared, in a load */
#define LEAST_IDS 1024   /* a generation's, whatever the budget */

struct generation {
    struct guard_idset *ids; /* owned; NULL: there is no such generation */
    int64_t start_ms;
    /* as they are to be: equal to what is held, but for the time between rows and ids of a load */
    uint64_t n_ids, sum;
    uint64_t held_sum; /* of the hashes held */
    uint64_t *fresh;   /* owned: hashes not yet taken by the checkpoint */
    size_t n_fresh, capacity;
};

struct partition {
    bool used;
    int64_t clock_ms;
    int64_t known_since_ms; /* every id since then is held; INT64_MIN: none was ever forgotten */
    struct generation now, before;
};

struct guard_dedupe {
    int64_t window_ms, budget_bytes;
    uint32_t n_partitions; /* highest used + 1 */
    uint32_t n_used;
    uint64_t most_ids; /* a generation's share of the budget */
    struct rows_track track;
    struct partition partitions[ZL_MAX_PARTITIONS];
};

static uint64_t share_of(const struct guard_dedupe *d)
{
    double ids = (double)d->budget_bytes / BYTES_AN_ID / 2 / (d->n_used ? d->n_used : 1);
    return ids < LEAST_IDS ? LEAST_IDS : (uint64_t)ids;
}

enum zl_status guard_dedupe_open(int64_t window_ms, int64_t budget_bytes, struct guard_dedupe **out,
                                 struct zl_error *err)
{
    *out = NULL;
    if (window_ms < 1 || budget_bytes < 1)
        return zl_fail(err, ZL_ECONFIG, "guard.duplicates: window and budget must be above 0");
    struct guard_dedupe *d = xcalloc(1, sizeof *d);
    d->window_ms = window_ms;
    d->budget_bytes = budget_bytes;
    d->most_ids = share_of(d);
    enum zl_status st = rows_track_init(&d->track, ZL_MAX_PARTITIONS, err);
    if (st != ZL_OK) {
        free(d);
        return st;
    }
    *out = d;
    return ZL_OK;
}

static void generation_drop(struct generation *g)
{
    guard_idset_close(g->ids);
    free(g->fresh);
    *g = (struct generation){0};
}

void guard_dedupe_close(struct guard_dedupe *d)
{
    if (!d)
        return;
    for (int p = 0; p < ZL_MAX_PARTITIONS; p++) {
        generation_drop(&d->partitions[p].now);
        generation_drop(&d->partitions[p].before);
    }
    rows_track_release(&d->track);
    free(d);
}

static void generation_begin(struct generation *g, int64_t start_ms, uint64_t expected_ids)
{
    *g = (struct generation){.ids = guard_idset_open(expected_ids), .start_ms = start_ms};
}

static void generation_add(struct generation *g, uint64_t hash)
{
    guard_idset_add(g->ids, hash);
    g->n_ids++;
    g->sum += hash;
    g->held_sum += hash;
    if (g->n_fresh == g->capacity) {
        g->capacity = g->capacity ? g->capacity * 2 : 1024;
        g->fresh = xrealloc(g->fresh, g->capacity, sizeof *g->fresh);
    }
    g->fresh[g->n_fresh++] = hash;
}

static bool generation_has(const struct generation *g, uint64_t hash)
{
    return g->ids && guard_idset_has(g->ids, hash);
}

/* `now` becomes `before`. What was before is forgotten, so all is known since the start of what was now. */
static void rotate(struct partition *p)
{
    if (p->before.ids)
        p->known_since_ms = p->now.start_ms;
    generation_drop(&p->before);
    p->before = p->now;
    int64_t start_ms = p->clock_ms > p->before.start_ms ? p->clock_ms : p->before.start_ms + 1;
    generation_begin(&p->now, start_ms, p->before.n_ids); /* about as many as last time */
}

/* A long silence: what is in `now` was taken more than a window ago as well, at latest a window after its start. */
static void forget_all(struct guard_dedupe *d, struct partition *p)
{
    int64_t start_ms = p->now.start_ms;
    generation_drop(&p->before);
    generation_drop(&p->now);
    p->known_since_ms = start_ms + d->window_ms;
    generation_begin(&p->now, p->clock_ms, 0);
}

static void advance(struct guard_dedupe *d, struct partition *p, int64_t log_ms)
{
    if (log_ms > p->clock_ms)
        p->clock_ms = log_ms;
    if (p->clock_ms - p->now.start_ms >= 2 * d->window_ms)
        forget_all(d, p);
    else if (p->clock_ms - p->now.start_ms >= d->window_ms)
        rotate(p);
}

static struct partition *partition_use(struct guard_dedupe *d, int32_t partition)
{
    ASSERT(partition >= 0 && partition < ZL_MAX_PARTITIONS);
    struct partition *p = &d->partitions[partition];
    rows_touch(&d->track, (uint32_t)partition);
    if (p->used)
        return p;
    p->used = true;
    p->known_since_ms = INT64_MIN;
    if ((uint32_t)partition >= d->n_partitions)
        d->n_partitions = (uint32_t)partition + 1;
    d->n_used++;
    d->most_ids = share_of(d);
    return p;
}

void guard_dedupe_prefetch(const struct guard_dedupe *d, int32_t partition, uint64_t hash)
{
    ASSERT(partition >= 0 && partition < ZL_MAX_PARTITIONS);
    const struct partition *p = &d->partitions[partition];
    if (p->now.ids)
        guard_idset_prefetch(p->now.ids, hash);
    if (p->before.ids)
        guard_idset_prefetch(p->before.ids, hash);
}

bool guard_dedupe_seen(struct guard_dedupe *d, int32_t partition, int64_t log_ms, uint64_t hash)
{
    struct partition *p = partition_use(d, partition);
    if (!p->now.ids) {
        p->clock_ms = log_ms > 1 ? log_ms : 1;
        generation_begin(&p->now, p->clock_ms, 0);
    }
    advance(d, p, log_ms);
    if (generation_has(&p->now, hash) || generation_has(&p->before, hash))
        return true;
    if (p->now.n_ids >= d->most_ids)
        rotate(p);
    generation_add(&p->now, hash);
    return false;
}

int64_t guard_dedupe_window_s(const struct guard_dedupe *d)
{
    int64_t least_ms = d->window_ms;
    for (uint32_t i = 0; i < d->n_partitions; i++) {
        const struct partition *p = &d->partitions[i];
        if (p->used && p->known_since_ms != INT64_MIN && p->clock_ms - p->known_since_ms < least_ms)
            least_ms = p->clock_ms - p->known_since_ms;
    }
    return least_ms > 0 ? least_ms / 1000 : 0;
}

static int64_t generation_bytes(const struct generation *g)
{
    return (g->ids ? g->ids->bytes : 0) + (int64_t)(g->capacity * sizeof *g->fresh);
}

int64_t guard_dedupe_bytes(const struct guard_dedupe *d)
{
    int64_t bytes = (int64_t)sizeof *d;
    for (uint32_t i = 0; i < d->n_partitions; i++)
        bytes +=
            generation_bytes(&d->partitions[i].now) + generation_bytes(&d->partitions[i].before);
    return bytes;
}

static void take_generation(struct generation *g, uint32_t partition,
                            void (*visit)(void *ctx, const struct guard_ids *ids), void *ctx)
{
    if (g->n_fresh == 0)
        return;
    visit(ctx, &(struct guard_ids){
                   .partition = (int32_t)partition,
                   .generation_ms = g->start_ms,
                   .hashes = g->fresh,
                   .n = (uint32_t)g->n_fresh,
               });
    g->n_fresh = 0;
}

void guard_dedupe_take(struct guard_dedupe *d,
                       void (*visit)(void *ctx, const struct guard_ids *ids), void *ctx)
{
    for (uint32_t i = 0; i < d->n_partitions; i++) {
        take_generation(&d->partitions[i].before, i, visit, ctx);
        take_generation(&d->partitions[i].now, i, visit, ctx);
    }
}

void guard_dedupe_restore(struct guard_dedupe *d, const struct guard_ids *ids)
{
    if (ids->partition < 0 || (uint32_t)ids->partition >= d->n_partitions)
        return;
    struct partition *p = &d->partitions[ids->partition];
    struct generation *g = ids->generation_ms == p->now.start_ms ? &p->now : &p->before;
    if (!g->ids || g->start_ms != ids->generation_ms)
        return; /* older than both */
    for (uint32_t i = 0; i < ids->n; i++) {
        if (i + AHEAD < ids->n)
            guard_idset_prefetch(g->ids, ids->hashes[i + AHEAD]);
        if (!guard_idset_has(g->ids, ids->hashes[i])) {
            guard_idset_add(g->ids, ids->hashes[i]);
            g->held_sum += ids->hashes[i];
        }
    }
}

static bool generation_is_whole(const struct generation *g)
{
    return !g->ids || (g->ids->n_ids == g->n_ids && g->held_sum == g->sum);
}

enum zl_status guard_dedupe_restored(const struct guard_dedupe *d, struct zl_error *err)
{
    for (uint32_t i = 0; i < d->n_partitions; i++)
        if (!generation_is_whole(&d->partitions[i].now) ||
            !generation_is_whole(&d->partitions[i].before))
            return zl_fail(err, ZL_EBADDATA,
                           "the checkpoint's event ids of partition %u are not those its rows "
                           "count: ids are missing",
                           i);
    return ZL_OK;
}

int64_t guard_dedupe_oldest_ms(const struct guard_dedupe *d, int32_t partition)
{
    ASSERT(partition >= 0 && partition < ZL_MAX_PARTITIONS);
    const struct partition *p = &d->partitions[partition];
    return p->before.ids ? p->before.start_ms : p->now.start_ms;
}

/* ---- rows: one a partition ---- */

static uint32_t rows_count(const void *room)
{
    return ((const struct guard_dedupe *)room)->n_partitions;
}

static void generation_write(const struct generation *g, struct rows_buffer *out)
{
    rows_put_i64(out, g->ids ? g->start_ms : 0);
    rows_put_u64(out, g->n_ids);
    rows_put_u64(out, g->sum);
}

static void row_write(const void *room, uint32_t key, struct rows_buffer *out)
{
    const struct partition *p = &((const struct guard_dedupe *)room)->partitions[key];
    rows_put_u8(out, p->used);
    rows_put_i64(out, p->clock_ms);
    rows_put_i64(out, p->known_since_ms);
    generation_write(&p->now, out);
    generation_write(&p->before, out);
}

/* start 0: there is none. Its ids come later. */
static void generation_read(struct generation *g, uint64_t most_ids, struct rows_cursor *in)
{
    int64_t start_ms = rows_get_i64(in);
    uint64_t n_ids = rows_get_u64(in), sum = rows_get_u64(in);
    generation_drop(g);
    if (start_ms == 0 || in->bad)
        return;
    generation_begin(g, start_ms, n_ids < most_ids ? n_ids : most_ids);
    g->n_ids = n_ids;
    g->sum = sum;
}

static enum zl_status row_read(void *room, uint32_t key, struct rows_cursor *in,
                               struct zl_error *err)
{
    struct guard_dedupe *d = room;
    if (key >= ZL_MAX_PARTITIONS)
        return zl_fail(err, ZL_EBADDATA, "duplicates: partition %u is beyond %d", key,
                       ZL_MAX_PARTITIONS);
    struct partition *p = &d->partitions[key];
    d->n_used -= p->used;
    p->used = rows_get_u8(in);
    d->n_used += p->used;
    p->clock_ms = rows_get_i64(in);
    p->known_since_ms = rows_get_i64(in);
    generation_read(&p->now, d->most_ids, in);
    generation_read(&p->before, d->most_ids, in);
    if (key >= d->n_partitions)
        d->n_partitions = key + 1;
    d->most_ids = share_of(d);
    if (in->bad || p->used != (p->now.ids != NULL) ||
        (p->before.ids && p->before.start_ms >= p->now.start_ms))
        return zl_fail(err, ZL_EBADDATA, "duplicates: the row of partition %u is damaged", key);
    return ZL_OK;
}

struct rows_table guard_dedupe_rows(struct guard_dedupe *d)
{
    return (struct rows_table){
        .kind = ROWS_DUPLICATES,
        .name = "duplicates",
        .room = d,
        .track = &d->track,
        .count = rows_count,
        .write = row_write,
        .read = row_read,
    };
}
