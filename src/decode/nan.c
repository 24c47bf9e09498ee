/* Not a parser: it keeps the newest key of each depth, steps over strings, and looks at bare words. */
#include "decode/nan.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DEPTH 32
#define KEY_BYTES 40
#define PATH_BYTES (3 * (KEY_BYTES + 1)) /* the innermost three */

struct walk {
    const char *at, *end;
    int depth;
    struct zl_span keys[DEPTH]; /* of the objects that are open; len 0: an array, or no key yet */
};

/* The string's text; at stands behind its quote, or at the end. */
static struct zl_span take_string(struct walk *w)
{
    const char *from = ++w->at;
    while (w->at < w->end && *w->at != '"')
        w->at += *w->at == '\\' && w->at + 1 < w->end ? 2 : 1;
    w->at = w->at < w->end ? w->at : w->end;
    struct zl_span text = {from, (size_t)(w->at - from)};
    w->at += w->at < w->end;
    return text;
}

static bool is_key(const struct walk *w)
{
    const char *at = w->at;
    while (at < w->end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at < w->end && *at == ':';
}

static void open_or_close(struct walk *w, int by)
{
    w->depth += by;
    if (by > 0 && w->depth > 0 && w->depth <= DEPTH)
        w->keys[w->depth - 1].len = 0;
    w->at++;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* How many bytes of a number that is none; 0: another word, which is stepped over. */
static size_t take_word(struct walk *w)
{
    const char *from = w->at;
    while (w->at < w->end && is_letter(*w->at))
        w->at++;
    size_t n = (size_t)(w->at - from);
    bool found =
        (n == 3 && (strncasecmp(from, "nan", 3) == 0 || strncasecmp(from, "inf", 3) == 0)) ||
        (n == 8 && strncasecmp(from, "infinity", 8) == 0);
    return found ? n : 0;
}

/* Names that others chose: cut, and without bytes that would spoil a line. */
static void put_path(const struct walk *w, char path[PATH_BYTES + 1])
{
    int n_keys = 0, known = w->depth < DEPTH ? w->depth : DEPTH;
    size_t n = 0;
    for (int d = 0; d < known; d++)
        n_keys += w->keys[d].len > 0;
    for (int d = 0; d < known; d++) {
        const struct zl_span *key = &w->keys[d];
        if (key->len == 0 || n_keys-- > 3)
            continue;
        if (n)
            path[n++] = '.';
        for (size_t i = 0; i < key->len && i < KEY_BYTES; i++)
            path[n++] = key->ptr[i] > 0x20 && key->ptr[i] < 0x7F ? key->ptr[i] : '?';
    }
    path[n] = '\0';
}

bool decode_nan_explain(struct zl_span text, char *words, size_t len)
{
    struct walk w = {.at = text.ptr, .end = text.ptr + text.len};
    while (w.at && w.at < w.end) {
        if (*w.at == '"') {
            struct zl_span string = take_string(&w);
            if (w.depth > 0 && w.depth <= DEPTH && is_key(&w))
                w.keys[w.depth - 1] = string;
        } else if (*w.at == '{' || *w.at == '[') {
            open_or_close(&w, 1);
        } else if (*w.at == '}' || *w.at == ']') {
            open_or_close(&w, -1);
        } else if (is_letter(*w.at)) {
            const char *from = w.at;
            char path[PATH_BYTES + 1];
            size_t n = take_word(&w);
            if (n == 0)
                continue;
            put_path(&w, path);
            snprintf(words, len,
                     "%s has %.*s, which is not JSON: send finite numbers, or leave it out",
                     path[0] ? path : "the message", (int)n, from);
            return true;
        } else {
            w.at++;
        }
    }
    return false;
}
