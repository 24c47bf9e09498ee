/* Scalars: from the text of a file (or of --set, or of the table's own defaults) to a value in struct config, and back. The environment comes
 * in here, after YAML was parsed: whatever a variable holds, it is only ever text inside one scalar and never makes structure. */
#define _GNU_SOURCE
#include "app/config_priv.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static bool fail(struct config_problem *why, const char *id, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

static bool fail(struct config_problem *why, const char *id, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    why->id = id;
    why->hint[0] = 0;
    vsnprintf(why->words, sizeof why->words, fmt, args);
    va_end(args);
    return false;
}

/* ---- ${VAR}, ${VAR:-default}, ${VAR:?message}, $$ ---- */

struct expansion {
    char *out;
    size_t len, capacity;
};

static bool append(struct expansion *e, const char *text, size_t len, struct config_problem *why)
{
    if (e->len + len >= CONFIG_MAX_VALUE)
        return fail(why, "too-large", "a value of more than %d bytes", CONFIG_MAX_VALUE);
    if (e->len + len + 1 > e->capacity) {
        e->capacity = (e->len + len + 1) * 2;
        e->out = xrealloc(e->out, e->capacity, 1);
    }
    memcpy(e->out + e->len, text, len);
    e->len += len;
    e->out[e->len] = 0;
    return true;
}

static size_t name_length(const char *at, const char *end)
{
    const char *p = at;
    while (p < end && (isalnum((unsigned char)*p) || *p == '_') &&
           !(p == at && isdigit((unsigned char)*p)))
        p++;
    return (size_t)(p - at);
}

static bool plain_text(const char *value)
{
    const char *end = value + strlen(value);
    for (uint32_t code; value < end;) {
        int length = config_text_char(value, end, &code);
        if (length == 0 || code < 0x20 || code == 0x7F)
            return false;
        value += length;
    }
    return true;
}

/* body is what stands between ${ and }. */
static bool expand_variable(struct expansion *e, struct zl_span body, struct config_problem *why)
{
    const char *end = body.ptr + body.len;
    size_t name_len = name_length(body.ptr, end);
    const char *rest = body.ptr + name_len;
    bool has_default = end - rest >= 2 && rest[0] == ':' && rest[1] == '-';
    bool has_message = end - rest >= 2 && rest[0] == ':' && rest[1] == '?';
    char quoted[CONFIG_QUOTE];
    if (name_len == 0 || name_len > 255 || (rest != end && !has_default && !has_message))
        return fail(why, "bad-variable",
                    "\"${%s}\" is not ${NAME}, ${NAME:-default} or ${NAME:?message}",
                    config_report_quote(quoted, body.ptr, body.len));
    char name[256];
    memcpy(name, body.ptr, name_len);
    name[name_len] = 0;
    const char *value = getenv(name);
    if (has_default && (!value || !*value))
        return append(e, rest + 2, (size_t)(end - rest - 2), why);
    if (has_message && (!value || !*value))
        return fail(why, "missing-variable", "%s is not set: %s", name,
                    config_report_quote(quoted, rest + 2, (size_t)(end - rest - 2)));
    if (!value)
        return fail(why, "missing-variable", "the environment variable %s is not set", name);
    if (!plain_text(value))
        return fail(why, "bad-variable",
                    "the environment variable %s is not one line of UTF-8 text", name);
    return append(e, value, strlen(value), why);
}

static bool expand_dollar(struct expansion *e, const char **at, const char *end,
                          struct config_problem *why)
{
    const char *p = *at + 1;
    if (p < end && *p == '$') {
        *at = p + 1;
        return append(e, "$", 1, why);
    }
    if (p == end || *p != '{')
        return fail(why, "bad-variable", "a lone $: write ${NAME} for a variable, $$ for a dollar");
    const char *close = memchr(p, '}', (size_t)(end - p));
    if (!close)
        return fail(why, "bad-variable", "${ without its }");
    *at = close + 1;
    return expand_variable(e, (struct zl_span){p + 1, (size_t)(close - p - 1)}, why);
}

bool config_value_expand(const char *text, size_t len, char **out, struct config_problem *why)
{
    struct expansion e = {0};
    const char *at = text, *end = text + len;
    bool ok = append(&e, "", 0, why);
    while (ok && at < end) {
        const char *dollar = memchr(at, '$', (size_t)(end - at));
        const char *stop = dollar ? dollar : end;
        ok = append(&e, at, (size_t)(stop - at), why);
        at = stop;
        if (ok && dollar)
            ok = expand_dollar(&e, &at, end, why);
    }
    if (!ok) {
        free(e.out);
        e.out = NULL;
    }
    *out = e.out;
    return ok;
}

/* ---- numbers and units ---- */

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000LL}};
static const struct unit sizes[] = {
    {"B", 1}, {"KiB", 1LL << 10}, {"MiB", 1LL << 20}, {"GiB", 1LL << 30}, {"TiB", 1LL << 40}};
