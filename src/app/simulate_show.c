/* What the platform itself shows, and with which chance.
 *
 * Its choice is rough on purpose (the right topic three times in five, else what is hot, new or arbitrary): a learner has something to
 * gain. It is a mixture of draws whose chances are known one by one, so that of any item is their sum:
 *   P(i) = .6 sum_t w_t heat_t(i) + .2 heat(i) + .12 sum_t w_t new_t(i) + .08 / items          w: the user's tastes
 * Asked to over-show a topic by a factor F, it draws again with chance 1 - 1/F what is of another topic: then an item of that topic is F
 * times as likely against one of another as it would have been,
 *   P'(i) = P(i) (1 of that topic, else 1/F) / Z,     Z = P(topic) + (1 - P(topic)) / F
 * and this goes on the log as the impression's propensity. */
#include "app/simulate_world.h"

#include <string.h>

#define NEWEST 32U

/* As sim_taste, in doubles that add up to 1: chances must. */
static const double taste_chance[TASTES] = {0.55, 0.30, 0.15};

static const struct sim_shelf *all_items(const struct simulate *s)
{
    return &s->shelves[s->cfg.topics];
}

static uint32_t pick_hot(struct simulate *s, const struct sim_shelf *shelf)
{
    double x = rng_uniform(&s->rng) * shelf->heat[shelf->n_heated - 1];
    uint32_t low = 0, high = shelf->n_heated - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (shelf->heat[middle] <= x)
            low = middle + 1;
        else
            high = middle;
    }
    return shelf->items[low];
}

static uint32_t n_newest(const struct sim_shelf *shelf)
{
    return shelf->n < NEWEST ? shelf->n : NEWEST;
}

static uint32_t pick_new(struct simulate *s, const struct sim_shelf *shelf)
{
    return shelf->items[shelf->n - 1 - rng_below(&s->rng, n_newest(shelf))];
}

static const struct sim_shelf *shelf_of(const struct simulate *s, const struct sim_user *u,
                                        int taste)
{
    const struct sim_shelf *shelf = &s->shelves[u->topics[taste]];
    return shelf->n_heated ? shelf : all_items(s);
}

static const struct sim_shelf *taste_shelf(struct simulate *s, const struct sim_user *u)
{
    double x = rng_uniform(&s->rng);
    return shelf_of(s, u, x < taste_chance[0] ? 0 : x < taste_chance[0] + taste_chance[1] ? 1 : 2);
}

static uint32_t rough_choice(struct simulate *s, const struct sim_user *u)
{
    const struct sim_shelf *all = all_items(s);
    double x = rng_uniform(&s->rng);
    if (x < 0.6)
        return pick_hot(s, taste_shelf(s, u));
    if (x < 0.8)
        return pick_hot(s, all);
    if (x < 0.92)
        return pick_new(s, taste_shelf(s, u));
    return all->items[rng_below(&s->rng, all->n)];
}

/* ---- chances of these draws ---- */

/* A shelf is filled in order of item. */
static bool place_on(const struct sim_shelf *shelf, uint32_t item, uint32_t *place)
{
    uint32_t low = 0, high = shelf->n;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (shelf->items[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    *place = low;
    return low < shelf->n && shelf->items[low] == item;
}

static double chance_hot(const struct sim_shelf *shelf, uint32_t item)
{
    uint32_t i;
    if (!place_on(shelf, item, &i) || i >= shelf->n_heated)
        return 0;
    return (shelf->heat[i] - (i ? shelf->heat[i - 1] : 0)) / shelf->heat[shelf->n_heated - 1];
}

static double chance_new(const struct sim_shelf *shelf, uint32_t item)
{
    uint32_t i;
    if (!place_on(shelf, item, &i) || i + NEWEST < shelf->n)
        return 0;
    return 1.0 / n_newest(shelf);
}

static double chance_rough(const struct simulate *s, const struct sim_user *u, uint32_t item)
{
    const struct sim_shelf *all = all_items(s);
    double p = 0.2 * chance_hot(all, item) + 0.08 / all->n;
    for (int t = 0; t < TASTES; t++)
        p += taste_chance[t] * (0.6 * chance_hot(shelf_of(s, u, t), item) +
                                0.12 * chance_new(shelf_of(s, u, t), item));
    return p;
}

static bool is_over(const struct simulate *s, uint32_t item)
{
    return s->items[item].topic == s->cfg.over_topic;
}

/* Shares of a shelf's heat and of its newest that are of the topic. */
static double hot_over(const struct simulate *s, const struct sim_shelf *shelf)
{
    const struct sim_shelf *over = &s->shelves[s->cfg.over_topic];
    if (shelf != all_items(s))
        return shelf == over;
    return over->n_heated ? over->heat[over->n_heated - 1] / shelf->heat[shelf->n_heated - 1] : 0;
}

static double new_over(const struct simulate *s, const struct sim_shelf *shelf)
{
    uint32_t n = 0;
    for (uint32_t i = shelf->n - n_newest(shelf); i < shelf->n; i++)
        n += is_over(s, shelf->items[i]);
    return (double)n / n_newest(shelf);
}

static double topic_chance(const struct simulate *s, const struct sim_user *u)
{
    const struct sim_shelf *all = all_items(s);
    double p = 0.2 * hot_over(s, all) + 0.08 * s->shelves[s->cfg.over_topic].n / all->n;
    for (int t = 0; t < TASTES; t++)
        p += taste_chance[t] *
             (0.6 * hot_over(s, shelf_of(s, u, t)) + 0.12 * new_over(s, shelf_of(s, u, t)));
    return p;
}

double sim_show_chance(const struct simulate *s, const struct sim_user *u, uint32_t item)
{
    double p = chance_rough(s, u, item), factor = s->cfg.over_show;
    if (factor <= 0)
        return p;
    double topic = topic_chance(s, u), z = topic + (1 - topic) / factor;
    return p * (is_over(s, item) ? 1 : 1 / factor) / z;
}

uint32_t sim_show(struct simulate *s, const struct sim_user *u)
{
    uint32_t item = rough_choice(s, u);
    if (s->cfg.over_show > 0)
        while (!is_over(s, item) && rng_uniform(&s->rng) * s->cfg.over_show >= 1)
            item = rough_choice(s, u);
    return item;
}

bool simulate_topic(const char *name, size_t len, uint32_t topics, uint32_t *topic)
{
    char text[16];
    for (uint32_t t = 0; t < topics; t++) {
        const char *its = sim_topic_name(t, text);
        if (strlen(its) == len && memcmp(its, name, len) == 0) {
            *topic = t;
            return true;
        }
    }
    return false;
}
