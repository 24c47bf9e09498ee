/* What a user's row knows of conversions: a ring of exposures that may yet convert, and the conversions so far.
 *
 *     pending   oldest .......... newest     at most 8; a conversion takes one out and it becomes a
 *     bought    oldest ................ newest     at most 256: what is not offered again, and what a refund takes back
 *
 * Both keep the features as they were when the watch came: the halves of the gradient that follow need them. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "model/convert_priv.h"

void convert_user_release(struct convert_user *u)
{
    if (u)
        free(u->bought);
    free(u);
}

static void take(struct convert_exposure *at, uint32_t *n, uint32_t place)
{
    memmove(&at[place], &at[place + 1], (*n - place - 1) * sizeof *at);
    (*n)--;
}

/* The newest of the item, else the newest of the course; n when there is neither. */
static uint32_t place_of(const struct convert_exposure *at, uint32_t n, uint32_t item,
                         uint32_t course)
{
    uint32_t found = n;
    for (uint32_t i = n; i-- > 0;) {
        if (at[i].course != course)
            continue;
        if (item == ZL_NO_INDEX || at[i].item == item)
            return i;
        found = found == n ? i : found;
    }
    return found;
}

void convert_user_expire(struct convert_user *u, int64_t before_ms)
{
    for (uint32_t i = u->n_pending; i-- > 0;)
        if (u->pending[i].at_ms <= before_ms)
            take(u->pending, &u->n_pending, i);
}

int convert_user_touched(const struct convert_user *u, uint32_t course, int64_t since_ms)
{
    int n = 0;
    for (uint32_t i = 0; u && i < u->n_pending; i++)
        n += u->pending[i].course == course && u->pending[i].at_ms > since_ms;
    return n;
}

bool convert_user_has_bought(const struct convert_user *u, uint32_t course)
{
    bool found = false;
    for (uint32_t i = 0; u && i < u->n_bought; i++)
        found |= u->bought[i].course == course;
    return found;
}

/* The oldest that has a newer one of its course beside it, else the oldest: what is bought days later is still found, however often
 * another course was looked at since. */
static uint32_t to_push_out(const struct convert_user *u)
{
    for (uint32_t i = 0; i < u->n_pending; i++)
        for (uint32_t j = i + 1; j < u->n_pending; j++)
            if (u->pending[j].course == u->pending[i].course)
                return i;
    return 0;
}

void convert_user_pend(struct convert_user *u, const struct convert_exposure *e)
{
    if (u->n_pending == CONVERT_PENDING)
        take(u->pending, &u->n_pending, to_push_out(u));
    u->pending[u->n_pending++] = *e;
}

bool convert_user_settle(struct convert_user *u, uint32_t item, uint32_t course,
                         struct convert_exposure *out)
{
    uint32_t i = place_of(u->pending, u->n_pending, item, course);
    if (i == u->n_pending)
        return false;
    *out = u->pending[i];
    take(u->pending, &u->n_pending, i);
    return true;
}

static void reserve(struct convert_user *u, uint32_t n)
{
    if (n <= u->capacity)
        return;
    u->capacity = u->capacity ? u->capacity : 2;
    while (u->capacity < n)
        u->capacity *= 2;
    u->bought = xrealloc(u->bought, u->capacity, sizeof *u->bought);
}

void convert_user_remember(struct convert_user *u, const struct convert_exposure *e)
{
    if (u->n_bought == CONVERT_REMEMBERED)
        take(u->bought, &u->n_bought, 0);
    reserve(u, u->n_bought + 1);
    u->bought[u->n_bought++] = *e;
}

struct convert_exposure *convert_user_bought(struct convert_user *u, uint32_t item, uint32_t course)
{
    uint32_t i = place_of(u->bought, u->n_bought, item, course);
    return i < u->n_bought ? &u->bought[i] : NULL;
}

void convert_user_take_back(struct convert_user *u, struct convert_exposure *e)
{
    take(u->bought, &u->n_bought, (uint32_t)(e - u->bought));
}

/* ---- rows: a part of the user's ---- */

static void write_exposures(const struct convert_exposure *at, uint32_t n, struct rows_buffer *out)
{
    rows_put_u32(out, n);
    for (uint32_t i = 0; i < n; i++) {
        rows_put_u32(out, at[i].item);
        rows_put_u32(out, at[i].course);
        rows_put_i64(out, at[i].at_ms);
        rows_put_u8(out, at[i].bin);
        rows_put_u8(out, at[i].learned);
        rows_put_f32(out, at[i].weight);
        rows_put_f32s(out, at[i].x, CONVERT_N_FEATURES);
        rows_put_i64(out, at[i].paid);
        rows_put_i64(out, at[i].given_back);
    }
}

static void read_exposures(struct convert_exposure *at, uint32_t n, struct rows_cursor *in)
{
    for (uint32_t i = 0; i < n; i++) {
        at[i].item = rows_get_u32(in);
        at[i].course = rows_get_u32(in);
        at[i].at_ms = rows_get_i64(in);
        at[i].bin = rows_get_u8(in);
        at[i].learned = rows_get_u8(in) & 1;
        at[i].weight = rows_get_f32(in);
        rows_get_f32s(in, at[i].x, CONVERT_N_FEATURES);
        at[i].paid = rows_get_i64(in);
        at[i].given_back = rows_get_i64(in);
        in->bad |= at[i].bin >= CONVERT_BINS;
    }
}

void convert_user_write(const struct convert_user *u, struct rows_buffer *out)
{
    rows_put_u8(out, u != NULL);
    if (!u)
        return;
    rows_put_i64(out, u->conversions_net);
    write_exposures(u->pending, u->n_pending, out);
    write_exposures(u->bought, u->n_bought, out);
}

struct convert_user *convert_user_read(struct rows_cursor *in)
{
    if (!rows_get_u8(in))
        return NULL;
    struct convert_user *u = xcalloc(1, sizeof *u);
    u->conversions_net = rows_get_i64(in);
    uint32_t n = rows_get_u32(in);
    if (n > CONVERT_PENDING)
        in->bad = true;
    else
        read_exposures(u->pending, u->n_pending = n, in);
    n = rows_get_u32(in);
    if (n > CONVERT_REMEMBERED || in->bad) {
        in->bad = true;
        return u;
    }
    reserve(u, n);
    if (n)
        read_exposures(u->bought, u->n_bought = n, in);
    return u;
}
