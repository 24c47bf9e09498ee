/* unit/decode/decode_door.h - what the tests of the door share: a decoder, one message in, and what came out. */
#ifndef UNIT_DECODE_DOOR_H
#define UNIT_DECODE_DOOR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "decode/decode.h"

static struct decode *d;
static struct decode_config cfg = {.max_bytes = 1048576, .n_features = {3, 2, 0}, .id_seed = 7};

static inline int open_decoder(void **state)
{
    (void)state;
    struct zl_error err;
    return decode_open(&cfg, &d, &err) == ZL_OK ? 0 : -1;
}

static inline int close_decoder(void **state)
{
    (void)state;
    decode_close(d);
    d = NULL;
    return 0;
}

static inline struct decode_message message(enum zl_topic topic, struct zl_span value)
{
    return (struct decode_message){.topic = topic,
                                   .partition = 3,
                                   .offset = 42,
                                   .log_ms = 1700000000000,
                                   .sent_ms = 5,
                                   .has_value = true,
                                   .value = value};
}

static inline void feed(enum zl_topic topic, struct zl_span value)
{
    struct decode_message m = message(topic, value);
    decode_begin(d);
    decode_message(d, &m, 9);
}

static inline int n_events(void)
{
    int n;
    decode_events(d, &n);
    return n;
}

static inline int n_rejects(void)
{
    int n;
    decode_rejects(d, &n);
    return n;
}

static inline const struct zl_event *only_event(void)
{
    int n;
    const struct zl_event *ev = decode_events(d, &n);
    if (n_rejects())
        print_error("rejected: %s\n", decode_rejects(d, &(int){0})[0].detail);
    assert_int_equal(n, 1);
    assert_int_equal(n_rejects(), 0);
    return ev;
}

static inline const struct zl_item *only_item(void)
{
    int n;
    const struct zl_item *item = decode_items(d, &n);
    if (n_rejects())
        print_error("rejected: %s\n", decode_rejects(d, &(int){0})[0].detail);
    assert_int_equal(n, 1);
    assert_int_equal(n_rejects(), 0);
    return item;
}

/* Exactly one reject, nothing else; text is the bad element or NULL. */
static inline void expect_reject(enum zl_topic topic, struct zl_span value, enum zl_reason reason)
{
    int n, others = 0;
    feed(topic, value);
    const struct zl_reject *r = decode_rejects(d, &n);
    if (n != 1 || r->reason != reason)
        print_error("%.*s\n-> %d rejects, %s (%s), wanted %s\n",
                    (int)(value.len < 200 ? value.len : 200), value.ptr, n,
                    n ? zl_reason_name(r->reason) : "", n ? r->detail : "", zl_reason_name(reason));
    assert_int_equal(n, 1);
    assert_int_equal(r->reason, reason);
    assert_true(r->detail[0] != '\0');
    assert_int_equal(r->from.offset, 42);
    assert_int_equal(r->from.index, 0);
    assert_int_equal(r->message, 9);
    decode_events(d, &n);
    others += n;
    decode_items(d, &n);
    others += n;
    decode_controls(d, &n);
    others += n;
    assert_int_equal(others, 0);
}

static inline void assert_span(struct zl_span s, const char *text)
{
    if (!zl_span_is(s, text))
        print_error("\"%.*s\" is not \"%s\"\n", (int)s.len, s.ptr, text);
    assert_true(zl_span_is(s, text));
}

/* A like with `more` behind its fields. */
static inline struct zl_span like_with(const char *more)
{
    static char text[4096];
    int n = snprintf(text, sizeof text,
                     "{\"event_id\":\"e1\",\"type\":\"like\",\"user_id\":\"u1\",\"item_id\":\"i1\","
                     "\"ts\":1700000000001%s}",
                     more);
    return (struct zl_span){text, (size_t)n};
}

static inline struct zl_span item_with(const char *more)
{
    static char text[4096];
    int n = snprintf(text, sizeof text, "{\"item_id\":\"i1\"%s}", more);
    return (struct zl_span){text, (size_t)n};
}

#define E "\"event_id\":\"e\",\"type\":\"like\",\"user_id\":\"u\",\"item_id\":\"i\",\"ts\":1"

/* text is refused, for this reason. */
struct refused {
    enum zl_topic topic;
    enum zl_reason reason;
    const char *text;
};

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_decoder, close_decoder)

#endif
