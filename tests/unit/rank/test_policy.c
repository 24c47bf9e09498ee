/* Stands for src/rank/policy.c, rules.c and likeness.c: no list breaks a rule, whatever the numbers. */
#include "policy_world.h"

#include <math.h>

#define LIST 20

static int random_list(struct rng *r, int n_items)
{
    return 1 + (int)rng_below(r, n_items < 60 ? (uint32_t)n_items + 5 : 60);
}

static struct rank_policy random_policy(struct rng *r)
{
    struct rank_policy p = rank_policy_neutral();
    p.mmr = rng_below(r, 3) ? 0 : 3 * rng_uniform(r);
    p.explore.slots = (int)rng_below(r, 3);
    p.explore.per = 4 + (int)rng_below(r, 20);
    p.explore.floor = 0.1;
    p.category.most = (int)rng_below(r, 5);
    p.category.within = (int)rng_below(r, 12);
    p.courses.most = (int)rng_below(r, 6) - 1;
    p.courses.least = p.courses.most > 0 ? (int)rng_below(r, (uint32_t)p.courses.most + 1) : 0;
    p.courses.distance = (int)rng_below(r, 6);
    p.fresh.most = (int)rng_below(r, 4);
    p.fresh.every = 1 + (int)rng_below(r, 12);
    p.fresh.age_ms = 3600000;
    return p;
}

static bool is_course(const struct world *w, uint32_t item)
{
    return w->facts[item].course != ZL_NO_INDEX;
}

static void check_categories(const struct world *w, const struct rank_policy *p,
                             const struct zl_slate *s)
{
    int within = p->category.within ? p->category.within : s->n;
    for (int from = 0; p->category.most && from < s->n; from++) {
        int n[5] = {0};
        for (int i = from; i < s->n && i < from + within; i++)
            n[w->facts[s->items[i]].category]++;
        for (int c = 1; c < 5; c++) /* 0: none, which is no category */
            assert_true(n[c] <= p->category.most);
    }
}

static void check_courses(const struct world *w, const struct rank_policy *p,
                          const struct zl_slate *s)
{
    int n = 0, last = -1000;
    for (int i = 0; i < s->n; i++) {
        if (!is_course(w, s->items[i]))
            continue;
        assert_true(i - last >= p->courses.distance);
        last = i;
        n++;
    }
    assert_true(p->courses.most < 0 || n <= p->courses.most);
}

static void check_items(const struct world *w, const struct zl_slate *s)
{
    for (int i = 0; i < s->n; i++) {
        assert_true(w->served[s->items[i]] && !world_seen(w, s->user, s->items[i]));
        for (int j = 0; j < i; j++)
            assert_int_not_equal(s->items[i], s->items[j]);
        if (s->slots[i] != ZL_SLOT_FRESH)
            continue;
        assert_true(w->facts[s->items[i]].published_ms == WORLD_NOW - 1000);
        assert_true(model_item_positives(w->m, s->items[i]) <= RANK_COLD);
    }
}

static void no_list_breaks_a_rule(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rng r = rng_at(seed, 0, 0, 0);
        struct rank_policy p = random_policy(&r);
        int n_items = 20 + (int)rng_below(&r, 680);
        struct world w;
        print_message("SEED %llu\n", (unsigned long long)seed);
        world_open(&w, seed, n_items, random_list(&r, n_items), &p);
        for (uint32_t u = 0; u < WORLD_USERS; u++) {
            struct zl_slate s;
            struct zl_version v = world_version(rng_next(&r));
            rank_users(w.r, &u, &v, 1, &s);
            check_items(&w, &s);
            check_categories(&w, &p, &s);
            check_courses(&w, &p, &s);
        }
        world_close(&w);
    }
}

static void list_under(uint64_t seed, const struct rank_policy *p, uint32_t user, int n,
                       struct world *w, struct zl_slate *s)
{
    world_open(w, seed, 400, n, p);
    rank_users(w->r, &user, NULL, 1, s);
}

static int courses_on(const struct world *w, const struct zl_slate *s)
{
    int n = 0;
    for (int i = 0; i < s->n; i++)
        n += is_course(w, s->items[i]);
    return n;
}

static void the_least_number_of_courses_is_kept_at_a_distance(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rank_policy p = rank_policy_neutral();
        p.courses.least = 5;
        p.courses.distance = 4;
        p.explore.slots = seed % 2 ? 1 : 0;
        p.explore.per = 10;
        struct world w;
        struct zl_slate s;
        struct zl_version v = world_version(seed);
        uint32_t user = (uint32_t)seed % WORLD_USERS;
        list_under(seed, &p, user, LIST, &w, &s);
        rank_users(w.r, &user, &v, 1, &s);
        assert_int_equal(s.n, LIST);
        assert_true(courses_on(&w, &s) >= 5);
        check_courses(&w, &p, &s);
        world_close(&w);
    }
}

static bool is_fresh(const struct world *w, uint32_t item)
{
    return w->facts[item].published_ms == WORLD_NOW - 1000 &&
           model_item_positives(w->m, item) <= RANK_COLD;
}

