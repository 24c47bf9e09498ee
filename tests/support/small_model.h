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

/* A like that is learned, worth 1. */
static inline struct zl_event small_model_liked(uint32_t user, uint32_t item, int64_t offset,
                                                int64_t at_ms)
{
    return (struct zl_event){.from = {.offset = offset},
                             .type = ZL_LIKE,
                             .user = user,
                             .item = item,
                             .course = ZL_NO_INDEX,
                             .outcome = ZL_COUNTED,
                             .weight = 1,
                             .at_ms = at_ms,
                             .reward_micro = 1000000};
}

/* `at`: offset in the log, and seconds. */
static inline void small_model_like(struct model *m, uint32_t user, uint32_t item, int64_t at)
{
    struct zl_event ev = small_model_liked(user, item, at, 1000 + at * 1000);
    model_batch(m, &ev, 1, NULL, NULL);
}

#endif
