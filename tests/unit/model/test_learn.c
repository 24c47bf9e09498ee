/* Stands for src/model/learn.c: the gradient, the softmax and logQ against slow plain versions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/special.h"
#include "model/model_priv.h"
#include "support/small_model.h"

#define K 16
#define N_ITEMS 6

static struct model *small_model(double learning_rate, double kappa)
{
    struct model_config cfg = small_model_config(64, 256, K, 7);
    small_model_forgets(&cfg, 100, 10, 5);
    cfg.history = 8;
    cfg.window = 64;
    cfg.learning_rate = learning_rate;
    cfg.kappa = kappa;
    struct model *m;
    struct zl_error err;
    assert_int_equal(model_open(&cfg, &m, &err), ZL_OK);
    return m;
}

static struct zl_event event(enum zl_event_type type, uint32_t user, uint32_t item, int64_t offset)
{
    return (struct zl_event){.from = {.offset = offset},
                             .type = type,
                             .user = user,
                             .item = item,
                             .course = ZL_NO_INDEX,
                             .outcome = ZL_COUNTED,
                             .weight = 1,
                             .at_ms = 1000 + offset * 2000000, /* each in a session of its own */
                             .reward_micro = 1000000};
}

static void feed(struct model *m, int n)
{
    for (int i = 0; i < n; i++) {
        struct zl_event ev = event(ZL_LIKE, (uint32_t)(i % 3), (uint32_t)(i * 5 % N_ITEMS), i);
        model_batch(m, &ev, 1, NULL, NULL);
    }
}

/* -weight * log softmax of m->drawn[0] among the drawn, in double, straight from the formula. */
static double plain_loss(const struct model *m, const struct user *u, int n, double weight)
{
    double z[K] = {0}, sum = 0, g = 1, logit[32], total = 0;
    for (int l = 0; l < u->n_history; l++, g *= m->cfg.gamma)
        sum += g;
    g = pow(sum, -m->cfg.beta);
    for (int l = 0; l < u->n_history; l++, g *= m->cfg.gamma)
        for (int f = 0; f < K; f++)
            z[f] += g * ((double)items_x(&m->items, u->history[l].item)[f] +
                         (double)items_q(&m->items, u->history[l].item)[f]);
    for (int i = 0; i < n; i++) {
        uint32_t j = m->drawn[i], in = *items_in_window(&m->items, j);
        logit[i] = (double)items_learned(&m->items, j)->b - m->cfg.kappa * log(in ? in : 0.5);
        for (int f = 0; f < K; f++)
            logit[i] += z[f] * (double)items_q(&m->items, j)[f];
        total += exp(logit[i]);
    }
    return -weight * (logit[0] - log(total));
}

/* The step's direction is checked by what it does: with a tiny rate, Adagrad moves a row by -lr g / sqrt(G + mean g^2); dividing that out
 * gives g back. The tolerance is what float rows leave of it. */
static void a_steps_gradient_is_the_losss_by_finite_differences(void **state)
{
    (void)state;
    struct model *m = small_model(1e-4, 1);
    feed(m, 40);
    struct user *u = users_row(&m->users, 1);
    uint32_t chosen = 4;
    struct model_history_entry gone;
    /* so that output and history gradients do not mix on it */
    users_take_history(u, chosen, &gone);
    struct rng rng = rng_at(1, 2, 3, 4), again = rng;
    struct item_learned before = *items_learned(&m->items, chosen);
    float q_before[K];
    memcpy(q_before, items_q(&m->items, chosen), sizeof q_before);

    learn_step(m, u, chosen, 0, &again); /* weight 0: draws, but moves nothing */
    assert_memory_equal(q_before, items_q(&m->items, chosen), sizeof q_before);
    double numeric[K];
    int in_all = 1; /* drawn: the chosen one and the draws that are not it */
    struct rng count = rng;
    for (int i = 0; i < m->cfg.negatives; i++)
        in_all +=
            m->window.items[rng_below(
                &count, (uint32_t)(m->window.n < m->window.size ? m->window.n : m->window.size))] !=
            chosen;
    for (int f = 0; f < K; f++) {
        float *q = items_q(&m->items, chosen), kept = q[f];
        q[f] = kept + 1e-3f;
        double up = plain_loss(m, u, in_all, 1);
        q[f] = kept - 1e-3f;
        double down = plain_loss(m, u, in_all, 1);
        q[f] = kept;
        numeric[f] = (up - down) / 2e-3;
    }
    learn_step(m, u, chosen, 1, &rng);
    const struct item_learned *after = items_learned(&m->items, chosen);
    for (int f = 0; f < K; f++) {
        double moved = (double)items_q(&m->items, chosen)[f] - (double)q_before[f];
        double g = -moved / 1e-4 * sqrt((double)after->gq);
        assert_true(fabs(g - numeric[f]) < 2e-3 + 0.02 * fabs(numeric[f]));
    }
    assert_true(after->gq > before.gq && after->gb > before.gb);
    model_close(m);
}

