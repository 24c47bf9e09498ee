/* Stands for src/model/content.c: gradients against finite differences, and what a description is good for. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/metrics.h"
#include "base/vec.h"
#include "model/model_priv.h"
#include "support/copied_rows.h"
#include "support/small_model.h"

#define K 16
#define DIM 5
#define N_ITEMS 3
#define HEAVY 1e6f /* an accumulator this large makes a step plain gradient descent */

static struct model_config content_config(void)
{
    struct model_config cfg = small_model_config(64, 256, K, 7);
    small_model_forgets(&cfg, 100, 10, 5);
    cfg.history = 8;
    cfg.window = 64;
    cfg.content = true;
    cfg.max_features = 64;
    cfg.n_features[ZL_TEXT] = DIM;
    return cfg;
}

static const float phi[N_ITEMS][DIM] = {{1, 2, 0, -1, 1}, {0, 1, 3, 1, -2}, {2, -1, 1, 1, 0}};

/* ---- gradients ---- */

static float *feature(const struct content *t, uint32_t f)
{
    return table_row(&t->features, f);
}

static float *projection(const struct content *t, uint32_t row)
{
    return table_row(&t->projections, row);
}

static void fill(float *v, int n, uint64_t seed)
{
    struct rng r = {seed};
    for (int i = 0; i < n; i++)
        v[i] = (float)rng_uniform(&r) - 0.5f;
}

static void open_content(struct content *t)
{
    struct zl_error err;
    struct model_config cfg = content_config();
    assert_int_equal(content_init(t, &cfg, &err), ZL_OK);
    for (uint32_t j = 0; j < N_ITEMS; j++) {
        const float *features[ZL_N_MODALITIES] = {NULL, NULL, phi[j]};
        content_describe(t, j, (uint64_t[]){100, 200 + j}, 2, 0, features, false);
    }
    for (uint32_t f = 0; f < t->n_features; f++) {
        fill(feature(t, f), K, 10 + f);
        ((struct content_feature *)(void *)(feature(t, f) + K))->g = HEAVY;
    }
    for (uint32_t i = 0; i < DIM; i++)
        fill(projection(t, i), K, 50 + i);
    t->gate[ZL_TEXT] = 0.7f;
    t->projection_g[ZL_TEXT] = t->gate_g[ZL_TEXT] = HEAVY;
}

/* -log softmax of item 0 of z . c_j, and its errors. */
static double loss(const struct content *t, const float *z, float d[N_ITEMS])
{
    double s[N_ITEMS], total = 0;
    for (uint32_t j = 0; j < N_ITEMS; j++) {
        float c[K];
        content_of(t, j, c);
        s[j] = 0;
        for (int f = 0; f < K; f++)
            s[j] += (double)z[f] * (double)c[f];
        total += exp(s[j]);
    }
    for (int j = 0; d && j < N_ITEMS; j++)
        d[j] = (float)(exp(s[j]) / total - (j == 0));
    return log(total) - s[0];
}

static double slope(const struct content *t, const float *z, float *at)
{
    float kept = *at, h = 1e-2f;
    *at = kept + h;
    double up = loss(t, z, NULL);
    *at = kept - h;
    double down = loss(t, z, NULL);
    *at = kept;
    return (up - down) / (2 * (double)h);
}

/* Of a step with learning rate 1: the move is -rate * gradient / sqrt(HEAVY). Tolerance: float rows and the step h. */
static void assert_gradient(double moved, double rate, double numeric)
{
    double gradient = -moved * sqrt((double)HEAVY) / rate;
    if (fabs(gradient - numeric) > 2e-3 + 0.02 * fabs(numeric)) {
        printf("gradient %g, by finite differences %g\n", gradient, numeric);
        fail();
    }
}

