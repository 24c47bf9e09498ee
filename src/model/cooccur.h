/* model/cooccur.h - what the same people choose after, and before, an item: decayed, directed counts.
 * Formula  on a choice of i with reward r, for the last 20 history items h at distance d (1 newest), w = sqrt(r) times the
 *          correction of counts (correct.h): C[h -> i] += w 0.9^(d-1), C[i -> h] += 0.5 w 0.9^(d-1), all halving when the clock `now`
 *          moves by 1 (decay.h);
 *          score(u, j) = (n_j + 1)^-0.3 sum_d 0.8^(d-1) C[h_d -> j] (n_{h_d} + 1)^-0.7, n the decayed count of positives.
 * Memory   a row keeps the 300 strongest of at most 600 items: up to 8 KiB a row, made when it is first written.
 * Owners   rows change only through cooccur_link, cooccur_add and cooccur_clear, which touch them first.
 * Threads  the engine's loop only. */
#ifndef MODEL_COOCCUR_H
#define MODEL_COOCCUR_H

#include <stdint.h>

#include "base/rows.h"
#include "base/table.h"

#define COOCCUR_DEPTH 20   /* history items that are linked, and that are asked */
#define COOCCUR_OLDER 0.8f /* what a history item counts beside the next newer one, when asked */
#define COOCCUR_DAMP_FROM -0.7 /* power of n_h + 1: much chosen ones say less of what follows */
#define COOCCUR_BLOCK 64
#define COOCCUR_ENTRIES 601 /* one more than a row has at most */

struct cooccur_entry {
    uint32_t item; /* ZL_NO_INDEX: a free slot */
    float weight;  /* as of the row's `since` */
};

struct cooccur_row {
    /* open addressing, capacity a power of 2, then a bit a slot: taken; owned */
    struct cooccur_entry *slots;
    uint32_t n, capacity;
    double since; /* the time on the clock that weights are as of */
};

struct cooccur {
    struct table rows;
    struct rows_track track;
    uint32_t count, max_items;
};

enum zl_status cooccur_init(struct cooccur *c, uint32_t max_items, struct zl_error *err);
void cooccur_release(struct cooccur *c);

/* C[from -> to] += weight at `now`. */
void cooccur_add(struct cooccur *c, uint32_t from, uint32_t to, float weight, double now);
/* On a choice, all of the first formula: `weight` is w, history the newest n items (1 .. COOCCUR_DEPTH), each once and not the chosen one,
 * newest first. */
void cooccur_link(struct cooccur *c, uint32_t chosen, const uint32_t *history, int n, float weight,
                  double now);
/* Forgets a row. */
void cooccur_clear(struct cooccur *c, uint32_t from);
/* NULL: nothing is known. *scale brings the row's weights to `now`. */
const struct cooccur_row *cooccur_row(const struct cooccur *c, uint32_t item, double now,
                                      float *scale);
/* The row's entries, in the order of its slots; how many. out: room for COOCCUR_ENTRIES. */
uint32_t cooccur_entries(const struct cooccur_row *r, struct cooccur_entry *out);
/* C[from -> to] at `now`; 0: nothing is known. A search through the row. */
float cooccur_weight(const struct cooccur *c, uint32_t from, uint32_t to, double now);
/* out[i] = C[from[i] -> to], the same bits; the rows are asked for ahead. n: 1 to COOCCUR_BLOCK. */
void cooccur_weights(const struct cooccur *c, const uint32_t *from, int n, uint32_t to, double now,
                     float *out);
struct rows_table cooccur_rows(struct cooccur *c);

#endif
