/* The set against its promise: a set of 43-bit numbers, whatever the order and the size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/hash.h"
#include "guard/idset.h"

#define SEED 20240611u

static void what_was_added_is_found_and_what_was_not_is_not(void **state)
{
    (void)state;
    enum { N = 1000000 };
    struct guard_idset *s = guard_idset_open(0);
    int lost = 0, found = 0;
    print_message("SEED %u\n", SEED);
    for (uint64_t i = 0; i < N; i++) {
        uint64_t h = hash_mix(SEED + i);
        if (guard_idset_has(s, h))
            lost++;
        else
            guard_idset_add(s, h);
    }
    for (uint64_t i = 0; i < N; i++)
        assert_true(guard_idset_has(s, hash_mix(SEED + i)));
    for (uint64_t i = 0; i < N; i++)
        found += guard_idset_has(s, hash_mix(~(SEED + i)));
    /* expected N * N / 2^43 = 0.11 by mistake; half of that while filling. 5 has a chance below 2e-7. */
    assert_in_range(lost, 0, 5);
    assert_in_range(found, 0, 5);
    assert_in_range(s->bytes, N * 4, N * 525 / 100);
    guard_idset_close(s);
}

static void membership_is_that_of_the_top_43_bits(void **state)
{
    (void)state;
    struct guard_idset *s = guard_idset_open(0);
    for (uint64_t i = 0; i < 200; i++) {
        uint64_t h = hash_mix(SEED + i);
        guard_idset_add(s, h);
        assert_true(guard_idset_has(s, h ^ 1)); /* the lowest 21 bits are not kept */
        assert_true(guard_idset_has(s, h ^ 0x1FFFFF));
        for (int bit = 21; bit < 64; bit++)
            assert_false(guard_idset_has(s, h ^ UINT64_C(1) << bit));
    }
    guard_idset_close(s);
}

/* Numbers that differ little crowd into one segment: the hardest case for finding a place. */
static void crowded_numbers_are_all_found_at_every_size(void **state)
{
    (void)state;
    struct guard_idset *s = guard_idset_open(0);
    for (uint64_t i = 0; i < 20000; i++) {
        guard_idset_add(s, i << 21);
        if (i % 997 == 0)
            for (uint64_t j = 0; j <= i; j++)
                assert_true(guard_idset_has(s, j << 21));
        assert_false(guard_idset_has(s, (i + 1) << 21));
    }
    guard_idset_close(s);
}

static void the_order_of_adding_and_the_first_size_change_no_answer(void **state)
{
    (void)state;
    enum { N = 50000 };
    struct guard_idset *a = guard_idset_open(0), *b = guard_idset_open(3 * N);
    for (uint64_t i = 0; i < N; i++) {
        guard_idset_add(a, hash_mix(i));
        guard_idset_add(b, hash_mix(N - 1 - i));
    }
    for (uint64_t i = 0; i < 4 * N; i++)
        assert_int_equal(guard_idset_has(a, hash_mix(i)), guard_idset_has(b, hash_mix(i)));
    guard_idset_close(a);
    guard_idset_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_found_and_what_was_not_is_not),
        cmocka_unit_test(membership_is_that_of_the_top_43_bits),
        cmocka_unit_test(crowded_numbers_are_all_found_at_every_size),
        cmocka_unit_test(the_order_of_adding_and_the_first_size_change_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