#define N_UNITS 5

/* Digits, then one of the units; *rest at the unit. */
static bool digits(const char *text, int64_t *out, const char **rest)
{
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    *rest = end;
    return errno == 0;
}

static bool with_unit(const char *text, const struct unit *units, bool bare, int64_t *out)
{
    int64_t n;
    const char *rest;
    if (!digits(text, &n, &rest))
        return false;
    if (!*rest && (bare || n == 0)) {
        *out = n;
        return true;
    }
    for (int i = 0; i < N_UNITS; i++)
        if (strcasecmp(rest, units[i].name) == 0)
            return !__builtin_mul_overflow(n, units[i].factor, out);
    return false;
}

bool config_value_duration(const char *text, int64_t *ms)
{
    return with_unit(text, durations, false, ms);
}

bool config_value_size(const char *text, int64_t *bytes)
{
    return with_unit(text, sizes, true, bytes);
}

bool config_value_integer(const char *text, int64_t *out)
{
    bool minus = text[0] == '-';
    const char *rest;
    if (!digits(text + minus, out, &rest) || *rest)
        return false;
    if (minus)
        *out = -*out;
    return true;
}

bool config_value_number(const char *text, double *out)
{
    char *end;
    if (!*text || strspn(text, "0123456789+-.eE") != strlen(text))
        return false; /* no hexadecimal, no inf, no nan, no spaces */
    *out = strtod(text, &end);
    return !*end && isfinite(*out);
}

