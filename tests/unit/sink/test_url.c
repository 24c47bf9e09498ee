/* Stands for src/sink/url.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sink/url.h"

static struct sink_url url;
static struct zl_error err;

static void parse(const char *text)
{
    if (sink_url_parse(text, &url, &err) != ZL_OK) {
        print_error("%s: %s\n", text, err.text);
        fail();
    }
}

static void a_redis_url_has_defaults_for_all_but_the_scheme(void **state)
{
    (void)state;
    parse("redis://");
    assert_string_equal(url.host, "127.0.0.1");
    assert_string_equal(url.port, "6379");
    assert_int_equal(url.db, 0);
    assert_string_equal(url.password, "");
    parse("redis://h:7/");
    assert_int_equal(url.db, 0);
}

static void a_redis_url_is_taken_apart(void **state)
{
    (void)state;
    parse("redis://us%40er:p%3Aa@s:s@store.example:7000/12");
    assert_string_equal(url.user, "us@er");
    assert_string_equal(url.password, "p:a@s:s");
    assert_string_equal(url.host, "store.example");
    assert_string_equal(url.port, "7000");
    assert_int_equal(url.db, 12);
    assert_string_equal(url.words, "redis://store.example:7000/12");
}

static void a_password_needs_no_user(void **state)
{
    (void)state;
    parse("redis://:secret@h");
    assert_string_equal(url.user, "");
    assert_string_equal(url.password, "secret");
}

static void an_ipv6_host_stands_in_brackets(void **state)
{
    (void)state;
    parse("redis://[::1]:7001/2");
    assert_string_equal(url.host, "::1");
    assert_string_equal(url.port, "7001");
    assert_string_equal(url.words, "redis://[::1]:7001/2");
    parse("redis://[::1]");
    assert_string_equal(url.port, "6379");
}

static void a_unix_url_is_a_path_and_maybe_a_database(void **state)
{
    (void)state;
    parse("unix:///run/redis/redis.sock?db=3");
    assert_true(url.is_unix);
    assert_string_equal(url.path, "/run/redis/redis.sock");
    assert_int_equal(url.db, 3);
    parse("unix://u:p@/x");
    assert_string_equal(url.path, "/x");
    assert_string_equal(url.user, "u");
    assert_string_equal(url.words, "unix:///x");
}

static void a_wrong_url_is_refused_without_repeating_its_password(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "127.0.0.1:6379",
        "http://u:hunter2@h",
        "rediss://u:hunter2@h",
        "redis://u:hunter2@h:0",
        "redis://u:hunter2@h:65536",
        "redis://u:hunter2@h:12a",
        "redis://u:hunter2@h:",
        "redis://u:hunter2@h/x",
        "redis://u:hunter2@h/-1",
        "redis://u:hunter2@[::1",
        "redis://u:hunter2@[::1]7",
        "redis://u:hunter2%4@h",
        "redis://u:hunter2%zz@h",
        "redis://u:hunter2%00@h",
        "unix://u:hunter2@relative/path",
        "unix://u:hunter2@/x?database=3",
        "unix://u:hunter2@/x?db=",
        "unix://",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        enum zl_status st = sink_url_parse(bad[i], &url, &err);
        if (st != ZL_ECONFIG || strstr(err.text, "hunter2")) {
            print_error("'%s' gave %d: %s\n", bad[i], st, err.text);
            fail();
        }
    }
    assert_int_equal(sink_url_parse(NULL, &url, &err), ZL_ECONFIG);
}

static void tls_is_refused_with_a_way_out(void **state)
{
    (void)state;
    assert_int_equal(sink_url_parse("rediss://h", &url, &err), ZL_ECONFIG);
    assert_non_null(strstr(err.text, "stunnel"));
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    char text[1200] = "unix:///";
    memset(text + 8, 'a', 106);
    parse(text); /* 107 bytes of path fit */
    memset(text + 8, 'a', 107);
    assert_int_equal(sink_url_parse(text, &url, &err), ZL_ECONFIG);
    strcpy(text, "redis://:");
    memset(text + 9, 'p', 600);
    strcpy(text + 609, "@h");
    assert_int_equal(sink_url_parse(text, &url, &err), ZL_ECONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_redis_url_has_defaults_for_all_but_the_scheme),
        cmocka_unit_test(a_redis_url_is_taken_apart),
        cmocka_unit_test(a_password_needs_no_user),
        cmocka_unit_test(an_ipv6_host_stands_in_brackets),
        cmocka_unit_test(a_unix_url_is_a_path_and_maybe_a_database),
        cmocka_unit_test(a_wrong_url_is_refused_without_repeating_its_password),
        cmocka_unit_test(tls_is_refused_with_a_way_out),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
