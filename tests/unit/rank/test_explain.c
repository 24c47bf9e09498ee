/* Stands for src/rank/explain.c and src/model/reasons.c. */
#include "policy_world.h"

#include <math.h>

#include "rank/explain.h"

#define LIST 20

static struct rank_policy some_policy(void)
{
    struct rank_policy p = rank_policy_neutral();
    p.explore.slots = 1;
    p.explore.per = 10;
    p.explore.floor = 0.1;
    p.category.most = 3;
    p.category.within = 6;
    return p;
}

static void it_is_the_list_that_is_served_and_its_parts_add_up(void **state)
{
    (void)state;
    struct rank_policy p = some_policy();
    struct world w;
    world_open(&w, 17, 300, LIST, &p);
    int moved = 0;
    for (uint32_t u = 0; u < WORLD_USERS; u++) {
        struct zl_slate s;
        struct zl_version v = world_version(u);
        static struct rank_explained x[ZL_MAX_LIST];
        int n = rank_explain(w.r, u, &v, x, ZL_MAX_LIST);
        rank_users(w.r, &u, &v, 1, &s);
        assert_int_equal(n, s.n);
        for (int i = 0; i < n; i++) {
            assert_int_equal(x[i].item, s.items[i]);
            assert_int_equal(x[i].slot, s.slots[i]);
            assert_true(x[i].propensity == s.propensities[i] && x[i].score == s.scores[i]);
            double sum = (double)x[i].conversion - (double)x[i].penalty;
            for (int k = 0; k < MODEL_PARTS; k++)
                sum += (double)x[i].parts[k];
            assert_true(fabs(sum - (double)x[i].score) < 1e-4); /* floats of about 10 */
            assert_int_equal(x[i].passed != ZL_NO_INDEX, x[i].slot == ZL_SLOT_MOVED);
            moved += x[i].slot == ZL_SLOT_MOVED;
        }
    }
    assert_true(moved > 0);
    world_close(&w);
}

static void the_reasons_add_up_to_the_core(void **state)
{
    (void)state;
    struct rank_policy p = some_policy();
    struct world w;
    world_open(&w, 18, 100, LIST, &p);
    for (uint32_t item = 0; item < 50; item++) {
        struct model_reason all[MODEL_MAX_HISTORY];
        float z[16], q[16], b;
        double sum = 0, core = 0;
        int n = model_reasons(w.m, 3, item, all, MODEL_MAX_HISTORY);
        assert_true(model_encode(w.m, 3, z) && n > 0);
        model_item_output(w.m, item, q, &b);
        for (int i = 0; i < n; i++) {
            sum += (double)all[i].core;
            assert_true(i == 0 || all[i].core <= all[i - 1].core);
        }
        for (int k = 0; k < 16; k++)
            core += (double)z[k] * (double)q[k];
        assert_true(fabs(sum - core) < 1e-4);
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_list_that_is_served_and_its_parts_add_up),
        cmocka_unit_test(the_reasons_add_up_to_the_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
