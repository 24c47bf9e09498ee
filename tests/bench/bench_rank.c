/* What one list of 50 costs, its places by chance and its parts: bench_rank [lists].
 * A platform of 1,000 and of 10,000 items whose choices are skewed; users with 30 choices each; one user a call, as an idle engine
 * ranks, and eight, as a busy one does. Prints microseconds a list, the least of many short runs, without and with exploration. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/vec.h"
#include "rank/rank.h"

#define N_USERS 400
#define CHOICES 30
#define LIST 50
#define N_RUNS 40

struct platform {
    struct model *model;
    struct rank *rank;
    struct ids *ids;
    uint8_t *served;
    uint32_t n_items;
};

static void must(enum zl_status st)
{
    if (st != ZL_OK)
        abort();
}

static void open_rooms(struct platform *p, uint32_t n_items)
{
    struct zl_error err;
    struct model_config mc = {.max_users = N_USERS,
                              .max_items = n_items,
                              .k = 64,
                              .history = 50,
                              .negatives = 64,
                              .window = 16384,
                              .learning_rate = 0.1,
                              .gamma = 0.8,
                              .beta = 0.5,
                              .kappa = 0.5,
                              .half_lives = {20000, 2000, 300},
                              .cooccur_half_life = 200000,
                              .session_gap_ms = 1800000,
                              .seed = 1};
    struct rank_config rc = {.n = LIST,
                             .max_items = n_items,
                             .impression_penalty = 0.3,
                             .seed = 1,
                             .policy = rank_policy_neutral()};
    rc.policy.explore.slots = 1;
    rc.policy.explore.uncertainty = 1;
    rc.policy.explore.floor = 0.1;
    p->n_items = n_items;
    p->served = calloc(n_items, 1);
    must(ids_open(ROWS_ITEM_IDS, "items", n_items, &p->ids, &err));
    must(model_open(&mc, &p->model, &err));
    must(rank_open(&rc, p->model, p->served, p->ids, &p->rank, &err));
}

/* Few items are chosen often; an item is liked with others of its tenth. The last tenth of the items is new: nobody has chosen it. */
static uint32_t choose(const struct platform *p, struct rng *r, uint32_t user)
{
    double u = rng_uniform(r);
    uint32_t old = p->n_items / 10 * 9;
    uint32_t item = (uint32_t)(u * u * u * (double)old);
    return rng_below(r, 2) ? item : (item / 10 * 10 + user % 10) % old;
}

static void open_platform(struct platform *p, uint32_t n_items)
{
    struct rng r = {n_items};
    open_rooms(p, n_items);
    for (uint32_t i = 0; i < n_items; i++) {
        char id[24];
        snprintf(id, sizeof id, "v%u", i * 7919 % 1000003);
        ids_intern(p->ids, zl_span_of(id));
        model_know_item(p->model, i);
        p->served[i] = 1;
    }
    for (int i = 0; i < N_USERS * CHOICES; i++) {
        uint32_t user = rng_below(&r, N_USERS);
        struct zl_event ev = {.from = {.offset = i},
                              .type = i % 3 ? ZL_LIKE : ZL_IMPRESSION,
                              .user = user,
                              .item = choose(p, &r, user),
                              .course = ZL_NO_INDEX,
                              .outcome = ZL_COUNTED,
                              .weight = 1,
                              .at_ms = 1000000 + i,
                              .reward_micro = i % 3 ? 1000000 : 0};
        rank_learn_mix(p->rank, &ev);
        model_batch(p->model, &ev, 1, NULL, NULL);
    }
}

static void close_platform(struct platform *p)
{
    rank_close(p->rank);
    model_close(p->model);
    ids_close(p->ids);
    free(p->served);
}

static double us_a_list(struct platform *p, int lists, int at_once, bool explore)
{
    int64_t start = clock_cpu_ns();
    for (int i = 0; i < lists; i += at_once) {
        uint32_t users[RANK_BLOCK];
        struct zl_version v[RANK_BLOCK];
        struct zl_slate slates[RANK_BLOCK];
        for (int j = 0; j < at_once; j++) {
            users[j] = (uint32_t)(i + j) * 7 % N_USERS;
            v[j] = (struct zl_version){.position = (uint64_t)(i + j), .epoch = 1};
        }
        rank_users(p->rank, users, explore ? v : NULL, at_once, slates);
    }
    return (double)(clock_cpu_ns() - start) / 1e3 / lists;
}

/* Both in turn, and the least of each: others on the machine can only add. */
static void measure(struct platform *p, int lists, int at_once)
{
    double plain = INFINITY, explored = INFINITY;
    for (int run = 0; run < N_RUNS; run++) {
        plain = fmin(plain, us_a_list(p, lists, at_once, false));
        explored = fmin(explored, us_a_list(p, lists, at_once, true));
    }
    printf("%8u %8d %10.1f %10.1f %10.1f\n", p->n_items, at_once, plain, explored,
           explored - plain);
}

int main(int argc, char **argv)
{
    int lists = argc > 1 ? atoi(argv[1]) / RANK_BLOCK * RANK_BLOCK : 400;
    printf("kernel %s, lists of %d, %d users, k 64; CPU us a list\n", vec_kernel(), LIST, N_USERS);
    printf("%8s %8s %10s %10s %10s\n", "items", "at once", "plain", "explored", "adds");
    for (uint32_t n_items = 1000; n_items <= 10000; n_items *= 10) {
        struct platform p = {0};
        open_platform(&p, n_items);
        for (int at_once = 1; at_once <= RANK_BLOCK; at_once *= RANK_BLOCK)
            measure(&p, lists, at_once);
        close_platform(&p);
    }
    return 0;
}
