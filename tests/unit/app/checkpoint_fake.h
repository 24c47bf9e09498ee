/* unit/app/checkpoint_fake.h - a small world of tables for the checkpoint's tests, and a disk that fails and crashes on demand.
 * The world: ids, a row of the engine, items and users of random bytes, logs of id hashes, positions. All chance comes from a seed. */
#ifndef UNIT_APP_CHECKPOINT_FAKE_H
#define UNIT_APP_CHECKPOINT_FAKE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/checkpoint_priv.h"
#include "base/check.h"
#include "base/ids.h"
#include "base/rng.h"

#define UNUSED __attribute__((unused))
#define FAKE_ROWS 400
#define FAKE_BYTES 60
#define FAKE_LOGS 8
#define FAKE_FINGERPRINT 0xF00D

/* ---- folders ---- */
static UNUSED void folder_new(char path[256])
{
    snprintf(path, 256, "%s/zl-checkpoint-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ASSERT(mkdtemp(path));
}

static UNUSED void folder_empty(const char *path)
{
    DIR *dir = opendir(path);
    char file[600];
    for (struct dirent *e; dir && (e = readdir(dir));) {
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        unlink(file);
    }
    if (dir)
        closedir(dir);
}

static UNUSED void folder_remove(const char *path)
{
    folder_empty(path);
    rmdir(path);
}

static UNUSED unsigned char *file_bytes(const char *path, size_t *len)
{
    FILE *in = fopen(path, "rb");
    struct stat s;
    ASSERT(in && fstat(fileno(in), &s) == 0);
    *len = (size_t)s.st_size;
    unsigned char *bytes = malloc(*len + 1);
    ASSERT(bytes && fread(bytes, 1, *len, in) == *len);
    fclose(in);
    return bytes;
}

static UNUSED void file_put(const char *path, const void *bytes, size_t len)
{
    FILE *out = fopen(path, "wb");
    ASSERT(out && fwrite(bytes, 1, len, out) == len && fclose(out) == 0);
}

static UNUSED void folder_copy(const char *from, const char *to)
{
    DIR *dir = opendir(from);
    char a[600], b[600];
    folder_empty(to);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        size_t len;
        if (e->d_name[0] == '.')
            continue;
        snprintf(a, sizeof a, "%s/%s", from, e->d_name);
        snprintf(b, sizeof b, "%s/%s", to, e->d_name);
        unsigned char *bytes = file_bytes(a, &len);
        file_put(b, bytes, len);
        free(bytes);
    }
    if (dir)
        closedir(dir);
}

