/* A dead letter as one line of JSON, written and read by nobody else. Values come from strangers: whatever is not UTF-8 goes as
 * base64, so a line is always valid JSON and always gives the same bytes back.
 *
 *      {"key":"events-0-17-0","reason":"bad_json","detail":"…","topic":"events","partition":0,"offset":17,"index":0,"time":1700000000000,
 *       "truncated":false,"original_key":"u1","headers":{"sent_ms":"17…"},"value":"{…"}
 *
 * The reader takes this shape, its fields in any order, and refuses anything else. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/dead_letters.h"
#include "app/json_text.h"

/* ---- writing ---- */

/* Length of the UTF-8 character at s, 0 when it is none (overlong, surrogate, above U+10FFFF, cut off). */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80)
        return 1;
    size_t n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || left < n)
        return 0;
    unsigned char low = 0x80, high = 0xBF;
    if (s[0] == 0xE0)
        low = 0xA0;
    else if (s[0] == 0xED)
        high = 0x9F;
    else if (s[0] == 0xF0)
        low = 0x90;
    else if (s[0] == 0xF4)
        high = 0x8F;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

static bool is_utf8(struct zl_span text)
{
    const unsigned char *s = (const unsigned char *)text.ptr;
    for (size_t i = 0, n; i < text.len; i += n)
        if ((n = utf8_length(s + i, text.len - i)) == 0)
            return false;
    return true;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void print_base64(FILE *out, struct zl_span bytes)
{
    const unsigned char *b = (const unsigned char *)bytes.ptr;
    putc('"', out);
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i;
        unsigned v = (unsigned)b[i] << 16 | (n > 1 ? (unsigned)b[i + 1] << 8 : 0) |
                     (n > 2 ? (unsigned)b[i + 2] : 0);
        putc(base64_digits[v >> 18], out);
        putc(base64_digits[v >> 12 & 63], out);
        putc(n > 1 ? base64_digits[v >> 6 & 63] : '=', out);
        putc(n > 2 ? base64_digits[v & 63] : '=', out);
    }
    putc('"', out);
}

/* name must be plain; "name" or "name_base64" */
static void print_bytes(FILE *out, const char *name, struct zl_span bytes)
{
    bool plain = is_utf8(bytes);
    fprintf(out, ",\"%s%s\":", name, plain ? "" : "_base64");
    if (plain)
        json_text_print(out, bytes);
    else
        print_base64(out, bytes);
}

static void print_headers(FILE *out, const struct dead_letter *l)
{
    fputs(",\"headers\":{", out);
    bool first = true;
    for (int i = 0; i < l->n_headers; i++) {
        if (!is_utf8(l->headers[i].name) || !is_utf8(l->headers[i].value))
            continue; /* a header that is not text has no use in a file of lines */
        if (!first)
            putc(',', out);
        first = false;
        json_text_print(out, l->headers[i].name);
        putc(':', out);
        json_text_print(out, l->headers[i].value);
    }
    putc('}', out);
}

void dead_letters_print(FILE *out, const struct dead_letter *l)
{
    fputs("{\"key\":", out);
    json_text_print(out, l->key);
    print_bytes(out, "reason", l->reason);
    print_bytes(out, "detail", l->detail);
    print_bytes(out, "topic", l->topic);
    fprintf(out,
            ",\"partition\":%" PRId32 ",\"offset\":%" PRId64 ",\"index\":%" PRId32
            ",\"time\":%" PRId64 ",\"truncated\":%s",
            l->partition, l->offset, l->index, l->time_ms, l->truncated ? "true" : "false");
    if (l->has_original_key)
        print_bytes(out, "original_key", l->original_key);
    print_headers(out, l);
    print_bytes(out, "value", l->value);
    fputs("}\n", out);
}

/* ---- reading ---- */

struct reader {
    const char *at, *end;
    char *to; /* where unescaped text goes: never longer than its source */
    bool bad;
};

static bool take(struct reader *r, char c)
{
    if (r->at < r->end && *r->at == c) {
        r->at++;
        return true;
    }
    return false;
}

static void expect(struct reader *r, char c)
{
    if (!take(r, c))
        r->bad = true;
}

static unsigned take_hex4(struct reader *r)
{
    unsigned v = 0;
    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *d = r->at < r->end && *r->at ? strchr(digits, *r->at) : NULL;
        if (!d) {
            r->bad = true;
            return 0;
        }
        v = v << 4 | ((unsigned)(d - digits) & 15);
        r->at++;
    }
    return v;
}

static void put_utf8(struct reader *r, unsigned c)
{
    if (c < 0x80) {
        *r->to++ = (char)c;
        return;
    }
    if (c < 0x800) {
        *r->to++ = (char)(0xC0 | c >> 6);
    } else {
        *r->to++ = (char)(0xE0 | c >> 12);
        *r->to++ = (char)(0x80 | (c >> 6 & 63));
    }
    *r->to++ = (char)(0x80 | (c & 63));
}

