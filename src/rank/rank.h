/* rank/rank.h - exact top-N of every served item a user has not met.
 * Promise  The N best by score, ties by item id; never an item that is not served or that the user has seen. An item shown without a watch
 *          loses `impression_penalty` a showing. Results do not depend on how users were batched: each score is one sum in a
 *          fixed order (pack.c), which is why no BLAS is used here.
 * Memory   a packed copy of all q and b: max_items * (k + 1) * 4 bytes reserved; a bitmap an item for each user of a block.
 * Threads  the engine's loop only. */
#ifndef RANK_RANK_H
#define RANK_RANK_H

#include <stdint.h>

#include "base/ids.h"
#include "model/model.h"
#include "zhiliu/slate.h"

#define RANK_BLOCK 8 /* users scored together */

struct rank_config {
    int n; /* list length, 1..ZL_MAX_LIST */
    uint32_t max_items;
    double impression_penalty;
};

struct rank;

/* All borrowed until rank_close. served: one byte an item (catalog_served_array). */
MUST_CHECK enum zl_status rank_open(const struct rank_config *cfg, struct model *m,
                                    const uint8_t *served, const struct ids *item_ids,
                                    struct rank **out, struct zl_error *err);
void rank_close(struct rank *r);

/* Ranks users[0..n): slates[i].user is set, items and scores point into rank's own memory, lent until the next call. n <= RANK_BLOCK. */
void rank_users(struct rank *r, const uint32_t *users, int n, struct zl_slate *slates);

/* For prequential scores: rank (from 1, ties count half) of `item` among all served unseen items of the user; 0 when the item is not
 * known yet or was seen. O(items). */
double rank_of(struct rank *r, uint32_t user, uint32_t item);

#endif
