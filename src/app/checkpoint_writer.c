/* The thread that touches the disk, so that the loop never does.
 *
 * The loop sends jobs, the thread does them one after the other; order is what makes them right: a file's blocks before its
 * seal, the hashes of a moment before the seal of either file of that moment. The first failure of a file is kept in its words
 * and state, what comes later for it is skipped, until the loop, which polls the state, abandons it. Sealing is write footer,
 * fsync, rename, fsync folder: whoever sees the name sees the whole file. Writeback is started every few MiB, so that the
 * last fsync does not have it all to do.
 *
 * Memory: at most CHECKPOINT_QUEUE_BYTES wait because the loop's slices stop there. Rows saved because they were about to
 * change cannot wait and go beyond it; buffers are used again. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/checkpoint_priv.h"
#include "base/check.h"
#include "base/log.h"

#define WRITEBACK_BYTES ((uint64_t)8 * 1024 * 1024)

static void fail_file(struct checkpoint_file *f, const char *tried, const char *name)
{
    if (!f || atomic_load(&f->state) != FILE_WRITING)
        return;
    snprintf(f->words, sizeof f->words, "cannot %s %s: %s", tried, name, strerror(errno));
    atomic_store(&f->state, FILE_FAILED);
}

static bool skipped(const struct checkpoint_file *f)
{
    return atomic_load(&f->abandoned) || atomic_load(&f->state) != FILE_WRITING;
}

static void open_file(struct checkpoint_writer *w, struct checkpoint_file *f)
{
    char path[CHECKPOINT_PATH_MAX];
    unsigned char header[CHECKPOINT_HEADER_BYTES];
    checkpoint_folder_path(path, w->path, f->name, ".tmp");
    checkpoint_format_header(&f->header, header);
    f->fd = checkpoint_ops.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (f->fd < 0) {
        fail_file(f, "make", path);
        return;
    }
    if (!checkpoint_folder_write_all(f->fd, header, sizeof header, 0))
        fail_file(f, "write", path);
    f->bytes = sizeof header;
    f->chain = checkpoint_format_first_chain(header);
}

static void write_block(struct checkpoint_file *f, struct rows_buffer *block)
{
    if (skipped(f))
        return;
    f->chain = checkpoint_format_seal_block(block, f->chain);
    if (!checkpoint_folder_write_all(f->fd, block->bytes, block->len, f->bytes)) {
        fail_file(f, "write", f->name);
        return;
    }
    f->bytes += block->len;
    if (f->bytes - f->synced >= WRITEBACK_BYTES) {
        sync_file_range(f->fd, (off_t)f->synced, (off_t)(f->bytes - f->synced),
                        SYNC_FILE_RANGE_WRITE);
        f->synced = f->bytes;
    }
}

/* Written at its own place and synced at once: a chunk may come again after a failed moment, with the same bytes. */
static void write_ids(struct checkpoint_writer *w, const struct checkpoint_job *job)
{
    char path[CHECKPOINT_PATH_MAX];
    checkpoint_folder_path(path, w->path, job->name, "");
    int fd = checkpoint_ops.open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0 || !checkpoint_folder_write_all(fd, job->bytes, job->len, job->at) ||
        checkpoint_ops.fsync(fd) != 0) {
        fail_file(job->file, "write", path);
        fail_file(job->also, "write", path);
    }
    if (job->at == 0)
        w->dir_dirty = true;
    if (fd >= 0)
        checkpoint_ops.close(fd);
}

static bool sync_folder(struct checkpoint_writer *w)
{
    if (checkpoint_ops.fsync(w->dir_fd) != 0)
        return false;
    w->dir_dirty = false;
    return true;
}

static void seal(struct checkpoint_writer *w, struct checkpoint_file *f, uint64_t n_rows)
{
    char tmp[CHECKPOINT_PATH_MAX], path[CHECKPOINT_PATH_MAX];
    struct rows_buffer footer = {0};
    checkpoint_format_footer(&footer, n_rows, f->bytes);
    write_block(f, &footer);
    rows_buffer_release(&footer);
    if (skipped(f))
        return;
    checkpoint_folder_path(tmp, w->path, f->name, ".tmp");
    checkpoint_folder_path(path, w->path, f->name, "");
    if (checkpoint_ops.fsync(f->fd) != 0) {
        fail_file(f, "sync", tmp);
        return;
    }
    if (w->dir_dirty && !sync_folder(w)) { /* no seal may be seen without the logs it counts on */
        fail_file(f, "sync the folder of", path);
        return;
    }
    if (checkpoint_ops.rename(tmp, path) != 0) {
        fail_file(f, "rename to", path);
        return;
    }
    f->renamed = true;
    if (!sync_folder(w)) {
        fail_file(f, "sync the folder of", path);
        return;
    }
    checkpoint_ops.close(f->fd);
    f->fd = -1;
    atomic_store(&f->state, FILE_SEALED);
}

static void abandon(struct checkpoint_writer *w, struct checkpoint_file *f)
{
    char path[CHECKPOINT_PATH_MAX];
    if (f->fd >= 0)
        checkpoint_ops.close(f->fd);
    checkpoint_folder_path(path, w->path, f->name, f->renamed ? "" : ".tmp");
    if (checkpoint_ops.unlink(path) != 0 && errno != ENOENT)
        LOG(WARN, "checkpoint", "cannot remove %s: %s; it is in nobody's way but takes room", path,
            strerror(errno));
    free(f);
}

