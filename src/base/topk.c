#include "base/topk.h"

#include <math.h>

static bool better(const struct topk *t, struct topk_entry a, struct topk_entry b)
{
    if (a.score != b.score)
        return a.score > b.score;
    return t->before(t->ctx, a.key, b.key);
}

float topk_threshold(const struct topk *t)
{
    return t->n < t->n_max ? -INFINITY : t->heap[0].score;
}

/* Moves e down from the root of the first n entries: parents are worse than their children. */
static void sift_down(struct topk *t, int i, int n, struct topk_entry e)
{
    for (;;) {
        int child = 2 * i + 1;
        if (child >= n)
            break;
        if (child + 1 < n && better(t, t->heap[child], t->heap[child + 1]))
            child++;
        if (!better(t, e, t->heap[child]))
            break;
        t->heap[i] = t->heap[child];
        i = child;
    }
    t->heap[i] = e;
}

static void sift_up(struct topk *t, int i, struct topk_entry e)
{
    while (i > 0 && better(t, t->heap[(i - 1) / 2], e)) {
        t->heap[i] = t->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    t->heap[i] = e;
}

void topk_offer(struct topk *t, float score, uint32_t key)
{
    struct topk_entry e = {score, key};
    if (t->n < t->n_max)
        sift_up(t, t->n++, e);
    else if (better(t, e, t->heap[0]))
        sift_down(t, 0, t->n, e);
}

void topk_sort(struct topk *t)
{
    for (int n = t->n - 1; n > 0; n--) {
        struct topk_entry last = t->heap[n];
        t->heap[n] = t->heap[0];
        sift_down(t, 0, n, last);
    }
}
