/* Stands for src/model/newest.c: what the newest choice says, against the formulas in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/model_priv.h"
#include "support/small_model.h"

#define N_ITEMS 30U
#define N_USERS 12U
#define STRANGER 20U /* never chose anything */

static struct model *taught(void)
{
    struct model_config cfg = small_model_config(64, 64, 16, 3);
    struct model *m;
    struct zl_error err;
    assert_int_equal(model_open(&cfg, &m, &err), ZL_OK);
    struct rng r = rng_at(7, 0, 0, 0);
    for (int64_t i = 0; i < 150; i++)
        small_model_like(m, rng_below(&r, N_USERS), rng_below(&r, N_ITEMS), i);
    return m;
}

struct said {
    float like[N_ITEMS], back[N_ITEMS], sums[64];
};

static struct said ask(struct model *m, uint32_t user)
{
    struct said s = {.like = {7}};
    uint32_t items[N_ITEMS], touched[65];
    for (uint32_t i = 0; i < N_ITEMS; i++)
        items[i] = i;
    model_cooccur(m, user, s.sums, touched);
    model_newest(m, user, items, N_ITEMS, s.sums, s.like, s.back);
    return s;
}

static double dot(const float *a, const float *b)
{
    double sum = 0;
    for (int k = 0; k < 16; k++)
        sum += (double)a[k] * (double)b[k];
    return sum;
}

static void assert_close(float said, double is)
{
    assert_true(fabs((double)said - is) < 1e-4);
}

static double count_of(const struct model *m, uint32_t item)
{
    return exp2(items_stats(&m->items, item)->count - m->decay.now[DECAY_COOCCUR]);
}

static void likeness_is_three_times_the_cosine_to_the_newest_choice(void **state)
{
    (void)state;
    struct model *m = taught();
    for (uint32_t user = 0; user < N_USERS; user++) {
        uint32_t newest = users_row(&m->users, user)->history[0].item;
        const float *h = items_q(&m->items, newest);
        struct said s = ask(m, user);
        for (uint32_t i = 0; i < N_ITEMS; i++) {
            const float *q = items_q(&m->items, i);
            assert_close(s.like[i], 3 * dot(q, h) / sqrt(dot(q, q) * dot(h, h)));
        }
        assert_close(s.like[newest], 3);
    }
    model_close(m);
}

static void backward_is_what_the_newest_followed(void **state)
{
    (void)state;
    struct model *m = taught();
    int n_tied = 0;
    for (uint32_t user = 0; user < N_USERS; user++) {
        uint32_t h = users_row(&m->users, user)->history[0].item;
        struct said s = ask(m, user);
        for (uint32_t i = 0; i < N_ITEMS; i++) {
            double tie = (double)cooccur_weight(&m->cooccur, i, h, m->decay.now[DECAY_COOCCUR]);
            double is = 10 * tie / sqrt((count_of(m, i) + 1) * (count_of(m, h) + 1));
            assert_close(s.back[i], is);
            n_tied += tie > 0;
        }
    }
    assert_in_range(n_tied, 50, N_USERS * N_ITEMS - 1);
    model_close(m);
}

/* a was chosen before h by others, not after it: h points back to a, and less so the other way. */
static void who_came_before_counts_other_than_who_comes_after(void **state)
{
    (void)state;
    struct model_config cfg = small_model_config(64, 64, 16, 3);
    struct model *m;
    struct zl_error err;
    assert_int_equal(model_open(&cfg, &m, &err), ZL_OK);
    for (uint32_t user = 0; user < 5; user++) {
        small_model_like(m, user, 1, 2 * user);
        small_model_like(m, user, 2, 2 * user + 1);
    }
    small_model_like(m, 6, 2, 100);
    small_model_like(m, 7, 1, 101);
    float before = ask(m, 6).back[1], after = ask(m, 7).back[2];
    assert_true(after > 0);
    assert_true(before > 1.5f * after);
    model_close(m);
}

static void nothing_is_said_of_a_user_without_a_history(void **state)
{
    (void)state;
    struct model *m = taught();
    model_set_opt_out(m, 3, true);
    const uint32_t users[] = {STRANGER, 3, ZL_NO_INDEX};
    for (int u = 0; u < 3; u++) {
        struct said s = ask(m, users[u]);
        for (uint32_t i = 0; i < N_ITEMS; i++)
            assert_true(s.like[i] == 0 && s.back[i] == 0);
    }
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(likeness_is_three_times_the_cosine_to_the_newest_choice),
        cmocka_unit_test(backward_is_what_the_newest_followed),
        cmocka_unit_test(who_came_before_counts_other_than_who_comes_after),
        cmocka_unit_test(nothing_is_said_of_a_user_without_a_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
