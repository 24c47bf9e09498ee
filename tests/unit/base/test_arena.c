/* Memory that is all given back at once. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/rng.h"

#define PIECES 3000

static void pieces_are_aligned_and_do_not_overlap(void **state)
{
    (void)state;
    static unsigned char *at[PIECES];
    static size_t len[PIECES];
    struct rng rng = {8};
    struct arena a;
    print_message("SEED=8\n");
    arena_init(&a);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < PIECES; i++) {
            len[i] = rng_below(&rng, 100) == 0 ? rng_below(&rng, 600000) : rng_below(&rng, 300);
            at[i] = arena_take(&a, len[i]);
            assert_int_equal((uintptr_t)at[i] % 16, 0);
            memset(at[i], i % 251, len[i]);
        }
        for (int i = 0; i < PIECES; i++)
            for (size_t k = 0; k < len[i]; k++)
                if (at[i][k] != i % 251)
                    fail_msg("piece %d was overwritten at %zu", i, k);
        arena_clear(&a);
    }
    arena_release(&a);
}

static void the_same_round_again_allocates_nothing(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    size_t after_first = 0;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 4000; i++)
            arena_take(&a, 1000);
        if (round == 0)
            after_first = a.total_bytes;
        assert_int_equal(a.total_bytes, after_first);
        arena_clear(&a);
    }
    arena_release(&a);
}

static void a_huge_round_is_given_back(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    arena_take(&a, (size_t)40 << 20);
    assert_true(a.total_bytes >= (size_t)40 << 20);
    arena_clear(&a);
    assert_true(a.total_bytes <= (size_t)16 << 20);
    assert_non_null(arena_take(&a, 100));
    arena_release(&a);
}

static void a_copy_is_its_own_and_nothing_stays_nothing(void **state)
{
    (void)state;
    struct arena a;
    char text[] = "event";
    arena_init(&a);
    struct zl_span copy = arena_copy(&a, (struct zl_span){text, 5});
    text[0] = 'E';
    assert_true(zl_span_is(copy, "event"));
    assert_null(arena_copy(&a, (struct zl_span){0}).ptr);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_do_not_overlap),
        cmocka_unit_test(the_same_round_again_allocates_nothing),
        cmocka_unit_test(a_huge_round_is_given_back),
        cmocka_unit_test(a_copy_is_its_own_and_nothing_stays_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
