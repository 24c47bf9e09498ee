/* The folder: what its names mean, who may use it, and the number of starts.
 *
 * Numbers in names are plain decimals without leading zeros, so that a name has one spelling. The lock is flock(2) on a file
 * that stays: the kernel gives it back when the process ends, however it ends, and the pid in it is only for the words. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/checkpoint_priv.h"

static int system_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

struct checkpoint_ops checkpoint_ops = {
    .open = system_open,
    .close = close,
    .pwrite = pwrite,
    .pread = pread,
    .fsync = fsync,
    .rename = rename,
    .unlink = unlink,
};

bool checkpoint_folder_write_all(int fd, const void *bytes, size_t len, uint64_t at)
{
    for (size_t done = 0; done < len;) {
        ssize_t n =
            checkpoint_ops.pwrite(fd, (const char *)bytes + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n < 0 ? errno : EIO;
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

/* ---- names ---- */
void checkpoint_folder_name(char out[CHECKPOINT_NAME_MAX], enum checkpoint_kind kind,
                            uint64_t moment)
{
    snprintf(out, CHECKPOINT_NAME_MAX, "%s-%" PRIu64, kind == CHECKPOINT_BASE ? "base" : "segment",
             moment);
}

void checkpoint_folder_log_name(char out[CHECKPOINT_NAME_MAX], int32_t partition,
                                int64_t generation_ms)
{
    snprintf(out, CHECKPOINT_NAME_MAX, "ids-%" PRId32 "-%" PRId64, partition, generation_ms);
}

void checkpoint_folder_path(char out[CHECKPOINT_PATH_MAX], const char *folder, const char *name,
                            const char *suffix)
{
    snprintf(out, CHECKPOINT_PATH_MAX, "%s/%s%s", folder, name, suffix);
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

/* Reads the numbers, writes the name they would have, and compares: nothing else is this name. */
static bool is_file(const char *name, enum checkpoint_kind kind, uint64_t *moment)
{
    char again[CHECKPOINT_NAME_MAX];
    const char *dash = strchr(name, '-');
    if (!dash || dash[1] < '1' || dash[1] > '9')
        return false;
    *moment = strtoull(dash + 1, NULL, 10);
    checkpoint_folder_name(again, kind, *moment);
    return strcmp(again, name) == 0;
}

static bool is_log(const char *name, struct checkpoint_length *log)
{
    char again[CHECKPOINT_NAME_MAX];
    if (sscanf(name, "ids-%" SCNd32 "-%" SCNd64, &log->partition, &log->generation_ms) != 2)
        return false;
    checkpoint_folder_log_name(again, log->partition, log->generation_ms);
    return strcmp(again, name) == 0;
}

enum checkpoint_name checkpoint_folder_parse(const char *name, uint64_t *moment,
                                             struct checkpoint_length *log)
{
    if (ends_with(name, ".tmp"))
        return NAME_TMP;
    if (ends_with(name, ".set-aside"))
        return NAME_SET_ASIDE;
    if (is_file(name, CHECKPOINT_BASE, moment))
        return NAME_BASE;
    if (is_file(name, CHECKPOINT_SEGMENT, moment))
        return NAME_SEGMENT;
    return is_log(name, log) ? NAME_IDS : NAME_OTHER;
}

enum zl_status checkpoint_folder_list(const char *folder,
                                      void (*visit)(void *ctx, const char *name), void *ctx,
                                      struct zl_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return zl_fail(err, ZL_EIO, "cannot list the checkpoint folder %s: %s", folder,
                       strerror(errno));
    errno = 0;
    for (struct dirent *e; (e = readdir(dir)); errno = 0)
        if (strlen(e->d_name) < CHECKPOINT_NAME_MAX)
            visit(ctx, e->d_name);
    int failed = errno;
    closedir(dir);
    return failed ? zl_fail(err, ZL_EIO, "cannot list the checkpoint folder %s: %s", folder,
                            strerror(failed))
                  : ZL_OK;
}

/* ---- lock and epoch ---- */
static enum zl_status make_folder(const char *path, struct zl_error *err)
{
    char part[CHECKPOINT_PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len + CHECKPOINT_NAME_MAX + 16 > sizeof part)
        return zl_fail(err, ZL_ECONFIG, "checkpoint.path is empty or too long");
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0750) != 0 && errno != EEXIST)
            return zl_fail(err, ZL_EIO, "cannot make the checkpoint folder %s: %s", part,
                           strerror(errno));
    }
    return ZL_OK;
}

