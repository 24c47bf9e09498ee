#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void check_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "zhiliu: internal fault: %s does not hold at %s:%d; please report this line\n",
            cond, file, line);
    abort();
}

static _Noreturn void out_of_memory(size_t n, size_t size)
{
    fprintf(stderr, "zhiliu: out of memory: %zu x %zu bytes were refused\n", n, size);
    abort();
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p)
        out_of_memory(n, size);
    return p;
}

void *xrealloc(void *old, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n ? n : 1, size ? size : 1, &bytes))
        out_of_memory(n, size);
    void *p = realloc(old, bytes);
    if (!p)
        out_of_memory(n, size);
    return p;
}

char *xstrdup(const char *text)
{
    size_t len = strlen(text) + 1;
    return memcpy(xcalloc(len, 1), text, len);
}
