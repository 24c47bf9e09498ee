/* Stands for src/model/surfaces.c: what surfaces know, for whom it speaks, and what little of it is worth. The world: two surfaces, whose
 * visitors choose among the items of their own half, and a few choose everywhere. */
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
#include "base/special.h"
#include "model/model_priv.h"
#include "rank/rank.h"
#include "support/copied_rows.h"
#include "support/small_model.h"

#define N_ITEMS 1200 /* more than RANK_ALL: candidates must be found */
#define HALF (N_ITEMS / 2)
#define CHOSEN 100 /* of each half: the others are never chosen */
#define NEWCOMER 900U
#define LIST 10

struct world {
    struct model *m;
    struct rank *r;
    struct ids *ids;
    uint8_t served[2048];
    int64_t next_offset;
};

static void give(struct world *w, enum zl_event_type type, uint32_t user, uint32_t item,
                 const char *surface)
{
    struct zl_event ev = {.from = {.offset = w->next_offset},
                          .type = type,
                          .user = user,
                          .item = item,
                          .course = ZL_NO_INDEX,
                          .surface = zl_span_of(surface),
                          .outcome = ZL_COUNTED,
                          .weight = 1,
                          .at_ms = 1000 + w->next_offset++ * 7000,
                          .reward_micro = type == ZL_LIKE ? 1000000 : 0};
    model_batch(w->m, &ev, 1, NULL, NULL);
}

static void open_world(double evidence, struct world *w)
{
    struct zl_error err;
    struct model_config cfg = small_model_config(1000, 2048, 16, 3);
    cfg.window = 1024;
    cfg.session_gap_ms = 1000;
    cfg.surface_evidence = evidence;
    *w = (struct world){0};
    assert_int_equal(model_open(&cfg, &w->m, &err), ZL_OK);
    assert_int_equal(ids_open(ROWS_ITEM_IDS, "items", 2048, &w->ids, &err), ZL_OK);
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        char id[16];
        snprintf(id, sizeof id, "v%u", i);
        ids_intern(w->ids, zl_span_of(id));
        model_know_item(w->m, i);
        w->served[i] = 1;
    }
    assert_int_equal(rank_open(&(struct rank_config){.n = LIST, .max_items = 2048}, w->m, w->served,
                               w->ids, &w->r, &err),
                     ZL_OK);
}

static void close_world(struct world *w)
{
    rank_close(w->r);
    ids_close(w->ids);
    model_close(w->m);
}

/* Four of five come from "feed" and choose in the lower half, the others from "search": what is popular everywhere is the feed's. */
static void choose_at_random(struct world *w, int n)
{
    struct rng r = {5};
    for (int i = 0; i < n; i++) {
        uint32_t user = rng_below(&r, 400), searches = user % 5 == 0;
        uint32_t item = (uint32_t)(CHOSEN * rng_uniform(&r) * rng_uniform(&r));
        give(w, ZL_LIKE, user, searches * HALF + item, searches ? "search" : "feed");
    }
}

static int of_upper_half(struct world *w, uint32_t user)
{
    struct zl_slate slate;
    int n = 0;
    rank_users(w->r, &user, NULL, 1, &slate);
    assert_int_equal(slate.n, LIST);
    for (int i = 0; i < slate.n; i++)
        n += slate.items[i] >= HALF;
    return n;
}

static void the_first_list_is_what_is_popular_where_the_user_comes_from(void **state)
{
    (void)state;
    struct world w;
    open_world(10, &w);
    choose_at_random(&w, 6000);
    give(&w, ZL_IMPRESSION, NEWCOMER, 150, "search");
    give(&w, ZL_IMPRESSION, NEWCOMER + 1, 150, "feed");
    give(&w, ZL_IMPRESSION, NEWCOMER + 2, 150, "");
    assert_true(of_upper_half(&w, NEWCOMER) >= 9);
    assert_int_equal(of_upper_half(&w, NEWCOMER + 1), 0);
    assert_true(of_upper_half(&w, NEWCOMER + 2) <= 2);
    close_world(&w);
}

static void off_it_is_what_is_popular_everywhere(void **state)
{
    (void)state;
    struct world w;
    open_world(0, &w);
    choose_at_random(&w, 6000);
    give(&w, ZL_IMPRESSION, NEWCOMER, 150, "search");
    assert_int_equal(model_surfaces(w.m), 0);
    assert_int_equal(model_user_surface(w.m, NEWCOMER), ZL_NO_INDEX);
    assert_true(of_upper_half(&w, NEWCOMER) <= 2);
    close_world(&w);
}

static void a_surface_with_few_choices_or_none_says_nothing(void **state)
{
    (void)state;
    struct world w;
    open_world(10, &w);
    choose_at_random(&w, 6000);
    give(&w, ZL_IMPRESSION, NEWCOMER, 150, "new");
    assert_int_equal(model_user_surface(w.m, NEWCOMER), ZL_NO_INDEX); /* nobody chose there */
    give(&w, ZL_LIKE, 0, HALF + 7, "new");
    uint32_t there = model_user_surface(w.m, NEWCOMER);
    assert_int_equal(model_surfaces(w.m), 3);
    assert_true(there == 2);
    /* one choice: (1 + 10) / (0.. + 10) at most, and (0 + 10) / (1 + 10) at least */
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        float lift = model_surface_lift(w.m, there, i);
        assert_true(lift <= 0.0954F && lift >= -0.0954F);
    }
    assert_true(of_upper_half(&w, NEWCOMER) <= 2);
    close_world(&w);
}

