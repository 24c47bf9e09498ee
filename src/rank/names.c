/* Among equal scores the smaller item_id stands first. To somebody without a history all items that nobody chose are equal, so a list
 * can need a comparison for each of them, and two names far apart in memory cost more than all else that is done for an item. So eight
 * bytes of each name stand side by side, from where the names begin to differ: "video-00017" and "video-00951" share "video-00". */
#include <string.h>

#include "rank/rank_priv.h"

enum zl_status names_init(struct names *n, const struct ids *ids, uint32_t max_items,
                          struct zl_error *err)
{
    *n = (struct names){.ids = ids, .n_shared = SIZE_MAX};
    TRY(table_init(&n->table, "the heads of names (catalog.max_items)", 1,
                   (size_t)max_items * sizeof *n->heads, err));
    n->heads = (uint64_t *)(void *)n->table.rows;
    return ZL_OK;
}

void names_release(struct names *n)
{
    table_release(&n->table);
}

/* Big-endian, zeros behind the end: heads that differ stand in the order of the names. */
static uint64_t head_of(const struct names *n, uint32_t item)
{
    struct zl_span name = ids_name(n->ids, item);
    uint64_t head = 0;
    for (size_t i = n->n_shared; i < n->n_shared + 8; i++)
        head = head << 8 | (i < name.len ? (uint8_t)name.ptr[i] : 0);
    return head;
}

static size_t shared_by(struct zl_span a, struct zl_span b, size_t most)
{
    size_t n = 0;
    while (n < most && n < a.len && n < b.len && a.ptr[n] == b.ptr[n])
        n++;
    return n;
}

/* What all share shrinks 64 times at most, mostly among the first items. */
void names_refresh(struct names *n, uint32_t n_items)
{
    for (; n->n < n_items; n->n++) {
        struct zl_span first = ids_name(n->ids, 0);
        size_t shared = shared_by(first, ids_name(n->ids, n->n), n->n_shared);
        if (shared < n->n_shared) {
            n->n_shared = shared;
            for (uint32_t item = 0; item < n->n; item++)
                n->heads[item] = head_of(n, item);
        }
        n->heads[n->n] = head_of(n, n->n);
    }
}

bool rank_before(const void *ctx, uint32_t a, uint32_t b)
{
    const struct names *n = &((const struct rank *)ctx)->names;
    if (a < n->n && b < n->n && n->heads[a] != n->heads[b])
        return n->heads[a] < n->heads[b];
    return zl_span_compare(ids_name(n->ids, a), ids_name(n->ids, b)) < 0;
}
