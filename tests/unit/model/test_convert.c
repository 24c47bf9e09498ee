/* Stands for src/model/convert.c and convert_user.c: what a watch, a conversion and a refund do to the head and to the rows. Whether the
 * chances are true is tests/unit/app/test_conversion.c's. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "model/model_priv.h"
#include "support/copied_rows.h"
#include "support/small_model.h"

#define DAY 86400000LL
#define COURSES 20U
#define AD 19U /* a course of kind ad */
#define F CONVERT_N_FEATURES

static struct model *open_model(void)
{
    struct model_config cfg = small_model_config(100, 500, 16, 3);
    small_model_forgets(&cfg, 1000, 100, 10);
    cfg.history = 10;
    cfg.negatives = 8;
    cfg.window = 512;
    cfg.convert = (struct convert_config){.max_courses = COURSES, .window_ms = 7 * DAY};
    cfg.convert.outcomes[CONVERT_COURSE].value = 2;
    cfg.convert.outcomes[CONVERT_COURSE].per_price = true;
    cfg.convert.outcomes[CONVERT_AD].value = 0.5;
    cfg.convert.outcomes[CONVERT_AD].again = true;
    struct model *m;
    struct zl_error err;
    assert_int_equal(model_open(&cfg, &m, &err), ZL_OK);
    model_know_course(m, AD, CONVERT_AD, 0);
    return m;
}

static int64_t next_offset;

static void give(struct model *m, enum zl_event_type type, uint32_t user, uint32_t item,
                 uint32_t course, int64_t at_ms)
{
    struct zl_event ev = {.from = {.offset = next_offset++},
                          .type = type,
                          .user = user,
                          .item = item,
                          .course = course,
                          .amount = -1,
                          .outcome = ZL_COUNTED,
                          .weight = 1,
                          .at_ms = at_ms,
                          .reward_micro = type == ZL_WATCH ? 500000 : 0};
    model_batch(m, &ev, 1, NULL, NULL);
}

static void pay(struct model *m, enum zl_event_type type, uint32_t user, uint32_t course,
                int64_t amount)
{
    struct zl_event ev = {.from = {.offset = next_offset++},
                          .type = type,
                          .user = user,
                          .item = ZL_NO_INDEX,
                          .course = course,
                          .amount = amount,
                          .outcome = ZL_COUNTED,
                          .weight = 1,
                          .at_ms = 301 * DAY};
    model_batch(m, &ev, 1, NULL, NULL);
}

static void watch(struct model *m, uint32_t user, uint32_t item, uint32_t course, int64_t at_ms)
{
    give(m, ZL_WATCH, user, item, course, at_ms);
}

/* Users 10.. watch and convert, so that the head has something to say: item j leads to course j mod COURSES. */
static void random_stream(struct model *m, uint64_t seed, int n)
{
    static const enum zl_event_type types[] = {ZL_WATCH,        ZL_WATCH,  ZL_WATCH,    ZL_WATCH,
                                               ZL_COURSE_CLICK, ZL_ENROLL, ZL_PURCHASE, ZL_REFUND};
    struct rng r = {seed};
    for (int i = 0; i < n; i++) {
        uint32_t item = rng_below(&r, 100);
        enum zl_event_type type = types[rng_below(&r, 8)];
        bool named = type == ZL_WATCH || rng_below(&r, 2);
        give(m, type, 10 + rng_below(&r, 30), named ? item : ZL_NO_INDEX, item % COURSES,
             DAY + i * 50000LL);
        if ((type == ZL_PURCHASE || type == ZL_REFUND) && rng_below(&r, 8) == 0)
            pay(m, type, 10 + rng_below(&r, 30), item % COURSES, 1000 + rng_below(&r, 9000));
    }
}

static struct model_convert_info info_of(const struct model *m)
{
    struct model_convert_info info;
    model_convert_info(m, &info);
    return info;
}

static double chance(const struct model *m, uint32_t user, uint32_t item, uint32_t course)
{
    float p;
    model_convert(m, user, &item, &course, 1, &p);
    return (double)p;
}

static int pending_of(const struct model *m, uint32_t user)
{
    int n;
    model_user_conversions(m, user, &n);
    return n;
}

