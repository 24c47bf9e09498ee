/* rank/similar.h - items that go with an item, for its page: what the same people chose, and what is alike by the learned vectors.
 * Formula  S(h, j) = w_core ((x_h + q_h) . q_j + b_j) + w_cooc log(c(h, j) / sum_j c(h, j) + 1/(items + 1))
 *                  + w_pop log(p_j + 1/(items + 1)),  c = C[h -> j] (n_j + 1)^-0.3 (model/cooccur.h), p the share at the middle
 *          half-life. One weight vector for each of four sizes of n_h, the positives of h: 0-2, 3-9, 10-49, more.
 * Learned  from hits: when somebody whose newest item is h chooses i, one Adagrad step of the weights on -log softmax of i among the
 *          candidates of h and 256 drawn items. A share of events that falls with their number and the catalogue, drawn by (partition, offset).
 * Candidates  the row of co-occurrence, the best 100 by core, the 64 most popular; all while there are at most RANK_ALL.
 * Promise  Only served items, never h itself. Equal rows give equal lists; ties by item id.
 * State    the weights: one row (ROWS_SIMILAR).
 * Memory   12 bytes an item reserved, and the packed table of rank.h, which is shared.
 * Threads  the engine's loop only. */
#ifndef RANK_SIMILAR_H
#define RANK_SIMILAR_H

#include "rank/rank.h"

#define RANK_SIMILAR_MAX 100
#define RANK_SIMILAR_SIZES 4
enum rank_similar_part {
    RANK_SIMILAR_CORE,
    RANK_SIMILAR_COOCCUR,
    RANK_SIMILAR_POPULARITY,
    RANK_SIMILAR_PARTS
};

struct rank_similar;

/* r and its model are borrowed until close. n: items of a list, 1..RANK_SIMILAR_MAX. */
MUST_CHECK enum zl_status rank_similar_open(struct rank *r, int n, struct rank_similar **out,
                                            struct zl_error *err);
void rank_similar_close(struct rank_similar *s);

/* Lent until the next call. */
struct rank_similar_list {
    int n;
    uint32_t items[RANK_SIMILAR_MAX]; /* best first */
    float scores[RANK_SIMILAR_MAX];
    float parts[RANK_SIMILAR_PARTS][RANK_SIMILAR_MAX]; /* the features, before their weights */
};
/* O(items). item < model_items(). */
const struct rank_similar_list *rank_similar_of(struct rank_similar *s, uint32_t item);

/* One step of the weights from an event that is about to be learned, for a bounded share of them. */
void rank_similar_learn(struct rank_similar *s, const struct zl_event *ev);
/* Weights for an item of so many positives, RANK_SIMILAR_PARTS of them. */
const double *rank_similar_weights(const struct rank_similar *s, uint32_t positives);

/* Where the event's item stands in the list of the user's newest one, before it is learned. */
struct rank_similar_result {
    double mix, cooccur,
        core; /* from 1, ties half, among all served items but that one; 0: a miss */
};
/* false: nobody is asked (a first choice, an item of the history). O(items). */
bool rank_similar_test(struct rank_similar *s, const struct zl_event *ev,
                       struct rank_similar_result *out);

struct rows_table rank_similar_rows(struct rank_similar *s);

#endif
