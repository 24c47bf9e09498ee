/* Stands for src/base/metrics.c. The set is one a process, so tests look at differences and at metrics of their own. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/metrics.h"

static char *rendered(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    metrics_render(out);
    fclose(out);
    return text;
}

static int lines_of(const char *text, const char *start)
{
    int n = 0;
    for (const char *p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
        n += strncmp(p, start, strlen(start)) == 0;
    return n;
}

static void assert_has(const char *text, const char *line)
{
    if (!strstr(text, line)) {
        print_error("not rendered: %s\n", line);
        fail();
    }
}

static void a_counter_renders_what_was_added(void **state)
{
    (void)state;
    metrics_add(METRIC_EVENTS, ZL_WATCH * ZL_N_OUTCOMES + ZL_LEARNED, 40);
    metrics_add(METRIC_EVENTS, ZL_WATCH * ZL_N_OUTCOMES + ZL_LEARNED, 2);
    assert_int_equal(metrics_count(METRIC_EVENTS, ZL_WATCH * ZL_N_OUTCOMES + ZL_LEARNED), 42);
    char *text = rendered();
    assert_has(text, "\nzhiliu_events_total{type=\"watch\",outcome=\"learned\"} 42\n");
    assert_has(text, "\nzhiliu_events_total{type=\"refund\",outcome=\"table_full\"} 0\n");
    assert_null(strstr(text, "reason=\"none\""));
    free(text);
}

static void buckets_are_cumulative_and_a_bound_belongs_to_its_bucket(void **state)
{
    (void)state;
    metrics_observe(METRIC_CHECKPOINT_SECONDS, 0, 0.001); /* le="0.001" includes it */
    metrics_observe(METRIC_CHECKPOINT_SECONDS, 0, 0.0011);
    metrics_observe(METRIC_CHECKPOINT_SECONDS, 0, 1000);
    metrics_observe(METRIC_CHECKPOINT_SECONDS, 0, -3); /* two clocks: counts as 0 */
    assert_int_equal(metrics_count(METRIC_CHECKPOINT_SECONDS, 0), 4);
    char *text = rendered();
    assert_has(text, "zhiliu_checkpoint_seconds_bucket{le=\"0.0001\"} 1\n");
    assert_has(text, "zhiliu_checkpoint_seconds_bucket{le=\"0.001\"} 2\n");
    assert_has(text, "zhiliu_checkpoint_seconds_bucket{le=\"0.0015\"} 3\n");
    assert_has(text, "zhiliu_checkpoint_seconds_bucket{le=\"60\"} 3\n");
    assert_has(text, "zhiliu_checkpoint_seconds_bucket{le=\"+Inf\"} 4\n");
    assert_has(text, "zhiliu_checkpoint_seconds_count 4\n");
    assert_has(text, "zhiliu_checkpoint_seconds_sum 1000.0021\n");
    free(text);
}

static void a_quantile_lies_in_the_bucket_of_its_rank(void **state)
{
    (void)state;
    assert_true(metrics_quantile(METRIC_FRESHNESS_LOG, 0, 0.5) <= 0);
    for (int i = 0; i < 99; i++)
        metrics_observe(METRIC_FRESHNESS_LOG, 0, 0.0035); /* 3..4 ms */
    metrics_observe(METRIC_FRESHNESS_LOG, 0, 0.2);        /* 100..250 ms */
    double p50 = metrics_quantile(METRIC_FRESHNESS_LOG, 0, 0.5);
    double p999 = metrics_quantile(METRIC_FRESHNESS_LOG, 0, 0.999);
    assert_true(p50 > 0.003 && p50 <= 0.004);
    assert_true(p999 > 0.1 && p999 <= 0.25);
}

