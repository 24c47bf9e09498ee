/* The simulated world: who there is and what there is.
 *
 * The truth of a person is three topics (weights .55 .30 .15) and a style; of an item a topic, a second one, a style and a quality.
 * Interest is a plain sum of how these agree, so that it can be learned but not read off: no event tells it. Tastes
 * drift: now and then a visit begins with another topic in the place of an old one.
 *
 * Heat is a Pareto draw that halves every 36 hours; its running sums are rebuilt every so many events, not at each, which costs
 * nothing and nobody could tell. What is shown to whom: simulate_show.c. */
#include "app/simulate_world.h"

#include <math.h>
#include <stdlib.h>

#include "base/check.h"

#define HOUR_MS 3600000.0
#define HEAT_EVENTS 20000

static const float taste_weight[TASTES] = {0.55f, 0.30f, 0.15f};

double simulate_daylight(double unix_ms)
{
    double hour = fmod(unix_ms / HOUR_MS + 8, 24); /* UTC+8; quiet at 04:00, busy at 16:00-22:00 */
    return 1 - 0.6 * cos((hour - 5) * 6.283185307179586 / 24);
}

/* Topics near 0 are the larger ones. */
static uint16_t draw_topic(struct simulate *s, struct rng *r)
{
    double u = rng_uniform(r);
    return (uint16_t)((double)s->cfg.topics * u * (0.4 + 0.6 * u));
}

/* With surface_tastes topics are dealt to the surfaces in turn: topic t is of surface t modulo their number. */
static uint16_t draw_taste(struct simulate *s, const struct sim_user *u, struct rng *r)
{
    uint16_t topic = draw_topic(s, r);
    if (s->cfg.surface_tastes <= 0 || rng_uniform(r) >= s->cfg.surface_tastes)
        return topic;
    uint32_t of_here = sim_surface_number(u->surface);
    uint32_t moved = topic / SIM_SURFACE_NAMES * SIM_SURFACE_NAMES + of_here;
    return moved < s->cfg.topics ? (uint16_t)moved : topic;
}

static void make_user(struct simulate *s, uint32_t index)
{
    struct rng r = rng_at(s->cfg.seed, 1, index, 0);
    struct sim_user *u = &s->users[index];
    if (s->cfg.surface_tastes > 0)
        u->surface = (uint8_t)rng_below(&r, SIM_SURFACES);
    for (int i = 0; i < TASTES; i++)
        u->topics[i] = draw_taste(s, u, &r);
    u->style = (uint8_t)rng_below(&r, STYLES);
    u->coldness = (uint8_t)rng_below(&r, 256);
    u->refund_course = NO_COURSE;
}

static void shelf_put(struct sim_shelf *shelf, uint32_t item)
{
    if (shelf->n == shelf->capacity) {
        shelf->capacity = shelf->capacity ? shelf->capacity * 2 : 64;
        shelf->items = xrealloc(shelf->items, shelf->capacity, sizeof *shelf->items);
        shelf->heat = xrealloc(shelf->heat, shelf->capacity, sizeof *shelf->heat);
    }
    shelf->items[shelf->n++] = item;
}

/* Courses are dealt to topics in turn: topic t has t, t + topics, t + 2 * topics ... */
static uint32_t draw_course(const struct simulate *s, uint16_t topic, struct rng *r)
{
    bool taught = rng_uniform(r) < 0.15;
    uint32_t choice = rng_below(r, 1u << 20);
    if (!taught || topic >= s->cfg.courses)
        return NO_COURSE;
    uint32_t n = (s->cfg.courses - topic - 1) / s->cfg.topics + 1;
    return topic + s->cfg.topics * (choice % n);
}

static int32_t draw_duration_ms(struct rng *r)
{
    double s = 60 * exp(1.1 * rng_normal(r));
    s = s < 5 ? 5 : s > 1800 ? 1800 : s;
    return (int32_t)(s * 1000);
}

