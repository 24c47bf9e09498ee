/* What is remembered of a user: a short history ring (newest first, an item once), the set of items met, counts, and the newest
 * items of the courses looked at. No vector: z_u is computed from the history when it is needed. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "model/model_priv.h"

#define COURSE_MEMORY_MS (7LL * 24 * 3600 * 1000)
#define SESSION_SEED 0x5e55ULL

enum zl_status users_init(struct users *t, const struct model_config *cfg, struct zl_error *err)
{
    t->history = cfg->history;
    t->max_users = cfg->max_users;
    t->session_gap_ms = cfg->session_gap_ms;
    size_t row = sizeof(struct user) + (size_t)cfg->history * sizeof(struct model_history_entry);
    TRY(table_init(&t->rows, "users (model.max_users)", cfg->max_users, row, err));
    return rows_track_init(&t->track, cfg->max_users, err);
}

void users_clear(struct user *u)
{
    free(u->seen.items);
    free(u->impressed);
    free(u->hidden);
    free(u->courses);
    convert_user_release(u->convert);
    *u = (struct user){.opted_out = u->opted_out, .partition = u->partition};
}

void users_release(struct users *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        users_clear(users_row(t, i));
    rows_track_release(&t->track);
    table_release(&t->rows);
}

struct user *users_to_change(struct users *t, uint32_t user)
{
    ASSERT(user < t->max_users);
    rows_touch(&t->track, user);
    if (user >= t->count)
        t->count = user + 1;
    return users_row(t, user);
}

uint32_t users_session(const struct users *t, struct user *u, const struct zl_event *ev)
{
    if (u->last_ms && ev->at_ms - u->last_ms > t->session_gap_ms)
        u->session++;
    if (u->first_ms == 0 || ev->at_ms < u->first_ms)
        u->first_ms = ev->at_ms;
    if (ev->at_ms > u->last_ms)
        u->last_ms = ev->at_ms;
    if (ev->session_id.len)
        return (uint32_t)hash_bytes(ev->session_id.ptr, ev->session_id.len, SESSION_SEED) |
               0x80000000U;
    return u->session & 0x7FFFFFFFU;
}

bool users_has_seen(const struct user *u, uint32_t item)
{
    bool found = false;
    for (uint32_t i = 0; i < u->seen.n; i++)
        found |= u->seen.items[i] == item;
    return found;
}

void users_note_seen(struct user *u, uint32_t item)
{
    struct seen *s = &u->seen;
    if (users_has_seen(u, item))
        return;
    if (s->n == MODEL_SEEN) {
        s->items[s->next] = item;
        s->next = (s->next + 1) % MODEL_SEEN;
        return;
    }
    if (s->n == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 16;
        s->items = xrealloc(s->items, s->capacity, sizeof *s->items);
    }
    s->items[s->n++] = item;
}

void users_forget_impression(struct user *u, uint32_t item)
{
    for (int i = 0; i < u->n_impressed; i++)
        if (u->impressed[i].item == item) {
            memmove(&u->impressed[i], &u->impressed[i + 1],
                    (size_t)(u->n_impressed - i - 1) * sizeof *u->impressed);
            u->n_impressed--;
            return;
        }
}

double users_shown_propensity(const struct user *u, uint32_t item)
{
    for (int i = 0; i < u->n_impressed; i++)
        if (u->impressed[i].item == item)
            return (double)u->impressed[i].propensity;
    return 0;
}

void users_note_impression(struct user *u, uint32_t item, double propensity)
{
    uint32_t times = 1;
    if (!u->impressed)
        u->impressed = xcalloc(MODEL_IMPRESSED, sizeof *u->impressed);
    for (int i = 0; i < u->n_impressed; i++)
        if (u->impressed[i].item == item)
            times = u->impressed[i].times + 1;
    users_forget_impression(u, item);
    if (u->n_impressed == MODEL_IMPRESSED)
        users_forget_impression(u, u->impressed[0].item);
    u->impressed[u->n_impressed++] = (struct model_impressed){item, times, (float)propensity};
}

bool users_take_history(struct user *u, uint32_t item, struct model_history_entry *out)
{
    for (int i = 0; i < u->n_history; i++)
        if (u->history[i].item == item) {
            *out = u->history[i];
            memmove(&u->history[i], &u->history[i + 1],
                    (size_t)(u->n_history - i - 1) * sizeof u->history[0]);
            u->n_history--;
            return true;
        }
    return false;
}

void users_push_history(const struct users *t, struct user *u, const struct model_history_entry *e)
{
    int keep = u->n_history < t->history ? u->n_history : t->history - 1;
    memmove(&u->history[1], &u->history[0], (size_t)keep * sizeof u->history[0]);
    u->history[0] = *e;
    u->n_history = (uint16_t)(keep + 1);
}

/* The course's place: its own, else a free one, else the one longest not looked at. */
static struct user_course *course_place(struct user *u, uint32_t course)
{
    struct user_course *oldest = &u->courses[0];
    for (int i = 0; i < USER_COURSES; i++)
        if (u->courses[i].course == course)
            return &u->courses[i];
    for (int i = 1; i < USER_COURSES; i++)
        if (u->courses[i].at_ms < oldest->at_ms)
            oldest = &u->courses[i];
    *oldest =
        (struct user_course){.course = course, .items = {ZL_NO_INDEX, ZL_NO_INDEX, ZL_NO_INDEX}};
    return oldest;
}