/* (A + rho I) (w - before): the gradient that a half-step was made of, with the other sign. */
static void gradient_of_step(const struct model *m, const double before[F], double out[F])
{
    const struct convert_head *h = &m->convert->head;
    for (int i = 0; i < F; i++) {
        out[i] = 10 * (before[i] - h->w[i]);
        for (int j = 0; j < F; j++)
            out[i] += h->a[i > j ? i : j][i > j ? j : i] * (before[j] - h->w[j]);
    }
}

/* Loss of label 0, -log(1 - p), and of label 1, -log p, by finite differences of the weights. */
static void gradients_of_loss(struct model *m, uint32_t item, uint32_t course, double of0[F],
                              double of1[F])
{
    double h = 0.01;
    for (int f = 0; f < F; f++) {
        double *w = &m->convert->head.w[f], was = *w;
        *w = was + h;
        double up = chance(m, 1, item, course);
        *w = was - h;
        double down = chance(m, 1, item, course);
        *w = was;
        of0[f] = (log(1 - down) - log(1 - up)) / (2 * h);
        of1[f] = (log(down) - log(up)) / (2 * h);
    }
}

static void two_halves_are_the_gradients_of_the_loss(void **state)
{
    (void)state;
    struct model *m = open_model();
    double before[F], of0[F], of1[F], got[F];
    random_stream(m, 5, 3000);
    for (uint32_t i = 0; i < 4; i++) /* user 1 gets a history, clicks, pending exposures */
        watch(m, 1, 40 + i, i & 1, 400 * DAY + i);
    give(m, ZL_COURSE_CLICK, 1, 41, 1, 400 * DAY + 5);
    for (uint32_t item = 41; item < 62; item += 20) { /* met, and not */
        gradients_of_loss(m, item, 1, of0, of1);
        memcpy(before, m->convert->head.w, sizeof before);
        watch(m, 1, item, 1, 400 * DAY + 10);
        gradient_of_step(m, before, got);
        for (int f = 0; f < F; f++)
            assert_true(fabs(got[f] - of0[f]) < 1e-4); /* floats of p, and h^2 */
        memcpy(before, m->convert->head.w, sizeof before);
        give(m, ZL_ENROLL, 1, item, 1, 400 * DAY + 20);
        gradient_of_step(m, before, got);
        for (int f = 0; f < F; f++)
            assert_true(fabs(got[f] - (of1[f] - of0[f])) < 1e-3);
        give(m, ZL_REFUND, 1, item, 1, 400 * DAY + 30);
    }
    model_close(m);
}

static void an_exposure_settles_once(void **state)
{
    (void)state;
    struct model *m = open_model();
    watch(m, 1, 7, 2, DAY);
    assert_int_equal(pending_of(m, 1), 1);
    give(m, ZL_ENROLL, 1, 7, 2, DAY + 1000);
    assert_int_equal(pending_of(m, 1), 0);
    struct model_convert_info once = info_of(m), twice;
    give(m, ZL_PURCHASE, 1, 7, 2, DAY + 2000); /* the same person, the same course */
    twice = info_of(m);
    assert_int_equal(once.conversions, 1);
    assert_memory_equal(&once, &twice, sizeof once);
    model_close(m);
}

static void a_purchase_a_day_later_settles_as_converted(void **state)
{
    (void)state;
    struct model *m = open_model();
    watch(m, 1, 7, 2, DAY);
    for (uint32_t i = 0; i < 30; i++) /* another course is looked at again and again */
        watch(m, 1, 50 + i, 3, DAY + 1000 + i);
    for (uint32_t i = 0; i < 6; i++)
        watch(m, 1, 100 + i, 4 + i, DAY + 2000 + i);
    give(m, ZL_PURCHASE, 1, 7, 2, 2 * DAY + 5);
    assert_int_equal(info_of(m).conversions, 1);
    assert_int_equal(info_of(m).uncredited, 0);
    model_close(m);
}

