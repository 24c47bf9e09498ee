/* Stands for src/app/publish.c: when is a list written again? Rooms are real, but for a store that writes down what it is handed. */
#include "unit/rank/policy_world.h"

#include "app/publish.h"
#include <math.h>
#include "sink/sink_priv.h"

#define LIST 20
#define USER 4U
#define HOUR INT64_C(3600000)

/* ---- the store ---- */

struct store {
    struct sink base;
    unsigned users; /* whose lists were written, a bit each */
    int n_open, n_lists;
    uint64_t tokens[64];
    /* the newest list */
    int n;
    char items[LIST][16];
    double propensities[LIST];
    uint64_t position;
};

static struct store store;

static int store_room(const struct sink *s)
{
    (void)s;
    return 64 - store.n_open;
}

static void store_put(struct sink *s, const struct sink_list *list, int64_t ttl_ms)
{
    (void)s;
    (void)ttl_ms;
    store.tokens[store.n_open++] = list->token;
    store.n_lists++;
    store.users |= 1U << strtol(list->user_id.ptr + 1, NULL, 10);
    store.n = list->n;
    store.position = list->version.position;
    memset(store.items, 0, sizeof store.items);
    memset(store.propensities, 0, sizeof store.propensities);
    for (int i = 0; i < list->n; i++)
        memcpy(store.items[i], list->items[i].ptr, list->items[i].len);
    if (list->propensities)
        memcpy(store.propensities, list->propensities, (size_t)list->n * sizeof(double));
}

static int store_poll(struct sink *s, int64_t now_ns, struct sink_answer *answers, int max)
{
    int n = 0;
    (void)s;
    (void)now_ns;
    while (store.n_open && n < max)
        answers[n++] = (struct sink_answer){.token = store.tokens[--store.n_open]};
    return n;
}

static const struct sink_ops store_ops = {.room = store_room, .put = store_put, .poll = store_poll};

/* ---- the engine around it ---- */

static uint32_t scan = 100; /* all of them in one turn */

struct fixture {
    struct world w;
    struct catalog *catalog;
    struct publish *p;
    struct ids *users;
    struct zl_positions positions;
};

static void begin(struct fixture *f, uint64_t seed, int slots)
{
    struct zl_error err;
    struct rank_policy policy = rank_policy_neutral();
    policy.explore.slots = slots;
    policy.explore.per = 10;
    policy.explore.floor = 0.5; /* many draws differ */
    memset(f, 0, sizeof *f);
    store = (struct store){.base.ops = &store_ops};
    world_open(&f->w, seed, 300, LIST, &policy);
    struct catalog_config cc = {.max_items = WORLD_MAX, .serve_unknown = true};
    assert_int_equal(catalog_open(&cc, &f->catalog, &err), ZL_OK);
    for (uint32_t i = 0; i < 300; i++)
        catalog_observe(f->catalog, i,
                        &(struct zl_event){.duration_ms = -1, .course = ZL_NO_INDEX});
    uint32_t n;
    catalog_changes(f->catalog, &n);
    assert_int_equal(ids_open(ROWS_USER_IDS, "users", 100, &f->users, &err), ZL_OK);
    for (int i = 0; i < WORLD_USERS; i++) {
        char id[16];
        snprintf(id, sizeof id, "u%d", i);
        ids_intern(f->users, zl_span_of(id));
    }
    struct publish_config pc = {.max_users = 100,
                                .n = LIST,
                                .scan = scan,
                                .active_ms = HOUR,
                                .ttl_ms = 1000000 * HOUR,
                                .epoch = 1,
                                .ranked = true};
    assert_int_equal(publish_open(&pc, f->w.m, f->w.r, f->catalog, &store.base, f->users, f->w.ids,
                                  &f->positions, &f->p, &err),
                     ZL_OK);
}

static void end(struct fixture *f)
{
    publish_close(f->p);
    ids_close(f->users);
    catalog_close(f->catalog);
    world_close(&f->w);
}

