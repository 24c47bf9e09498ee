/* Stands for src/rank/rank.c and pack.c: the list against a slow plain version, and what may never be in it. */
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
#include "base/vec.h"
#include "model/model.h"
#include "rank/rank.h"
#include "support/copied_rows.h"
#include "support/small_model.h"

#define N_ITEMS 333 /* not a multiple of a panel, all candidates */
#define N_USERS 21
#define LIST 20

struct world {
    struct model *m;
    struct rank *r;
    struct ids *ids;
    uint8_t served[1024];
};

static void give(struct world *w, enum zl_event_type type, uint32_t user, uint32_t item,
                 int64_t offset)
{
    struct zl_event ev = {.from = {.offset = offset},
                          .type = type,
                          .user = user,
                          .item = item,
                          .course = ZL_NO_INDEX,
                          .outcome = ZL_COUNTED,
                          .weight = 1,
                          .at_ms = 1000 + offset * 7000,
                          .reward_micro = type == ZL_LIKE ? 1000000 : 0};
    model_batch(w->m, &ev, 1, NULL, NULL);
}

static struct world make_world(uint64_t seed)
{
    struct world w = {0};
    struct zl_error err;
    struct model_config mc = small_model_config(100, 1024, 32, seed);
    small_model_forgets(&mc, 1000, 100, 10);
    mc.kappa = 1;
    assert_int_equal(model_open(&mc, &w.m, &err), ZL_OK);
    assert_int_equal(ids_open(ROWS_ITEM_IDS, "items", 1024, &w.ids, &err), ZL_OK);
    for (int i = 0; i < N_ITEMS; i++) {
        char id[16];
        snprintf(id, sizeof id, "v%d", (i * 7919) % 1000); /* byte order is not index order */
        ids_intern(w.ids, zl_span_of(id));
        model_know_item(w.m, (uint32_t)i);
    }
    return w;
}

static void open_world_with(uint64_t seed, double impression_penalty, struct world *w)
{
    struct zl_error err;
    struct rank_config rc = {
        .n = LIST, .max_items = 1024, .impression_penalty = impression_penalty};
    struct rng r = {seed};
    *w = make_world(seed);
    for (int i = 0; i < N_ITEMS; i++)
        w->served[i] = rng_below(&r, 10) != 0;
    for (int i = 0; i < 2000; i++)
        give(w, rng_below(&r, 4) ? ZL_LIKE : ZL_IMPRESSION, rng_below(&r, N_USERS - 2),
             rng_below(&r, 6) ? rng_below(&r, N_ITEMS) : 5, i);
    give(w, ZL_IMPRESSION, N_USERS - 1, 3, 9999); /* the last two have no history */
    assert_int_equal(rank_open(&rc, w->m, w->served, w->ids, &w->r, &err), ZL_OK);
}

static void open_world(uint64_t seed, struct world *w)
{
    open_world_with(seed, 0.25, w);
}

static void close_world(struct world *w)
{
    rank_close(w->r);
    ids_close(w->ids);
    model_close(w->m);
}

static bool seen(const struct world *w, uint32_t user, uint32_t item)
{
    uint32_t n;
    const uint32_t *s = model_seen(w->m, user, &n);
    for (uint32_t i = 0; i < n; i++)
        if (s[i] == item)
            return true;
    return false;
}

/* All parts from their formulas, in double, over every item: what the mixer should come to (N_ITEMS < RANK_ALL). */
static void plain_scores(const struct world *w, uint32_t user, double *out)
{
    float z[32] = {0}, q[32], b;
    static float sums[1024];
    static uint32_t touched[1024], all[N_ITEMS];
    static float f[MODEL_PARTS * 1024];
    int bucket;
    model_encode(w->m, user, z);
    memset(sums, 0, sizeof sums);
    uint32_t n = model_cooccur(w->m, user, sums, touched), shown_n;
    float total = model_cooccur_damp(w->m, touched, n, sums);
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        model_item_output(w->m, i, q, &b);
        float s = b;
        for (int k = 0; k < 32; k++) {
            volatile float product = z[k] * q[k];
            s += product;
        }
        all[i] = i;
        f[i] = s;
        f[1024 + i] = sums[i];
    }
    model_features(w->m, all, N_ITEMS, total, f, 1024);
    model_newest(w->m, user, all, N_ITEMS, sums, f + MODEL_LIKENESS * 1024,
                 f + MODEL_BACKWARD * 1024);
    const double *weights = model_mixer(w->m, user, &bucket);
    const struct model_impressed *shown = model_impressions(w->m, user, &shown_n);
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        float s = 0;
        for (uint32_t k = 0; k < shown_n; k++)
            if (shown[k].item == i)
                s -= (float)(0.25 * shown[k].times);
        for (int k = 0; k < MODEL_PARTS; k++) {
            volatile float product = (float)weights[k] * f[k * 1024 + (int)i];
            s += product;
        }
        out[i] = (double)s;
    }
}

static double scored[N_ITEMS];

static const struct world *sorting;

static int by_score(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    double sx = scored[x], sy = scored[y];
    if (sx != sy)
        return sx > sy ? -1 : 1;
    return zl_span_compare(ids_name(sorting->ids, x), ids_name(sorting->ids, y));
}

static int plain_list(const struct world *w, uint32_t user, uint32_t *out)
{
    int n = 0;
    for (uint32_t i = 0; i < N_ITEMS; i++)
        if (w->served[i] && !seen(w, user, i))
            out[n++] = i;
    sorting = w;
    plain_scores(w, user, scored);
    qsort(out, (size_t)n, sizeof *out, by_score);
    return n < LIST ? n : LIST;
}

