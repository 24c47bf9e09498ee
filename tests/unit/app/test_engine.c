/* Stands for src/app/engine_feed.c and batch.c: the rooms together, on messages that nobody would send on purpose, and on items that
 * change, go and come back while people use them. */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/config_priv.h"
#include "app/engine_priv.h"
#include "base/check.h"
#include "base/log.h"
#include "base/rng.h"
#include "model/model.h"
#include "support/copied_rows.h"

#define N_MESSAGES 4000
#define N_USERS 25
#define N_ITEMS 60
#define SUBTITLES 20000

static const char *const settings[] = {
    "model.k=16",
    "model.negatives=16",
    "model.window=256",
    "model.max_features=120",
    "model.max_users=24",
    "model.adversarial.weight=0.3",
    "catalog.max_items=55",
    "catalog.features.video=4",
    "catalog.features.text=3",
    "reward.baseline=mean",
    "reward.correction.propensity=inverse",
    "reward.correction.top_k=20",
    "conversion.outcomes.course.value=1000000000",
    "conversion.outcomes.course.per_price=on",
    "policy.explore.slots=2",
    "policy.explore.per=5",
    "policy.conversion=1",
    "policy.mmr=0.5",
    "policy.category.most=2",
    "policy.category.within=5",
    "policy.courses.least=2",
    "policy.fresh.most=3",
};

static struct engine *opened(struct config *cfg)
{
    struct engine *e;
    struct zl_error err;
    assert_int_equal(config_parse("test", "", 0, (const char **)settings,
                                  sizeof settings / sizeof settings[0], cfg, stderr),
                     ZL_OK);
    assert_int_equal(
        engine_open(cfg, &(struct engine_options){.feed = true, .checkpoint_path = ""}, &e, &err),
        ZL_OK);
    return e;
}

/* ---- what is sent ---- */

struct message {
    char key[16], value[SUBTITLES + 2000];
    size_t len; /* 0: a null value */
    enum zl_topic topic;
};

__attribute__((format(printf, 2, 3))) static void put(struct message *m, const char *form, ...)
{
    va_list args;
    va_start(args, form);
    m->len += (size_t)vsnprintf(m->value + m->len, sizeof m->value - m->len, form, args);
    va_end(args);
    assert_true(m->len < sizeof m->value);
}

#define PICK(r, a) ((a)[rng_below(r, sizeof(a) / sizeof(a)[0])])

static const char *const courses[] = {"c1", "c2", "sub:1", "q:7", "ad:3", "none"};

static void make_item(struct message *m, struct rng *r)
{
    static const char *const titles[] = {"\xf0\x9f\x98\x80 (1995)",
                                         "\xf0\xa0\x80\x80\xf0\xa0\x80\x81", "a\\u0000b",
                                         "\xe7\x89\xa9\xe7\x90\x86 lesson", ""};
    static const char *const prices[] = {"0", "1", "19900", "9223372036854775807"};
    static const char *const videos[] = {"[1,2,3,4]",   "[1e-44,0,0,1e-42]", "[3e38,3e38,0,0]",
                                         "[0,0,0,0]",   "[1e-30,0,1,-1]",    "[1,2]",
                                         "[1,2,3,1e39]"};
    static const char *const status[] = {"approved", "approved", "approved", "blocked", "pending"};
    m->topic = ZL_TOPIC_ITEMS;
    snprintf(m->key, sizeof m->key, "v%u", rng_below(r, N_ITEMS));
    if (rng_below(r, 8) == 0)
        return; /* removed; it may come back */
    put(m,
        "{\"item_id\":\"%s\",\"title\":\"%s "
        "%u\",\"category\":\"k%u\",\"price\":%s,\"status\":\"%s\"",
        m->key, PICK(r, titles), rng_below(r, 40), rng_below(r, 3), PICK(r, prices),
        PICK(r, status));
    put(m, ",\"tags\":[\"t%u\",\"\xf0\x9f\x98\x80\"],\"published_at\":%u", rng_below(r, 9),
        rng_below(r, 2000000000));
    if (rng_below(r, 2))
        put(m, ",\"course_id\":\"%s\"", PICK(r, courses));
    if (rng_below(r, 2))
        put(m, ",\"features\":{\"video\":%s,\"text\":[0,1e-3,2]}", PICK(r, videos));
    if (rng_below(r, 40) == 0) {
        put(m, ",\"subtitles\":\"");
        for (int i = 0; i < SUBTITLES / 8; i++)
            put(m, "w%u ", i);
        put(m, "\"");
    }
    put(m, "}");
}

static void make_control(struct message *m, struct rng *r)
{
    static const char *const types[] = {"forget", "opt_out", "opt_in"};
    m->topic = ZL_TOPIC_CONTROLS;
    snprintf(m->key, sizeof m->key, "u%u", rng_below(r, N_USERS));
    put(m, "{\"type\":\"%s\",\"user_id\":\"%s\",\"ts\":1700000000000}", PICK(r, types), m->key);
}

