/* Stands for src/app/config.c and what it is made of: defaults, the file, --set, rules, and every error with its place. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "config_support.h"

static void an_empty_file_gives_every_default(void **state)
{
    (void)state;
    struct loaded l = load_text("");
    assert_int_equal(l.st, ZL_OK);
    assert_string_equal(l.words, "");
    assert_string_equal(l.config.source.brokers, "127.0.0.1:9092");
    assert_int_equal(l.config.source.queue, 32 << 20);
    assert_int_equal(l.config.guard.duplicates.window, 24 * 3600 * 1000);
    assert_int_equal(l.config.guard.duplicates.budget, 512LL << 20);
    assert_float_equal(l.config.reward.weights[ZL_PURCHASE], 4, 0);
    assert_float_equal(l.config.reward.weights[ZL_WATCH], 1, 0);
    assert_int_equal(l.config.model.k, 64);
    assert_int_equal(l.config.rank.coalesce, 5);
    assert_string_equal(l.config.checkpoint.path, "/var/lib/zhiliu");
    assert_string_equal(l.config.monitor.listen, "127.0.0.1:9464");
    loaded_release(&l);
}

static void the_pipeline_that_is_shipped_is_the_defaults(void **state)
{
    (void)state;
    struct config shipped, defaults;
    char *a, *b;
    size_t na, nb;
    assert_int_equal(config_load("pipelines/feed.yaml", NULL, 0, &shipped, stderr), ZL_OK);
    assert_int_equal(config_parse("x", "", 0, NULL, 0, &defaults, stderr), ZL_OK);
    FILE *fa = open_memstream(&a, &na), *fb = open_memstream(&b, &nb);
    config_print(&shipped, fa);
    config_print(&defaults, fb);
    fclose(fa);
    fclose(fb);
    assert_string_equal(a, b);
    free(a);
    free(b);
    config_release(&shipped);
    config_release(&defaults);
}

static void a_later_layer_wins(void **state)
{
    (void)state;
    const char *set[] = {"rank.n=7", "rank.n=9"};
    struct loaded l = load_bytes("rank: {n: 5, coalesce: 1ms}", 27, set, 2);
    assert_int_equal(l.st, ZL_OK);
    assert_int_equal(l.config.rank.n, 9);
    assert_int_equal(l.config.rank.coalesce, 1);
    loaded_release(&l);
}

static void a_source_file_named_later_than_the_kind_means_file(void **state)
{
    (void)state;
    struct loaded l = load_set("source: {kind: kafka}", "source.file=-");
    assert_int_equal(l.st, ZL_OK);
    assert_int_equal(l.config.source.kind, 1);
    assert_string_equal(l.config.checkpoint.path, "");
    assert_string_equal(l.config.monitor.listen, "");
    loaded_release(&l);
    l = load_text("source: {kind: kafka, file: x.jsonl}");
    assert_int_equal(l.config.source.kind, 0); /* said so, in the same place */
    loaded_release(&l);
    l = load_set("source: {file: -}\ncheckpoint: {path: here}", "monitor.listen=127.0.0.1:0");
    assert_int_equal(l.config.source.kind, 1);
    assert_string_equal(l.config.checkpoint.path, "here");
    assert_string_equal(l.config.monitor.listen, "127.0.0.1:0");
    loaded_release(&l);
}

static void off_is_no_checkpoint_and_no_monitor(void **state)
{
    (void)state;
    struct loaded l = load_text("checkpoint: {path: off}\nmonitor: {listen: off}");
    assert_int_equal(l.st, ZL_OK);
    assert_string_equal(l.config.checkpoint.path, "");
    assert_string_equal(l.config.monitor.listen, "");
    loaded_release(&l);
}

