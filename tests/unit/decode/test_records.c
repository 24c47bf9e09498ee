/* One element in: every field of an event, item or control arrives, or one reject with the right reason. */
#include "unit/decode/decode_door.h"

static void every_field_of_an_event_arrives(void **state)
{
    (void)state;
    feed(ZL_TOPIC_EVENTS, ZL_SPAN("{\"event_id\":\"e1\",\"type\":\"watch\",\"user_id\":\"u1\","
                                  "\"item_id\":\"i1\",\"ts\":1700000000001,"
                                  "\"watch_ms\":12000,\"duration_ms\":60000,\"amount\":990,"
                                  "\"currency\":\"CNY\",\"course_id\":\"c1\","
                                  "\"uploader_id\":\"up1\",\"device_id\":\"d1\",\"session_id\":"
                                  "\"s1\",\"surface\":\"home\","
                                  "\"request_id\":\"r1\",\"position\":4,\"propensity\":0.25,"
                                  "\"experiment\": { \"x\" : \"b\" },"
                                  "\"v\":1,\"unknown\":{\"a\":[1,2.5,null,true]}}"));
    const struct zl_event *ev = only_event();
    assert_int_equal(ev->type, ZL_WATCH);
    assert_span(ev->event_id, "e1");
    assert_span(ev->user_id, "u1");
    assert_span(ev->item_id, "i1");
    assert_int_equal(ev->ts_ms, 1700000000001);
    assert_int_equal(ev->watch_ms, 12000);
    assert_int_equal(ev->duration_ms, 60000);
    assert_int_equal(ev->amount, 990);
    assert_span(ev->currency, "CNY");
    assert_span(ev->course_id, "c1");
    assert_span(ev->uploader_id, "up1");
    assert_span(ev->device_id, "d1");
    assert_span(ev->session_id, "s1");
    assert_span(ev->surface, "home");
    assert_span(ev->request_id, "r1");
    assert_int_equal(ev->position, 4);
    assert_true(ev->propensity == 0.25);
    assert_span(ev->experiment, "{\"x\":\"b\"}");
    assert_true(ev->id_hash == hash_bytes("e1", 2, 7));
    assert_int_equal(ev->from.partition, 3);
    assert_int_equal(ev->from.offset, 42);
    assert_int_equal(ev->from.index, 0);
    assert_int_equal(ev->from.log_ms, 1700000000000);
    assert_int_equal(ev->from.sent_ms, 5);
}

static void absent_fields_have_the_values_the_header_says(void **state)
{
    (void)state;
    feed(ZL_TOPIC_EVENTS,
         like_with(",\"watch_ms\":null,\"session_id\":null,\"position\":null,\"v\":null"));
    const struct zl_event *ev = only_event();
    assert_int_equal(ev->watch_ms, -1);
    assert_int_equal(ev->duration_ms, -1);
    assert_int_equal(ev->amount, -1);
    assert_int_equal(ev->position, 0);
    assert_true(ev->propensity == 0);
    assert_true(ev->session_id.ptr == NULL && ev->session_id.len == 0);
    assert_true(ev->experiment.ptr == NULL);
    assert_int_equal(ev->user, ZL_NO_INDEX);
    assert_int_equal(ev->course, ZL_NO_INDEX);
}

static void every_event_type_is_known_and_item_id_is_optional_for_five(void **state)
{
    (void)state;
    for (int t = 0; t < ZL_N_EVENT_TYPES; t++) {
        char text[256];
        int n = snprintf(
            text, sizeof text,
            "{\"event_id\":\"e\",\"type\":\"%s\",\"user_id\":\"u\",\"ts\":1,\"watch_ms\":1}",
            zl_event_type_name((enum zl_event_type)t));
        feed(ZL_TOPIC_EVENTS, (struct zl_span){text, (size_t)n});
        bool optional = t == ZL_FOLLOW || t == ZL_COURSE_CLICK || t == ZL_ENROLL ||
                        t == ZL_PURCHASE || t == ZL_REFUND;
        assert_int_equal(n_events(), optional);
        if (optional)
            assert_int_equal(only_event()->type, t);
        else
            assert_int_equal(decode_rejects(d, &n)->reason, ZL_MISSING_FIELD);
    }
}