static bool boolean(const char *text, bool *out)
{
    static const char *const yes[] = {"true", "on", "yes"}, *const no[] = {"false", "off", "no"};
    for (int i = 0; i < 3; i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *out = strcasecmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

/* Largest unit that leaves no rest. */
static void format_units(int64_t value, const struct unit *units, char *buf)
{
    int i = N_UNITS - 1;
    while (i > 0 && (value == 0 || value % units[i].factor != 0))
        i--;
    snprintf(buf, CONFIG_FORMAT, "%lld%s", (long long)(value / units[i].factor), units[i].name);
}

void config_value_duration_text(int64_t ms, char *buf)
{
    format_units(ms, durations, buf);
}

static void format_double(double value, char *buf)
{
    for (int digits_ = 6; digits_ <= 17; digits_++) {
        snprintf(buf, CONFIG_FORMAT, "%.*g", digits_, value);
        if (strtod(buf, NULL) == value)
            return;
    }
}

static void format_bound(const struct config_row *row, double value, char *buf)
{
    if (row->type == CONFIG_DURATION)
        format_units((int64_t)value, durations, buf);
    else if (row->type == CONFIG_SIZE)
        format_units((int64_t)value, sizes, buf);
    else if (row->type == CONFIG_DOUBLE && (value != floor(value) || fabs(value) > 1e15))
        format_double(value, buf);
    else
        snprintf(buf, CONFIG_FORMAT, "%.0f", value);
}

void config_value_range(const struct config_row *row, char *buf, size_t len)
{
    char min[CONFIG_FORMAT], max[CONFIG_FORMAT];
    format_bound(row, row->min, min);
    format_bound(row, row->max, max);
    snprintf(buf, len, "%s..%s", min, max);
}

/* ---- by the table ---- */

static bool not_a(struct config_problem *why, const struct config_row *row, const char *text,
                  const char *what)
{
    char quoted[CONFIG_QUOTE];
    return fail(why, "wrong-type", "%s must be %s, not \"%s\"", row->key, what,
                config_report_quote(quoted, text, strlen(text)));
}

static bool in_range(const struct config_row *row, double value, const char *text,
                     struct config_problem *why)
{
    char range[2 * CONFIG_FORMAT + 2], quoted[CONFIG_QUOTE];
    config_value_range(row, range, sizeof range);
    config_report_quote(quoted, text, strlen(text));
    if (!(value >= row->min && value <= row->max))
        return fail(why, "out-of-range", "%s %s is outside %s", row->key, quoted, range);
    if (row->step && (int64_t)value % row->step != 0)
        return fail(why, "out-of-range", "%s %s is not a multiple of %d", row->key, quoted,
                    row->step);
    return true;
}

static bool store_choice(const struct config_row *row, const char *text, int *out,
                         struct config_problem *why)
{
    char copy[128], listed[160] = "";
    const char *words[8];
    int n = 0;
    snprintf(copy, sizeof copy, "%s", row->choices);
    for (char *save = NULL, *word = strtok_r(copy, "|", &save); word;
         word = strtok_r(NULL, "|", &save)) {
        if (strcmp(word, text) == 0) {
            *out = n;
            return true;
        }
        size_t used = strlen(listed);
        snprintf(listed + used, sizeof listed - used, "%s%s", n ? ", " : "", word);
        words[n++] = word;
    }
    char quoted[CONFIG_QUOTE];
    fail(why, "wrong-value", "%s must be one of %s, not \"%s\"", row->key, listed,
         config_report_quote(quoted, text, strlen(text)));
    int near = config_nearest(text, words, n);
    if (near >= 0)
        snprintf(why->hint, sizeof why->hint, "did you mean \"%s\"?", words[near]);
    return false;
}

static bool store_text(const struct config_row *row, const char *text, char **out,
                       struct config_problem *why)
{
    size_t len = strlen(text);
    if (!plain_text(text))
        return fail(why, "bad-character", "%s must be one line without control characters",
                    row->key);
    if (len == 0 && row->min > 0)
        return fail(why, "empty", "%s must not be empty", row->key);
    if ((double)len > row->max)
        return fail(why, "out-of-range", "%s has %zu bytes; at most %.0f are taken", row->key, len,
                    row->max);
    free(*out);
    *out = xstrdup(text);
    return true;
}

static bool store_whole(const struct config_row *row, const char *text, int64_t *out,
                        struct config_problem *why)
{
    int64_t value = 0;
    bool ok = row->type == CONFIG_INT    ? config_value_integer(text, &value)
              : row->type == CONFIG_SIZE ? config_value_size(text, &value)
                                         : config_value_duration(text, &value);
    if (!ok)
        return not_a(why, row, text,
                     row->type == CONFIG_INT    ? "a whole number"
                     : row->type == CONFIG_SIZE ? "a size like 64MiB (B KiB MiB GiB TiB)"
                                                : "a time like 5ms or 24h (ms s m h d)");
    if (!in_range(row, (double)value, text, why))
        return false;
    *out = value;
    return true;
}

static bool store_double(const struct config_row *row, const char *text, double *out,
                         struct config_problem *why)
{
    double value;
    if (!config_value_number(text, &value))
        return not_a(why, row, text, "a number");
    if (!in_range(row, value, text, why))
        return false;
    *out = value;
    return true;
}

bool config_value_store(const struct config_row *row, const char *text, struct config *c,
                        struct config_problem *why)
{
    void *field = (char *)c + row->offset;
    why->hint[0] = 0;
    switch (row->type) {
    case CONFIG_BOOL: return boolean(text, field) || not_a(why, row, text, "on or off");
    case CONFIG_INT:
    case CONFIG_SIZE:
    case CONFIG_DURATION: return store_whole(row, text, field, why);
    case CONFIG_DOUBLE: return store_double(row, text, field, why);
    case CONFIG_ENUM: return store_choice(row, text, field, why);
    case CONFIG_STRING:
    case CONFIG_SECRET: return store_text(row, text, field, why);
    case CONFIG_MAP: break;
    }
    return not_a(why, row, text, "a mapping");
}

const char *config_value_format(const struct config_row *row, const struct config *c,
                                char buf[CONFIG_FORMAT])
{
    const void *field = (const char *)c + row->offset;
    buf[0] = 0;
    switch (row->type) {
    case CONFIG_BOOL:
        snprintf(buf, CONFIG_FORMAT, "%s", *(const bool *)field ? "on" : "off");
        break;
    case CONFIG_INT:
        snprintf(buf, CONFIG_FORMAT, "%lld", (long long)*(const int64_t *)field);
        break;
    case CONFIG_SIZE: format_units(*(const int64_t *)field, sizes, buf); break;
    case CONFIG_DURATION: format_units(*(const int64_t *)field, durations, buf); break;
    case CONFIG_DOUBLE: format_double(*(const double *)field, buf); break;
    case CONFIG_ENUM: {
        const char *at = row->choices;
        for (int i = *(const int *)field; i > 0; i--)
            at = strchr(at, '|') + 1;
        snprintf(buf, CONFIG_FORMAT, "%.*s", (int)strcspn(at, "|"), at);
        break;
    }
    case CONFIG_STRING:
    case CONFIG_SECRET: return *(char *const *)field ? *(char *const *)field : "";
    case CONFIG_MAP: break;
    }
    return buf;
}

/* ---- secrets ---- */

/* A secret is empty, or ${VAR} and nothing else; a default inside the braces would be a literal too. */
bool config_value_is_literal(const char *text)
{
    size_t len = strlen(text);
    if (len == 0)
        return false;
    if (text[0] != '$' || text[1] != '{' || strchr(text, '}') != text + len - 1)
        return true;
    const char *fallback = strstr(text, ":-");
    return fallback && fallback[2] != '}';
}

/* Where the password stands in scheme://user:password@host: from the colon to before the last @ of the authority. */
bool config_value_url_password(const char *text, size_t *from, size_t *to)
{
    const char *start = strstr(text, "://");
    if (!start)
        return false;
    start += 3;
    const char *at = NULL;
    for (const char *p = start; *p && *p != '/' && *p != '?'; p++)
        if (*p == '@')
            at = p;
    const char *colon = at ? memchr(start, ':', (size_t)(at - start)) : NULL;
    if (!colon || colon + 1 == at)
        return false;
    *from = (size_t)(colon + 1 - text);
    *to = (size_t)(at - text);
    return true;
}
