/* app/evaluate_priv.h - the records of tested events, for those who sum them (evaluate.c) and those who pair them (evaluate_compare.c). */
#ifndef APP_EVALUATE_PRIV_H
#define APP_EVALUATE_PRIV_H

#include "app/evaluate.h"

struct evaluate_record {
    uint64_t at; /* number among the tested events */
    float ranks[RANK_N_PARTS], frozen;
    float novelty, cold_auc, cold_rank;
    uint32_t user;
    uint8_t length; /* 0..EVALUATE_LENGTHS - 1 */
    bool warm, first, cold;
};

struct evaluate {
    int top; /* N of HR@N */
    struct evaluate_record *records;
    uint64_t n, capacity;
    uint8_t *shown; /* item: it stood in a top */
    uint32_t n_items;
};

static inline bool evaluate_hit(const struct evaluate *e, uint64_t i)
{
    float rank = e->records[i].ranks[RANK_MIX];
    return rank > 0 && rank <= (float)e->top;
}

#endif
