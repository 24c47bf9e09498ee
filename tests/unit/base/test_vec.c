/* Stands for src/base/vec.c, special.c, topk.c: the written order of sums, errors of special functions, the order of the best. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/special.h"
#include "base/topk.h"
#include "base/vec.h"

#define SEED 42

static void fill(struct rng *r, float *v, int n)
{
    for (int i = 0; i < n; i++)
        v[i] = (float)(rng_uniform(r) * 2 - 1);
}

/* 16 running sums and a tree, with each product rounded by itself: what every version must give, to the bit. */
static float plain_dot(const float *a, const float *b, int k)
{
    float s[16] = {0};
    for (int f = 0; f < k; f++) {
        volatile float product = a[f] * b[f];
        s[f % 16] = f < 16 ? product : s[f % 16] + product;
    }
    for (int w = 8; w > 0; w /= 2)
        for (int i = 0; i < w; i++)
            s[i] += s[i + w];
    return s[0];
}

static void a_dot_product_has_the_bits_of_the_written_order(void **state)
{
    (void)state;
    struct rng r = {SEED};
    float a[256], b[256];
    for (int round = 0; round < 1000; round++)
        for (int k = 16; k <= 256; k += 48) {
            fill(&r, a, k);
            fill(&r, b, k);
            assert_true(vec_dot(a, b, k) == plain_dot(a, b, k));
        }
}

/* k 16 to 160: with and without blocks of 64. */
static void many_rows_at_once_have_the_bits_of_one_after_the_other(void **state)
{
    (void)state;
    struct rng r = {SEED};
    float rows[7][160], z[160], a[7], dots[7], y[160], one_by_one[160];
    const float *at[7];
    for (int round = 0; round < 1000; round++)
        for (int k = 16; k <= 160; k += 48) {
            fill(&r, z, k);
            fill(&r, a, 7);
            for (int i = 0; i < 7; i++) {
                fill(&r, rows[i], k);
                at[i] = rows[i];
            }
            vec_dots(z, at, 7, k, dots);
            memcpy(y, z, sizeof y);
            memcpy(one_by_one, z, sizeof y);
            vec_add_rows(y, a, at, 7, k);
            for (int i = 0; i < 7; i++) {
                assert_true(dots[i] == plain_dot(z, rows[i], k));
                vec_add(one_by_one, a[i], rows[i], k);
            }
            assert_memory_equal(y, one_by_one, (size_t)k * sizeof *y);
        }
}

static void adding_rows_has_the_bits_of_the_written_order(void **state)
{
    (void)state;
    struct rng r = {SEED};
    float x[128], *x1 = x, *x2 = x + 64, y[64], z[64];
    for (int round = 0; round < 1000; round++) {
        fill(&r, x1, 64);
        fill(&r, x2, 64);
        fill(&r, y, 64);
        float a = (float)rng_uniform(&r);
        for (int f = 0; f < 64; f++) {
            volatile float sum = x1[f] + x2[f], product = a * sum;
            z[f] = y[f] + product;
        }
        vec_add_pairs(y, &a, &(const float *){x}, 1, 64);
        assert_memory_equal(y, z, sizeof y);
        for (int f = 0; f < 64; f++) {
            volatile float product = a * x1[f];
            z[f] = y[f] + product;
        }
        vec_add(y, a, x1, 64);
        assert_memory_equal(y, z, sizeof y);
    }
}

static void special_functions_are_as_close_as_the_header_says(void **state)
{
    (void)state;
    struct rng r = {SEED};
    float x[1000], e[1000];
    for (int i = 0; i < 200000; i++) {
        double v = (rng_uniform(&r) - 0.5) * 2000;
        assert_true(fabs(special_exp2(v) / exp2(v) - 1) < 2e-15);
        double p = exp2(v / 2);
        assert_true(fabs(special_log2(p) - log2(p)) <= 2e-15 * fmax(1, fabs(log2(p))));
    }
    assert_true(special_exp2(-INFINITY) == 0);
    for (int i = 0; i < 1000; i++)
        x[i] = (float)-i * 0.0869f;
    special_exp_all(x, e, 1000);
    for (int i = 0; i < 1000; i++)
        assert_true(fabs((double)e[i] / exp((double)x[i]) - 1) < 2.5e-7);
    assert_true(e[0] == 1.0f);
    x[0] = -INFINITY;
    x[1] = -87.00001f;
    x[2] = -87;
    special_exp_all(x, e, 3);
    assert_true(e[0] == 0 && e[1] == 0 && e[2] > 0);
}