static void every_gradient_is_the_losss_by_finite_differences(void **state)
{
    (void)state;
    struct content t;
    struct rng rng = {1};
    float z[K], d[N_ITEMS], before[4][K], rows[DIM][K], gate;
    double of_features[4][K], of_rows[DIM][K], of_gate;
    open_content(&t);
    fill(z, K, 99);
    assert_int_equal(t.n_features, 4);
    loss(&t, z, d);
    for (uint32_t f = 0; f < 4; f++)
        for (int i = 0; i < K; i++)
            of_features[f][i] = slope(&t, z, feature(&t, f) + i);
    for (uint32_t r = 0; r < DIM; r++)
        for (int i = 0; i < K; i++)
            of_rows[r][i] = slope(&t, z, projection(&t, r) + i);
    of_gate = slope(&t, z, &t.gate[ZL_TEXT]);
    for (uint32_t f = 0; f < 4; f++)
        memcpy(before[f], feature(&t, f), sizeof before[f]);
    for (uint32_t r = 0; r < DIM; r++)
        memcpy(rows[r], projection(&t, r), sizeof rows[r]);
    gate = t.gate[ZL_TEXT];
    for (uint32_t j = 0; j < N_ITEMS; j++)
        content_gather(&t, j, 10 * d[j]); /* none so small that it is sampled */
    content_step(&t, z, vec_dot(z, z, K), 1, &rng);
    for (uint32_t f = 1; f < 4; f++) /* 0 is the trait of all: its errors cancel */
        for (int i = 0; i < K; i++)
            assert_gradient((double)feature(&t, f)[i] - (double)before[f][i], 5, of_features[f][i]);
    for (uint32_t r = 0; r < DIM; r++)
        for (int i = 0; i < K; i++)
            assert_gradient((double)projection(&t, r)[i] - (double)rows[r][i], 10, of_rows[r][i]);
    assert_gradient((double)t.gate[ZL_TEXT] - (double)gate, 10, of_gate);
    content_release(&t);
}

/* ---- the room ---- */

static double adversarial;

static struct model *open_model(void)
{
    struct model *m;
    struct zl_error err;
    struct model_config cfg = content_config();
    cfg.adversarial = adversarial;
    assert_int_equal(model_open(&cfg, &m, &err), ZL_OK);
    return m;
}

static void describe(struct model *m, uint32_t item, uint64_t tag, bool again)
{
    static const float *const nothing[ZL_N_MODALITIES] = {NULL};
    const float *const text[ZL_N_MODALITIES] = {NULL, NULL, phi[item % N_ITEMS]};
    (again ? model_describe_again : model_describe)(m, item, (uint64_t[]){tag, 900 + item % 5}, 2,
                                                    1, item % 2 ? text : nothing);
}

/* Users 0-9 like items of the even tag, users 10-19 of the odd one. */
static void like(struct model *m, int64_t at)
{
    struct rng r = rng_at(5, 0, (uint64_t)at, 0);
    uint32_t user = rng_below(&r, 20);
    uint32_t item = 2 * rng_below(&r, 30) + (user >= 10);
    struct zl_event ev = small_model_liked(user, item, at, 1000 + at * 2000000);
    model_batch(m, &ev, 1, NULL, NULL);
}

static struct model *taught(int n)
{
    struct model *m = open_model();
    for (uint32_t i = 0; i < 60; i++)
        describe(m, i, i % 2, false);
    for (int64_t i = 0; i < n; i++)
        like(m, i);
    return m;
}

static float score(const struct model *m, uint32_t user, uint32_t item)
{
    float z[K], q[K], b;
    assert_true(model_encode(m, user, z));
    model_item_output(m, item, q, &b);
    return vec_dot(z, q, K) + b;
}

static void a_new_item_of_a_liked_tag_ranks_above_one_of_another(void **state)
{
    (void)state;
    struct model *m = taught(1500);
    describe(m, 100, 0, false);
    describe(m, 102, 1, false);
    for (uint32_t user = 0; user < 20; user++)
        assert_true((score(m, user, 100) > score(m, user, 102)) == (user < 10));
    model_close(m);
}

static void an_updated_description_replaces_the_features(void **state)
{
    (void)state;
    struct model *m = taught(1500);
    float z[K];
    describe(m, 100, 0, false);
    model_encode(m, 3, z);
    float liked = model_content_score(m, 100, z), whole = score(m, 3, 100);
    describe(m, 100, 1, false);
    float other = model_content_score(m, 100, z);
    assert_true(other < liked - 0.1f);
    const struct content_feature *first = (const void *)(feature(&m->content, 0) + K);
    assert_int_equal(first->n, 30); /* 60 items, every second one; item 100 no more */
    /* the own part stays: what changed is the content */
    assert_true(fabsf(score(m, 3, 100) - whole - (other - liked)) < 1e-4f);
    model_describe(m, 100, NULL, 0, 0, NULL);
    assert_true(model_content_score(m, 100, z) == 0);
    assert_false(content_has(&m->content, 100));
    model_close(m);
}

