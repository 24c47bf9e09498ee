/* Stands for src/base/log.c. stderr is a file in memory; time passes by moving a site's last_ms back. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

static char lines[16384];
static int memory, real_stderr;

static void start_catching(void)
{
    memory = memfd_create("log", 0);
    real_stderr = dup(STDERR_FILENO);
    dup2(memory, STDERR_FILENO);
}

static const char *caught(void)
{
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    lseek(memory, 0, SEEK_SET);
    ssize_t n = read(memory, lines, sizeof lines - 1);
    lines[n > 0 ? n : 0] = '\0';
    close(memory);
    return lines;
}

static int count_lines(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void a_text_line_has_time_level_room_and_words(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_TEXT);
    start_catching();
    LOG(INFO, "sink", "connected to %s", "unix:///x");
    const char *text = caught();
    assert_int_equal(text[4], '-');
    assert_int_equal(text[10], 'T');
    assert_int_equal(text[19], '.');
    assert_string_equal(text + 23, "Z INFO  sink: connected to unix:///x\n");
}

static void a_repeated_line_is_written_once_and_then_counted(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_TEXT);
    struct log_site site = {0};
    start_catching();
    for (int i = 0; i < 1000; i++)
        log_write(&site, LOG_WARN, "sink", "refused %d", i);
    site.last_ms -= 9000;
    log_write(&site, LOG_WARN, "sink", "too early");
    site.last_ms -= 2000;
    log_write(&site, LOG_WARN, "sink", "later");
    const char *text = caught();
    assert_int_equal(count_lines(text), 2);
    assert_non_null(strstr(text, "sink: refused 0\n"));
    assert_non_null(strstr(text, "sink: later (and 1000 more like it in the last 10 s)\n"));
}

static void two_sites_do_not_silence_each_other(void **state)
{
    (void)state;
    start_catching();
    LOG(WARN, "a", "one");
    LOG(WARN, "a", "two");
    assert_int_equal(count_lines(caught()), 2);
}

static void a_line_below_the_level_is_not_written_and_not_counted(void **state)
{
    (void)state;
    struct log_site site = {0};
    log_setup(LOG_WARN, LOG_TEXT);
    start_catching();
    log_write(&site, LOG_INFO, "a", "quiet");
    assert_int_equal(count_lines(caught()), 0);
    assert_true(site.last_ms == 0 && site.left_out == 0);
    log_setup(LOG_INFO, LOG_TEXT);
}

static void json_words_are_escaped(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_JSON);
    start_catching();
    LOG(ERROR, "kafka", "a \"b\" \\ \n\t \x01 \xE7\x9F\xA5 \xFF\xC0\xAF end");
    const char *text = caught();
    log_setup(LOG_INFO, LOG_TEXT);
    assert_memory_equal(text, "{\"ts\":\"2", 8);
    assert_string_equal(
        strstr(text, "\",\"level\""),
        "\",\"level\":\"error\",\"room\":\"kafka\",\"msg\":\"a \\\"b\\\" \\\\ \\u000a\\u0009 "
        "\\u0001 \xE7\x9F\xA5 \\ufffd\\ufffd\\ufffd end\"}\n");
}

static void text_from_outside_cannot_make_a_second_line(void **state)
{
    (void)state;
    start_catching();
    LOG(WARN, "sink", "%s", "ERR\r\n2026 INFO  fake: \x1B[31m");
    const char *text = caught();
    assert_int_equal(count_lines(text), 1);
    assert_non_null(strstr(text, "ERR??2026 INFO  fake: ?[31m\n"));
}

static void a_very_long_line_is_cut_and_whole(void **state)
{
    (void)state;
    static char words[9000];
    memset(words, '\1', sizeof words - 1);
    log_setup(LOG_INFO, LOG_JSON);
    start_catching();
    LOG(WARN, "sink", "%s", words);
    const char *text = caught();
    log_setup(LOG_INFO, LOG_TEXT);
    size_t len = strlen(text);
    assert_true(len > 1000 && len <= 4096);
    assert_string_equal(text + len - 3, "\"}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_line_has_time_level_room_and_words),
        cmocka_unit_test(a_repeated_line_is_written_once_and_then_counted),
        cmocka_unit_test(two_sites_do_not_silence_each_other),
        cmocka_unit_test(a_line_below_the_level_is_not_written_and_not_counted),
        cmocka_unit_test(json_words_are_escaped),
        cmocka_unit_test(text_from_outside_cannot_make_a_second_line),
        cmocka_unit_test(a_very_long_line_is_cut_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
