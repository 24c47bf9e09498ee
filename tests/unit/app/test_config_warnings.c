/* Stands for src/app/config_warnings.c: each row is a valid config, and the key that must be named, or none. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "app/config_warnings.h"
#include "config_support.h"

#define SETS 4

static const struct {
    const char *set[SETS];
    const char *key; /* NULL: no warning */
} rows[] = {
    {{NULL}, NULL},
    {{"reward.weights.impression=1"}, "reward.weights.impression"},
    {{"reward.weights.not_interested=0.5"}, "reward.weights.not_interested"},
    {{"reward.weights.report=1"}, "reward.weights.report"},
    {{"reward.weights.refund=1"}, "reward.weights.refund"},
    {{"reward.r_max=3.5"}, "reward.weights.purchase"},
    {{"reward.r_max=4"}, NULL},
    {{"reward.correction.cap=20"}, "reward.correction.cap"},
    {{"reward.correction.cap=20", "reward.correction.propensity=inverse"}, NULL},
    {{"catalog.features.video=8", "model.content=off"}, "catalog.features"},
    {{"catalog.features.video=8"}, NULL},
    {{"model.content=off"}, NULL},
    {{"model.adversarial.weight=0.3", "model.content=off"}, "model.adversarial.weight"},
    {{"model.adversarial.weight=0.3"}, NULL},
    {{"model.watch_floor=0.5", "reward.watch=raw"}, "model.watch_floor"},
    {{"reward.watch=raw"}, NULL},
    {{"conversion.outcomes.course.value=2"}, "conversion.outcomes.course"},
    {{"conversion.outcomes.ad.per_price=on"}, "conversion.outcomes.ad"},
    {{"conversion.outcomes.course.value=2", "policy.conversion=1"}, NULL},
    {{"conversion.outcomes.ad.value=0", "conversion.outcomes.ad.per_price=on",
      "policy.conversion=1"},
     "conversion.outcomes.ad"},
    {{"policy.explore.slots=19", "rank.n=18"}, "policy.explore.slots"},
    {{"policy.explore.slots=17", "rank.n=18"}, NULL},
    {{"rank.n=9"}, "policy.explore.slots"},
    {{"rank.n=10"}, NULL},
    {{"rank.n=9", "policy.explore.slots=0"}, NULL},
    {{"policy.explore.floor=1"}, "policy.explore.floor"},
    {{"policy.category.within=5"}, "policy.category.within"},
    {{"policy.category.most=5", "policy.category.within=5"}, "policy.category.most"},
    {{"policy.category.most=6", "policy.category.within=5"}, "policy.category.most"},
    {{"policy.category.most=4", "policy.category.within=5"}, NULL},
    {{"policy.category.most=50"}, "policy.category.most"},
    {{"policy.category.most=49"}, NULL},
    {{"policy.category.most=2", "policy.category.within=51"}, "policy.category.within"},
    {{"policy.courses.most=50"}, "policy.courses.most"},
    {{"policy.courses.most=0"}, NULL},
    {{"policy.courses.distance=1"}, "policy.courses.distance"},
    {{"policy.courses.distance=4", "policy.courses.most=1"}, "policy.courses.distance"},
    {{"policy.courses.distance=4", "policy.courses.most=2"}, NULL},
    {{"policy.courses.least=51"}, "policy.courses.least"},
    {{"policy.courses.least=14", "policy.courses.distance=4"}, "policy.courses.least"},
    {{"policy.courses.least=13", "policy.courses.distance=4"}, NULL},
    {{"policy.fresh.most=6"}, "policy.fresh.most"},
    {{"policy.fresh.most=5"}, NULL},
    {{"policy.mmr=1", "rank.n=1", "policy.explore.slots=0"}, "policy.mmr"},
    {{"policy.mmr=1"}, NULL},
    {{"sink.similar=on"}, "sink.similar"},
    {{"sink.similar=on", "sink.kind=stdout"}, NULL},
    {{"model.surface_evidence=0.01"}, "model.surface_evidence"},
    {{"model.surface_evidence=0"}, NULL},
};

static void an_idle_setting_is_named_and_a_working_one_is_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int n = 0;
        struct config_warnings w;
        while (n < SETS && rows[i].set[n])
            n++;
        struct loaded l = load_bytes("", 0, rows[i].set, n);
        assert_int_equal(l.st, ZL_OK);
        config_warnings(&l.config, &w);
        if (w.n != (rows[i].key != NULL) || (rows[i].key && strcmp(w.at[0].key, rows[i].key) != 0))
            fail_msg("%s: %d warnings, first %s %s", n ? rows[i].set[0] : "defaults", w.n,
                     w.n ? w.at[0].key : "-", w.n ? w.at[0].words : "");
        loaded_release(&l);
    }
}

static void everything_idle_at_once_is_said_once_each(void **state)
{
    (void)state;
    static const char *const set[] = {"reward.weights.watch=0",
                                      "reward.weights.like=0",
                                      "reward.weights.coin=0",
                                      "reward.weights.favorite=0",
                                      "reward.weights.comment=0",
                                      "reward.weights.share=0",
                                      "reward.weights.follow=0",
                                      "reward.weights.course_click=0",
                                      "reward.weights.enroll=0",
                                      "reward.weights.purchase=0",
                                      "conversion.outcomes.course.value=0",
                                      "conversion.outcomes.subscription.value=0",
                                      "conversion.outcomes.paid_question.value=0",
                                      "conversion.outcomes.ad.value=0",
                                      "policy.conversion=1"};
    struct loaded l = load_bytes("", 0, set, (int)(sizeof set / sizeof *set));
    struct config_warnings w;
    assert_int_equal(l.st, ZL_OK);
    config_warnings(&l.config, &w);
    assert_int_equal(w.n, 2);
    assert_string_equal(w.at[0].key, "reward.weights");
    assert_string_equal(w.at[1].key, "policy.conversion");
    loaded_release(&l);
}

int main(void)
{
    clean_environment();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_setting_is_named_and_a_working_one_is_not),
        cmocka_unit_test(everything_idle_at_once_is_said_once_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
