/* zhiliu/span.h - bytes that belong to somebody else.
 * A span is borrowed (for the call) or lent until a moment its giver names; it is never NUL-terminated. */
#ifndef ZHILIU_SPAN_H
#define ZHILIU_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct zl_span {
    const char *ptr; /* NULL with len 0: absent */
    size_t len;
};

#define ZL_SPAN(literal) ((struct zl_span){(literal), sizeof(literal) - 1})

static inline struct zl_span zl_span_of(const char *text)
{
    return (struct zl_span){text, strlen(text)};
}

static inline bool zl_span_equal(struct zl_span a, struct zl_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool zl_span_is(struct zl_span a, const char *text)
{
    return zl_span_equal(a, zl_span_of(text));
}

/* Byte order; a prefix comes first. < 0, 0, > 0. */
static inline int zl_span_compare(struct zl_span a, struct zl_span b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

#endif