static void after_the_window_nothing_is_credited(void **state)
{
    (void)state;
    struct model *m = open_model();
    watch(m, 1, 7, 2, DAY);
    watch(m, 2, 7, 2, DAY);
    give(m, ZL_PURCHASE, 1, 7, 2, 8 * DAY); /* half-open: the last moment is outside */
    give(m, ZL_PURCHASE, 2, 7, 2, 8 * DAY - 1);
    assert_int_equal(info_of(m).conversions, 1);
    assert_int_equal(info_of(m).uncredited, 1);
    struct model_course_info c;
    model_course_info(m, 2, &c);
    assert_int_equal(c.conversions_net, 2); /* it is a conversion all the same */
    model_close(m);
}

static void a_refund_takes_the_conversion_back(void **state)
{
    (void)state;
    struct model *m = open_model();
    random_stream(m, 8, 2000);
    watch(m, 1, 7, 2, 300 * DAY);
    struct model_convert_info before = info_of(m), after;
    struct model_course_info course, now;
    model_course_info(m, 2, &course);
    give(m, ZL_PURCHASE, 1, 7, 2, 301 * DAY);
    assert_true(chance(m, 1, 7, 2) == 0);
    assert_true(info_of(m).weights[CONVERT_BIAS] > before.weights[CONVERT_BIAS]);
    assert_true(info_of(m).observed > before.observed);
    give(m, ZL_REFUND, 1, ZL_NO_INDEX, 2, 303 * DAY);
    after = info_of(m);
    for (int f = 0; f < F; f++) /* rounding: the same step there and back */
        assert_true(fabs(after.weights[f] - before.weights[f]) < 1e-12);
    assert_true(fabs(after.observed - before.observed) < 1e-12);
    model_course_info(m, 2, &now);
    assert_int_equal(now.conversions_net, course.conversions_net);
    assert_true(fabs(now.rate - course.rate) < 1e-12);
    int pending;
    assert_int_equal(model_user_conversions(m, 1, &pending), 0);
    assert_true(chance(m, 1, 7, 2) > 0); /* may be sold again */
    struct model_user_info u;
    model_user_info(m, 1, &u);
    assert_int_equal(u.counts[ZL_PURCHASE], 1); /* the ledger stays */
    model_close(m);
}

static void a_part_refund_takes_that_part_of_the_conversion_back(void **state)
{
    (void)state;
    struct model *m = open_model();
    struct model_course_info course, now;
    random_stream(m, 8, 2000);
    model_course_info(m, 2, &course);
    watch(m, 1, 7, 2, 300 * DAY);
    struct model_convert_info before = info_of(m), bought, after;
    pay(m, ZL_ENROLL, 1, 2, -1);
    pay(m, ZL_PURCHASE, 1, 2, 10000); /* the amount of the conversion that the enrolment was */
    bought = info_of(m);
    pay(m, ZL_REFUND, 1, 2, 2500);
    after = info_of(m);
    for (int f = 0; f < F; f++)
        assert_true(fabs((bought.weights[f] - after.weights[f]) -
                         0.25 * (bought.weights[f] - before.weights[f])) < 1e-12);
    assert_true(fabs((bought.observed - after.observed) -
                     0.25 * (bought.observed - before.observed)) < 1e-12);
    model_course_info(m, 2, &now);
    assert_int_equal(now.conversions_net, course.conversions_net + 1); /* it is still bought */
    assert_true(chance(m, 1, 7, 2) == 0);
    pay(m, ZL_REFUND, 1, 2, 2500);
    pay(m, ZL_REFUND, 1, 2, 9000); /* more than is left takes what is left */
    after = info_of(m);
    for (int f = 0; f < F; f++)
        assert_true(fabs(after.weights[f] - before.weights[f]) < 1e-12);
    model_course_info(m, 2, &now);
    assert_int_equal(now.conversions_net, course.conversions_net);
    assert_true(chance(m, 1, 7, 2) > 0);
    assert_int_equal(after.refunds, bought.refunds + 3);
    pay(m, ZL_REFUND, 1, 2, 100);
    assert_int_equal(info_of(m).unknown_refunds, after.unknown_refunds + 1);
    model_close(m);
}