static void a_partition_is_shown_only_once_it_was_set(void **state)
{
    (void)state;
    char *text = rendered();
    assert_null(strstr(text, "zhiliu_source_lag_messages"));
    free(text);
    metrics_set(METRIC_SOURCE_LAG, 3, 17);
    text = rendered();
    assert_has(text, "zhiliu_source_lag_messages{partition=\"3\"} 17\n");
    assert_int_equal(lines_of(text, "zhiliu_source_lag_messages{"), 1);
    free(text);
}

static void label_values_are_escaped(void **state)
{
    (void)state;
    metrics_set_info("1.0 \"x\"", "2.0\\2", "a\nb");
    char *text = rendered();
    assert_has(text, "zhiliu_build_info{version=\"1.0 "
                     "\\\"x\\\"\",librdkafka=\"2.0\\\\2\",kernel=\"a\\nb\"} 1\n");
    free(text);
}

/* With everything used: the budget a Prometheus owner was promised. */
static void all_series_together_are_at_most_500(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 64; i++)
        metrics_set(METRIC_SOURCE_LAG, i, 1);
    metrics_set(METRIC_SOURCE_RTT, 0, 0.001);
    metrics_set(METRIC_SOURCE_RTT, 1, 0.002);
    char *text = rendered();
    int series = 0;
    for (char *p = text; *p; p = strchr(p, '\n') + 1)
        series += *p != '#';
    print_message("%d series\n", series);
    assert_true(series > 400 && series <= 500);
    assert_int_equal(lines_of(text, "zhiliu_events_total{"), 70);
    free(text);
}

static void every_family_has_one_type_line(void **state)
{
    (void)state;
    char *text = rendered(), *save = NULL;
    char *copy = strdup(text);
    int families = 0;
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char name[128], head[160];
        if (sscanf(line, "# TYPE %127s", name) != 1)
            continue;
        snprintf(head, sizeof head, "# TYPE %s ", name);
        assert_int_equal(lines_of(text, head), 1);
        families++;
    }
    assert_int_equal(families, METRIC_N);
    free(copy);
    free(text);
}

static void the_process_is_described_by_standard_names(void **state)
{
    (void)state;
    assert_true(metrics_value(METRIC_STATE_BYTES, 0) > 1e5);
    assert_true(metrics_value(METRIC_START_TIME, 0) > 1e9);
    char *text = rendered();
    assert_has(text, "# TYPE process_cpu_seconds_total counter\n");
    assert_has(text, "# TYPE process_resident_memory_bytes gauge\n");
    assert_has(text, "# TYPE process_start_time_seconds gauge\n");
    free(text);
}

/* The page is made from the table: ZHILIU_WRITE_DOCS=1 test_metrics writes it anew. */
static void the_reference_page_is_what_the_table_says(void **state)
{
    (void)state;
    char path[4096], *page = NULL;
    size_t len = 0;
    const char *here = strstr(__FILE__, "tests/unit/base/");
    assert_non_null(here);
    snprintf(path, sizeof path, "%.*sdocs/reference/metrics.md", (int)(here - __FILE__), __FILE__);
    FILE *out = getenv("ZHILIU_WRITE_DOCS") ? fopen(path, "w") : NULL;
    if (out) {
        metrics_document(out);
        fclose(out);
    }
    out = open_memstream(&page, &len);
    metrics_document(out);
    fclose(out);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    char *stored = calloc(1, len + 2);
    assert_int_equal(fread(stored, 1, len + 1, in), len);
    fclose(in);
    assert_string_equal(stored, page);
    free(stored);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_renders_what_was_added),
        cmocka_unit_test(buckets_are_cumulative_and_a_bound_belongs_to_its_bucket),
        cmocka_unit_test(a_quantile_lies_in_the_bucket_of_its_rank),
        cmocka_unit_test(a_partition_is_shown_only_once_it_was_set),
        cmocka_unit_test(label_values_are_escaped),
        cmocka_unit_test(all_series_together_are_at_most_500),
        cmocka_unit_test(every_family_has_one_type_line),
        cmocka_unit_test(the_process_is_described_by_standard_names),
        cmocka_unit_test(the_reference_page_is_what_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