uint32_t sim_item_add(struct simulate *s, int64_t published_ms)
{
    if (s->n_items == s->max_items)
        return NO_ITEM;
    uint32_t index = s->n_items++;
    struct rng r = rng_at(s->cfg.seed, 2, index, 0);
    struct sim_item *it = &s->items[index];
    it->topic = draw_topic(s, &r);
    it->second = draw_topic(s, &r);
    if (it->second == it->topic)
        it->second = (uint16_t)((it->topic + 1u) % s->cfg.topics);
    it->style = (uint8_t)rng_below(&r, STYLES);
    it->quality = (float)rng_uniform(&r);
    it->draw = (float)fmin(pow(1 - rng_uniform(&r), -0.8), 1000) * (0.5f + it->quality);
    it->duration_ms = draw_duration_ms(&r);
    it->uploader = it->topic + s->cfg.topics * rng_below(&r, 40);
    it->course = draw_course(s, it->topic, &r);
    it->published_ms = published_ms;
    shelf_put(&s->shelves[it->topic], index);
    shelf_put(&s->shelves[s->cfg.topics], index);
    return index;
}

int64_t sim_course_price(const struct simulate *s, uint32_t course)
{
    struct rng r = rng_at(s->cfg.seed, 3, course, 0);
    return 990 + 1000 * (int64_t)rng_below(&r, 49);
}

static void heat_shelf(struct simulate *s, struct sim_shelf *shelf)
{
    double sum = 0;
    for (uint32_t i = 0; i < shelf->n; i++) {
        const struct sim_item *it = &s->items[shelf->items[i]];
        double age_h = (s->clock_ms - (double)it->published_ms) / HOUR_MS;
        sum += (double)it->draw * (exp2(-fmax(age_h, 0) / 36) + 0.02);
        shelf->heat[i] = sum;
    }
    shelf->n_heated = shelf->n;
}

void sim_heat(struct simulate *s)
{
    if (s->n_events < s->heat_due)
        return;
    for (uint32_t t = 0; t <= s->cfg.topics; t++)
        heat_shelf(s, &s->shelves[t]);
    s->heat_due = s->n_events + (s->n_items > HEAT_EVENTS ? s->n_items : HEAT_EVENTS);
}

void sim_world_make(struct simulate *s)
{
    s->users = xcalloc((size_t)s->cfg.users + 1, sizeof *s->users);
    s->items = xcalloc(s->max_items, sizeof *s->items);
    s->shelves = xcalloc((size_t)s->cfg.topics + 1, sizeof *s->shelves);
    for (uint32_t u = 0; u <= s->cfg.users; u++)
        make_user(s, u);
    for (uint32_t i = 0; i < s->cfg.items; i++) {
        struct rng r = rng_at(s->cfg.seed, 4, i, 0);
        double age = rng_uniform(&r);
        sim_item_add(s, s->cfg.start_ms - (int64_t)(30 * 24 * HOUR_MS * age * age));
    }
    sim_heat(s);
}

void sim_world_release(struct simulate *s)
{
    for (uint32_t t = 0; s->shelves && t <= s->cfg.topics; t++) {
        free(s->shelves[t].items);
        free(s->shelves[t].heat);
    }
    free(s->shelves);
    free(s->items);
    free(s->users);
}

void sim_drift(struct simulate *s, struct sim_user *u)
{
    if (rng_uniform(&s->rng) >= 0.05)
        return;
    uint32_t place = rng_below(&s->rng, TASTES);
    u->topics[place] = draw_taste(s, u, &s->rng);
}

double sim_taste(int place)
{
    return (double)taste_weight[place];
}

double sim_interest(const struct sim_user *u, const struct sim_item *it)
{
    float agree = 0;
    for (int i = 0; i < TASTES; i++) {
        if (u->topics[i] == it->topic)
            agree += taste_weight[i];
        if (u->topics[i] == it->second)
            agree += 0.4f * taste_weight[i];
    }
    double x = 0.02 + 1.0 * (double)(agree > 0.6f ? 0.6f : agree) +
               (u->style == it->style ? 0.2 : 0) + 0.3 * ((double)it->quality - 0.5);
    return x < 0.01 ? 0.01 : x > 0.99 ? 0.99 : x;
}
