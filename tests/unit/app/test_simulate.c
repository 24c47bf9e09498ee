/* The simulated platform: the same bytes from the same seed, events as the design wants them, and a truth that shows. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/simulate.h"
#include "base/check.h"
#include "base/hash.h"

#define START_MS 1767225600000LL

static struct simulate_config small(uint64_t seed)
{
    return (struct simulate_config){.seed = seed,
                                    .users = 500,
                                    .items = 300,
                                    .topics = 12,
                                    .courses = 30,
                                    .start_ms = START_MS,
                                    .events_per_s = 20,
                                    .new_items = 0.002,
                                    .reasons = SIMULATE_REASONS_ALL};
}

static struct simulate *opened(const struct simulate_config *c)
{
    struct simulate *s;
    struct zl_error err;
    assert_int_equal(simulate_open(c, &s, &err), ZL_OK);
    return s;
}

/* The text of "name":"..." or "name":number in a value; copied. */
static bool field(struct zl_span value, const char *name, char out[128])
{
    char wanted[64];
    int n = snprintf(wanted, sizeof wanted, "\"%s\":", name);
    const char *at = memmem(value.ptr, value.len, wanted, (size_t)n);
    if (!at)
        return false;
    at += n;
    at += *at == '"';
    size_t len = strcspn(at, "\",}");
    snprintf(out, 128, "%.*s", (int)len, at);
    return true;
}

static int64_t number(struct zl_span value, const char *name)
{
    char text[128];
    return field(value, name, text) ? strtoll(text, NULL, 10) : -1;
}

static uint64_t digest_of(const struct simulate_config *c, int n)
{
    struct simulate *s = opened(c);
    struct simulate_record r;
    uint64_t h = 0;
    for (int i = 0; i < n; i++) {
        simulate_next(s, -1, &r);
        h = hash_bytes(r.value.ptr, r.value.len,
                       h ^ hash_bytes(r.key.ptr, r.key.len, (uint64_t)r.ts_ms));
    }
    simulate_close(s);
    return h;
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    (void)state;
    struct simulate_config c = small(7);
    c.bad = 0.02;
    c.repeats = 0.02;
    assert_true(digest_of(&c, 20000) == digest_of(&c, 20000));
}

static void another_seed_gives_other_bytes(void **state)
{
    (void)state;
    struct simulate_config a = small(7), b = small(8);
    assert_true(digest_of(&a, 2000) != digest_of(&b, 2000));
}

static void standing_items_come_first_and_new_ones_before_their_events(void **state)
{
    (void)state;
    struct simulate_config c = small(1);
    struct simulate *s = opened(&c);
    struct simulate_record r;
    char item[128];
    long given = 0;
    for (int i = 0; i < 30000; i++) {
        simulate_next(s, -1, &r);
        assert_int_equal(r.topic, i < 300 ? ZL_TOPIC_ITEMS : r.topic);
        given += r.topic == ZL_TOPIC_ITEMS;
        assert_true(field(r.value, "item_id", item) ? strtol(item + 1, NULL, 10) <= given
                                                    : r.topic == ZL_TOPIC_EVENTS);
    }
    assert_in_range(given, 300 + 40, 300 + 70); /* 2 new ones in 1,000 events */
    assert_int_equal(given, simulate_items(s));
    simulate_close(s);
}

static bool needs_item(const char *type)
{
    static const char *const without[] = {"follow", "course_click", "enroll", "purchase", "refund"};
    for (size_t i = 0; i < 5; i++)
        if (strcmp(type, without[i]) == 0)
            return false;
    return true;
}

static void check_event(const struct simulate_record *r)
{
    char text[128];
    assert_true(r->value.ptr[0] == '{' && r->value.ptr[r->value.len - 1] == '}');
    assert_true(field(r->value, "user_id", text) && zl_span_is(r->key, text));
    assert_true(field(r->value, "type", text) && zl_event_type_of(zl_span_of(text)) >= 0);
    bool watch = strcmp(text, "watch") == 0,
         money = strcmp(text, "purchase") == 0 || strcmp(text, "refund") == 0;
    assert_true(!needs_item(text) || number(r->value, "item_id") != -1);
    assert_true(!watch ||
                (number(r->value, "watch_ms") >= 200 && number(r->value, "duration_ms") >= 5000));
    assert_true(!watch || number(r->value, "duration_ms") <= 1800000);
    assert_true(!money || number(r->value, "amount") > 0);
    assert_int_equal(number(r->value, "ts"), r->ts_ms);
}

