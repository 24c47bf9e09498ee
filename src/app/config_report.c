/* What was wrong, gathered and shown all at once: an operator who fixes a file wants every error, in the file's order, with the line
 * and a finger on the word. Bounded: a megabyte of nonsense gives at most PRINTED findings and a count of the rest. Secrets that
 * were found where they may not stand are starred out in every excerpt: stderr ends up in log stores. */
#include "app/config_priv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define KEPT 1000
#define PRINTED 100
#define EXCERPT 140 /* characters of a line that are shown */

struct config_finding {
    struct config_place place;
    const char *id;
    char *words, *hint;
    int order; /* of finding: qsort is not stable */
};

void config_report_init(struct config_report *r, const char *file, const char *text, size_t len,
                        const char *const *set, int n_set)
{
    *r = (struct config_report){.file = file, .len = len, .n_set = n_set};
    r->text = xcalloc(len + 1, 1);
    if (len)
        memcpy(r->text, text, len);
    r->set = xcalloc((size_t)n_set + 1, sizeof r->set[0]);
    for (int i = 0; i < n_set; i++)
        r->set[i] = xstrdup(set[i]);
}

void config_report_release(struct config_report *r)
{
    for (int i = 0; i < r->n; i++) {
        free(r->findings[i].words);
        free(r->findings[i].hint);
    }
    for (int i = 0; i < r->n_set; i++)
        free(r->set[i]);
    free(r->set);
    free(r->findings);
    free(r->text);
    *r = (struct config_report){0};
}

bool config_report_full(const struct config_report *r)
{
    return r->n >= KEPT;
}

bool config_report_has(const struct config_report *r, int line, const char *id)
{
    for (int i = 0; i < r->n; i++)
        if (!r->findings[i].place.set && r->findings[i].place.line == line &&
            strcmp(r->findings[i].id, id) == 0)
            return true;
    return false;
}

