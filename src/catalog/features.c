/* A new video has no watchers, but it has a title, tags and somebody who made it. Each of these becomes a key, and the model learns what
 * people make of each key. A key is a hash, so that no dictionary of words has to be kept here.
 *
 *      "Café 知流 (2013)"  ->  title:café  title:知流  title:2013  decade:201
 *
 * Numbers become buckets, since "4 minutes" says something and 241,377 ms does not. */
#include "catalog/features.h"

#include <string.h>

#include "base/hash.h"
#include "base/special.h"

#define WORD_BYTES 64        /* a longer word is cut */
#define TAGS 16              /* more leave no room for the rest */
#define TEXT_SCANNED 4096    /* bytes of description and of subtitles that are looked at */
#define KEY_SEED 0x7AC61EULL /* keys are state: the same in every pipeline */

/* The keys so far. */
struct set {
    uint64_t *keys;
    int n;
};

static void add(struct set *s, enum catalog_feature kind, struct zl_span text)
{
    uint64_t key = catalog_features_key(kind, text);
    for (int i = 0; i < s->n; i++)
        if (s->keys[i] == key)
            return;
    if (s->n < CATALOG_FEATURES)
        s->keys[s->n++] = key;
}

static void add_number(struct set *s, enum catalog_feature kind, int64_t bucket)
{
    add(s, kind, (struct zl_span){(const char *)&bucket, sizeof bucket});
}

uint64_t catalog_features_key(enum catalog_feature kind, struct zl_span text)
{
    return hash_bytes(text.ptr, text.len, KEY_SEED + (uint64_t)kind);
}

/* ---- characters ---- */

/* One code point of checked UTF-8; *at moves on. */
static uint32_t next_char(struct zl_span text, size_t *at)
{
    const unsigned char *p = (const unsigned char *)text.ptr + *at;
    size_t left = text.len - *at, len = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (len > left)
        len = left; /* a text that was cut inside a character */
    static const uint8_t mask[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t c = p[0] & mask[len];
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (p[i] & 0x3FU);
    *at += len;
    return c;
}

static size_t put_char(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(lead[len] | c);
    return len;
}

/* Lower case of the alphabets that titles are mostly in; full-width Latin becomes Latin. */
static uint32_t fold(uint32_t c)
{
    if (c >= 0xFF01 && c <= 0xFF5E)
        c -= 0xFEE0;
    if ((c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7) ||
        (c >= 0x391 && c <= 0x3A9) || (c >= 0x410 && c <= 0x42F))
        return c + 0x20;
    if (c >= 0x400 && c <= 0x40F)
        return c + 0x50;
    if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177) || (c >= 0x460 && c <= 0x4FF))
        return c | 1;
    return c;
}

/* Written without spaces: pairs of characters stand for words. */
static bool is_ideograph(uint32_t c)
{
    return (c >= 0x3041 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) ||
           (c >= 0xAC00 && c <= 0xD7AF) || (c >= 0xF900 && c <= 0xFAFF) ||
           (c >= 0x20000 && c <= 0x3FFFF) || c == 0x3005;
}

static bool is_letter(uint32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
    return c >= 0xC0 && c != 0xD7 && c != 0xF7 && !(c >= 0x2000 && c <= 0x2BFF) &&
           !(c >= 0x2E00 && c <= 0x303F) && !(c >= 0xFE00 && c <= 0xFFEF) && c < 0x1F000;
}

static bool is_apostrophe(uint32_t c)
{
    return c == '\'' || c == 0x2019;
}

/* ---- words ---- */

/* The word being read. */
struct word {
    char bytes[WORD_BYTES + 4];
    size_t len;
    uint32_t before; /* the ideograph before this one, 0: none */
    bool paired;     /* and it is in a pair already */
};

static void add_pair(struct set *s, enum catalog_feature kind, uint32_t a, uint32_t b)
{
    char pair[8];
    size_t len = put_char(pair, a);
    len += b ? put_char(pair + len, b) : 0;
    add(s, kind, (struct zl_span){pair, len});
}

