/* Stands for src/model/model.c, asked.c and items.c: what one event does to the rows of users, items, window and popularity together, and that rows come back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model_priv.h"
#include "support/copied_rows.h"
#include "support/small_model.h"

static struct model *open_model(void)
{
    struct model_config cfg = small_model_config(1000, 1000, 16, 3);
    small_model_forgets(&cfg, 1000, 100, 10);
    cfg.history = 5;
    cfg.negatives = 8;
    cfg.window = 512;
    cfg.kappa = 1;
    cfg.convert = (struct convert_config){.max_courses = 16, .window_ms = 86400000};
    cfg.surface_evidence = 10;
    struct model *m;
    struct zl_error err;
    assert_int_equal(model_open(&cfg, &m, &err), ZL_OK);
    return m;
}

static int64_t next_offset;

static enum zl_outcome give(struct model *m, enum zl_event_type type, uint32_t user, uint32_t item,
                            double reward, int64_t at_ms)
{
    struct zl_event ev = {.from = {.offset = next_offset++},
                          .type = type,
                          .user = user,
                          .item = item,
                          .course = ZL_NO_INDEX,
                          .outcome = ZL_COUNTED,
                          .weight = 1,
                          .at_ms = at_ms,
                          .reward_micro = (int64_t)(reward * 1e6)};
    model_batch(m, &ev, 1, NULL, NULL);
    return ev.outcome;
}

static struct model_user_info user_of(const struct model *m, uint32_t user)
{
    struct model_user_info u;
    model_user_info(m, user, &u);
    return u;
}

static bool has_seen(const struct model *m, uint32_t user, uint32_t item)
{
    uint32_t n;
    const uint32_t *seen = model_seen(m, user, &n);
    for (uint32_t i = 0; i < n; i++)
        if (seen[i] == item)
            return true;
    return false;
}

static void a_later_event_of_the_session_adds_only_the_difference(void **state)
{
    (void)state;
    struct model *m = open_model();
    assert_int_equal(give(m, ZL_LIKE, 0, 1, 1, 1000), ZL_LEARNED);
    /* less than the like: nothing to add */
    assert_int_equal(give(m, ZL_WATCH, 0, 1, 0.4, 2000), ZL_COUNTED);
    assert_int_equal(give(m, ZL_SHARE, 0, 1, 2, 3000), ZL_LEARNED);
    assert_int_equal(user_of(m, 0).history[0].reward_micro, 2000000);
    assert_int_equal(give(m, ZL_LIKE, 0, 1, 1, 3000 + 1800001), ZL_LEARNED); /* a new session */
    assert_int_equal(user_of(m, 0).history[0].reward_micro, 1000000);
    assert_int_equal(user_of(m, 0).n_history, 1);
    assert_int_equal(m->window.n, 2); /* one positive a session */
    model_close(m);
}

static void a_repeat_moves_the_item_to_the_front_of_a_full_ring(void **state)
{
    (void)state;
    struct model *m = open_model();
    for (uint32_t i = 0; i < 7; i++)
        give(m, ZL_LIKE, 0, i, 1, 1000 + i);
    struct model_user_info u = user_of(m, 0);
    assert_int_equal(u.n_history, 5);
    assert_int_equal(u.history[0].item, 6);
    assert_int_equal(u.history[4].item, 2);
    give(m, ZL_COIN, 0, 4, 2, 2000);
    u = user_of(m, 0);
    assert_int_equal(u.n_history, 5);
    assert_int_equal(u.history[0].item, 4);
    assert_int_equal(u.history[1].item, 6);
    assert_true(has_seen(m, 0, 0)); /* out of the ring, still met */
    model_close(m);
}

static void an_impression_is_neither_seen_nor_learned(void **state)
{
    (void)state;
    struct model *m = open_model();
    uint32_t n;
    assert_int_equal(give(m, ZL_IMPRESSION, 0, 1, 0, 1000), ZL_COUNTED);
    give(m, ZL_IMPRESSION, 0, 1, 0, 1001);
    assert_false(has_seen(m, 0, 1));
    const struct model_impressed *shown = model_impressions(m, 0, &n);
    assert_int_equal(n, 1);
    assert_int_equal(shown[0].times, 2);
    give(m, ZL_WATCH, 0, 1, 0.5, 1002);
    model_impressions(m, 0, &n);
    assert_int_equal(n, 0);
    assert_true(has_seen(m, 0, 1));
    for (uint32_t i = 2; i < 2 + MODEL_IMPRESSED + 5; i++)
        give(m, ZL_IMPRESSION, 0, i, 0, 1003);
    model_impressions(m, 0, &n);
    assert_int_equal(n, MODEL_IMPRESSED);
    model_close(m);
}

