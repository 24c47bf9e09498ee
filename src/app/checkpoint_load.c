/* From a folder to tables: which files make the newest state, and their rows.
 *
 * A segment holds every row that changed between moments `previous` and `moment`, so it fits on a state of any moment s with
 * previous <= s < moment. The newest base that is whole reaches as far as any older one does: from wherever an older chain steps
 * over the base's moment, the same segment fits on the base. So: the newest whole base, and every whole segment after it that
 * fits, in order. Files are read to their end and checked before the first row of any is applied; the ids logs are checked for
 * the lengths that the last file names, and the chain is cut shorter when a log is damaged within them.
 *
 * What was passed over and what lies beyond the chosen moment is set aside (renamed): its moments are another history than the
 * one that begins now, and must never be chained to it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/checkpoint_priv.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"

struct found {
    enum checkpoint_kind kind;
    uint64_t moment;
    bool bad;
};

struct link { /* a file of the chain */
    char path[CHECKPOINT_PATH_MAX];
    struct checkpoint_reader reader;
    struct checkpoint_image image;
};

struct load {
    struct checkpoint *c;
    struct found *found; /* bases and segments by moment, a base before the segment of its moment */
    size_t n_found, capacity;
    struct link **chain;
    size_t n_chain;
    struct zl_error *err;
    struct zl_error passed; /* words of the newest file that was passed over */
};

/* ---- what is there ---- */
static void list_name(void *ctx, const char *name)
{
    struct load *l = ctx;
    struct checkpoint *c = l->c;
    uint64_t moment = 0;
    struct checkpoint_length log;
    enum checkpoint_name kind = checkpoint_folder_parse(name, &moment, &log);
    if (kind == NAME_TMP && !c->cfg.read_only) {
        struct checkpoint_job job = {.type = JOB_DELETE};
        snprintf(job.name, sizeof job.name, "%s", name);
        checkpoint_writer_send(&c->writer, job);
    }
    if (kind == NAME_IDS)
        checkpoint_ids_found(c, &log);
    if (kind != NAME_BASE && kind != NAME_SEGMENT)
        return;
    if (l->n_found == l->capacity) {
        l->capacity = l->capacity ? l->capacity * 2 : 64;
        l->found = xrealloc(l->found, l->capacity, sizeof *l->found);
    }
    l->found[l->n_found++] = (struct found){
        .kind = kind == NAME_BASE ? CHECKPOINT_BASE : CHECKPOINT_SEGMENT, .moment = moment};
}

static int by_moment(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->moment != y->moment)
        return x->moment < y->moment ? -1 : 1;
    return (int)x->kind - (int)y->kind;
}

/* ---- verify ---- */
static enum zl_status open_link(struct load *l, const struct found *f, struct link *k,
                                struct zl_error *err)
{
    char name[CHECKPOINT_NAME_MAX];
    struct stat s;
    checkpoint_folder_name(name, f->kind, f->moment);
    checkpoint_folder_path(k->path, l->c->path, name, "");
    k->reader = (struct checkpoint_reader){
        .name = k->path, .fd = checkpoint_ops.open(k->path, O_RDONLY | O_CLOEXEC, 0)};
    if (k->reader.fd < 0 || fstat(k->reader.fd, &s) != 0)
        return zl_fail(err, ZL_EIO, "cannot open %s: %s", k->path, strerror(errno));
    k->reader.size = (uint64_t)s.st_size;
    TRY(checkpoint_format_read(&k->reader, l->c->cfg.fingerprint, &k->image, err));
    if (k->image.header.kind != f->kind || k->image.header.moment != f->moment)
        return zl_fail(err, ZL_EBADDATA, "%s is damaged: it says that it is %s-%llu", k->path,
                       k->image.header.kind == CHECKPOINT_BASE ? "base" : "segment",
                       (unsigned long long)k->image.header.moment);
    return ZL_OK;
}

static void close_link(struct link *k)
{
    if (!k)
        return;
    if (k->reader.fd >= 0)
        checkpoint_ops.close(k->reader.fd);
    checkpoint_image_release(&k->image);
    free(k);
}

static void pass_over(struct load *l, const struct zl_error *why)
{
    struct log_site site = {0}; /* each file is named, none is a repetition of another */
    log_write(&site, LOG_WARN, "checkpoint", "%s; passing over it for an older one", why->text);
    if (l->passed.text[0] == '\0')
        l->passed = *why;
}

/* *out NULL: damaged, named and passed over. ZL_ECONFIG: another version or pipeline, for the caller's err. */
static enum zl_status verify(struct load *l, struct found *f, struct link **out)
{
    struct zl_error why;
    struct link *k = xcalloc(1, sizeof *k);
    *out = NULL;
    enum zl_status st = open_link(l, f, k, &why);
    if (st == ZL_OK) {
        *out = k;
        return ZL_OK;
    }
    close_link(k);
    if (st == ZL_ECONFIG)
        return zl_fail(l->err, st, "%s", why.text);
    f->bad = true;
    pass_over(l, &why);
    return ZL_OK;
}

