/* Stands for src/sink/trouble.c, with replies as Redis 6 and 7 write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sink/trouble.h"

static void names_are_found_at_the_front_and_inside(void **state)
{
    (void)state;
    static const char memory[] = "its memory is full",
                      replica[] = "it is a replica and takes no writes";
    assert_string_equal(
        sink_trouble_words("OOM command not allowed when used memory > 'maxmemory'."), memory);
    assert_string_equal(
        sink_trouble_words(
            "ERR Error running script (call to f_1): @user_script:1: -OOM command not "
            "allowed when used memory > 'maxmemory'."),
        memory);
    assert_string_equal(
        sink_trouble_words("READONLY You can't write against a read only replica. script: 12, on "
                           "@user_script:1."),
        replica);
    assert_string_equal(sink_trouble_words("ERR Error running script: -READONLY You can't write"),
                        replica);
}

static void a_missing_right_is_named_in_a_script_too(void **state)
{
    (void)state;
    static const char right[] = "the user lacks a right";
    assert_string_equal(
        sink_trouble_words("NOPERM this user has no permissions to run the 'evalsha' command"),
        right);
    assert_string_equal(
        sink_trouble_words(
            "ERR The user executing the script can't run this command or subcommand"),
        right);
}

static void an_unknown_error_has_words_all_the_same(void **state)
{
    (void)state;
    assert_string_equal(sink_trouble_words("ERR something new"), "it answers with an error");
    assert_string_equal(sink_trouble_words(""), "it answers with an error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_at_the_front_and_inside),
        cmocka_unit_test(a_missing_right_is_named_in_a_script_too),
        cmocka_unit_test(an_unknown_error_has_words_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