static void delete_file(struct checkpoint_writer *w, const char *name)
{
    char path[CHECKPOINT_PATH_MAX];
    checkpoint_folder_path(path, w->path, name, "");
    if (checkpoint_ops.unlink(path) != 0 && errno != ENOENT)
        LOG(WARN, "checkpoint",
            "cannot remove the old %s: %s; it is in nobody's way but takes room", path,
            strerror(errno));
}

/* ---- the queue ---- */
static void give_back(struct checkpoint_writer *w, struct rows_buffer *b)
{
    bool keep = b->capacity > 0 && b->capacity <= 4 * CHECKPOINT_BLOCK_BYTES;
    b->len = 0;
    pthread_mutex_lock(&w->lock);
    if (keep && w->n_spare < CHECKPOINT_SPARE_BUFFERS) {
        w->spare[w->n_spare++] = *b;
        *b = (struct rows_buffer){0};
    }
    pthread_mutex_unlock(&w->lock);
    rows_buffer_release(b);
}

static void run(struct checkpoint_writer *w, struct checkpoint_job *job)
{
    switch (job->type) {
    case JOB_OPEN: open_file(w, job->file); break;
    case JOB_BLOCK:
        write_block(job->file, &job->block);
        give_back(w, &job->block);
        break;
    case JOB_IDS: write_ids(w, job); break;
    case JOB_SEAL: seal(w, job->file, job->n_rows); break;
    case JOB_ABANDON: abandon(w, job->file); break;
    case JOB_DELETE: delete_file(w, job->name); break;
    case JOB_STOP: break;
    }
}

static struct checkpoint_job *take(struct checkpoint_writer *w, bool wait)
{
    pthread_mutex_lock(&w->lock);
    while (!w->first && wait)
        pthread_cond_wait(&w->work, &w->lock);
    struct checkpoint_job *job = w->first;
    if (job) {
        w->first = job->next;
        if (!w->first)
            w->last = NULL;
    }
    pthread_mutex_unlock(&w->lock);
    return job;
}

static void finish(struct checkpoint_writer *w, struct checkpoint_job *job, size_t bytes)
{
    free(job);
    atomic_fetch_sub(&w->queued_bytes, bytes);
    pthread_mutex_lock(&w->lock);
    pthread_cond_signal(&w->progress);
    pthread_mutex_unlock(&w->lock);
}

bool checkpoint_writer_run_one(struct checkpoint_writer *w)
{
    struct checkpoint_job *job = take(w, false);
    if (!job)
        return false;
    size_t bytes = job->block.len;
    run(w, job);
    finish(w, job, bytes);
    return true;
}

static void *loop(void *ctx)
{
    struct checkpoint_writer *w = ctx;
    for (bool stop = false; !stop;) {
        struct checkpoint_job *job = take(w, true);
        size_t bytes = job->block.len;
        stop = job->type == JOB_STOP;
        run(w, job);
        finish(w, job, bytes);
    }
    return NULL;
}

enum zl_status checkpoint_writer_start(struct checkpoint_writer *w, const char *path, int dir_fd,
                                       struct zl_error *err)
{
    sigset_t all, before;
    pthread_condattr_t attr;
    *w = (struct checkpoint_writer){
        .path = path, .dir_fd = dir_fd, .no_thread = checkpoint_ops.no_thread};
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->work, NULL);
    pthread_cond_init(&w->progress, &attr);
    pthread_condattr_destroy(&attr);
    w->running = true;
    if (w->no_thread)
        return ZL_OK;
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&w->thread, NULL, loop, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        w->no_thread = true; /* nothing to join */
        return zl_fail(err, ZL_EINTERNAL, "cannot start the checkpoint's thread: %s",
                       strerror(failed));
    }
    pthread_setname_np(w->thread, "checkpoint");
    return ZL_OK;
}

void checkpoint_writer_stop(struct checkpoint_writer *w)
{
    if (!w->running)
        return;
    if (w->no_thread) {
        while (checkpoint_writer_run_one(w))
            ;
    } else {
        checkpoint_writer_send(w, (struct checkpoint_job){.type = JOB_STOP});
        pthread_join(w->thread, NULL);
    }
    for (int i = 0; i < w->n_spare; i++)
        rows_buffer_release(&w->spare[i]);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->progress);
    w->running = false;
}

void checkpoint_writer_send(struct checkpoint_writer *w, struct checkpoint_job job)
{
    struct checkpoint_job *copy = xcalloc(1, sizeof *copy);
    *copy = job;
    atomic_fetch_add(&w->queued_bytes, job.block.len);
    pthread_mutex_lock(&w->lock);
    if (w->last)
        w->last->next = copy;
    else
        w->first = copy;
    w->last = copy;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
}

struct rows_buffer checkpoint_writer_buffer(struct checkpoint_writer *w)
{
    struct rows_buffer b = {0};
    pthread_mutex_lock(&w->lock);
    if (w->n_spare > 0)
        b = w->spare[--w->n_spare];
    pthread_mutex_unlock(&w->lock);
    return b;
}

bool checkpoint_writer_full(const struct checkpoint_writer *w)
{
    return atomic_load(&w->queued_bytes) >= CHECKPOINT_QUEUE_BYTES;
}

void checkpoint_writer_wait(struct checkpoint_writer *w)
{
    struct timespec until;
    if (w->no_thread) {
        checkpoint_writer_run_one(w);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until); /* base/clock has no timespec; the wait wants one */
    until.tv_nsec += 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&w->lock);
    pthread_cond_timedwait(&w->progress, &w->lock, &until);
    pthread_mutex_unlock(&w->lock);
}
