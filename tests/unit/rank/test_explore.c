/* Stands for src/rank/explore.c: is what is drawn drawn with the probability that the list says? */
#include "policy_world.h"

#include <math.h>

#include "rank/explore.h"

#define LIST 20
#define DRAWS 20000

static struct rank_policy exploring(int slots, int per)
{
    struct rank_policy p = rank_policy_neutral();
    p.explore.slots = slots;
    p.explore.per = per;
    p.explore.uncertainty = 1;
    p.explore.floor = 0.1;
    return p;
}

/* Showings by chance that make the posteriors differ. */
static void teach(struct world *w)
{
    for (uint32_t i = 0; i < 200; i++) {
        world_show(w, 18, i % (uint32_t)w->n_items, 0.1);
        if (i % 5 == 0)
            world_give(w, ZL_LIKE, 18, i % (uint32_t)w->n_items);
        model_forget(w->m, 18);
    }
}

static void places_are_the_last_of_each_full_block(void **state)
{
    (void)state;
    struct rank_policy p = exploring(1, 20);
    assert_int_equal(explore_open_places(&p, 50), 2);
    assert_true(explore_is_open(&p, 50, 20) && explore_is_open(&p, 50, 40));
    assert_false(explore_is_open(&p, 50, 50));
    assert_true(explore_is_open(&p, 10, 10)); /* half a block is enough for a short list */
    assert_int_equal(explore_open_places(&p, 10), 1);
    assert_int_equal(explore_open_places(&p, 9), 0);
    p = exploring(2, 5);
    assert_int_equal(explore_open_places(&p, 20), 8);
    assert_true(explore_is_open(&p, 20, 4) && explore_is_open(&p, 20, 5));
    assert_false(explore_is_open(&p, 20, 3));
    p = exploring(0, 20);
    assert_int_equal(explore_open_places(&p, 50), 0);
}

static void the_same_version_draws_the_same_and_another_one_another(void **state)
{
    (void)state;
    struct rank_policy p = exploring(1, 10);
    struct world w;
    world_open(&w, 3, 300, LIST, &p);
    int different = 0;
    for (uint32_t u = 0; u < WORLD_USERS; u++) {
        uint32_t items[LIST];
        double pi[LIST];
        struct zl_slate s;
        struct zl_version v = world_version(77), other = world_version(78);
        rank_users(w.r, &u, &v, 1, &s);
        assert_int_equal(s.n, LIST);
        memcpy(items, s.items, sizeof items);
        memcpy(pi, s.propensities, sizeof pi);
        rank_users(w.r, &u, &other, 1, &s);
        different += memcmp(items, s.items, sizeof items) != 0;
        rank_users(w.r, &u, &v, 1, &s);
        assert_memory_equal(items, s.items, sizeof items);
        assert_memory_equal(pi, s.propensities, sizeof pi);
    }
    assert_true(different > WORLD_USERS / 2);
    world_close(&w);
}

/* Also of users who are new or opted out: their lists are explored as everybody's. */
static void drawn_items_are_served_not_met_and_on_the_list_once(void **state)
{
    (void)state;
    struct rank_policy p = exploring(2, 5);
    struct world w;
    world_open(&w, 5, 700, LIST, &p); /* more than RANK_ALL: the newest are added */
    model_set_opt_out(w.m, 1, true);
    int never_chosen = 0;
    for (uint32_t u = 0; u < WORLD_USERS; u++) {
        struct zl_slate s;
        struct zl_version v = world_version(u);
        rank_users(w.r, &u, &v, 1, &s);
        int drawn = 0;
        for (int i = 0; i < s.n; i++) {
            assert_int_equal(s.propensities[i] > 0, s.slots[i] == ZL_SLOT_EXPLORED);
            assert_true(w.served[s.items[i]] && !world_seen(&w, u, s.items[i]));
            for (int j = 0; j < i; j++)
                assert_int_not_equal(s.items[i], s.items[j]);
            drawn += s.propensities[i] > 0;
            never_chosen += s.propensities[i] > 0 && model_item_positives(w.m, s.items[i]) == 0;
        }
        assert_int_equal(drawn, 8);
    }
    print_message("never chosen: %d of 160 drawn\n", never_chosen);
    assert_true(never_chosen > 10);
    world_close(&w);
}

