/* Moments: when one begins, when it counts, what happens when it does not.
 *
 *     moment        1        2        3        4 ...
 *     first time    base-1   seg-2    seg-3    seg-4           everything is dirty: a base alone
 *     segments      ...      seg-7 + base-7    seg-8 ...       they have outgrown the base: a new one beside the segment
 *
 * One moment is under way at a time: its carrier (the segment, or the base where there is none yet) owns the rows that were
 * dirty, until it is sealed, which waits for the dead letters put before it. A base beside a segment takes as long as it takes;
 * moments go on. Failure is no catastrophe: the rows are dirty again, the hashes of ids are kept, the next interval tries
 * again from the newest sealed moment. */
#define _GNU_SOURCE
#include "app/checkpoint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/checkpoint_priv.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define DEFAULT_SLICE_NS 1500000
/* a base that failed takes as much disk again: not at every moment */
#define BASE_RETRY_INTERVALS 10

enum zl_status checkpoint_open(const struct checkpoint_config *cfg, struct checkpoint **out,
                               struct zl_error *err)
{
    enum zl_status st;
    *out = NULL;
    struct checkpoint *c = xcalloc(1, sizeof *c);
    c->cfg = *cfg;
    c->path = xstrdup(cfg->path);
    c->cfg.path = c->path;
    if (c->cfg.slice_ns <= 0)
        c->cfg.slice_ns = DEFAULT_SLICE_NS;
    c->base_least_bytes = CHECKPOINT_BASE_LEAST;
    c->lock_fd = c->dir_fd = -1;
    if ((st = checkpoint_folder_open(c, err)) != ZL_OK)
        goto fail;
    if (!cfg->read_only &&
        (st = checkpoint_writer_start(&c->writer, c->path, c->dir_fd, err)) != ZL_OK)
        goto fail;
    *out = c;
    return ZL_OK;
fail:
    checkpoint_close(c);
    return st;
}

uint64_t checkpoint_epoch(const struct checkpoint *c)
{
    return c->epoch;
}

static void give_up(struct checkpoint *c, struct checkpoint_file *f);

void checkpoint_close(struct checkpoint *c)
{
    if (!c)
        return;
    if (c->segment)
        give_up(c, c->segment);
    if (c->base)
        give_up(c, c->base);
    checkpoint_writer_stop(&c->writer);
    checkpoint_ids_release(c);
    for (int i = 0; i < c->n_tables; i++) {
        rows_keys_release(c->taken[i], c->tables[i].track->max_rows);
        c->tables[i].track->before_change = NULL;
    }
    if (c->dir_fd >= 0)
        close(c->dir_fd);
    if (c->lock_fd >= 0)
        close(c->lock_fd);
    free(c->known);
    free(c->path);
    free(c);
}

/* Kept in order of kind, the order of loading. */
void checkpoint_register(struct checkpoint *c, struct rows_table table)
{
    uint32_t *spare = rows_keys_reserve(table.track->max_rows);
    ASSERT(spare && c->n_tables < CHECKPOINT_MAX_TABLES && c->moment == 0);
    int i = c->n_tables++;
    for (; i > 0 && c->tables[i - 1].kind >= table.kind; i--) {
        ASSERT(c->tables[i - 1].kind != table.kind);
        c->tables[i] = c->tables[i - 1];
        c->taken[i] = c->taken[i - 1];
        c->tables[i].track->room = i;
    }
    c->tables[i] = table;
    c->taken[i] = spare;
    table.track->room = i;
    table.track->ctx = c;
    table.track->before_change = checkpoint_freeze_before_change;
}

void checkpoint_register_ids(struct checkpoint *c, struct checkpoint_ids_source from)
{
    c->ids.from = from;
}

/* ---- what is sealed ---- */
void checkpoint_know(struct checkpoint *c, enum checkpoint_kind kind, uint64_t moment,
                     uint64_t bytes)
{
    if (c->n_known == c->known_capacity) {
        c->known_capacity = c->known_capacity ? c->known_capacity * 2 : 64;
        c->known = xrealloc(c->known, c->known_capacity, sizeof *c->known);
    }
    c->known[c->n_known++] = (struct checkpoint_known){kind, moment, bytes};
}

/* The newest base before a moment, or NULL. */
static const struct checkpoint_known *newest_base(const struct checkpoint *c, uint64_t before)
{
    const struct checkpoint_known *newest = NULL;
    for (size_t i = 0; i < c->n_known; i++) {
        const struct checkpoint_known *k = &c->known[i];
        if (k->kind == CHECKPOINT_BASE && k->moment < before &&
            (!newest || k->moment > newest->moment))
            newest = k;
    }
    return newest;
}