static void whoever_has_a_history_or_opted_out_or_is_forgotten_has_no_surface(void **state)
{
    (void)state;
    struct world w;
    open_world(10, &w);
    choose_at_random(&w, 1000);
    for (uint32_t i = 0; i < 3; i++)
        give(&w, ZL_IMPRESSION, NEWCOMER + i, 150, "search");
    give(&w, ZL_IMPRESSION, NEWCOMER, 151, ""); /* the newest that is named counts */
    assert_true(model_user_surface(w.m, NEWCOMER) != ZL_NO_INDEX);
    give(&w, ZL_LIKE, NEWCOMER, 3, "search");
    model_set_opt_out(w.m, NEWCOMER + 1, true);
    model_forget(w.m, NEWCOMER + 2);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(model_user_surface(w.m, NEWCOMER + i), ZL_NO_INDEX);
    model_set_opt_out(w.m, NEWCOMER + 3, true);
    give(&w, ZL_IMPRESSION, NEWCOMER + 3, 150, "search");
    model_set_opt_out(w.m, NEWCOMER + 3, false);
    assert_int_equal(model_user_surface(w.m, NEWCOMER + 3), ZL_NO_INDEX); /* was not noted */
    close_world(&w);
}

static void lift_is_the_ratio_of_shares_as_counts_grow(void **state)
{
    (void)state;
    struct world w;
    open_world(1e-3, &w);
    for (int i = 0; i < 3000; i++) /* users choose an item once a session: another user each */
        give(&w, ZL_LIKE, (uint32_t)i % 800, (uint32_t)i % 3 ? 1 : 2, (uint32_t)i % 2 ? "a" : "b");
    for (int i = 0; i < 1500; i++)
        give(&w, ZL_LIKE, (uint32_t)i % 800, 2, "a");
    double now = w.m->decay.now[0], a1 = 0, all1, all;
    for (uint32_t s = 0; s < 2; s++)
        if (model_surface_name(w.m, s).ptr[0] == 'a')
            a1 = (double)cooccur_weight(&w.m->surfaces.items, s, 1, now);
    uint32_t a = model_surface_name(w.m, 0).ptr[0] == 'a' ? 0 : 1;
    all1 = popularity_count(w.m, 1, 0);
    all = special_exp2(w.m->pop_total[0] - now);
    double of_a = special_exp2(w.m->surfaces.at[a].total - now);
    double want = special_log((a1 / of_a) / (all1 / all));
    assert_true((double)model_surface_lift(w.m, a, 1) - want < 1e-4); /* evidence and floats */
    assert_true(want - (double)model_surface_lift(w.m, a, 1) < 1e-4);
    assert_true(want < -0.2); /* item 1 is less of a's choices */
    close_world(&w);
}

static void when_places_are_used_up_only_a_dead_surface_makes_room(void **state)
{
    (void)state;
    struct world w;
    char name[16];
    open_world(10, &w);
    for (uint32_t i = 0; i < MODEL_SURFACES; i++) {
        snprintf(name, sizeof name, "s%u", i);
        give(&w, ZL_LIKE, i, 1, name);
        give(&w, ZL_LIKE, i, 2, name);
    }
    give(&w, ZL_LIKE, 100, 3, "late");
    give(&w, ZL_IMPRESSION, NEWCOMER, 5, "late");
    assert_int_equal(model_user_surface(w.m, NEWCOMER), ZL_NO_INDEX);
    give(&w, ZL_IMPRESSION, NEWCOMER + 1, 5, "s0");
    assert_int_equal(model_user_surface(w.m, NEWCOMER + 1), 0);
    for (uint32_t i = 0; i < 60000; i++) /* three half-lives of the others */
        give(&w, ZL_LIKE, i % 800, 4 + i % 1000, "s1");
    give(&w, ZL_LIKE, 100, 7, "late");
    uint32_t there = model_user_surface(w.m, NEWCOMER), items[4];
    assert_true(there != ZL_NO_INDEX && there != 1);
    assert_int_equal(model_surfaces(w.m), MODEL_SURFACES);
    assert_int_equal(model_surface_popular(w.m, there, items, 4), 1); /* nothing of the old one */
    assert_int_equal(items[0], 7);
    close_world(&w);
}

static void a_restart_forgets_no_surface(void **state)
{
    (void)state;
    struct world a, b;
    open_world(10, &a);
    open_world(10, &b);
    choose_at_random(&a, 3000);
    give(&a, ZL_IMPRESSION, NEWCOMER, 150, "search");
    copy_model_rows(a.m, b.m);
    model_loaded(b.m);
    uint32_t there = model_user_surface(a.m, NEWCOMER);
    assert_true(there != ZL_NO_INDEX && there == model_user_surface(b.m, NEWCOMER));
    for (uint32_t i = 0; i < N_ITEMS; i++)
        assert_true(model_surface_lift(a.m, there, i) == model_surface_lift(b.m, there, i));
    give(&a, ZL_LIKE, 1, 2, "search");
    b.next_offset = a.next_offset - 1;
    give(&b, ZL_LIKE, 1, 2, "search");
    assert_int_equal(model_digest(a.m), model_digest(b.m));
    close_world(&a);
    close_world(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_list_is_what_is_popular_where_the_user_comes_from),
        cmocka_unit_test(off_it_is_what_is_popular_everywhere),
        cmocka_unit_test(a_surface_with_few_choices_or_none_says_nothing),
        cmocka_unit_test(whoever_has_a_history_or_opted_out_or_is_forgotten_has_no_surface),
        cmocka_unit_test(lift_is_the_ratio_of_shares_as_counts_grow),
        cmocka_unit_test(when_places_are_used_up_only_a_dead_surface_makes_room),
        cmocka_unit_test(a_restart_forgets_no_surface),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
