/* evaluate/baseline.h - what people use instead, learned online or retrained on schedule, for comparison by `zhiliu evaluate`.
 * Not part of the engine: nothing outside app/cmd_evaluate*.c includes it.
 * Names    popularity        all-time count                     decayed-popularity   one half-life (20,000 positives, or as given)
 *          isgd              Vinagre, Jorge, Gama 2014          bpr                  online BPR-MF, uniform negatives
 *          ials              anchor A: iALS retrained every `every` positives (4 warm-started sweeps, alpha0 0.3, lambda 0.01, nu 1, K 64),
 *                            user vector by recency-weighted fold-in (weight 2^(-l/4)); window as given (0: all)
 *          ials+popularity   anchor B: the same score, z-scored a user, and the three live popularities, age and idle time in a mixer
 *                            of the engine's form
 * Promise  Deterministic by seed. score() fills a dense array over items 0..n_items-1 (higher is better, always finite).
 *          An anchor retrains first at positive 500 (or at `every`, if that is sooner), inside the learn() that reaches it.
 * Memory   grows with users, items and positives (anchors keep the window they retrain on).
 * Threads  one. */
#ifndef EVALUATE_BASELINE_H
#define EVALUATE_BASELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "zhiliu/status.h"

/* Zero (or less): the method's default. */
struct baseline_config {
    const char *name;
    int k;                    /* 64 (isgd: 16); rounded up to a multiple of 16, at most 1,024 */
    int64_t every;            /* retraining, in positives; 1,000 */
    int64_t window;           /* positives kept for retraining; 0: all */
    double half_life;         /* 20,000 */
    double learning_rate, l2; /* isgd 0.1, 0.1; bpr 0.1, 0.001; anchors: l2 is lambda */
    uint64_t seed;
};

struct baseline;

/* ZL_EUSAGE: no such name (words list them), or k is too large. *out is the caller's, for baseline_close(); NULL on failure. */
MUST_CHECK enum zl_status baseline_open(const struct baseline_config *cfg, struct baseline **out,
                                        struct zl_error *err);
void baseline_close(struct baseline *b);

/* Scores of items 0..n_items-1 for this user as of now. `item`, when it is among them, is the true next item: only the mixers of anchor B
 * look at it, to learn their weights after scoring. met: one byte an item, 1: the user has met it (never recommended). */
void baseline_score(struct baseline *b, uint32_t user, uint32_t n_items, const uint8_t *met,
                    uint32_t item, float *scores);
/* A positive of the user on the item (each (user, item) comes once). */
void baseline_learn(struct baseline *b, uint32_t user, uint32_t item);
/* Scoring teaches it too (anchor B's mix): it must be asked before every positive, not only where it is tested. */
bool baseline_learns_by_scoring(const struct baseline *b);
/* Names, one a line, for help. */
const char *baseline_names(void);

#endif
