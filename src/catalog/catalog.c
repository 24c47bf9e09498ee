/* Two things an item: a byte "served" in an array that ranking reads, and a description kept as one heap block of bytes in the
 * row codec's own form. The description is parsed when somebody asks; nobody asks on the event path but for the duration and the
 * course, which have columns of their own. */
#include "catalog/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/table.h"

#define CATEGORY_SEED 0xCA7ULL

struct item_row {
    bool known, described, observed; /* observed: an event spoke of it */
    bool released;                   /* of those held: published by now; not written to rows */
    uint8_t status;                  /* enum zl_item_status */
    uint32_t course;
    int64_t duration_ms;
    unsigned char *text; /* description in row form, owned; NULL: none */
    uint32_t text_len;
};

/* An item that waits for its time (cfg.hold). */
struct held {
    int64_t published_at_ms;
    uint32_t item;
};

struct catalog {
    struct catalog_config cfg;
    struct table rows;   /* struct item_row */
    struct table served; /* 16 of served_array a row */
    struct table facts;  /* struct zl_item_facts, derived from the rows */
    uint8_t *served_array;
    struct rows_track track;
    uint32_t count;
    uint32_t *changes;
    uint32_t n_changes, max_changes;
    struct rows_buffer scratch;
    struct held *held; /* binary heap, next to be published first */
    uint32_t n_held, max_held;
};

static struct item_row *row_of(const struct catalog *c, uint32_t item)
{
    return table_row(&c->rows, item);
}

enum zl_status catalog_open(const struct catalog_config *cfg, struct catalog **out,
                            struct zl_error *err)
{
    enum zl_status st;
    *out = NULL;
    struct catalog *c = xcalloc(1, sizeof *c);
    c->cfg = *cfg;
    if ((st = table_init(&c->rows, "the catalogue (catalog.max_items)", cfg->max_items,
                         sizeof(struct item_row), err)) != ZL_OK)
        goto fail;
    if ((st = table_init(&c->served, "the served marks (catalog.max_items)",
                         cfg->max_items / 16 + 1, 16, err)) != ZL_OK)
        goto fail;
    c->served_array = (uint8_t *)c->served.rows;
    if ((st = table_init(&c->facts, "item facts (catalog.max_items)", cfg->max_items,
                         sizeof(struct zl_item_facts), err)) != ZL_OK)
        goto fail;
    if ((st = rows_track_init(&c->track, cfg->max_items, err)) != ZL_OK)
        goto fail;
    *out = c;
    return ZL_OK;
fail:
    catalog_close(c);
    return st;
}

void catalog_close(struct catalog *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->count; i++)
        free(row_of(c, i)->text);
    rows_track_release(&c->track);
    table_release(&c->facts);
    table_release(&c->served);
    table_release(&c->rows);
    rows_buffer_release(&c->scratch);
    free(c->held);
    free(c->changes);
    free(c);
}

static bool should_serve(const struct catalog *c, const struct item_row *row)
{
    if (!row->known)
        return false;
    if (c->cfg.hold && !row->observed && !row->released)
        return false;
    if (!row->described)
        return c->cfg.serve_unknown;
    return row->status == ZL_ITEM_APPROVED;
}

static void settle_facts(struct catalog *c, uint32_t item)
{
    struct catalog_item d;
    struct zl_item_facts *f = table_row(&c->facts, item);
    catalog_get(c, item, &d);
    uint32_t category =
        d.category.len ? (uint32_t)hash_bytes(d.category.ptr, d.category.len, CATEGORY_SEED) | 1
                       : 0;
    *f = (struct zl_item_facts){
        .category = category, .course = d.course, .published_ms = d.published_at_ms};
}

/* Recomputes the served byte and notes a change. */
static void settle(struct catalog *c, uint32_t item)
{
    settle_facts(c, item);
    uint8_t served = should_serve(c, row_of(c, item));
    if (served == c->served_array[item])
        return;
    c->served_array[item] = served;
    if (c->n_changes == c->max_changes) {
        c->max_changes = c->max_changes ? c->max_changes * 2 : 256;
        c->changes = xrealloc(c->changes, c->max_changes, sizeof *c->changes);
    }
    c->changes[c->n_changes++] = item;
}

static struct item_row *row_to_change(struct catalog *c, uint32_t item)
{
    ASSERT(item < c->cfg.max_items);
    rows_touch(&c->track, item);
    struct item_row *row = row_of(c, item);
    if (item >= c->count) {
        for (uint32_t i = c->count; i <= item; i++) {
            *row_of(c, i) = (struct item_row){.course = ZL_NO_INDEX, .duration_ms = -1};
            *(struct zl_item_facts *)table_row(&c->facts, i) =
                (struct zl_item_facts){.course = ZL_NO_INDEX, .published_ms = -1};
        }
        c->count = item + 1;
    }
    return row;
}

/* ---- items that wait for their time ---- */