/* Two bases are kept, and the segments since the older one. */
static void prune(struct checkpoint *c)
{
    const struct checkpoint_known *newest = newest_base(c, UINT64_MAX);
    const struct checkpoint_known *older = newest ? newest_base(c, newest->moment) : NULL;
    if (!older)
        return;
    uint64_t oldest = older->moment;
    size_t kept = 0;
    for (size_t i = 0; i < c->n_known; i++) {
        const struct checkpoint_known k = c->known[i];
        if (k.moment > oldest || (k.moment == oldest && k.kind == CHECKPOINT_BASE)) {
            c->known[kept++] = k;
            continue;
        }
        struct checkpoint_job job = {.type = JOB_DELETE};
        checkpoint_folder_name(job.name, k.kind, k.moment);
        checkpoint_writer_send(&c->writer, job);
    }
    c->n_known = kept;
    checkpoint_ids_prune(c, oldest);
}

/* Amortised: as much is written in bases as in segments, whatever the state's size. */
static bool base_is_due(const struct checkpoint *c, int64_t now_ms)
{
    const struct checkpoint_known *base = newest_base(c, UINT64_MAX);
    uint64_t bytes = 0, n = 0;
    if (!base)
        return true;
    if (c->base || now_ms < c->base_not_before_ms)
        return false;
    for (size_t i = 0; i < c->n_known; i++) {
        if (c->known[i].kind != CHECKPOINT_SEGMENT || c->known[i].moment <= base->moment)
            continue;
        bytes += c->known[i].bytes;
        n++;
    }
    return n >= CHECKPOINT_MAX_SEGMENTS ||
           bytes > (base->bytes > c->base_least_bytes ? base->bytes : c->base_least_bytes);
}

/* ---- a moment begins ---- */
static struct checkpoint_file *file_new(struct checkpoint *c, enum checkpoint_kind kind,
                                        int64_t now_ms, const struct zl_positions *positions,
                                        uint64_t dead_put)
{
    struct checkpoint_file *f = xcalloc(1, sizeof *f);
    f->header = (struct checkpoint_header){.kind = kind,
                                           .fingerprint = c->cfg.fingerprint,
                                           .moment = c->moment,
                                           .previous = kind == CHECKPOINT_SEGMENT ? c->previous : 0,
                                           .moment_ms = now_ms};
    checkpoint_folder_name(f->name, kind, c->moment);
    f->positions = *positions;
    f->dead_put = dead_put;
    f->fd = -1;
    return f;
}

static void send_block(struct checkpoint *c, struct checkpoint_file *f, struct rows_buffer block,
                       enum checkpoint_block_type type)
{
    checkpoint_format_describe_block(&block, type, 0, 0);
    checkpoint_writer_send(&c->writer,
                           (struct checkpoint_job){.type = JOB_BLOCK, .file = f, .block = block});
}

/* Positions, counts and lengths of the ids logs are known at once: they lead the file. */
static void send_front(struct checkpoint *c, struct checkpoint_file *f)
{
    struct rows_buffer b = {0};
    checkpoint_format_begin_block(&b);
    checkpoint_format_positions(&b, &f->positions);
    send_block(c, f, b, BLOCK_POSITIONS);
    b = (struct rows_buffer){0};
    checkpoint_format_begin_block(&b);
    rows_put_u32(&b, (uint32_t)c->n_tables);
    for (int i = 0; i < c->n_tables; i++) {
        rows_put_u32(&b, (uint32_t)c->tables[i].kind);
        rows_put_u32(&b, f->counts[i]);
    }
    send_block(c, f, b, BLOCK_COUNTS);
    b = (struct rows_buffer){0};
    checkpoint_format_begin_block(&b);
    checkpoint_ids_lengths(c, &b);
    send_block(c, f, b, BLOCK_IDS);
}

static void begin(struct checkpoint *c, int64_t now_ms, const struct zl_positions *positions,
                  uint64_t dead_put, bool with_base)
{
    struct checkpoint_file *base = NULL;
    bool first = newest_base(c, UINT64_MAX) == NULL;
    ASSERT(!c->carrier && !c->segment);
    c->moment++;
    if (with_base || first)
        base = c->base = file_new(c, CHECKPOINT_BASE, now_ms, positions, dead_put);
    if (!first)
        c->segment = file_new(c, CHECKPOINT_SEGMENT, now_ms, positions, dead_put);
    c->carrier = first ? base : c->segment;
    checkpoint_freeze_begin(c);
    if (c->segment)
        checkpoint_writer_send(&c->writer,
                               (struct checkpoint_job){.type = JOB_OPEN, .file = c->segment});
    if (base)
        checkpoint_writer_send(&c->writer, (struct checkpoint_job){.type = JOB_OPEN, .file = base});
    checkpoint_ids_freeze(c);
    if (c->segment)
        send_front(c, c->segment);
    if (base)
        send_front(c, base);
    c->next_ms = now_ms + c->cfg.interval_ms;
}

