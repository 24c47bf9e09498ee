/* A file as a log: what is a line, what is its offset, and where reading goes on. */
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

#include <zlib.h>
#include <zstd.h>

#include "source/file.h"
#include "source/source.h"

static char folder[] = "/tmp/zhiliu-test-file-XXXXXX";
static struct source_batch batch;
static struct zl_positions positions;

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char path[200];
    static const char *const names[] = {"a", "items", "gz", "zst", "long", "cut.gz", "cut.zst"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static const char *path_of(const char *name)
{
    static char paths[4][200];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static const char *put_file(const char *name, const void *bytes, size_t len)
{
    const char *path = path_of(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
    return path;
}

static const char *put_text(const char *name, const char *text)
{
    return put_file(name, text, strlen(text));
}

static struct source *open_at(const char *file, const char *items, int64_t next)
{
    struct source_config cfg = {.file = file, .items_file = items, .positions = &positions};
    struct zl_error err = {""};
    struct source *s;
    positions.n = 0;
    zl_positions_get(&positions, ZL_TOPIC_EVENTS, 0)->next = next;
    if (source_open(&cfg, &s, &err) != ZL_OK)
        fail_msg("%s", err.text);
    return s;
}

/* All messages as "topic offset:value|"; the status that ended it. */
static enum zl_status read_all(struct source *s, char *out, size_t len, struct zl_error *err)
{
    size_t at = 0;
    out[0] = '\0';
    for (;;) {
        enum zl_status st = source_poll(s, &batch, err);
        for (int i = 0; i < batch.n; i++) {
            const struct source_message *m = &batch.messages[i];
            at += (size_t)snprintf(out + at, len - at, "%c%lld:%.*s|", zl_topic_name(m->topic)[0],
                                   (long long)m->offset, (int)m->value.len, m->value.ptr);
            assert_int_equal(m->log_ms, -1);
            assert_int_equal(m->partition, 0);
            assert_true(m->has_value);
        }
        if (st != ZL_OK)
            return st;
    }
}

static void check_all(struct source *s, const char *expected)
{
    char got[4096];
    struct zl_error err = {""};
    assert_int_equal(read_all(s, got, sizeof got, &err), ZL_END);
    assert_string_equal(got, expected);
    source_close(s);
}

static void each_line_is_a_message_and_its_number_the_offset(void **state)
{
    (void)state;
    check_all(open_at(put_text("a", "one\ntwo\nthree\n"), NULL, -1), "e0:one|e1:two|e2:three|");
}

static void a_last_line_without_a_newline_counts(void **state)
{
    (void)state;
    check_all(open_at(put_text("a", "one\ntwo"), NULL, -1), "e0:one|e1:two|");
}

static void blank_lines_are_counted_but_not_lent(void **state)
{
    (void)state;
    check_all(open_at(put_text("a", "\none\n \t\r\n\ntwo\n\n"), NULL, -1), "e1:one|e4:two|");
}

static void what_was_put_back_is_lent_again_with_what_follows(void **state)
{
    (void)state;
    struct zl_error err = {""};
    struct source *s = open_at(put_text("a", "one\n\ntwo\nthree\n"), NULL, -1);
    assert_int_equal(source_poll(s, &batch, &err), ZL_OK);
    assert_int_equal(batch.n, 3);
    assert_true(batch.end);
    source_put_back(s, &batch, 1);
    check_all(s, "e2:two|e3:three|");
}

static void an_empty_file_ends_at_once(void **state)
{
    (void)state;
    check_all(open_at(put_text("a", ""), NULL, -1), "");
}

static void reading_goes_on_at_the_position(void **state)
{
    (void)state;
    const char *path = put_text("a", "one\ntwo\nthree\n");
    check_all(open_at(path, NULL, 2), "e2:three|");
    check_all(open_at(path, NULL, 3), "");
}

static void a_file_shorter_than_the_position_is_told_in_words(void **state)
{
    (void)state;
    char got[64];
    struct zl_error err = {""};
    struct source *s = open_at(put_text("a", "one\ntwo\n"), NULL, 7);
    assert_int_equal(read_all(s, got, sizeof got, &err), ZL_EBADDATA);
    assert_non_null(strstr(err.text, "has 2 lines"));
    assert_non_null(strstr(err.text, "took in 7"));
    source_close(s);
}

static void items_come_before_events(void **state)
{
    (void)state;
    const char *items = put_text("items", "i\nj\n");
    struct source *s = open_at(put_text("a", "one\n"), items, -1);
    struct zl_error err;
    assert_false(source_items_ready(s));
    assert_int_equal(source_poll(s, &batch, &err), ZL_OK);
    assert_int_equal(batch.n, 2);
    assert_int_equal(batch.messages[0].topic, ZL_TOPIC_ITEMS);
    assert_int_equal(source_poll(s, &batch, &err), ZL_OK);
    assert_true(source_items_ready(s));
    check_all(s, "e0:one|");
}

static void a_missing_file_is_a_missing_input(void **state)
{
    (void)state;
    struct source_config cfg = {.file = "/nowhere/at/all"};
    struct zl_error err = {""};
    struct source *s;
    assert_int_equal(source_open(&cfg, &s, &err), ZL_ENOENT);
    assert_null(s);
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    assert_int_equal(source_check(&cfg, 0, &err), ZL_ENOENT);
}

static void a_folder_is_refused(void **state)
{
    (void)state;
    struct source_config cfg = {.file = folder};
    struct zl_error err = {""};
    struct source *s;
    assert_int_equal(source_open(&cfg, &s, &err), ZL_ENOENT); /* as for a pipeline: exit 66 */
}

/* ---- packed files */

#define MANY 50000

static size_t many_lines(char **text)
{
    size_t at = 0;
    *text = malloc((size_t)MANY * 24);
    for (int i = 0; i < MANY; i++)
        at += (size_t)sprintf(*text + at, "{\"line\":%d}\n", i);
    return at;
}

static void check_many(struct source *s, int from)
{
    struct zl_error err = {""};
    enum zl_status st;
    char expected[40];
    int64_t next = from;
    while ((st = source_poll(s, &batch, &err)) == ZL_OK)
        for (int i = 0; i < batch.n; i++, next++) {
            int len = sprintf(expected, "{\"line\":%lld}", (long long)next);
            assert_int_equal(batch.messages[i].offset, next);
            assert_int_equal(batch.messages[i].value.len, len);
            assert_memory_equal(batch.messages[i].value.ptr, expected, (size_t)len);
        }
    assert_int_equal(st, ZL_END);
    assert_int_equal(next, MANY);
    source_close(s);
}

static size_t gzip(const char *text, size_t len, char *to, size_t room)
{
    z_stream z = {0};
    deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (unsigned)len;
    z.next_out = (unsigned char *)to;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static void many_plain_lines_come_whole_over_many_polls(void **state)
{
    (void)state;
    char *text;
    size_t len = many_lines(&text);
    check_many(open_at(put_file("a", text, len), NULL, -1), 0);
    check_many(open_at(path_of("a"), NULL, MANY - 5), MANY - 5);
    free(text);
}

static void gzip_in_two_members_is_read_as_one(void **state)
{
    (void)state;
    char *text, *packed = malloc(4 << 20);
    size_t len = many_lines(&text), half = len / 2 + 3; /* in the middle of a line */
    size_t n = gzip(text, half, packed, 2 << 20);
    n += gzip(text + half, len - half, packed + n, 2 << 20);
    check_many(open_at(put_file("gz", packed, n), NULL, -1), 0);
    free(packed);
    free(text);
}

static void zstd_is_read(void **state)
{
    (void)state;
    char *text, *packed = malloc(4 << 20);
    size_t len = many_lines(&text);
    size_t n = ZSTD_compress(packed, 4 << 20, text, len, 3);
    check_many(open_at(put_file("zst", packed, n), NULL, -1), 0);
    free(packed);
    free(text);
}

static void a_truncated_packed_file_is_bad_data(void **state)
{
    (void)state;
    char *text, *packed = malloc(4 << 20);
    size_t len = many_lines(&text);
    size_t sizes[2] = {gzip(text, len, packed, 2 << 20),
                       ZSTD_compress(packed + (2 << 20), 2 << 20, text, len, 3)};
    for (int i = 0; i < 2; i++) {
        put_file("gz", packed + i * (2 << 20), sizes[i] - 40);
        struct source *s = open_at(path_of("gz"), NULL, -1);
        struct zl_error err = {""};
        enum zl_status st;
        while ((st = source_poll(s, &batch, &err)) == ZL_OK)
            ;
        assert_int_equal(st, ZL_EBADDATA);
        assert_non_null(strstr(err.text, "damaged after line"));
        source_close(s);
    }
    free(packed);
    free(text);
}

static enum zl_status end_of(const char *path, struct zl_error *err)
{
    struct source *s = open_at(path, NULL, -1);
    enum zl_status st;
    while ((st = source_poll(s, &batch, err)) == ZL_OK)
        ;
    source_close(s);
    return st;
}

/* gzip -t and zstd -t say the same of them. */
static void a_packed_file_that_is_cut_in_its_first_bytes_is_bad_data(void **state)
{
    (void)state;
    static const char *const names[2] = {"cut.gz", "cut.zst"},
                             *magics[2] = {"\x1f\x8b", "\x28\xb5\x2f\xfd"};
    for (int i = 0; i < 2; i++) {
        for (size_t n = 0; n < strlen(magics[i]); n++) {
            struct zl_error err = {""};
            assert_int_equal(end_of(put_file(names[i], magics[i], n), &err), ZL_EBADDATA);
            assert_non_null(strstr(err.text, "it ends in the middle"));
        }
    }
    struct zl_error err = {""};
    assert_int_equal(end_of(put_file("a", "", 0), &err), ZL_END);
    assert_int_equal(end_of(put_file("cut.gz", "a\n", 2), &err), ZL_END); /* not packed at all */
}

/* ---- long lines */

static void a_line_over_the_limit_is_lent_cut_and_the_next_is_whole(void **state)
{
    (void)state;
    size_t len = (size_t)SOURCE_FILE_MAX_LINE + 3000000;
    char *text = malloc(len + 100);
    memset(text, 'x', len);
    memcpy(text + len, "\nnext\n", 6);
    struct source *s = open_at(put_file("long", text, len + 6), NULL, -1);
    struct zl_error err;
    size_t lens[2] = {0};
    int n = 0;
    enum zl_status st;
    while ((st = source_poll(s, &batch, &err)) == ZL_OK)
        for (int i = 0; i < batch.n; i++) {
            assert_int_equal(batch.messages[i].offset, n);
            lens[n++] = batch.messages[i].value.len;
        }
    assert_int_equal(st, ZL_END);
    assert_int_equal(n, 2);
    assert_int_equal(lens[0], SOURCE_FILE_MAX_LINE);
    assert_int_equal(lens[1], 4);
    source_close(s);
    free(text);
}

/* ---- pipes and ranges */

static void a_slow_pipe_never_makes_a_poll_wait(void **state)
{
    (void)state;
    int ends[2], saved = dup(STDIN_FILENO), fd;
    struct zl_error err;
    assert_int_equal(pipe(ends), 0);
    dup2(ends[0], STDIN_FILENO);
    struct source *s = open_at("-", NULL, -1);
    assert_int_equal(source_poll(s, &batch, &err), ZL_OK); /* would hang here */
    assert_int_equal(batch.n, 0);
    assert_false(batch.more);
    assert_int_equal(source_fds(s, &fd, 1), 1);
    assert_true(fd >= 0);
    assert_int_equal(write(ends[1], "one\ntw", 6), 6);
    assert_int_equal(source_poll(s, &batch, &err), ZL_OK);
    assert_int_equal(batch.n, 1);
    assert_memory_equal(batch.messages[0].value.ptr, "one", 3);
    assert_int_equal(write(ends[1], "o\n", 2), 2);
    close(ends[1]);
    check_all(s, "e1:two|");
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(ends[0]);
}

static void a_range_ends_before_its_offset(void **state)
{
    (void)state;
    static struct zl_positions until;
    zl_positions_get(&until, ZL_TOPIC_EVENTS, 0)->next = 2;
    positions.n = 0;
    struct source_config cfg = {
        .file = put_text("a", "one\ntwo\nthree\n"), .positions = &positions, .until = &until};
    struct zl_error err;
    struct source *s;
    assert_int_equal(source_open(&cfg, &s, &err), ZL_OK);
    check_all(s, "e0:one|e1:two|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_is_a_message_and_its_number_the_offset),
        cmocka_unit_test(a_last_line_without_a_newline_counts),
        cmocka_unit_test(blank_lines_are_counted_but_not_lent),
        cmocka_unit_test(what_was_put_back_is_lent_again_with_what_follows),
        cmocka_unit_test(an_empty_file_ends_at_once),
        cmocka_unit_test(reading_goes_on_at_the_position),
        cmocka_unit_test(a_file_shorter_than_the_position_is_told_in_words),
        cmocka_unit_test(items_come_before_events),
        cmocka_unit_test(a_missing_file_is_a_missing_input),
        cmocka_unit_test(a_folder_is_refused),
        cmocka_unit_test(many_plain_lines_come_whole_over_many_polls),
        cmocka_unit_test(gzip_in_two_members_is_read_as_one),
        cmocka_unit_test(zstd_is_read),
        cmocka_unit_test(a_truncated_packed_file_is_bad_data),
        cmocka_unit_test(a_packed_file_that_is_cut_in_its_first_bytes_is_bad_data),
        cmocka_unit_test(a_line_over_the_limit_is_lent_cut_and_the_next_is_whole),
        cmocka_unit_test(a_slow_pipe_never_makes_a_poll_wait),
        cmocka_unit_test(a_range_ends_before_its_offset),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