static void a_variable_is_only_ever_text_inside_one_scalar(void **state)
{
    (void)state;
    setenv("ZL_TEST_GROUP", "a, kind: file, x: *y", 1);
    struct loaded l = load_text("source: {group: \"${ZL_TEST_GROUP}-$$1\"}");
    assert_int_equal(l.st, ZL_OK);
    assert_string_equal(l.config.source.group, "a, kind: file, x: *y-$1");
    assert_int_equal(l.config.source.kind, 0);
    loaded_release(&l);
    setenv("ZL_TEST_GROUP", "", 1);
    l = load_text("source: {group: \"${ZL_TEST_GROUP:-other}\", file: \"${ZL_TEST_GROUP}\"}");
    /* empty counts as missing where a default stands */
    assert_string_equal(l.config.source.group, "other");
    assert_string_equal(l.config.source.file, "");
    loaded_release(&l);
    setenv("ZL_TEST_GROUP", "two\nlines", 1);
    l = load_text("source: {group: \"${ZL_TEST_GROUP}\"}");
    assert_int_equal(l.st, ZL_ECONFIG);
    assert_non_null(strstr(l.words, "[bad-variable]"));
    loaded_release(&l);
    unsetenv("ZL_TEST_GROUP");
}

static void a_bad_variable_of_a_default_matters_only_where_the_default_is_used(void **state)
{
    (void)state;
    setenv("REDIS_URL", "bad\nurl", 1);
    struct loaded l = load_text("");
    assert_int_equal(l.st, ZL_ECONFIG);
    assert_non_null(strstr(l.words, "test.yaml:1:1: error: the environment variable REDIS_URL"));
    loaded_release(&l);
    l = load_text("sink: {url: \"redis://other\"}");
    assert_int_equal(l.st, ZL_OK);
    loaded_release(&l);
    unsetenv("REDIS_URL");
}

static void kafka_properties_are_passed_as_they_are(void **state)
{
    (void)state;
    char path[] = "/tmp/zl_test_secret_XXXXXX", text[256];
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "of the file\n", 12) == 12);
    close(fd);
    snprintf(text, sizeof text,
             "source: {kafka: {sasl.username: me, sasl.password: {file: %s}, ssl.key.password: "
             "\"${ZL_TEST_SECRET}\"}}",
             path);
    const char *set[] = {"source.kafka.sasl.username=you", "source.kafka.fetch.wait.max.ms=5"};
    struct loaded l = load_bytes(text, strlen(text), set, 2);
    assert_string_equal(l.words, "");
    assert_int_equal(l.config.source.n_kafka, 4);
    assert_string_equal(l.config.source.kafka[0].value, "you");
    assert_string_equal(l.config.source.kafka[1].value, "of the file");
    assert_string_equal(l.config.source.kafka[2].value, "of-the-environment");
    assert_string_equal(l.config.source.kafka[3].name, "fetch.wait.max.ms");
    loaded_release(&l);
    unlink(path);
}

static void the_password_comes_from_a_file_without_its_newline(void **state)
{
    (void)state;
    char path[] = "/tmp/zl_test_secret_XXXXXX", text[128];
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "hush\n", 5) == 5);
    close(fd);
    snprintf(text, sizeof text, "sink: {password_file: %s}", path);
    struct loaded l = load_text(text);
    assert_int_equal(l.st, ZL_OK);
    assert_string_equal(l.config.sink.password, "hush");
    loaded_release(&l);
    unlink(path);
    l = load_text("sink: {password_file: /dev}"); /* not a plain file */
    assert_int_equal(l.st, ZL_ECONFIG);
    loaded_release(&l);
}

static void a_secret_in_clear_is_never_shown(void **state)
{
    (void)state;
    const char *set[] = {"sink.password=hunter2", "source.kafka.sasl.password=hunter2",
                         "sink.url=redis://a:hunter2@b"};
    const char *text =
        "rank: {n: 0}\nsink: {bad: 1, password: hunter2, url: \"${X:-redis://:hunter2@h}\"} # n\n"
        "source: {kafka: {sasl.password: >\n    hunter2\n    hunter2\n }, x: 1}";
    struct loaded l = load_bytes(text, strlen(text), set, 3);
    assert_int_equal(l.st, ZL_ECONFIG);
    assert_non_null(strstr(l.words, "[literal-secret]"));
    assert_non_null(strstr(l.words, "[unknown-key]")); /* on the same line */
    assert_null(strstr(l.words, "hunter2"));
    loaded_release(&l);
}