/* Ranks the user at this position of the log; was a list written? */
static bool rank_at(struct fixture *f, int64_t position)
{
    int before = store.n_lists;
    *zl_positions_get(&f->positions, ZL_TOPIC_EVENTS, 0) = (struct zl_position){
        .topic = ZL_TOPIC_EVENTS, .next = position, .log_ms = WORLD_NOW + position};
    publish_mark(f->p, USER, 0, 0, 0);
    assert_int_equal(publish_due(f->p, 0, true, INT64_MAX), 1);
    publish_exchange(f->p, 0);
    return store.n_lists > before;
}

static uint32_t drawn_at(const struct fixture *f, int place)
{
    assert_true(store.propensities[place - 1] > 0);
    return ids_find(f->w.ids, zl_span_of(store.items[place - 1]));
}

/* ---- ---- */

static void other_draws_alone_do_not_replace_a_list(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 3, 1);
    assert_true(rank_at(&f, 1));
    assert_true(store.propensities[9] > 0 && store.propensities[19] > 0);
    for (int64_t position = 2; position < 100; position++) /* versions whose draws differ */
        assert_false(rank_at(&f, position));
    assert_int_equal(store.position, 1);
    end(&f);
}

/* What is in the store must have been drawn with the probabilities of its own version: the rule may not look at what is drawn. So over
 * many versions the draws that are written come as often as their propensities say (chi-square, as test_explore.c does). */
static void draws_that_are_written_come_as_often_as_they_say(void **state)
{
    (void)state;
    struct fixture f;
    static double expected[WORLD_MAX], times[WORLD_MAX];
    memset(expected, 0, sizeof expected);
    memset(times, 0, sizeof times);
    begin(&f, 7, 1);
    rank_at(&f, 1);
    for (int64_t position = 2; position < 4000; position++) {
        /* Something happens to the scores now and then: a showing takes off the item shown. */
        if (position % 3 == 0)
            world_show(&f.w, USER, ids_find(f.w.ids, zl_span_of(store.items[0])), 0);
        if (!rank_at(&f, position))
            continue;
        uint32_t items[RANK_EXPLORE_POOL];
        double pi[RANK_EXPLORE_POOL];
        struct zl_version v = {.position = (uint64_t)position, .epoch = 1};
        int n = rank_explore_chances(f.w.r, USER, &v, 10, items, pi);
        for (int i = 0; i < n; i++)
            expected[items[i]] += pi[i];
        times[drawn_at(&f, 10)]++;
    }
    double chi2 = 0, df = -1, written = 0;
    for (int i = 0; i < WORLD_MAX; i++) {
        written += times[i];
        assert_true(expected[i] > 0 || times[i] == 0);
        if (expected[i] < 5)
            continue;
        chi2 += (times[i] - expected[i]) * (times[i] - expected[i]) / expected[i];
        df++;
    }
    print_message("%.0f written, chi2 %.1f, df %.0f\n", written, chi2, df);
    assert_true(written > 300 && written < 3900 && df > 20);
    assert_true(chi2 < df + 5 * sqrt(2 * df));
    end(&f);
}

static void a_drawn_item_that_was_met_does_not_stay(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 5, 1);
    assert_true(rank_at(&f, 1));
    char scored[LIST][16];
    memcpy(scored, store.items, sizeof scored);
    uint32_t drawn = drawn_at(&f, 10);
    world_give(&f.w, ZL_NOT_INTERESTED, USER, drawn);
    assert_true(rank_at(&f, 2));
    assert_int_not_equal(drawn_at(&f, 10), drawn);
    assert_int_not_equal(drawn_at(&f, 20), drawn);
    assert_memory_equal(scored, store.items, 9 * sizeof scored[0]); /* it was for the draw alone */
    end(&f);
}

static void another_item_by_score_replaces_the_list(void **state)
{
    (void)state;
    for (int slots = 0; slots < 2; slots++) {
        struct fixture f;
        begin(&f, 9, slots);
        assert_true(rank_at(&f, 1));
        assert_false(rank_at(&f, 2));
        uint32_t first = ids_find(f.w.ids, zl_span_of(store.items[0]));
        world_give(&f.w, ZL_WATCH, USER, first);
        assert_true(rank_at(&f, 3));
        assert_int_equal(store.position, 3);
        assert_int_not_equal(ids_find(f.w.ids, zl_span_of(store.items[0])), first);
        end(&f);
    }
}