static void take_escape(struct reader *r)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    char c = r->at < r->end ? *r->at++ : '\0';
    const char *known = c ? strchr(from, c) : NULL;
    if (known)
        *r->to++ = into[known - from];
    else if (c == 'u')
        put_utf8(r, take_hex4(r)); /* we write \u for control characters only: no pairs */
    else
        r->bad = true;
}

static struct zl_span take_text(struct reader *r)
{
    char *from = r->to;
    expect(r, '"');
    while (!r->bad && r->at < r->end && *r->at != '"') {
        if (take(r, '\\'))
            take_escape(r);
        else
            *r->to++ = *r->at++;
    }
    expect(r, '"');
    return (struct zl_span){from, (size_t)(r->to - from)};
}

static int64_t take_integer(struct reader *r)
{
    bool negative = take(r, '-');
    int64_t v = 0;
    if (r->at == r->end || *r->at < '0' || *r->at > '9')
        r->bad = true;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9' && v < INT64_MAX / 10 - 1)
        v = v * 10 + (*r->at++ - '0');
    return negative ? -v : v;
}

static bool take_bool(struct reader *r)
{
    size_t left = (size_t)(r->end - r->at);
    bool yes = left >= 4 && memcmp(r->at, "true", 4) == 0;
    if (!yes && !(left >= 5 && memcmp(r->at, "false", 5) == 0))
        r->bad = true;
    else
        r->at += yes ? 4 : 5;
    return yes;
}

/* In place: never longer than the digits. */
static struct zl_span from_base64(struct reader *r, struct zl_span text)
{
    char *to = (char *)(uintptr_t)text.ptr, *start = to;
    unsigned v = 0, bits = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] != '='; i++) {
        const char *d = text.ptr[i] ? strchr(base64_digits, text.ptr[i]) : NULL;
        if (!d) {
            r->bad = true;
            break;
        }
        v = v << 6 | (unsigned)(d - base64_digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *to++ = (char)(v >> bits & 255);
        }
    }
    return (struct zl_span){start, (size_t)(to - start)};
}

static void take_headers(struct reader *r, struct dead_letter *l)
{
    expect(r, '{');
    while (!r->bad && !take(r, '}')) {
        if (l->n_headers > 0)
            expect(r, ',');
        struct source_header h;
        h.name = take_text(r);
        expect(r, ':');
        h.value = take_text(r);
        if (l->n_headers == DEAD_LETTERS_MAX_HEADERS)
            r->bad = true;
        else
            l->headers[l->n_headers++] = h;
    }
}

static void take_field(struct reader *r, struct zl_span name, struct dead_letter *l)
{
    struct {
        const char *name;
        struct zl_span *text;
    } texts[] = {
        {"key", &l->key},       {"reason", &l->reason}, {"topic", &l->topic},
        {"detail", &l->detail}, {"value", &l->value},   {"original_key", &l->original_key},
    };
    bool packed = name.len > 7 && memcmp(name.ptr + name.len - 7, "_base64", 7) == 0;
    struct zl_span plain = {name.ptr, packed ? name.len - 7 : name.len};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (!zl_span_is(plain, texts[i].name))
            continue;
        struct zl_span text = take_text(r);
        *texts[i].text = packed ? from_base64(r, text) : text;
        l->has_original_key |= texts[i].text == &l->original_key;
        return;
    }
    if (zl_span_is(name, "headers"))
        take_headers(r, l);
    else if (zl_span_is(name, "truncated"))
        l->truncated = take_bool(r);
    else if (zl_span_is(name, "partition"))
        l->partition = (int32_t)take_integer(r);
    else if (zl_span_is(name, "offset"))
        l->offset = take_integer(r);
    else if (zl_span_is(name, "index"))
        l->index = (int32_t)take_integer(r);
    else if (zl_span_is(name, "time"))
        l->time_ms = take_integer(r);
    else
        r->bad = true;
}

bool dead_letters_parse(const char *line, size_t len, char *scratch,
                        struct source_header headers[DEAD_LETTERS_MAX_HEADERS],
                        struct dead_letter *l)
{
    struct reader r = {line, line + len, scratch, false};
    *l = (struct dead_letter){.headers = headers};
    expect(&r, '{');
    for (bool first = true; !r.bad && !take(&r, '}'); first = false) {
        if (!first)
            expect(&r, ',');
        struct zl_span name = take_text(&r);
        expect(&r, ':');
        if (!r.bad)
            take_field(&r, name, l);
    }
    return !r.bad && l->key.len > 0;
}