static void a_printed_config_hides_secrets(void **state)
{
    (void)state;
    setenv("ZL_TEST_URL", "redis://me:of-the-url@h:1/0", 1);
    struct loaded l = load_text("sink: {password: \"${ZL_TEST_SECRET}\", url: \"${ZL_TEST_URL}\"}\n"
                                "source: {kafka: {sasl.password: \"${ZL_TEST_SECRET}\"}}");
    char *printed;
    size_t n;
    FILE *out = open_memstream(&printed, &n);
    assert_int_equal(l.st, ZL_OK);
    config_print(&l.config, out);
    fclose(out);
    assert_null(strstr(printed, "of-the"));
    assert_non_null(strstr(printed, "redis://me:**********@h:1/0"));
    free(printed);
    loaded_release(&l);
    unsetenv("ZL_TEST_URL");
}

static void a_printed_config_reads_in_again_to_the_same(void **state)
{
    (void)state;
    struct loaded l = load_text(
        "source: {group: 'q\"\\ 知流 $$x', kafka: {a.b: 'c: d'}}\nrank: {coalesce: 150ms, n: 3}\n"
        "model: {learning_rate: 0.1000000001, seed: 9007199254740991}\ndecode: {max_bytes: 1025}");
    char *first, *second;
    size_t n, m;
    FILE *out = open_memstream(&first, &n);
    assert_string_equal(l.words, "");
    config_print(&l.config, out);
    fclose(out);
    struct loaded again = load_bytes(first, n, NULL, 0);
    assert_string_equal(again.words, "");
    out = open_memstream(&second, &m);
    config_print(&again.config, out);
    fclose(out);
    assert_string_equal(first, second);
    assert_string_equal(again.config.source.group, "q\"\\ 知流 $x");
    assert_true(config_fingerprint(&again.config) == config_fingerprint(&l.config));
    free(first);
    free(second);
    loaded_release(&l);
    loaded_release(&again);
}

static uint64_t fingerprint_with(const char *set)
{
    struct loaded l = load_set("", set);
    assert_int_equal(l.st, ZL_OK);
    uint64_t fingerprint = config_fingerprint(&l.config);
    loaded_release(&l);
    return fingerprint;
}

static void the_fingerprint_follows_what_shapes_state_and_nothing_else(void **state)
{
    (void)state;
    uint64_t plain = fingerprint_with("model.k=64");
    assert_true(plain != fingerprint_with("model.k=32"));
    assert_true(plain != fingerprint_with("model.seed=2"));
    assert_true(plain != fingerprint_with("model.history=49"));
    assert_true(plain != fingerprint_with("catalog.features.text=8"));
    assert_true(plain != fingerprint_with("source.topics.events=other"));
    assert_true(plain == fingerprint_with("rank.n=10"));
    assert_true(plain == fingerprint_with("sink.kind=stdout"));
    assert_true(plain == fingerprint_with("model.learning_rate=0.2"));
}

static void a_missing_file_is_not_a_config_error(void **state)
{
    (void)state;
    struct config c;
    char *words;
    size_t n;
    FILE *out = open_memstream(&words, &n);
    assert_int_equal(config_load("/nonexistent/feed.yaml", NULL, 0, &c, out), ZL_ENOENT);
    config_release(&c);
    assert_int_equal(config_load("/tmp", NULL, 0, &c, out), ZL_ENOENT);
    config_release(&c);
    fclose(out);
    assert_non_null(strstr(words, "cannot read /nonexistent/feed.yaml: No such file or directory"));
    free(words);
}

static void a_file_without_end_is_refused(void **state)
{
    (void)state;
    struct config c;
    char *words;
    size_t n;
    FILE *out = open_memstream(&words, &n);
    assert_int_equal(config_load("/dev/zero", NULL, 0, &c, out), ZL_ECONFIG);
    config_release(&c);
    fclose(out);
    assert_non_null(
        strstr(words, "/dev/zero:1:1: error: the file has more than 1048576 bytes [too-large]"));
    free(words);
}

static char *repeated(const char *piece, size_t bytes, size_t *len)
{
    size_t n = strlen(piece), times = bytes / n;
    char *text = malloc(times * n + 1);
    assert_non_null(text);
    for (size_t i = 0; i < times; i++)
        memcpy(text + i * n, piece, n);
    *len = times * n;
    return text;
}

