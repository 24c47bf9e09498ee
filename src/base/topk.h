/* base/topk.h - the n best of a stream of (score, key): a heap whose root is the worst kept.
 * Promise  Equal scores are told apart by before(): a total order. Memory is the caller's. */
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

#endif