/* Nothing happened since the newest sealed moment: that one is the state of now, too. */
static bool unchanged(const struct checkpoint *c, const struct zl_positions *positions)
{
    const struct zl_positions *sealed = &c->sealed_positions;
    if (c->sealed_moment == 0 || sealed->n != positions->n ||
        memcmp(sealed->at, positions->at, (size_t)positions->n * sizeof positions->at[0]) != 0)
        return false;
    for (int i = 0; i < c->n_tables; i++)
        if (c->tables[i].track->n_dirty > 0)
            return false;
    return c->ids.first == NULL;
}

/* ---- a moment ends ---- */
static void forget_file(struct checkpoint *c, struct checkpoint_file *f)
{
    for (int i = 0; i < c->n_tables; i++)
        rows_buffer_release(&f->open[i]);
    if (c->segment == f)
        c->segment = NULL;
    if (c->base == f)
        c->base = NULL;
    if (c->carrier == f)
        c->carrier = NULL;
}

/* Takes a file out of the world: its rows are unmarked, and dirty again if it carried the moment. */
static void give_up(struct checkpoint *c, struct checkpoint_file *f)
{
    atomic_store(&f->abandoned, true);
    checkpoint_freeze_unmark(c, f);
    if (c->carrier == f)
        checkpoint_freeze_put_back(c);
    forget_file(c, f);
    /* and frees it */
    checkpoint_writer_send(&c->writer, (struct checkpoint_job){.type = JOB_ABANDON, .file = f});
}

static void on_failed(struct checkpoint *c, struct checkpoint_file *f, int64_t now_ms)
{
    bool base = f->header.kind == CHECKPOINT_BASE;
    LOG(ERROR, "checkpoint", "moment %llu failed: %s; its %s, the next try is in %lld s",
        (unsigned long long)f->header.moment, f->words,
        c->carrier == f ? "rows go into the next one" : "segment does not need it",
        (long long)c->cfg.interval_ms * (base && c->carrier != f ? BASE_RETRY_INTERVALS : 1) /
            1000);
    metrics_add(METRIC_CHECKPOINTS, 1, 1);
    if (c->carrier == f) {
        snprintf(c->failure, sizeof c->failure, "%s", f->words);
        c->next_ms = now_ms + c->cfg.interval_ms;
    }
    if (base)
        c->base_not_before_ms = now_ms + BASE_RETRY_INTERVALS * c->cfg.interval_ms;
    give_up(c, f);
}

static void on_carrier_sealed(struct checkpoint *c, const struct checkpoint_file *f, int64_t now_ms)
{
    c->previous = c->sealed_moment = f->header.moment;
    c->sealed_ms = f->header.moment_ms;
    c->sealed_positions = f->positions;
    c->failure[0] = '\0';
    checkpoint_ids_sealed(c);
    metrics_add(METRIC_CHECKPOINTS, 0, 1);
    metrics_set(METRIC_CHECKPOINT_TIME, 0, (double)now_ms / 1000);
    metrics_observe(METRIC_CHECKPOINT_SECONDS, 0, (double)(now_ms - f->header.moment_ms) / 1000);
}

static void on_sealed(struct checkpoint *c, struct checkpoint_file *f, int64_t now_ms)
{
    checkpoint_know(c, f->header.kind, f->header.moment, f->bytes);
    metrics_add(METRIC_CHECKPOINT_BYTES, 0, f->bytes);
    if (c->carrier == f)
        on_carrier_sealed(c, f, now_ms);
    forget_file(c, f);
    if (f->header.kind == CHECKPOINT_BASE) {
        LOG(INFO, "checkpoint", "base %llu is sealed: %llu rows, %llu bytes",
            (unsigned long long)f->header.moment, (unsigned long long)f->n_rows,
            (unsigned long long)f->bytes);
        prune(c);
    }
    free(f);
}

static void reap(struct checkpoint *c, struct checkpoint_file *f, int64_t now_ms)
{
    if (!f)
        return;
    int state = atomic_load(&f->state);
    if (state == FILE_FAILED)
        on_failed(c, f, now_ms);
    else if (state == FILE_SEALED)
        on_sealed(c, f, now_ms);
}

static void reap_both(struct checkpoint *c, int64_t now_ms)
{
    reap(c, c->segment, now_ms);
    reap(c, c->base, now_ms);
}

static void seal_if_due(struct checkpoint *c, struct checkpoint_file *f, uint64_t dead_acked)
{
    if (!f || !f->rows_done || f->seal_sent || dead_acked < f->dead_put)
        return;
    f->seal_sent = true;
    checkpoint_writer_send(
        &c->writer, (struct checkpoint_job){.type = JOB_SEAL, .file = f, .n_rows = f->n_rows});
}