static void events_are_valid_ordered_and_their_ids_are_unique(void **state)
{
    (void)state;
    struct simulate_config c = small(3);
    struct simulate *s = opened(&c);
    struct simulate_record r;
    int64_t ts_ms = 0;
    long id = 0;
    char text[128];
    unsigned types = 0;
    for (int i = 0; i < 200000; i++) {
        simulate_next(s, -1, &r);
        if (r.topic != ZL_TOPIC_EVENTS)
            continue;
        check_event(&r);
        assert_true(r.ts_ms >= ts_ms);
        ts_ms = r.ts_ms;
        assert_true(field(r.value, "event_id", text));
        assert_int_equal(strtol(strchr(text, '-') + 1, NULL, 10), ++id);
        assert_true(field(r.value, "type", text));
        types |= 1u << zl_event_type_of(zl_span_of(text));
    }
    assert_int_equal(types, (1u << ZL_N_EVENT_TYPES) - 1); /* all fourteen happen */
    simulate_close(s);
}

struct sums {
    double n, watch_ms, share;
};

/* Mean watch time by length of the video (short, long) and interest (low, high). */
static void gather(struct sums sums[2][2])
{
    struct simulate_config c = small(5);
    struct simulate *s = opened(&c);
    struct simulate_record r;
    char user[128], item[128];
    for (int i = 0; i < 100000; i++) {
        simulate_next(s, -1, &r);
        int64_t watch_ms = number(r.value, "watch_ms"),
                duration_ms = number(r.value, "duration_ms");
        if (r.topic != ZL_TOPIC_EVENTS || watch_ms < 0)
            continue;
        assert_true(field(r.value, "user_id", user) && field(r.value, "item_id", item));
        double interest = simulate_interest(s, (uint32_t)strtoul(user + 1, NULL, 10) - 1,
                                            (uint32_t)strtoul(item + 1, NULL, 10) - 1);
        struct sums *a = &sums[duration_ms > 60000][interest > 0.4];
        a->n++;
        a->watch_ms += (double)watch_ms;
        a->share += (double)watch_ms / (double)duration_ms;
    }
    simulate_close(s);
}

static void watch_time_grows_with_interest_and_also_with_the_length_of_the_video(void **state)
{
    (void)state;
    struct sums a[2][2] = {0};
    gather(a);
    for (int l = 0; l < 2; l++)
        assert_true(a[l][1].watch_ms / a[l][1].n > 1.5 * a[l][0].watch_ms / a[l][0].n);
    for (int i = 0; i < 2; i++) {
        assert_true(a[1][i].watch_ms / a[1][i].n > 1.5 * a[0][i].watch_ms / a[0][i].n);
        assert_true(a[1][i].share / a[1][i].n < 0.8 * a[0][i].share / a[0][i].n);
    }
    /* the confounding itself: a dull long video is watched about as long as a good short one */
    assert_true(a[1][0].watch_ms / a[1][0].n > 0.7 * a[0][1].watch_ms / a[0][1].n);
}

/* The good events of a world, in one hash. */
static uint64_t digest_of_good(const struct simulate_config *c, int n)
{
    struct simulate *s = opened(c);
    struct simulate_record r;
    uint64_t h = 0;
    while (n > 0) {
        simulate_next(s, -1, &r);
        if (r.topic != ZL_TOPIC_EVENTS || r.planted || r.repeated)
            continue;
        h = hash_bytes(r.value.ptr, r.value.len, h);
        n--;
    }
    simulate_close(s);
    return h;
}

static void planting_bad_events_leaves_the_good_ones_as_they_were(void **state)
{
    (void)state;
    struct simulate_config plain = small(9), spoiled = small(9);
    spoiled.bad = 0.05;
    spoiled.repeats = 0.05;
    assert_true(digest_of_good(&plain, 20000) == digest_of_good(&spoiled, 20000));
}

