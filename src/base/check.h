/* base/check.h - our own mistakes stop the process, also in release builds; allocation that may not fail. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stddef.h>

#define ASSERT(cond)                                                                               \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            check_failed(#cond, __FILE__, __LINE__);                                               \
    } while (0)

/* Says what was broken and where on stderr, then aborts (a core is useful). */
_Noreturn void check_failed(const char *cond, const char *file, int line);

/* Zeroed memory for small things; the process ends with words when memory is gone. n * size is checked. */
void *xcalloc(size_t n, size_t size);
/* Grown memory; what is new is NOT zeroed. */
void *xrealloc(void *old, size_t n, size_t size);
char *xstrdup(const char *text);

#endif