static void a_dislike_leaves_the_history_and_stays_seen(void **state)
{
    (void)state;
    struct model *m = open_model();
    give(m, ZL_LIKE, 0, 1, 1, 1000);
    assert_int_equal(give(m, ZL_NOT_INTERESTED, 0, 1, 0, 1001), ZL_COUNTED);
    assert_int_equal(user_of(m, 0).n_history, 0);
    assert_true(has_seen(m, 0, 1));
    model_close(m);
}

static void a_purchase_without_an_item_credits_the_last_viewed_of_the_course(void **state)
{
    (void)state;
    struct model *m = open_model();
    for (uint32_t i = 1; i <= 4; i++) {
        struct zl_event ev = {.from = {.offset = next_offset++},
                              .type = ZL_WATCH,
                              .user = 0,
                              .item = i,
                              .course = 9,
                              .outcome = ZL_COUNTED,
                              .weight = 1,
                              .at_ms = 1000 + i,
                              .reward_micro = 100000};
        model_batch(m, &ev, 1, NULL, NULL);
    }
    struct zl_event buy = {.from = {.offset = next_offset++},
                           .type = ZL_PURCHASE,
                           .user = 0,
                           .item = ZL_NO_INDEX,
                           .course = 9,
                           .outcome = ZL_COUNTED,
                           .weight = 1,
                           .at_ms = 2000,
                           .reward_micro = 4000000};
    model_batch(m, &buy, 1, NULL, NULL);
    assert_int_equal(buy.outcome, ZL_LEARNED);
    struct model_user_info u = user_of(m, 0);
    assert_int_equal(u.history[0].item, 4);
    assert_int_equal(u.history[0].reward_micro, 2000000);
    assert_int_equal(u.history[1].reward_micro, (int64_t)(4000000.0 / 3));
    assert_int_equal(u.history[3].item, 1);
    assert_int_equal(u.history[3].reward_micro, 100000); /* the fourth newest gets nothing */
    struct model_item_info item;
    model_item_info(m, 4, &item);
    /* counted for the user only: the event did not name it */
    assert_int_equal(item.counts[ZL_PURCHASE], 0);
    assert_int_equal(u.counts[ZL_PURCHASE], 1);
    buy.at_ms += 8LL * 24 * 3600 * 1000;
    buy.outcome = ZL_COUNTED;
    model_batch(m, &buy, 1, NULL, NULL);
    assert_int_equal(buy.outcome, ZL_COUNTED); /* after 7 days nobody is credited */
    model_close(m);
}

static void the_seen_set_keeps_the_newest_4096(void **state)
{
    (void)state;
    struct user u = {0};
    for (uint32_t i = 0; i < MODEL_SEEN + 10; i++)
        users_note_seen(&u, i);
    assert_int_equal(u.seen.n, MODEL_SEEN);
    assert_false(users_has_seen(&u, 9));
    assert_true(users_has_seen(&u, 10));
    assert_true(users_has_seen(&u, MODEL_SEEN + 9));
    users_clear(&u);
}

static void popularity_is_the_sum_of_halvings(void **state)
{
    (void)state;
    struct model *m = open_model();
    double plain[3] = {0}, total[3] = {0};
    for (int t = 1; t <= 300; t++) {
        uint32_t item = t % 7 == 0 ? 5 : (uint32_t)(10 + t % 3);
        give(m, ZL_LIKE, (uint32_t)t, item, 1, 1000);
        for (int h = 0; h < 3; h++) {
            double keep = exp2(-1 / m->cfg.half_lives[h]);
            plain[h] = plain[h] * keep + (item == 5);
            total[h] = total[h] * keep + 1;
        }
    }
    for (int h = 0; h < 3; h++) {
        assert_true(fabs(popularity_count(m, 5, h) - plain[h]) < 1e-9 * plain[h]);
        assert_true(fabs(exp2(m->pop_total[h] - m->decay.now[h]) - total[h]) < 1e-9 * total[h]);
    }
    model_close(m);
}