/* Of whole vectors and of what is left over; in place. */
static void a_special_function_gives_a_number_the_same_bits_wherever_it_stands(void **state)
{
    (void)state;
    struct rng r = {SEED};
    float x[40], e, l, exps[40], logs[40];
    for (int n = 1; n <= 40; n++) {
        for (int i = 0; i < n; i++) {
            x[i] = (float)rng_uniform(&r) * -90;
            exps[i] = x[i];
            logs[i] = 1 - x[i];
        }
        special_exp_all(exps, exps, n);
        special_log_all(logs, logs, n);
        for (int i = 0; i < n; i++) {
            float minus = 1 - x[i];
            special_exp_all(&x[i], &e, 1);
            special_log_all(&minus, &l, 1);
            assert_true(e == exps[i] && l == logs[i]);
            assert_true(fabs((double)l - log((double)minus)) <= 2e-7 * fmax(1, fabs((double)l)));
        }
    }
}

static void exp2_of_many_has_the_bits_of_exp2_of_one(void **state)
{
    (void)state;
    struct rng r = {SEED};
    double x[21], two[21];
    for (int round = 0; round < 10000; round++) {
        for (int i = 0; i < 21; i++)
            x[i] = i % 4 == 0 ? (double)rng_below(&r, 40) / 8 /* halves: how they round */
                              : rng_uniform(&r) * 1000;
        special_exp2_all(x, two, 21);
        for (int i = 0; i < 21; i++)
            assert_true(two[i] == special_exp2(x[i]));
    }
}

static void exp2_of_many_has_the_bits_of_exp2_of_one_below_zero_too(void **state)
{
    (void)state;
    struct rng r = {SEED};
    double x[21] = {-INFINITY, -1e300, -1023, -1022.5, -1022, -1021.5, -0.5, -0.0, -1e-300},
           two[21];
    for (int round = 0; round < 10000; round++) {
        for (int i = 9; i < 21; i++)
            x[i] = i % 4 == 0 ? -(double)rng_below(&r, 40) / 8 : 100 - rng_uniform(&r) * 1200;
        special_exp2_all(x, two, 21);
        for (int i = 0; i < 21; i++)
            assert_true(two[i] == special_exp2(x[i]));
    }
}

static void log2_of_many_has_the_bits_of_log2_of_one(void **state)
{
    (void)state;
    struct rng r = {SEED};
    double x[21] = {1,    2, 0.5, 1.4142135623730949, 1.4142135623730951, 2.2250738585072014e-308,
                    1e308},
           two[21];
    for (int round = 0; round < 10000; round++) {
        for (int i = 7; i < 21; i++)
            x[i] = i % 2 ? rng_uniform(&r) * 4 + 1e-9 : special_exp2(rng_uniform(&r) * 2000 - 1000);
        special_log2_all(x, two, 21);
        for (int i = 0; i < 21; i++)
            assert_true(two[i] == special_log2(x[i]));
    }
}

static bool smaller_key(const void *ctx, uint32_t a, uint32_t b)
{
    (void)ctx;
    return a < b;
}

static int by_score(const void *a, const void *b)
{
    const struct topk_entry *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->key > y->key) - (x->key < y->key);
}

static void the_best_n_are_those_of_a_full_sort_ties_included(void **state)
{
    (void)state;
    struct rng r = {SEED};
    for (int round = 0; round < 500; round++) {
        struct topk_entry all[300], heap[20];
        struct topk t = {.heap = heap, .n_max = 20, .before = smaller_key};
        int n = 1 + (int)rng_below(&r, 300);
        for (int i = 0; i < n; i++) {
            all[i] = (struct topk_entry){(float)rng_below(&r, 12), (uint32_t)i};
            topk_offer(&t, all[i].score, all[i].key);
        }
        topk_sort(&t);
        qsort(all, (size_t)n, sizeof all[0], by_score);
        assert_int_equal(t.n, n < 20 ? n : 20);
        for (int i = 0; i < t.n; i++)
            assert_int_equal(heap[i].key, all[i].key);
    }
}

int main(void)
{
    printf("SEED %d, kernel %s\n", SEED, vec_kernel());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dot_product_has_the_bits_of_the_written_order),
        cmocka_unit_test(many_rows_at_once_have_the_bits_of_one_after_the_other),
        cmocka_unit_test(a_special_function_gives_a_number_the_same_bits_wherever_it_stands),
        cmocka_unit_test(exp2_of_many_has_the_bits_of_exp2_of_one),
        cmocka_unit_test(exp2_of_many_has_the_bits_of_exp2_of_one_below_zero_too),
        cmocka_unit_test(log2_of_many_has_the_bits_of_log2_of_one),
        cmocka_unit_test(adding_rows_has_the_bits_of_the_written_order),
        cmocka_unit_test(special_functions_are_as_close_as_the_header_says),
        cmocka_unit_test(the_best_n_are_those_of_a_full_sort_ties_included),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
