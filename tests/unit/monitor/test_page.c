/* Stands for src/monitor/page.c. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/metrics.h"
#include "monitor/page.h"

static char body[1 << 18];

static int page(const char *path, const char *reasons, int64_t now_ms)
{
    memset(body, 0, sizeof body);
    FILE *out = fmemopen(body, sizeof body, "w");
    struct monitor_page p = monitor_page_write(path, reasons, now_ms, out);
    fclose(out);
    assert_non_null(p.type);
    return p.status;
}

static void a_loop_that_never_turned_is_not_alive(void **state)
{
    (void)state;
    metrics_set(METRIC_LOOP_BEAT, 0, 0);
    assert_int_equal(page("/livez", "", 1000), 503);
}

static void a_loop_is_alive_until_five_seconds_after_its_beat(void **state)
{
    (void)state;
    metrics_set(METRIC_LOOP_BEAT, 0, 1000);
    assert_int_equal(page("/livez", "", 1004900), 200);
    assert_string_equal(body, "alive\n");
    assert_int_equal(page("/livez", "", 1005100), 503);
    assert_string_equal(body, "the loop has not turned for 5.1 s\n");
    assert_int_equal(page("/livez", "", 990000), 200); /* the wall clock was set back */
}

static void ready_is_200_and_reasons_are_503_one_a_line(void **state)
{
    (void)state;
    assert_int_equal(page("/readyz", "", 0), 200);
    assert_string_equal(body, "ready\n");
    assert_int_equal(page("/readyz", "kafka: away\nredis: away", 0), 503);
    assert_string_equal(body, "kafka: away\nredis: away\n");
}

static void the_metrics_page_is_the_metrics(void **state)
{
    (void)state;
    assert_int_equal(page("/metrics", "", 0), 200);
    assert_non_null(strstr(body, "# TYPE zhiliu_events_total counter\n"));
    assert_int_equal(body[strlen(body) - 1], '\n');
}

static void only_whole_paths_are_known(void **state)
{
    (void)state;
    assert_int_equal(page("/", "", 0), 200);
    assert_int_equal(page("/metrics/", "", 0), 404);
    assert_int_equal(page("/metric", "", 0), 404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_that_never_turned_is_not_alive),
        cmocka_unit_test(a_loop_is_alive_until_five_seconds_after_its_beat),
        cmocka_unit_test(ready_is_200_and_reasons_are_503_one_a_line),
        cmocka_unit_test(the_metrics_page_is_the_metrics),
        cmocka_unit_test(only_whole_paths_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
