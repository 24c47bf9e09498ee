/* app/checkpoint.h - rows and offsets of one moment, on disk, without stopping the loop.
 * Files    in one folder, each written as NAME.tmp, fsynced, renamed, folder fsynced; each sealed by a footer with its checksum:
 *            lock                 held (flock) while an engine runs; a second one is refused in words
 *            epoch                decimal number of starts
 *            base-<moment>        all rows at a moment
 *            segment-<moment>     rows touched between the moment before and this one
 *            ids-<partition>-<generation_ms>  append-only chunks of event-id hashes (guard); segments and bases name their valid length
 *          moment = 1, 2, 3, ... A state is the newest usable base and the unbroken run of segments after it. The two newest bases
 *          and all segments since the older one are kept, so a damaged file costs a moment, not the state.
 * How      At a moment (freeze) the dirty lists of all tables are taken and their rows marked pending; each turn of the loop writes a slice
 *          (slice_ns of CPU) of pending rows into buffers; a row that is about to change is saved first (rows_touch ->
 *          before_change). A thread of its own writes, fsyncs and renames. A base is the same with every row pending; it starts at a
 *          segment's moment when segments have outgrown the newest base. A segment (or base) is sealed only when all dead letters put
 *          before its moment are acknowledged.
 * Threads  the loop calls everything; the writer thread touches only handed-over buffers. */
#ifndef APP_CHECKPOINT_H
#define APP_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/rows.h"
#include "guard/guard.h"
#include "zhiliu/position.h"

#define CHECKPOINT_MAX_TABLES 24

struct checkpoint_config {
    const char *path;
    int64_t interval_ms;
    uint64_t fingerprint; /* of the pipeline: another one's files are refused in words */
    int64_t slice_ns;     /* CPU a turn; 0: 1.5 ms */
    bool read_only;       /* inspect: no lock, no epoch, nothing written */
};

struct checkpoint;

/* Makes the folder if it is not there, locks it, raises the epoch. ZL_EIO, ZL_ECONFIG (locked by pid N). */
MUST_CHECK enum zl_status checkpoint_open(const struct checkpoint_config *cfg,
                                          struct checkpoint **out, struct zl_error *err);
/* Before the registered tables are closed. What is not sealed is given up. Copes with NULL. */
void checkpoint_close(struct checkpoint *c);
uint64_t checkpoint_epoch(const struct checkpoint *c);

/* Before load: each table once, guard_rows() among them; they are loaded by kind. The guard (the ids themselves) may be NULL. A room's
 * count() covers every row that was touched, and its read() takes all bytes of a row. */
void checkpoint_register(struct checkpoint *c, struct rows_table table);
void checkpoint_register_guard(struct checkpoint *c, struct guard *g);

/* Fills tables and positions from the best usable files. ZL_ENOENT: there is none, start afresh. Damaged files are named in log lines
 * and passed over for older ones, then renamed to NAME.set-aside, with all that lies beyond the chosen moment. ZL_EBADDATA: files are
 * there but none is usable; ZL_ECONFIG: they are of another version or pipeline. When a table's read() refuses a row the tables are half
 * filled: the caller must stop. */
MUST_CHECK enum zl_status checkpoint_load(struct checkpoint *c, struct zl_positions *positions,
                                          struct zl_error *err);

/* One turn's worth of work: begins a moment when the interval has passed, writes slices, seals. dead_put / dead_acked: numbers of the
 * newest dead letter put, and up to which all are acknowledged. A failed write (disk full) is logged once with its errno's words, counted, its
 * rows go into the next moment; the loop goes on. */
void checkpoint_step(struct checkpoint *c, int64_t now_ms, const struct zl_positions *positions,
                     uint64_t dead_put, uint64_t dead_acked);
/* Is there work left that wants the loop's next turn soon (slices, a seal)? NULL: no. */
bool checkpoint_busy(const struct checkpoint *c);
/* A moment now, waited for (shutdown): at most timeout_ms. acked() is asked for the newest acknowledged dead letter. */
MUST_CHECK enum zl_status checkpoint_finish(struct checkpoint *c, int64_t now_ms,
                                            const struct zl_positions *positions, uint64_t dead_put,
                                            uint64_t (*acked)(void *ctx), void *ctx, int timeout_ms,
                                            struct zl_error *err);
/* Wall-clock ms of the newest sealed moment, its number, and its positions (for source_commit); 0 when none yet. */
int64_t checkpoint_sealed_ms(const struct checkpoint *c);
uint64_t checkpoint_sealed_moment(const struct checkpoint *c);
const struct zl_positions *checkpoint_sealed_positions(const struct checkpoint *c);

/* Digest of the state: XXH3 over all rows of all tables in order of kind and key, as they are now. Positions are not part of it. */
uint64_t checkpoint_digest(const struct rows_table *tables, int n);

#endif
