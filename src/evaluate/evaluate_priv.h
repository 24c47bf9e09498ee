/* evaluate/evaluate_priv.h - what the baselines share among themselves: the table of a method, rows and histories that grow, decayed
 * counts, small symmetric solves, and iALS (which anchor B has inside).
 * Threads  one. */
#ifndef EVALUATE_EVALUATE_PRIV_H
#define EVALUATE_EVALUATE_PRIV_H

#include <stdint.h>

#include "evaluate/baseline.h"

/* What a baseline is. State is taken from open() and given back to close(). */
struct baseline_method {
    const char *name;
    int k; /* defaults of the configuration */
    double learning_rate, l2;
    bool learns_by_scoring;
    void *(*open)(const struct baseline_config *cfg); /* cfg: complete, borrowed */
    void (*close)(void *state);
    void (*score)(void *state, uint32_t user, uint32_t n_items, const uint8_t *met, uint32_t item,
                  float *scores);
    void (*learn)(void *state, uint32_t user, uint32_t item);
};

extern const struct baseline_method evaluate_popularity_all_time, evaluate_popularity_decayed;
extern const struct baseline_method evaluate_mf_isgd, evaluate_mf_bpr;
extern const struct baseline_method evaluate_ials_method, evaluate_ials_popularity_method;

/* ---- grown.c: rows and histories that grow to whatever index comes ---- */

#define EVALUATE_EXTRA 16 /* floats behind each row, zero at first: biases and sums of squares */

/* Rows of k floats (a multiple of 16) and EVALUATE_EXTRA more; a new row is normal with deviation sd, drawn by (seed, table, key), so
 * that it does not depend on the order rows were asked for. */
struct evaluate_rows {
    float *at;
    uint32_t n, capacity;
    int k;
    double sd;
    uint64_t seed, table;
};

/* Makes rows 0..n-1 exist. Moves rows: pointers to them end here. */
void evaluate_rows_reach(struct evaluate_rows *r, uint32_t n);
void evaluate_rows_release(struct evaluate_rows *r);
static inline float *evaluate_row(const struct evaluate_rows *r, uint32_t key)
{
    return r->at + (size_t)key * (size_t)(r->k + EVALUATE_EXTRA);
}

struct evaluate_history {
    uint32_t *items; /* oldest first */
    uint32_t n, capacity;
};

struct evaluate_histories {
    struct evaluate_history *users;
    uint32_t n, capacity;
};

void evaluate_histories_add(struct evaluate_histories *h, uint32_t user, uint32_t item);
/* Empty for a user who never came. Lent until the next add. */
struct evaluate_history evaluate_histories_of(const struct evaluate_histories *h, uint32_t user);
void evaluate_histories_release(struct evaluate_histories *h);

/* Room for n things of `size` bytes; what is new is zero. Updates *capacity. */
void *evaluate_grow(void *old, uint32_t *capacity, uint32_t n, size_t size);

/* ---- popularity.c: counts that halve every half_life positives ---- */

struct evaluate_counts {
    double half_life; /* positives; 0: never */
    double scale;     /* what one positive of now counts, in the units of count and total */
    double total;
    double *count;
    uint32_t capacity;
};

void evaluate_counts_init(struct evaluate_counts *c, double half_life);
void evaluate_counts_release(struct evaluate_counts *c);
/* Time moves on by one positive, which is of this item. */
void evaluate_counts_add(struct evaluate_counts *c, uint32_t item);
/* The decayed count as of the newest positive; 0 for an item that never came. */
double evaluate_counts_of(const struct evaluate_counts *c, uint32_t item);
/* The item's part of all counts, 0..1. */
double evaluate_counts_share(const struct evaluate_counts *c, uint32_t item);

/* ---- mf.c ---- */

/* Of the loss -log sigma(p.q_i + b_i - p.q_j - b_j): returns d = dloss/db_i = -dloss/db_j, and writes dloss/dq_i = -dloss/dq_j and adds
 * dloss/dp (k floats each). */
float evaluate_mf_bpr_gradient(const float *p, const float *q_i, float b_i, const float *q_j,
                               float b_j, int k, float *g_i, float *g_p);

/* ---- solve.c: symmetric k x k systems, k a multiple of 16; only the upper triangle is read ---- */

/* a += weight * v v^T, upper triangle. */
void evaluate_solve_add(float *a, float weight, const float *v, int k);
/* b becomes the x of A x = b; a is destroyed. A must be positive definite. */
void evaluate_solve(float *a, float *b, int k);

/* ---- ials.c ---- */

struct evaluate_ials {
    int k;
    int64_t every, window;
    double lambda;
    uint64_t seed;
    struct evaluate_rows users, items; /* zero: not trained */
    struct evaluate_histories histories;
    uint32_t *log_users, *log_items; /* newest positives, at least the window */
    uint32_t n_log, log_capacity;
    uint32_t n_users, n_items;  /* highest index that came, plus one */
    int64_t positives, trained; /* trained: the positive of the last training, 0: never */
    float *gram;                /* k x k: sum of v v^T over items; upper triangle */
    float *scratch, *folded;    /* k x k; k */
};

struct evaluate_ials *evaluate_ials_open(const struct baseline_config *cfg);
void evaluate_ials_close(struct evaluate_ials *a);
/* The user vector of the recency-weighted fold-in, lent until the next call; NULL: no history or no training yet. */
const float *evaluate_ials_fold(struct evaluate_ials *a, uint32_t user);
void evaluate_ials_score(struct evaluate_ials *a, uint32_t user, uint32_t n_items, float *scores);
void evaluate_ials_learn(struct evaluate_ials *a, uint32_t user, uint32_t item);
/* Retrains now. */
void evaluate_ials_train(struct evaluate_ials *a);

#endif
