/* Stands for src/app/commands.c: what the command line gives, and what it refuses with the nearest that exists. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/commands_priv.h"

/* stdout and stderr of a parse, caught. */
static char said[65536];

static int parse(struct args *args, bool *done, int argc, char **argv)
{
    FILE *caught = tmpfile();
    fflush(stdout);
    fflush(stderr);
    int keep_out = dup(1), keep_err = dup(2);
    dup2(fileno(caught), 1);
    dup2(fileno(caught), 2);
    int code = commands_parse(argc, argv, args, done);
    fflush(stdout);
    fflush(stderr);
    dup2(keep_out, 1);
    dup2(keep_err, 2);
    close(keep_out);
    close(keep_err);
    rewind(caught);
    said[fread(said, 1, sizeof said - 1, caught)] = 0;
    fclose(caught);
    return code;
}

#define PARSE(...)                                                                                 \
    parse(&args, &done, (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)),                   \
          (char *[]){__VA_ARGS__, NULL})

static void flags_and_words_come_in_any_order(void **state)
{
    (void)state;
    struct args args;
    bool done;
    assert_int_equal(PARSE("zhiliu", "replay", "--every=5", "a.yaml", "--set", "rank.n=3",
                           "--score", "--", "--odd"),
                     0);
    assert_false(done);
    assert_string_equal(args.verb, "replay");
    assert_int_equal(args.n_words, 2);
    assert_string_equal(args.words[0], "a.yaml");
    assert_string_equal(args.words[1], "--odd");
    assert_int_equal(args_integer(&args, "every"), 5);
    assert_true(args_on(&args, "score"));
    assert_int_equal(args.n_set, 1);
    assert_string_equal(args.set[0], "rank.n=3");
    assert_float_equal(args_number(&args, "skip"), 0.3, 0);
    assert_null(args_text(&args, "from"));
}

static void what_is_not_given_has_the_tables_default(void **state)
{
    (void)state;
    struct args args;
    bool done;
    unsetenv("KAFKA_BROKERS");
    assert_int_equal(PARSE("zhiliu", "simulate", "--duration", "90s"), 0);
    assert_int_equal(args_ms(&args, "duration"), 90000);
    assert_int_equal(args_ms(&args, "span"), 0);
    assert_int_equal(args_integer(&args, "users"), 20000);
    assert_int_equal(args_integer(&args, "linger"), 1);
    assert_string_equal(args_text(&args, "out"), "-");
    assert_string_equal(args_text(&args, "topic"), "events");
    assert_null(args_text(&args, "named-user"));
    assert_string_equal(args_text(&args, "brokers"), "127.0.0.1:9092");
    setenv("KAFKA_BROKERS", "k:1", 1);
    assert_string_equal(args_text(&args, "brokers"), "k:1");
    unsetenv("KAFKA_BROKERS");
    assert_int_equal(PARSE("zhiliu", "dead-letters", "list"), 0);
    assert_null(args_text(&args, "topic")); /* the same name, another verb, another row */
}

static void an_unknown_verb_or_flag_names_the_nearest(void **state)
{
    (void)state;
    struct args args;
    bool done;
    assert_int_equal(PARSE("zhiliu", "chekc"), 64);
    assert_non_null(strstr(said, "unknown verb \"chekc\"; did you mean \"check\"?"));
    assert_int_equal(PARSE("zhiliu", "check", "--ofline", "x.yaml"), 64);
    assert_non_null(strstr(said, "unknown flag --ofline; did you mean --offline?"));
    assert_int_equal(PARSE("zhiliu", "run", "x.yaml", "--rate=5"), 64);
    assert_non_null(strstr(said, "unknown flag --rate; it belongs to zhiliu simulate"));
    assert_int_equal(PARSE("zhiliu", "run", "x.yaml", "-x"), 64);
    assert_int_equal(PARSE("zhiliu"), 64);
    assert_int_equal(PARSE("zhiliu", "help", "nonsense"), 64);
}

static void a_value_out_of_its_range_or_kind_is_refused(void **state)
{
    (void)state;
    struct args args;
    bool done;
    assert_int_equal(PARSE("zhiliu", "simulate", "--bad", "1.5"), 64);
    assert_non_null(strstr(said, "--bad must be within 0..1, not \"1.5\""));
    assert_int_equal(PARSE("zhiliu", "simulate", "--users", "many"), 64);
    assert_int_equal(PARSE("zhiliu", "simulate", "--users", "0"), 64);
    assert_int_equal(PARSE("zhiliu", "simulate", "--duration", "60"), 64);
    assert_int_equal(PARSE("zhiliu", "simulate", "--only", "some"), 64);
    assert_int_equal(PARSE("zhiliu", "simulate", "--kafka=yes"), 64);
    assert_int_equal(PARSE("zhiliu", "simulate", "--users"), 64);
    assert_non_null(strstr(said, "--users needs a value"));
}