static void every_reason_is_planted_in_turn_and_as_often_as_asked(void **state)
{
    (void)state;
    struct simulate_config c = small(2);
    c.bad = 0.05;
    struct simulate *s = opened(&c);
    struct simulate_record r;
    int planted[ZL_N_REASONS] = {0}, n_bad = 0;
    for (int i = 0; i < 20000; i++) {
        simulate_next(s, -1, &r);
        planted[r.planted]++;
        n_bad += r.planted != ZL_REASON_NONE;
        assert_int_equal(r.planted == ZL_TOO_LARGE, r.value.len > 1048576);
    }
    assert_in_range(n_bad, 800, 1200);
    for (int reason = 1; reason < ZL_N_REASONS; reason++)
        assert_in_range(planted[reason], n_bad / (ZL_N_REASONS - 1),
                        n_bad / (ZL_N_REASONS - 1) + 1);
    simulate_close(s);
}

static void a_repeat_is_an_earlier_event_byte_for_byte(void **state)
{
    (void)state;
    struct simulate_config c = small(4);
    c.repeats = 0.1;
    struct simulate *s = opened(&c);
    struct simulate_record r;
    uint64_t *seen = xcalloc(20000, sizeof *seen);
    int n = 0, n_repeats = 0;
    for (int i = 0; i < 20000; i++) {
        simulate_next(s, -1, &r);
        uint64_t h = hash_bytes(r.value.ptr, r.value.len, 0);
        bool found = false;
        for (int k = n; r.repeated && k > 0 && !found; k--)
            found = seen[k - 1] == h;
        assert_int_equal(r.repeated, found);
        n_repeats += r.repeated;
        seen[n++] = h;
    }
    assert_in_range(n_repeats, 1500, 2100);
    free(seen);
    simulate_close(s);
}

static void the_named_user_acts_about_once_a_second(void **state)
{
    (void)state;
    struct simulate_config c = small(6);
    c.named_user = "xiaoming";
    struct simulate *s = opened(&c);
    struct simulate_record r;
    int n = 0;
    for (int i = 0; i < 40000; i++) {
        simulate_next(s, -1, &r);
        n += zl_span_is(r.key, "xiaoming");
    }
    double seconds = (double)(r.ts_ms - START_MS) / 1000;
    assert_true(n > 0.9 * seconds && n < 1.1 * seconds);
    simulate_close(s);
}

static void a_day_holds_as_many_events_as_asked_and_its_nights_are_quiet(void **state)
{
    (void)state;
    struct simulate_config c = small(11);
    c.events_per_s = 2;
    struct simulate *s = opened(&c);
    struct simulate_record r = {0};
    int hours[24] = {0}, n = 0;
    while (r.ts_ms < START_MS + 86400000LL) {
        simulate_next(s, -1, &r);
        if (r.topic == ZL_TOPIC_EVENTS && r.ts_ms < START_MS + 86400000LL) {
            hours[(r.ts_ms / 3600000 + 8) % 24]++;
            n++;
        }
    }
    assert_in_range(n, 172800 * 98 / 100, 172800 * 102 / 100);
    assert_true(hours[5] * 2 < hours[17]);
    simulate_close(s);
}

/* The two clocks keep pace: within a visit, ts moves by what was watched. */
static void a_watch_takes_the_time_it_says(void **state)
{
    (void)state;
    struct simulate_config c = small(12);
    c.users = 2000;
    struct simulate *s = opened(&c);
    struct simulate_record r;
    int64_t *shown_ms = xcalloc(2001, sizeof *shown_ms);
    double said = 0, took = 0;
    char user[128], type[128];
    for (int i = 0; i < 100000; i++) {
        simulate_next(s, -1, &r);
        if (r.topic != ZL_TOPIC_EVENTS || !field(r.value, "type", type) ||
            !field(r.value, "user_id", user))
            continue;
        unsigned long u = strtoul(user + 1, NULL, 10);
        if (strcmp(type, "watch") == 0 && number(r.value, "watch_ms") <= 600000) {
            said += (double)number(r.value, "watch_ms");
            took += (double)(r.ts_ms - shown_ms[u]);
        }
        shown_ms[u] = r.ts_ms;
    }
    assert_true(took > 0.85 * said && took < 1.15 * said);
    free(shown_ms);
    simulate_close(s);
}