static void learning_with_content_goes_on_from_copied_rows_to_the_same_bytes(void **state)
{
    (void)state;
    struct model *a = taught(300), *b = open_model();
    copy_model_rows(a, b);
    for (uint32_t i = 0; i < 60; i++)
        describe(b, i, i % 2, true);
    model_loaded(b);
    assert_int_equal(model_digest(a), model_digest(b));
    for (int64_t i = 300; i < 600; i++) {
        like(a, i);
        like(b, i);
    }
    assert_int_equal(model_digest(a), model_digest(b));
    model_close(a);
    model_close(b);
}

static void adversarial_weight_zero_changes_nothing_and_more_moves_the_rows(void **state)
{
    (void)state;
    struct model *m = taught(100);
    struct rng rng = {1};
    uint64_t before = model_digest(m);
    memset(m->z, 0, K * sizeof *m->z);
    m->z[3] = 2;
    memset(m->gz, 0, K * sizeof *m->gz);
    adversary_step(m, 1, 1, &rng);
    assert_true(model_digest(m) == before && m->gz[3] == 0 && rng.state == 1);
    m->cfg.adversarial = 1;
    float c[K], then[K];
    content_of(&m->content, 1, c);
    adversary_step(m, 1, 1, &rng);
    content_of(&m->content, 1, then);
    assert_true(model_digest(m) != before);
    assert_true(then[3] > c[3]);                                   /* the guess comes nearer to z */
    assert_true((m->gz[3] > 0) == (items_c(&m->items, 1)[3] > 0)); /* and z leaves the guess */
    model_close(m);
    adversarial = 0.3;
    struct model *with = taught(300);
    adversarial = 0;
    struct model *without = taught(300);
    assert_true(model_digest(with) != model_digest(without));
    model_close(with);
    model_close(without);
}

static void a_feature_beyond_the_limit_is_left_out_and_counted(void **state)
{
    (void)state;
    struct model *m = open_model();
    uint64_t before = metrics_count(METRIC_FEATURES_LEFT_OUT, 0);
    for (uint32_t i = 0; i < 100; i++)
        model_describe(m, i, (uint64_t[]){1000 + i}, 1, 0, NULL);
    assert_int_equal(metrics_count(METRIC_FEATURES_LEFT_OUT, 0) - before, 100 - 64);
    model_describe_again(m, 70, (uint64_t[]){1070}, 1, 0, NULL); /* after a load: counted already */
    assert_int_equal(metrics_count(METRIC_FEATURES_LEFT_OUT, 0) - before, 100 - 64);
    assert_int_equal(m->content.n_features, 64);
    assert_true(content_has(&m->content, 63));
    assert_false(content_has(&m->content, 64));
    model_close(m);
}

/* 1 over its length is infinite in a float, and infinite times 0 would spread to every row. */
static void a_modality_of_hardly_any_length_is_none(void **state)
{
    (void)state;
    static const float tiny[DIM] = {1e-42f, 0, 0, 1e-44f, 0}, huge[DIM] = {3e38f, 3e38f, 0, 0, 0};
    const float *lengths[] = {tiny, huge};
    for (int i = 0; i < 2; i++) {
        struct content t;
        struct rng rng = {3};
        float z[K], c[K];
        open_content(&t);
        const float *features[ZL_N_MODALITIES] = {NULL, NULL, lengths[i]};
        content_describe(&t, 3, NULL, 0, 0, features, false);
        assert_int_equal(content_has(&t, 3), i == 1);
        fill(z, K, 3);
        content_gather(&t, 3, 0.5f);
        content_step(&t, z, vec_dot(z, z, K), 0.1f, &rng);
        content_of(&t, 3, c);
        for (int f = 0; f < K; f++)
            assert_true(isfinite(c[f]) && isfinite(projection(&t, 0)[f]));
        assert_true(isfinite(t.gate[ZL_TEXT]));
        content_release(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_gradient_is_the_losss_by_finite_differences),
        cmocka_unit_test(a_new_item_of_a_liked_tag_ranks_above_one_of_another),
        cmocka_unit_test(an_updated_description_replaces_the_features),
        cmocka_unit_test(learning_with_content_goes_on_from_copied_rows_to_the_same_bytes),
        cmocka_unit_test(adversarial_weight_zero_changes_nothing_and_more_moves_the_rows),
        cmocka_unit_test(a_modality_of_hardly_any_length_is_none),
        cmocka_unit_test(a_feature_beyond_the_limit_is_left_out_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