void users_note_course(struct user *u, uint32_t course, uint32_t item, int64_t at_ms)
{
    if (!u->courses) {
        u->courses = xcalloc(USER_COURSES, sizeof *u->courses);
        for (int i = 0; i < USER_COURSES; i++)
            u->courses[i].course = ZL_NO_INDEX;
    }
    struct user_course *c = course_place(u, course);
    int at = 0;
    while (at < USER_COURSE_ITEMS - 1 && c->items[at] != item)
        at++;
    memmove(&c->items[1], &c->items[0], (size_t)at * sizeof c->items[0]);
    c->items[0] = item;
    c->at_ms = at_ms;
}

int users_course_items(const struct user *u, uint32_t course, int64_t at_ms,
                       uint32_t out[USER_COURSE_ITEMS])
{
    int n = 0;
    for (int i = 0; u->courses && i < USER_COURSES; i++) {
        const struct user_course *c = &u->courses[i];
        if (c->course != course || at_ms - c->at_ms > COURSE_MEMORY_MS)
            continue;
        for (int j = 0; j < USER_COURSE_ITEMS && c->items[j] != ZL_NO_INDEX; j++)
            out[n++] = c->items[j];
        break;
    }
    return n;
}

/* ---- rows ---- */

static uint32_t rows_count(const void *room)
{
    const struct users *t = room;
    return t->count;
}

static void rows_write(const void *room, uint32_t key, struct rows_buffer *out)
{
    const struct user *u = users_row(room, key);
    rows_put_u32s(out, u->counts, ZL_N_EVENT_TYPES);
    rows_put_i64(out, u->reward_table_micro);
    rows_put_i64(out, u->last_ms);
    rows_put_i64(out, u->first_ms);
    rows_put_u64(out, u->surface);
    rows_put_u32(out, u->session);
    rows_put_u32(out, (uint32_t)u->partition);
    rows_put_u8(out, (uint8_t)(u->opted_out | u->forgotten << 1));
    rows_put_u32(out, u->n_history);
    for (int i = 0; i < u->n_history; i++) {
        rows_put_u32(out, u->history[i].item);
        rows_put_u32(out, u->history[i].session);
        rows_put_i64(out, u->history[i].reward_micro);
        rows_put_i64(out, u->history[i].ts_ms);
        rows_put_u8(out, u->history[i].explored);
        rows_put_f32(out, u->history[i].propensity);
    }
    rows_put_u32(out, u->seen.n);
    rows_put_u32(out, u->seen.next);
    rows_put_u32s(out, u->seen.items, u->seen.n);
    rows_put_u32(out, u->n_impressed);
    for (int i = 0; i < u->n_impressed; i++) {
        rows_put_u32(out, u->impressed[i].item);
        rows_put_u32(out, u->impressed[i].times);
        rows_put_f32(out, u->impressed[i].propensity);
    }
    rows_put_u32(out, u->n_hidden);
    for (int i = 0; i < u->n_hidden; i++) {
        rows_put_u32(out, u->hidden[i].item);
        rows_put_i64(out, u->hidden[i].at_ms);
    }
    rows_put_u8(out, u->courses != NULL);
    for (int i = 0; u->courses && i < USER_COURSES; i++) {
        rows_put_u32(out, u->courses[i].course);
        rows_put_u32s(out, u->courses[i].items, USER_COURSE_ITEMS);
        rows_put_i64(out, u->courses[i].at_ms);
    }
    convert_user_write(u->convert, out);
}

