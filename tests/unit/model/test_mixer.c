/* Stands for src/model/mixer.c: Newton's step against slow sums and differences, and what the weights come to. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/model_priv.h"
#include "support/small_model.h"

#define N 40
#define STRIDE 48
#define BUCKET 2
#define OTHER 5

static const double truth[MODEL_PARTS] = {1.2, 0.6, -0.4, 0.9, 0.1, 0.5, -0.7, 0.3, 0.8, -0.2};

static struct model *open_model(void)
{
    struct model_config cfg = small_model_config(8, 64, 16, 3);
    small_model_forgets(&cfg, 100, 10, 5);
    cfg.history = 8;
    cfg.negatives = 4;
    cfg.window = 16;
    struct model *m;
    struct zl_error err;
    assert_int_equal(model_open(&cfg, &m, &err), ZL_OK);
    return m;
}

static double score(const double *w, const float *f, int i)
{
    double s = 0;
    for (int k = 0; k < MODEL_PARTS; k++)
        s += w[k] * (double)f[k * STRIDE + i];
    return s;
}

/* -log softmax of the chosen one */
static double loss(const double *w, const float *f, int chosen)
{
    double total = 0;
    for (int i = 0; i < N; i++)
        total += exp(score(w, f, i));
    return log(total) - score(w, f, chosen);
}

static void draw_features(struct rng *r, float *f)
{
    for (int i = 0; i < N; i++) {
        float common = (float)rng_normal(r); /* the parts agree, as in life */
        for (int k = 0; k < MODEL_PARTS; k++)
            f[k * STRIDE + i] = -3 + 0.7f * common + (float)rng_normal(r);
    }
}

static int draw_choice(struct rng *r, const float *f)
{
    double total = 0, x;
    for (int i = 0; i < N; i++)
        total += exp(score(truth, f, i));
    x = rng_uniform(r) * total;
    for (int i = 0; i < N - 1; i++)
        if ((x -= exp(score(truth, f, i))) < 0)
            return i;
    return N - 1;
}

static void learn(struct model *m, int bucket, const float *f, int chosen, double weight)
{
    float spent[MODEL_PARTS * STRIDE], scores[STRIDE];
    for (int i = 0; i < MODEL_PARTS * STRIDE; i++)
        spent[i] = f[i];
    for (int i = 0; i < N; i++)
        scores[i] = (float)score(m->mixer.w[bucket], f, i);
    model_learn_mixer(m, bucket, spent, STRIDE, scores, N, chosen, weight);
}

/* The first step is -(P + H)^-1 g: (P + H) times it must be minus the gradient, both by differences of the loss. */
static void a_step_is_newtons_by_differences_of_the_loss(void **state)
{
    (void)state;
    struct model *m = open_model();
    struct rng r = {7};
    float f[MODEL_PARTS * STRIDE];
    double before[MODEL_PARTS], moved[MODEL_PARTS], h = 1e-4;
    draw_features(&r, f);
    for (int k = 0; k < MODEL_PARTS; k++)
        before[k] = m->mixer.w[MODEL_BUCKETS][k];
    learn(m, BUCKET, f, 3, 1);
    for (int k = 0; k < MODEL_PARTS; k++)
        moved[k] = m->mixer.w[MODEL_BUCKETS][k] - before[k];
    for (int k = 0; k < MODEL_PARTS; k++) {
        double w[MODEL_PARTS], gradient, curved = 50 * moved[k]; /* P = 50 I */
        for (int j = 0; j < MODEL_PARTS; j++) {
            double corner[4];
            for (int c = 0; c < 4; c++) {
                for (int i = 0; i < MODEL_PARTS; i++)
                    w[i] = before[i];
                w[k] += c & 1 ? h : -h;
                w[j] += c & 2 ? h : -h;
                corner[c] = loss(w, f, 3);
            }
            curved += (corner[3] - corner[1] - corner[2] + corner[0]) / (4 * h * h) * moved[j];
        }
        for (int i = 0; i < MODEL_PARTS; i++)
            w[i] = before[i];
        w[k] = before[k] + h;
        gradient = loss(w, f, 3);
        w[k] = before[k] - h;
        gradient = (gradient - loss(w, f, 3)) / (2 * h);
        assert_true(fabs(curved + gradient) < 1e-3 * (1 + fabs(gradient)));
    }
    model_close(m);
}

