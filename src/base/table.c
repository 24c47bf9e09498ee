#define _GNU_SOURCE
#include "base/table.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum zl_status table_init(struct table *t, const char *name, uint32_t max_rows, size_t row_bytes,
                          struct zl_error *err)
{
    *t = (struct table){0};
    size_t stride = (row_bytes + 15) & ~(size_t)15;
    size_t bytes = stride * max_rows;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED)
        return zl_fail(err, ZL_EFULL,
                       "cannot reserve %zu bytes for %u rows of %s: %s; lower that setting or find "
                       "more memory",
                       bytes, max_rows, name, strerror(errno));
    t->rows = p;
    t->stride_bytes = stride;
    t->max_rows = max_rows;
    return ZL_OK;
}

void table_release(struct table *t)
{
    if (t->rows)
        munmap(t->rows, t->stride_bytes * t->max_rows);
    *t = (struct table){0};
}
