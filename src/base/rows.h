/* base/rows.h - state is rows: the one codec that checkpoints (and later changelogs) write, and who was touched.
 * Promise  A row is (kind, key, bytes). A room writes one row into a buffer and reads one back from a cursor; both sides
 *          name the fields in the same order. Integers are little-endian, floats IEEE-754 bits.
 *          rows_touch() BEFORE the first change of a row in a turn is all a room owes: it lets a checkpoint save the row as
 *          it was at the checkpoint's moment (copy on write), and puts the row on the list for the next one.
 * Memory   track: 1 byte a row, and 4 bytes a touched row; reserved for max_rows, pages used as rows appear.
 * Threads  the engine's loop only. */
#ifndef BASE_ROWS_H
#define BASE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "zhiliu/span.h"
#include "zhiliu/status.h"

/* Kinds are written to disk: never renumber. Loading goes in this order. */
enum rows_kind {
    ROWS_ENGINE =
        1, /* reserved: no room writes it yet; positions and clocks have a block of their own */
    ROWS_ITEM_IDS = 2, /* base/ids of items, courses, users: key = index, bytes = id */
    ROWS_COURSE_IDS = 3,
    ROWS_USER_IDS = 4,
    ROWS_CATALOG = 5, /* key = item index */
    ROWS_ITEMS = 6,   /* model: key = item index */
    ROWS_USERS = 7,   /* model: key = user index */
    ROWS_MODEL = 8,   /* model: global rows */
    ROWS_WATCH = 9,   /* reward: watch-time histograms, key = duration bucket */
    ROWS_DUPLICATES =
        10, /* guard: one row a partition: generations, counts, sums; ids are in the duplicate log */
    ROWS_COOCCUR = 11,       /* model: key = item index */
    ROWS_FEATURES = 12,      /* model: key = feature index */
    ROWS_PROJECTIONS = 13,   /* model: gates, then the rows of the modalities' projections */
    ROWS_CONVERT = 14,       /* model: key 0 the conversion head, 1 + course index its rates */
    ROWS_SIMILAR = 18,       /* rank: weights of related items, key 0 */
    ROWS_SURFACES = 19,      /* model: names and totals, key = place of the surface */
    ROWS_SURFACE_ITEMS = 20, /* model: choices by item, likewise */
    ROWS_N_KINDS
};

/* ---- writing ---- */
struct rows_buffer {
    unsigned char *bytes; /* owned */
    size_t len, capacity;
};
void rows_buffer_release(struct rows_buffer *b);
void rows_put_bytes(struct rows_buffer *b, const void *bytes, size_t len);
void rows_put_u8(struct rows_buffer *b, uint8_t v);
void rows_put_u32(struct rows_buffer *b, uint32_t v);
void rows_put_u64(struct rows_buffer *b, uint64_t v);
void rows_put_i64(struct rows_buffer *b, int64_t v);
void rows_put_f32(struct rows_buffer *b, float v);
void rows_put_f64(struct rows_buffer *b, double v);
void rows_put_f32s(struct rows_buffer *b, const float *v, size_t n);
void rows_put_u32s(struct rows_buffer *b, const uint32_t *v, size_t n);
void rows_put_span(struct rows_buffer *b, struct zl_span s); /* u32 length, bytes */

/* ---- reading: total. A short row sets .bad and yields zeros ever after; check .bad once at the end ---- */
struct rows_cursor {
    const unsigned char *at, *end; /* borrowed */
    bool bad;
};
uint8_t rows_get_u8(struct rows_cursor *c);
uint32_t rows_get_u32(struct rows_cursor *c);
uint64_t rows_get_u64(struct rows_cursor *c);
int64_t rows_get_i64(struct rows_cursor *c);
float rows_get_f32(struct rows_cursor *c);
double rows_get_f64(struct rows_cursor *c);
void rows_get_f32s(struct rows_cursor *c, float *v, size_t n);
void rows_get_u32s(struct rows_cursor *c, uint32_t *v, size_t n);
void rows_get_bytes(struct rows_cursor *c, void *bytes, size_t len);
struct zl_span rows_get_span(struct rows_cursor *c); /* lent from the cursor's bytes */

/* ---- who was touched ---- */
enum rows_state {
    ROWS_DIRTY = 1,           /* changed since the last freeze: on the dirty list */
    ROWS_SEGMENT_PENDING = 2, /* frozen for the segment being written, not yet written */
    ROWS_BASE_PENDING = 4,    /* frozen for the base being written, not yet written */
};

struct rows_track {
    uint8_t *state;  /* one byte a row */
    uint32_t *dirty; /* keys of dirty rows, each once, in touch order */
    uint32_t n_dirty;
    uint32_t max_rows;
    /* Called by rows_touch on a row with a PENDING bit, before it changes; clears the PENDING bits. NULL: no checkpoint. */
    void (*before_change)(void *ctx, struct rows_track *t, uint32_t key);
    void *ctx;
    int room; /* the checkpoint's number for this table */
};

MUST_CHECK enum zl_status rows_track_init(struct rows_track *t, uint32_t max_rows,
                                          struct zl_error *err);
void rows_track_release(struct rows_track *t);
void rows_touch_slowly(struct rows_track *t, uint32_t key);
/* A second list of the dirty list's size, which a checkpoint swaps in for it; NULL: refused. The caller's, for release. */
uint32_t *rows_keys_reserve(uint32_t max_rows);
void rows_keys_release(uint32_t *keys, uint32_t max_rows);

static inline void rows_touch(struct rows_track *t, uint32_t key)
{
    if (t->state[key] != ROWS_DIRTY)
        rows_touch_slowly(t, key);
}

/* ---- a table of rows as the checkpoint sees it ---- */
struct rows_table {
    enum rows_kind kind;
    const char *name; /* for words */
    void *room;       /* first argument of the calls below */
    struct rows_track *track;
    uint32_t (*count)(const void *room); /* keys are 0 .. count-1 */
    void (*write)(const void *room, uint32_t key, struct rows_buffer *out);
    /* Rows of a kind come in any key order within the kind (rows that never change: in the order they were first touched), ids
     * before what refers to them; one row may come again, newer. Takes all its bytes. ZL_EBADDATA: words in err. */
    enum zl_status (*read)(void *room, uint32_t key, struct rows_cursor *in, struct zl_error *err);
};

#endif
