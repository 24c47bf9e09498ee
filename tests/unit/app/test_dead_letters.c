/* A dead letter as a line: the same bytes come back. And: the file door, without any broker. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/dead_letters.h"

static char scratch[1 << 16];
static struct source_header headers[DEAD_LETTERS_MAX_HEADERS];

static char *print(const struct dead_letter *l)
{
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    dead_letters_print(f, l);
    fclose(f);
    return text;
}

static void check_round_trip(struct zl_span value, struct zl_span key)
{
    struct source_header given[2] = {{ZL_SPAN("sent_ms"), ZL_SPAN("17")},
                                     {ZL_SPAN("trace \"id\""), ZL_SPAN("a\\b")}};
    struct dead_letter l = {.key = ZL_SPAN("events-0-17-2"),
                            .reason = ZL_SPAN("bad_json"),
                            .detail = ZL_SPAN("a \"quote\", a\ttab"),
                            .topic = ZL_SPAN("events"),
                            .partition = 3,
                            .offset = 1234567890123,
                            .index = 2,
                            .time_ms = 99,
                            .truncated = true,
                            .has_original_key = key.ptr != NULL,
                            .original_key = key,
                            .value = value,
                            .headers = given,
                            .n_headers = 2};
    struct dead_letter back;
    char *line = print(&l);
    size_t len = strlen(line);
    assert_int_equal(line[len - 1], '\n');
    assert_null(memchr(line, '\n', len - 1));
    assert_true(dead_letters_parse(line, len - 1, scratch, headers, &back));
    assert_true(zl_span_equal(back.key, l.key));
    assert_true(zl_span_equal(back.reason, l.reason));
    assert_true(zl_span_equal(back.detail, l.detail));
    assert_true(zl_span_equal(back.topic, l.topic));
    assert_true(zl_span_equal(back.value, l.value));
    assert_true(zl_span_equal(back.original_key, l.original_key));
    assert_int_equal(back.has_original_key, l.has_original_key);
    assert_int_equal(back.partition, 3);
    assert_int_equal(back.offset, 1234567890123);
    assert_int_equal(back.index, 2);
    assert_int_equal(back.time_ms, 99);
    assert_true(back.truncated);
    assert_int_equal(back.n_headers, 2);
    assert_true(zl_span_equal(back.headers[1].name, given[1].name));
    assert_true(zl_span_equal(back.headers[1].value, given[1].value));
    free(line);
}

static void text_comes_back_byte_for_byte(void **state)
{
    (void)state;
    check_round_trip(ZL_SPAN("{\"a\":\"知流 \\u0041\",\n\"b\":1}\r\n"), ZL_SPAN("u1"));
    check_round_trip(ZL_SPAN(""), (struct zl_span){NULL, 0});
    check_round_trip(ZL_SPAN("nul \0 inside"), ZL_SPAN(""));
}

static void bytes_that_are_not_utf8_come_back_byte_for_byte(void **state)
{
    (void)state;
    check_round_trip(ZL_SPAN("\xff"), ZL_SPAN("\xc3("));
    check_round_trip(ZL_SPAN("\xed\xa0\x80."), ZL_SPAN("u1"));    /* a surrogate */
    check_round_trip(ZL_SPAN("\xf4\x90\x80\x80"), ZL_SPAN("u1")); /* above U+10FFFF */
    char any[256];
    for (int n = 250; n <= 256; n++) { /* every remainder of base64 */
        for (int i = 0; i < n; i++)
            any[i] = (char)i;
        check_round_trip((struct zl_span){any, (size_t)n}, ZL_SPAN("u1"));
    }
}

static void a_line_is_utf8_whatever_the_value_is(void **state)
{
    (void)state;
    static const char *const bad[] = {"\xff",     "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xc0\x80", "\xe2\x82",     "\xf0\x8f\xbf\xbf"};
    static const char *const good[] = {"\xed\x9f\xbf", "\xf4\x8f\xbf\xbf", "\xc2\x80",
                                       "\xe2\x82\xac"};
    for (size_t i = 0; i < 10; i++) {
        bool plain = i >= 6;
        struct dead_letter l = {.key = ZL_SPAN("k"),
                                .value = zl_span_of(plain ? good[i - 6] : bad[i])};
        char *line = print(&l);
        assert_int_equal(strstr(line, "\"value_base64\"") == NULL, plain);
        free(line);
    }
}

