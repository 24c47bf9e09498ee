/* The global rows: the window of the newest positives, decayed totals and counts. Row 0 holds the scalars, row 1 + c the c-th chunk
 * of the ring, so that a checkpoint writes the part of the ring that moved. */
#include <stdlib.h>

#include "base/check.h"
#include "base/special.h"
#include "model/model_priv.h"

#define CHUNK 256

enum zl_status window_init(struct window *w, uint32_t size)
{
    w->size = size;
    w->items = xcalloc(size, sizeof *w->items);
    for (uint32_t i = 0; i < size; i++)
        w->items[i] = ZL_NO_INDEX;
    w->log_share = xcalloc(size + 1, sizeof *w->log_share);
    w->log_share[0] = (float)special_log(0.5);
    for (uint32_t i = 1; i <= size; i++)
        w->log_share[i] = (float)special_log(i);
    return ZL_OK;
}

void window_release(struct window *w)
{
    free(w->items);
    free(w->log_share);
}

void window_push(struct model *m, uint32_t item)
{
    struct window *w = &m->window;
    uint32_t slot = (uint32_t)(w->n % w->size);
    rows_touch(&m->track, 0);
    rows_touch(&m->track, 1 + slot / CHUNK);
    if (w->n >= w->size) {
        --*items_in_window(&m->items, w->items[slot]);
        subjects_count(m, w->items[slot], -1);
    }
    w->items[slot] = item;
    ++*items_in_window(&m->items, item);
    subjects_count(m, item, 1);
    w->n++;
}

static uint32_t rows_count(const void *room)
{
    const struct model *m = room;
    uint64_t filled = m->window.n < m->window.size ? m->window.n : m->window.size;
    return 1 + (uint32_t)((filled + CHUNK - 1) / CHUNK);
}

static uint32_t chunk_len(const struct window *w, uint32_t chunk)
{
    uint64_t filled = w->n < w->size ? w->n : w->size, from = (uint64_t)chunk * CHUNK;
    if (filled <= from)
        return 0;
    return (uint32_t)(filled - from < CHUNK ? filled - from : CHUNK);
}

static void rows_write(const void *room, uint32_t key, struct rows_buffer *out)
{
    const struct model *m = room;
    if (key > 0) {
        rows_put_u32s(out, m->window.items + (size_t)(key - 1) * CHUNK,
                      chunk_len(&m->window, key - 1));
        return;
    }
    rows_put_u32(out, m->window.size);
    rows_put_u64(out, m->window.n);
    for (int h = 0; h < MODEL_HALF_LIVES; h++)
        rows_put_f64(out, m->pop_total[h]);
    decay_write(&m->decay, out);
    for (int t = 0; t < ZL_N_EVENT_TYPES; t++)
        rows_put_u64(out, m->event_counts[t]);
    rows_put_f64(out, m->shown_explore);
    rows_put_f64(out, m->reward_explore);
    for (int b = 0; b <= MODEL_BUCKETS; b++)
        for (int k = 0; k < MODEL_PARTS; k++) {
            rows_put_f64(out, m->mixer.w[b][k]);
            for (int j = 0; j <= k; j++)
                rows_put_f64(out, m->mixer.a[b][k][j]);
        }
    correct_write(&m->correct, out);
}

static enum zl_status read_scalars(struct model *m, struct rows_cursor *in, struct zl_error *err)
{
    uint32_t size = rows_get_u32(in);
    if (size != m->window.size)
        return zl_fail(err, ZL_EBADDATA, "the checkpoint's model.window is %u, this pipeline's %u",
                       size, m->window.size);
    m->window.n = rows_get_u64(in);
    for (int h = 0; h < MODEL_HALF_LIVES; h++)
        m->pop_total[h] = rows_get_f64(in);
    decay_read(&m->decay, in);
    for (int t = 0; t < ZL_N_EVENT_TYPES; t++)
        m->event_counts[t] = rows_get_u64(in);
    m->shown_explore = rows_get_f64(in);
    m->reward_explore = rows_get_f64(in);
    for (int b = 0; b <= MODEL_BUCKETS; b++)
        for (int k = 0; k < MODEL_PARTS; k++) {
            m->mixer.w[b][k] = rows_get_f64(in);
            for (int j = 0; j <= k; j++)
                m->mixer.a[b][k][j] = rows_get_f64(in);
        }
    correct_read(&m->correct, in);
    return ZL_OK;
}

static enum zl_status rows_read(void *room, uint32_t key, struct rows_cursor *in,
                                struct zl_error *err)
{
    struct model *m = room;
    if (key == 0) {
        TRY(read_scalars(m, in, err));
    } else {
        uint32_t from = (key - 1) * CHUNK,
                 n = (uint32_t)((size_t)(in->end - in->at) / sizeof(uint32_t));
        if ((uint64_t)(key - 1) * CHUNK + n > m->window.size || n > CHUNK)
            return zl_fail(err, ZL_EBADDATA, "chunk %u of the window is too long", key - 1);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t item = rows_get_u32(in), *slot = &m->window.items[from + i];
            if (item >= m->items.count)
                return zl_fail(err, ZL_EBADDATA, "the window names item %u, which has no row",
                               item);
            if (*slot != ZL_NO_INDEX) /* a base's chunk, now replaced by a segment's */
                --*items_in_window(&m->items, *slot);
            *slot = item;
            ++*items_in_window(&m->items, item);
        }
    }
    if (in->bad || in->at != in->end)
        return zl_fail(err, ZL_EBADDATA, "global row %u is not of this form", key);
    return ZL_OK;
}

struct rows_table model_global_rows(struct model *m)
{
    return (struct rows_table){.kind = ROWS_MODEL,
                               .name = "model",
                               .room = m,
                               .track = &m->track,
                               .count = rows_count,
                               .write = rows_write,
                               .read = rows_read};
}
