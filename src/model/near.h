/* model/near.h - who says "not this" of an item means its like too: the items near one, which leave this user's lists for a while.
 * Formula  near by taste: cos(q_i, q_j) >= 0.8; near by use: min(C[i -> j], C[j -> i]) / sqrt(n_i n_j) >= 0.2, C the co-occurrence (each
 *          at least 1), n the decayed choices. At most `model.dislike_neighbours` of each, the nearest.
 * Cost     one pass over the items' vectors; where there are more than NEAR_SCANNED, by taste over the newest so many choices only, so that a
 *          dislike costs about a millisecond in any catalogue (100,000 items: 29 ms before, which a few people could stop an engine with).
 * Memory   a user's hidden items: a ring of MODEL_HIDDEN, made at the first dislike; each stays HIDDEN_MS.
 * Threads  the engine's loop only. */
#ifndef MODEL_NEAR_H
#define MODEL_NEAR_H

#include "model/model.h"

#define NEAR_MAX 50
#define NEAR_SCANNED 16384U
#define HIDDEN_MS (30LL * 24 * 3600 * 1000)

struct user;

/* Items near this one, nearest first by taste and then by use, each once, never the item itself; returns how many (<= 2 * NEAR_MAX). */
int near_items(const struct model *m, uint32_t item, uint32_t out[2 * NEAR_MAX]);
/* The user disliked the item at at_ms: its neighbours are hidden from now. The item itself is met. The row is touched already. */
void near_hide(const struct model *m, struct user *u, uint32_t item, int64_t at_ms);

#endif
