/* Stands for src/sink/stdout.c (and the door, sink.c). stdout is a pipe for the time of a call. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sink/sink.h"

static int ends[2], real_stdout;

static void redirect(void)
{
    fflush(stdout);
    real_stdout = dup(STDOUT_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[1]);
}

static void restore(void)
{
    dup2(real_stdout, STDOUT_FILENO);
    close(real_stdout);
}

static struct sink *open_sink(enum sink_kind kind, int inflight)
{
    struct sink *s;
    struct sink_config cfg = {.kind = kind, .inflight = inflight, .scores = false};
    assert_int_equal(sink_open(&cfg, &s, NULL), ZL_OK);
    return s;
}

static void put(struct sink *s, uint64_t token, struct zl_span user)
{
    static const struct zl_span items[] = {{"x", 1}};
    struct sink_list list = {
        .token = token, .user_id = user, .version = {1, 2, 3}, .ts_ms = 4, .n = 1, .items = items};
    sink_put(s, &list);
}

static void each_list_is_one_line_with_its_user(void **state)
{
    (void)state;
    struct sink_answer answers[8];
    char text[1024] = "";
    struct sink *s = open_sink(SINK_STDOUT, 8);
    redirect();
    put(s, 11, ZL_SPAN("al\"ice"));
    sink_forget(s, 12, ZL_SPAN("bob"), (struct zl_version){1, 2, 3}, 4);
    int n = sink_poll(s, 0, answers, 8);
    restore();
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    assert_string_equal(
        text,
        "{\"user\":\"al\\\"ice\",\"v\":1,\"ver\":\"0000000100000000000000020000000000000003\","
        "\"ts\":4,"
        "\"experiment\":{},\"items\":[\"x\"],\"explore\":{}}\n"
        "{\"user\":\"bob\",\"v\":1,\"ver\":\"0000000100000000000000020000000000000003\",\"ts\":4,"
        "\"experiment\":{},\"items\":[],\"explore\":{}}\n");
    assert_int_equal(n, 2);
    assert_true(answers[0].token == 11 && answers[0].result == SINK_WRITTEN);
    assert_true(answers[1].token == 12 && answers[1].result == SINK_WRITTEN);
    sink_close(s, 0);
}

static void room_shrinks_until_answers_are_taken(void **state)
{
    (void)state;
    struct sink_answer answers[2];
    struct sink *s = open_sink(SINK_NONE, 3);
    assert_int_equal(sink_room(s), 3);
    for (uint64_t i = 0; i < 3; i++)
        put(s, i, ZL_SPAN("u"));
    assert_int_equal(sink_room(s), 0);
    assert_int_equal(sink_poll(s, 0, answers, 2), 2);
    assert_int_equal(answers[1].token, 1);
    assert_int_equal(sink_room(s), 2);
    assert_int_equal(sink_poll(s, 0, answers, 2), 1);
    assert_int_equal(answers[0].token, 2);
    sink_close(s, 0);
}

static void a_reader_that_has_gone_fails_the_lists_and_ends_the_room(void **state)
{
    (void)state;
    struct sink_answer answers[8];
    char why[200];
    struct sink *s = open_sink(SINK_STDOUT, 8);
    assert_true(sink_connected(s, why, sizeof why));
    assert_string_equal(why, "");
    redirect();
    close(ends[0]);
    put(s, 5, ZL_SPAN("u"));
    int n = sink_poll(s, 0, answers, 8);
    restore();
    assert_int_equal(n, 1);
    assert_int_equal(answers[0].result, SINK_FAILED);
    assert_int_equal(sink_room(s), 0);
    assert_false(sink_connected(s, why, sizeof why));
    assert_non_null(strstr(why, "Broken pipe"));
    sink_close(s, 0);
}

static void the_sink_that_is_nothing_writes_nothing(void **state)
{
    (void)state;
    struct sink_answer answer;
    char byte;
    struct sink *s = open_sink(SINK_NONE, 8);
    redirect();
    put(s, 5, ZL_SPAN("u"));
    int n = sink_poll(s, 0, &answer, 1);
    restore();
    assert_int_equal(n, 1);
    assert_int_equal(answer.result, SINK_WRITTEN);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    sink_close(s, 0);
}

static void a_wrong_url_does_not_open(void **state)
{
    (void)state;
    struct sink *s;
    struct zl_error err;
    struct sink_config cfg = {.kind = SINK_REDIS, .url = "rediss://h"};
    assert_int_equal(sink_open(&cfg, &s, &err), ZL_ECONFIG);
    assert_null(s);
    cfg.url = "redis://h";
    cfg.username = "u";
    assert_int_equal(sink_open(&cfg, &s, &err), ZL_ECONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_list_is_one_line_with_its_user),
        cmocka_unit_test(room_shrinks_until_answers_are_taken),
        cmocka_unit_test(a_reader_that_has_gone_fails_the_lists_and_ends_the_room),
        cmocka_unit_test(the_sink_that_is_nothing_writes_nothing),
        cmocka_unit_test(a_wrong_url_does_not_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