/* CPU time of this thread, as a bound against explosion only: 100 times what it takes. */
static void a_megabyte_of_anything_is_refused_in_bounded_time(void **state)
{
    (void)state;
    static const char *const pieces[] = {"[",
                                         "{",
                                         "a: 1\n",
                                         "? ",
                                         "- ",
                                         "&a ",
                                         "*a ",
                                         "a: &a [*a,*a]\n",
                                         "\t",
                                         "\xff",
                                         "'",
                                         "x: ${A}\n",
                                         "!!a ",
                                         "--- a\n",
                                         "{a: ",
                                         "#",
                                         "\"\\x",
                                         "|\n",
                                         "%YAML 1.1\n---\n",
                                         "a,",
                                         "[a]: ",
                                         "\r",
                                         " "};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        size_t len;
        char *text = repeated(pieces[i], 1 << 20, &len);
        clock_t begin = clock();
        struct loaded l = load_bytes(text, len, NULL, 0);
        double s = (double)(clock() - begin) / CLOCKS_PER_SEC;
        if (s > 20)
            fail_msg("%.1f s for a megabyte of \"%s\"", s, pieces[i]);
        assert_true(strlen(l.words) < 100000);
        loaded_release(&l);
        free(text);
    }
}

/* A billion laughs: 20 levels of 10 aliases would be 10^20 nodes. */
static void an_anchor_bomb_costs_as_much_as_its_text(void **state)
{
    (void)state;
    char text[4096];
    size_t n = (size_t)snprintf(text, sizeof text, "l0: &l0 [x]\n");
    for (int i = 1; i < 20; i++)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "l%d: &l%d [*l%d,*l%d,*l%d,*l%d,*l%d,*l%d,*l%d,*l%d,*l%d,*l%d]\n", i,
                              i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1,
                              i - 1);
    struct loaded l = load_text(text);
    assert_int_equal(l.st, ZL_ECONFIG);
    assert_non_null(strstr(l.words, "[anchor]"));
    assert_non_null(strstr(l.words, "[alias]"));
    loaded_release(&l);
}

static void a_byte_order_mark_is_no_error(void **state)
{
    (void)state;
    struct loaded l = load_text("\xEF\xBB\xBFrank: {n: 5}\r\nsink: {prefix: x}\r\n");
    assert_int_equal(l.st, ZL_OK);
    assert_int_equal(l.config.rank.n, 5);
    loaded_release(&l);
}

/* tests/golden/config-errors/NAME.yaml must say what is in NAME.txt. UPDATE_GOLDEN=1 writes it anew. */
static char *slurp(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;
    if (f && getdelim(&text, &size, 0, f) < 0 && text)
        text[0] = 0;
    if (f)
        fclose(f);
    return text ? text : strdup("");
}

static void compare_golden(const char *yaml, const char *set)
{
    char expected_path[512], *words;
    size_t n;
    struct config c;
    FILE *out = open_memstream(&words, &n);
    enum zl_status st = config_load(yaml, &set, set ? 1 : 0, &c, out);
    config_release(&c);
    fclose(out);
    snprintf(expected_path, sizeof expected_path, "%.*s.txt", (int)(strlen(yaml) - 5), yaml);
    if (getenv("UPDATE_GOLDEN")) {
        FILE *f = fopen(expected_path, "w");
        assert_non_null(f);
        fputs(words, f);
        fclose(f);
    }
    char *expected = slurp(expected_path);
    if (st != ZL_ECONFIG || strcmp(words, expected) != 0)
        fail_msg("%s gives status %d and\n%s\ninstead of\n%s", yaml, (int)st, words, expected);
    free(words);
    free(expected);
}

