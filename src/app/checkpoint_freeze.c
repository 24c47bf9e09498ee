/* The loop's side of a moment: how rows keep the values they had, while the loop goes on changing them.
 *
 * Freezing copies nothing. Each table's list of dirty keys is taken (an empty one is swapped in) and each of its rows gets the
 * mark SEGMENT_PENDING; for a base all rows get BASE_PENDING, one byte each. A marked row still has its frozen value. Slices
 * write marked rows and take the mark off; rows_touch() sees the mark before the first change and has the row written first
 * (before_change). So each row is written once a file, with the value of the moment, in whatever order.
 *
 *      dirty list ──freeze──► taken list ──slices──► blocks ──► writer          sealed: forgotten
 *          ▲                      │                    ▲
 *          └────── put back ──────┘   before_change ───┘                        failed: dirty again
 *
 * Rows that appear after the freeze have keys beyond the frozen count and are not the moment's. */
#define _GNU_SOURCE
#include "app/checkpoint_priv.h"
#include "base/check.h"
#include "base/clock.h"

/* reading the thread's CPU clock costs as much as writing a small row */
#define ROWS_BETWEEN_CLOCKS 16

static void flush(struct checkpoint *c, struct checkpoint_file *f, int table)
{
    struct rows_buffer *b = &f->open[table];
    if (f->n_open[table] == 0)
        return;
    checkpoint_format_describe_block(b, BLOCK_ROWS, (uint32_t)c->tables[table].kind,
                                     f->n_open[table]);
    checkpoint_writer_send(&c->writer,
                           (struct checkpoint_job){.type = JOB_BLOCK, .file = f, .block = *b});
    *b = (struct rows_buffer){0};
    f->n_open[table] = 0;
}

static void write_row(struct checkpoint *c, struct checkpoint_file *f, int table, uint32_t key)
{
    const struct rows_table *t = &c->tables[table];
    struct rows_buffer *b = &f->open[table];
    if (f->n_open[table] == 0) {
        *b = checkpoint_writer_buffer(&c->writer);
        checkpoint_format_begin_block(b);
    }
    rows_put_u32(b, key);
    size_t at = b->len;
    rows_put_u32(b, 0);
    t->write(t->room, key, b);
    size_t len = b->len - at - sizeof(uint32_t);
    ASSERT(len <= UINT32_MAX / 2);
    memcpy(b->bytes + at, &(uint32_t){(uint32_t)len}, sizeof(uint32_t));
    f->n_open[table]++;
    f->n_rows++;
    if (b->len >= CHECKPOINT_BLOCK_BYTES)
        flush(c, f, table);
}

void checkpoint_freeze_before_change(void *ctx, struct rows_track *t, uint32_t key)
{
    struct checkpoint *c = ctx;
    uint8_t state = t->state[key];
    if (state & ROWS_SEGMENT_PENDING)
        write_row(c, c->segment, t->room, key);
    if (state & ROWS_BASE_PENDING)
        write_row(c, c->base, t->room, key);
    t->state[key] = state & ROWS_DIRTY;
}

/* ---- freeze ---- */
static void take_dirty(struct checkpoint *c, int table, uint8_t mark)
{
    struct rows_track *t = c->tables[table].track;
    uint32_t *keys = t->dirty, n = t->n_dirty, kept = 0;
    uint32_t count = c->tables[table].count(c->tables[table].room);
    ASSERT(count <= t->max_rows);
    t->dirty = c->taken[table];
    t->n_dirty = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = keys[i];
        if (key < count) {
            t->state[key] = (uint8_t)((t->state[key] & ~ROWS_DIRTY) | mark);
            keys[kept++] = key;
        } else {
            t->dirty[t->n_dirty++] = key; /* touched before it exists: the next moment's */
        }
    }
    c->taken[table] = keys;
    c->n_taken[table] = kept;
}

static void mark_all(const struct rows_track *t, uint32_t count)
{
    for (uint32_t key = 0; key < count; key++)
        t->state[key] |= ROWS_BASE_PENDING;
}

static void freeze_file(struct checkpoint *c, struct checkpoint_file *f)
{
    for (int i = 0; i < c->n_tables; i++)
        f->counts[i] = c->tables[i].count(c->tables[i].room);
}

