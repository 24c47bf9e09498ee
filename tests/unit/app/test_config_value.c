/* Stands for src/app/config_value.c and config_nearest.c: scalars to values and back; the nearest word. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "config_support.h"

static void a_time_needs_its_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; /* -1: not a time */
    } cases[] = {{"5ms", 5},
                 {"2s", 2000},
                 {"30m", 1800000},
                 {"24h", 86400000},
                 {"7d", 604800000},
                 {"0", 0},
                 {"7D", 604800000},
                 {"5", -1},
                 {"1.5h", -1},
                 {"-5s", -1},
                 {"5 s", -1},
                 {"s", -1},
                 {"", -1},
                 {"1h30m", -1},
                 {" 5s", -1},
                 {"9223372036854775807ms", INT64_MAX},
                 {"9223372036854775807s", -1},
                 {"99999999999999999999ms", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = -1;
        bool ok = config_value_duration(cases[i].text, &ms);
        if (ok != (cases[i].ms >= 0) || (ok && ms != cases[i].ms))
            fail_msg("\"%s\" gave %d, %lld", cases[i].text, ok, (long long)ms);
    }
}

static void a_size_counts_in_powers_of_1024(void **state)
{
    (void)state;
    int64_t n;
    assert_true(config_value_size("64MiB", &n) && n == 64 << 20);
    assert_true(config_value_size("1kib", &n) && n == 1024);
    assert_true(config_value_size("1000", &n) && n == 1000);
    assert_true(config_value_size("7B", &n) && n == 7);
    assert_false(config_value_size("64MB", &n)); /* of which two sizes? */
    assert_false(config_value_size("9999999999TiB", &n));
    assert_false(config_value_size("-1", &n));
}

static void a_number_is_finite_and_decimal(void **state)
{
    (void)state;
    static const char *const bad[] = {"nan",   "inf", "0x10", "1e999", "",   ".",
                                      "1.2.3", "1,5", " 1",   "1 ",    "--1"};
    double x;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (config_value_number(bad[i], &x))
            fail_msg("\"%s\" was taken", bad[i]);
    assert_true(config_value_number("-1.5e-3", &x) && x == -0.0015);
    int64_t n;
    assert_true(config_value_integer("-7", &n) && n == -7);
    assert_false(config_value_integer("7.0", &n));
    assert_false(config_value_integer("+7", &n));
    assert_false(config_value_integer("9223372036854775808", &n));
}

/* What format says, store takes, for every row at its default and its ends. */
static void a_formatted_value_is_stored_as_the_same_value(void **state)
{
    (void)state;
    struct loaded l = load_text(""), again = load_text("");
    struct config_problem why;
    char buf[CONFIG_FORMAT], buf_again[CONFIG_FORMAT];
    for (int i = 0; i < config_table_count(); i++) {
        const struct config_row *row = config_table_row(i);
        if (row->type == CONFIG_MAP)
            continue;
        const char *text = config_value_format(row, &l.config, buf);
        assert_true(config_value_store(row, text, &again.config, &why));
        assert_string_equal(text, config_value_format(row, &again.config, buf_again));
    }
    loaded_release(&l);
    loaded_release(&again);
}

static void only_a_whole_variable_is_no_literal_secret(void **state)
{
    (void)state;
    assert_false(config_value_is_literal(""));
    assert_false(config_value_is_literal("${PW}"));
    assert_false(config_value_is_literal("${PW:-}"));
    assert_false(config_value_is_literal("${PW:?set PW}"));
    assert_true(config_value_is_literal("hunter2"));
    assert_true(config_value_is_literal("${PW}x"));
    assert_true(config_value_is_literal("x${PW}"));
    assert_true(config_value_is_literal("${PW:-hunter2}"));
    assert_true(config_value_is_literal("$$"));
}

static void the_password_of_a_url_is_found(void **state)
{
    (void)state;
    size_t from, to;
    assert_true(config_value_url_password("redis://u:p@ss@h:1/0", &from, &to) && from == 10 &&
                to == 14);
    assert_true(config_value_url_password("unix://:x@/run/r.sock", &from, &to) && from == 8 &&
                to == 9);
    assert_false(config_value_url_password("redis://u@h:1/0", &from, &to));
    assert_false(config_value_url_password("redis://h:6379/0?x=a:b@c", &from, &to));
    assert_false(config_value_url_password("u:p@h", &from, &to));
}

static void a_slip_is_one_step_and_the_nearest_word_wins(void **state)
{
    (void)state;
    assert_int_equal(config_nearest_distance("group", "grop", 9), 1);
    assert_int_equal(config_nearest_distance("group", "gruop", 9), 1); /* a swap is one slip */
    assert_int_equal(config_nearest_distance("kitten", "sitting", 9), 3);
    assert_int_equal(config_nearest_distance("", "abc", 9), 3);
    assert_int_equal(config_nearest_distance("abc", "xyz", 2), 2);
    const char *words[] = {"items", "history", "item", "itemx"};
    assert_int_equal(config_nearest("item", words, 4), 2);
    assert_int_equal(config_nearest("histroy", words, 4), 1);
    assert_int_equal(config_nearest("nothing", words, 4), -1);
    assert_int_equal(config_nearest("x", words, 4), -1);
}

static void every_byte_string_is_judged_as_utf_8_by_the_standard(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xE0\x80\x80",
                                      "\xED\xA0\x80",
                                      "\xF0\x80\x80\x80",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xE7\x9F",
                                      "\xFF"};
    static const char zhi[] = "\xE7\x9F\xA5";
    uint32_t code;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(config_text_char(bad[i], bad[i] + strlen(bad[i]), &code), 0);
    assert_true(config_text_char(zhi, zhi + 3, &code) == 3 && code == 0x77E5);
    for (uint32_t c = 0x80; c < 0x110000; c += 7) { /* against a plain encoder */
        char bytes[4];
        int n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        for (int i = n - 1; i > 0; i--)
            bytes[i] = (char)(0x80 | (c >> (6 * (n - 1 - i)) & 0x3F));
        bytes[0] = (char)((n == 2 ? 0xC0u : n == 3 ? 0xE0u : 0xF0u) | c >> (6 * (n - 1)));
        int length = config_text_char(bytes, bytes + n, &code);
        bool surrogate = c >= 0xD800 && c < 0xE000;
        assert_true(surrogate ? length == 0 : length == n && code == c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_needs_its_unit),
        cmocka_unit_test(a_size_counts_in_powers_of_1024),
        cmocka_unit_test(a_number_is_finite_and_decimal),
        cmocka_unit_test(a_formatted_value_is_stored_as_the_same_value),
        cmocka_unit_test(only_a_whole_variable_is_no_literal_secret),
        cmocka_unit_test(the_password_of_a_url_is_found),
        cmocka_unit_test(a_slip_is_one_step_and_the_nearest_word_wins),
        cmocka_unit_test(every_byte_string_is_judged_as_utf_8_by_the_standard),
    };
    clean_environment();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
