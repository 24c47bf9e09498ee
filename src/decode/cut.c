/* A message carries one object, an array of them, or one on each line. This file finds the borders by looking at
 * strings, brackets and line ends alone, for two uses: lines must be cut before they can be parsed, and an element that
 * was refused must be cut out as it is, so that a dead letter shows what was sent.
 *
 * One object or lines? A pretty-printed object has line ends too. Three rules, none of which needs a parse:
 *   1. a next line that starts with '{' after a line that does not end with one of  , : [ {  cannot be inside one
 *      document, so these are lines (also when the first of them is broken);
 *   2. a first line that is an object by itself, with more text behind it: lines;
 *   3. all else is one document. */
#include "decode/cut.h"

#include <stdint.h>
#include <stdlib.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static struct zl_span strip(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    while (at < end && is_blank(end[-1]))
        end--;
    return (struct zl_span){at, (size_t)(end - at)};
}

struct zl_span decode_cut_trim(struct zl_span message)
{
    if (message.len >= 3 && memcmp(message.ptr, "\xEF\xBB\xBF", 3) == 0) {
        message.ptr += 3;
        message.len -= 3;
    }
    return message.len ? strip(message.ptr, message.ptr + message.len) : message;
}

/* From the opening quote to just behind the closing one; NULL when there is none. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '\\')
            at++;
        else if (*at == '"')
            return at + 1;
    }
    return NULL;
}

/* The end of the value at `at` inside an array: the comma or bracket that closes it on this level; NULL: none. */
static const char *skip_value(const char *at, const char *end)
{
    int64_t depth = 0;
    while (at < end) {
        char c = *at;
        if (c == '"') {
            if (!(at = skip_string(at, end)))
                return NULL;
            continue;
        }
        if (depth == 0 && (c == ',' || c == ']' || c == '}'))
            return at;
        depth += (c == '[' || c == '{') - (c == ']' || c == '}');
        at++;
    }
    return NULL;
}

/* Is this line, from '{' to '}', an object as far as brackets go? */
static bool is_balanced(struct zl_span line)
{
    const char *at = line.ptr, *end = at + line.len;
    int64_t depth = 0;
    while (at < end) {
        char c = *at;
        if (c == '"') {
            if (!(at = skip_string(at, end)))
                return false;
            continue;
        }
        depth += (c == '[' || c == '{') - (c == ']' || c == '}');
        at++;
        if (depth == 0)
            return at == end;
    }
    return false;
}

/* The next line that is not blank; false at the end. */
static bool next_line(const char **at, const char *end, struct zl_span *line)
{
    while (*at < end) {
        const char *nl = memchr(*at, '\n', (size_t)(end - *at));
        const char *stop = nl ? nl : end;
        *line = strip(*at, stop);
        *at = nl ? nl + 1 : end;
        if (line->len)
            return true;
    }
    return false;
}

enum cut_shape decode_cut_shape_of(struct zl_span text)
{
    if (text.len == 0)
        return CUT_ONE;
    if (text.ptr[0] == '[')
        return CUT_ARRAY;
    const char *at = text.ptr, *end = at + text.len;
    struct zl_span first, second;
    if (!next_line(&at, end, &first) || !next_line(&at, end, &second))
        return CUT_ONE;
    char last = first.ptr[first.len - 1];
    if (second.ptr[0] == '{' && !memchr(",:[{", last, 4))
        return CUT_LINES;
    return last == '}' && is_balanced(first) ? CUT_LINES : CUT_ONE;
}

void decode_cut_begin(struct cutter *c, struct zl_span text, enum cut_shape shape)
{
    *c = (struct cutter){.shape = shape, .at = text.ptr, .end = text.ptr + text.len, .whole = true};
    if (shape != CUT_ARRAY)
        return;
    c->at++;
    struct zl_span rest = strip(c->at, c->end);
    if (rest.len == 1 && rest.ptr[0] == ']') /* no element at all */
        c->at = c->end;
}

static bool array_next(struct cutter *c, struct zl_span *element)
{
    if (c->at == c->end)
        return false;
    const char *stop = skip_value(c->at, c->end);
    if (!stop || *stop == '}' || (*stop == ']' && stop + 1 != c->end)) {
        c->whole = false;
        c->at = c->end;
        return false;
    }
    *element = strip(c->at, stop);
    c->at = stop + 1;
    if (*stop == ',' && c->at == c->end)
        c->whole = false;
    return true;
}

bool decode_cut_next(struct cutter *c, struct zl_span *element)
{
    if (c->shape == CUT_ARRAY)
        return array_next(c, element);
    if (c->shape == CUT_LINES)
        return next_line(&c->at, c->end, element);
    if (c->at == c->end)
        return false;
    *element = (struct zl_span){c->at, (size_t)(c->end - c->at)};
    c->at = c->end;
    return true;
}

static bool is_number_char(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static size_t digits(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && s[i] >= '0' && s[i] <= '9')
        i++;
    return i;
}

/* The grammar of RFC 8259, section 6; *is_float: it has a fraction or an exponent. */
static bool is_number(const char *s, size_t n, bool *is_float)
{
    size_t i = n && s[0] == '-', d = digits(s + i, n - i);
    if (d == 0 || (d > 1 && s[i] == '0'))
        return false;
    i += d;
    *is_float = i < n;
    if (i < n && s[i] == '.') {
        d = digits(s + i + 1, n - i - 1);
        if (d == 0)
            return false;
        i += 1 + d;
    }
    if (i < n && (s[i] == 'e' || s[i] == 'E')) {
        i++;
        i += i < n && (s[i] == '+' || s[i] == '-');
        d = digits(s + i, n - i);
        if (d == 0)
            return false;
        i += d;
    }
    return i == n;
}

/* strtod stops at what is behind the number: a comma, a bracket, or the padding's zero. */
static bool is_beyond_double(const char *s)
{
    double v = strtod(s, NULL);
    return v - v != 0; /* inf - inf is NaN */
}

static bool is_beyond_int64(const char *s, size_t n)
{
    bool minus = s[0] == '-';
    uint64_t v = 0, limit = minus ? (uint64_t)INT64_MAX + 1 : UINT64_MAX;
    for (size_t i = minus; i < n; i++)
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v) || v > limit)
            return true;
    return false;
}

enum cut_number decode_cut_number_fault(struct zl_span text)
{
    const char *at = text.ptr, *end = at + text.len;
    while (at && at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
            continue;
        }
        if (*at != '-' && (*at < '0' || *at > '9')) {
            at++;
            continue;
        }
        const char *start = at;
        while (at < end && is_number_char(*at))
            at++;
        bool is_float;
        if (!is_number(start, (size_t)(at - start), &is_float))
            return CUT_NOT_A_NUMBER;
        if (!is_float && is_beyond_int64(start, (size_t)(at - start)))
            return CUT_INTEGER_TOO_BIG;
        if (is_float && is_beyond_double(start))
            return CUT_FLOAT_TOO_BIG;
    }
    return CUT_NOT_A_NUMBER;
}
