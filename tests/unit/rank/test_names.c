/* Stands for src/rank/names.c: who stands first among equals, whatever the names share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/ids.h"
#include "base/rng.h"
#include "rank/rank_priv.h"

#define MOST 600

struct names_case {
    struct ids *ids;
    struct rank rank; /* only its names */
};

static void begin(struct names_case *c)
{
    struct zl_error err;
    memset(c, 0, sizeof *c);
    assert_int_equal(ids_open(ROWS_ITEM_IDS, "items", MOST, &c->ids, &err), ZL_OK);
    assert_int_equal(names_init(&c->rank.names, c->ids, MOST, &err), ZL_OK);
}

static void end(struct names_case *c)
{
    names_release(&c->rank.names);
    ids_close(c->ids);
}

static void learn(struct names_case *c, const char *name, size_t len)
{
    uint32_t item = ids_intern(c->ids, (struct zl_span){name, len});
    names_refresh(&c->rank.names, item + 1);
}

static void all_pairs_stand_as_their_names_do(const struct names_case *c)
{
    uint32_t n = ids_count(c->ids);
    for (uint32_t a = 0; a < n; a++)
        for (uint32_t b = 0; b < n; b++)
            assert_int_equal(rank_before(&c->rank, a, b),
                             zl_span_compare(ids_name(c->ids, a), ids_name(c->ids, b)) < 0);
}

static struct names_case names_case; /* a struct rank is large */

static void names_of_every_kind_stand_in_byte_order(void **state)
{
    (void)state;
    static const char *const names[] = {
        "video-0001",
        "video-0002",
        "video-00021",
        "video-000",
        "video",
        "vid",
        "v",
        "知识",
        "知",
        "~",
        "0",
        "\377",
        "video-0001-again",
        "VIDEO-00001",
    };
    static const char with_nul[] = {'a', 0, 'b'};
    begin(&names_case);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        learn(&names_case, names[i], strlen(names[i]));
        all_pairs_stand_as_their_names_do(&names_case);
    }
    learn(&names_case, with_nul, 1);
    learn(&names_case, with_nul, 2);
    learn(&names_case, with_nul, 3);
    all_pairs_stand_as_their_names_do(&names_case);
    end(&names_case);
}

static void what_all_share_is_not_in_the_heads(void **state)
{
    (void)state;
    char name[32];
    struct rng r = {5};
    begin(&names_case);
    for (int i = 0; i < MOST; i++)
        learn(&names_case, name,
              (size_t)snprintf(name, sizeof name, "a-long-prefix-%06u", rng_below(&r, 1000000)));
    all_pairs_stand_as_their_names_do(&names_case);
    for (uint32_t i = 1; i < ids_count(names_case.ids); i++)
        assert_true(names_case.rank.names.heads[i] != names_case.rank.names.heads[0]);
    end(&names_case);
}

static void names_that_were_not_refreshed_are_compared_whole(void **state)
{
    (void)state;
    begin(&names_case);
    ids_intern(names_case.ids, (struct zl_span){"b", 1});
    ids_intern(names_case.ids, (struct zl_span){"a", 1});
    assert_false(rank_before(&names_case.rank, 0, 1));
    assert_true(rank_before(&names_case.rank, 1, 0));
    end(&names_case);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_every_kind_stand_in_byte_order),
        cmocka_unit_test(what_all_share_is_not_in_the_heads),
        cmocka_unit_test(names_that_were_not_refreshed_are_compared_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