static void read_history(const struct users *t, struct user *u, struct rows_cursor *in)
{
    uint32_t n = rows_get_u32(in);
    if (n > (uint32_t)t->history) {
        in->bad = true;
        return;
    }
    u->n_history = (uint16_t)n;
    for (uint32_t i = 0; i < n; i++) {
        u->history[i].item = rows_get_u32(in);
        u->history[i].session = rows_get_u32(in);
        u->history[i].reward_micro = rows_get_i64(in);
        u->history[i].ts_ms = rows_get_i64(in);
        u->history[i].explored = rows_get_u8(in);
        u->history[i].propensity = rows_get_f32(in);
    }
}

static void read_seen(struct user *u, struct rows_cursor *in)
{
    uint32_t n = rows_get_u32(in), next = rows_get_u32(in);
    if (n > MODEL_SEEN || next >= MODEL_SEEN) {
        in->bad = true;
        return;
    }
    u->seen = (struct seen){.n = n, .next = next, .capacity = 16};
    while (u->seen.capacity < n)
        u->seen.capacity *= 2;
    u->seen.items = xrealloc(NULL, u->seen.capacity, sizeof *u->seen.items);
    rows_get_u32s(in, u->seen.items, n);
}

static void read_impressed(struct user *u, struct rows_cursor *in)
{
    uint32_t n = rows_get_u32(in);
    if (n > MODEL_IMPRESSED) {
        in->bad = true;
        return;
    }
    u->n_impressed = (uint16_t)n;
    u->impressed = n ? xcalloc(MODEL_IMPRESSED, sizeof *u->impressed) : NULL;
    for (uint32_t i = 0; i < n; i++) {
        u->impressed[i].item = rows_get_u32(in);
        u->impressed[i].times = rows_get_u32(in);
        u->impressed[i].propensity = rows_get_f32(in);
    }
}

static void read_hidden(struct user *u, struct rows_cursor *in)
{
    uint32_t n = rows_get_u32(in);
    if (n > MODEL_HIDDEN) {
        in->bad = true;
        return;
    }
    u->n_hidden = (uint16_t)n;
    u->hidden = n ? xcalloc(MODEL_HIDDEN, sizeof *u->hidden) : NULL;
    for (uint32_t i = 0; i < n; i++) {
        u->hidden[i].item = rows_get_u32(in);
        u->hidden[i].at_ms = rows_get_i64(in);
    }
}

static void read_courses(struct user *u, struct rows_cursor *in)
{
    if (!rows_get_u8(in))
        return;
    u->courses = xcalloc(USER_COURSES, sizeof *u->courses);
    for (int i = 0; i < USER_COURSES; i++) {
        u->courses[i].course = rows_get_u32(in);
        rows_get_u32s(in, u->courses[i].items, USER_COURSE_ITEMS);
        u->courses[i].at_ms = rows_get_i64(in);
    }
}

static enum zl_status rows_read(void *room, uint32_t key, struct rows_cursor *in,
                                struct zl_error *err)
{
    struct users *t = room;
    if (key >= t->max_users)
        return zl_fail(err, ZL_EBADDATA, "user row %u is beyond model.max_users %u", key,
                       t->max_users);
    if (key >= t->count)
        t->count = key + 1;
    struct user *u = users_row(t, key);
    users_clear(u);
    rows_get_u32s(in, u->counts, ZL_N_EVENT_TYPES);
    u->reward_table_micro = rows_get_i64(in);
    u->last_ms = rows_get_i64(in);
    u->first_ms = rows_get_i64(in);
    u->surface = rows_get_u64(in);
    u->session = rows_get_u32(in);
    u->partition = (int32_t)rows_get_u32(in);
    uint8_t flags = rows_get_u8(in);
    u->opted_out = flags & 1;
    u->forgotten = flags >> 1 & 1;
    read_history(t, u, in);
    read_seen(u, in);
    read_impressed(u, in);
    read_hidden(u, in);
    read_courses(u, in);
    u->convert = convert_user_read(in);
    if (in->bad || in->at != in->end)
        return zl_fail(err, ZL_EBADDATA,
                       "user row %u is not of this form (is model.history that of the checkpoint?)",
                       key);
    return ZL_OK;
}

struct rows_table users_rows(struct users *t)
{
    return (struct rows_table){.kind = ROWS_USERS,
                               .name = "users",
                               .room = t,
                               .track = &t->track,
                               .count = rows_count,
                               .write = rows_write,
                               .read = rows_read};
}
