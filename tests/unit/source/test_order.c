/* Each message once, in order; and are the brokers answering? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "source/health.h"
#include "source/order.h"

static struct zl_positions positions;

static struct source_order order_at(int64_t next)
{
    struct source_order o;
    positions.n = 0;
    zl_positions_get(&positions, ZL_TOPIC_EVENTS, 3)->next = next;
    source_order_init(&o, &positions);
    return o;
}

static void what_the_state_holds_is_refused(void **state)
{
    (void)state;
    int64_t gap = -7;
    struct source_order o = order_at(10);
    assert_false(source_order_take(&o, ZL_TOPIC_EVENTS, 3, 9, &gap));
    assert_true(source_order_take(&o, ZL_TOPIC_EVENTS, 3, 10, &gap));
    assert_int_equal(gap, 0);
    assert_false(source_order_take(&o, ZL_TOPIC_EVENTS, 3, 10, &gap));
    source_order_release(&o);
}

static void a_hole_is_told_with_its_size(void **state)
{
    (void)state;
    int64_t gap;
    struct source_order o = order_at(10);
    assert_true(source_order_take(&o, ZL_TOPIC_EVENTS, 3, 14, &gap));
    assert_int_equal(gap, 4);
    assert_int_equal(source_order_next(&o, ZL_TOPIC_EVENTS, 3), 15);
    source_order_release(&o);
}

static void a_partition_never_seen_may_begin_anywhere(void **state)
{
    (void)state;
    int64_t gap;
    struct source_order o = order_at(-1);
    assert_int_equal(source_order_next(&o, ZL_TOPIC_EVENTS, 3), -1);
    assert_int_equal(source_order_next(&o, ZL_TOPIC_ITEMS, 900), -1);
    assert_true(source_order_take(&o, ZL_TOPIC_EVENTS, 3, 500, &gap));
    assert_int_equal(gap, 0);
    assert_true(source_order_take(&o, ZL_TOPIC_ITEMS, 900, 5, &gap)); /* grows */
    assert_int_equal(source_order_next(&o, ZL_TOPIC_ITEMS, 900), 6);
    source_order_release(&o);
}

static void topics_do_not_share_offsets(void **state)
{
    (void)state;
    int64_t gap;
    struct source_order o = order_at(10);
    assert_true(source_order_take(&o, ZL_TOPIC_CONTROLS, 3, 0, &gap));
    assert_int_equal(source_order_next(&o, ZL_TOPIC_EVENTS, 3), 10);
    source_order_release(&o);
}

static void a_range_is_reached_when_every_partition_is(void **state)
{
    (void)state;
    static struct zl_positions until;
    int64_t gap;
    struct source_order o = order_at(10);
    zl_positions_get(&until, ZL_TOPIC_EVENTS, 3)->next = 12;
    zl_positions_get(&until, ZL_TOPIC_EVENTS, 4)->next = 0; /* empty: nothing to wait for */
    assert_true(source_order_take(&o, ZL_TOPIC_EVENTS, 3, 10, &gap));
    assert_false(source_order_reached(&o, &until));
    source_order_skip_to(&o, ZL_TOPIC_EVENTS, 3, 12); /* a transaction's marker was the last */
    assert_true(source_order_reached(&o, &until));
    source_order_skip_to(&o, ZL_TOPIC_EVENTS, 3, 5); /* never back */
    assert_int_equal(source_order_next(&o, ZL_TOPIC_EVENTS, 3), 12);
    source_order_release(&o);
}

#define STATISTICS(state, answers)                                                                 \
    ZL_SPAN("{\"brokers\":{\"a\":{\"state\":\"" state                                              \
            "\",\"rx\":999}},\"cgrp\":{\"state\":\"up\"},"                                         \
            "\"tx\":5,\"rx\":" #answers ",\"rx_bytes\":77}")

static void a_broker_that_is_not_up_is_trouble(void **state)
{
    (void)state;
    struct source_health h = {0};
    assert_non_null(source_health_trouble(&h));
    source_health_statistics(&h, STATISTICS("UP", 5));
    assert_null(source_health_trouble(&h));
    source_health_statistics(&h, STATISTICS("TRY_CONNECT", 6));
    assert_non_null(source_health_trouble(&h));
    source_health_answered(&h);
    assert_null(source_health_trouble(&h));
    source_health_all_down(&h);
    assert_non_null(source_health_trouble(&h));
}

static void a_broker_that_stays_silent_is_trouble(void **state)
{
    (void)state;
    struct source_health h = {0};
    source_health_statistics(&h, STATISTICS("UP", 5));
    for (int i = 0; i < HEALTH_QUIET; i++) {
        assert_null(source_health_trouble(&h));
        source_health_statistics(&h, STATISTICS("UP", 5));
    }
    assert_string_equal(source_health_trouble(&h), "the brokers do not answer");
    source_health_statistics(&h, STATISTICS("UP", 6));
    assert_null(source_health_trouble(&h));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_state_holds_is_refused),
        cmocka_unit_test(a_hole_is_told_with_its_size),
        cmocka_unit_test(a_partition_never_seen_may_begin_anywhere),
        cmocka_unit_test(topics_do_not_share_offsets),
        cmocka_unit_test(a_range_is_reached_when_every_partition_is),
        cmocka_unit_test(a_broker_that_is_not_up_is_trouble),
        cmocka_unit_test(a_broker_that_stays_silent_is_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
