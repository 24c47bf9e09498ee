/* Stands for src/app/similar.c: when lists are made, and what becomes of blocked items. The clock is an argument; the store is a sink
 * that takes everything (SINK_NONE), its answers come from sink_poll. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/hot.h"
#include "app/similar.h"
#include "base/metrics.h"
#include "support/small_model.h"

#define N_ITEMS 60
#define SECOND_NS 1000000000LL
#define TOKEN (1ULL << 63)

struct world {
    struct model *m;
    struct rank *r;
    struct rank_similar *rs;
    struct catalog *c;
    struct sink *sink;
    struct ids *ids;
    struct zl_positions positions;
    struct similar *s;
    int64_t now_ns;
    uint64_t made, unchanged;
};

static void describe(struct world *w, uint32_t item, enum zl_item_status status)
{
    struct zl_item about = {.item_id = ids_name(w->ids, item),
                            .status = status,
                            .category = item % 2 ? ZL_SPAN("odd") : ZL_SPAN("even"),
                            .duration_ms = -1,
                            .published_at_ms = -1,
                            .price = -1};
    catalog_put(w->c, item, &about, ZL_NO_INDEX);
}

static void open_rooms(struct world *w)
{
    struct zl_error err;
    struct model_config mc = small_model_config(500, 1024, 16, 5);
    mc.surface_evidence = 10;
    *w = (struct world){.now_ns = 1000 * SECOND_NS};
    assert_int_equal(model_open(&mc, &w->m, &err), ZL_OK);
    assert_int_equal(ids_open(ROWS_ITEM_IDS, "items", 1024, &w->ids, &err), ZL_OK);
    assert_int_equal(catalog_open(&(struct catalog_config){.max_items = 1024}, &w->c, &err), ZL_OK);
    assert_int_equal(rank_open(&(struct rank_config){.n = 10, .max_items = 1024}, w->m,
                               catalog_served_array(w->c), w->ids, &w->r, &err),
                     ZL_OK);
    assert_int_equal(rank_similar_open(w->r, 5, &w->rs, &err), ZL_OK);
    assert_int_equal(sink_open(&(struct sink_config){.kind = SINK_NONE}, &w->sink, &err), ZL_OK);
}

static void open_world(struct world *w, bool at_end)
{
    struct zl_error err;
    open_rooms(w);
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        char id[16];
        snprintf(id, sizeof id, "v%u", i);
        ids_intern(w->ids, zl_span_of(id));
        describe(w, i, ZL_ITEM_APPROVED);
        model_know_item(w->m, i);
    }
    struct similar_config cfg = {.max_items = 1024,
                                 .n = 5,
                                 .every_ns = 10 * SECOND_NS,
                                 .ttl_ms = 3600000,
                                 .token = TOKEN,
                                 .at_end = at_end};
    assert_int_equal(
        similar_open(&cfg, w->rs, w->m, w->c, w->sink, w->ids, &w->positions, &w->s, &err), ZL_OK);
}

static void close_world(struct world *w)
{
    similar_close(w->s);
    sink_close(w->sink, 0);
    rank_similar_close(w->rs);
    rank_close(w->r);
    catalog_close(w->c);
    ids_close(w->ids);
    model_close(w->m);
}

static int64_t offset;

/* User chose item; what moved is marked. */
static void choose_on(struct world *w, uint32_t user, uint32_t item, const char *surface)
{
    offset++;
    struct zl_event ev = small_model_liked(user, item, offset, 1000 + offset);
    ev.surface = zl_span_of(surface);
    model_batch(w->m, &ev, 1, NULL, NULL);
    similar_mark_user(w->s, user);
}

static void choose(struct world *w, uint32_t user, uint32_t item)
{
    choose_on(w, user, item, "");
}

static void take_answers(struct world *w, enum sink_result become)
{
    struct sink_answer answers[64];
    int n;
    while ((n = sink_poll(w->sink, w->now_ns, answers, 64)) > 0)
        for (int i = 0; i < n; i++) {
            answers[i].result = become;
            similar_take_answer(w->s, &answers[i]);
        }
}

