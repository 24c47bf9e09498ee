/* Stands for reward.watch: which watch-time reward teaches what people like, on the simulated platform, where the truth is known. The rooms
 * reward and model learn from the same events twice, watches worth their rank among videos as long (D2Q) or their raw minutes; then the
 * model's score of (user, item) pairs is held against the true interest, inside each user: only that makes a list. */
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
#include "base/rng.h"
#include "base/vec.h"
#include "model/model.h"
#include "reward/reward.h"
#include "support/small_model.h"

#define N_USERS 300
#define N_ITEMS 600
#define N_EVENTS 40000
#define K 32
#define PAIRS 60 /* items a user */

static struct simulate *open_world(uint64_t seed)
{
    struct simulate *s;
    struct zl_error err;
    struct simulate_config cfg = {.seed = seed,
                                  .users = N_USERS,
                                  .items = N_ITEMS,
                                  .topics = 10,
                                  .courses = 20,
                                  .start_ms = 1767225600000,
                                  .events_per_s = 3};
    assert_int_equal(simulate_open(&cfg, &s, &err), ZL_OK);
    return s;
}

static struct model *open_model(uint64_t seed)
{
    struct model *m;
    struct zl_error err;
    struct model_config cfg = small_model_config(N_USERS + 1, N_ITEMS, K, seed);
    cfg.history = 50;
    cfg.negatives = 32;
    cfg.window = 4096;
    cfg.kappa = 1;
    assert_int_equal(model_open(&cfg, &m, &err), ZL_OK);
    return m;
}

static struct reward *open_reward(enum reward_watch watch)
{
    struct reward *r;
    struct zl_error err;
    struct reward_config cfg = {
        .r_max = 5, .watch = watch, .min_watch_ms = 3000, .half_life = 10000};
    reward_default_weights(cfg.weights);
    assert_int_equal(reward_open(&cfg, &r, &err), ZL_OK);
    return r;
}

/* The number that follows a key in a line the simulator wrote; -1: none. */
static int64_t number_of(const char *line, const char *key)
{
    const char *at = strstr(line, key);
    return at ? strtoll(at + strlen(key), NULL, 10) : -1;
}

static struct zl_event event_of(const struct simulate_record *rec, int64_t offset)
{
    char line[4096];
    snprintf(line, sizeof line, "%.*s", (int)rec->value.len, rec->value.ptr);
    return (struct zl_event){
        .from = {.offset = offset},
        .type = ZL_WATCH,
        .user = (uint32_t)number_of(line, "\"user_id\":\"u") - 1,
        .item = (uint32_t)number_of(line, "\"item_id\":\"v") - 1,
        .course = ZL_NO_INDEX,
        .outcome = ZL_COUNTED,
        .weight = 1,
        .at_ms = rec->ts_ms,
        .watch_ms = strstr(line, "\"type\":\"watch\"") ? number_of(line, "\"watch_ms\":") : -1,
        .duration_ms = number_of(line, "\"duration_ms\":")};
}

static double score(const struct model *m, const float *z, uint32_t item)
{
    float q[K], b;
    model_item_output(m, item, q, &b);
    return (double)(vec_dot(z, q, K) + b);
}

/* Pearson's, over pairs of one user. */
static double correlation(const double *a, const double *b, int n)
{
    double ma = 0, mb = 0, ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < n; i++) {
        ma += a[i] / n;
        mb += b[i] / n;
    }
    for (int i = 0; i < n; i++) {
        ab += (a[i] - ma) * (b[i] - mb);
        aa += (a[i] - ma) * (a[i] - ma);
        bb += (b[i] - mb) * (b[i] - mb);
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

static double agreement(const struct simulate *s, const struct model *m, uint64_t seed)
{
    double sum = 0, learned[PAIRS], interest[PAIRS];
    struct rng r = {seed};
    int n = 0;
    for (uint32_t u = 0; u < N_USERS; u++) {
        float z[K];
        if (!model_encode(m, u, z))
            continue;
        for (int i = 0; i < PAIRS; i++) {
            uint32_t item = rng_below(&r, N_ITEMS);
            learned[i] = score(m, z, item);
            interest[i] = simulate_interest(s, u, item);
        }
        sum += correlation(learned, interest, PAIRS);
        n++;
    }
    return sum / n;
}

static double learn_and_agree(enum reward_watch watch, uint64_t seed)
{
    struct simulate *s = open_world(seed);
    struct model *m = open_model(seed);
    struct reward *rw = open_reward(watch);
    for (uint32_t i = 0; i < N_ITEMS; i++)
        model_know_item(m, i);
    for (int64_t n = 0, events = 0; events < N_EVENTS; n++) {
        struct simulate_record rec;
        simulate_next(s, -1, &rec);
        if (rec.topic != ZL_TOPIC_EVENTS)
            continue;
        events++;
        struct zl_event ev = event_of(&rec, n);
        if (ev.watch_ms < 0 || ev.user >= N_USERS || ev.item >= N_ITEMS)
            continue; /* watches alone teach: the other rewards are the same in both */
        reward_batch(rw, &ev, 1);
        model_batch(m, &ev, 1, NULL, NULL);
    }
    double result = agreement(s, m, seed);
    reward_close(rw);
    model_close(m);
    simulate_close(s);
    return result;
}

static void ranked_watch_time_teaches_interest_better_than_raw_on_every_seed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        double rank = learn_and_agree(REWARD_WATCH_RANK, seed),
               raw = learn_and_agree(REWARD_WATCH_RAW, seed);
        print_message("SEED %llu: correlation of learned with true interest: rank %.3f, raw %.3f\n",
                      (unsigned long long)seed, rank, raw);
        assert_true(rank > raw);
        assert_true(rank > 0.1); /* both must have learned something */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranked_watch_time_teaches_interest_better_than_raw_on_every_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