/* The bias of a newcomer's items is of another size than a core score: its weight is learned apart, and teaches the others nothing. */
static void the_weight_of_the_bias_is_the_newcomers_own(void **state)
{
    (void)state;
    struct model *m = open_model();
    struct rng r = {13};
    float f[MODEL_PARTS * STRIDE];
    double others = m->mixer.w[OTHER][MODEL_CORE], own, mean = 0;
    for (int n = 0; n < 400; n++) {
        draw_features(&r, f);
        int chosen = draw_choice(&r, f);
        for (int i = 0; i < N; i++)
            f[MODEL_CORE * STRIDE + i] *=
                0.25F; /* so that its weight should be four times as large */
        learn(m, 0, f, chosen, 1);
        mean += n >= 200 ? m->mixer.w[0][MODEL_CORE] / 200 : 0;
    }
    assert_true(mean > 3 * truth[MODEL_CORE]);
    assert_true(m->mixer.w[OTHER][MODEL_CORE] == others);
    own = m->mixer.w[0][MODEL_CORE];
    learn(m, BUCKET, f, 3, 1);
    assert_true(m->mixer.w[OTHER][MODEL_CORE] != others);
    assert_true(fabs(m->mixer.w[0][MODEL_CORE] - own) <
                0.01); /* by its ties to other parts alone */
    model_close(m);
}

/* Mean over the second half, since the weights keep moving: they forget (DECAY). */
static void the_weights_come_to_those_that_made_the_choices(void **state)
{
    (void)state;
    struct model *m = open_model();
    struct rng r = {11};
    float f[MODEL_PARTS * STRIDE];
    double mean[MODEL_PARTS] = {0};
    for (int n = 0; n < 6000; n++) {
        draw_features(&r, f);
        learn(m, BUCKET, f, draw_choice(&r, f), 1);
        for (int k = 0; n >= 3000 && k < MODEL_PARTS; k++)
            mean[k] += m->mixer.w[BUCKET][k] / 3000;
    }
    for (int k = 0; k < MODEL_PARTS; k++)
        assert_true(fabs(mean[k] - truth[k]) < 0.1);
    model_close(m);
}

static void a_bucket_nobody_is_in_follows_all_together(void **state)
{
    (void)state;
    struct model *m = open_model();
    struct rng r = {13};
    float f[MODEL_PARTS * STRIDE];
    for (int n = 0; n < 2000; n++) {
        draw_features(&r, f);
        learn(m, BUCKET, f, draw_choice(&r, f), 1);
    }
    for (int k = 0; k < MODEL_PARTS; k++)
        assert_true(fabs(m->mixer.w[OTHER][k] - m->mixer.w[MODEL_BUCKETS][k]) < 1e-9);
    assert_true(m->mixer.w[OTHER][3] > 0.5); /* began at 0.2 */
    model_close(m);
}

static void a_step_of_weight_zero_moves_nothing(void **state)
{
    (void)state;
    struct model *m = open_model();
    struct rng r = {17};
    float f[MODEL_PARTS * STRIDE];
    struct mixer before = m->mixer;
    draw_features(&r, f);
    learn(m, BUCKET, f, 1, 0);
    assert_memory_equal(m->mixer.w, before.w, sizeof before.w);
    model_close(m);
}

/* A learning rate of 10 makes such scores. Squares of floats near 1e6 are off by more than the prior. */
static void features_far_apart_and_not_numbers_leave_finite_weights(void **state)
{
    (void)state;
    struct model *m = open_model();
    struct rng r = {19};
    float f[MODEL_PARTS * STRIDE];
    for (int n = 0; n < 300; n++) {
        draw_features(&r, f);
        for (int i = 0; i < N; i++)
            for (int k = 0; k < 3; k++)
                f[k * STRIDE + i] *= n % 2 ? 1e6f : 1e30f;
        f[4 * STRIDE + n % N] = n % 3 ? INFINITY : NAN;
        learn(m, BUCKET, f, draw_choice(&r, f), 1);
    }
    for (int b = 0; b <= MODEL_BUCKETS; b++)
        for (int k = 0; k < MODEL_PARTS; k++)
            assert_true(isfinite(m->mixer.w[b][k]));
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_weight_of_the_bias_is_the_newcomers_own),
        cmocka_unit_test(a_step_is_newtons_by_differences_of_the_loss),
        cmocka_unit_test(the_weights_come_to_those_that_made_the_choices),
        cmocka_unit_test(a_bucket_nobody_is_in_follows_all_together),
        cmocka_unit_test(a_step_of_weight_zero_moves_nothing),
        cmocka_unit_test(features_far_apart_and_not_numbers_leave_finite_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
