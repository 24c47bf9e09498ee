/* Is the difference of two runs chance? They scored the same events, so hits are paired.
 *   McNemar    looks at the events where one had a hit and the other had not, as if events were independent.
 *   bootstrap  resamples users, each with all of their events: people differ, and the events of one person are alike. 1,000 draws of as
 *              many users as there are; the interval is from the 2.5 % to the 97.5 % quantile of the difference of HR@N.
 *              (Efron, Tibshirani, "An introduction to the bootstrap", 1993, chapter 13; blocks: Davison, Hinkley, 1997.) */
#include <math.h>
#include <stdlib.h>

#include "app/evaluate_priv.h"
#include "base/check.h"
#include "base/rng.h"

#define DRAWS 1000

/* What one user contributes to the difference. */
struct block {
    double difference, n;
};

static enum zl_status check_pair(const struct evaluate *a, const struct evaluate *b,
                                 struct zl_error *err)
{
    uint64_t same = 0;
    while (same < a->n && same < b->n && a->records[same].at == b->records[same].at &&
           a->records[same].user == b->records[same].user)
        same++;
    if (a->n == b->n && same == a->n)
        return ZL_OK;
    return zl_fail(
        err, ZL_EBADDATA,
        "the two configurations did not score the same events (%llu and %llu): their rewards "
        "differ, so hits cannot be paired",
        (unsigned long long)a->n, (unsigned long long)b->n);
}

static uint32_t count_users(struct evaluate *const *a, int n)
{
    uint32_t users = 0;
    for (int s = 0; s < n; s++)
        for (uint64_t i = 0; i < a[s]->n; i++)
            users = a[s]->records[i].user >= users ? a[s]->records[i].user + 1 : users;
    return users;
}

static void add_pair(const struct evaluate *a, const struct evaluate *b, struct block *blocks,
                     struct evaluate_comparison *out)
{
    for (uint64_t i = 0; i < a->n; i++) {
        bool hit_a = evaluate_hit(a, i), hit_b = evaluate_hit(b, i);
        struct block *block = &blocks[a->records[i].user];
        out->only_a += hit_a && !hit_b;
        out->only_b += hit_b && !hit_a;
        block->difference += (double)hit_a - (double)hit_b;
        block->n++;
    }
}

static double mcnemar(double a, double b)
{
    double difference = fabs(a - b);
    return a + b > 0 ? erfc((difference > 1 ? difference - 1 : 0) / sqrt(2 * (a + b))) : 1;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double draw(const struct block *blocks, uint32_t n, struct rng *rng)
{
    double difference = 0, events = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct block *b = &blocks[rng_below(rng, n)];
        difference += b->difference;
        events += b->n;
    }
    return events > 0 ? difference / events : 0;
}

/* Users without an event are left out first, so that draws are of those who were tested. */
static void bootstrap(struct block *blocks, uint32_t n_users, struct evaluate_comparison *out)
{
    static double drawn[DRAWS];
    uint32_t n = 0;
    for (uint32_t u = 0; u < n_users; u++)
        if (blocks[u].n > 0)
            blocks[n++] = blocks[u];
    if (n == 0)
        return;
    for (int d = 0; d < DRAWS; d++) {
        struct rng rng = rng_at(0xB007, (uint64_t)d, n, 0);
        drawn[d] = draw(blocks, n, &rng);
    }
    qsort(drawn, DRAWS, sizeof drawn[0], by_value);
    out->low = drawn[DRAWS * 25 / 1000];
    out->high = drawn[DRAWS * 975 / 1000];
}

enum zl_status evaluate_compare(struct evaluate *const *a, struct evaluate *const *b, int n,
                                struct evaluate_comparison *out, struct zl_error *err)
{
    double events = 0;
    *out = (struct evaluate_comparison){.p = 1};
    for (int s = 0; s < n; s++)
        TRY(check_pair(a[s], b[s], err));
    uint32_t n_users = count_users(a, n);
    struct block *blocks = xcalloc(n_users + 1, sizeof *blocks);
    for (int s = 0; s < n; s++) {
        add_pair(a[s], b[s], blocks, out);
        events += (double)a[s]->n;
    }
    out->difference = events > 0 ? (out->only_a - out->only_b) / events : 0;
    out->only_a /= n;
    out->only_b /= n;
    out->p = mcnemar(out->only_a, out->only_b);
    bootstrap(blocks, n_users, out);
    free(blocks);
    return ZL_OK;
}