static void too_few_or_too_many_words_are_refused(void **state)
{
    (void)state;
    struct args args;
    bool done;
    assert_int_equal(PARSE("zhiliu", "run"), 64);
    assert_non_null(strstr(said, "needs PIPELINE"));
    assert_int_equal(PARSE("zhiliu", "run", "a.yaml", "b.yaml"), 64);
    assert_int_equal(PARSE("zhiliu", "version", "x"), 64);
    assert_int_equal(PARSE("zhiliu", "check", "a.yaml", "b.yaml"), 0);
}

static void help_stands_everywhere_with_an_example(void **state)
{
    (void)state;
    struct args args;
    bool done;
    assert_int_equal(PARSE("zhiliu", "--help"), 0);
    assert_true(done);
    assert_non_null(strstr(said, "Example:"));
    for (int i = 0; i < commands_verb_count(); i++) {
        char *verb = (char *)(uintptr_t)commands_verb_at(i)->name, usage[64];
        snprintf(usage, sizeof usage, "Usage: zhiliu %s", verb);
        assert_int_equal(PARSE("zhiliu", verb, "--nonsense", "--help"), 0);
        assert_true(done);
        assert_non_null(strstr(said, usage));
        assert_non_null(strstr(said, "Example:\n  zhiliu"));
        assert_int_equal(PARSE("zhiliu", "help", verb), 0);
        assert_non_null(strstr(said, usage));
    }
    assert_int_equal(PARSE("zhiliu", "run", "-h"), 0);
    assert_non_null(strstr(said, "rank.coalesce"));
}

/* Every example in the help is a command line that the parser takes. */
static void every_example_parses(void **state)
{
    (void)state;
    for (int i = 0; i < commands_verb_count(); i++) {
        char lines[1024];
        snprintf(lines, sizeof lines, "%s", commands_verb_at(i)->example);
        for (char *save = NULL, *line = strtok_r(lines, "\n", &save); line;
             line = strtok_r(NULL, "\n", &save)) {
            char *argv[32], *save_word = NULL;
            int argc = 0;
            struct args args;
            bool done;
            line[strcspn(line, "<|>")] = 0;
            for (char *word = strtok_r(line, " ", &save_word); word && argc < 31;
                 word = strtok_r(NULL, " ", &save_word))
                argv[argc++] = word;
            argv[argc] = NULL;
            if (parse(&args, &done, argc, argv) != 0)
                fail_msg("%s: %s", commands_verb_at(i)->name, said);
        }
    }
}

/* A default that args_integer() could not read would stop the program at its first use. */
static void every_default_is_inside_its_own_range(void **state)
{
    (void)state;
    for (int i = 0; i < commands_flag_count(); i++) {
        const struct commands_flag *flag = commands_flag_at(i);
        for (int verb = 0; verb < commands_verb_count(); verb++) {
            if (!commands_verb_has(verb, flag) || flag->kind == COMMANDS_SWITCH ||
                flag->kind == COMMANDS_SET)
                continue;
            char text[128];
            struct args args;
            bool done;
            bool number = flag->kind >= COMMANDS_INTEGER && flag->kind <= COMMANDS_TIME;
            assert_true(flag->def || !number);
            if (!flag->def)
                continue;
            snprintf(text, sizeof text, "--%s=%s", flag->name, flag->def);
            if (PARSE("zhiliu", (char *)(uintptr_t)commands_verb_at(verb)->name, "x", text) == 64)
                assert_non_null(strstr(said, "word too many")); /* the word, not the flag */
        }
    }
}

static void no_verb_has_two_flags_of_one_name_or_too_many(void **state)
{
    (void)state;
    struct args args;
    for (int verb = 0; verb < commands_verb_count(); verb++) {
        int n = 0;
        for (int i = 0; i < commands_flag_count(); i++) {
            n += commands_verb_has(verb, commands_flag_at(i));
            for (int j = 0; j < i; j++)
                if (strcmp(commands_flag_at(i)->name, commands_flag_at(j)->name) == 0)
                    assert_int_equal(commands_flag_at(i)->verbs & commands_flag_at(j)->verbs, 0);
        }
        assert_true(n <= (int)(sizeof args.values / sizeof args.values[0]));
    }
}

static void the_reference_page_is_what_the_program_prints(void **state)
{
    (void)state;
    char *printed, *page = NULL;
    size_t n, size = 0;
    FILE *out = open_memstream(&printed, &n), *f = fopen("docs/reference/commands.md", "r");
    commands_print_reference(out);
    fclose(out);
    assert_non_null(f);
    assert_true(getdelim(&page, &size, 0, f) > 0);
    fclose(f);
    assert_string_equal(printed, page);
    free(printed);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_and_words_come_in_any_order),
        cmocka_unit_test(what_is_not_given_has_the_tables_default),
        cmocka_unit_test(an_unknown_verb_or_flag_names_the_nearest),
        cmocka_unit_test(a_value_out_of_its_range_or_kind_is_refused),
        cmocka_unit_test(too_few_or_too_many_words_are_refused),
        cmocka_unit_test(help_stands_everywhere_with_an_example),
        cmocka_unit_test(every_example_parses),
        cmocka_unit_test(every_default_is_inside_its_own_range),
        cmocka_unit_test(no_verb_has_two_flags_of_one_name_or_too_many),
        cmocka_unit_test(the_reference_page_is_what_the_program_prints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
