/* Stands for src/model/convert.c in the whole: on the simulated platform, where nobody tells the model the truth, are its chances of
 * conversion true? Every watch of an item with a course is predicted before it is learned and held against what followed, by a
 * ledger of this file's own. CONVERSION_EVENTS=n runs more events than the default. */
#include <math.h>
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
#include "base/ids.h"
#include "decode/decode.h"
#include "model/model.h"
#include "reward/reward.h"
#include "support/small_model.h"

#define USERS 20000U
#define ITEMS 3000U
#define COURSES 600U
#define DECILES 10
#define SKIP 0.1 /* of the exposures, from the first: nothing is known yet */

struct exposure {
    float p;
    bool converted;
    uint32_t course;
    size_t before; /* the user's exposure before this one, 1 + index; 0: none */
};

struct world {
    struct simulate *s;
    struct decode *d;
    struct reward *r;
    struct model *m;
    struct ids *users, *items, *courses;
    uint32_t *course_of; /* an item */
    struct exposure *exposures;
    size_t n, capacity;
    size_t *last; /* a user's newest exposure, likewise */
    bool *may;    /* and whether its course is what was watched last */
};

static struct model_config model_of(void)
{
    struct model_config c = small_model_config(USERS + 1, 1u << 20, 32, 1);
    c.history = 30;
    c.window = 16384;
    c.convert = (struct convert_config){.max_courses = 10000, .window_ms = 7LL * 86400000};
    c.convert.outcomes[CONVERT_COURSE].value = 1;
    return c;
}

static void open_world(struct world *w, uint64_t seed)
{
    struct zl_error err;
    struct simulate_config sc = {.seed = seed,
                                 .users = USERS,
                                 .items = ITEMS,
                                 .topics = 24,
                                 .courses = COURSES,
                                 .max_items = 1u << 20,
                                 .start_ms = 1767225600000,
                                 .events_per_s = 20,
                                 .new_items = 0.001};
    struct reward_config rc = {
        .r_max = 5, .watch = REWARD_WATCH_RANK, .min_watch_ms = 3000, .half_life = 10000};
    struct model_config mc = model_of();
    *w = (struct world){0};
    reward_default_weights(rc.weights);
    assert_int_equal(simulate_open(&sc, &w->s, &err), ZL_OK);
    assert_int_equal(decode_open(&(struct decode_config){.max_bytes = 1 << 20}, &w->d, &err),
                     ZL_OK);
    assert_int_equal(reward_open(&rc, &w->r, &err), ZL_OK);
    assert_int_equal(model_open(&mc, &w->m, &err), ZL_OK);
    assert_int_equal(ids_open(ROWS_USER_IDS, "users", USERS + 1, &w->users, &err), ZL_OK);
    assert_int_equal(ids_open(ROWS_ITEM_IDS, "items", 1u << 20, &w->items, &err), ZL_OK);
    assert_int_equal(ids_open(ROWS_COURSE_IDS, "courses", 10000, &w->courses, &err), ZL_OK);
    w->course_of = xcalloc(1u << 20, sizeof *w->course_of);
    w->last = xcalloc(USERS + 1, sizeof *w->last);
    w->may = xcalloc(USERS + 1, sizeof *w->may);
}

static void close_world(struct world *w)
{
    free(w->exposures);
    free(w->may);
    free(w->last);
    free(w->course_of);
    ids_close(w->courses);
    ids_close(w->items);
    ids_close(w->users);
    model_close(w->m);
    reward_close(w->r);
    decode_close(w->d);
    simulate_close(w->s);
}

static void take_item(struct world *w, const struct zl_item *it)
{
    uint32_t item = ids_intern(w->items, it->item_id), course = ZL_NO_INDEX;
    if (it->course_id.len) {
        course = ids_intern(w->courses, it->course_id);
        model_know_course(w->m, course, convert_kind_of(it->course_id), it->price);
    }
    w->course_of[item] = course;
    model_know_item(w->m, item);
}

static void predict(struct world *w, const struct zl_event *ev)
{
    float p;
    model_convert(w->m, ev->user, &ev->item, &ev->course, 1, &p);
    w->may[ev->user] = p > 0; /* else it is bought already */
    if (!w->may[ev->user])
        return;
    if (w->n == w->capacity) {
        w->capacity = w->capacity ? w->capacity * 2 : 4096;
        w->exposures = xrealloc(w->exposures, w->capacity, sizeof *w->exposures);
    }
    w->exposures[w->n++] =
        (struct exposure){.p = p, .course = ev->course, .before = w->last[ev->user]};
    w->last[ev->user] = w->n;
}

