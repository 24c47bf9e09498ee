/* support/small_model.h - a small model's configuration, once: a test sets what differs, so that it reads what it depends on. */
#ifndef SUPPORT_SMALL_MODEL_H
#define SUPPORT_SMALL_MODEL_H

#include "model/model.h"

/* Forgets as slowly as the program's; no content, no conversions, no corrections, no dislikes of neighbours. */
static inline struct model_config small_model_config(uint32_t max_users, uint32_t max_items, int k,
                                                     uint64_t seed)
{
    return (struct model_config){.max_users = max_users,
                                 .max_items = max_items,
                                 .k = k,
                                 .history = 20,
                                 .negatives = 16,
                                 .window = 256,
                                 .learning_rate = 0.1,
                                 .gamma = 0.8,
                                 .beta = 0.5,
                                 .kappa = 0.5,
                                 .half_lives = {20000, 2000, 300},
                                 .cooccur_half_life = 200000,
                                 .session_gap_ms = 1800000,
                                 .seed = seed};
}

/* Half-lives in choices, for tests that watch the model forget: popularity's as given, co-occurrence's 500. */
static inline void small_model_forgets(struct model_config *cfg, double slow, double middle,
                                       double fast)
{
    cfg->half_lives[0] = slow;
    cfg->half_lives[1] = middle;
    cfg->half_lives[2] = fast;
    cfg->cooccur_half_life = 500;
}

#endif
