/* Stands for src/app/score_types.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "app/score_types.h"
#include "zhiliu/event.h"

static void names_between_commas_become_bits(void **state)
{
    (void)state;
    struct zl_error err;
    uint32_t types = 77;
    assert_int_equal(score_types_parse(NULL, &types, &err), ZL_OK);
    assert_int_equal(types, 0);
    assert_int_equal(score_types_parse("like", &types, &err), ZL_OK);
    assert_int_equal(types, 1U << ZL_LIKE);
    assert_int_equal(score_types_parse("coin,like,not_interested", &types, &err), ZL_OK);
    assert_int_equal(types, 1U << ZL_LIKE | 1U << ZL_COIN | 1U << ZL_NOT_INTERESTED);
}

static void a_word_that_is_no_type_is_named(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "lik", "like,", ",like", "coin,,like", "like, coin"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct zl_error err;
        uint32_t types;
        assert_int_equal(score_types_parse(bad[i], &types, &err), ZL_EUSAGE);
    }
    struct zl_error err;
    uint32_t types;
    assert_int_equal(score_types_parse("coin,lik", &types, &err), ZL_EUSAGE);
    assert_non_null(strstr(err.text, "\"lik\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_between_commas_become_bits),
        cmocka_unit_test(a_word_that_is_no_type_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