/* Orders by time, then by index: which of two comes first must not depend on the heap. */
static bool sooner(const struct held *a, const struct held *b)
{
    return a->published_at_ms != b->published_at_ms ? a->published_at_ms < b->published_at_ms
                                                    : a->item < b->item;
}

static void hold(struct catalog *c, uint32_t item, int64_t published_at_ms)
{
    if (c->n_held == c->max_held) {
        c->max_held = c->max_held ? c->max_held * 2 : 256;
        c->held = xrealloc(c->held, c->max_held, sizeof *c->held);
    }
    struct held h = {published_at_ms, item};
    uint32_t i = c->n_held++;
    for (; i > 0 && sooner(&h, &c->held[(i - 1) / 2]); i = (i - 1) / 2)
        c->held[i] = c->held[(i - 1) / 2];
    c->held[i] = h;
}

static uint32_t take_soonest(struct catalog *c)
{
    uint32_t item = c->held[0].item, i = 0, child;
    struct held last = c->held[--c->n_held];
    while ((child = 2 * i + 1) < c->n_held) {
        if (child + 1 < c->n_held && sooner(&c->held[child + 1], &c->held[child]))
            child++;
        if (!sooner(&c->held[child], &last))
            break;
        c->held[i] = c->held[child];
        i = child;
    }
    c->held[i] = last;
    return item;
}

void catalog_advance(struct catalog *c, int64_t now_ms)
{
    while (c->n_held > 0 && c->held[0].published_at_ms <= now_ms) {
        uint32_t item = take_soonest(c);
        row_of(c, item)->released = true;
        settle(c, item);
    }
}

/* ---- the description, in the row's own form ---- */

static void write_description(const struct catalog *c, const struct zl_item *d,
                              struct rows_buffer *out)
{
    rows_put_i64(out, d->published_at_ms);
    rows_put_i64(out, d->price);
    rows_put_f64(out, d->fps);
    rows_put_u32(out, (uint32_t)d->width);
    rows_put_u32(out, (uint32_t)d->height);
    rows_put_span(out, d->title);
    rows_put_span(out, d->description);
    rows_put_span(out, d->uploader_id);
    rows_put_span(out, d->category);
    rows_put_span(out, d->subtitles);
    rows_put_u32(out, (uint32_t)d->n_tags);
    for (int i = 0; i < d->n_tags; i++)
        rows_put_span(out, d->tags[i]);
    for (int m = 0; m < ZL_N_MODALITIES; m++) {
        int n = d->features[m] ? c->cfg.n_features[m] : 0;
        rows_put_u32(out, (uint32_t)n);
        while (out->len % sizeof(float)) /* so that features can be lent in place */
            rows_put_u8(out, 0);
        rows_put_f32s(out, d->features[m], (size_t)n);
    }
}

static void read_description(const struct catalog *c, const struct item_row *row,
                             struct catalog_item *out, bool *bad)
{
    struct rows_cursor in = {.at = row->text, .end = row->text + row->text_len};
    out->published_at_ms = rows_get_i64(&in);
    out->price = rows_get_i64(&in);
    out->fps = rows_get_f64(&in);
    out->width = (int32_t)rows_get_u32(&in);
    out->height = (int32_t)rows_get_u32(&in);
    out->title = rows_get_span(&in);
    out->description = rows_get_span(&in);
    out->uploader_id = rows_get_span(&in);
    out->category = rows_get_span(&in);
    out->subtitles = rows_get_span(&in);
    uint32_t n_tags = rows_get_u32(&in);
    if (n_tags > ZL_MAX_TAGS) {
        in.bad = true;
        n_tags = 0;
    }
    out->n_tags = (int)n_tags;
    for (uint32_t i = 0; i < n_tags; i++)
        out->tags[i] = rows_get_span(&in);
    for (int m = 0; m < ZL_N_MODALITIES; m++) {
        uint32_t n = rows_get_u32(&in);
        while (!in.bad && (size_t)(in.at - row->text) % sizeof(float))
            rows_get_u8(&in);
        if (n != 0 && n != (uint32_t)c->cfg.n_features[m])
            in.bad = true;
        if (in.bad || (size_t)(in.end - in.at) < n * sizeof(float)) {
            in.bad = true;
            break;
        }
        out->features[m] = n ? (const float *)(const void *)in.at : NULL;
        in.at += n * sizeof(float);
    }
    *bad = in.bad || in.at != in.end;
}

static void keep_text(struct item_row *row, const unsigned char *bytes, size_t len)
{
    free(row->text);
    row->text = len ? xrealloc(NULL, len, 1) : NULL;
    row->text_len = (uint32_t)len;
    if (len)
        memcpy(row->text, bytes, len);
}

