/* Stands for src/model/subjects.c: against slow sums, and counts that follow the window, the descriptions and a load. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/model_priv.h"

#include "support/copied_rows.h"
#include "support/small_model.h"

#define N_ITEMS 40U
#define N_USERS 10U
#define WINDOW 64 /* shorter than what is chosen, so that choices leave it */
#define BARE 39U  /* an item that is not described */

static struct model *open_model(void)
{
    struct model_config cfg = {.max_users = 64,
                               .max_items = 64,
                               .k = 16,
                               .history = 8,
                               .negatives = 4,
                               .window = WINDOW,
                               .learning_rate = 0.1,
                               .gamma = 0.8,
                               .beta = 0.5,
                               .kappa = 0.5,
                               .half_lives = {100, 10, 5},
                               .cooccur_half_life = 500,
                               .session_gap_ms = 1800000,
                               .content = true,
                               .max_features = 256,
                               .seed = 3};
    struct model *m;
    struct zl_error err;
    assert_int_equal(model_open(&cfg, &m, &err), ZL_OK);
    return m;
}

/* Two or three subjects, then a trait that is none. */
static int keys_of(uint32_t item, uint64_t keys[4])
{
    int n = 2 + (item % 2 == 0);
    keys[0] = 100 + item % 4;
    keys[1] = 200 + item % 3;
    keys[2] = 300;
    keys[n] = 400 + item % 2;
    return n;
}

static void describe(struct model *m, uint32_t item, uint32_t as, bool again)
{
    uint64_t keys[4];
    int n = keys_of(as, keys);
    (again ? model_describe_again : model_describe)(m, item, keys, n + 1, n, NULL);
}

static struct model *taught(void)
{
    struct model *m = open_model();
    struct rng r = rng_at(7, 0, 0, 0);
    for (uint32_t i = 0; i < N_ITEMS; i++)
        if (i != BARE)
            describe(m, i, i, false);
    for (int64_t i = 0; i < 3 * WINDOW; i++)
        small_model_like(m, rng_below(&r, N_USERS), rng_below(&r, N_ITEMS), i);
    return m;
}

static void say(struct model *m, uint32_t user, float f[N_ITEMS])
{
    uint32_t items[N_ITEMS];
    for (uint32_t i = 0; i < N_ITEMS; i++)
        items[i] = i;
    model_subjects_begin(m, user);
    model_subjects(m, items, N_ITEMS, f);
    model_subjects_end(m);
}

static bool has(uint32_t item, uint64_t key)
{
    uint64_t keys[4];
    int n = item == BARE ? 0 : keys_of(item, keys);
    for (int i = 0; i < n; i++)
        if (keys[i] == key)
            return true;
    return false;
}

/* ( s_f log(1 + A / (M P)) - log(1 + W / M) ), from the history and the window as they stand. */
static double slow_subject(const struct model *m, uint32_t user, uint64_t key)
{
    const struct user *u = users_row(&m->users, user);
    double a = 0, w = 0, chosen = 0, n = 0;
    for (int l = 0; l < u->n_history; l++) {
        a += has(u->history[l].item, key) ? pow(0.97, l) : 0;
        w += u->history[l].item == BARE ? 0 : pow(0.97, l);
    }
    for (int i = 0; i < WINDOW; i++)
        chosen += has(m->window.items[i], key);
    for (uint32_t i = 0; i < N_ITEMS; i++)
        n += has(i, key);
    return n / (n + 2) * log(1 + a * (WINDOW + 1) / (2 * (chosen + 1))) - log(1 + w / 2);
}

static void subjects_are_what_slow_sums_say(void **state)
{
    (void)state;
    struct model *m = taught();
    float f[N_ITEMS];
    for (uint32_t user = 0; user < N_USERS; user++) {
        say(m, user, f);
        for (uint32_t i = 0; i < N_ITEMS; i++) {
            uint64_t keys[4];
            double sum = 0;
            int n = i == BARE ? 0 : keys_of(i, keys);
            for (int k = 0; k < n; k++)
                sum += slow_subject(m, user, keys[k]);
            /* floats of a few logs */
            assert_true(fabs((double)f[i] - (n ? sum / sqrt(n) : 0)) < 1e-5);
        }
    }
    model_close(m);
}

static void one_choice_puts_its_subjects_above_others_at_once(void **state)
{
    (void)state;
    struct model *m = taught();
    float f[N_ITEMS];
    small_model_like(m, 50, 4, 1000);
    say(m, 50, f);
    assert_true(f[16] > 0 && f[16] > f[17] + 1); /* 16 has all that 4 has, 17 nothing of it */
    model_close(m);
}

static void nothing_is_said_of_those_of_whom_nothing_is_known(void **state)
{
    (void)state;
    struct model *m = taught();
    float f[N_ITEMS];
    say(m, 63, f); /* never met */
    for (uint32_t i = 0; i < N_ITEMS; i++)
        assert_true(f[i] == 0);
    small_model_like(m, 51, BARE, 1000); /* a history without subjects */
    say(m, 51, f);
    for (uint32_t i = 0; i < N_ITEMS; i++)
        assert_true(f[i] == 0);
    model_set_opt_out(m, 3, true);
    say(m, 3, f);
    for (uint32_t i = 0; i < N_ITEMS; i++)
        assert_true(f[i] == 0);
    model_close(m);
}

/* What one user has chosen must not colour the next one's list. */
static void nothing_is_left_of_a_user_when_the_next_one_begins(void **state)
{
    (void)state;
    struct model *m = taught();
    float before[N_ITEMS], after[N_ITEMS];
    say(m, 1, before);
    say(m, 2, after);
    say(m, 1, after);
    assert_memory_equal(before, after, sizeof before);
    model_close(m);
}

static void counts_follow_a_new_description(void **state)
{
    (void)state;
    struct model *m = taught();
    float before[N_ITEMS], after[N_ITEMS];
    say(m, 1, before);
    describe(m, 5, 6, false);
    say(m, 1, after);
    assert_true(after[5] != before[5]);
    describe(m, 5, 5, false);
    say(m, 1, after);
    assert_memory_equal(before, after, sizeof before);
    model_close(m);
}

static void after_a_load_subjects_say_the_same(void **state)
{
    (void)state;
    struct model *a = taught(), *b = open_model();
    float before[N_ITEMS], after[N_ITEMS];
    copy_model_rows(a, b);
    for (uint32_t i = 0; i < N_ITEMS; i++)
        if (i != BARE)
            describe(b, i, i, true);
    model_loaded(b);
    for (int64_t i = 0; i < 2 * WINDOW; i++) { /* and go on doing so */
        for (uint32_t user = 0; user < N_USERS && i % 16 == 0; user++) {
            say(a, user, before);
            say(b, user, after);
            assert_memory_equal(before, after, sizeof before);
        }
        small_model_like(a, (uint32_t)i % N_USERS, (uint32_t)(i * i) % N_ITEMS, 1000 + i);
        small_model_like(b, (uint32_t)i % N_USERS, (uint32_t)(i * i) % N_ITEMS, 1000 + i);
    }
    model_close(a);
    model_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subjects_are_what_slow_sums_say),
        cmocka_unit_test(one_choice_puts_its_subjects_above_others_at_once),
        cmocka_unit_test(nothing_is_said_of_those_of_whom_nothing_is_known),
        cmocka_unit_test(nothing_is_left_of_a_user_when_the_next_one_begins),
        cmocka_unit_test(counts_follow_a_new_description),
        cmocka_unit_test(after_a_load_subjects_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
