/* One message in: one element, lines, an array, nothing at all; keys, clocks, batches. What an element may hold: test_records.c. */
#include "unit/decode/decode_door.h"

#define GOOD(id)                                                                                   \
    "{\"event_id\":\"" id "\",\"type\":\"like\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":1}"

/* Events e0 and e2 good with their indexes, element 1 refused for `reason` and shown as `bad`. */
static void expect_middle_refused(struct zl_span value, enum zl_reason reason, const char *bad)
{
    int n;
    feed(ZL_TOPIC_EVENTS, value);
    const struct zl_event *ev = decode_events(d, &n);
    if (n != 2)
        print_error("%.*s\n-> %d events, %d rejects, %s\n", (int)value.len, value.ptr, n,
                    n_rejects(), n_rejects() ? decode_rejects(d, &(int){0})->detail : "");
    assert_int_equal(n, 2);
    assert_span(ev[0].event_id, "e0");
    assert_span(ev[1].event_id, "e2");
    assert_int_equal(ev[0].from.index, 0);
    assert_int_equal(ev[1].from.index, 2);
    const struct zl_reject *r = decode_rejects(d, &n);
    assert_int_equal(n, 1);
    assert_int_equal(r->from.index, 1);
    assert_int_equal(r->reason, reason);
    assert_span(r->value, bad);
}