/* ---- choose ---- */
static void cut_chain(struct load *l, size_t n)
{
    while (l->n_chain > n)
        close_link(l->chain[--l->n_chain]);
}

static enum zl_status extend_chain(struct load *l, size_t base)
{
    uint64_t moment = l->found[base].moment;
    for (size_t i = base + 1; i < l->n_found; i++) {
        struct found *f = &l->found[i];
        struct link *k;
        if (f->kind != CHECKPOINT_SEGMENT || f->moment <= moment)
            continue;
        TRY(verify(l, f, &k));
        if (!k)
            continue;
        if (k->image.header.previous > moment) {
            close_link(k); /* what lies between is missing */
            continue;
        }
        l->chain[l->n_chain++] = k;
        moment = f->moment;
    }
    return ZL_OK;
}

static void cut_to_whole_logs(struct load *l)
{
    struct zl_error why;
    while (l->n_chain > 0 &&
           checkpoint_ids_check(l->c, &l->chain[l->n_chain - 1]->image, &why) != ZL_OK) {
        pass_over(l, &why);
        cut_chain(l, l->n_chain - 1);
    }
}

static enum zl_status choose(struct load *l)
{
    size_t n_bases = 0;
    for (size_t i = l->n_found; i-- > 0 && l->n_chain == 0;) {
        struct link *k;
        if (l->found[i].kind != CHECKPOINT_BASE)
            continue;
        n_bases++;
        TRY(verify(l, &l->found[i], &k));
        if (!k)
            continue;
        l->chain[l->n_chain++] = k;
        TRY(extend_chain(l, i));
        cut_to_whole_logs(l);
    }
    if (l->n_chain > 0)
        return ZL_OK;
    if (l->n_found == 0)
        return zl_fail(l->err, ZL_ENOENT, "there is no checkpoint in %s", l->c->path);
    return zl_fail(
        l->err, ZL_EBADDATA,
        "no checkpoint in %s is usable (%zu bases): %s; to start afresh move the folder away",
        l->c->path, n_bases, l->passed.text[0] ? l->passed.text : "there are segments but no base");
}

/* ---- apply ---- */
struct apply {
    const struct rows_table *table;
    const char *file;
};

static enum zl_status apply_row(void *ctx, uint32_t key, struct rows_cursor *row,
                                struct zl_error *err)
{
    const struct apply *a = ctx;
    struct zl_error why = {""};
    if (key >= a->table->track->max_rows)
        return zl_fail(err, ZL_EBADDATA,
                       "%s: row %u of %s does not fit: the table is configured for %u rows",
                       a->file, key, a->table->name, a->table->track->max_rows);
    enum zl_status st = a->table->read(a->table->room, key, row, &why);
    if (st == ZL_OK && (row->bad || row->at != row->end))
        st = zl_fail(&why, ZL_EBADDATA, "it is %s than a row of this program",
                     row->bad ? "shorter" : "longer");
    return st == ZL_OK ? ZL_OK
                       : zl_fail(err, ZL_EBADDATA, "%s: row %u of %s: %s", a->file, key,
                                 a->table->name, why.text);
}

static enum zl_status check_kinds(const struct load *l, const struct link *k)
{
    for (size_t i = 0; i < k->image.n_blocks; i++) {
        bool known = false;
        for (int t = 0; t < l->c->n_tables; t++)
            known |= k->image.blocks[i].kind == (uint32_t)l->c->tables[t].kind;
        if (!known)
            return zl_fail(l->err, ZL_EBADDATA, "%s: rows of kind %u are not known to this program",
                           k->path, k->image.blocks[i].kind);
    }
    return ZL_OK;
}

static enum zl_status apply_link(struct load *l, const struct link *k, struct rows_buffer *scratch)
{
    TRY(check_kinds(l, k));
    for (int t = 0; t < l->c->n_tables; t++) {
        struct apply a = {&l->c->tables[t], k->path};
        for (size_t i = 0; i < k->image.n_blocks; i++)
            if (k->image.blocks[i].kind == (uint32_t)a.table->kind)
                TRY(checkpoint_format_rows(&k->reader, &k->image.blocks[i], scratch, apply_row, &a,
                                           l->err));
    }
    return ZL_OK;
}

static enum zl_status check_counts(const struct load *l, const struct link *last)
{
    for (uint32_t i = 0; i < last->image.n_counts; i++) {
        for (int t = 0; t < l->c->n_tables; t++) {
            const struct rows_table *table = &l->c->tables[t];
            if ((uint32_t)table->kind != last->image.counts[i].kind ||
                table->count(table->room) >= last->image.counts[i].rows)
                continue;
            return zl_fail(l->err, ZL_EBADDATA, "%s: %s has %u rows after loading, %u were saved",
                           last->path, table->name, table->count(table->room),
                           last->image.counts[i].rows);
        }
    }
    return ZL_OK;
}

static enum zl_status apply_chain(struct load *l)
{
    struct rows_buffer scratch = {0};
    enum zl_status st = ZL_OK;
    for (size_t i = 0; i < l->n_chain && st == ZL_OK; i++)
        st = apply_link(l, l->chain[i], &scratch);
    rows_buffer_release(&scratch);
    if (st == ZL_OK)
        st = check_counts(l, l->chain[l->n_chain - 1]);
    return st;
}

