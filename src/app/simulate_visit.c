/* What a person does on a visit, one shown item after another.
 *
 * An item is shown (impression); it may be scrolled past, or watched. How long grows with true interest and with the video's length,
 * though less than in proportion: a raw watch time says more of the video than of the person (the duration confounding of
 * Zhan et al., KDD 2022), which is what a reward by rank inside a duration bucket has to undo. Likes and the rest follow from
 * interest; a course leads through click, enrolment and purchase, and a few are given back at a later visit. */
#include "app/simulate_world.h"

#include <math.h>

/* Chance at interest 1; falls with its square. */
static const struct {
    enum zl_event_type type;
    double chance;
} reactions[] = {
    {ZL_LIKE, 0.22},    {ZL_COIN, 0.05},  {ZL_FAVORITE, 0.08},
    {ZL_COMMENT, 0.05}, {ZL_SHARE, 0.04}, {ZL_FOLLOW, 0.03},
};

static struct sim_plan *plan(struct sim_visit *v, enum zl_event_type type, uint32_t item,
                             int32_t wait_ms)
{
    struct sim_plan *p = &v->plans[v->n_plans++];
    *p = (struct sim_plan){
        .type = type, .item = item, .course = NO_COURSE, .watch_ms = -1, .wait_ms = wait_ms};
    return p;
}

static bool chance(struct simulate *s, double p)
{
    return rng_uniform(&s->rng) < p;
}

static int32_t think_ms(struct simulate *s)
{
    return 400 + (int32_t)rng_below(&s->rng, 2400);
}

/* Interest i and length d: about 20 s * (d / 60 s)^0.6 * (0.1 + 1.6 i), with lognormal noise, at most once and a bit through. */
static int32_t draw_watch_ms(struct simulate *s, double interest, int32_t duration_ms)
{
    double minutes = (double)duration_ms / 60000;
    double ms = 20000 * pow(minutes, 0.6) * (0.1 + 1.6 * interest) * exp(0.6 * rng_normal(&s->rng));
    double most = 1.2 * (double)duration_ms;
    return (int32_t)(ms < 200 ? 200 : ms > most ? most : ms);
}

double sim_watch_chance(double interest)
{
    return 0.35 + 0.6 * interest;
}

double sim_like_chance(double interest)
{
    return sim_watch_chance(interest) * interest * interest;
}

static void plan_course(struct simulate *s, struct sim_visit *v, uint32_t item, double interest)
{
    uint32_t course = s->items[item].course;
    static const enum zl_event_type funnel[] = {ZL_COURSE_CLICK, ZL_ENROLL, ZL_PURCHASE};
    static const double step[] = {0.30, 0.35, 0.5};
    if (course == NO_COURSE)
        return;
    for (int i = 0; i < 3 && chance(s, step[i] * (i ? 1 : interest)); i++) {
        bool named = chance(s, 0.7); /* the others are credited to what was watched of the course */
        plan(v, funnel[i], named ? item : NO_ITEM, think_ms(s))->course = course;
        if (funnel[i] == ZL_PURCHASE && chance(s, 0.1)) {
            s->users[v->user].refund_course = course;
            s->users[v->user].refund_item = named ? item : NO_ITEM;
        }
    }
}

static void plan_reactions(struct simulate *s, struct sim_visit *v, uint32_t item, double interest)
{
    double warmth = interest * interest * (1.3 - (double)s->users[v->user].coldness / 255);
    for (size_t i = 0; i < sizeof reactions / sizeof *reactions; i++)
        if (chance(s, reactions[i].chance * warmth))
            plan(v, reactions[i].type, item, think_ms(s));
    if (chance(s, 0.04 * (1 - interest) * (1 - interest)))
        plan(v, ZL_NOT_INTERESTED, item, think_ms(s));
    if (chance(s, 0.003 * (1 - interest)))
        plan(v, ZL_REPORT, item, think_ms(s));
    plan_course(s, v, item, interest);
}

static void plan_answer(struct simulate *s, struct sim_visit *v, uint32_t item, double looked_at)
{
    double interest = sim_interest(&s->users[v->user], &s->items[item]);
    if (!chance(s, looked_at * sim_watch_chance(interest)))
        return;
    int32_t watch_ms = draw_watch_ms(s, interest, s->items[item].duration_ms);
    plan(v, ZL_WATCH, item, watch_ms < 600000 ? watch_ms : 600000)->watch_ms = watch_ms;
    plan_reactions(s, v, item, interest);
}

static void plan_item(struct simulate *s, struct sim_visit *v)
{
    v->n_plans = v->next_plan = 0;
    if (!s->cfg.lists) {
        const struct sim_user *u = &s->users[v->user];
        uint32_t item = sim_show(s, u);
        struct sim_plan *p = plan(v, ZL_IMPRESSION, item, think_ms(s));
        p->position = ++v->shown;
        p->propensity = s->cfg.over_show > 0 ? sim_show_chance(s, u, item) : 0;
        plan_answer(s, v, item, 1);
        return;
    }
    uint32_t item = sim_loop_next(s, v, &v->from);
    struct sim_plan *p = plan(v, ZL_IMPRESSION, item, think_ms(s));
    v->shown++;
    p->position = v->from.place;
    p->propensity = v->from.propensity;
    plan_answer(s, v, item, simulate_loop_looked_at(v->from.place));
}

static void plan_refund(struct simulate *s, struct sim_visit *v)
{
    struct sim_user *u = &s->users[v->user];
    v->n_plans = v->next_plan = 0;
    plan(v, ZL_REFUND, u->refund_item, think_ms(s))->course = u->refund_course;
    u->refund_course = NO_COURSE;
}

void sim_visit_begin(struct simulate *s, struct sim_visit *v, uint32_t user)
{
    struct sim_user *u = &s->users[user];
    uint32_t surface = rng_below(&s->rng, SIM_SURFACES);
    if (s->cfg.surface_tastes > 0)
        surface = u->surface;
    *v = (struct sim_visit){.user = user, .session = u->visits++, .surface = surface};
    u->busy = true;
    sim_drift(s, u);
    if (u->refund_course != NO_COURSE)
        plan_refund(s, v);
    else
        plan_item(s, v);
}

bool sim_visit_next(struct simulate *s, struct sim_visit *v, struct sim_plan *out)
{
    if (v->next_plan == v->n_plans) {
        if (chance(s, 0.08)) {
            s->users[v->user].busy = false;
            return false;
        }
        plan_item(s, v);
    }
    *out = v->plans[v->next_plan++];
    if (s->cfg.lists && out->type == ZL_IMPRESSION)
        sim_loop_note(s, v);
    return true;
}

int32_t sim_visit_wait_ms(const struct sim_visit *v)
{
    return v->next_plan < v->n_plans ? v->plans[v->next_plan].wait_ms : 1500;
}
