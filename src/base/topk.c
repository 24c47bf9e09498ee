/* The bag is cut in two passes. Scores are counted in bins of equal width, which says in which bin the n-th best lies; then all above that
 * bin stay, and only the few of that bin are compared with each other. Neither pass has a branch that depends on the scores: a heap's
 * branches do, and each that a processor foretells wrongly costs as much as moving ten entries.
 *
 * Equal scores are the other case: to somebody without a history all items that nobody chose yet are worth the same. Each that comes to
 * a bag that was cut is compared with the worst kept, once, and nearly all fall out by that. */
#include "base/topk.h"

#include <math.h>
#include <string.h>

#define BINS 64
#define EDGE 64 /* entries of one bin that are compared; of more the best are selected */

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

/* ---- the bag ---- */

static void sort_entries(const struct topk_bag *b, struct topk_entry *entries, int n)
{
    struct topk t = {.heap = entries, .n = n, .n_max = n, .before = b->before, .ctx = b->ctx};
    for (int i = n / 2 - 1; i >= 0; i--)
        sift_down(&t, i, n, entries[i]);
    topk_sort(&t);
}

struct bins {
    bool flat; /* all are equal, or one is infinite: there are no bins */
    float least,
        scale; /* bin = (score - least) * scale, rounded down: it never falls when scores rise */
};

static int bin_of(const struct bins *s, float score)
{
    return (int)((score - s->least) * s->scale);
}

static struct bins bins_of(const struct topk_bag *b)
{
    float least = b->entries[0].score, most = least;
    for (int i = 1; i < b->n; i++) {
        float s = b->entries[i].score;
        least = s < least ? s : least;
        most = s > most ? s : most;
    }
    float scale = ((float)BINS - 1) / (most - least);
    return (struct bins){!isfinite(most - least) || !isfinite(scale), least, scale};
}

/* The bin that holds the n_best-th best; above: how many are in higher ones, within: in it. */
static int find_edge(const struct topk_bag *b, const struct bins *s, int *above, int *within)
{
    int counts[BINS] = {0}, bin = BINS - 1;
    for (int i = 0; i < b->n; i++)
        counts[bin_of(s, b->entries[i].score)]++;
    for (*above = 0; *above + counts[bin] < b->n_best; bin--)
        *above += counts[bin];
    *within = counts[bin];
    return bin;
}

/* Keeps what is above the bin, and the best of the bin. */
static void keep_above(struct topk_bag *b, const struct bins *s, int edge_bin, int above)
{
    struct topk_entry edge[EDGE + 1];
    int n = b->n, kept = 0, n_edge = 0;
    for (int i = 0; i < n; i++) {
        struct topk_entry e = b->entries[i];
        int bin = bin_of(s, e.score);
        b->entries[kept] = e;
        kept += bin > edge_bin;
        edge[n_edge] = e;
        n_edge += bin == edge_bin;
    }
    sort_entries(b, edge, n_edge);
    memcpy(b->entries + above, edge, (size_t)(b->n_best - above) * sizeof *edge);
}

static void swap(struct topk_entry *a, struct topk_entry *b)
{
    struct topk_entry e = *a;
    *a = *b;
    *b = e;
}

/* Hoare's selection: the n_best best of the bag come first. The middle is the pivot, since entries often come in the order of names. */
static void select_best(const struct topk_bag *b)
{
    const struct topk t = {.before = b->before, .ctx = b->ctx};
    struct topk_entry *e = b->entries;
    for (int first = 0, last = b->n - 1; first < last;) {
        struct topk_entry pivot = e[first + (last - first) / 2];
        int i = first, j = last;
        while (i <= j) {
            while (better(&t, e[i], pivot))
                i++;
            while (better(&t, pivot, e[j]))
                j--;
            if (i <= j)
                swap(&e[i++], &e[j--]);
        }
        if (b->n_best - 1 <= j)
            last = j;
        else if (b->n_best - 1 >= i)
            first = i;
        else
            return;
    }
}

/* Of what came since the bag was cut: who is no better than the worst kept then, by name. */
static void drop_equals(struct topk_bag *b)
{
    if (b->threshold == -INFINITY) /* never cut, or nothing can be told apart */
        return;
    struct topk_entry worst = b->entries[b->n_best - 1];
    int kept = b->n_best;
    for (int i = b->n_best; i < b->n; i++) {
        struct topk_entry e = b->entries[i];
        b->entries[kept] = e;
        kept += e.score != worst.score || b->before(b->ctx, e.key, worst.key);
    }
    b->n = kept;
}

void topk_bag_cut(struct topk_bag *b)
{
    int above = 0, within = 0;
    drop_equals(b);
    if (b->n <= b->n_best)
        return;
    struct bins s = bins_of(b);
    int edge_bin = s.flat ? 0 : find_edge(b, &s, &above, &within);
    if (s.flat || within > EDGE) {
        select_best(b);
        sort_entries(b, b->entries, b->n_best);
    } else {
        keep_above(b, &s, edge_bin, above);
    }
    b->n = b->n_best;
    b->threshold = b->entries[b->n - 1].score; /* both ways leave the worst at the end */
}

/* A cut that lets in one or two is not worth its two passes: it waits until half of what can come has come. */
void topk_bag_make_room(struct topk_bag *b, int least)
{
    drop_equals(b);
    int left = b->room - b->n;
    if (left < least || left < (b->room - b->n_best) / 2)
        topk_bag_cut(b);
}

void topk_bag_sort(struct topk_bag *b)
{
    topk_bag_cut(b);
    sort_entries(b, b->entries, b->n);
}
