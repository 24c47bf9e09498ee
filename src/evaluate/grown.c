/* Tables that grow. An offline comparison does not know how many users or items its log holds, and has no loop to keep on time, so
 * everything doubles when it is full; the process ends with words when memory is gone. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "evaluate/evaluate_priv.h"

void *evaluate_grow(void *old, uint32_t *capacity, uint32_t n, size_t size)
{
    if (n <= *capacity)
        return old;
    ASSERT(n <= UINT32_MAX / 2);
    uint32_t more = *capacity ? *capacity : 16;
    while (more < n)
        more *= 2;
    char *grown = xrealloc(old, more, size);
    memset(grown + (size_t)*capacity * size, 0, (size_t)(more - *capacity) * size);
    *capacity = more;
    return grown;
}

void evaluate_rows_reach(struct evaluate_rows *r, uint32_t n)
{
    if (n <= r->n)
        return;
    r->at = evaluate_grow(r->at, &r->capacity, n, sizeof(float) * (size_t)(r->k + EVALUATE_EXTRA));
    for (uint32_t key = r->n; r->sd > 0 && key < n; key++) {
        struct rng rng = rng_at(r->seed, r->table, key, 0);
        float *row = evaluate_row(r, key);
        for (int f = 0; f < r->k; f++)
            row[f] = (float)(r->sd * rng_normal(&rng));
    }
    r->n = n;
}

void evaluate_rows_release(struct evaluate_rows *r)
{
    free(r->at);
    r->at = NULL;
}

void evaluate_histories_add(struct evaluate_histories *h, uint32_t user, uint32_t item)
{
    h->users = evaluate_grow(h->users, &h->capacity, user + 1, sizeof *h->users);
    h->n = user < h->n ? h->n : user + 1;
    struct evaluate_history *u = &h->users[user];
    u->items = evaluate_grow(u->items, &u->capacity, u->n + 1, sizeof *u->items);
    u->items[u->n++] = item;
}

struct evaluate_history evaluate_histories_of(const struct evaluate_histories *h, uint32_t user)
{
    return user < h->n ? h->users[user] : (struct evaluate_history){0};
}

void evaluate_histories_release(struct evaluate_histories *h)
{
    for (uint32_t u = 0; u < h->n; u++)
        free(h->users[u].items);
    free(h->users);
    h->users = NULL;
    h->n = 0;
}