static void the_most_popular_are_those_of_a_full_sort(void **state)
{
    (void)state;
    struct model *m = open_model();
    struct rng r = {5};
    for (int t = 0; t < 3000; t++) {
        uint32_t item = rng_below(&r, 1 + rng_below(&r, 200));
        give(m, ZL_LIKE, (uint32_t)(t % 500), item, 1, 1000 + t * 2000000LL);
        if (t % 300)
            continue;
        for (int h = 0; h < 3; h++) {
            int n, better;
            const uint32_t *top = model_popular(m, h, &n);
            for (int i = 0; i < n; i++) {
                better = 0;
                for (uint32_t j = 0; j < m->items.count; j++)
                    better +=
                        items_stats(&m->items, j)->pop[h] > items_stats(&m->items, top[i])->pop[h];
                assert_true(better < MODEL_POPULAR);
            }
        }
    }
    struct popular before[3];
    memcpy(before, m->popular, sizeof before);
    model_loaded(m); /* made anew from the rows: the same items */
    for (int h = 0; h < 3; h++)
        for (int i = 0; i < before[h].n; i++) {
            bool found = false;
            for (int j = 0; j < m->popular[h].n; j++)
                found |= m->popular[h].items[j] == before[h].items[i];
            assert_true(found);
        }
    model_close(m);
}

static void co_occurrence_is_the_formula(void **state)
{
    (void)state;
    struct model *m = open_model();
    give(m, ZL_LIKE, 0, 1, 1, 1000);
    give(m, ZL_LIKE, 0, 2, 1, 1001);
    give(m, ZL_LIKE, 0, 3, 1, 1002);
    give(m, ZL_LIKE, 1, 1, 1, 1003);
    float sums[8] = {0};
    uint32_t touched[8];
    uint32_t n = model_cooccur(m, 1, sums, touched);
    assert_int_equal(n, 2); /* 1 -> 2 directly, 1 -> 3 at distance 2 */
    double keep = exp2(-1.0 / m->cfg.cooccur_half_life), count = keep * keep * keep + 1;
    double norm = pow(count + 1, -0.7);
    assert_true(fabs((double)sums[2] - pow(keep, 2) * norm) < 1e-5);
    assert_true(fabs((double)sums[3] - 0.9 * keep * norm) < 1e-5);
    model_close(m);
}

static void opted_out_users_are_counted_and_not_learned(void **state)
{
    (void)state;
    struct model *m = open_model();
    float z[16];
    give(m, ZL_LIKE, 0, 1, 1, 1000);
    model_set_opt_out(m, 0, true);
    assert_int_equal(give(m, ZL_LIKE, 0, 2, 1, 1001), ZL_COUNTED);
    assert_false(model_encode(m, 0, z));
    assert_int_equal(user_of(m, 0).counts[ZL_LIKE], 2);
    model_forget(m, 0);
    assert_int_equal(user_of(m, 0).counts[ZL_LIKE], 0);
    assert_true(user_of(m, 0).opted_out);
    model_close(m);
}

static void random_stream(struct model *m, uint64_t seed, int n)
{
    struct rng r = {seed};
    for (int i = 0; i < n; i++) {
        struct zl_event ev = {.from = {.offset = i, .partition = (int32_t)rng_below(&r, 2)},
                              .type = (enum zl_event_type)rng_below(&r, ZL_N_EVENT_TYPES),
                              .user = rng_below(&r, 40),
                              .item = rng_below(&r, 8) ? rng_below(&r, 100) : ZL_NO_INDEX,
                              .course = rng_below(&r, 3) ? ZL_NO_INDEX : rng_below(&r, 5),
                              .surface = {"abc" + rng_below(&r, 3), 1},
                              .outcome = ZL_COUNTED,
                              .weight = 1,
                              .at_ms = 1000 + i * 100000LL,
                              .reward_micro = rng_below(&r, 3) ? rng_below(&r, 3000000) : 0};
        model_batch(m, &ev, 1, NULL, NULL);
    }
}

static void rows_come_back_and_learning_goes_on_to_the_same_bytes(void **state)
{
    (void)state;
    struct model *a = open_model(), *b = open_model();
    random_stream(a, 11, 3000);
    copy_model_rows(a, b);
    model_loaded(b);
    assert_int_equal(model_digest(a), model_digest(b));
    random_stream(a, 12, 500);
    assert_int_not_equal(model_digest(a), model_digest(b));
    random_stream(b, 12, 500);
    assert_int_equal(model_digest(a), model_digest(b));
    model_close(a);
    model_close(b);
}

