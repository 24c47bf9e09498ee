/* A small platform with categories, courses and times, whose lists are laid under any policy. */
#ifndef POLICY_WORLD_H
#define POLICY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/ids.h"
#include "base/rng.h"
#include "model/model.h"
#include "rank/rank.h"
#include "support/small_model.h"

#define WORLD_MAX 1024
#define WORLD_USERS 20
#define WORLD_NOW 100000000

struct world {
    struct model *m;
    struct rank *r;
    struct ids *ids;
    int n_items;
    uint8_t served[WORLD_MAX];
    struct zl_item_facts facts[WORLD_MAX];
    int64_t offset;
};

static inline struct zl_event world_event(struct world *w, enum zl_event_type type, uint32_t user,
                                          uint32_t item)
{
    w->offset++;
    return (struct zl_event){.from = {.offset = w->offset},
                             .type = type,
                             .user = user,
                             .item = item,
                             .course = ZL_NO_INDEX,
                             .outcome = ZL_COUNTED,
                             .weight = 1,
                             .at_ms = WORLD_NOW + w->offset,
                             .reward_micro = type == ZL_LIKE ? 1000000 : 0};
}

static inline void world_give(struct world *w, enum zl_event_type type, uint32_t user,
                              uint32_t item)
{
    struct zl_event ev = world_event(w, type, user, item);
    model_batch(w->m, &ev, 1, NULL, NULL);
}

static inline void world_show(struct world *w, uint32_t user, uint32_t item, double propensity)
{
    struct zl_event ev = world_event(w, ZL_IMPRESSION, user, item);
    ev.propensity = propensity;
    model_batch(w->m, &ev, 1, NULL, NULL);
}

static inline void world_items(struct world *w, struct rng *r)
{
    for (int i = 0; i < w->n_items; i++) {
        char id[16];
        snprintf(id, sizeof id, "v%d", (i * 7919) % 10007); /* byte order is not index order */
        ids_intern(w->ids, zl_span_of(id));
        model_know_item(w->m, (uint32_t)i);
        w->served[i] = rng_below(r, 10) != 0;
        w->facts[i] = (struct zl_item_facts){
            .category = rng_below(r, 5),
            .course = rng_below(r, 6) ? ZL_NO_INDEX : rng_below(r, 9),
            .published_ms = rng_below(r, 3) ? WORLD_NOW - 80000000 : WORLD_NOW - 1000};
    }
}

static inline void world_open_model(struct world *w, uint64_t seed)
{
    struct zl_error err;
    struct model_config mc = small_model_config(100, WORLD_MAX, 16, seed);
    small_model_forgets(&mc, 1000, 100, 10);
    mc.kappa = 1;
    assert_int_equal(model_open(&mc, &w->m, &err), ZL_OK);
    assert_int_equal(ids_open(ROWS_ITEM_IDS, "items", WORLD_MAX, &w->ids, &err), ZL_OK);
}

/* Items from n_items / 2 on were never chosen. */
static inline void world_open(struct world *w, uint64_t seed, int n_items, int n,
                              const struct rank_policy *p)
{
    struct zl_error err;
    struct rng r = rng_at(seed, 1, 2, 3);
    struct rank_config rc = {.n = n,
                             .max_items = WORLD_MAX,
                             .impression_penalty = 0.25,
                             .seed = seed,
                             .policy = *p,
                             .facts = w->facts};
    *w = (struct world){.n_items = n_items};
    world_open_model(w, seed);
    world_items(w, &r);
    for (int i = 0; i < 1500; i++)
        world_give(w, rng_below(&r, 4) ? ZL_LIKE : ZL_IMPRESSION, rng_below(&r, WORLD_USERS - 2),
                   rng_below(&r, (uint32_t)n_items / 2));
    world_give(w, ZL_IMPRESSION, WORLD_USERS - 1, 3); /* the last two have no history */
    assert_int_equal(rank_open(&rc, w->m, w->served, w->ids, &w->r, &err), ZL_OK);
}

static inline void world_close(struct world *w)
{
    rank_close(w->r);
    ids_close(w->ids);
    model_close(w->m);
}

static inline struct zl_version world_version(uint64_t position)
{
    return (struct zl_version){.position = position, .epoch = 1};
}

static inline bool world_seen(const struct world *w, uint32_t user, uint32_t item)
{
    uint32_t n;
    const uint32_t *s = model_seen(w->m, user, &n);
    for (uint32_t i = 0; i < n; i++)
        if (s[i] == item)
            return true;
    return false;
}

#endif