static UNUSED bool file_there(const char *folder, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static UNUSED int folder_count(const char *folder, const char *prefix)
{
    DIR *dir = opendir(folder);
    int n = 0;
    for (struct dirent *e; dir && (e = readdir(dir));)
        n += strncmp(e->d_name, prefix, strlen(prefix)) == 0 && !strchr(e->d_name, '.');
    if (dir)
        closedir(dir);
    return n;
}

/* ---- a table of rows of random bytes ---- */
struct fake {
    struct rows_track track;
    uint32_t count;
    unsigned char rows[FAKE_ROWS][FAKE_BYTES];
    uint8_t len[FAKE_ROWS];
};

static uint32_t fake_count(const void *room)
{
    return ((const struct fake *)room)->count;
}

static void fake_write(const void *room, uint32_t key, struct rows_buffer *out)
{
    const struct fake *f = room;
    rows_put_bytes(out, f->rows[key], f->len[key]);
}

static enum zl_status fake_read(void *room, uint32_t key, struct rows_cursor *in,
                                struct zl_error *err)
{
    struct fake *f = room;
    size_t len = (size_t)(in->end - in->at);
    if (len > FAKE_BYTES)
        return zl_fail(err, ZL_EBADDATA, "%zu bytes", len);
    rows_touch(&f->track, key);
    f->len[key] = (uint8_t)len;
    rows_get_bytes(in, f->rows[key], len);
    if (key >= f->count)
        f->count = key + 1;
    return ZL_OK;
}

static struct rows_table fake_table(struct fake *f, enum rows_kind kind, const char *name)
{
    return (struct rows_table){kind, name, f, &f->track, fake_count, fake_write, fake_read};
}

static void fake_change(struct fake *f, uint32_t key, struct rng *rng)
{
    rows_touch(&f->track, key);
    f->len[key] = (uint8_t)rng_below(rng, FAKE_BYTES + 1);
    for (int i = 0; i < f->len[key]; i++)
        f->rows[key][i] = (unsigned char)rng_next(rng);
    if (key >= f->count)
        f->count = key + 1;
}

/* ---- a fake guard: logs of hashes ---- */
struct fake_log {
    int32_t partition;
    int64_t generation_ms;
    uint64_t *hashes;
    uint32_t n, taken;
};

struct fake_guard {
    struct fake_log logs[2][64]; /* a partition's, by number of its generation */
    int newest[2];
};

static void guard_admit(struct fake_guard *g, int partition, uint64_t hash)
{
    struct fake_log *l = &g->logs[partition][g->newest[partition]];
    l->partition = partition;
    l->generation_ms = g->newest[partition] * 1000;
    l->hashes = xrealloc(l->hashes, l->n + 1, sizeof *l->hashes);
    l->hashes[l->n++] = hash;
}

static void guard_take(void *ctx, void (*visit)(void *to, const struct guard_ids *ids), void *to)
{
    struct fake_guard *g = ctx;
    for (int p = 0; p < 2; p++) {
        for (int i = 0; i <= g->newest[p]; i++) {
            struct fake_log *l = &g->logs[p][i];
            if (l->taken < l->n)
                visit(to, &(struct guard_ids){p, l->generation_ms, l->hashes + l->taken,
                                              l->n - l->taken});
            l->taken = l->n;
        }
    }
}

static void guard_restore(void *ctx, const struct guard_ids *ids)
{
    struct fake_guard *g = ctx;
    int number = (int)(ids->generation_ms / 1000);
    ASSERT(ids->partition >= 0 && ids->partition < 2 && number < 64);
    struct fake_log *l = &g->logs[ids->partition][number];
    l->partition = ids->partition;
    l->generation_ms = ids->generation_ms;
    l->hashes = xrealloc(l->hashes, l->n + ids->n, sizeof *l->hashes);
    memcpy(l->hashes + l->n, ids->hashes, ids->n * sizeof *l->hashes);
    l->n += ids->n;
    l->taken = l->n;
    if (number > g->newest[ids->partition])
        g->newest[ids->partition] = number;
}

static int64_t guard_oldest(void *ctx, int32_t partition)
{
    const struct fake_guard *g = ctx;
    return (g->newest[partition] - 1) * 1000; /* two generations matter */
}

static UNUSED uint64_t guard_digest(const struct fake_guard *g, const int newest[2])
{
    uint64_t h = 7;
    for (int p = 0; p < 2; p++)
        for (int i = newest[p] > 0 ? newest[p] - 1 : 0; i <= newest[p]; i++)
            h = hash_bytes(g->logs[p][i].hashes, g->logs[p][i].n * sizeof(uint64_t),
                           h + (uint64_t)i);
    return h;
}

/* ---- the world ---- */
struct world {
    struct ids *ids;
    struct fake engine, items, users;
    struct fake_guard guard;
    struct zl_positions positions;
    struct rows_table tables[4];
    struct checkpoint *c;
    int64_t now_ms;
    uint64_t dead_put, dead_acked;
};

static UNUSED struct world *world_new(void)
{
    struct world *w = xcalloc(1, sizeof *w);
    ASSERT(ids_open(ROWS_ITEM_IDS, "item ids", FAKE_ROWS, &w->ids, NULL) == ZL_OK);
    ASSERT(rows_track_init(&w->engine.track, 4, NULL) == ZL_OK);
    ASSERT(rows_track_init(&w->items.track, FAKE_ROWS, NULL) == ZL_OK);
    ASSERT(rows_track_init(&w->users.track, FAKE_ROWS, NULL) == ZL_OK);
    w->tables[0] = fake_table(&w->engine, ROWS_ENGINE, "engine");
    w->tables[1] = ids_rows(w->ids);
    w->tables[2] = fake_table(&w->items, ROWS_ITEMS, "items");
    w->tables[3] = fake_table(&w->users, ROWS_USERS, "users");
    w->now_ms = 1000;
    return w;
}

static UNUSED void world_close_checkpoint(struct world *w)
{
    checkpoint_close(w->c);
    w->c = NULL;
}

static UNUSED void world_free(struct world *w)
{
    world_close_checkpoint(w);
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < 64; i++)
            free(w->guard.logs[p][i].hashes);
    rows_track_release(&w->engine.track);
    rows_track_release(&w->items.track);
    rows_track_release(&w->users.track);
    ids_close(w->ids);
    free(w);
}