static void what_is_not_drawn_is_the_list_without_exploration(void **state)
{
    (void)state;
    struct rank_policy p = exploring(1, 10);
    struct world w;
    world_open(&w, 8, 300, LIST, &p);
    for (uint32_t u = 0; u < WORLD_USERS; u++) {
        uint32_t plain[LIST];
        struct zl_slate s;
        struct zl_version v = world_version(9);
        rank_users(w.r, &u, NULL, 1, &s);
        memcpy(plain, s.items, sizeof plain);
        for (int i = 0; i < s.n; i++)
            assert_true(s.propensities[i] == 0);
        rank_users(w.r, &u, &v, 1, &s);
        int at = 0;
        for (int i = 0; i < s.n; i++)
            if (s.propensities[i] == 0)
                assert_int_equal(s.items[i], plain[at++]);
        assert_int_equal(at, LIST - 2);
    }
    world_close(&w);
}

static void propensities_sum_to_one_and_are_what_the_list_says(void **state)
{
    (void)state;
    struct rank_policy p = exploring(1, 10);
    struct world w;
    world_open(&w, 13, 300, LIST, &p);
    teach(&w);
    for (uint32_t u = 0; u < WORLD_USERS; u++) {
        struct zl_slate s;
        struct zl_version v = world_version(u);
        rank_users(w.r, &u, &v, 1, &s);
        uint32_t items[LIST];
        double pi[LIST];
        memcpy(items, s.items, sizeof items);
        memcpy(pi, s.propensities, sizeof pi);
        for (int place = 1; place <= LIST; place++)
            assert_true(rank_explore_propensity(w.r, u, &v, items[place - 1], place) ==
                        pi[place - 1]);
        for (int place = 10; place <= LIST; place += 10) {
            double sum = 0;
            for (int i = 0; i < w.n_items; i++)
                sum += rank_explore_propensity(w.r, u, &v, (uint32_t)i, place);
            assert_true(fabs(sum - 1) < 1e-12);
        }
        assert_true(rank_explore_propensity(w.r, u, &v, items[9], 9) == 0);  /* place by score */
        assert_true(rank_explore_propensity(w.r, u, &v, items[0], 10) == 0); /* on the list */
        assert_true(rank_explore_propensity(w.r, u, &v, items[9], 20) == 0); /* drawn before */
    }
    world_close(&w);
}

/* Chi-square of DRAWS versions against pi of the first place, cells of at least 5 expected. For df degrees of freedom its mean is df and its
 * deviation sqrt(2 df): five deviations are never reached by chance (p about 1e-6). */
/* An impression that says more is refused at the door as out_of_range. */
static void a_propensity_is_never_above_1_whatever_was_rounded(void **state)
{
    (void)state;
    struct rng r = {11};
    for (int i = 0; i < 10000; i++) {
        struct explore_pool pool = {.n = 2, .floor = 0.1}; /* 0.9 + 0.1 is rounded often */
        uint8_t allowed[] = {(uint8_t)(i & 1), 1};
        double pi[EXPLORE_POOL];
        pool.weights[0] = 1e-9 * rng_uniform(&r);
        pool.weights[1] = rng_uniform(&r);
        assert_int_equal(explore_chances(&pool, allowed, pi), 1 + (i & 1));
        assert_true(pi[0] <= 1 && pi[1] <= 1);
    }
}

