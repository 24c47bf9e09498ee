/* Stands for src/model/users.c: which session an event belongs to, and what is remembered of the courses that somebody looked at. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model_priv.h"

#define GAP_MS 1000
#define DAY_MS ((int64_t)24 * 3600 * 1000)

static const struct users users = {.session_gap_ms = GAP_MS};

static uint32_t session_at(struct user *u, int64_t at_ms, const char *session_id)
{
    struct zl_event ev = {.at_ms = at_ms, .session_id = {session_id, strlen(session_id)}};
    return users_session(&users, u, &ev);
}

static void a_longer_gap_than_a_sessions_begins_another(void **state)
{
    (void)state;
    struct user u = {0};
    uint32_t first = session_at(&u, 5000, "");
    assert_int_equal(session_at(&u, 5000 + GAP_MS, ""), first);
    assert_int_equal(session_at(&u, 5000 + 2 * GAP_MS, ""), first); /* it goes on by its newest */
    assert_int_not_equal(session_at(&u, 5001 + 3 * GAP_MS, ""), first);
}

static void a_late_event_begins_no_session_and_does_not_turn_the_clock_back(void **state)
{
    (void)state;
    struct user u = {0};
    uint32_t first = session_at(&u, 50000, "");
    assert_int_equal(session_at(&u, 10000, ""), first);
    assert_int_equal(u.last_ms, 50000);
    assert_int_equal(u.first_ms, 10000);
    assert_int_equal(session_at(&u, 50000 + GAP_MS, ""), first);
}

static void a_named_session_outlasts_a_gap_and_is_no_running_number(void **state)
{
    (void)state;
    struct user u = {0};
    uint32_t named = session_at(&u, 5000, "a");
    assert_int_equal(session_at(&u, 5000 + 10 * GAP_MS, "a"), named);
    assert_int_not_equal(session_at(&u, 5000 + 10 * GAP_MS, "b"), named);
    u.session = UINT32_MAX - 1;
    assert_true(named & 0x80000000U);
    assert_false(session_at(&u, 5000 + 20 * GAP_MS, "") & 0x80000000U);
}

static void assert_course(const struct user *u, uint32_t course, int64_t at_ms,
                          const uint32_t *items, int n)
{
    uint32_t found[USER_COURSE_ITEMS];
    assert_int_equal(users_course_items(u, course, at_ms, found), n);
    assert_memory_equal(found, items, (size_t)n * sizeof *items);
}

static void a_course_keeps_its_three_newest_items_newest_first(void **state)
{
    (void)state;
    struct user u = {0};
    for (uint32_t i = 1; i <= 5; i++)
        users_note_course(&u, 7, i, 1000 + i);
    assert_course(&u, 7, 1005, (uint32_t[]){5, 4, 3}, 3);
    assert_course(&u, 8, 1005, NULL, 0);
    users_clear(&u);
}

static void an_item_viewed_again_stands_in_its_course_once(void **state)
{
    (void)state;
    struct user u = {0};
    users_note_course(&u, 7, 1, 1001);
    users_note_course(&u, 7, 2, 1002);
    users_note_course(&u, 7, 1, 1003);
    assert_course(&u, 7, 1003, (uint32_t[]){1, 2}, 2);
    users_note_course(&u, 7, 3, 1004);
    users_note_course(&u, 7, 2, 1005); /* the last of a full course */
    assert_course(&u, 7, 1005, (uint32_t[]){2, 3, 1}, 3);
    users_clear(&u);
}

static void one_course_too_many_takes_the_place_of_the_one_longest_not_looked_at(void **state)
{
    (void)state;
    struct user u = {0};
    for (uint32_t c = 0; c < USER_COURSES; c++)
        users_note_course(&u, c, 100 + c, 1000 + c);
    users_note_course(&u, 0, 200, 2000); /* looked at again: now 1 is the oldest */
    users_note_course(&u, 50, 300, 2001);
    assert_course(&u, 1, 2001, NULL, 0);
    assert_course(&u, 0, 2001, (uint32_t[]){200, 100}, 2);
    assert_course(&u, 2, 2001, (uint32_t[]){102}, 1);
    assert_course(&u, 50, 2001, (uint32_t[]){300}, 1); /* and nothing of the course before it */
    users_clear(&u);
}

static void a_course_is_remembered_for_seven_days(void **state)
{
    (void)state;
    struct user u = {0};
    users_note_course(&u, 7, 1, 1000);
    assert_course(&u, 7, 1000 + 7 * DAY_MS, (uint32_t[]){1}, 1);
    assert_course(&u, 7, 1001 + 7 * DAY_MS, NULL, 0);
    users_clear(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_longer_gap_than_a_sessions_begins_another),
        cmocka_unit_test(a_late_event_begins_no_session_and_does_not_turn_the_clock_back),
        cmocka_unit_test(a_named_session_outlasts_a_gap_and_is_no_running_number),
        cmocka_unit_test(a_course_keeps_its_three_newest_items_newest_first),
        cmocka_unit_test(an_item_viewed_again_stands_in_its_course_once),
        cmocka_unit_test(one_course_too_many_takes_the_place_of_the_one_longest_not_looked_at),
        cmocka_unit_test(a_course_is_remembered_for_seven_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