static void the_quota_lifts_as_many_fresh_items_as_it_says(void **state)
{
    (void)state;
    int lifted = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rank_policy p = rank_policy_neutral();
        p.fresh.most = 3;
        p.fresh.every = 6;
        p.fresh.age_ms = 3600000;
        struct world w;
        struct zl_slate s;
        list_under(seed, &p, 3, LIST, &w, &s);
        int fresh = 0;
        for (int i = 0; i < LIST; i++) {
            fresh += is_fresh(&w, s.items[i]);
            assert_true(i + 1 < 3 || fresh >= 1);
            assert_true(i + 1 < 9 || fresh >= 2);
            assert_true(i + 1 < 15 || fresh >= 3);
            lifted += s.slots[i] == ZL_SLOT_FRESH;
        }
        world_close(&w);
    }
    assert_true(lifted > 20);
}

static void weight_zero_is_no_mmr_and_a_large_one_spreads(void **state)
{
    (void)state;
    double close[2] = {0};
    for (int round = 0; round < 2; round++) {
        struct rank_policy p = rank_policy_neutral();
        p.mmr = round ? 50 : 0;
        p.category.most = round ? 0 : LIST; /* the long way round, with a rule that never binds */
        struct world w;
        struct zl_slate s;
        list_under(4, &p, 2, LIST, &w, &s);
        uint32_t items[LIST];
        memcpy(items, s.items, sizeof items);
        for (int i = 0; i < LIST; i++)
            for (int j = 0; j < i; j++) {
                float a[16], b[16], bias;
                double dot = 0, aa = 0, bb = 0;
                model_item_output(w.m, items[i], a, &bias);
                model_item_output(w.m, items[j], b, &bias);
                for (int k = 0; k < 16; k++) {
                    dot += (double)a[k] * (double)b[k];
                    aa += (double)a[k] * (double)a[k];
                    bb += (double)b[k] * (double)b[k];
                }
                close[round] += dot / sqrt(aa * bb);
            }
        world_close(&w);
        if (round)
            continue;
        struct rank_policy none = rank_policy_neutral();
        list_under(4, &none, 2, LIST, &w, &s);
        assert_memory_equal(items, s.items, sizeof items);
        world_close(&w);
    }
    print_message("sum of cosines %.2f without, %.2f with MMR\n", close[0], close[1]);
    assert_true(close[1] < close[0] - 10);
}

/* Greedy from its formula, in double over floats: which item stands at each place. */
static void mmr_is_its_formula(void **state)
{
    (void)state;
    struct rank_policy none = rank_policy_neutral(), p = none;
    struct world w;
    struct zl_slate s;
    float score[WORLD_MAX], q[WORLD_MAX][16], bias;
    p.mmr = 1.5;
    list_under(6, &none, 2, 300, &w, &s); /* everybody, with scores */
    for (int i = 0; i < WORLD_MAX; i++)
        score[i] = -INFINITY;
    for (int i = 0; i < s.n; i++)
        score[s.items[i]] = s.scores[i];
    int n_all = s.n;
    assert_true(n_all > 200);
    world_close(&w);
    list_under(6, &p, 2, LIST, &w, &s);
    for (uint32_t i = 0; i < 400; i++) {
        double length = 0;
        model_item_output(w.m, i, q[i], &bias);
        for (int k = 0; k < 16; k++)
            length += (double)q[i][k] * (double)q[i][k];
        for (int k = 0; k < 16; k++)
            q[i][k] /= (float)sqrt(length);
    }
    for (int place = 0; place < LIST; place++) {
        double best = -INFINITY, mine = 0;
        for (uint32_t i = 0; i < 400; i++) {
            double alike = place ? -1 : 0;
            bool there = false;
            for (int j = 0; j < place; j++) {
                double dot = 0;
                for (int k = 0; k < 16; k++)
                    dot += (double)q[i][k] * (double)q[s.items[j]][k];
                alike = fmax(alike, dot);
                there |= s.items[j] == i;
            }
            double worth = there ? (double)-INFINITY : (double)score[i] - 1.5 * alike;
            best = fmax(best, worth);
            mine = i == s.items[place] ? worth : mine;
        }
        assert_true(mine >= best - 1e-4); /* float scores of about 10 */
    }
    world_close(&w);
}

static void a_rule_passes_over_the_better_item_and_says_so(void **state)
{
    (void)state;
    struct rank_policy p = rank_policy_neutral();
    struct world w;
    struct zl_slate s;
    p.courses.most = 0;
    list_under(9, &p, 2, LIST, &w, &s);
    int moved = 0;
    for (int i = 0; i < s.n; i++) {
        assert_false(is_course(&w, s.items[i]));
        moved += s.slots[i] == ZL_SLOT_MOVED;
    }
    assert_true(moved > 0);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_list_breaks_a_rule),
        cmocka_unit_test(the_least_number_of_courses_is_kept_at_a_distance),
        cmocka_unit_test(the_quota_lifts_as_many_fresh_items_as_it_says),
        cmocka_unit_test(weight_zero_is_no_mmr_and_a_large_one_spreads),
        cmocka_unit_test(mmr_is_its_formula),
        cmocka_unit_test(a_rule_passes_over_the_better_item_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