static void work(struct checkpoint *c, int64_t slice_ns, uint64_t dead_acked)
{
    if ((c->segment && !c->segment->rows_done) || (c->base && !c->base->rows_done))
        checkpoint_freeze_slice(c, slice_ns);
    seal_if_due(c, c->segment, dead_acked);
    seal_if_due(c, c->base, dead_acked);
}

void checkpoint_step(struct checkpoint *c, int64_t now_ms, const struct zl_positions *positions,
                     uint64_t dead_put, uint64_t dead_acked)
{
    ASSERT(!c->cfg.read_only);
    if (!c->timed) {
        c->timed = true;
        c->next_ms = now_ms + c->cfg.interval_ms;
    }
    reap_both(c, now_ms);
    bool due = !c->carrier && now_ms >= c->next_ms;
    if (due && unchanged(c, positions)) {
        c->sealed_ms = now_ms;
        c->next_ms = now_ms + c->cfg.interval_ms;
        metrics_set(METRIC_CHECKPOINT_TIME, 0, (double)now_ms / 1000);
        due = false;
    }
    if (!due && !c->segment && !c->base)
        return;
    int64_t start_ns = clock_cpu_ns();
    if (due)
        begin(c, now_ms, positions, dead_put, base_is_due(c, now_ms));
    int64_t spent_ns = clock_cpu_ns() - start_ns; /* what freezing took is taken off the slice */
    work(c, spent_ns < c->cfg.slice_ns ? c->cfg.slice_ns - spent_ns : 0, dead_acked);
    metrics_observe(METRIC_STAGE_SECONDS, STAGE_CHECKPOINT,
                    (double)(clock_cpu_ns() - start_ns) / 1e9);
}

static bool file_busy(const struct checkpoint_file *f)
{
    return f && (!f->rows_done || f->seal_sent); /* else it waits for dead letters: no turn helps */
}

bool checkpoint_busy(const struct checkpoint *c)
{
    return c && (file_busy(c->segment) || file_busy(c->base));
}

/* ---- the last moment ---- */
struct wait {
    int64_t now_ms, deadline_ns;
    uint64_t (*acked)(void *ctx);
    void *ctx;
};

/* Until the moment under way is sealed or failed; false: the time is over. */
static bool drive(struct checkpoint *c, const struct wait *w)
{
    for (;;) {
        reap_both(c, w->now_ms);
        if (!c->carrier)
            return true;
        if (clock_monotonic_ns() >= w->deadline_ns)
            return false;
        work(c, c->cfg.slice_ns, w->acked ? w->acked(w->ctx) : UINT64_MAX);
        checkpoint_writer_wait(&c->writer);
    }
}

static enum zl_status too_late(const struct checkpoint *c, int timeout_ms, struct zl_error *err)
{
    const struct checkpoint_file *f = c->carrier;
    return zl_fail(err, ZL_EIO,
                   "the last checkpoint was not sealed within %d ms: still waiting for %s; the "
                   "next start goes on "
                   "from moment %llu",
                   timeout_ms,
                   f->rows_done && !f->seal_sent ? "dead letters to be acknowledged" : "the disk",
                   (unsigned long long)c->sealed_moment);
}

enum zl_status checkpoint_finish(struct checkpoint *c, int64_t now_ms,
                                 const struct zl_positions *positions, uint64_t dead_put,
                                 uint64_t (*acked)(void *ctx), void *ctx, int timeout_ms,
                                 struct zl_error *err)
{
    struct wait w = {now_ms, clock_monotonic_ns() + (int64_t)timeout_ms * 1000000, acked, ctx};
    if (c->base && c->base != c->carrier)
        give_up(c, c->base); /* there is no time for it now */
    if (!drive(c, &w))
        return too_late(c, timeout_ms, err);
    if (unchanged(c, positions))
        return ZL_OK;
    begin(c, now_ms, positions, dead_put, false);
    if (!drive(c, &w))
        return too_late(c, timeout_ms, err);
    if (c->failure[0])
        return zl_fail(err, ZL_EIO,
                       "the last checkpoint failed: %s; the next start goes on from moment %llu",
                       c->failure, (unsigned long long)c->sealed_moment);
    return ZL_OK;
}

int64_t checkpoint_sealed_ms(const struct checkpoint *c)
{
    return c->sealed_ms;
}

uint64_t checkpoint_sealed_moment(const struct checkpoint *c)
{
    return c->sealed_moment;
}

const struct zl_positions *checkpoint_sealed_positions(const struct checkpoint *c)
{
    return &c->sealed_positions;
}