static void changed_items_are_told_once_each_in_order_of_index(void **state)
{
    (void)state;
    struct model *m = open_model();
    static const uint32_t known[] = {700, 3, 64, 63, 999, 0};
    static const uint32_t in_order[] = {0, 3, 63, 64, 700, 999};
    uint32_t items[8], n = 0;
    for (int i = 0; i < 6; i++)
        model_know_item(m, known[i]);
    for (uint32_t part; (part = model_take_changed(m, items + n, 2)) > 0; n += part)
        assert_in_range(part, 1, 2);
    assert_int_equal(n, 6);
    assert_memory_equal(items, in_order, sizeof in_order);
    items_step_output(&m->items, 3, 0.5f, m->z, 1,
                      0.1f); /* one before those that were taken last */
    assert_int_equal(model_take_changed(m, items, 8), 1);
    assert_int_equal(items[0], 3);
    assert_int_equal(model_take_changed(m, items, 8), 0);
    model_close(m);
}

static void no_row_changes_without_being_touched_first(void **state)
{
    (void)state;
    struct model *m = open_model();
    random_stream(m, 21, 1000);
    struct rows_table t[MODEL_TABLES];
    int n = model_rows(m, t, MODEL_TABLES);
    for (int i = 0; i < n; i++) { /* forget all touches */
        for (uint32_t d = 0; d < t[i].track->n_dirty; d++)
            t[i].track->state[t[i].track->dirty[d]] = 0;
        t[i].track->n_dirty = 0;
    }
    for (int step = 0; step < 200; step++) {
        static struct rows_buffer before[MODEL_TABLES][1200];
        for (int i = 0; i < n; i++)
            for (uint32_t key = 0; key < t[i].count(t[i].room); key++) {
                before[i][key].len = 0;
                t[i].write(t[i].room, key, &before[i][key]);
            }
        uint32_t counts[MODEL_TABLES];
        for (int i = 0; i < n; i++)
            counts[i] = t[i].count(t[i].room);
        struct rng r = {(uint64_t)step + 77};
        struct zl_event ev = {.from = {.offset = 5000 + step},
                              .type = (enum zl_event_type)rng_below(&r, ZL_N_EVENT_TYPES),
                              .user = rng_below(&r, 40),
                              .item = rng_below(&r, 100),
                              .course = rng_below(&r, 5),
                              .outcome = ZL_COUNTED,
                              .weight = 1,
                              .at_ms = 400000000 + step,
                              .reward_micro = rng_below(&r, 2) * 1000000};
        model_batch(m, &ev, 1, NULL, NULL);
        for (int i = 0; i < n; i++) {
            for (uint32_t key = 0; key < counts[i]; key++) {
                struct rows_buffer now = {0};
                t[i].write(t[i].room, key, &now);
                bool same = now.len == before[i][key].len &&
                            memcmp(now.bytes, before[i][key].bytes, now.len) == 0;
                assert_true(same || t[i].track->state[key] == ROWS_DIRTY);
                rows_buffer_release(&now);
            }
            for (uint32_t d = 0; d < t[i].track->n_dirty; d++)
                t[i].track->state[t[i].track->dirty[d]] = 0;
            t[i].track->n_dirty = 0;
        }
    }
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_later_event_of_the_session_adds_only_the_difference),
        cmocka_unit_test(a_repeat_moves_the_item_to_the_front_of_a_full_ring),
        cmocka_unit_test(an_impression_is_neither_seen_nor_learned),
        cmocka_unit_test(a_dislike_leaves_the_history_and_stays_seen),
        cmocka_unit_test(a_purchase_without_an_item_credits_the_last_viewed_of_the_course),
        cmocka_unit_test(the_seen_set_keeps_the_newest_4096),
        cmocka_unit_test(popularity_is_the_sum_of_halvings),
        cmocka_unit_test(the_most_popular_are_those_of_a_full_sort),
        cmocka_unit_test(co_occurrence_is_the_formula),
        cmocka_unit_test(opted_out_users_are_counted_and_not_learned),
        cmocka_unit_test(rows_come_back_and_learning_goes_on_to_the_same_bytes),
        cmocka_unit_test(changed_items_are_told_once_each_in_order_of_index),
        cmocka_unit_test(no_row_changes_without_being_touched_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