static void a_bad_element_does_not_harm_its_neighbours(void **state)
{
    (void)state;
    static const struct refused bad[] = {
        {0, ZL_MISSING_FIELD, "{}"},
        {0, ZL_MISSING_FIELD, "{\"a\":\"],[\\\"\"}"},
        {0, ZL_NOT_OBJECT, "7"},
        {0, ZL_NOT_OBJECT, "[" GOOD("x") "]"},
        {0, ZL_BAD_JSON, "{\"a\" 1}"},
        {0, ZL_BAD_JSON, "nonsense"},
        {0, ZL_BAD_UTF8, "{\"a\":\"\xE7\x9F\"}"},
        {0, ZL_NOT_FINITE, "{\"a\":1e999}"},
        {0, ZL_OUT_OF_RANGE, "{\"a\":123456789012345678901}"},
        {0, ZL_DUPLICATE_KEY, "{\"a\":1,\"a\":1}"},
        {0, ZL_BAD_JSON,
         "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text, "[" GOOD("e0") " , %s\n," GOOD("e2") "]", bad[i].text);
        expect_middle_refused(zl_span_of(text), bad[i].reason, bad[i].text);
        snprintf(text, sizeof text, GOOD("e0") "\n%s\r\n\n" GOOD("e2"), bad[i].text);
        expect_middle_refused(zl_span_of(text), bad[i].reason, bad[i].text);
        snprintf(text, sizeof text,
                 "\xEF\xBB\xBF\r\n" GOOD("e0") "\r\n  \r\n%s  \r\n" GOOD("e2") "\r\n", bad[i].text);
        expect_middle_refused(zl_span_of(text), bad[i].reason, bad[i].text);
    }
}

static void an_array_element_may_be_as_deep_as_an_object_alone(void **state)
{
    (void)state;
    char text[512] = "[", deep[256] = ",\"x\":";
    memset(deep + 5, '[', 31);
    memset(deep + 36, ']', 31);
    struct zl_span like = like_with(deep);
    memcpy(text + 1, like.ptr, like.len);
    text[1 + like.len] = ']';
    feed(ZL_TOPIC_EVENTS, zl_span_of(text));
    only_event();
}

static void a_broken_first_line_does_not_harm_the_next(void **state)
{
    (void)state;
    static const char *const bad[] = {"{\"a\":1", "{\"a\":\"", "{\"a\"}", "garbage", "{\"a\":\"x}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "%s\n" GOOD("e1"), bad[i]);
        feed(ZL_TOPIC_EVENTS, zl_span_of(text));
        assert_int_equal(n_events(), 1);
        assert_int_equal(n_rejects(), 1);
        assert_int_equal(decode_events(d, &(int){0})->from.index, 1);
        assert_span(decode_rejects(d, &(int){0})->value, bad[i]);
    }
}

static void a_pretty_printed_object_is_one_object(void **state)
{
    (void)state;
    feed(
        ZL_TOPIC_EVENTS,
        ZL_SPAN(
            "{\n  \"event_id\": \"e1\",\r\n  \"type\": \"like\",\n  \"user_id\": \"u\",\n"
            "  \"item_id\": \"i\",\n  \"ts\": 1,\n  \"x\": [\n    {},\n    {\n\"a\":1}\n  ]\n}\n"));
    assert_span(only_event()->event_id, "e1");
    feed(ZL_TOPIC_EVENTS, ZL_SPAN("{ \"x\": {}\n, " E "\n}"));
    only_event();
    feed(ZL_TOPIC_EVENTS, ZL_SPAN("{ \"x\": [{}\n, {}\n], " E "}"));
    only_event();
    feed(ZL_TOPIC_EVENTS, ZL_SPAN("{ \"x\":\n{}\n, " E "}"));
    only_event();
}

static void an_object_with_a_line_end_or_a_byte_order_mark_is_one_object(void **state)
{
    (void)state;
    feed(ZL_TOPIC_EVENTS, ZL_SPAN("\xEF\xBB\xBF" GOOD("e1") "\r\n"));
    only_event();
    feed(ZL_TOPIC_EVENTS, ZL_SPAN("\n\n " GOOD("e1") "\n\n"));
    only_event();
}

static void of_an_array_the_words_say_which_element_is_no_object(void **state)
{
    (void)state;
    static const struct {
        const char *text, *detail;
    } cases[] = {{"[1,2]", "element 1 is an integer, not an object"},
                 {"[1,{\"a\"}]", "element 1 is an integer, not an object"},
                 {"5", "it is an integer, not an object"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int n;
        decode_begin(d);
        struct decode_message m = message(ZL_TOPIC_EVENTS, zl_span_of(cases[i].text));
        decode_message(d, &m, 0);
        struct zl_reject *r = decode_rejects(d, &n);
        assert_true(n > 0);
        assert_string_equal(r[0].detail, cases[i].detail);
    }
}

static void an_empty_array_is_nothing_at_all(void **state)
{
    (void)state;
    feed(ZL_TOPIC_EVENTS, ZL_SPAN(" [ \n ] "));
    assert_int_equal(n_events(), 0);
    assert_int_equal(n_rejects(), 0);
}

static void more_than_ten_thousand_elements_are_too_large(void **state)
{
    (void)state;
    static const char *const shapes[] = {"[", "1", "]"};
    char *text = malloc(1 << 20);
    for (int lines = 0; lines < 2; lines++)
        for (int n = 10000; n <= 10001; n++) {
            size_t len = 0;
            if (!lines)
                text[len++] = shapes[0][0];
            for (int i = 0; i < n; i++)
                len += (size_t)sprintf(text + len, "%s{}", i ? lines ? "\n" : "," : "");
            if (!lines)
                text[len++] = shapes[2][0];
            feed(ZL_TOPIC_EVENTS, (struct zl_span){text, len});
            assert_int_equal(n_rejects(), n == 10000 ? 10000 : 1);
            assert_int_equal(decode_rejects(d, &(int){0})->reason,
                             n == 10000 ? ZL_MISSING_FIELD : ZL_TOO_LARGE);
        }
    free(text);
}

static void an_element_can_be_cut_out_again(void **state)
{
    (void)state;
    decode_begin(d);
    struct zl_span array = ZL_SPAN(" [ {\"a\":[1,2]} , 7,\"],\"] ");
    struct zl_span lines = ZL_SPAN("{\"a\":1}\n\n{\"b\":2}\r\n");
    assert_span(decode_element(d, array, 2), "\"],\"");
    assert_span(decode_element(d, array, 0), "{\"a\":[1,2]}");
    assert_span(decode_element(d, array, 1), "7");
    assert_span(decode_element(d, array, 1), "7");
    assert_span(decode_element(d, lines, 1), "{\"b\":2}");
    assert_span(decode_element(d, array, 2), "\"],\"");
    assert_true(decode_element(d, array, 3).ptr == array.ptr); /* there is none: the whole */
    assert_true(decode_element(d, array, 3).len == array.len);
    assert_span(decode_element(d, lines, 0), "{\"a\":1}");
}

static void a_null_value_removes_the_item_of_its_key(void **state)
{
    (void)state;
    struct decode_message m = message(ZL_TOPIC_ITEMS, (struct zl_span){0});
    m.has_value = false;
    m.has_key = true;
    m.key = ZL_SPAN("i9");
    decode_begin(d);
    decode_message(d, &m, 0);
    assert_true(only_item()->removed);
    assert_int_equal(only_item()->status, ZL_ITEM_REMOVED);
    assert_span(only_item()->item_id, "i9");
    static const enum zl_reason reasons[] = {ZL_BAD_JSON, ZL_MISSING_FIELD, ZL_BAD_JSON};
    m.has_key = false;
    for (int t = 0; t < ZL_N_TOPICS; t++) {
        m.topic = (enum zl_topic)t;
        decode_begin(d);
        decode_message(d, &m, 0);
        assert_int_equal(n_rejects(), 1);
        assert_int_equal(decode_rejects(d, &(int){0})->reason, reasons[t]);
    }
}

static void a_key_that_is_another_users_is_a_mismatch(void **state)
{
    (void)state;
    struct zl_error err;
    struct decode_config checked = cfg;
    decode_close(d);
    checked.check_key = true;
    assert_int_equal(decode_open(&checked, &d, &err), ZL_OK);
    struct decode_message m = message(ZL_TOPIC_EVENTS, like_with(""));
    static const struct {
        bool has_key;
        const char *key;
        bool good;
    } cases[] = {{true, "u1", true}, {true, "u2", false}, {true, "", false}, {false, "", true}};
    for (size_t i = 0; i < 4; i++) {
        m.has_key = cases[i].has_key;
        m.key = zl_span_of(cases[i].key);
        decode_begin(d);
        decode_message(d, &m, 0);
        assert_int_equal(n_events(), cases[i].good);
        if (!cases[i].good)
            assert_int_equal(decode_rejects(d, &(int){0})->reason, ZL_KEY_MISMATCH);
    }
}

static void the_clock_of_a_file_is_the_newest_ts(void **state)
{
    (void)state;
    static const struct {
        int64_t ts, clock;
    } steps[] = {{1000, 1000},
                 {5000, 5000},
                 {3000, 5000},
                 {INT64_C(99999999999999), 5000},
                 {90000000, 90000000}};
    decode_set_clock(d, 0);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        char text[256];
        int n = snprintf(text, sizeof text,
                         "{\"event_id\":\"e\",\"type\":\"follow\",\"user_id\":\"u\",\"ts\":%lld}",
                         (long long)steps[i].ts);
        struct decode_message m = message(ZL_TOPIC_EVENTS, (struct zl_span){text, (size_t)n});
        m.log_ms = -1;
        decode_begin(d);
        decode_message(d, &m, 0);
        assert_int_equal(only_event()->from.log_ms, steps[i].clock);
    }
    decode_set_clock(d, 17);
    struct decode_message m = message(ZL_TOPIC_EVENTS, ZL_SPAN("nonsense"));
    m.log_ms = -1;
    decode_begin(d);
    decode_message(d, &m, 0);
    assert_int_equal(decode_rejects(d, &(int){0})->from.log_ms, 17);
}

static void a_batch_keeps_what_earlier_messages_gave(void **state)
{
    (void)state;
    decode_begin(d);
    for (int i = 0; i < 1000; i++) {
        char text[256];
        int n =
            snprintf(text, sizeof text,
                     "{\"event_id\":\"e%d\",\"type\":\"follow\",\"user_id\":\"user %d\",\"ts\":%d}",
                     i, i, i);
        struct decode_message m = message(ZL_TOPIC_EVENTS, (struct zl_span){text, (size_t)n});
        m.offset = i;
        decode_message(d, &m, (uint32_t)i);
    }
    int n;
    const struct zl_event *ev = decode_events(d, &n);
    assert_int_equal(n, 1000);
    for (int i = 0; i < 1000; i++) {
        char text[32];
        snprintf(text, sizeof text, "user %d", i);
        assert_span(ev[i].user_id, text);
        assert_int_equal(ev[i].from.offset, i);
    }
}

static void statistics_give_the_worst_real_broker(void **state)
{
    (void)state;
    struct decode_statistics s;
    assert_true(decode_source_statistics(
        d,
        ZL_SPAN(
            "{\"name\":\"x\",\"brokers\":{"
            "\"a:9092/1\":{\"nodeid\":1,\"state\":\"UP\",\"rtt\":{\"p50\":500,\"p99\":2000}},"
            "\"b:9092/2\":{\"nodeid\":2,\"state\":\"CONNECT\",\"rtt\":{\"p50\":1500,\"p99\":1000}},"
            "\"GroupCoordinator\":{\"nodeid\":-1,\"state\":\"UP\",\"rtt\":{\"p50\":9000,\"p99\":"
            "9000}}}}"),
        &s));
    assert_int_equal(s.brokers, 2);
    assert_int_equal(s.brokers_up, 1);
    assert_true(s.rtt_p50_s > 0.00149 && s.rtt_p50_s < 0.00151);
    assert_true(s.rtt_p99_s > 0.00199 && s.rtt_p99_s < 0.00201);
    assert_false(decode_source_statistics(d, ZL_SPAN("{\"brokers\":[]}"), &s));
    assert_false(decode_source_statistics(d, ZL_SPAN(""), &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bad_element_does_not_harm_its_neighbours),
        TEST(of_an_array_the_words_say_which_element_is_no_object),
        TEST(an_array_element_may_be_as_deep_as_an_object_alone),
        TEST(a_broken_first_line_does_not_harm_the_next),
        TEST(a_pretty_printed_object_is_one_object),
        TEST(an_object_with_a_line_end_or_a_byte_order_mark_is_one_object),
        TEST(an_empty_array_is_nothing_at_all),
        TEST(more_than_ten_thousand_elements_are_too_large),
        TEST(an_element_can_be_cut_out_again),
        TEST(a_null_value_removes_the_item_of_its_key),
        TEST(a_key_that_is_another_users_is_a_mismatch),
        TEST(the_clock_of_a_file_is_the_newest_ts),
        TEST(a_batch_keeps_what_earlier_messages_gave),
        TEST(statistics_give_the_worst_real_broker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
