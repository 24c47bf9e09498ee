/* Stands for src/model/near.c: what is near, and what a dislike takes out of whose lists for how long. The world: users of one topic each, who choose
 * its items at random. */
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
#include "model/model_priv.h"
#include "rank/rank.h"
#include "support/small_model.h"

#define TOPICS 5
#define A_TOPIC 20
#define N_ITEMS (TOPICS * A_TOPIC)
#define N_USERS 100
#define DAY_MS (24LL * 3600 * 1000)

static int64_t next_offset;

static void give(struct model *m, enum zl_event_type type, uint32_t user, uint32_t item,
                 int64_t at_ms)
{
    struct zl_event ev = {.from = {.offset = next_offset++},
                          .type = type,
                          .user = user,
                          .item = item,
                          .course = ZL_NO_INDEX,
                          .outcome = ZL_COUNTED,
                          .weight = 1,
                          .at_ms = at_ms,
                          .reward_micro = type == ZL_LIKE ? 1000000 : 0};
    model_batch(m, &ev, 1, NULL, NULL);
}

static struct model *learned_model(void)
{
    struct model_config cfg = small_model_config(1000, 32768, 64, 3);
    cfg.negatives = 32;
    cfg.window = 2048;
    cfg.session_gap_ms = 1000;
    cfg.dislike_neighbours = 10;
    struct model *m;
    struct zl_error err;
    struct rng r = {5};
    assert_int_equal(model_open(&cfg, &m, &err), ZL_OK);
    for (uint32_t i = 0; i < N_ITEMS + 10; i++)
        model_know_item(m, i); /* the last ten nobody ever chooses */
    for (int i = 0; i < 20000; i++) {
        uint32_t user = rng_below(&r, N_USERS);
        give(m, ZL_LIKE, user, user % TOPICS * A_TOPIC + rng_below(&r, A_TOPIC), 1 + i * 2000LL);
    }
    return m;
}

static bool hides(const struct model *m, uint32_t user, uint32_t item)
{
    uint32_t hidden[MODEL_HIDDEN], n = model_hidden(m, user, hidden);
    for (uint32_t i = 0; i < n; i++)
        if (hidden[i] == item)
            return true;
    return false;
}

static void near_items_are_of_the_same_kind(void **state)
{
    (void)state;
    struct model *m = learned_model();
    uint32_t near[2 * NEAR_MAX];
    int right = 0, all = 0;
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        int n = near_items(m, i, near);
        for (int k = 0; k < n; k++) {
            assert_true(near[k] != i);
            for (int l = 0; l < k; l++)
                assert_true(near[l] != near[k]);
            right += near[k] / A_TOPIC == i / A_TOPIC;
        }
        all += n;
    }
    print_message("%d near items, %d of the same topic\n", all, right);
    assert_true(all >= N_ITEMS * 5);
    assert_true(right >= 0.99 * all); /* one in a hundred may come from early luck */
    model_close(m);
}

static void an_item_that_nobody_chose_is_near_nothing(void **state)
{
    (void)state;
    struct model *m = learned_model();
    uint32_t near[2 * NEAR_MAX];
    assert_int_equal(near_items(m, N_ITEMS + 3, near), 0);
    m->cfg.dislike_neighbours = 0;
    assert_int_equal(near_items(m, 3, near), 0);
    model_close(m);
}

static void in_a_large_catalogue_taste_is_asked_of_the_newest_choices(void **state)
{
    (void)state;
    struct model *m = learned_model();
    uint32_t before[2 * NEAR_MAX], near[2 * NEAR_MAX], twin = N_ITEMS + 3;
    memcpy(items_q(&m->items, twin), items_q(&m->items, 7), 64 * sizeof(float));
    int n = near_items(m, 7, before);
    assert_int_equal(before[0], twin); /* nobody chose it, but there is time to look at all */
    for (uint32_t i = N_ITEMS + 10; i <= NEAR_SCANNED; i++)
        model_know_item(m, i);
    int n_now = near_items(m, 7, near);
    assert_true(n_now >= n - 1);
    for (int i = 1; i < n; i++) {
        bool there = false;
        for (int k = 0; k < n_now; k++) {
            assert_int_not_equal(near[k], twin);
            assert_true(k == 0 || near[k] != near[k - 1]);
            there |= near[k] == before[i];
        }
        assert_true(there);
    }
    model_close(m);
}

static void a_dislike_hides_the_neighbours_from_this_user_for_thirty_days(void **state)
{
    (void)state;
    struct model *m = learned_model();
    uint32_t near[2 * NEAR_MAX], user = 500, other = 501;
    int64_t at_ms = 100 * DAY_MS;
    int n = near_items(m, 7, near);
    assert_true(n > 0);
    give(m, ZL_NOT_INTERESTED, user, 7, at_ms);
    give(m, ZL_IMPRESSION, other, 7, at_ms);
    for (int i = 0; i < n; i++) {
        assert_true(hides(m, user, near[i]));
        assert_false(hides(m, other, near[i]));
    }
    assert_false(hides(m, user, 7)); /* it is met: gone for good */
    give(m, ZL_LIKE, user, 50, at_ms + 30 * DAY_MS - 1);
    assert_true(hides(m, user, near[0]));
    give(m, ZL_LIKE, user, 51, at_ms + 30 * DAY_MS);
    assert_false(hides(m, user, near[0]));
    give(m, ZL_REPORT, user, 8, at_ms + 30 * DAY_MS);
    assert_true(hides(m, user, near_items(m, 8, near) ? near[0] : 0));
    model_forget(m, user);
    assert_false(hides(m, user, near[0]));
    model_close(m);
}