static void a_step_lowers_the_loss_of_what_was_chosen(void **state)
{
    (void)state;
    struct model *m = small_model(0.1, 1);
    feed(m, 40);
    struct user *u = users_row(&m->users, 2);
    struct rng rng = rng_at(5, 5, 5, 5), again = rng;
    learn_step(m, u, 3, 0, &again);
    double before = plain_loss(m, u, 4, 1);
    uint32_t drawn[4];
    memcpy(drawn, m->drawn, sizeof drawn);
    learn_step(m, u, 3, 1, &rng);
    memcpy(m->drawn, drawn, sizeof drawn);
    assert_true(plain_loss(m, u, 4, 1) < before);
    model_close(m);
}

static void history_weights_are_the_formula(void **state)
{
    (void)state;
    struct model_config cfg = {.gamma = 0.8, .beta = 0.5};
    struct user *u = calloc(1, sizeof *u + 50 * sizeof u->history[0]);
    float w[MODEL_MAX_HISTORY];
    for (int graded = 0; graded < 2; graded++) {
        double sum = 0, rho[50];
        u->n_history = 50;
        for (int l = 0; l < 50; l++) {
            u->history[l].reward_micro = graded ? l * 100000 : 1000000;
            rho[l] = graded ? 0.3 + 0.7 * l * 0.1 : 1;
            sum += pow(0.8, l) * rho[l];
        }
        int n = learn_history_weights(&cfg, u, w);
        assert_true(n > 20 && n <= 50);
        for (int l = 0; l < n; l++)
            assert_true(fabs((double)w[l] - rho[l] * pow(0.8, l) / sqrt(sum)) < 1e-6);
    }
    free(u);
}

static void log_share_is_the_log_of_the_count_in_the_window(void **state)
{
    (void)state;
    struct model *m = small_model(0.1, 1);
    feed(m, 200); /* the window of 64 has turned over */
    uint32_t counts[N_ITEMS] = {0};
    for (uint32_t i = 0; i < m->window.size; i++)
        counts[m->window.items[i]]++;
    for (uint32_t j = 0; j < N_ITEMS; j++) {
        assert_int_equal(counts[j], *items_in_window(&m->items, j));
        assert_true(
            fabs((double)m->window.log_share[counts[j]] - log(counts[j] ? counts[j] : 0.5)) < 1e-6);
    }
    model_close(m);
}

static void an_example_of_weight_zero_changes_no_learned_row(void **state)
{
    (void)state;
    struct model *m = small_model(0.1, 1);
    feed(m, 40);
    struct rows_table t = items_rows(&m->items);
    struct rows_buffer before = {0}, after = {0};
    t.write(t.room, 3, &before);
    struct rng rng = rng_at(5, 5, 5, 5);
    learn_step(m, users_row(&m->users, 0), 3, 0, &rng);
    t.write(t.room, 3, &after);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.bytes, after.bytes, before.len);
    rows_buffer_release(&before);
    rows_buffer_release(&after);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steps_gradient_is_the_losss_by_finite_differences),
        cmocka_unit_test(a_step_lowers_the_loss_of_what_was_chosen),
        cmocka_unit_test(history_weights_are_the_formula),
        cmocka_unit_test(log_share_is_the_log_of_the_count_in_the_window),
        cmocka_unit_test(an_example_of_weight_zero_changes_no_learned_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