static void draws_come_as_often_as_their_propensity_says(void **state)
{
    (void)state;
    struct rank_policy p = exploring(1, 20);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct world w;
        static int times[WORLD_MAX];
        print_message("SEED %llu\n", (unsigned long long)seed);
        world_open(&w, seed, 300, LIST, &p);
        teach(&w);
        memset(times, 0, sizeof times);
        uint32_t user = 4;
        for (int i = 0; i < DRAWS; i++) {
            struct zl_slate s;
            struct zl_version v = world_version((uint64_t)i);
            rank_users(w.r, &user, &v, 1, &s);
            times[s.items[LIST - 1]]++;
        }
        double chi2 = 0, df = -1;
        struct zl_version v = world_version(0);
        for (int i = 0; i < w.n_items; i++) {
            double expected = DRAWS * rank_explore_propensity(w.r, user, &v, (uint32_t)i, LIST);
            assert_true(expected > 0 || times[i] == 0);
            if (expected < 5)
                continue;
            chi2 += (times[i] - expected) * (times[i] - expected) / expected;
            df++;
        }
        print_message("chi2 %.1f, df %.0f\n", chi2, df);
        assert_true(df >= 30);
        assert_true(chi2 < df + 5 * sqrt(2 * df));
        world_close(&w);
    }
}

static double chance_of(struct world *w, uint32_t user, uint32_t item)
{
    struct zl_version v = world_version(1);
    return rank_explore_propensity(w->r, user, &v, item, LIST);
}

static void showings_that_brought_much_make_an_item_likelier(void **state)
{
    (void)state;
    struct rank_policy p = exploring(1, 20);
    struct world w;
    struct zl_slate s;
    world_open(&w, 21, 300, LIST, &p);
    uint32_t user = 2, good = ZL_NO_INDEX, bad = ZL_NO_INDEX;
    rank_users(w.r, &user, NULL, 1, &s);
    for (uint32_t i = 200; i < 300; i++)
        if (chance_of(&w, user, i) > 0) {
            bad = good;
            good = i;
        }
    assert_true(bad != ZL_NO_INDEX);
    double good_before = chance_of(&w, user, good), bad_before = chance_of(&w, user, bad);
    for (uint32_t u = 30; u < 60; u++) {
        world_show(&w, u, good, 0.1);
        world_show(&w, u, bad, 0.1);
        world_give(&w, ZL_LIKE, u, good);
    }
    double shown, reward;
    model_explored(w.m, good, &shown, &reward);
    assert_true(shown > 28 && shown <= 30 && reward > 28 && reward <= 30);
    model_explored(w.m, bad, &shown, &reward);
    assert_true(shown > 28 && reward == 0);
    assert_true(chance_of(&w, user, good) == 0 || chance_of(&w, user, good) > good_before);
    assert_true(chance_of(&w, user, bad) < bad_before);
    world_close(&w);
}

static void only_a_showing_by_chance_is_remembered_as_one(void **state)
{
    (void)state;
    struct rank_policy p = exploring(1, 20);
    struct world w;
    double shown, reward;
    world_open(&w, 22, 100, LIST, &p);
    world_show(&w, 40, 90, 0);
    world_give(&w, ZL_LIKE, 40, 90);
    model_explored(w.m, 90, &shown, &reward);
    assert_true(shown == 0 && reward == 0);
    world_show(&w, 41, 90,
               0.5); /* a second reward of the session adds what is new of it, here nothing */
    world_give(&w, ZL_LIKE, 41, 90);
    world_give(&w, ZL_LIKE, 41, 90);
    model_explored(w.m, 90, &shown, &reward);
    assert_true(shown == 1 && reward == 1);
    world_give(&w, ZL_IMPRESSION, 42, 90);
    world_give(&w, ZL_LIKE, 42, 90);
    model_set_opt_out(w.m, 43, true); /* nothing is learned from these, not even this */
    world_show(&w, 43, 90, 0.5);
    model_explored(w.m, 90, &shown, &reward);
    assert_true(shown == 1 && reward == 1);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_the_last_of_each_full_block),
        cmocka_unit_test(the_same_version_draws_the_same_and_another_one_another),
        cmocka_unit_test(drawn_items_are_served_not_met_and_on_the_list_once),
        cmocka_unit_test(what_is_not_drawn_is_the_list_without_exploration),
        cmocka_unit_test(propensities_sum_to_one_and_are_what_the_list_says),
        cmocka_unit_test(a_propensity_is_never_above_1_whatever_was_rounded),
        cmocka_unit_test(draws_come_as_often_as_their_propensity_says),
        cmocka_unit_test(showings_that_brought_much_make_an_item_likelier),
        cmocka_unit_test(only_a_showing_by_chance_is_remembered_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
