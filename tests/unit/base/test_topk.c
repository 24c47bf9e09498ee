/* Stands for src/base/topk.c: heap and bag against a plain sort, over scores of many shapes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/topk.h"

#define MOST 3000

static bool before(const void *ctx, uint32_t a, uint32_t b)
{
    (void)ctx;
    return (a ^ 0x155) < (b ^ 0x155); /* an order that is not that of coming */
}

static int compare(const void *a, const void *b)
{
    const struct topk_entry *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return before(NULL, x->key, y->key) ? -1 : 1;
}

enum shape { SMOOTH, FEW_VALUES, ALL_EQUAL, ONE_FAR_OUT, INFINITE, TINY, HUGE_RANGE, N_SHAPES };

static float draw(struct rng *r, enum shape shape)
{
    float x = (float)rng_normal(r);
    switch (shape) {
    case SMOOTH: return x;
    case FEW_VALUES: return (float)(int)(x * 2);
    case ALL_EQUAL: return -3.5f;
    case ONE_FAR_OUT: return rng_below(r, 500) ? x : 1e6f;
    case INFINITE: return rng_below(r, 50) ? x : rng_below(r, 2) ? INFINITY : -INFINITY;
    case TINY: return x * 1e-44f; /* subnormal */
    case HUGE_RANGE: return x * 1e38f;
    case N_SHAPES: break;
    }
    return 0;
}

static void put_all(struct topk *heap, struct topk_bag *bag, const struct topk_entry *all, int n)
{
    for (int i = 0; i < n; i++) {
        if (all[i].score >= topk_threshold(heap))
            topk_offer(heap, all[i].score, all[i].key);
        topk_bag_put(bag, all[i].score, all[i].key, all[i].score >= bag->threshold);
    }
}

static void heap_and_bag_keep_what_a_sort_puts_first(void **state)
{
    (void)state;
    static struct topk_entry all[MOST], in_heap[MOST], in_bag[MOST + 1];
    struct rng r = {2};
    for (int round = 0; round < 700; round++) {
        enum shape shape = (enum shape)(round % N_SHAPES);
        int n = (int)rng_below(&r, MOST), n_best = 1 + (int)rng_below(&r, 200);
        int room = n_best + 1 + (int)rng_below(&r, 600);
        for (int i = 0; i < n; i++)
            all[i] = (struct topk_entry){draw(&r, shape), (uint32_t)i};
        struct topk heap = {.heap = in_heap, .n_max = n_best, .before = before};
        struct topk_bag bag = {.entries = in_bag,
                               .n_best = n_best,
                               .room = room,
                               .threshold = -INFINITY,
                               .before = before};
        put_all(&heap, &bag, all, n);
        topk_sort(&heap);
        topk_bag_sort(&bag);
        qsort(all, (size_t)n, sizeof all[0], compare);
        int kept = n < n_best ? n : n_best;
        assert_int_equal(heap.n, kept);
        assert_int_equal(bag.n, kept);
        assert_memory_equal(in_heap, all, (size_t)kept * sizeof all[0]);
        assert_memory_equal(in_bag, all, (size_t)kept * sizeof all[0]);
    }
}

static void what_is_not_wanted_leaves_nothing(void **state)
{
    (void)state;
    struct topk_entry entries[3];
    struct topk_bag bag = {
        .entries = entries, .n_best = 2, .room = 3, .threshold = -INFINITY, .before = before};
    for (uint32_t i = 0; i < 100; i++)
        topk_bag_put(&bag, i % 2 ? NAN : (float)i, i, i % 2 == 0 && (float)i >= bag.threshold);
    topk_bag_sort(&bag);
    assert_int_equal(bag.n, 2);
    assert_int_equal(entries[0].key, 98);
    assert_int_equal(entries[1].key, 96);
    assert_true(bag.threshold == 96);
}

static bool before_counted(const void *ctx, uint32_t a, uint32_t b)
{
    ++*(int *)(uintptr_t)ctx;
    return a < b;
}

/* A newcomer's list: the whole catalogue is worth the same. */
static void equal_scores_cost_less_than_two_comparisons_each(void **state)
{
    (void)state;
    enum { N = 100000, BEST = 150, ROOM = 450 };
    static struct topk_entry entries[ROOM];
    int compared = 0;
    struct topk_bag bag = {.entries = entries,
                           .n_best = BEST,
                           .room = ROOM,
                           .threshold = -INFINITY,
                           .before = before_counted,
                           .ctx = &compared};
    for (uint32_t i = 0; i < N; i++)
        topk_bag_put(&bag, 0, i * 7919u % N, 0 >= bag.threshold);
    topk_bag_sort(&bag);
    for (uint32_t i = 0; i < BEST; i++)
        assert_int_equal(entries[i].key, i);
    assert_in_range(compared, N / 2, 2 * N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heap_and_bag_keep_what_a_sort_puts_first),
        cmocka_unit_test(what_is_not_wanted_leaves_nothing),
        cmocka_unit_test(equal_scores_cost_less_than_two_comparisons_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