static void every_field_of_an_item_arrives(void **state)
{
    (void)state;
    feed(ZL_TOPIC_ITEMS, ZL_SPAN("{\"item_id\":\"i1\",\"title\":\"\xE7\x9F\xA5\xE6\xB5\x81 "
                                 "\\u77e5\\ud83d\\ude00\",\"description\":\"d\\n\","
                                 "\"uploader_id\":\"up\",\"category\":\"math\",\"tags\":[\"a\","
                                 "\"\xE7\x9F\xA5\"],\"duration_ms\":61000,"
                                 "\"fps\":29.97,\"width\":1080,\"height\":1920,\"subtitles\":\"s\","
                                 "\"published_at\":1700000000000,"
                                 "\"status\":\"pending\",\"course_id\":\"c1\",\"price\":1990,"
                                 "\"features\":{\"video\":[1,-2.5,3e-1],\"audio\":[0.5,-0],"
                                 "\"text\":[1,2,3,4]}}"));
    const struct zl_item *item = only_item();
    assert_span(item->item_id, "i1");
    assert_span(item->title, "\xE7\x9F\xA5\xE6\xB5\x81 \xE7\x9F\xA5\xF0\x9F\x98\x80");
    assert_span(item->description, "d\n");
    assert_span(item->uploader_id, "up");
    assert_span(item->category, "math");
    assert_int_equal(item->n_tags, 2);
    assert_span(item->tags[1], "\xE7\x9F\xA5");
    assert_int_equal(item->duration_ms, 61000);
    assert_true(item->fps == 29.97);
    assert_int_equal(item->width, 1080);
    assert_int_equal(item->height, 1920);
    assert_span(item->subtitles, "s");
    assert_int_equal(item->published_at_ms, 1700000000000);
    assert_int_equal(item->status, ZL_ITEM_PENDING);
    assert_span(item->course_id, "c1");
    assert_int_equal(item->price, 1990);
    assert_int_equal(item->n_features[ZL_VIDEO], 3);
    assert_true(item->features[ZL_VIDEO][1] == -2.5f && item->features[ZL_VIDEO][2] == 0.3f);
    assert_int_equal(item->n_features[ZL_AUDIO], 2);
    assert_null(item->features[ZL_TEXT]); /* the configuration does not use it */
    assert_int_equal(item->n_features[ZL_TEXT], 0);
}

static void an_item_needs_nothing_but_its_id(void **state)
{
    (void)state;
    feed(ZL_TOPIC_ITEMS, item_with(",\"features\":{\"video\":null}"));
    const struct zl_item *item = only_item();
    assert_int_equal(item->status, ZL_ITEM_APPROVED);
    assert_int_equal(item->duration_ms, -1);
    assert_int_equal(item->published_at_ms, -1);
    assert_int_equal(item->price, -1);
    assert_false(item->removed);
    assert_null(item->features[ZL_VIDEO]);
}

static void controls_arrive(void **state)
{
    (void)state;
    static const char *const types[] = {"forget", "opt_out", "opt_in"};
    for (int t = 0; t < 3; t++) {
        char text[128];
        int n =
            snprintf(text, sizeof text, "{\"type\":\"%s\",\"user_id\":\"u1\",\"ts\":77}", types[t]);
        feed(ZL_TOPIC_CONTROLS, (struct zl_span){text, (size_t)n});
        const struct zl_control *c = decode_controls(d, &n);
        assert_int_equal(n, 1);
        assert_int_equal(c->type, t);
        assert_span(c->user_id, "u1");
        assert_int_equal(c->ts_ms, 77);
    }
}

#define LONG65 "0123456789012345678901234567890123456789012345678901234567890123x"