/* A blocked item that was drawn is not in what is compared; the short list must be filled up all the same. */
static void a_list_that_was_cut_is_written_in_full_again(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 11, 1);
    assert_true(rank_at(&f, 1));
    uint32_t drawn = drawn_at(&f, 10);
    struct zl_item blocked = {.status = ZL_ITEM_BLOCKED, .published_at_ms = -1};
    catalog_put(f.catalog, drawn, &blocked, ZL_NO_INDEX);
    f.w.served[drawn] = 0;
    publish_cut(f.p);
    assert_int_equal(publish_due(f.p, 0, true, INT64_MAX), 1);
    assert_int_equal(store.n_lists, 3); /* at once without the item, then ranked */
    assert_int_equal(store.n, LIST);
    assert_int_not_equal(drawn_at(&f, 10), drawn);
    assert_int_not_equal(drawn_at(&f, 20), drawn);
    end(&f);
}

/* A turn in which another item is taken down. */
static void turn_with_a_block(struct fixture *f, uint32_t item)
{
    struct zl_item blocked = {.status = ZL_ITEM_BLOCKED, .published_at_ms = -1};
    catalog_put(f->catalog, item, &blocked, ZL_NO_INDEX);
    f->w.served[item] = 0;
    publish_cut(f->p);
    publish_due(f->p, 0, true, 0);
    publish_exchange(f->p, 0);
}

static void items_taken_down_all_the_time_do_not_keep_the_last_user_waiting(void **state)
{
    (void)state;
    struct fixture f;
    scan = 1;
    begin(&f, 12, 0);
    for (uint32_t u = 0; u < WORLD_USERS; u++) {
        publish_mark(f.p, u, 0, 0, 0);
        publish_due(f.p, 0, true, INT64_MAX);
        publish_exchange(f.p, 0);
    }
    assert_int_equal(store.users, (1U << WORLD_USERS) - 1);
    uint32_t last_users =
        ids_find(f.w.ids, zl_span_of(store.items[0])); /* on the list just written */
    store.users = 0;
    turn_with_a_block(&f, last_users);
    for (uint32_t turn = 0, item = 0; turn < WORLD_USERS; turn++, item++)
        turn_with_a_block(&f, item == last_users ? ++item : item);
    assert_true(store.users >> (WORLD_USERS - 1));
    end(&f);
    scan = 100;
}

/* Whose lists are written after a new connection, a bit a user. */
static unsigned connected_anew(uint32_t users_a_turn)
{
    struct fixture f;
    scan = users_a_turn;
    begin(&f, 13, 0);
    *zl_positions_get(&f.positions, ZL_TOPIC_EVENTS, 0) =
        (struct zl_position){.topic = ZL_TOPIC_EVENTS, .next = 1, .log_ms = WORLD_NOW};
    publish_mark_active(f.p);
    while (publish_next_ns(f.p) == 0) {
        publish_due(f.p, 0, true, INT64_MAX);
        publish_exchange(f.p, 0);
    }
    end(&f);
    scan = 100;
    return store.users;
}

static void everyone_active_is_due_after_a_new_connection_however_few_a_turn(void **state)
{
    (void)state;
    unsigned expected = connected_anew(100);
    assert_true(expected >> 10); /* there is more than a slice */
    assert_int_equal(connected_anew(3), expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_draws_alone_do_not_replace_a_list),
        cmocka_unit_test(draws_that_are_written_come_as_often_as_they_say),
        cmocka_unit_test(a_drawn_item_that_was_met_does_not_stay),
        cmocka_unit_test(another_item_by_score_replaces_the_list),
        cmocka_unit_test(a_list_that_was_cut_is_written_in_full_again),
        cmocka_unit_test(items_taken_down_all_the_time_do_not_keep_the_last_user_waiting),
        cmocka_unit_test(everyone_active_is_due_after_a_new_connection_however_few_a_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
