/* Property: whatever happens to a pipeline file, loading it ends, says the same twice, and points every error into the file. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include "base/rng.h"
#include "config_support.h"

#define MUTATIONS 1000
#define MAX_TEXT 16384

struct text {
    char bytes[MAX_TEXT];
    size_t len;
};

static const char *const pieces[] = {"\t",
                                     "&a ",
                                     "*a",
                                     "{",
                                     "}",
                                     "[",
                                     "]",
                                     ": ",
                                     "\n",
                                     "---\n",
                                     "\"",
                                     "'",
                                     "${",
                                     "${X}",
                                     "${X:-",
                                     "$",
                                     "!!int ",
                                     "#",
                                     "|",
                                     ">",
                                     "\xff",
                                     "\xe7\x9f\xa5",
                                     "99999999999999999999",
                                     "-1",
                                     "nan",
                                     "null",
                                     "kafk",
                                     "  ",
                                     "\r",
                                     "source:\n",
                                     "  group: x\n",
                                     ", n: 3",
                                     "? ",
                                     "- ",
                                     "\x01",
                                     "5ms",
                                     "64MiB",
                                     "zl",
                                     "%",
                                     "@",
                                     "<<: "};

static void insert(struct text *t, size_t at, const char *bytes, size_t n)
{
    if (t->len + n > MAX_TEXT)
        return;
    memmove(t->bytes + at + n, t->bytes + at, t->len - at);
    memcpy(t->bytes + at, bytes, n);
    t->len += n;
}

static void cut(struct text *t, size_t at, size_t n)
{
    if (n > t->len - at)
        n = t->len - at;
    memmove(t->bytes + at, t->bytes + at + n, t->len - at - n);
    t->len -= n;
}

static void mutate(struct text *t, struct rng *rng)
{
    char copy[64];
    size_t at = t->len ? rng_below(rng, (uint32_t)t->len) : 0;
    const char *piece = pieces[rng_below(rng, sizeof pieces / sizeof pieces[0])];
    switch (t->len ? rng_below(rng, 6) : 0) {
    case 0: insert(t, at, piece, strlen(piece)); break;
    case 1: cut(t, at, 1 + rng_below(rng, 12)); break;
    case 2: t->bytes[at] = (char)rng_below(rng, 256); break;
    case 3: /* two neighbours change places */
        if (at + 1 < t->len) {
            char c = t->bytes[at];
            t->bytes[at] = t->bytes[at + 1];
            t->bytes[at + 1] = c;
        }
        break;
    case 4: { /* a piece of the file again, elsewhere */
        size_t n = t->len - at < sizeof copy ? t->len - at : sizeof copy;
        memcpy(copy, t->bytes + at, n);
        insert(t, rng_below(rng, (uint32_t)t->len), copy, n);
        break;
    }
    default: cut(t, at, 1); insert(t, at, piece, strlen(piece));
    }
}

static int lines_of(const struct text *t)
{
    int lines = 1;
    for (size_t i = 0; i < t->len; i++)
        lines += t->bytes[i] == '\n';
    return lines;
}

static int bytes_of_line(const struct text *t, int line)
{
    size_t i = 0;
    for (; line > 1 && i < t->len; i++)
        line -= t->bytes[i] == '\n';
    size_t begin = i;
    while (i < t->len && t->bytes[i] != '\n')
        i++;
    return (int)(i - begin);
}

/* Every "test.yaml:L:C: error:" is inside the file and has its line and a caret below. */
static int check_findings(const struct text *t, const char *words)
{
    int n = 0;
    for (const char *at = words; (at = strstr(at, "test.yaml:")); at++) {
        int line, column, used = 0;
        if ((at != words && at[-1] != '\n') ||
            sscanf(at, "test.yaml:%d:%d: error: %n", &line, &column, &used) != 2 || !used)
            continue;
        const char *excerpt = strchr(at, '\n'), *caret = excerpt ? strchr(excerpt + 1, '\n') : NULL;
        int gutter = 0, shown;
        assert_true(line >= 1 && line <= lines_of(t));
        assert_true(column >= 1 && column <= bytes_of_line(t, line) + 1);
        assert_non_null(caret);
        assert_true(sscanf(excerpt + 1, "%d |%n", &shown, &gutter) == 1 && gutter && shown == line);
        assert_true(strncmp(caret + 1, "      | ", 8) == 0 &&
                    caret[9 + strspn(caret + 9, " ")] == '^');
        n++;
    }
    return n;
}

