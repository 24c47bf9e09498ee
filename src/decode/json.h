/* decode/json.h - a JSON document as values, for the rest of this room: the C face of json.cc.
 * Promise  The whole document is checked, also what nobody asks for: UTF-8, grammar, numbers, surrogates, depth.
 *          After JSON_OK nothing here can fail.
 * Numbers  An integer beyond 64 bits or a float beyond double is refused wherever it stands.
 * Memory   values, text and keys are lent until the next decode_json_parse() on the same parser; a json_members is the caller's and
 *          grows to the largest object seen.
 * Threads  one parser, one thread. */
#ifndef DECODE_JSON_H
#define DECODE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zhiliu/span.h"

#ifdef __cplusplus
extern "C" {
#endif

#define JSON_PADDING 64   /* readable bytes that json_parse wants after the text */
#define JSON_MAX_DEPTH 32 /* nested arrays and objects, the outermost counts */

struct json; /* opaque */

enum json_status { JSON_OK, JSON_BAD_UTF8, JSON_BAD, JSON_TOO_BIG_INTEGER, JSON_TOO_BIG_FLOAT };

enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_INTEGER, /* fits in int64 */
    JSON_BIG,     /* an integer in 2^63 .. 2^64-1 */
    JSON_DOUBLE,  /* written with a point or an exponent; finite */
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

/* A place in the parsed document: simdjson's own two words, opaque here. */
struct json_place {
    const void *document;
    size_t at;
};

struct json_value {
    enum json_kind kind;
    union {
        int64_t integer;      /* JSON_INTEGER; JSON_BOOL: 0 or 1 */
        double number;        /* JSON_DOUBLE */
        struct zl_span text;  /* JSON_STRING, unescaped */
        struct json_place in; /* JSON_ARRAY, JSON_OBJECT */
    };
};

struct json_member {
    struct zl_span key; /* unescaped */
    struct json_value value;
};

struct json_members {
    struct json_member *at;
    size_t n, capacity;
};

struct json_array {
    struct json_place next, end;
};

struct json *decode_json_open(void);
void decode_json_close(struct json *j);

/* text[0 .. len-1] is the document, JSON_PADDING bytes after it are readable. */
enum json_status decode_json_parse(struct json *j, const char *text, size_t len,
                                   struct json_value *root);
/* Words for the newest status that was not JSON_OK; static. */
const char *decode_json_words(const struct json *j);

/* All members of an object, in order, duplicates too. */
void decode_json_object_members(const struct json_value *object, struct json_members *out);
void decode_json_members_release(struct json_members *m);

void decode_json_array_begin(const struct json_value *array, struct json_array *out);
bool decode_json_array_next(struct json_array *a, struct json_value *out);

/* Its text without blanks; lent until the next decode_json_minify() or decode_json_parse(). */
struct zl_span decode_json_minify(struct json *j, const struct json_value *value);

bool decode_json_is_utf8(const char *text, size_t len);

#ifdef __cplusplus
}
#endif

#endif
