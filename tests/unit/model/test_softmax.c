/* Stands for the softmax of src/model/learn.c: with every other item drawn once it is the plain one, and logQ is its closed form. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/model_priv.h"
#include "support/small_model.h"

#define K 16
#define N_ITEMS 5
#define WINDOW 15

static struct model *open_model(double kappa, const int counts[N_ITEMS])
{
    struct model_config cfg = small_model_config(8, 64, K, 3);
    small_model_forgets(&cfg, 100, 10, 5);
    cfg.history = 8;
    cfg.negatives = N_ITEMS - 1;
    cfg.window = 16;
    cfg.kappa = kappa;
    struct model *m;
    struct zl_error err;
    assert_int_equal(model_open(&cfg, &m, &err), ZL_OK);
    m->correct.factor = 1; /* no propensity: what each event sets */
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        model_know_item(m, i);
        items_learned(&m->items, i)->b = (float)i * 0.3f - 0.5f;
        for (int f = 0; f < K; f++) /* large enough for scores that differ */
            items_q(&m->items, i)[f] = 0.3f * (float)((int)(i * 7 + (uint32_t)f * 5) % 11 - 5);
    }
    for (uint32_t i = 0; i < N_ITEMS; i++)
        for (int n = 0; n < counts[i]; n++)
            window_push(m, i);
    return m;
}

static struct user *user_of(struct model *m)
{
    struct user *u = users_to_change(&m->users, 1);
    for (uint32_t item = 0; item < 2; item++)
        users_push_history(&m->users, u,
                           &(struct model_history_entry){.item = item, .reward_micro = 1000000});
    return u;
}

static bool drew_all(const struct model *m)
{
    unsigned drawn = 0;
    for (int i = 0; i < N_ITEMS; i++)
        drawn |= 1U << m->drawn[i];
    return drawn == (1U << N_ITEMS) - 1;
}

/* Draws are by chance: looks for a place in the log whose draws are each other item once, and takes its step there. m->logits are then the
 * gradients of the loss by the scores, in the order of m->drawn. */
static void step_over_all(struct model *m, struct user *u, uint32_t item, float weight)
{
    for (uint64_t offset = 0; offset < 100000; offset++) {
        struct rng rng = rng_at(1, 1, offset, 0), again = rng;
        for (int i = 0; i < N_ITEMS; i++)
            m->drawn[i] = item;          /* of fewer draws nothing old is left */
        learn_step(m, u, item, 0, &rng); /* weight 0 moves nothing */
        if (drew_all(m)) {
            learn_step(m, u, item, weight, &again);
            return;
        }
    }
    fail();
}

/* softmax(z.q_j + b_j - kappa log Q(j)) in double, Q(j) = counts[j] / WINDOW. */
static void plain_softmax(const struct model *m, const struct user *u, double kappa,
                          const int counts[N_ITEMS], double p[N_ITEMS])
{
    float z[K];
    double total = 0;
    assert_true(learn_encode(m, u, z));
    for (uint32_t j = 0; j < N_ITEMS; j++) {
        double s = (double)items_learned(&m->items, j)->b;
        for (int f = 0; f < K; f++)
            s += (double)z[f] * (double)items_q(&m->items, j)[f];
        if (kappa > 0)
            s -= kappa * log((double)counts[j] / WINDOW);
        p[j] = exp(s);
        total += p[j];
    }
    for (int j = 0; j < N_ITEMS; j++)
        p[j] /= total;
}

/* Scores are float sums of 16 products of about 1; exp makes a relative error of them. */
#define CLOSE 2e-5

static void check_gradients(double kappa, const int counts[N_ITEMS], double expected_kappa)
{
    double p[N_ITEMS];
    struct model *m = open_model(kappa, counts);
    struct user *u = user_of(m);
    plain_softmax(m, u, expected_kappa, counts, p);
    step_over_all(m, u, 3, 2);
    assert_int_equal(m->drawn[0], 3);
    for (int i = 0; i < N_ITEMS; i++) {
        double expected = 2 * (p[m->drawn[i]] - (i == 0));
        assert_true(fabs((double)m->logits[i] - expected) < CLOSE);
    }
    model_close(m);
}

static void with_all_items_as_negatives_it_is_the_plain_softmax(void **state)
{
    (void)state;
    const int alike[N_ITEMS] = {3, 3, 3, 3, 3};
    check_gradients(0, alike, 0);
    check_gradients(1, alike, 0); /* Q is the same for all, and cancels */
}

static void log_q_takes_off_the_log_of_the_share_in_the_window(void **state)
{
    (void)state;
    const int counts[N_ITEMS] = {1, 2, 3, 4, 5};
    check_gradients(1, counts, 1);
    check_gradients(0.5, counts, 0.5);
    check_gradients(0, counts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_all_items_as_negatives_it_is_the_plain_softmax),
        cmocka_unit_test(log_q_takes_off_the_log_of_the_share_in_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