static void end_word(struct set *s, enum catalog_feature kind, struct word *w)
{
    if (w->len)
        add(s, kind, (struct zl_span){w->bytes, w->len});
    if (w->before && !w->paired)
        add_pair(s, kind, w->before, 0);
    *w = (struct word){.len = 0};
}

static void add_words(struct set *s, enum catalog_feature kind, struct zl_span text)
{
    struct word w = {.len = 0};
    for (size_t at = 0; at < text.len && s->n < CATALOG_FEATURES;) {
        uint32_t c = fold(next_char(text, &at));
        if (is_ideograph(c)) {
            if (w.len)
                end_word(s, kind, &w);
            if (w.before)
                add_pair(s, kind, w.before, c);
            w.paired = w.before != 0;
            w.before = c;
        } else if (is_letter(c)) {
            if (w.before)
                end_word(s, kind, &w);
            if (w.len < WORD_BYTES)
                w.len += put_char(w.bytes + w.len, c);
        } else if (!is_apostrophe(c)) {
            end_word(s, kind, &w);
        }
    }
    end_word(s, kind, &w);
}

/* "Heat (1995)": the years near it have more in common than the year alone says. */
static void add_decade(struct set *s, struct zl_span title)
{
    for (size_t i = 0; i + 6 <= title.len; i++) {
        const char *p = title.ptr + i;
        bool year = p[0] == '(' && p[5] == ')' && (p[1] == '1' || p[1] == '2');
        for (int d = 1; d <= 4; d++)
            year = year && p[d] >= '0' && p[d] <= '9';
        if (year)
            add_number(s, CATALOG_FEATURE_DECADE,
                       (p[1] - '0') * 100 + (p[2] - '0') * 10 + p[3] - '0');
    }
}

/* ---- numbers ---- */

static int64_t octaves(double x, int parts)
{
    return (int64_t)(special_log2(x) * parts + 1000) - 1000; /* rounded down */
}

/* Octave of the shorter side, so that 1080 x 1920 and 1920 x 1080 are as sharp, and which way up. */
static int64_t resolution(const struct catalog_item *item)
{
    int32_t side = item->width < item->height ? item->width : item->height;
    return octaves(side, 2) * 2 + (item->height > item->width);
}

static void add_numbers(struct set *s, const struct catalog_item *item)
{
    if (item->duration_ms > 0)
        add_number(s, CATALOG_FEATURE_DURATION, octaves((double)item->duration_ms, 4));
    if (item->fps > 0)
        add_number(s, CATALOG_FEATURE_FPS, (int64_t)(item->fps + 0.5));
    if (item->width > 0 && item->height > 0)
        add_number(s, CATALOG_FEATURE_RESOLUTION, resolution(item));
    if (item->price >= 0)
        add_number(s, CATALOG_FEATURE_PRICE, item->price ? octaves((double)item->price, 1) : -1);
    if (item->published_at_ms >= 0)
        add_number(s, CATALOG_FEATURE_HOUR, item->published_at_ms / 3600000 % 24);
}

static struct zl_span beginning(struct zl_span text)
{
    return (struct zl_span){text.ptr, text.len < TEXT_SCANNED ? text.len : TEXT_SCANNED};
}

int catalog_features(const struct catalog_item *item, uint64_t *keys, int *n_subjects)
{
    struct set s = {.keys = keys};
    *n_subjects = 0;
    if (!item->described)
        return 0;
    for (int i = 0; i < item->n_tags && i < TAGS; i++)
        add(&s, CATALOG_FEATURE_TAG, item->tags[i]);
    if (item->category.len)
        add(&s, CATALOG_FEATURE_CATEGORY, item->category);
    *n_subjects = s.n;
    if (item->uploader_id.len)
        add(&s, CATALOG_FEATURE_UPLOADER, item->uploader_id);
    add_numbers(&s, item);
    add_decade(&s, item->title);
    add_words(&s, CATALOG_FEATURE_TITLE, item->title);
    add_words(&s, CATALOG_FEATURE_TEXT, beginning(item->description));
    add_words(&s, CATALOG_FEATURE_TEXT, beginning(item->subtitles));
    return s.n;
}
