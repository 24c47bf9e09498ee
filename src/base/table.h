/* base/table.h - a large table of equal rows whose address never changes.
 * Promise  Address space for max_rows is reserved at once; pages are used as rows are written. Rows start as zeros.
 * Memory   round_up(stride, 16) * rows used. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "zhiliu/status.h"

struct table {
    char *rows;
    size_t stride_bytes;
    uint32_t max_rows;
};

/* name: what the rows are, and in brackets the setting that makes them fewer, for the words. ZL_EFULL: the address space was refused. */
MUST_CHECK enum zl_status table_init(struct table *t, const char *name, uint32_t max_rows,
                                     size_t row_bytes, struct zl_error *err);
void table_release(struct table *t);

static inline void *table_row(const struct table *t, uint32_t key)
{
    return t->rows + (size_t)key * t->stride_bytes;
}

#endif