static void a_refund_without_an_amount_takes_all_that_is_left(void **state)
{
    (void)state;
    struct model *m = open_model();
    random_stream(m, 8, 2000);
    for (int told = 0; told < 3; told++) { /* no refund's amount, amount 0, no purchase's */
        uint32_t user = 1 + (uint32_t)told;
        watch(m, user, 7, 2, 300 * DAY);
        struct model_convert_info before = info_of(m), after;
        pay(m, ZL_PURCHASE, user, 2, told == 2 ? -1 : 10000);
        if (told < 2)
            pay(m, ZL_REFUND, user, 2, 4000);
        pay(m, ZL_REFUND, user, 2, told == 0 ? -1 : told == 1 ? 0 : 10);
        after = info_of(m);
        for (int f = 0; f < F; f++)
            assert_true(fabs(after.weights[f] - before.weights[f]) < 1e-12);
        assert_true(chance(m, user, 7, 2) > 0);
    }
    model_close(m);
}

static void one_absurd_amount_lifts_nothing(void **state)
{
    (void)state;
    struct model *m = open_model();
    pay(m, ZL_PURCHASE, 1, 3, 1000000000000);
    assert_true(model_convert_value(m, 3) == 2); /* too few are known to say what is absurd */
    for (uint32_t user = 2; user < 6; user++)
        pay(m, ZL_PURCHASE, user, 2, 5000);
    assert_true(model_convert_value(m, 2) == 100);
    assert_true(model_convert_value(m, 3) == 800); /* 8 medians */
    for (int i = 0; i < 200; i++)
        pay(m, ZL_PURCHASE, 1, 3, 1000000000000); /* the same conversion: no more to say */
    assert_true(model_convert_value(m, 3) == 800);
    pay(m, ZL_PURCHASE, 7, 3, 4000);
    assert_true(model_convert_value(m, 3) == 80); /* the newest amount */
    model_know_course(m, 3, CONVERT_COURSE, 90000000);
    assert_true(model_convert_value(m, 3) == 1800000); /* the catalogue is believed */
    struct model *copy = open_model();
    model_know_course(m, 3, CONVERT_COURSE, 1);
    copy_model_rows(m, copy);
    assert_true(model_convert_value(copy, 2) == 100);
    model_close(copy);
    model_close(m);
}

static void a_refund_of_what_was_never_bought_changes_only_its_count(void **state)
{
    (void)state;
    struct model *m = open_model();
    random_stream(m, 8, 2000);
    watch(m, 1, 7, 2, 300 * DAY);
    struct model_convert_info before = info_of(m), after;
    give(m, ZL_REFUND, 1, 7, 2, 301 * DAY);
    after = info_of(m);
    assert_int_equal(after.unknown_refunds, before.unknown_refunds + 1);
    after.unknown_refunds = before.unknown_refunds;
    assert_memory_equal(&before, &after, sizeof before);
    model_close(m);
}

static void without_an_item_the_newest_exposure_of_the_course_is_credited(void **state)
{
    (void)state;
    struct model *m = open_model();
    watch(m, 1, 7, 2, DAY);
    watch(m, 1, 27, 2, DAY + 1000);
    watch(m, 1, 8, 3, DAY + 2000);
    give(m, ZL_PURCHASE, 1, ZL_NO_INDEX, 2, DAY + 5000);
    const struct convert_user *u = users_row(&m->users, 1)->convert;
    assert_int_equal(u->n_pending, 2);
    assert_int_equal(u->pending[0].item, 7);
    assert_int_equal(u->pending[1].item, 8);
    assert_int_equal(u->bought[0].item, 27);
    model_close(m);
}

static void a_named_item_has_its_own_exposure_credited(void **state)
{
    (void)state;
    struct model *m = open_model();
    watch(m, 1, 7, 2, DAY);
    watch(m, 1, 27, 2, DAY + 1000);
    give(m, ZL_ENROLL, 1, 7, 2, DAY + 5000);
    const struct convert_user *u = users_row(&m->users, 1)->convert;
    assert_int_equal(u->n_pending, 1);
    assert_int_equal(u->pending[0].item, 27);
    watch(m, 2, 27, 2, DAY);
    give(m, ZL_ENROLL, 2, 99, 2, DAY + 5000); /* an item that was not watched: the course's */
    assert_int_equal(pending_of(m, 2), 0);
    model_close(m);
}