static const struct refused refused[] = {
    /* bad_utf8 */
    {0, ZL_BAD_UTF8, "{" E ",\"surface\":\"\xE7\x9F\"}"},
    {0, ZL_BAD_UTF8, "{" E ",\"surface\":\"\xE7\x9F"},
    {0, ZL_BAD_UTF8, "{" E ",\"nobody asks\":[\"\xC0\xAF\"]}"},
    {0, ZL_BAD_UTF8, "{" E ",\"cesu\":\"\xED\xA0\x80\"}"},
    {0, ZL_BAD_UTF8, "\xFF\xFE{}"},
    /* bad_json */
    {0, ZL_BAD_JSON, "{" E},
    {0, ZL_BAD_JSON, "{" E ",}"},
    {0, ZL_BAD_JSON, "{" E "} x"},
    {0, ZL_BAD_JSON, "{" E "}{" E "}"},
    {0, ZL_BAD_JSON, "{" E ",\"nobody\":{\"asks\":tru}}"},
    {0, ZL_BAD_JSON, "{" E ",\"nobody\":01}"},
    {0, ZL_BAD_JSON, "{" E ",\"nobody\":1.}"},
    {0, ZL_BAD_JSON, "{" E ",\"nobody\":-}"},
    {0, ZL_BAD_JSON, "{" E ",\"nobody\":NaN}"},
    {0, ZL_BAD_JSON, "{" E ",\"nobody\":\"\\ud800\"}"},
    {0, ZL_BAD_JSON, "{" E ",\"nobody\":\"\\udc00\"}"},
    {0, ZL_BAD_JSON, "{" E ",\"nobody\":\"\\ud83d\\u0041\"}"},
    {0, ZL_BAD_JSON, "{" E ",\"nobody\":\"\\udc00\\ud800\"}"},
    {0, ZL_BAD_JSON, "{" E ",\"nobody\":\"\\x\"}"},
    {0, ZL_BAD_JSON, "{" E ",\"nobody\":\"\t\"}"},
    {0, ZL_BAD_JSON, "garbage"},
    {0, ZL_BAD_JSON, " \r\n\t "},
    {0, ZL_BAD_JSON, ""},
    {0, ZL_BAD_JSON, "[{" E "}"},
    {0, ZL_BAD_JSON, "[{" E "}] x"},
    /* not_object */
    {0, ZL_NOT_OBJECT, "17"},
    {0, ZL_NOT_OBJECT, "\"text\""},
    {0, ZL_NOT_OBJECT, "null"},
    {0, ZL_NOT_OBJECT, "[[]]"},
    {2, ZL_NOT_OBJECT, "[true]"},
    /* duplicate_key */
    {0, ZL_DUPLICATE_KEY, "{" E ",\"ts\":1}"},
    {0, ZL_DUPLICATE_KEY, "{" E ",\"t\\u0073\":1}"},
    {0, ZL_DUPLICATE_KEY, "{" E ",\"session_id\":null,\"session_id\":\"s\"}"},
    {0, ZL_DUPLICATE_KEY, "{" E ",\"who\":1,\"are\":2,\"who\":3}"},
    {1, ZL_DUPLICATE_KEY, "{\"item_id\":\"i\",\"title\":\"a\",\"title\":\"a\"}"},
    {2, ZL_DUPLICATE_KEY, "{\"type\":\"forget\",\"user_id\":\"u\",\"ts\":1,\"type\":\"forget\"}"},
    /* missing_field */
    {0, ZL_MISSING_FIELD, "{}"},
    {0, ZL_MISSING_FIELD, "{\"type\":\"like\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":1}"},
    {0, ZL_MISSING_FIELD, "{\"event_id\":\"e\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":1}"},
    {0, ZL_MISSING_FIELD, "{\"event_id\":\"e\",\"type\":\"like\",\"item_id\":\"i\",\"ts\":1}"},
    {0, ZL_MISSING_FIELD, "{\"event_id\":\"e\",\"type\":\"like\",\"user_id\":\"u\",\"ts\":1}"},
    {0, ZL_MISSING_FIELD,
     "{\"event_id\":\"e\",\"type\":\"like\",\"user_id\":\"u\",\"item_id\":\"i\"}"},
    {0, ZL_MISSING_FIELD,
     "{\"event_id\":\"e\",\"type\":\"like\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":null}"},
    {0, ZL_MISSING_FIELD,
     "{\"event_id\":\"e\",\"type\":\"watch\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":1}"},
    {1, ZL_MISSING_FIELD, "{\"title\":\"t\"}"},
    {2, ZL_MISSING_FIELD, "{\"type\":\"forget\",\"ts\":1}"},
    {2, ZL_MISSING_FIELD, "{\"type\":\"forget\",\"user_id\":\"u\"}"},
    {2, ZL_MISSING_FIELD, "{\"user_id\":\"u\",\"ts\":1}"},
    /* bad_type */
    {0, ZL_BAD_TYPE,
     "{\"event_id\":5,\"type\":\"like\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":1}"},
    {0, ZL_BAD_TYPE,
     "{\"event_id\":\"e\",\"type\":3,\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":1}"},
    {0, ZL_BAD_TYPE,
     "{\"event_id\":\"e\",\"type\":\"like\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":\"123\"}"},
    {0, ZL_BAD_TYPE,
     "{\"event_id\":\"e\",\"type\":\"like\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":1.0e3}"},
    {0, ZL_BAD_TYPE,
     "{\"event_id\":\"e\",\"type\":\"like\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":1000.0}"},
    {0, ZL_BAD_TYPE, "{" E ",\"watch_ms\":true}"},
    {0, ZL_BAD_TYPE, "{" E ",\"watch_ms\":-1.5}"},
    {0, ZL_BAD_TYPE, "{" E ",\"experiment\":\"{}\"}"},
    {0, ZL_BAD_TYPE, "{" E ",\"experiment\":[]}"},
    {0, ZL_BAD_TYPE, "{" E ",\"propensity\":\"1\"}"},
    {0, ZL_BAD_TYPE, "{" E ",\"surface\":{}}"},
    {1, ZL_BAD_TYPE, "{\"item_id\":\"i\",\"tags\":\"a\"}"},
    {1, ZL_BAD_TYPE, "{\"item_id\":\"i\",\"tags\":[1]}"},
    {1, ZL_BAD_TYPE, "{\"item_id\":\"i\",\"status\":1}"},
    {1, ZL_BAD_TYPE, "{\"item_id\":\"i\",\"title\":[]}"},
    {1, ZL_BAD_TYPE, "{\"item_id\":\"i\",\"price\":19.9}"},
    /* out_of_range */
    {0, ZL_OUT_OF_RANGE,
     "{\"event_id\":\"\",\"type\":\"like\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":1}"},
    {0, ZL_OUT_OF_RANGE,
     "{\"event_id\":\"" LONG65
     "\",\"type\":\"like\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":1}"},
    {0, ZL_OUT_OF_RANGE,
     "{\"event_id\":\"e\",\"type\":\"like\",\"user_id\":\"u\\u0000\",\"item_id\":\"i\",\"ts\":1}"},
    {0, ZL_OUT_OF_RANGE,
     "{\"event_id\":\"e\",\"type\":\"like\",\"user_id\":\"u\\n\",\"item_id\":\"i\",\"ts\":1}"},
    {0, ZL_OUT_OF_RANGE,
     "{\"event_id\":\"e\",\"type\":\"follow\",\"user_id\":\"u\",\"item_id\":\"\",\"ts\":1}"},
    {0, ZL_OUT_OF_RANGE,
     "{\"event_id\":\"e\",\"type\":\"like\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":"
     "18446744073709551615}"},
    {0, ZL_OUT_OF_RANGE,
     "{\"event_id\":\"e\",\"type\":\"like\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":"
     "18446744073709551616}"},
    {0, ZL_OUT_OF_RANGE, "{" E ",\"nobody\":-123456789012345678901234567890}"},
    {0, ZL_OUT_OF_RANGE, "{" E ",\"nobody\":[1.5,\"12\",123456789012345678901234567890]}"},
    {0, ZL_OUT_OF_RANGE, "{" E ",\"watch_ms\":-1}"},
    {0, ZL_OUT_OF_RANGE, "{" E ",\"amount\":-1}"},
    {0, ZL_OUT_OF_RANGE, "{" E ",\"position\":0}"},
    {0, ZL_OUT_OF_RANGE, "{" E ",\"position\":10001}"},
    {0, ZL_OUT_OF_RANGE, "{" E ",\"propensity\":0}"},
    {0, ZL_OUT_OF_RANGE, "{" E ",\"propensity\":-0.0}"},
    {0, ZL_OUT_OF_RANGE, "{" E ",\"propensity\":1.0000001}"},
    {0, ZL_OUT_OF_RANGE, "{" E ",\"currency\":\"yuan\"}"},
    {1, ZL_OUT_OF_RANGE, "{\"item_id\":\"i\",\"status\":\"great\"}"},
    {1, ZL_OUT_OF_RANGE, "{\"item_id\":\"i\",\"status\":\"removed\"}"},
    {1, ZL_OUT_OF_RANGE, "{\"item_id\":\"i\",\"width\":2147483648}"},
    {1, ZL_OUT_OF_RANGE, "{\"item_id\":\"i\",\"tags\":[\"\"]}"},
    /* not_finite */
    {0, ZL_NOT_FINITE, "{" E ",\"propensity\":1e999}"},
    {0, ZL_NOT_FINITE, "{" E ",\"nobody\":-1e999}"},
    {1, ZL_NOT_FINITE, "{\"item_id\":\"i\",\"fps\":1e309}"},
    {1, ZL_NOT_FINITE, "{\"item_id\":\"i\",\"features\":{\"video\":[1,2,1e300]}}"},
    {1, ZL_NOT_FINITE, "{\"item_id\":\"i\",\"features\":{\"text\":[1e300]}}"},
    /* unknown_type, unknown_version */
    {0, ZL_UNKNOWN_TYPE,
     "{\"event_id\":\"e\",\"type\":\"dance\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":1}"},
    {0, ZL_UNKNOWN_TYPE,
     "{\"event_id\":\"e\",\"type\":\"\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":1}"},
    {2, ZL_UNKNOWN_TYPE, "{\"type\":\"like\",\"user_id\":\"u\",\"ts\":1}"},
    {0, ZL_UNKNOWN_VERSION, "{\"v\":2}"},
    {0, ZL_UNKNOWN_VERSION, "{" E ",\"v\":\"1\"}"},
    {0, ZL_UNKNOWN_VERSION, "{" E ",\"v\":1.0}"},
    {1, ZL_UNKNOWN_VERSION, "{\"item_id\":\"i\",\"v\":0}"},
    /* bad_features */
    {1, ZL_BAD_FEATURES, "{\"item_id\":\"i\",\"features\":[]}"},
    {1, ZL_BAD_FEATURES, "{\"item_id\":\"i\",\"features\":{\"smell\":[1,2,3]}}"},
    {1, ZL_BAD_JSON, "{\"item_id\":\"i\",\"features\":{\"video\":[1,NaN,3]}}"},
    {1, ZL_BAD_FEATURES, "{\"item_id\":\"i\",\"features\":{\"video\":{}}}"},
    {1, ZL_BAD_FEATURES, "{\"item_id\":\"i\",\"features\":{\"video\":[1,2]}}"},
    {1, ZL_BAD_FEATURES, "{\"item_id\":\"i\",\"features\":{\"video\":[1,2,3,4]}}"},
    {1, ZL_BAD_FEATURES, "{\"item_id\":\"i\",\"features\":{\"video\":[1,2,null]}}"},
    {1, ZL_BAD_FEATURES, "{\"item_id\":\"i\",\"features\":{\"text\":[\"1\"]}}"},
};