static void check_mutation(const struct text *t)
{
    struct loaded first = load_bytes(t->bytes, t->len, NULL, 0),
                  second = load_bytes(t->bytes, t->len, NULL, 0);
    assert_int_equal(first.st, second.st);
    assert_string_equal(first.words, second.words);
    if (first.st == ZL_OK) {
        assert_string_equal(first.words, "");
        assert_true(config_fingerprint(&first.config) == config_fingerprint(&second.config));
    } else {
        assert_int_equal(first.st, ZL_ECONFIG);
        assert_true(check_findings(t, first.words) >= 1);
        assert_non_null(strstr(first.words, "nothing was started\n"));
    }
    loaded_release(&first);
    loaded_release(&second);
}

static struct text seed_text(void)
{
    struct text t = {.len = 0};
    FILE *f = fopen("pipelines/feed.yaml", "r");
    assert_non_null(f);
    t.len = fread(t.bytes, 1, MAX_TEXT / 2, f);
    fclose(f);
    assert_true(t.len > 500);
    return t;
}

static void a_mutated_pipeline_is_judged_the_same_twice_and_each_error_has_its_place(void **state)
{
    (void)state;
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 20260101;
    struct text original = seed_text();
    int good = 0;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < MUTATIONS; i++) {
        struct rng rng = rng_at(seed, 0, i, 0);
        struct text t = original;
        for (uint32_t n = 1 + rng_below(&rng, 8); n > 0; n--)
            mutate(&t, &rng);
        struct loaded l = load_bytes(t.bytes, t.len, NULL, 0);
        good += l.st == ZL_OK;
        loaded_release(&l);
        check_mutation(&t);
    }
    print_message("%d of %d mutations are still good pipelines\n", good, MUTATIONS);
    assert_true(good > MUTATIONS / 100 &&
                good < MUTATIONS / 2); /* the mutations are neither all fatal nor all harmless */
}

/* One key after another gets a value that is wrong for its type: each must be found, on its own line. */
static void a_wrong_value_of_any_key_is_found_on_its_line(void **state)
{
    (void)state;
    for (int i = 0; i < config_table_count(); i++) {
        const struct config_row *row = config_table_row(i);
        char text[512] = "", key[CONFIG_MAX_KEY];
        int indent = 0;
        snprintf(key, sizeof key, "%s", row->key);
        for (char *save = NULL, *part = strtok_r(key, ".", &save); part;
             part = strtok_r(NULL, ".", &save), indent++) {
            size_t n = strlen(text);
            snprintf(text + n, sizeof text - n, "%s%*s%s:", n ? "\n" : "", 2 * indent, "", part);
        }
        strcat(text, row->type == CONFIG_MAP ? " text\n" : " [1, 2]\n");
        struct loaded l = load_text(text);
        char place[64];
        snprintf(place, sizeof place, "test.yaml:%d:", indent);
        assert_int_equal(l.st, ZL_ECONFIG);
        assert_non_null(strstr(l.words, place));
        assert_non_null(strstr(l.words, "1 error in"));
        loaded_release(&l);
    }
}

/* A number just outside its range is refused, its ends are taken. */
static void the_ends_of_every_range_are_inside_and_the_next_number_is_not(void **state)
{
    (void)state;
    for (int i = 0; i < config_table_count(); i++) {
        const struct config_row *row = config_table_row(i);
        const char *unit = row->type == CONFIG_DURATION ? "ms" : "";
        if (row->type > CONFIG_DURATION || row->type == CONFIG_BOOL)
            continue;
        double values[] = {row->min, row->max, row->min - 1, row->max + 1};
        for (int v = 0; v < 4; v++) {
            char set[CONFIG_MAX_KEY + 64];
            if (values[v] < 0 || values[v] > 9e15)
                continue;
            snprintf(set, sizeof set, "%s=%.0f%s", row->key, values[v], unit);
            struct config c;
            const char *sets[] = {set, "guard.future=30d"};
            char *words;
            size_t n;
            FILE *out = open_memstream(&words, &n);
            enum zl_status st = config_parse("test.yaml", "", 0, sets,
                                             strncmp(set, "guard.f", 7) == 0 ? 1 : 2, &c, out);
            fclose(out);
            bool out_of_range = strstr(words, "[out-of-range]") != NULL;
            if (out_of_range != (v >= 2) || (v < 2 && st != ZL_OK && !strstr(words, "[conflict]")))
                fail_msg("--set %s: %s", set, words);
            free(words);
            config_release(&c);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mutated_pipeline_is_judged_the_same_twice_and_each_error_has_its_place),
        cmocka_unit_test(a_wrong_value_of_any_key_is_found_on_its_line),
        cmocka_unit_test(the_ends_of_every_range_are_inside_and_the_next_number_is_not),
    };
    clean_environment();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