static void what_is_bought_is_not_offered_again_but_an_ad_is(void **state)
{
    (void)state;
    struct model *m = open_model();
    uint32_t items[] = {7, 19, 8}, courses[] = {2, AD, ZL_NO_INDEX};
    float p[3];
    for (int times = 0; times < 2; times++) {
        watch(m, 1, 7, 2, DAY + times);
        watch(m, 1, 19, AD, DAY + times);
        give(m, ZL_PURCHASE, 1, ZL_NO_INDEX, 2, DAY + 100);
        give(m, ZL_PURCHASE, 1, ZL_NO_INDEX, AD, DAY + 100);
    }
    model_convert(m, 1, items, courses, 3, p);
    assert_true(p[0] == 0 && p[1] > 0 && p[2] == 0);
    assert_int_equal(info_of(m).exposures, 3); /* the second watch of the course is none */
    assert_int_equal(info_of(m).conversions, 3);
    model_close(m);
}

static void a_forgotten_user_leaves_nothing(void **state)
{
    (void)state;
    struct model *m = open_model();
    random_stream(m, 4, 1000);
    watch(m, 1, 7, 2, 100 * DAY);
    watch(m, 1, 8, 3, 100 * DAY);
    give(m, ZL_PURCHASE, 1, 7, 2, 100 * DAY + 9);
    model_forget(m, 1);
    int pending;
    assert_int_equal(model_user_conversions(m, 1, &pending), 0);
    assert_int_equal(pending, 0);
    assert_true(chance(m, 1, 7, 2) == chance(m, 99, 7, 2)); /* as for one never seen */
    struct model_convert_info before = info_of(m), after;
    give(m, ZL_REFUND, 1, 7, 2, 101 * DAY);
    after = info_of(m);
    assert_int_equal(after.unknown_refunds, before.unknown_refunds + 1);
    assert_memory_equal(after.weights, before.weights, sizeof after.weights);
    model_close(m);
}

static void one_who_opted_out_teaches_nothing(void **state)
{
    (void)state;
    struct model *m = open_model();
    random_stream(m, 4, 1000);
    watch(m, 1, 8, 3, 100 * DAY);
    model_set_opt_out(m, 1, true);
    struct model_convert_info before = info_of(m), after;
    watch(m, 1, 7, 2, 100 * DAY);
    give(m, ZL_PURCHASE, 1, 8, 3, 100 * DAY + 9);
    after = info_of(m);
    assert_int_equal(after.exposures, before.exposures);
    assert_memory_equal(after.weights, before.weights, sizeof after.weights);
    assert_memory_equal(after.bins, before.bins, sizeof after.bins);
    assert_true(chance(m, 1, 7, 2) == chance(m, 99, 7, 2));
    model_close(m);
}

static void a_frozen_head_remembers_and_does_not_move(void **state)
{
    (void)state;
    struct model *m = open_model();
    random_stream(m, 4, 1000);
    model_set_learning(m, false);
    struct model_convert_info before = info_of(m), after;
    watch(m, 1, 7, 2, 100 * DAY);
    assert_int_equal(pending_of(m, 1), 1);
    model_set_learning(m, true);
    give(m, ZL_PURCHASE, 1, 7, 2, 100 * DAY + 9); /* its first half was not learned, nor is this */
    after = info_of(m);
    assert_int_equal(after.conversions, before.conversions + 1);
    assert_memory_equal(after.weights, before.weights, sizeof after.weights);
    model_close(m);
}

static void the_prefix_of_a_course_id_tells_its_kind(void **state)
{
    (void)state;
    assert_int_equal(convert_kind_of(zl_span_of("ad:123")), CONVERT_AD);
    assert_int_equal(convert_kind_of(zl_span_of("sub:pro")), CONVERT_SUBSCRIPTION);
    assert_int_equal(convert_kind_of(zl_span_of("q:77")), CONVERT_QUESTION);
    assert_int_equal(convert_kind_of(zl_span_of("c12")), CONVERT_COURSE);
    assert_int_equal(convert_kind_of(zl_span_of("school:c12")), CONVERT_COURSE);
    assert_int_equal(convert_kind_of(zl_span_of("ad")), CONVERT_COURSE);
    assert_int_equal(convert_kind_of((struct zl_span){0}), CONVERT_COURSE);
}