static void each_bad_input_has_its_reason(void **state)
{
    (void)state;
    bool seen[ZL_N_REASONS] = {false};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        expect_reject(refused[i].topic, zl_span_of(refused[i].text), refused[i].reason);
        const struct zl_reject *r = decode_rejects(d, &(int){0});
        assert_true(r->value.ptr >= refused[i].text && /* the bytes as they were sent */
                    r->value.ptr + r->value.len <= refused[i].text + strlen(refused[i].text));
        seen[refused[i].reason] = true;
    }
    for (int r = ZL_BAD_UTF8; r < ZL_N_REASONS;
         r++) /* too_large, key_mismatch: below; future_time: guard */
        assert_true(seen[r] || r == ZL_KEY_MISMATCH || r == ZL_FUTURE_TIME);
}

static void a_raw_nul_is_bad_json_wherever_it_is(void **state)
{
    (void)state;
    expect_reject(ZL_TOPIC_EVENTS, ZL_SPAN("{" E ",\"surface\":\"a\0b\"}"), ZL_BAD_JSON);
    expect_reject(ZL_TOPIC_EVENTS, ZL_SPAN("{" E "\0}"), ZL_BAD_JSON);
    expect_reject(ZL_TOPIC_EVENTS, ZL_SPAN("{" E "}\0"), ZL_BAD_JSON);
    expect_reject(ZL_TOPIC_EVENTS, ZL_SPAN("\0"), ZL_BAD_JSON);
}