static void lists_equal_the_plain_sort_exactly(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct world w;
        open_world(seed, &w);
        for (uint32_t u = 0; u < N_USERS; u++) {
            struct zl_slate s;
            uint32_t expected[N_ITEMS];
            int n = plain_list(&w, u, expected);
            rank_users(w.r, &u, NULL, 1, &s);
            assert_int_equal(s.n, n);
            assert_memory_equal(s.items, expected, (size_t)n * sizeof *expected);
        }
        close_world(&w);
    }
}

static void a_list_does_not_depend_on_who_is_ranked_beside(void **state)
{
    (void)state;
    struct world w;
    open_world(9, &w);
    for (uint32_t u = 0; u + RANK_BLOCK <= N_USERS; u++) {
        uint32_t users[RANK_BLOCK], alone_items[LIST];
        float alone_scores[LIST];
        struct zl_slate slates[RANK_BLOCK], alone;
        for (uint32_t i = 0; i < RANK_BLOCK; i++)
            users[i] = u + i;
        rank_users(w.r, &users[3], NULL, 1, &alone);
        memcpy(alone_items, alone.items, sizeof alone_items);
        memcpy(alone_scores, alone.scores, sizeof alone_scores);
        rank_users(w.r, users, NULL, RANK_BLOCK, slates);
        assert_memory_equal(slates[3].items, alone_items, sizeof alone_items);
        assert_memory_equal(slates[3].scores, alone_scores, sizeof alone_scores);
    }
    close_world(&w);
}

static void what_is_learned_after_packing_is_ranked_with(void **state)
{
    (void)state;
    struct world w;
    struct zl_slate s;
    open_world(4, &w);
    uint32_t user = 2, expected[N_ITEMS];
    rank_users(w.r, &user, NULL, 1, &s);
    for (int i = 0; i < 50; i++)
        give(&w, ZL_LIKE, (uint32_t)i % 10, (uint32_t)(i * 3) % N_ITEMS, 100000 + i);
    int n = plain_list(&w, user, expected);
    rank_users(w.r, &user, NULL, 1, &s);
    assert_int_equal(s.n, n);
    assert_memory_equal(s.items, expected, (size_t)n * sizeof *expected);
    close_world(&w);
}

static void the_rank_of_an_item_is_its_place_among_all(void **state)
{
    (void)state;
    struct world w;
    open_world_with(5, 0, &w); /* what was shown counts for lists only */
    for (uint32_t u = 0; u < N_USERS; u++) {
        struct zl_slate s;
        rank_users(w.r, &u, NULL, 1, &s);
        for (int i = 0; i < s.n; i++) {
            struct rank_result result;
            rank_of(w.r, u, s.items[i], &result);
            double place = result.ranks[RANK_MIX];
            assert_true(place >= 1 && place <= LIST + N_ITEMS / 2.0);
            bool tied = (i > 0 && s.scores[i - 1] == s.scores[i]) ||
                        (i + 1 < s.n && s.scores[i + 1] == s.scores[i]);
            if (!tied && i + 1 < s.n)
                assert_true(place == i + 1);
        }
    }
    uint32_t user = 1, n;
    const uint32_t *met = model_seen(w.m, user, &n);
    struct rank_result result;
    rank_of(w.r, user, met[0], &result);
    assert_true(result.ranks[RANK_MIX] == 0);
    rank_of(w.r, user, N_ITEMS + 5, &result);
    assert_true(result.ranks[RANK_MIX] == 0 && result.ranks[RANK_CORE] == 0);
    close_world(&w);
}

#define MANY (RANK_ALL + 300) /* more than are candidates as a whole */

static void add_items(struct world *w)
{
    for (uint32_t i = N_ITEMS; i < MANY; i++) {
        char id[16];
        snprintf(id, sizeof id, "w%u", i);
        assert_int_equal(ids_intern(w->ids, zl_span_of(id)), i);
        model_know_item(w->m, i);
        w->served[i] = 1;
    }
}

/* Mixer and all: nothing that learning looks at may live outside the rows, not even an order. */
static void learning_goes_on_from_copied_rows_to_the_same_bytes(void **state)
{
    (void)state;
    struct world a, b;
    open_world(31, &a);
    open_world(31, &b);
    add_items(&a);
    add_items(&b);
    struct rng r = {77};
    for (int i = 0; i < 600; i++) {
        struct zl_event ev = {.from = {.offset = 50000 + i},
                              .type = i % 4 ? ZL_LIKE : ZL_IMPRESSION,
                              .user = rng_below(&r, 60),
                              .item = rng_below(&r, MANY),
                              .course = ZL_NO_INDEX,
                              .outcome = ZL_COUNTED,
                              .weight = 1,
                              .at_ms = 900000000 + i * 2000000LL,
                              .reward_micro = i % 4 ? 1000000 : 0};
        rank_learn_mix(a.r, &ev);
        model_batch(a.m, &ev, 1, NULL, NULL);
        if (i == 300)
            copy_model_rows(a.m, b.m);
        model_loaded(b.m);
        if (i <= 300)
            continue;
        ev.outcome = ZL_COUNTED;
        rank_learn_mix(b.r, &ev);
        model_batch(b.m, &ev, 1, NULL, NULL);
    }
    assert_int_equal(model_digest(a.m), model_digest(b.m));
    close_world(&a);
    close_world(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learning_goes_on_from_copied_rows_to_the_same_bytes),
        cmocka_unit_test(lists_equal_the_plain_sort_exactly),
        cmocka_unit_test(a_list_does_not_depend_on_who_is_ranked_beside),
        cmocka_unit_test(what_is_learned_after_packing_is_ranked_with),
        cmocka_unit_test(the_rank_of_an_item_is_its_place_among_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