static void make_event(struct message *m, struct rng *r, int at)
{
    static const char *const chances[] = {"1",     "0.5", "1e-300", "5e-324",
                                          "1e-40", "0",   "-1",     "1.5"};
    static const char *const places[] = {"1", "20", "10000", "0", "-1", "1000000000"};
    static const char *const amounts[] = {"0", "1", "9223372036854775807"};
    static const int late[] = {0, 0, 0, 30000, -90000000};
    enum zl_event_type type = (enum zl_event_type)rng_below(r, ZL_N_EVENT_TYPES);
    if (rng_below(r, 2))
        type = rng_below(r, 2) ? ZL_WATCH : ZL_IMPRESSION;
    m->topic = ZL_TOPIC_EVENTS;
    snprintf(m->key, sizeof m->key, "u%u", rng_below(r, N_USERS));
    put(m, "{\"event_id\":\"e%d\",\"type\":\"%s\",\"user_id\":\"%s\",\"ts\":%lld", at,
        zl_event_type_name(type), m->key, 1700000000000LL + at * 60000LL + PICK(r, late));
    if (rng_below(r, 8) || type == ZL_WATCH || type == ZL_IMPRESSION)
        put(m, ",\"item_id\":\"v%u\"", rng_below(r, rng_below(r, N_ITEMS) + 1));
    if (rng_below(r, 2))
        put(m, ",\"course_id\":\"%s\"", PICK(r, courses));
    if (type == ZL_WATCH)
        put(m, ",\"watch_ms\":%d,\"duration_ms\":%d", 1 << rng_below(r, 27), 1 << rng_below(r, 27));
    if (type == ZL_PURCHASE || type == ZL_REFUND)
        put(m, ",\"amount\":%s", PICK(r, amounts));
    if (rng_below(r, 3) == 0)
        put(m, ",\"propensity\":%s,\"position\":%s,\"request_id\":\"%040d\"", PICK(r, chances),
            rng_below(r, 4) ? "20" : PICK(r, places), at);
    if (rng_below(r, 10) == 0)
        put(m, ",\"session_id\":\"s%u\"", rng_below(r, 3));
    put(m, "}");
}

static void make_message(struct message *m, int at)
{
    struct rng r = rng_at(5, 0, (uint64_t)at, 0);
    uint32_t kind = rng_below(&r, 100);
    m->len = 0;
    if (at < 80 || kind < 8)
        make_item(m, &r);
    else if (kind < 9)
        make_control(m, &r);
    else
        make_event(m, &r, at);
}

static void feed(struct engine *e, int from, int to)
{
    static struct message m;
    struct zl_error err;
    for (int at = from; at < to; at++) {
        make_message(&m, at);
        struct source_message raw = {.topic = m.topic,
                                     .offset = at,
                                     .log_ms = 1700000000000LL + at * 60000LL,
                                     .has_key = true,
                                     .has_value = m.len > 0,
                                     .key = zl_span_of(m.key),
                                     .value = {m.value, m.len}};
        assert_int_equal(engine_feed(e, &raw, &err), ZL_OK);
    }
}

/* ---- what must hold ---- */

static void copy_rows(struct engine *from, struct engine *to)
{
    assert_int_equal(from->n_tables, to->n_tables);
    for (int i = 0; i < from->n_tables; i++)
        copy_table(&from->tables[i], &to->tables[i]);
    to->positions = from->positions;
    batch_describe_again(to);
    model_loaded(to->model);
}

/* Every list is of numbers and of different items; the lists' bytes, hashed, for a comparison. */
static void check_lists(struct engine *a, struct engine *b)
{
    for (int u = 0; u < N_USERS; u++) {
        char id[16];
        struct zl_version va, vb;
        struct zl_slate la, lb;
        snprintf(id, sizeof id, "u%d", u);
        bool there = engine_list(a, zl_span_of(id), &va, &la);
        assert_int_equal(engine_list(b, zl_span_of(id), &vb, &lb), there);
        if (!there)
            continue;
        assert_int_equal(la.n, lb.n);
        assert_memory_equal(la.items, lb.items, (size_t)la.n * sizeof *la.items);
        assert_memory_equal(la.scores, lb.scores, (size_t)la.n * sizeof *la.scores);
        for (int i = 0; i < la.n; i++) {
            assert_true(isfinite(la.scores[i]));
            assert_true(!la.propensities || (la.propensities[i] >= 0 && la.propensities[i] <= 1));
            for (int j = 0; j < i; j++)
                assert_int_not_equal(la.items[i], la.items[j]);
        }
    }
}

static void a_hostile_stream_goes_on_from_copied_rows_to_the_same_bytes(void **state)
{
    (void)state;
    static struct config ca, cb;
    for (int cut = 500; cut < N_MESSAGES; cut += 1300) {
        struct engine *a = opened(&ca), *b = opened(&cb);
        feed(a, 0, cut);
        copy_rows(a, b);
        assert_int_equal(engine_digest(a), engine_digest(b));
        check_lists(a, b);
        feed(a, cut, N_MESSAGES);
        feed(b, cut, N_MESSAGES);
        assert_int_equal(engine_digest(a), engine_digest(b));
        check_lists(a, b);
        assert_int_equal(engine_messages(a), N_MESSAGES);
        engine_close(a);
        engine_close(b);
        config_release(&ca);
        config_release(&cb);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hostile_stream_goes_on_from_copied_rows_to_the_same_bytes),
    };
    log_setup(LOG_ERROR, LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