static void a_message_over_the_limit_is_too_large_and_says_both_sizes(void **state)
{
    (void)state;
    size_t len = 2 << 20;
    char *big = malloc(len);
    memset(big, ' ', len);
    memcpy(big, "{}", 2);
    expect_reject(ZL_TOPIC_EVENTS, (struct zl_span){big, len}, ZL_TOO_LARGE);
    const struct zl_reject *r = decode_rejects(d, &(int){0});
    assert_non_null(strstr(r->detail, "2097152"));
    assert_non_null(strstr(r->detail, "1048576"));
    assert_true(r->value.ptr == big && r->value.len == len);
    /* at the limit, to the byte, it is read */
    struct zl_span like = like_with("");
    memset(big, ' ', len);
    memcpy(big, like.ptr, like.len);
    feed(ZL_TOPIC_EVENTS, (struct zl_span){big, 1 << 20});
    only_event();
    free(big);
}

static void thirty_two_levels_are_read_and_thirty_three_are_not(void **state)
{
    (void)state;
    for (int levels = 30; levels <= 34;
         levels++) { /* of arrays inside the object, which is one itself */
        char text[256] = ",\"x\":";
        size_t n = strlen(text);
        memset(text + n, '[', (size_t)levels);
        memset(text + n + levels, ']', (size_t)levels);
        feed(ZL_TOPIC_EVENTS, like_with(text));
        assert_int_equal(n_events(), levels < 32);
        assert_int_equal(n_rejects(), levels >= 32);
        if (n_rejects())
            assert_int_equal(decode_rejects(d, &(int){0})->reason, ZL_BAD_JSON);
    }
}

