/* The rows of the conversion head: key 0 is the head with the kinds' rates and the reliability table, key 1 + course is a course. */
#include "model/convert_priv.h"

#define F CONVERT_N_FEATURES

static uint32_t rows_count(const void *room)
{
    return 1 + ((const struct convert *)room)->n_courses;
}

static void write_head(const struct convert_head *h, struct rows_buffer *out)
{
    rows_put_u64(out, h->exposures);
    rows_put_u64(out, h->conversions);
    rows_put_u64(out, h->uncredited);
    rows_put_u64(out, h->refunds);
    rows_put_u64(out, h->unknown_refunds);
    for (int i = 0; i < F; i++) {
        rows_put_f64(out, h->w[i]);
        for (int j = 0; j <= i; j++)
            rows_put_f64(out, h->a[i][j]);
    }
    rows_put_f64(out, h->score_mean);
    rows_put_f64(out, h->score_variance);
    for (int k = 0; k < CONVERT_N_KINDS; k++) {
        rows_put_f64(out, h->kinds[k].exposures);
        rows_put_f64(out, h->kinds[k].conversions);
    }
    for (int k = 0; k < CONVERT_N_KINDS; k++) {
        rows_put_u64(out, h->amounts[k].n);
        for (int i = 0; i < CONVERT_AMOUNTS; i++)
            rows_put_i64(out, h->amounts[k].at[i]);
    }
    for (int i = 0; i < CONVERT_BINS - 1; i++)
        rows_put_f64(out, h->edges[i]);
    for (int i = 0; i < CONVERT_BINS; i++) {
        rows_put_f64(out, h->bins[i].n);
        rows_put_f64(out, h->bins[i].predicted);
        rows_put_f64(out, h->bins[i].converted);
    }
}

static void read_head(struct convert_head *h, struct rows_cursor *in)
{
    h->exposures = rows_get_u64(in);
    h->conversions = rows_get_u64(in);
    h->uncredited = rows_get_u64(in);
    h->refunds = rows_get_u64(in);
    h->unknown_refunds = rows_get_u64(in);
    for (int i = 0; i < F; i++) {
        h->w[i] = rows_get_f64(in);
        for (int j = 0; j <= i; j++)
            h->a[i][j] = rows_get_f64(in);
    }
    h->score_mean = rows_get_f64(in);
    h->score_variance = rows_get_f64(in);
    for (int k = 0; k < CONVERT_N_KINDS; k++) {
        h->kinds[k].exposures = rows_get_f64(in);
        h->kinds[k].conversions = rows_get_f64(in);
    }
    for (int k = 0; k < CONVERT_N_KINDS; k++) {
        h->amounts[k].n = rows_get_u64(in);
        for (int i = 0; i < CONVERT_AMOUNTS; i++)
            h->amounts[k].at[i] = rows_get_i64(in);
    }
    for (int i = 0; i < CONVERT_BINS - 1; i++)
        h->edges[i] = rows_get_f64(in);
    for (int i = 0; i < CONVERT_BINS; i++) {
        h->bins[i].n = rows_get_f64(in);
        h->bins[i].predicted = rows_get_f64(in);
        h->bins[i].converted = rows_get_f64(in);
    }
}

static void rows_write(const void *room, uint32_t key, struct rows_buffer *out)
{
    const struct convert *c = room;
    if (key == 0) {
        write_head(&c->head, out);
        return;
    }
    const struct convert_course *r = convert_course_row(c, key - 1);
    rows_put_u8(out, r->known);
    rows_put_u8(out, r->kind);
    rows_put_i64(out, r->price);
    rows_put_i64(out, r->paid);
    rows_put_f64(out, r->rate.exposures);
    rows_put_f64(out, r->rate.conversions);
    rows_put_u64(out, r->exposed);
    rows_put_u64(out, r->converted);
    rows_put_i64(out, r->conversions_net);
}

static void read_course(struct convert_course *r, struct rows_cursor *in)
{
    r->known = rows_get_u8(in) & 1;
    r->kind = rows_get_u8(in);
    r->price = rows_get_i64(in);
    r->paid = rows_get_i64(in);
    r->rate.exposures = rows_get_f64(in);
    r->rate.conversions = rows_get_f64(in);
    r->exposed = rows_get_u64(in);
    r->converted = rows_get_u64(in);
    r->conversions_net = rows_get_i64(in);
    if (r->kind >= CONVERT_N_KINDS) {
        in->bad = true;
        r->kind = 0;
    }
}

static enum zl_status rows_read(void *room, uint32_t key, struct rows_cursor *in,
                                struct zl_error *err)
{
    struct convert *c = room;
    if (key > c->cfg.max_courses)
        return zl_fail(err, ZL_EBADDATA, "conversion row %u is beyond the %u courses there may be",
                       key, c->cfg.max_courses);
    if (key > c->n_courses)
        c->n_courses = key;
    if (key == 0)
        read_head(&c->head, in);
    for (int k = 0; key == 0 && k < CONVERT_N_KINDS; k++)
        convert_bound(c, k);
    if (key > 0)
        read_course(convert_course_row(c, key - 1), in);
    if (in->bad || in->at != in->end)
        return zl_fail(err, ZL_EBADDATA, "conversion row %u is not of this form", key);
    return ZL_OK;
}

struct rows_table convert_rows(struct convert *c)
{
    return (struct rows_table){.kind = ROWS_CONVERT,
                               .name = "conversions",
                               .room = c,
                               .track = &c->track,
                               .count = rows_count,
                               .write = rows_write,
                               .read = rows_read};
}