void catalog_put(struct catalog *c, uint32_t item, const struct zl_item *described, uint32_t course)
{
    struct item_row *row = row_to_change(c, item);
    row->known = row->described = true;
    if (described->removed) {
        row->status = ZL_ITEM_REMOVED;
        keep_text(row, NULL, 0);
    } else {
        row->status = (uint8_t)described->status;
        row->course = course;
        row->duration_ms = described->duration_ms;
        c->scratch.len = 0;
        write_description(c, described, &c->scratch);
        keep_text(row, c->scratch.bytes, c->scratch.len);
        if (c->cfg.hold && described->published_at_ms >= 0)
            hold(c, item, described->published_at_ms);
    }
    settle(c, item);
}

void catalog_observe(struct catalog *c, uint32_t item, const struct zl_event *ev)
{
    const struct item_row *old = row_of(c, item);
    bool tells_duration = ev->type == ZL_WATCH && ev->duration_ms > 0;
    if (item < c->count && old->observed &&
        (old->described || old->duration_ms >= 0 || !tells_duration) &&
        (old->described || old->course != ZL_NO_INDEX || ev->course == ZL_NO_INDEX))
        return; /* nothing new: the usual case touches no row */
    struct item_row *row = row_to_change(c, item);
    row->known = row->observed = true;
    if (!row->described) {
        if (row->duration_ms < 0 && tells_duration)
            row->duration_ms = ev->duration_ms;
        if (row->course == ZL_NO_INDEX)
            row->course = ev->course;
    }
    settle(c, item);
}

bool catalog_served(const struct catalog *c, uint32_t item)
{
    return c->served_array[item];
}

const uint8_t *catalog_served_array(const struct catalog *c)
{
    return c->served_array;
}

const uint32_t *catalog_changes(struct catalog *c, uint32_t *n)
{
    *n = c->n_changes;
    c->n_changes = 0;
    return c->changes;
}

void catalog_get(const struct catalog *c, uint32_t item, struct catalog_item *out)
{
    *out = (struct catalog_item){
        .course = ZL_NO_INDEX, .duration_ms = -1, .published_at_ms = -1, .price = -1};
    if (item >= c->count)
        return;
    const struct item_row *row = row_of(c, item);
    out->known = row->known;
    out->described = row->described;
    out->status = (enum zl_item_status)row->status;
    out->course = row->course;
    out->duration_ms = row->duration_ms;
    if (!row->text)
        return;
    bool bad;
    read_description(c, row, out, &bad);
    ASSERT(!bad); /* checked when it came in */
}

int64_t catalog_duration_ms(const struct catalog *c, uint32_t item)
{
    return item < c->count ? row_of(c, item)->duration_ms : -1;
}

uint32_t catalog_course(const struct catalog *c, uint32_t item)
{
    return item < c->count ? row_of(c, item)->course : ZL_NO_INDEX;
}

const struct zl_item_facts *catalog_facts_array(const struct catalog *c)
{
    return (const struct zl_item_facts *)(const void *)c->facts.rows;
}

uint32_t catalog_count(const struct catalog *c)
{
    return c->count;
}

/* ---- rows ---- */

static uint32_t rows_count(const void *room)
{
    return catalog_count(room);
}

static void rows_write(const void *room, uint32_t key, struct rows_buffer *out)
{
    const struct item_row *row = row_of(room, key);
    rows_put_u8(out, (uint8_t)(row->known | row->described << 1 | row->observed << 2));
    rows_put_u8(out, row->status);
    rows_put_u32(out, row->course);
    rows_put_i64(out, row->duration_ms);
    rows_put_span(out, (struct zl_span){(const char *)row->text, row->text_len});
}

static enum zl_status rows_read(void *room, uint32_t key, struct rows_cursor *in,
                                struct zl_error *err)
{
    struct catalog *c = room;
    if (key >= c->cfg.max_items)
        return zl_fail(err, ZL_EBADDATA, "catalogue row %u is beyond catalog.max_items %u", key,
                       c->cfg.max_items);
    struct item_row *row = row_to_change(c, key);
    uint8_t flags = rows_get_u8(in), status = rows_get_u8(in);
    row->known = flags & 1;
    row->described = flags >> 1 & 1;
    row->observed = flags >> 2 & 1;
    row->status = status;
    row->course = rows_get_u32(in);
    row->duration_ms = rows_get_i64(in);
    struct zl_span text = rows_get_span(in);
    bool bad = in->bad || in->at != in->end || status > ZL_ITEM_REMOVED;
    keep_text(row, (const unsigned char *)text.ptr, text.len);
    if (!bad && text.len) {
        struct catalog_item ignored = {0};
        read_description(c, row, &ignored, &bad);
    }
    if (bad)
        return zl_fail(
            err, ZL_EBADDATA,
            "catalogue row %u is not of this form (are catalog.features those of the checkpoint?)",
            key);
    settle(c, key);
    return ZL_OK;
}

struct rows_table catalog_rows(struct catalog *c)
{
    return (struct rows_table){.kind = ROWS_CATALOG,
                               .name = "catalogue",
                               .room = c,
                               .track = &c->track,
                               .count = rows_count,
                               .write = rows_write,
                               .read = rows_read};
}