static void a_conversion_is_worth_what_its_kind_and_price_say(void **state)
{
    (void)state;
    struct model *m = open_model();
    assert_true(model_convert_value(m, 2) == 2); /* per_price, and no price is known */
    for (uint32_t user = 1; user < 6; user++) {
        assert_true(model_convert_value(m, 2) == 2);
        pay(m, ZL_PURCHASE, user, 2, 4990); /* what was paid stands for the price, in the end */
    }
    assert_true(model_convert_value(m, 2) == (float)(2 * 49.9));
    model_know_course(m, 2, CONVERT_COURSE, 9900);
    assert_true(model_convert_value(m, 2) == 198);
    model_know_course(m, AD, CONVERT_AD, 300);
    assert_true(model_convert_value(m, AD) == 0.5f); /* not per price */
    assert_true(model_convert_value(m, ZL_NO_INDEX) == 0);
    model_close(m);
}

/* ---- rows ---- */

static void from_copied_rows_it_goes_on_to_the_same_bytes(void **state)
{
    (void)state;
    struct model *a = open_model(), *b = open_model();
    random_stream(a, 11, 4000);
    assert_true(info_of(a).conversions > 100 && info_of(a).refunds > 20);
    copy_model_rows(a, b);
    model_loaded(b);
    assert_int_equal(model_digest(a), model_digest(b));
    for (uint32_t user = 0; user < 40; user++)
        for (uint32_t item = 0; item < 100; item++)
            assert_true(chance(a, user, item, item % COURSES) ==
                        chance(b, user, item, item % COURSES));
    int64_t offset = next_offset;
    random_stream(a, 12, 500);
    next_offset = offset;
    random_stream(b, 12, 500);
    assert_int_equal(model_digest(a), model_digest(b));
    model_close(a);
    model_close(b);
}

static void a_short_row_is_refused(void **state)
{
    (void)state;
    struct model *m = open_model();
    struct zl_error err;
    random_stream(m, 11, 1000);
    struct rows_table t = convert_rows(m->convert);
    for (uint32_t key = 0; key < 3; key++) {
        struct rows_buffer bytes = {0};
        t.write(t.room, key, &bytes);
        for (size_t len = 0; len < bytes.len; len += 7) {
            struct rows_cursor in = {.at = bytes.bytes, .end = bytes.bytes + len};
            assert_int_equal(t.read(t.room, key, &in, &err), ZL_EBADDATA);
        }
        rows_buffer_release(&bytes);
    }
    struct rows_cursor none = {0};
    assert_int_equal(t.read(t.room, COURSES + 1, &none, &err), ZL_EBADDATA);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_halves_are_the_gradients_of_the_loss),
        cmocka_unit_test(an_exposure_settles_once),
        cmocka_unit_test(a_purchase_a_day_later_settles_as_converted),
        cmocka_unit_test(after_the_window_nothing_is_credited),
        cmocka_unit_test(a_refund_takes_the_conversion_back),
        cmocka_unit_test(a_part_refund_takes_that_part_of_the_conversion_back),
        cmocka_unit_test(a_refund_without_an_amount_takes_all_that_is_left),
        cmocka_unit_test(one_absurd_amount_lifts_nothing),
        cmocka_unit_test(a_refund_of_what_was_never_bought_changes_only_its_count),
        cmocka_unit_test(without_an_item_the_newest_exposure_of_the_course_is_credited),
        cmocka_unit_test(a_named_item_has_its_own_exposure_credited),
        cmocka_unit_test(what_is_bought_is_not_offered_again_but_an_ad_is),
        cmocka_unit_test(a_forgotten_user_leaves_nothing),
        cmocka_unit_test(one_who_opted_out_teaches_nothing),
        cmocka_unit_test(a_frozen_head_remembers_and_does_not_move),
        cmocka_unit_test(the_prefix_of_a_course_id_tells_its_kind),
        cmocka_unit_test(a_conversion_is_worth_what_its_kind_and_price_say),
        cmocka_unit_test(from_copied_rows_it_goes_on_to_the_same_bytes),
        cmocka_unit_test(a_short_row_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