static uint64_t count(unsigned label)
{
    return metrics_count(METRIC_SIMILAR_LISTS, label);
}

/* Turns until nothing is ready; how many lists were made. The purse fills between turns. */
static uint64_t turns(struct world *w, bool feed_waits)
{
    uint64_t before = count(0);
    for (int i = 0; i < 200; i++) {
        w->now_ns += SECOND_NS / 1000;
        similar_turn(w->s, w->now_ns, feed_waits);
        take_answers(w, SINK_WRITTEN);
    }
    return count(0) - before;
}

static void a_moved_item_is_made_anew_but_not_within_every(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, false);
    choose(&w, 1, 3);
    choose(&w, 1, 4);
    assert_int_equal(turns(&w, false), 2);
    choose(&w, 2, 3); /* 3 alone moves: this user's history is short */
    assert_int_equal(turns(&w, false), 0);
    assert_int_equal(similar_due(w.s), 1);
    w.now_ns += 9 * SECOND_NS;
    assert_int_equal(turns(&w, false), 0);
    w.now_ns += SECOND_NS;
    assert_int_equal(turns(&w, false), 1);
    assert_int_equal(similar_due(w.s), 0);
    w.now_ns += 100 * SECOND_NS;
    assert_int_equal(turns(&w, false), 0); /* nothing moved */
    close_world(&w);
}

static void nothing_is_made_while_a_users_list_waits(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, false);
    choose(&w, 1, 3);
    assert_int_equal(turns(&w, true), 0);
    assert_int_equal(turns(&w, false), 1);
    close_world(&w);
}

static void lists_cost_at_most_their_share_of_the_time(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, false);
    for (uint32_t i = 0; i < N_ITEMS; i++)
        choose(&w, i, i);
    uint64_t before = count(0);
    similar_turn(w.s, w.now_ns, false); /* the purse is empty at first */
    for (int i = 0; i < 1000; i++)
        similar_turn(w.s, w.now_ns, false); /* and no time passes */
    assert_int_equal(count(0), before);
    w.now_ns += 10; /* a coin: one list, and a debt */
    similar_turn(w.s, w.now_ns, false);
    similar_turn(w.s, w.now_ns, false);
    assert_int_equal(count(0), before + 1);
    close_world(&w);
}

static void an_unchanged_list_is_not_written_again(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, false);
    choose(&w, 1, 3);
    choose(&w, 1, 4);
    turns(&w, false);
    uint64_t written = count(2), same = count(1);
    w.now_ns += 20 * SECOND_NS;
    similar_mark(w.s, 3);
    assert_int_equal(turns(&w, false), 1);
    assert_int_equal(count(2), written);
    assert_int_equal(count(1), same + 1);
    for (int i = 0; i < 1900; i++) { /* half of the hour passes: written again */
        w.now_ns += SECOND_NS;
        similar_tick(w.s, w.now_ns);
    }
    assert_int_equal(turns(&w, false), 2);
    assert_int_equal(count(2), written + 2);
    close_world(&w);
}

static void a_blocked_item_leaves_all_lists_at_once(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, false);
    for (uint32_t i = 0; i < 10; i++)
        choose(&w, i % 2, i);
    turns(&w, false);
    uint64_t made = count(0), written = count(2);
    describe(&w, 4, ZL_ITEM_BLOCKED);
    similar_unserved(w.s, 4);
    similar_turn(w.s, w.now_ns += 1000, true); /* a user's list waits: cut all the same */
    take_answers(&w, SINK_WRITTEN);
    assert_int_equal(count(0), made); /* none was made anew, `every` has not passed */
    uint64_t cut = count(2) - written;
    assert_true(cut >= 2); /* its own, and some that held it */
    w.now_ns += 20 * SECOND_NS;
    assert_int_equal(turns(&w, false), cut - 1); /* each of those is made anew; its own is not */
    for (uint32_t i = 0; i < 10; i++)
        for (int k = 0; k < rank_similar_of(w.rs, i)->n; k++)
            assert_int_not_equal(rank_similar_of(w.rs, i)->items[k], 4);
    close_world(&w);
}