void checkpoint_freeze_begin(struct checkpoint *c)
{
    bool new_base = c->base && c->base->header.moment == c->moment;
    ASSERT(c->carrier);
    for (int i = 0; i < c->n_tables; i++) {
        take_dirty(c, i, c->segment ? ROWS_SEGMENT_PENDING : 0);
        if (new_base)
            mark_all(c->tables[i].track, c->tables[i].count(c->tables[i].room));
    }
    if (new_base)
        freeze_file(c, c->base);
    if (c->segment)
        freeze_file(c, c->segment);
}

/* ---- slices ---- */
struct slice {
    int64_t end_ns;
    uint32_t n, rows; /* rows: a test's limit, or 0 */
};

static bool slice_over(const struct checkpoint *c, struct slice *s)
{
    s->n++;
    if (s->rows)
        return s->n >= s->rows;
    return s->n % ROWS_BETWEEN_CLOCKS == 0 &&
           (checkpoint_writer_full(&c->writer) || clock_cpu_ns() >= s->end_ns);
}

/* Goes on in one table; true when it is through. */
static bool slice_table(struct checkpoint *c, struct checkpoint_file *f, struct slice *s)
{
    bool segment = f->header.kind == CHECKPOINT_SEGMENT;
    int table = f->table;
    uint8_t mark = segment ? ROWS_SEGMENT_PENDING : ROWS_BASE_PENDING;
    uint8_t *state = c->tables[table].track->state;
    uint32_t n = segment ? c->n_taken[table] : f->counts[table];
    while (f->next < n) {
        uint32_t key = segment ? c->taken[table][f->next] : f->next;
        f->next++;
        if (!(state[key] & mark))
            continue; /* saved already: it was about to change */
        write_row(c, f, table, key);
        state[key] = (uint8_t)(state[key] & ~mark);
        if (slice_over(c, s))
            return false;
    }
    return true;
}

static void slice_file(struct checkpoint *c, struct checkpoint_file *f, struct slice *s)
{
    while (f->table < c->n_tables) {
        if (!slice_table(c, f, s))
            return;
        f->table++;
        f->next = 0;
    }
    for (int i = 0; i < c->n_tables; i++)
        flush(c, f, i);
    f->rows_done = true;
}

void checkpoint_freeze_slice(struct checkpoint *c, int64_t cpu_ns)
{
    struct slice s = {.end_ns = clock_cpu_ns() + cpu_ns, .rows = c->slice_rows};
    if (c->segment && !c->segment->rows_done && !checkpoint_writer_full(&c->writer))
        slice_file(c, c->segment, &s);
    if (c->segment && !c->segment->rows_done)
        return; /* the segment first: it is what makes events safe */
    if (c->base && !c->base->rows_done && !checkpoint_writer_full(&c->writer) &&
        clock_cpu_ns() < s.end_ns)
        slice_file(c, c->base, &s);
}

/* ---- a file that failed ---- */
void checkpoint_freeze_unmark(struct checkpoint *c, const struct checkpoint_file *f)
{
    bool segment = f->header.kind == CHECKPOINT_SEGMENT;
    for (int i = 0; i < c->n_tables; i++) {
        uint8_t *state = c->tables[i].track->state;
        uint32_t n = segment ? c->n_taken[i] : f->counts[i];
        for (uint32_t k = 0; k < n; k++) {
            uint32_t key = segment ? c->taken[i][k] : k;
            state[key] =
                (uint8_t)(state[key] & ~(segment ? ROWS_SEGMENT_PENDING : ROWS_BASE_PENDING));
        }
    }
}

/* The failed keys first, then those touched since: rows that never change (ids) stay in the order they appeared. */
static void put_back_table(struct checkpoint *c, int table)
{
    struct rows_track *t = c->tables[table].track;
    uint32_t *keys = c->taken[table], n = c->n_taken[table];
    for (uint32_t i = 0; i < t->n_dirty; i++)
        t->state[t->dirty[i]] = (uint8_t)(t->state[t->dirty[i]] & ~ROWS_DIRTY);
    for (uint32_t i = 0; i < n; i++)
        t->state[keys[i]] |= ROWS_DIRTY;
    for (uint32_t i = 0; i < t->n_dirty; i++) {
        uint32_t key = t->dirty[i];
        if (!(t->state[key] & ROWS_DIRTY)) {
            t->state[key] |= ROWS_DIRTY;
            keys[n++] = key;
        }
    }
    c->taken[table] = t->dirty;
    c->n_taken[table] = 0;
    t->dirty = keys;
    t->n_dirty = n;
}

void checkpoint_freeze_put_back(struct checkpoint *c)
{
    for (int i = 0; i < c->n_tables; i++)
        put_back_table(c, i);
}