void config_report_add(struct config_report *r, struct config_place place, const char *id,
                       const char *hint, const char *fmt, ...)
{
    r->total++;
    if (config_report_full(r))
        return;
    if (r->n == r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 16;
        r->findings = xrealloc(r->findings, (size_t)r->capacity, sizeof r->findings[0]);
    }
    char words[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    r->findings[r->n] = (struct config_finding){.place = place,
                                                .id = id,
                                                .words = xstrdup(words),
                                                .hint = hint && *hint ? xstrdup(hint) : NULL,
                                                .order = r->n};
    r->n++;
}

const char *config_report_quote(char buf[CONFIG_QUOTE], const char *text, size_t len)
{
    const char *end = text + len;
    size_t n = 0;
    while (text < end && n + 8 < CONFIG_QUOTE) {
        uint32_t code = 0;
        int length = config_text_char(text, end, &code);
        if (length == 0 || code < 0x20 || (code >= 0x7F && code < 0xA0)) {
            buf[n++] = '?';
            text++;
            continue;
        }
        memcpy(buf + n, text, (size_t)length);
        n += (size_t)length;
        text += length;
    }
    memcpy(buf + n, text < end ? "..." : "", text < end ? 4 : 1);
    return buf;
}

/* The n-th line of the text, without its line break. */
static struct zl_span line_of(const char *text, size_t len, int line)
{
    const char *at = text, *end = text + len;
    for (; line > 0; line--) {
        const char *next = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        if (!next)
            break;
        at = next + 1;
    }
    const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    if (!stop)
        stop = end;
    if (stop > at && stop[-1] == '\r')
        stop--;
    return (struct zl_span){at, (size_t)(stop - at)};
}

static struct zl_span excerpt_of(const struct config_report *r, struct config_place place)
{
    if (place.set)
        return zl_span_of(r->set[place.set - 1]);
    return line_of(r->text, r->len, place.line);
}

static int char_at(const char *at, const char *end, uint32_t *code)
{
    *code = '?';
    int length = config_text_char(at, end, code);
    return length ? length : 1;
}

/* Byte offset of a column, cut at the end of the line. */
static size_t byte_of(struct zl_span line, int column)
{
    const char *at = line.ptr, *end = line.ptr + line.len;
    uint32_t code;
    for (; column > 0 && at < end; column--)
        at += char_at(at, end, &code);
    return (size_t)(at - line.ptr);
}

static void star_out(char *text, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (text[i] != '\n' && text[i] != '\r')
            text[i] = '*';
}

void config_report_mask(struct config_report *r, struct config_place from, int to_line,
                        int to_column)
{
    if (from.set) {
        char *text = r->set[from.set - 1];
        star_out(text, byte_of(zl_span_of(text), from.column), strlen(text));
        return;
    }
    struct zl_span first = line_of(r->text, r->len, from.line);
    struct zl_span last = line_of(r->text, r->len, to_line);
    size_t begin = (size_t)(first.ptr - r->text) + byte_of(first, from.column);
    size_t end = (size_t)(last.ptr - r->text) + byte_of(last, to_column);
    star_out(r->text, begin, end);
}

static int by_place(const void *left, const void *right)
{
    const struct config_finding *a = left, *b = right;
    int x[] = {a->place.set, a->place.line, a->place.column, a->order};
    int y[] = {b->place.set, b->place.line, b->place.column, b->order};
    for (int i = 0; i < 4; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

/* Chinese and other wide characters take two columns of a terminal; near enough to put the finger on the right word. */
static int columns_of(uint32_t code)
{
    return (code >= 0x1100 && code < 0x1160) || (code >= 0x2E80 && code < 0xD7B0) ||
                   (code >= 0xF900 && code < 0xFB00) || (code >= 0xFE30 && code < 0xFE70) ||
                   (code >= 0xFF00 && code < 0xFF61) || (code >= 0x1F300 && code < 0x1FB00) ||
                   code >= 0x20000
               ? 2
               : 1;
}

static void print_chars(const char *at, const char *end, FILE *words)
{
    while (at < end) {
        uint32_t code;
        int length = char_at(at, end, &code);
        if (code < 0x20 || (code >= 0x7F && code < 0xA0) || (length == 1 && code == '?'))
            fputc(code == '\t' ? ' ' : '?', words);
        else
            fwrite(at, 1, (size_t)length, words);
        at += length;
    }
}

static int width_of(const char *at, const char *end)
{
    int width = 0;
    uint32_t code;
    for (; at < end; at += char_at(at, end, &code)) {
        char_at(at, end, &code);
        width += columns_of(code);
    }
    return width;
}

/* The line, cut around the place when it is long, and ^~~~ under the place. */
static void print_excerpt(const struct config_report *r, const struct config_finding *f,
                          FILE *words)
{
    struct zl_span line = excerpt_of(r, f->place);
    int skip = f->place.column > EXCERPT - 40 ? f->place.column - 40 : 0;
    const char *from = line.ptr + byte_of(line, skip);
    const char *to = line.ptr + byte_of(line, skip + EXCERPT);
    const char *at = line.ptr + byte_of(line, f->place.column);
    const char *stop = to;
    if (f->place.width > 0 && f->place.width < EXCERPT)
        stop = line.ptr + byte_of(line, f->place.column + f->place.width);
    if (stop > to)
        stop = to;
    fprintf(words, "%5d | ", f->place.set ? f->place.set : f->place.line + 1);
    print_chars(from, to, words);
    fprintf(words, "\n      | %*s^", width_of(from, at), "");
    for (int i = width_of(at, stop); i > 1; i--)
        fputc('~', words);
    if (f->hint)
        fprintf(words, " %s", f->hint);
    fputc('\n', words);
}

static void print_finding(const struct config_report *r, const struct config_finding *f,
                          FILE *words)
{
    if (f->place.set)
        fprintf(words, "--set %d", f->place.set);
    else
        fprintf(words, "%s:%d:%d", r->file, f->place.line + 1, f->place.column + 1);
    fprintf(words, ": error: %s [%s]\n", f->words, f->id);
    print_excerpt(r, f, words);
}

void config_report_print(struct config_report *r, FILE *words)
{
    if (r->total == 0)
        return;
    qsort(r->findings, (size_t)r->n, sizeof r->findings[0], by_place);
    bool of_file = false, of_set = false;
    for (int i = 0; i < r->n; i++) {
        of_set |= r->findings[i].place.set != 0;
        of_file |= r->findings[i].place.set == 0;
        if (i < PRINTED)
            print_finding(r, &r->findings[i], words);
    }
    if (r->total > PRINTED)
        fprintf(words, "... and %ld more\n", r->total - PRINTED);
    fprintf(words, "%ld error%s in %s%s%s; nothing was started\n", r->total,
            r->total == 1 ? "" : "s", of_file ? r->file : "", of_file && of_set ? " and " : "",
            of_set ? "--set" : "");
}
