/* Stands for src/app/simulate_features.c: what --features may say, and what the vectors then tell of items. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/simulate.h"

#define ITEMS 400
#define DIM 16

static struct simulate *opened(const char *features, bool bare)
{
    struct simulate_config c = {.seed = 5,
                                .users = 100,
                                .items = ITEMS,
                                .topics = 8,
                                .courses = 4,
                                .start_ms = 1767225600000LL,
                                .events_per_s = 20,
                                .bare = bare};
    struct simulate *s;
    struct zl_error err;
    assert_int_equal(simulate_features_of(features, c.modalities, &err), ZL_OK);
    assert_int_equal(simulate_open(&c, &s, &err), ZL_OK);
    return s;
}

static void next_line(struct simulate *s, char out[4096])
{
    struct simulate_record r;
    simulate_next(s, -1, &r);
    memcpy(out, r.value.ptr, r.value.len);
    out[r.value.len] = '\0';
}

/* false: the item has none */
static bool vector_of(const char *line, const char *name, float x[DIM])
{
    char wanted[32];
    double length = 0;
    snprintf(wanted, sizeof wanted, "\"%s\":[", name);
    const char *at = strstr(line, wanted);
    if (!at)
        return false;
    at += strlen(wanted);
    for (int i = 0; i < DIM; i++) {
        char *end;
        x[i] = strtof(at, &end);
        length += (double)x[i] * (double)x[i];
        at = end + 1;
    }
    assert_true(at[-1] == ']'); /* as many as were asked for */
    for (int i = 0; i < DIM; i++)
        x[i] /= (float)sqrt(length);
    return true;
}

/* Mean cosine of items of one category, less that of items of two. */
static double told_by(const char *features, const char *name)
{
    static float x[ITEMS][DIM];
    static char category[ITEMS][16];
    struct simulate *s = opened(features, false);
    char line[4096];
    double sum[2] = {0}, n[2] = {0};
    for (int i = 0; i < ITEMS; i++) {
        next_line(s, line);
        assert_true(vector_of(line, name, x[i]));
        sscanf(strstr(line, "\"category\":\""), "\"category\":\"%15[^\"]", category[i]);
    }
    for (int i = 0; i < ITEMS; i++)
        for (int j = 0; j < i; j++) {
            double dot = 0;
            for (int f = 0; f < DIM; f++)
                dot += (double)x[i][f] * (double)x[j][f];
            int same = strcmp(category[i], category[j]) == 0;
            sum[same] += dot;
            n[same]++;
        }
    simulate_close(s);
    return sum[1] / n[1] - sum[0] / n[0];
}

static void a_vector_tells_of_its_topic_as_far_as_its_noise_lets_it(void **state)
{
    (void)state;
    double clear = told_by("video=16:0.1", "video"), dim = told_by("video=16:1", "video"),
           random = told_by("video=16:inf", "video");
    assert_true(clear > dim + 0.1 && dim > 0.1);
    assert_true(fabs(random) < 0.02); /* 16,000 pairs of a topic, each +- 1/4 */
}

static void sound_tells_less_of_topics_than_pictures(void **state)
{
    (void)state;
    assert_true(told_by("audio=16:0.5", "audio") < told_by("video=16:0.5", "video") - 0.1);
}

static void so_many_items_have_one_as_the_share_says(void **state)
{
    (void)state;
    struct simulate *s = opened("video=16,text=16:1:0.5", false);
    char line[4096];
    float x[DIM];
    int videos = 0, texts = 0;
    for (int i = 0; i < ITEMS; i++) {
        next_line(s, line);
        videos += vector_of(line, "video", x);
        texts += vector_of(line, "text", x);
        assert_null(strstr(line, "audio"));
    }
    assert_int_equal(videos, ITEMS);
    assert_true(abs(texts - ITEMS / 2) < 40); /* 4 standard deviations */
    simulate_close(s);
}

static void vectors_change_nothing_else(void **state)
{
    (void)state;
    struct simulate *a = opened("video=16", false), *b = opened("", false);
    char with[4096], without[4096];
    for (int i = 0; i < ITEMS + 1000; i++) {
        next_line(a, with);
        next_line(b, without);
        if (i < ITEMS) {
            char *from = strstr(with, ",\"features\""), *to = strstr(with, "]}");
            memmove(from, to + 2, strlen(to + 2) + 1);
        }
        assert_string_equal(with, without);
    }
    simulate_close(a);
    simulate_close(b);
}

static void a_bare_platform_says_nothing_in_words(void **state)
{
    (void)state;
    static const char *const words[] = {"title", "tags", "category", "uploader"};
    struct simulate *s = opened("video=16", true);
    char line[4096];
    float x[DIM];
    for (int i = 0; i < ITEMS + 1000; i++) {
        next_line(s, line);
        for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
            assert_null(strstr(line, words[w]));
        assert_true(i >= ITEMS || vector_of(line, "video", x));
    }
    simulate_close(s);
}

static void what_is_no_list_of_modalities_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"video",     "smell=4",  "video=0",        "video=65",
                                      "video=4.5", "video=4:", "video=4:-1",     "video=4:1:2",
                                      "video=4,",  "video=4x", "video=4,video=4"};
    struct simulate_modality m[ZL_N_MODALITIES];
    struct zl_error err;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(simulate_features_of(bad[i], m, &err), ZL_EUSAGE);
    assert_int_equal(simulate_features_of("text=64:0:1,audio=1:inf", m, &err), ZL_OK);
    assert_true(m[ZL_TEXT].n == 64 && m[ZL_TEXT].share == 1 && m[ZL_VIDEO].n == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vector_tells_of_its_topic_as_far_as_its_noise_lets_it),
        cmocka_unit_test(sound_tells_less_of_topics_than_pictures),
        cmocka_unit_test(so_many_items_have_one_as_the_share_says),
        cmocka_unit_test(vectors_change_nothing_else),
        cmocka_unit_test(a_bare_platform_says_nothing_in_words),
        cmocka_unit_test(what_is_no_list_of_modalities_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
