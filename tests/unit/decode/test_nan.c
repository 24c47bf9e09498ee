/* Stands for src/decode/nan.c: which field is named, and that no bytes lead it astray. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "decode/nan.h"

static const struct {
    const char *text, *begins; /* NULL: nothing is found */
} rows[] = {
    {"{\"item_id\":\"i\",\"features\":{\"audio\":[1],\"video\":[1,NaN,3]}}",
     "features.video has NaN,"},
    {"{\"features\":{\"video\":[[1],-Infinity]}}", "features.video has Infinity,"},
    {"{\"propensity\" : nan}", "propensity has nan,"},
    {"{\"a\":{\"b\":1},\"c\":inf}", "c has inf,"},
    {"[{\"ts\":1},{\"ts\":NaN}]", "ts has NaN,"},
    {"{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":[NaN]}}}}}", "c.d.e has NaN,"},
    {"{\"\xff\n k\":NaN}", "???k has NaN,"},
    {"NaN", "the message has NaN,"},
    {"}}]]{\"a\":NaN", "the message has NaN,"},
    {"{\"title\":\"NaN\",\"a\\\":NaN\":\"x\"}", NULL},
    {"{\"a\":true,\"b\":null,\"c\":nano,\"d\":Infinite}", NULL},
    {"{\"a\":\"NaN", NULL},
    {"{\"a\":\"\\", NULL},
    {"", NULL},
};

static void the_innermost_field_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char words[200] = "";
        bool found = decode_nan_explain(zl_span_of(rows[i].text), words, sizeof words);
        if (found != (rows[i].begins != NULL) ||
            (found && strncmp(words, rows[i].begins, strlen(rows[i].begins)) != 0))
            fail_msg("%s: \"%s\"", rows[i].text, words);
        assert_true(!found || strstr(words, "send finite numbers"));
    }
}

static void any_bytes_will_do(void **state)
{
    (void)state;
    static const char alphabet[] = "{}[]\":,\\ naNIinfty-0\x80";
    struct rng r = {7};
    for (int i = 0; i < 200000; i++) {
        char words[80];
        size_t n = rng_below(&r, 120);
        char *text = malloc(n + 1); /* of this size, so that a sanitizer sees a step too far */
        assert_non_null(text);
        for (size_t k = 0; k < n; k++)
            text[k] = alphabet[rng_below(&r, sizeof alphabet - 1)];
        decode_nan_explain((struct zl_span){text, n}, words, sizeof words);
        free(text);
    }
    char deep[500];
    memset(deep, '[', sizeof deep);
    memcpy(deep + 490, "NaN", 3);
    char words[200];
    assert_true(decode_nan_explain((struct zl_span){deep, sizeof deep}, words, sizeof words));
    assert_false(decode_nan_explain((struct zl_span){NULL, 0}, words, sizeof words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_innermost_field_is_named),
        cmocka_unit_test(any_bytes_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
