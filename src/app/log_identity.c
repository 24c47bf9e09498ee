/* Positions of a file are line numbers, and any file has lines: nothing else in a state says which file it is of. */
#define _GNU_SOURCE
#include "app/log_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH 4096

static enum zl_status write_identity(const char *path, const char *name, uint64_t first,
                                     struct zl_error *err)
{
    char tmp[PATH + 8];
    snprintf(tmp, sizeof tmp, "%s.tmp", path);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    bool ok = fd >= 0 && dprintf(fd, "%016" PRIx64 " %s\n", first, name) > 0 && fsync(fd) == 0;
    int failed = errno;
    if (fd >= 0 && close(fd) != 0 && ok) {
        failed = errno;
        ok = false;
    }
    if (ok && rename(tmp, path) == 0)
        return ZL_OK;
    return zl_fail(err, ZL_EIO, "cannot write %s: %s", path, strerror(ok ? errno : failed));
}

/* False: there is none, or it is not of this form. */
static bool read_identity(const char *path, uint64_t *first, char name[PATH])
{
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool good = fscanf(f, "%16" SCNx64, first) == 1 && fgetc(f) == ' ' && fgets(name, PATH, f);
    fclose(f);
    if (good)
        name[strcspn(name, "\n")] = '\0';
    return good;
}

enum zl_status log_identity_check(const char *folder, bool used, const char *name, uint64_t first,
                                  struct zl_error *err)
{
    char path[PATH], before[PATH];
    uint64_t expected;
    if ((size_t)snprintf(path, sizeof path, "%s/log", folder) >= sizeof path)
        return zl_fail(err, ZL_ECONFIG, "the name of the folder %.200s is too long", folder);
    if (!used)
        return write_identity(path, name, first, err);
    if (!read_identity(path, &expected, before) || expected == first)
        return ZL_OK;
    return zl_fail(
        err, ZL_ECONFIG,
        "%.200s holds the state of another log, %.200s: the first record of %.200s is "
        "another one. Give that log, or to start anew another folder, or delete this one",
        folder, before, name);
}