static enum zl_status take_lock(struct checkpoint *c, struct zl_error *err)
{
    char path[CHECKPOINT_PATH_MAX], pid[32] = "";
    checkpoint_folder_path(path, c->path, "lock", "");
    c->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (c->lock_fd < 0)
        return zl_fail(err, ZL_EIO, "cannot open %s: %s", path, strerror(errno));
    if (flock(c->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return zl_fail(err, ZL_EIO, "cannot lock %s: %s", path, strerror(errno));
        ssize_t n = pread(c->lock_fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
        return zl_fail(
            err, ZL_ECONFIG,
            "the checkpoint folder %s is in use by another engine (pid %s); stop that one, or give "
            "this one a checkpoint.path of its own",
            c->path, pid[0] ? pid : "unknown");
    }
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(c->lock_fd, 0) != 0 || pwrite(c->lock_fd, pid, (size_t)n, 0) != n)
        return zl_fail(err, ZL_EIO, "cannot write %s: %s", path, strerror(errno));
    return ZL_OK;
}

static enum zl_status read_epoch(struct checkpoint *c, const char *path, struct zl_error *err)
{
    char text[32] = "", *end = text;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return ZL_OK;
    ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
    int failed = errno;
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return zl_fail(err, ZL_EIO, "cannot read %s: %s", path, strerror(failed));
    errno = 0;
    c->epoch = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || errno || (*end && *end != '\n'))
        return zl_fail(
            err, ZL_EBADDATA,
            "%s is damaged: a number of starts is expected; write one that is higher than any "
            "before (lists carry it as their version)",
            path);
    return ZL_OK;
}

static enum zl_status write_epoch(struct checkpoint *c, const char *path, struct zl_error *err)
{
    char tmp[CHECKPOINT_PATH_MAX], text[32];
    checkpoint_folder_path(tmp, c->path, "epoch", ".tmp");
    int n = snprintf(text, sizeof text, "%" PRIu64 "\n", c->epoch);
    int fd = checkpoint_ops.open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    bool ok = fd >= 0 && checkpoint_folder_write_all(fd, text, (size_t)n, 0) &&
              checkpoint_ops.fsync(fd) == 0;
    int failed = errno;
    if (fd >= 0)
        checkpoint_ops.close(fd);
    if (ok && (checkpoint_ops.rename(tmp, path) != 0 || checkpoint_ops.fsync(c->dir_fd) != 0)) {
        failed = errno;
        ok = false;
    }
    return ok ? ZL_OK : zl_fail(err, ZL_EIO, "cannot write %s: %s", path, strerror(failed));
}

enum zl_status checkpoint_folder_open(struct checkpoint *c, struct zl_error *err)
{
    char path[CHECKPOINT_PATH_MAX];
    if (!c->cfg.read_only)
        TRY(make_folder(c->path, err));
    c->dir_fd = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->dir_fd < 0)
        return zl_fail(err, errno == ENOENT ? ZL_ENOENT : ZL_EIO,
                       "cannot open the checkpoint folder %s: %s", c->path, strerror(errno));
    if (!c->cfg.read_only)
        TRY(take_lock(c, err));
    checkpoint_folder_path(path, c->path, "epoch", "");
    TRY(read_epoch(c, path, err));
    if (c->cfg.read_only)
        return ZL_OK;
    c->epoch++;
    return write_epoch(c, path, err);
}