static UNUSED enum zl_status world_open(struct world *w, const char *folder, bool read_only,
                                        struct zl_error *err)
{
    struct checkpoint_config cfg = {.path = folder,
                                    .interval_ms = 100,
                                    .fingerprint = FAKE_FINGERPRINT,
                                    .slice_ns = 1000000000,
                                    .read_only = read_only};
    enum zl_status st = checkpoint_open(&cfg, &w->c, err);
    if (st != ZL_OK)
        return st;
    for (int i = 0; i < 4; i++)
        checkpoint_register(w->c, w->tables[i]);
    checkpoint_register_ids(
        w->c, (struct checkpoint_ids_source){&w->guard, guard_take, guard_restore, guard_oldest});
    return ZL_OK;
}

/* Opens and loads; the status of what failed. */
static UNUSED enum zl_status world_load(struct world *w, const char *folder, bool read_only,
                                        struct zl_error *err)
{
    enum zl_status st = world_open(w, folder, read_only, err);
    return st == ZL_OK ? checkpoint_load(w->c, &w->positions, err) : st;
}

/* Something happens in the log: rows change, ids appear, the positions move. */
static UNUSED void world_happen(struct world *w, struct rng *rng)
{
    int partition = (int)rng_below(rng, 2);
    struct zl_position *at = zl_positions_get(&w->positions, ZL_TOPIC_EVENTS, partition);
    at->next = at->next < 0 ? 1 : at->next + 1;
    at->log_ms = w->now_ms;
    fake_change(&w->engine, rng_below(rng, 2), rng);
    uint32_t kind = rng_below(rng, 8);
    if (kind == 0 && ids_count(w->ids) < FAKE_ROWS) {
        char id[32];
        int n = snprintf(id, sizeof id, "item-%" PRIx64, rng_next(rng));
        fake_change(&w->items, ids_intern(w->ids, (struct zl_span){id, (size_t)n}), rng);
    } else if (kind < 4 && w->items.count) {
        fake_change(&w->items, rng_below(rng, w->items.count), rng);
    } else if (kind < 6 || w->users.count == 0) {
        fake_change(&w->users, w->users.count < FAKE_ROWS ? w->users.count : 0, rng);
    } else {
        fake_change(&w->users, rng_below(rng, w->users.count), rng);
    }
    guard_admit(&w->guard, partition, rng_next(rng));
    if (rng_below(rng, 400) == 0 && w->guard.newest[partition] < 60)
        w->guard.newest[partition]++;
}

static UNUSED uint64_t world_digest(const struct world *w)
{
    uint64_t h = checkpoint_digest(w->tables, 4);
    return hash_bytes(w->positions.at, (size_t)w->positions.n * sizeof w->positions.at[0], h);
}

static UNUSED void world_step(struct world *w)
{
    checkpoint_step(w->c, w->now_ms, &w->positions, w->dead_put, w->dead_acked);
}

static UNUSED uint64_t world_acked(void *ctx)
{
    return ((const struct world *)ctx)->dead_acked;
}

static UNUSED enum zl_status world_finish(struct world *w, struct zl_error *err)
{
    return checkpoint_finish(w->c, w->now_ms, &w->positions, w->dead_put, world_acked, w, 10000,
                             err);
}

/* ---- a disk of ours ---- */
struct disk_file {
    int fd; /* -1: closed, or the place is free */
    char path[300];
    bool unsynced;
    bool failed;   /* and the program was told so */
    uint64_t from; /* lowest byte written since the last sync */
};

struct disk {
    uint64_t n_ops;
    uint64_t fail_at;     /* this operation fails, 0: none */
    uint64_t fail_from;   /* all from this one on fail, 0: none */
    uint32_t fail_one_in; /* chance, 0: none */
    uint64_t crash_at;    /* before this operation (a write: in its middle) crash() is called */
    void (*crash)(void);
    struct rng rng;
    struct disk_file files[64];
    bool folder_unsynced;
    uint64_t n_failed;
};
static UNUSED struct disk disk;

static bool disk_fails(void)
{
    disk.n_ops++;
    bool fail = disk.n_ops == disk.fail_at || (disk.fail_from && disk.n_ops >= disk.fail_from) ||
                (disk.fail_one_in && rng_below(&disk.rng, disk.fail_one_in) == 0);
    disk.n_failed += fail;
    if (fail)
        errno = ENOSPC;
    return fail;
}