static void a_depth_bomb_is_bad_json(void **state)
{
    (void)state;
    char *bomb = malloc(1 << 20);
    memset(bomb, '[', 1 << 20);
    expect_reject(ZL_TOPIC_EVENTS, (struct zl_span){bomb, 1 << 20}, ZL_BAD_JSON);
    memset(bomb + (1 << 19), ']', 1 << 19);
    expect_reject(ZL_TOPIC_EVENTS, (struct zl_span){bomb, 1 << 20}, ZL_BAD_JSON);
    for (int i = 0; i + 5 <= 1 << 20; i += 5)
        memcpy(bomb + i, "{\"a\":", 5);
    expect_reject(ZL_TOPIC_EVENTS, (struct zl_span){bomb, 1 << 20}, ZL_BAD_JSON);
    free(bomb);
}

/* n unknown keys; the last one is `last`. */
static struct zl_span many_keys(char *text, int n, const char *last)
{
    size_t len = (size_t)sprintf(text, "{" E);
    for (int i = 0; i < n - 1; i++)
        len += (size_t)sprintf(text + len, ",\"key%d\":%d", i, i);
    len += (size_t)sprintf(text + len, ",\"%s\":0,\"surface\":\"home\"}", last);
    return (struct zl_span){text, len};
}

static void ten_thousand_unknown_keys_are_ignored_but_not_one_twice(void **state)
{
    (void)state;
    char *text = malloc(400000);
    static const int counts[] = {1, 15, 16, 17, 18, 100, 10000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        feed(ZL_TOPIC_EVENTS, many_keys(text, counts[i], "last"));
        assert_span(only_event()->surface, "home"); /* known keys behind them are still found */
        if (counts[i] > 1)
            expect_reject(ZL_TOPIC_EVENTS, many_keys(text, counts[i], "key0"), ZL_DUPLICATE_KEY);
        expect_reject(ZL_TOPIC_EVENTS, many_keys(text, counts[i], "event_id"), ZL_DUPLICATE_KEY);
    }
    free(text);
}