static void an_item_that_is_served_again_gets_its_list_back_though_it_is_the_same(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, false);
    for (uint32_t i = 0; i < 10; i++)
        choose(&w, i % 2, i);
    turns(&w, false);
    w.now_ns += 20 * SECOND_NS;
    turns(&w, false);
    describe(&w, 4, ZL_ITEM_BLOCKED);
    similar_unserved(w.s, 4);
    turns(&w, false);
    w.now_ns += 20 * SECOND_NS;
    turns(&w, false);
    describe(&w, 4, ZL_ITEM_APPROVED);
    similar_mark(w.s, 4);
    uint64_t written = count(2), same = count(1);
    assert_int_equal(turns(&w, false), 1);
    assert_int_equal(count(1), same);
    assert_int_equal(count(2), written + 1);
    close_world(&w);
}

static void what_the_store_refused_is_due_again(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, false);
    choose(&w, 1, 3);
    similar_turn(w.s, w.now_ns, false);
    similar_turn(w.s, w.now_ns += SECOND_NS, false);
    take_answers(&w, SINK_FAILED);
    assert_int_equal(similar_due(w.s), 1);
    w.now_ns += 10 * SECOND_NS;
    uint64_t written = count(2);
    assert_int_equal(turns(&w, false), 1);
    assert_int_equal(count(2), written + 1); /* though it is the same list */
    close_world(&w);
}

/* As after a start from a checkpoint: nobody was marked, the connection is new. */
static void a_new_connection_calls_all_live_items(void **state)
{
    (void)state;
    struct world w;
    struct similar *marked;
    open_world(&w, false);
    marked = w.s;
    w.s = NULL;
    for (uint32_t i = 0; i < 10; i++)
        choose(&w, i % 2, i);
    describe(&w, 7, ZL_ITEM_BLOCKED);
    w.s = marked;
    uint64_t written = count(2);
    assert_int_equal(turns(&w, false), 9);
    assert_int_equal(count(2), written + 10); /* the blocked one's is emptied */
    close_world(&w);
}

static void a_file_writes_each_list_once_at_the_end(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, true);
    for (uint32_t i = 0; i < 10; i++)
        choose(&w, i % 2, i);
    assert_int_equal(turns(&w, false), 0);
    uint64_t made = count(0);
    assert_false(similar_finish(w.s)); /* on the way */
    take_answers(&w, SINK_WRITTEN);
    assert_true(similar_finish(w.s));
    assert_int_equal(count(0), made + 10);
    close_world(&w);
}

static void off_is_nothing_at_all(void **state)
{
    (void)state;
    similar_mark(NULL, 3);
    similar_mark_user(NULL, 3);
    similar_unserved(NULL, 3);
    similar_turn(NULL, 5, false);
    assert_true(similar_finish(NULL));
    assert_true(similar_next_ns(NULL) == INT64_MAX);
    hot_changed(NULL);
    hot_turn(NULL, 5, false);
    assert_true(hot_finish(NULL));
    assert_true(hot_next_ns(NULL) == INT64_MAX);
}

/* ---- hot.c ---- */

static int hot_answers(struct world *w, struct hot *h)
{
    struct sink_answer answers[64];
    int n = sink_poll(w->sink, w->now_ns, answers, 64);
    for (int i = 0; i < n; i++)
        hot_take_answer(h, &answers[i]);
    return n;
}

static int hot_turns(struct world *w, struct hot *h)
{
    int n = 0;
    for (int i = 0; i < 10; i++) {
        hot_turn(h, w->now_ns += 1000, false);
        n += hot_answers(w, h);
    }
    return n;
}

