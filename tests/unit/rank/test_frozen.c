/* Stands for src/rank/frozen.c and tested.c: what is hot changes, and only who has new item rows keeps up. */
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

#define N_ITEMS 400
#define N_USERS 300
#define HOT 8     /* items that everybody chooses */
#define PHASE 400 /* events until others are hot */
#define EVENTS 4800

struct world {
    struct model *m;
    struct rank *r;
    struct ids *ids;
    uint8_t served[1024];
};

static void open_world(int64_t freeze_items, struct world *w)
{
    struct zl_error err;
    struct model_config mc = small_model_config(512, 1024, 16, 5);
    small_model_forgets(&mc, 1000, 100, 10);
    mc.history = 10;
    mc.negatives = 32;
    struct rank_config rc = {.n = 10, .max_items = 1024, .freeze_items = freeze_items};
    *w = (struct world){.m = NULL};
    assert_int_equal(model_open(&mc, &w->m, &err), ZL_OK);
    assert_int_equal(ids_open(ROWS_ITEM_IDS, "items", 1024, &w->ids, &err), ZL_OK);
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        char id[16];
        snprintf(id, sizeof id, "v%u", i);
        ids_intern(w->ids, zl_span_of(id));
        model_know_item(w->m, i);
    }
    memset(w->served, 1, N_ITEMS);
    assert_int_equal(rank_open(&rc, w->m, w->served, w->ids, &w->r, &err), ZL_OK);
}

static void close_world(struct world *w)
{
    rank_close(w->r);
    ids_close(w->ids);
    model_close(w->m);
}

struct hits {
    int tested, live, frozen, differ;
};

static bool hit(double rank)
{
    return rank > 0 && rank <= RANK_TOP;
}

static void test(struct world *w, const struct zl_event *ev, struct hits *h)
{
    struct rank_result result;
    rank_of(w->r, ev->user, ev->item, &result);
    if (result.ranks[RANK_CORE] == 0)
        return; /* met before: nobody's hit */
    h->tested++;
    h->live += hit(result.ranks[RANK_CORE]);
    h->frozen += hit(result.frozen);
    h->differ += result.frozen != result.ranks[RANK_CORE];
}

/* Everybody chooses among the hot items of the phase; test, then learn. The first phase is not tested. */
static struct hits drift(int64_t freeze_items)
{
    struct world w;
    struct hits h = {0};
    open_world(freeze_items, &w);
    for (uint64_t i = 0; i < EVENTS; i++) {
        struct rng rng = rng_at(9, 0, i, 0);
        uint32_t phase = (uint32_t)(i / PHASE);
        struct zl_event ev = {.from = {.offset = (int64_t)i},
                              .type = ZL_LIKE,
                              .user = rng_below(&rng, N_USERS),
                              .item = phase * HOT + rng_below(&rng, HOT),
                              .course = ZL_NO_INDEX,
                              .outcome = ZL_COUNTED,
                              .weight = 1,
                              .at_ms = 1000 + (int64_t)i * 7000,
                              .reward_micro = 1000000};
        rank_freeze_step(w.r);
        if (i >= PHASE)
            test(&w, &ev, &h);
        model_batch(w.m, &ev, 1, NULL, NULL);
    }
    close_world(&w);
    return h;
}

static void the_core_keeps_up_with_what_is_hot_and_old_item_rows_do_not(void **state)
{
    (void)state;
    struct hits h = drift(1600);
    printf("tested %d, hits live %d, frozen %d\n", h.tested, h.live, h.frozen);
    assert_true(h.tested > 3000);
    assert_true(h.live > 0.85 * h.tested); /* red when rows reach ranking late */
    assert_true(h.frozen < 0.5 * h.live);  /* red when `frozen` is not */
}

static void rows_copied_at_every_positive_are_the_live_ones(void **state)
{
    (void)state;
    struct hits h = drift(1);
    assert_int_equal(h.differ, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_core_keeps_up_with_what_is_hot_and_old_item_rows_do_not),
        cmocka_unit_test(rows_copied_at_every_positive_are_the_live_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