static void sixty_four_tags_are_kept_and_sixty_five_refused(void **state)
{
    (void)state;
    for (int n = 64; n <= 65; n++) {
        char text[2048] = ",\"tags\":[";
        for (int i = 0; i < n; i++)
            sprintf(text + strlen(text), "%s\"t%d\"", i ? "," : "", i);
        strcat(text, "]");
        if (n == 65) {
            expect_reject(ZL_TOPIC_ITEMS, item_with(text), ZL_OUT_OF_RANGE);
            continue;
        }
        feed(ZL_TOPIC_ITEMS, item_with(text));
        assert_int_equal(only_item()->n_tags, 64);
        assert_span(only_item()->tags[63], "t63");
    }
}

static void limits_are_inside(void **state)
{
    (void)state;
    feed(ZL_TOPIC_EVENTS,
         like_with(",\"position\":10000,\"propensity\":1,\"watch_ms\":0,\"duration_ms\":-0,"
                   "\"amount\":9223372036854775807,\"surface\":"
                   "\"0123456789012345678901234567890123456789012345678901234567890123\""));
    const struct zl_event *ev = only_event();
    assert_int_equal(ev->position, 10000);
    assert_true(ev->propensity == 1);
    assert_int_equal(ev->watch_ms, 0);
    assert_int_equal(ev->duration_ms, 0);
    assert_true(ev->amount == INT64_MAX);
    assert_int_equal(ev->surface.len, 64);
}

static void the_experiment_is_kept_as_json_without_blanks(void **state)
{
    (void)state;
    feed(ZL_TOPIC_EVENTS,
         like_with(
             ",\"experiment\":{ \"a\\\"b\" : \"\xE7\x9F\xA5\\u0001\", \"n\" : [ 1 , -2.5 ] }"));
    assert_span(only_event()->experiment, "{\"a\\\"b\":\"\xE7\x9F\xA5\\u0001\",\"n\":[1,-2.5]}");
    feed(ZL_TOPIC_EVENTS, like_with(",\"experiment\":{}"));
    assert_span(only_event()->experiment, "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_field_of_an_event_arrives),
        TEST(absent_fields_have_the_values_the_header_says),
        TEST(every_event_type_is_known_and_item_id_is_optional_for_five),
        TEST(every_field_of_an_item_arrives),
        TEST(an_item_needs_nothing_but_its_id),
        TEST(controls_arrive),
        TEST(each_bad_input_has_its_reason),
        TEST(a_raw_nul_is_bad_json_wherever_it_is),
        TEST(a_message_over_the_limit_is_too_large_and_says_both_sizes),
        TEST(thirty_two_levels_are_read_and_thirty_three_are_not),
        TEST(a_depth_bomb_is_bad_json),
        TEST(ten_thousand_unknown_keys_are_ignored_but_not_one_twice),
        TEST(sixty_four_tags_are_kept_and_sixty_five_refused),
        TEST(limits_are_inside),
        TEST(the_experiment_is_kept_as_json_without_blanks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