static void popularity_is_written_by_category_when_it_changed(void **state)
{
    (void)state;
    struct world w;
    struct hot *h;
    struct zl_error err;
    open_world(&w, false);
    struct hot_config cfg = {.n = 5, .every_ns = 5 * SECOND_NS, .ttl_ms = 3600000, .token = TOKEN};
    assert_int_equal(hot_open(&cfg, w.m, w.c, w.sink, w.ids, &w.positions, &h, &err), ZL_OK);
    choose(&w, 1, 3);
    assert_int_equal(hot_turns(&w, h), 2); /* all, odd: nothing even was chosen */
    assert_int_equal(hot_turns(&w, h), 0);
    choose(&w, 1, 4);
    assert_int_equal(hot_turns(&w, h), 0); /* not within `every` */
    w.now_ns += 5 * SECOND_NS;
    assert_int_equal(hot_turns(&w, h), 2); /* all, even; odd is what it was */
    describe(&w, 4, ZL_ITEM_BLOCKED);
    hot_changed(h);
    assert_int_equal(hot_turns(&w, h), 2); /* at once; even is empty now */
    choose(&w, 2, 5);
    w.now_ns += 5 * SECOND_NS;
    assert_int_equal(hot_turns(&w, h), 2); /* all, odd */
    choose(&w, 3, 3);
    w.now_ns += 5 * SECOND_NS;
    assert_int_equal(hot_turns(&w, h), 2); /* the same two items, in another order */
    hot_close(h);
    close_world(&w);
}

static void a_category_that_lost_its_items_before_the_first_sweep_gets_an_empty_list(void **state)
{
    (void)state;
    struct world w;
    struct hot *h;
    struct zl_error err;
    open_world(&w, false);
    struct hot_config cfg = {.n = 5, .every_ns = 5 * SECOND_NS, .ttl_ms = 3600000, .token = TOKEN};
    assert_int_equal(hot_open(&cfg, w.m, w.c, w.sink, w.ids, &w.positions, &h, &err), ZL_OK);
    choose(&w, 1, 3);
    hot_leaving(h, ZL_SPAN("gone"));
    hot_leaving(h, ZL_SPAN("odd"));
    hot_leaving(h, ZL_SPAN(""));
    hot_leaving(NULL, ZL_SPAN("off"));
    assert_int_equal(hot_turns(&w, h), 3); /* all, odd, gone */
    assert_int_equal(hot_turns(&w, h), 0);
    hot_close(h);
    close_world(&w);
}

static void a_surface_has_a_list_of_its_own(void **state)
{
    (void)state;
    struct world w;
    struct hot *h;
    struct zl_error err;
    open_world(&w, false);
    struct hot_config cfg = {.n = 5, .every_ns = 5 * SECOND_NS, .ttl_ms = 3600000, .token = TOKEN};
    assert_int_equal(hot_open(&cfg, w.m, w.c, w.sink, w.ids, &w.positions, &h, &err), ZL_OK);
    choose_on(&w, 1, 3, "feed");
    assert_int_equal(hot_turns(&w, h), 3); /* all, odd, surface:feed */
    choose_on(&w, 2, 5, "search");
    w.now_ns += 5 * SECOND_NS;
    assert_int_equal(hot_turns(&w, h),
                     4); /* all, odd, and both: what is popular elsewhere fills up */
    for (uint32_t user = 10; user < 40; user++)
        choose_on(&w, user, 3, "feed");
    w.now_ns += 5 * SECOND_NS;
    assert_int_equal(hot_turns(&w, h), 3); /* 3 before 5 but on search */
    describe(&w, 5, ZL_ITEM_BLOCKED);
    hot_changed(h);
    assert_int_equal(hot_turns(&w, h), 4);
    hot_close(h);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moved_item_is_made_anew_but_not_within_every),
        cmocka_unit_test(nothing_is_made_while_a_users_list_waits),
        cmocka_unit_test(lists_cost_at_most_their_share_of_the_time),
        cmocka_unit_test(an_unchanged_list_is_not_written_again),
        cmocka_unit_test(a_blocked_item_leaves_all_lists_at_once),
        cmocka_unit_test(an_item_that_is_served_again_gets_its_list_back_though_it_is_the_same),
        cmocka_unit_test(what_the_store_refused_is_due_again),
        cmocka_unit_test(a_new_connection_calls_all_live_items),
        cmocka_unit_test(a_file_writes_each_list_once_at_the_end),
        cmocka_unit_test(off_is_nothing_at_all),
        cmocka_unit_test(popularity_is_written_by_category_when_it_changed),
        cmocka_unit_test(a_surface_has_a_list_of_its_own),
        cmocka_unit_test(a_category_that_lost_its_items_before_the_first_sweep_gets_an_empty_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