static void many_dislikes_keep_the_newest_hidden_items(void **state)
{
    (void)state;
    struct model *m = learned_model();
    uint32_t near[2 * NEAR_MAX], hidden[MODEL_HIDDEN];
    m->cfg.dislike_neighbours = NEAR_MAX;
    for (uint32_t i = 0; i < N_ITEMS; i++)
        give(m, ZL_NOT_INTERESTED, 500, i, 100 * DAY_MS + i);
    assert_true(model_hidden(m, 500, hidden) <= MODEL_HIDDEN);
    int n = near_items(m, N_ITEMS - 1, near);
    for (int i = 0; i < n; i++)
        assert_true(hides(m, 500, near[i]));
    model_close(m);
}

static void hidden_items_are_in_the_users_row(void **state)
{
    (void)state;
    struct model *a = learned_model(), *b = learned_model();
    struct rows_table from[MODEL_TABLES], to[MODEL_TABLES];
    struct rows_buffer bytes = {0}, again = {0};
    struct zl_error err;
    uint32_t x[MODEL_HIDDEN], y[MODEL_HIDDEN];
    int users = 1; /* model_rows: items, users, ... */
    give(a, ZL_NOT_INTERESTED, 3, 7, 100 * DAY_MS);
    model_rows(a, from, MODEL_TABLES);
    model_rows(b, to, MODEL_TABLES);
    assert_int_equal(from[users].kind, ROWS_USERS);
    assert_true(from[users].track->state[3] == ROWS_DIRTY);
    from[users].write(from[users].room, 3, &bytes);
    struct rows_cursor in = {.at = bytes.bytes, .end = bytes.bytes + bytes.len};
    assert_int_equal(to[users].read(to[users].room, 3, &in, &err), ZL_OK);
    to[users].write(to[users].room, 3, &again);
    assert_int_equal(bytes.len, again.len);
    assert_memory_equal(bytes.bytes, again.bytes, bytes.len);
    uint32_t n = model_hidden(a, 3, x);
    assert_true(n > 0);
    assert_int_equal(model_hidden(b, 3, y), n);
    assert_memory_equal(x, y, n * sizeof *x);
    rows_buffer_release(&bytes);
    rows_buffer_release(&again);
    model_close(a);
    model_close(b);
}

static void neither_the_disliked_nor_its_neighbours_stand_in_the_list(void **state)
{
    (void)state;
    struct model *m = learned_model();
    struct rank *r;
    struct ids *ids;
    struct zl_error err;
    struct zl_slate before, after;
    static uint8_t served[1024];
    uint32_t user = 500, near[2 * NEAR_MAX], disliked;
    memset(served, 1, sizeof served);
    assert_int_equal(ids_open(ROWS_ITEM_IDS, "items", 1024, &ids, &err), ZL_OK);
    for (uint32_t i = 0; i < model_items(m); i++) {
        char id[16];
        snprintf(id, sizeof id, "v%03u", i);
        ids_intern(ids, zl_span_of(id));
    }
    struct rank_config rc = {.n = 60, .max_items = 1024};
    assert_int_equal(rank_open(&rc, m, served, ids, &r, &err), ZL_OK);
    for (uint32_t i = 0; i < 5; i++)
        give(m, ZL_LIKE, user, i, 100 * DAY_MS);
    rank_users(r, &user, NULL, 1, &before);
    disliked = before.items[0];
    int n = near_items(m, disliked, near), listed = 0;
    for (int i = 0; i < before.n; i++)
        for (int k = 0; k < n; k++)
            listed += before.items[i] == near[k];
    assert_true(listed > 0); /* else nothing is tested */
    give(m, ZL_NOT_INTERESTED, user, disliked, 100 * DAY_MS + 1);
    rank_users(r, &user, NULL, 1, &after);
    for (int i = 0; i < after.n; i++) {
        assert_true(after.items[i] != disliked);
        for (int k = 0; k < n; k++)
            assert_true(after.items[i] != near[k]);
    }
    uint32_t stranger = 501; /* the marks of one user are no other's */
    rank_users(r, &stranger, NULL, 1, &after);
    bool there = false;
    for (int i = 0; i < after.n; i++)
        there |= after.items[i] == near[0] || after.items[i] == disliked;
    assert_true(there);
    rank_close(r);
    ids_close(ids);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_items_are_of_the_same_kind),
        cmocka_unit_test(an_item_that_nobody_chose_is_near_nothing),
        cmocka_unit_test(a_dislike_hides_the_neighbours_from_this_user_for_thirty_days),
        cmocka_unit_test(many_dislikes_keep_the_newest_hidden_items),
        cmocka_unit_test(hidden_items_are_in_the_users_row),
        cmocka_unit_test(neither_the_disliked_nor_its_neighbours_stand_in_the_list),
        cmocka_unit_test(in_a_large_catalogue_taste_is_asked_of_the_newest_choices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
