/* The file as bytes: read with a bound, looked through once before YAML sees it. What libyaml would complain about without a place (bytes
 * that are not UTF-8, control characters) or would silently count as a line break (U+0085, U+2028) is found here, so that
 * our lines and columns and libyaml's are the same ones. */
#define _GNU_SOURCE
#include "app/config_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

static bool is_tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/* Unicode 15, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF. */
int config_text_char(const char *at, const char *end, uint32_t *code)
{
    const unsigned char *p = (const unsigned char *)at;
    size_t left = (size_t)(end - at);
    int n = p[0] < 0x80   ? 1
            : p[0] < 0xC2 ? 0
            : p[0] < 0xE0 ? 2
            : p[0] < 0xF0 ? 3
            : p[0] < 0xF5 ? 4
                          : 0;
    if (n == 0 || (size_t)n > left)
        return 0;
    if (n == 1) {
        *code = p[0];
        return 1;
    }
    uint32_t c = p[0] & (0xFFu >> (n + 1));
    for (int i = 1; i < n; i++) {
        if (!is_tail(p[i]))
            return 0;
        c = c << 6 | (p[i] & 0x3Fu);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return 0;
    *code = c;
    return n;
}

static enum zl_status cannot(const char *path, int error, struct zl_error *err)
{
    return zl_fail(err, ZL_ENOENT, "cannot read %s: %s", path, strerror(error));
}

/* Reads at most limit bytes: /dev/zero ends too. */
static enum zl_status read_bounded(int fd, const char *path, size_t limit, char **text, size_t *len,
                                   struct zl_error *err)
{
    char *bytes = xcalloc(limit + 1, 1);
    size_t n = 0;
    while (n < limit) {
        ssize_t got = read(fd, bytes + n, limit - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int error = errno;
            free(bytes);
            return cannot(path, error, err);
        }
        if (got == 0)
            break;
        n += (size_t)got;
    }
    *text = bytes;
    *len = n;
    return ZL_OK;
}

enum zl_status config_text_read(const char *path, char **text, size_t *len, struct zl_error *err)
{
    *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cannot(path, errno, err);
    enum zl_status st = read_bounded(fd, path, CONFIG_MAX_BYTES + 1, text, len, err);
    close(fd);
    return st;
}

/* O_NONBLOCK and the check for a regular file: a secret's path that is a pipe must not stop the start. */
enum zl_status config_text_secret(const char *path, char **out, struct zl_error *err)
{
    *out = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return cannot(path, errno, err);
    struct stat about;
    enum zl_status st;
    size_t len = 0;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
        st = zl_fail(err, ZL_ENOENT, "cannot read %s: it is not a plain file", path);
    else
        st = read_bounded(fd, path, CONFIG_MAX_VALUE, out, &len, err);
    close(fd);
    if (st != ZL_OK || !*out)
        return st;
    if (len > 0 && (*out)[len - 1] == '\n')
        (*out)[--len] = 0;
    if (len > 0 && (*out)[len - 1] == '\r')
        (*out)[--len] = 0;
    if (strlen(*out) == len && len + 2 < CONFIG_MAX_VALUE)
        return ZL_OK;
    free(*out);
    *out = NULL;
    return zl_fail(err, ZL_ENOENT, "cannot use %s: it holds a NUL byte or more than %d bytes", path,
                   CONFIG_MAX_VALUE);
}

/* What YAML 1.1 allows, without the exotic line breaks. */
static bool may_stand(uint32_t c)
{
    if (c < 0x20)
        return c == '\n' || c == '\r' || c == '\t';
    return !(c >= 0x7F && c < 0xA0) && c != 0x2028 && c != 0x2029 && c != 0xFEFF && c != 0xFFFE &&
           c != 0xFFFF;
}

static void report_bad_char(struct config_report *r, struct config_place at, int length,
                            uint32_t code, unsigned char byte)
{
    if (length == 0)
        config_report_add(r, at, "bad-utf8", NULL, "byte 0x%02x is not UTF-8", byte);
    else if (code == '\t')
        config_report_add(r, at, "tab", "use spaces", "a tab");
    else
        config_report_add(r, at, "bad-character", NULL, "character U+%04X may not stand in YAML",
                          code);
}

bool config_text_check(char *text, size_t len, struct config_report *r)
{
    bool sound = true;
    int reported_line = -1; /* one a line is enough */
    struct config_place at = {.width = 1};
    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        int length = config_text_char(text + i, text + len, &code);
        bool lone_return = code == '\r' && (i + 1 == len || text[i + 1] != '\n');
        bool bad = length == 0 || !may_stand(code) || lone_return;
        if ((bad || code == '\t') && reported_line != at.line) {
            report_bad_char(r, at, length, code, (unsigned char)text[i]);
            reported_line = at.line;
        }
        if (bad)
            sound = false;
        else if (code == '\t')
            text[i] = ' ';
        i += (size_t)(length ? length : 1);
        at.column++;
        if (code == '\n' && length) {
            at.line++;
            at.column = 0;
        }
    }
    return sound;
}
