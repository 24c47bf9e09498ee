/* Stands for src/monitor/head.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "monitor/head.h"

static struct monitor_head head;

static int parse(const char *text)
{
    memset(&head, 0, sizeof head);
    return monitor_head_parse(zl_span_of(text), &head);
}

static void a_get_asks_for_a_body_and_a_head_for_none(void **state)
{
    (void)state;
    assert_int_equal(parse("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), 0);
    assert_string_equal(head.path, "/metrics");
    assert_true(head.body_wanted);
    assert_int_equal(parse("HEAD /livez HTTP/1.0\n\n"), 0);
    assert_false(head.body_wanted);
}

static void a_query_does_not_belong_to_the_path(void **state)
{
    (void)state;
    assert_int_equal(parse("GET /readyz?x=/livez HTTP/1.1\r\n\r\n"), 0);
    assert_string_equal(head.path, "/readyz");
}

static void other_verbs_are_405_even_with_a_body(void **state)
{
    (void)state;
    assert_int_equal(parse("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n"), 405);
    assert_int_equal(parse("get / HTTP/1.1\r\n\r\n"), 405);
}

static void a_body_is_413_and_an_empty_one_is_none(void **state)
{
    (void)state;
    assert_int_equal(parse("GET / HTTP/1.1\r\ncontent-length: 1\r\n\r\n"), 413);
    assert_int_equal(parse("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), 413);
    assert_int_equal(parse("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), 0);
    assert_int_equal(parse("GET / HTTP/1.1\r\nContent-Length:\r\n\r\n"), 413);
    assert_int_equal(parse("GET / HTTP/1.1\r\nContent-Length: 00x\r\n\r\n"), 413);
}

static void what_is_not_http_is_400(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "\r\n\r\n",
                                      "GET /\r\n\r\n",
                                      "GET / HTTP/1.1",
                                      "GET / HTTP/1.1\r\nno colon\r\n\r\n",
                                      "GET / HTTP/1.1\r\n: no name\r\n\r\n",
                                      "GET / HTTP/1.1\r\n folded: x\r\n\r\n",
                                      "GET http://x/ HTTP/1.1\r\n\r\n",
                                      "GET / HTTP/1.11\r\n\r\n",
                                      "GET / FTP/1.1\r\n\r\n",
                                      "*1\r\n$4\r\nPING\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(parse(bad[i]), 400);
    assert_int_equal(parse("GET / HTTP/2.0\r\n\r\n"), 505);
}

static void a_path_that_does_not_fit_is_414(void **state)
{
    (void)state;
    char text[600] = "GET /";
    memset(text + 5, 'a', 255);
    strcpy(text + 260, " HTTP/1.1\r\n\r\n");
    assert_int_equal(parse(text), 414);
    memset(text + 5, 'a', 254);
    strcpy(text + 259, " HTTP/1.1\r\n\r\n");
    assert_int_equal(parse(text), 0);
    assert_int_equal(strlen(head.path), 255);
}

/* Under the address sanitizer: each text stands at the end of its own allocation. */
static void no_mangled_head_is_read_beyond_its_end(void **state)
{
    (void)state;
    static const char good[] = "GET /metrics?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    static const char bytes[] = "\r\n :/?\0A0";
    struct rng r = rng_at(20260101, 0, 0, 0); /* SEED */
    print_message("SEED 20260101\n");
    for (int round = 0; round < 20000; round++) {
        size_t len = rng_below(&r, sizeof good);
        char *text = malloc(len + 1);
        memcpy(text + 1, good, len);
        for (uint32_t changes = rng_below(&r, 4); len && changes; changes--)
            text[1 + rng_below(&r, (uint32_t)len)] = bytes[rng_below(&r, sizeof bytes - 1)];
        int status = monitor_head_parse((struct zl_span){text + 1, len}, &head);
        assert_true(status == 0 || (status >= 400 && status <= 505));
        if (status == 0)
            assert_int_equal(head.path[0], '/');
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_get_asks_for_a_body_and_a_head_for_none),
        cmocka_unit_test(a_query_does_not_belong_to_the_path),
        cmocka_unit_test(other_verbs_are_405_even_with_a_body),
        cmocka_unit_test(a_body_is_413_and_an_empty_one_is_none),
        cmocka_unit_test(what_is_not_http_is_400),
        cmocka_unit_test(a_path_that_does_not_fit_is_414),
        cmocka_unit_test(no_mangled_head_is_read_beyond_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