/* Topic t is of surface t modulo 4: feed, search, follow, item. */
static void with_tastes_of_surfaces_people_keep_to_one_and_watch_its_topics(void **state)
{
    (void)state;
    static const char *const topics[] = {"cooking", "python",   "football", "history",
                                         "guitar",  "physics",  "travel",   "fitness",
                                         "finance", "painting", "gaming",   "english"};
    static const char *const surfaces[] = {"feed", "search", "follow", "item"};
    struct simulate_config c = small(3);
    static int topic_of[100000];
    static char home[600];
    int own[2] = {0}, all[2] = {0};
    for (int on = 0; on < 2; on++) {
        c.surface_tastes = on ? 0.8 : 0;
        memset(home, 0, sizeof home);
        struct simulate *s = opened(&c);
        struct simulate_record r;
        for (int i = 0; i < 20000; i++) {
            char text[128], surface[128];
            simulate_next(s, -1, &r);
            long item = field(r.value, "item_id", text) ? strtol(text + 1, NULL, 10) : 0;
            if (r.topic == ZL_TOPIC_ITEMS && field(r.value, "category", text))
                for (int t = 0; t < 12; t++)
                    topic_of[item] = strcmp(text, topics[t]) == 0 ? t : topic_of[item];
            if (r.topic == ZL_TOPIC_ITEMS || !field(r.value, "type", text) ||
                strcmp(text, "like") != 0)
                continue;
            assert_true(field(r.value, "surface", surface) && field(r.value, "user_id", text));
            char *of_user = &home[strtol(text + 1, NULL, 10)];
            assert_true(!on || *of_user == 0 || *of_user == surface[1]);
            *of_user = surface[1]; /* all four differ in this letter */
            all[on]++;
            own[on] += strcmp(surface, surfaces[topic_of[item] % 4]) == 0;
        }
        simulate_close(s);
    }
    print_message("likes of the surface's own topics: %d of %d without, %d of %d with\n", own[0],
                  all[0], own[1], all[1]);
    assert_true(own[1] * 10 > all[1] * 6);
    assert_true(own[0] * 10 < all[0] * 4);
}

static void a_wrong_config_is_refused_in_words(void **state)
{
    (void)state;
    struct simulate_config wrong[5] = {small(1), small(1), small(1), small(1), small(1)};
    wrong[0].users = 0;
    wrong[1].topics = 0;
    wrong[2].events_per_s = 0;
    wrong[3].named_user = "a\"b";
    wrong[4].bad = 0.1;
    wrong[4].reasons = 0;
    for (int i = 0; i < 5; i++) {
        struct simulate *s = (struct simulate *)1;
        struct zl_error err = {""};
        assert_int_equal(simulate_open(&wrong[i], &s, &err), ZL_EUSAGE);
        assert_null(s);
        assert_true(err.text[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(with_tastes_of_surfaces_people_keep_to_one_and_watch_its_topics),
        cmocka_unit_test(another_seed_gives_other_bytes),
        cmocka_unit_test(standing_items_come_first_and_new_ones_before_their_events),
        cmocka_unit_test(events_are_valid_ordered_and_their_ids_are_unique),
        cmocka_unit_test(watch_time_grows_with_interest_and_also_with_the_length_of_the_video),
        cmocka_unit_test(planting_bad_events_leaves_the_good_ones_as_they_were),
        cmocka_unit_test(every_reason_is_planted_in_turn_and_as_often_as_asked),
        cmocka_unit_test(a_repeat_is_an_earlier_event_byte_for_byte),
        cmocka_unit_test(the_named_user_acts_about_once_a_second),
        cmocka_unit_test(a_day_holds_as_many_events_as_asked_and_its_nights_are_quiet),
        cmocka_unit_test(a_watch_takes_the_time_it_says),
        cmocka_unit_test(a_wrong_config_is_refused_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