/* ---- afterwards ---- */
static enum zl_status set_aside(struct load *l, const char *name)
{
    char from[CHECKPOINT_PATH_MAX], to[CHECKPOINT_PATH_MAX];
    checkpoint_folder_path(from, l->c->path, name, "");
    checkpoint_folder_path(to, l->c->path, name, ".set-aside");
    if (checkpoint_ops.rename(from, to) != 0 && errno != ENOENT)
        return zl_fail(l->err, ZL_EIO, "cannot rename %s to %s: %s", from, to, strerror(errno));
    return ZL_OK;
}

static enum zl_status sort_out(struct load *l, uint64_t moment)
{
    bool any = false;
    for (size_t i = 0; i < l->n_found; i++) {
        const struct found *f = &l->found[i];
        char name[CHECKPOINT_NAME_MAX], path[CHECKPOINT_PATH_MAX];
        struct stat s = {0};
        checkpoint_folder_name(name, f->kind, f->moment);
        if (f->bad || f->moment > moment) {
            TRY(set_aside(l, name));
            any = true;
            continue;
        }
        checkpoint_folder_path(path, l->c->path, name, "");
        if (stat(path, &s) == 0)
            checkpoint_know(l->c, f->kind, f->moment, (uint64_t)s.st_size);
    }
    if (any && checkpoint_ops.fsync(l->c->dir_fd) != 0)
        return zl_fail(l->err, ZL_EIO, "cannot sync %s: %s", l->c->path, strerror(errno));
    return ZL_OK;
}

/* Rows were touched by being read: they are as the files have them, nothing is dirty. */
static void clean_tracks(struct checkpoint *c)
{
    for (int i = 0; i < c->n_tables; i++) {
        struct rows_track *t = c->tables[i].track;
        for (uint32_t k = 0; k < t->n_dirty; k++)
            t->state[t->dirty[k]] = 0;
        t->n_dirty = 0;
    }
}

static enum zl_status finish(struct load *l, struct zl_positions *positions)
{
    struct checkpoint *c = l->c;
    const struct checkpoint_image *last = &l->chain[l->n_chain - 1]->image;
    struct log_site site = {0};
    if (!c->cfg.read_only)
        TRY(sort_out(l, last->header.moment));
    clean_tracks(c);
    *positions = *last->positions;
    c->sealed_positions = *last->positions;
    c->sealed_moment = c->previous = last->header.moment;
    c->sealed_ms = last->header.moment_ms;
    c->moment = l->found[l->n_found - 1].moment;
    log_write(&site, LOG_INFO, "checkpoint",
              "loaded moment %llu from %s: base %llu and %zu segments",
              (unsigned long long)c->sealed_moment, c->path,
              (unsigned long long)l->chain[0]->image.header.moment, l->n_chain - 1);
    return ZL_OK;
}

enum zl_status checkpoint_load(struct checkpoint *c, struct zl_positions *positions,
                               struct zl_error *err)
{
    struct zl_error unused;
    struct load l = {.c = c, .err = err ? err : &unused};
    l.passed.text[0] = '\0';
    enum zl_status st = checkpoint_folder_list(c->path, list_name, &l, l.err);
    if (st == ZL_OK && l.n_found > 0)
        qsort(l.found, l.n_found, sizeof *l.found, by_moment);
    l.chain = xcalloc(l.n_found + 1, sizeof(struct link *));
    if (st == ZL_OK)
        st = choose(&l);
    if (st == ZL_OK)
        st = apply_chain(&l);
    if (st == ZL_OK)
        st = checkpoint_ids_restore(c, &l.chain[l.n_chain - 1]->image, l.err);
    if (st == ZL_OK)
        st = finish(&l, positions);
    cut_chain(&l, 0);
    free(l.chain);
    free(l.found);
    return st;
}

/* ---- the digest ---- */
static void digest_table(struct hash_stream *h, const struct rows_table *t,
                         struct rows_buffer *scratch)
{
    uint32_t n = t->count(t->room);
    for (uint32_t key = 0; key < n; key++) {
        scratch->len = 0;
        rows_put_u32(scratch, (uint32_t)t->kind);
        rows_put_u32(scratch, key);
        rows_put_u32(scratch, 0);
        t->write(t->room, key, scratch);
        memcpy(scratch->bytes + 8, &(uint32_t){(uint32_t)(scratch->len - 12)}, sizeof(uint32_t));
        hash_add(h, scratch->bytes, scratch->len);
    }
}

uint64_t checkpoint_digest(const struct rows_table *tables, int n)
{
    struct hash_stream *h = hash_begin(0);
    struct rows_buffer scratch = {0};
    for (int kind = 0; kind < ROWS_N_KINDS; kind++)
        for (int i = 0; i < n; i++)
            if ((int)tables[i].kind == kind)
                digest_table(h, &tables[i], &scratch);
    rows_buffer_release(&scratch);
    return hash_end(h);
}
