/* fuzz_checkpoint - whatever bytes lie in the checkpoint folder, they are read or refused in words.
 * First byte: bit 0 lets mutations past the checksums, bit 1 makes it an ids log instead of a base or segment. Rows that are found go
 * through the row codec into a table of ids and a table of fields. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/checkpoint_priv.h"
#include "base/check.h"
#include "base/ids.h"

#define FINGERPRINT 0xF00D

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t sum; /* of what was read: it must be readable memory */

static void add_hashes(void *ctx, const struct guard_ids *ids)
{
    (void)ctx;
    ASSERT(ids->n > 0);
    for (uint32_t i = 0; i < ids->n; i++)
        sum += ids->hashes[i];
}

static enum zl_status read_fields(uint32_t key, struct rows_cursor *in, struct zl_error *err)
{
    struct zl_span text = rows_get_span(in);
    for (size_t i = 0; i < text.len; i++)
        sum += (unsigned char)text.ptr[i];
    sum += rows_get_u8(in) + rows_get_u64(in) + (uint64_t)rows_get_i64(in) + key;
    return in->bad ? zl_fail(err, ZL_EBADDATA, "a short row") : ZL_OK;
}

static enum zl_status read_row(void *ctx, uint32_t key, struct rows_cursor *in,
                               struct zl_error *err)
{
    struct ids *ids = ctx;
    struct rows_table table = ids_rows(ids);
    struct rows_cursor again = *in;
    struct zl_error unused;
    if (read_fields(key, &again, &unused) != ZL_OK)
        ASSERT(unused.text[0]);
    enum zl_status st = key < table.track->max_rows ? table.read(table.room, key, in, err) : ZL_OK;
    ASSERT(st == ZL_OK || err->text[0]);
    return ZL_OK; /* a refused row: look at the next one, too */
}

static void read_file(const struct checkpoint_reader *r)
{
    struct checkpoint_image image;
    struct zl_error err = {""};
    struct rows_buffer scratch = {0};
    struct ids *ids;
    enum zl_status st = checkpoint_format_read(r, FINGERPRINT, &image, &err);
    ASSERT(st == ZL_OK || ((st == ZL_EBADDATA || st == ZL_ECONFIG) && strstr(err.text, r->name)));
    if (st == ZL_OK) {
        ASSERT(ids_open(ROWS_ITEM_IDS, "item ids", 1000, &ids, &err) == ZL_OK);
        for (size_t i = 0; i < image.n_blocks; i++)
            ASSERT(checkpoint_format_rows(r, &image.blocks[i], &scratch, read_row, ids, &err) ==
                   ZL_OK);
        ids_close(ids);
    }
    rows_buffer_release(&scratch);
    checkpoint_image_release(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zl_error err = {""};
    if (size == 0)
        return 0;
    struct checkpoint_reader r = {
        .name = "input", .memory = data + 1, .size = size - 1, .ignore_hashes = data[0] & 1};
    if (!(data[0] & 2)) {
        read_file(&r);
        return 0;
    }
    struct checkpoint_length length = {0, 0, r.size};
    enum zl_status st = checkpoint_ids_read(&r, FINGERPRINT, &length, add_hashes, NULL, &err);
    ASSERT(st == ZL_OK || ((st == ZL_EBADDATA || st == ZL_ECONFIG) && strstr(err.text, r.name)));
    return 0;
}
