/* base/topk.h - the n best of a stream of (score, key). Two ways: a heap whose root is the worst kept, for a few of them; and a bag that is
 * cut down to the n best whenever it is full, which is cheaper from some tens on, since most entries are then moved once and compared never.
 * Promise  Both keep the same entries. Equal scores are told apart by before(): a total order. Memory is the caller's. */
#ifndef BASE_TOPK_H
#define BASE_TOPK_H

#include <stdbool.h>
#include <stdint.h>

struct topk_entry {
    float score;
    uint32_t key;
};

struct topk {
    struct topk_entry *heap; /* n_max entries, the caller's */
    int n, n_max;
    /* Does key a stand before key b when their scores are equal? */
    bool (*before)(const void *ctx, uint32_t a, uint32_t b);
    const void *ctx;
};

/* Scores below this cannot enter any more (-inf until it is full). Equal ones may. */
float topk_threshold(const struct topk *t);
void topk_offer(struct topk *t, float score, uint32_t key);
/* Sorts the heap, best first; it is no heap after that. */
void topk_sort(struct topk *t);

/* room entries, the caller's, room > n_best. */
struct topk_bag {
    struct topk_entry *entries;
    int n, n_best, room;
    float threshold; /* scores below this cannot enter any more; begin with -INFINITY */
    bool (*before)(const void *ctx, uint32_t a, uint32_t b);
    const void *ctx;
};

/* Leaves the n_best best in the bag, in an order that is a function of what was put and when. */
void topk_bag_cut(struct topk_bag *b);
/* Cuts, then sorts, best first. */
void topk_bag_sort(struct topk_bag *b);

/* Forgets what cannot be among the best, until there is room for `least` more (room >= n_best + least). */
void topk_bag_make_room(struct topk_bag *b, int least);

/* Room for how many more, `least` at least. For a loop that fills it itself, with n in a register. */
static inline int topk_bag_space(struct topk_bag *b, int least)
{
    if (b->room - b->n < least)
        topk_bag_make_room(b, least);
    return b->room - b->n;
}

/* wanted: score >= threshold (so it is no NaN), and what else is asked for; otherwise it is forgotten. No branch is needed to choose. */
static inline void topk_bag_put(struct topk_bag *b, float score, uint32_t key, bool wanted)
{
    b->entries[b->n] = (struct topk_entry){score, key};
    b->n += wanted;
    if (b->n == b->room)
        topk_bag_make_room(b, 1);
}

#endif