/* Here a conversion follows its watch before the next one, so it is always the newest exposure's. */
static void note_conversion(struct world *w, const struct zl_event *ev)
{
    if (!w->may[ev->user])
        return;
    struct exposure *x = &w->exposures[w->last[ev->user] - 1];
    assert_int_equal(x->course, ev->course);
    x->converted = true;
}

static void note_refund(struct world *w, const struct zl_event *ev)
{
    for (size_t i = w->last[ev->user]; i; i = w->exposures[i - 1].before)
        if (w->exposures[i - 1].course == ev->course && w->exposures[i - 1].converted) {
            w->exposures[i - 1].converted = false;
            return;
        }
}

static uint32_t course_of(const struct world *w, const struct zl_event *ev)
{
    if (ev->course_id.len)
        return ids_intern(w->courses, ev->course_id);
    return ev->item == ZL_NO_INDEX ? ZL_NO_INDEX : w->course_of[ev->item];
}

static void take_event(struct world *w, struct zl_event *ev)
{
    ev->outcome = ZL_COUNTED;
    ev->weight = 1;
    ev->at_ms = ev->ts_ms;
    ev->user = ids_intern(w->users, ev->user_id);
    ev->item = ev->item_id.len ? ids_intern(w->items, ev->item_id) : ZL_NO_INDEX;
    ev->course = course_of(w, ev);
    reward_batch(w->r, ev, 1);
    if (ev->type == ZL_WATCH && ev->course != ZL_NO_INDEX)
        predict(w, ev);
    else if (ev->type == ZL_ENROLL || ev->type == ZL_PURCHASE)
        note_conversion(w, ev);
    else if (ev->type == ZL_REFUND)
        note_refund(w, ev);
    model_batch(w->m, ev, 1, NULL, NULL);
}

static void run(struct world *w, uint64_t n_events)
{
    for (uint64_t i = 0; i < n_events; i++) {
        struct simulate_record r;
        int n_items, n;
        simulate_next(w->s, -1, &r);
        decode_begin(w->d);
        decode_message(w->d,
                       &(struct decode_message){.topic = r.topic,
                                                .offset = (int64_t)i,
                                                .log_ms = -1,
                                                .has_value = true,
                                                .value = r.value},
                       0);
        struct zl_item *items = decode_items(w->d, &n_items);
        struct zl_event *events = decode_events(w->d, &n);
        assert_int_equal(n_items + n, 1);
        if (n_items)
            take_item(w, items);
        else
            take_event(w, events);
    }
}

static int by_p(const void *a, const void *b)
{
    float x = ((const struct exposure *)a)->p, y = ((const struct exposure *)b)->p;
    return x < y ? -1 : x > y;
}

struct decile {
    double n, predicted, converted;
};

/* Prints the table; the largest |observed / predicted - 1| beyond what one deviation of counting conversions comes to. */
static double reliability(struct world *w, struct decile table[DECILES])
{
    double worst = 0;
    size_t first = (size_t)(SKIP * (double)w->n), n = w->n - first;
    qsort(w->exposures + first, n, sizeof *w->exposures, by_p);
    print_message("  decile  exposures  predicted  observed  converted  observed/predicted\n");
    for (size_t t = 0; t < DECILES; t++) {
        struct decile d = {0};
        for (size_t i = first + n * t / DECILES; i < first + n * (t + 1) / DECILES; i++) {
            d.n++;
            d.predicted += (double)w->exposures[i].p;
            d.converted += w->exposures[i].converted;
        }
        double ratio = d.converted / d.predicted, noise = 1 / sqrt(d.converted);
        print_message("  %6zu  %9.0f    %.5f   %.5f  %9.0f        %.3f (+-%.3f by chance)\n", t + 1,
                      d.n, d.predicted / d.n, d.converted / d.n, d.converted, ratio, noise);
        double off = fabs(ratio - 1) - noise;
        worst = off > worst ? off : worst;
        table[t] = d;
    }
    return worst;
}

static uint64_t events_to_run(void)
{
    const char *n = getenv("CONVERSION_EVENTS");
    return n ? strtoull(n, NULL, 10) : 1000000;
}

static void print_weights(const struct model *m)
{
    struct model_convert_info info;
    model_convert_info(m, &info);
    for (int f = 0; f < CONVERT_N_FEATURES; f++)
        print_message("  %s %.3f", convert_feature_name((enum convert_feature)f), info.weights[f]);
    print_message("\n");
}

static void predicted_chances_are_true_within_a_fifth_in_each_decile(void **state)
{
    (void)state;
    struct world w;
    struct decile table[DECILES];
    open_world(&w, 5);
    run(&w, events_to_run());
    double worst = reliability(&w, table);
    print_weights(w.m);
    assert_true(worst <= 0.2);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predicted_chances_are_true_within_a_fifth_in_each_decile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
