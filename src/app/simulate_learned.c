/* A user's learned shares are worth nothing at one moment: they follow the newest few items of the history, which is luck. Their
 * mean over many moments is what lists drawn from them would show. */
#include "app/simulate_learned.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/engine.h"
#include "app/simulate_world.h"
#include "base/check.h"
#include "base/special.h"
#include "model/model.h"

struct simulate_learned {
    const struct simulate *world;
    struct engine *engine;
    uint32_t n_topics, n_users, max_items;
    uint32_t *looks;         /* a number a user */
    double *learned, *true_; /* n_topics a user: sums over looks */
    float *chances;          /* scratch: a number an item */
    uint32_t *items;         /* scratch: the world's number of it */
};

struct simulate_learned *simulate_learned_open(const struct simulate *world, struct engine *engine)
{
    struct simulate_learned *l = xcalloc(1, sizeof *l);
    l->world = world;
    l->engine = engine;
    l->n_topics = world->cfg.topics;
    l->n_users = world->cfg.users + 1; /* the named one */
    l->looks = xcalloc(l->n_users, sizeof *l->looks);
    l->learned = xcalloc((size_t)l->n_users * l->n_topics, sizeof *l->learned);
    l->true_ = xcalloc((size_t)l->n_users * l->n_topics, sizeof *l->true_);
    return l;
}

void simulate_learned_close(struct simulate_learned *l)
{
    if (!l)
        return;
    free(l->looks);
    free(l->learned);
    free(l->true_);
    free(l->chances);
    free(l->items);
    free(l);
}

static void make_room(struct simulate_learned *l, uint32_t n)
{
    if (n <= l->max_items)
        return;
    l->max_items = n + n / 4;
    l->chances = xrealloc(l->chances, l->max_items, sizeof *l->chances);
    l->items = xrealloc(l->items, l->max_items, sizeof *l->items);
}

/* The core's softmax over all items of this world, into l->chances and l->items; how many. */
static uint32_t learned_chances(struct simulate_learned *l, const float *z)
{
    const struct model *m = engine_model(l->engine);
    uint32_t n = 0;
    float most = -INFINITY;
    make_room(l, model_items(m));
    for (uint32_t i = 0; i < model_items(m); i++) {
        uint32_t item =
            simulate_loop_item(ids_name(engine_items(l->engine), i), simulate_items(l->world));
        if (item == UINT32_MAX)
            continue;
        l->items[n] = item;
        l->chances[n] = model_core_logit(m, i, z);
        most = l->chances[n] > most ? l->chances[n] : most;
        n++;
    }
    for (uint32_t i = 0; i < n; i++)
        l->chances[i] -= most;
    special_exp_all(l->chances, l->chances, (int)n);
    return n;
}

static void add_share(const struct simulate_learned *l, uint32_t n, double *shares)
{
    double total = 0;
    for (uint32_t i = 0; i < n; i++)
        total += (double)l->chances[i];
    for (uint32_t i = 0; i < n; i++)
        shares[l->world->items[l->items[i]].topic] += (double)l->chances[i] / total;
}

static void add_true(const struct simulate_learned *l, uint32_t user, double *shares)
{
    const struct simulate *s = l->world;
    double total = 0;
    for (uint32_t i = 0; i < s->n_items; i++)
        total += sim_like_chance(sim_interest(&s->users[user], &s->items[i]));
    for (uint32_t i = 0; i < s->n_items; i++)
        shares[s->items[i].topic] +=
            sim_like_chance(sim_interest(&s->users[user], &s->items[i])) / total;
}

void simulate_learned_look(struct simulate_learned *l, uint32_t user)
{
    float z[MODEL_MAX_K];
    char name[72];
    struct zl_span id = {name, sim_user_name(l->world, user, name)};
    uint32_t known = ids_find(engine_users(l->engine), id);
    if (known == ZL_NO_INDEX || !model_encode(engine_model(l->engine), known, z))
        return;
    add_share(l, learned_chances(l, z), l->learned + (size_t)user * l->n_topics);
    add_true(l, user, l->true_ + (size_t)user * l->n_topics);
    l->looks[user]++;
}

void simulate_learned_topic(const struct simulate_learned *l, uint32_t topic, double *learned,
                            double *wanted)
{
    uint32_t users = 0;
    *learned = *wanted = 0;
    for (uint32_t u = 0; u < l->n_users; u++) {
        if (!l->looks[u])
            continue;
        users++;
        *learned += l->learned[(size_t)u * l->n_topics + topic] / l->looks[u];
        *wanted += l->true_[(size_t)u * l->n_topics + topic] / l->looks[u];
    }
    *learned /= users ? users : 1;
    *wanted /= users ? users : 1;
}

static double error_of(const struct simulate_learned *l, uint32_t user)
{
    double sum = 0;
    for (size_t t = 0, at = (size_t)user * l->n_topics; t < l->n_topics; t++)
        sum += fabs(l->learned[at + t] - l->true_[at + t]) / l->looks[user];
    return sum / l->n_topics;
}

void simulate_learned_errors(const struct simulate_learned *l, struct simulate_learned_errors *out)
{
    *out = (struct simulate_learned_errors){0};
    for (uint32_t u = 0; u < l->n_users; u++) {
        if (!l->looks[u])
            continue;
        out->users++;
        out->looks += l->looks[u];
        out->user += error_of(l, u);
    }
    out->user /= out->users ? out->users : 1;
    for (uint32_t t = 0; t < l->n_topics; t++) {
        double learned, wanted;
        simulate_learned_topic(l, t, &learned, &wanted);
        out->all += fabs(learned - wanted) / l->n_topics;
    }
}

static void print_shares(const struct simulate_learned *l, bool wanted, FILE *out)
{
    for (uint32_t t = 0; t < l->n_topics; t++) {
        double share[2];
        char name[16];
        simulate_learned_topic(l, t, &share[0], &share[1]);
        fprintf(out, "%s\"%s\":%.5f", t ? "," : "", sim_topic_name(t, name), share[wanted]);
    }
}

void simulate_learned_print(const struct simulate_learned *l, FILE *out)
{
    struct simulate_learned_errors e;
    simulate_learned_errors(l, &e);
    fprintf(out,
            ",\"learned\":{\"users\":%u,\"looks\":%llu,\"error\":%.5f,\"error_of_mean\":%.5f,"
            "\"shares\":{",
            e.users, (unsigned long long)e.looks, e.user, e.all);
    print_shares(l, false, out);
    fputs("},\"true_shares\":{", out);
    print_shares(l, true, out);
    fputs("}}", out);
}

void simulate_learned_say(const struct simulate_learned *l, FILE *out)
{
    struct simulate_learned_errors e;
    simulate_learned_errors(l, &e);
    fprintf(out, "learned topic shares of %u users: mean error %.4f, of their mean %.4f", e.users,
            e.user, e.all);
    if (l->world->cfg.over_show > 0) {
        char name[16];
        double learned, wanted;
        simulate_learned_topic(l, l->world->cfg.over_topic, &learned, &wanted);
        fprintf(out, "; %s %.3f, true %.3f", sim_topic_name(l->world->cfg.over_topic, name),
                learned, wanted);
    }
    fputc('\n', out);
}