static bool disk_crashes(void)
{
    return disk.crash && disk.n_ops == disk.crash_at;
}

static struct disk_file *disk_by_path(const char *path)
{
    struct disk_file *free_one = NULL;
    for (int i = 0; i < 64; i++) {
        if (strcmp(disk.files[i].path, path) == 0)
            return &disk.files[i];
        if (!free_one && disk.files[i].path[0] == '\0')
            free_one = &disk.files[i];
    }
    ASSERT(free_one);
    snprintf(free_one->path, sizeof free_one->path, "%s", path);
    free_one->fd = -1;
    free_one->unsynced = free_one->failed = false;
    return free_one;
}

static struct disk_file *disk_by_fd(int fd)
{
    for (int i = 0; i < 64; i++)
        if (disk.files[i].path[0] && disk.files[i].fd == fd)
            return &disk.files[i];
    return NULL;
}

static int disk_open(const char *path, int flags, mode_t mode)
{
    if ((flags & O_ACCMODE) == O_RDONLY)
        return open(path, flags, mode);
    if (disk_fails())
        return -1;
    if (disk_crashes())
        disk.crash();
    int fd = open(path, flags, mode);
    disk_by_path(path)->fd = fd;
    disk.folder_unsynced = true;
    return fd;
}

static int disk_close(int fd)
{
    struct disk_file *f = disk_by_fd(fd);
    if (f) {
        f->fd = -1;
        if (!f->unsynced)
            f->path[0] = '\0';
    }
    return close(fd);
}

static ssize_t disk_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    struct disk_file *f = disk_by_fd(fd);
    size_t half = len / 2;
    ASSERT(f);
    f->from = f->unsynced && f->from < (uint64_t)at ? f->from : (uint64_t)at;
    f->unsynced = true;
    if (disk_fails()) {
        f->failed = true;
        if (half)
            /* a full disk takes what it can */
            ASSERT(pwrite(fd, bytes, half, at) == (ssize_t)half);
        errno = ENOSPC;
        return -1;
    }
    if (half)
        ASSERT(pwrite(fd, bytes, half, at) == (ssize_t)half);
    if (disk_crashes())
        disk.crash();
    ssize_t n = pwrite(fd, (const char *)bytes + half, len - half, at + (off_t)half);
    return n < 0 ? n : n + (ssize_t)half;
}

static int disk_fsync(int fd)
{
    struct disk_file *f = disk_by_fd(fd);
    if (disk_fails()) {
        if (f)
            f->failed = true;
        return -1;
    }
    if (disk_crashes())
        disk.crash();
    if (f)
        f->unsynced = f->failed = false;
    else
        disk.folder_unsynced = false;
    return 0;
}

static int disk_rename(const char *from, const char *to)
{
    if (disk_fails())
        return -1;
    if (disk_crashes())
        disk.crash();
    if (strstr(to, "/segment-") || strstr(to, "/base-"))
        for (int i = 0; i < 64; i++) /* what a seal counts on is on the disk */
            ASSERT(
                !disk.files[i].path[0] || !disk.files[i].unsynced || disk.files[i].failed ||
                (strcmp(disk.files[i].path, from) != 0 && !strstr(disk.files[i].path, "/ids-")) ||
                strstr(to, ".set-aside"));
    struct disk_file *f = disk_by_path(from);
    snprintf(f->path, sizeof f->path, "%s", f->fd >= 0 ? to : "");
    disk.folder_unsynced = true;
    return rename(from, to);
}

static int disk_unlink(const char *path)
{
    if (disk_fails())
        return -1;
    if (disk_crashes())
        disk.crash();
    struct disk_file *f = disk_by_path(path);
    f->path[0] = '\0';
    f->fd = -1;
    return unlink(path);
}

static UNUSED void disk_install(uint64_t seed)
{
    disk = (struct disk){.rng = {seed}};
    checkpoint_ops.open = disk_open;
    checkpoint_ops.close = disk_close;
    checkpoint_ops.pwrite = disk_pwrite;
    checkpoint_ops.fsync = disk_fsync;
    checkpoint_ops.rename = disk_rename;
    checkpoint_ops.unlink = disk_unlink;
    checkpoint_ops.no_thread = true;
}

static UNUSED void disk_forget(void)
{
    struct rng rng = disk.rng;
    disk = (struct disk){.rng = rng};
}

#endif