static void a_damaged_line_is_refused_at_every_length(void **state)
{
    (void)state;
    struct dead_letter l = {
        .key = ZL_SPAN("k"), .value = ZL_SPAN("v\x01"), .reason = ZL_SPAN("bad_json")};
    struct dead_letter back;
    char *line = print(&l);
    for (size_t n = 0; n + 1 < strlen(line); n++)
        assert_int_equal(dead_letters_parse(line, n, scratch, headers, &back),
                         n == strlen(line) - 1);
    assert_false(dead_letters_parse("{\"key\":\"k\",\"x\":1}", 16, scratch, headers, &back));
    free(line);
}

/* ---- the file door */

static struct zl_reject reject_at(int64_t offset)
{
    struct zl_reject r = {.from = {.topic = ZL_TOPIC_EVENTS, .partition = 1, .offset = offset},
                          .reason = ZL_BAD_JSON,
                          .value = ZL_SPAN("{oops")};
    strcpy(r.detail, "no value");
    return r;
}

static void a_letter_in_the_file_is_safe_once_synced(void **state)
{
    (void)state;
    char path[] = "/tmp/zhiliu-test-letters-XXXXXX";
    close(mkstemp(path));
    FILE *broken = fopen(path, "w"); /* what a crash leaves behind */
    fputs("{\"key\":\"half", broken);
    fclose(broken);
    struct dead_letters_config cfg = {.file = path, .topics = {"ev"}};
    struct dead_letters *d;
    struct zl_error err;
    struct source_message m = {.has_key = true, .key = ZL_SPAN("u7")};
    assert_int_equal(dead_letters_open(&cfg, &d, &err), ZL_OK);
    for (int i = 0; i < 2; i++) {
        struct zl_reject r = reject_at(40 + i);
        assert_int_equal(dead_letters_put(d, &r, &m, &err), ZL_OK);
    }
    assert_int_equal(dead_letters_put_count(d), 2);
    assert_int_equal(dead_letters_acked(d), 0);
    dead_letters_sync(d);
    assert_int_equal(dead_letters_acked(d), 2);
    dead_letters_close(d, 0);

    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    struct dead_letter l;
    assert_true(getline(&line, &room, f) > 0);
    assert_string_equal(line, "{\"key\":\"half\n"); /* on a line of its own */
    for (int i = 0; i < 2; i++) {
        ssize_t len = getline(&line, &room, f);
        assert_true(dead_letters_parse(line, (size_t)len - 1, scratch, headers, &l));
        assert_true(zl_span_is(l.key, i ? "ev-1-41-0" : "ev-1-40-0"));
        assert_true(zl_span_is(l.original_key, "u7"));
        assert_true(zl_span_is(l.value, "{oops"));
    }
    assert_true(getline(&line, &room, f) < 0);
    free(line);
    fclose(f);
    unlink(path);
}

static void a_full_disk_holds_back_and_loses_nothing(void **state)
{
    (void)state;
    struct dead_letters_config cfg = {.file = "/dev/full", .topics = {"ev"}};
    struct dead_letters *d;
    struct zl_error err;
    struct source_message m = {.n_headers = 0};
    struct zl_reject r = reject_at(1);
    assert_int_equal(dead_letters_open(&cfg, &d, &err), ZL_OK);
    assert_int_equal(dead_letters_put(d, &r, &m, &err), ZL_EAGAIN);
    assert_int_equal(dead_letters_put_count(d), 0);
    dead_letters_close(d, 0);
}

static void without_a_door_a_letter_is_counted_and_logged(void **state)
{
    (void)state;
    struct dead_letters_config cfg = {.topics = {"ev"}};
    struct dead_letters *d;
    struct zl_error err;
    struct source_message m = {.n_headers = 0};
    struct zl_reject r = reject_at(1);
    assert_int_equal(dead_letters_open(&cfg, &d, &err), ZL_OK);
    assert_int_equal(dead_letters_put(d, &r, &m, &err), ZL_OK);
    assert_int_equal(dead_letters_acked(d), 1);
    dead_letters_close(d, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_comes_back_byte_for_byte),
        cmocka_unit_test(bytes_that_are_not_utf8_come_back_byte_for_byte),
        cmocka_unit_test(a_line_is_utf8_whatever_the_value_is),
        cmocka_unit_test(a_damaged_line_is_refused_at_every_length),
        cmocka_unit_test(a_letter_in_the_file_is_safe_once_synced),
        cmocka_unit_test(a_full_disk_holds_back_and_loses_nothing),
        cmocka_unit_test(without_a_door_a_letter_is_counted_and_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
