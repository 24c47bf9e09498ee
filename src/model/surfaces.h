/* model/surfaces.h - what is chosen on a surface: the first list of somebody of whom only the surface is known.
 * Formula  c_s(j): decayed choices of j on surface s, C_s: of all items there, p(j): j's share of all choices, all at the slow half-life.
 *              lift_s(j) = (c_s(j) + k) / (C_s p(j) + k)        k: cfg.surface_evidence
 *          log lift is added to j's score: P(j | s) is P(j) times how much likelier j is there. A surface (or an item) with few choices
 *          has counts small beside k and lift 1, so its list is what is popular everywhere. (The gamma-Poisson shrinker: DuMouchel,
 *          "Bayesian data mining in large frequency tables", The American Statistician 53(3), 1999.)
 * Promise  At most MODEL_SURFACES surfaces; one more takes the place of the least chosen, if less than one decayed choice is left of
 *          that, and is else not counted. A surface keeps its 300 to 600 most chosen items.
 * Memory   8 KiB a surface.
 * Threads  the engine's loop only. */
#ifndef MODEL_SURFACES_H
#define MODEL_SURFACES_H

#include "model/cooccur.h"
#include "model/model.h"

struct surface {
    uint64_t key; /* hash of the name; 0: a free place */
    double total; /* log2 of the decayed count, as item_stats.pop */
    uint32_t len;
    char name[MODEL_SURFACE_NAME];
};

struct surfaces {
    struct surface at[MODEL_SURFACES];
    uint32_t count;       /* places used: 0 .. count-1 */
    struct cooccur items; /* a row a surface: its choices by item */
    struct rows_track track;
};

enum zl_status surfaces_init(struct surfaces *s, struct zl_error *err);
void surfaces_release(struct surfaces *s);
/* 0: no name, or one too long. */
uint64_t surfaces_key(struct zl_span name);
/* Counts `weight` choices of the item on the surface; an empty name: nothing. */
void surfaces_add(struct model *m, struct zl_span name, uint32_t item, double weight);
struct rows_table surfaces_rows(struct surfaces *s);
struct rows_table surfaces_item_rows(struct surfaces *s);

#endif
