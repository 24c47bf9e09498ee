/* support/copied_rows.h - what a restart does, without a file: every row that rooms write is read into other rooms. Include it after cmocka. */
#ifndef SUPPORT_COPIED_ROWS_H
#define SUPPORT_COPIED_ROWS_H

#include "app/checkpoint.h"
#include "model/model.h"

static inline void copy_table(const struct rows_table *from, const struct rows_table *to)
{
    struct zl_error err;
    assert_int_equal(from->kind, to->kind);
    for (uint32_t key = 0; key < from->count(from->room); key++) {
        struct rows_buffer bytes = {0};
        from->write(from->room, key, &bytes);
        struct rows_cursor in = {.at = bytes.bytes, .end = bytes.bytes + bytes.len};
        assert_int_equal(to->read(to->room, key, &in, &err), ZL_OK);
        rows_buffer_release(&bytes);
    }
}

/* What is derived from rows is made by model_loaded(), which is the caller's. */
static inline void copy_model_rows(struct model *from, struct model *to)
{
    struct rows_table a[CHECKPOINT_MAX_TABLES], b[CHECKPOINT_MAX_TABLES];
    int n = model_rows(from, a, CHECKPOINT_MAX_TABLES);
    assert_int_equal(model_rows(to, b, CHECKPOINT_MAX_TABLES), n);
    for (int i = 0; i < n; i++)
        copy_table(&a[i], &b[i]);
}

static inline uint64_t model_digest(struct model *m)
{
    struct rows_table t[CHECKPOINT_MAX_TABLES];
    return checkpoint_digest(t, model_rows(m, t, CHECKPOINT_MAX_TABLES));
}

#endif