static void every_error_says_its_place_as_the_golden_files_do(void **state)
{
    (void)state;
    glob_t found;
    assert_int_equal(glob("tests/golden/config-errors/*.yaml", 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 20);
    for (size_t i = 0; i < found.gl_pathc; i++)
        compare_golden(found.gl_pathv[i], NULL);
    globfree(&found);
}

static void an_error_of_set_names_the_set_and_points_into_it(void **state)
{
    (void)state;
    const char *set[] = {"rank.n=10", "source.grop=x", "rank.n=1e9", "novalue"};
    struct loaded l = load_bytes("rank: {n: 0}", 12, set, 4);
    assert_string_equal(l.words,
                        "test.yaml:1:11: error: rank.n 0 is outside 1..1000 [out-of-range]\n"
                        "    1 | rank: {n: 0}\n"
                        "      |           ^\n"
                        "--set 2: error: unknown key \"source.grop\" [unknown-key]\n"
                        "    2 | source.grop=x\n"
                        "      | ^~~~~~~~~~~ did you mean \"source.group\"?\n"
                        "--set 3: error: rank.n must be a whole number, not \"1e9\" [wrong-type]\n"
                        "    3 | rank.n=1e9\n"
                        "      |        ^~~\n"
                        "--set 4: error: --set wants KEY=VALUE [syntax]\n"
                        "    4 | novalue\n"
                        "      | ^~~~~~~\n"
                        "4 errors in test.yaml and --set; nothing was started\n");
    loaded_release(&l);
}

static void the_reference_page_is_what_the_program_prints(void **state)
{
    (void)state;
    char *printed;
    size_t n;
    FILE *out = open_memstream(&printed, &n);
    config_print_reference(out);
    fclose(out);
    char *page = slurp("docs/reference/config.md");
    assert_string_equal(printed, page);
    free(printed);
    free(page);
}

static void every_key_stands_in_schema_help_and_print(void **state)
{
    (void)state;
    char *texts[2];
    size_t n;
    FILE *out = open_memstream(&texts[0], &n);
    config_print_schema(out);
    fclose(out);
    out = open_memstream(&texts[1], &n);
    config_print_help(out);
    fclose(out);
    for (int i = 0; i < config_table_count(); i++) {
        const char *key = config_table_row(i)->key, *dot = strrchr(key, '.');
        char quoted[CONFIG_MAX_KEY];
        snprintf(quoted, sizeof quoted, "\"%s\": {\"description\"", dot ? dot + 1 : key);
        assert_non_null(strstr(texts[0], quoted));
        assert_non_null(strstr(texts[1], key));
    }
    free(texts[0]);
    free(texts[1]);
}

static void what_a_section_has_beside_its_defaults_is_named(void **state)
{
    (void)state;
    struct config c;
    char keys[100];
    const char *set[] = {"policy.mmr=0.5", "policy.fresh.age=72h", "policy.category.most=3",
                         "rank.n=30"};
    assert_int_equal(config_parse("t", "", 0, set, 4, &c, stderr), ZL_OK);
    assert_int_equal(config_changed(&c, "policy", keys, sizeof keys), 2); /* 72h is the default */
    assert_string_equal(keys, "policy.mmr, policy.category.most");
    assert_int_equal(config_changed(&c, "policy", keys, 8), 2);
    assert_string_equal(keys, "policy.");
    assert_int_equal(config_changed(&c, "polic", keys, sizeof keys), 0);
    assert_string_equal(keys, "");
    config_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_gives_every_default),
        cmocka_unit_test(the_pipeline_that_is_shipped_is_the_defaults),
        cmocka_unit_test(a_later_layer_wins),
        cmocka_unit_test(a_source_file_named_later_than_the_kind_means_file),
        cmocka_unit_test(off_is_no_checkpoint_and_no_monitor),
        cmocka_unit_test(a_variable_is_only_ever_text_inside_one_scalar),
        cmocka_unit_test(a_bad_variable_of_a_default_matters_only_where_the_default_is_used),
        cmocka_unit_test(kafka_properties_are_passed_as_they_are),
        cmocka_unit_test(the_password_comes_from_a_file_without_its_newline),
        cmocka_unit_test(a_secret_in_clear_is_never_shown),
        cmocka_unit_test(a_printed_config_hides_secrets),
        cmocka_unit_test(a_printed_config_reads_in_again_to_the_same),
        cmocka_unit_test(the_fingerprint_follows_what_shapes_state_and_nothing_else),
        cmocka_unit_test(a_missing_file_is_not_a_config_error),
        cmocka_unit_test(a_file_without_end_is_refused),
        cmocka_unit_test(a_megabyte_of_anything_is_refused_in_bounded_time),
        cmocka_unit_test(an_anchor_bomb_costs_as_much_as_its_text),
        cmocka_unit_test(a_byte_order_mark_is_no_error),
        cmocka_unit_test(every_error_says_its_place_as_the_golden_files_do),
        cmocka_unit_test(an_error_of_set_names_the_set_and_points_into_it),
        cmocka_unit_test(the_reference_page_is_what_the_program_prints),
        cmocka_unit_test(every_key_stands_in_schema_help_and_print),
        cmocka_unit_test(what_a_section_has_beside_its_defaults_is_named),
    };
    clean_environment();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
