/* What may stand where. A list is laid from the top, so a rule looks upwards only: a window of places has too many of a category exactly
 * when its last one of them was put there although the places above it held enough. What must come (a course, a fresh item) is asked
 * for as late as it can be kept, so that the score decides for as long as possible. */
#include "rank/rank_priv.h"

bool rules_any(const struct rank_policy *p)
{
    return p->mmr > 0 || p->category.most > 0 || p->courses.most >= 0 || p->courses.least > 0 ||
           p->courses.distance > 1 || p->fresh.most > 0;
}

static const struct zl_item_facts *facts_of(const struct rank *r, int candidate)
{
    static const struct zl_item_facts nothing = {.course = ZL_NO_INDEX, .published_ms = -1};
    return r->cfg.facts ? &r->cfg.facts[r->candidates.items[candidate]] : &nothing;
}

bool rules_is_course(const struct rank *r, int candidate)
{
    return facts_of(r, candidate)->course != ZL_NO_INDEX;
}

static bool category_is_full(const struct rank *r, int place, uint32_t category)
{
    const struct build *b = &r->build;
    int most = b->policy->category.most, within = b->policy->category.within, n = 0;
    if (most == 0 || category == 0)
        return false;
    int from = within > 0 && place > within ? place - within + 1 : 1;
    for (int i = from; i < place; i++)
        n += b->list[i - 1] != OPEN && facts_of(r, b->list[i - 1])->category == category;
    return n >= most;
}

bool rules_allow(const struct rank *r, int place, int candidate)
{
    const struct build *b = &r->build;
    const struct rank_policy *p = b->policy;
    if (rules_is_course(r, candidate)) {
        if (p->courses.most >= 0 && b->n_courses >= p->courses.most)
            return false;
        if (b->last_course && place - b->last_course < p->courses.distance)
            return false;
    }
    return !category_is_full(r, place, facts_of(r, candidate)->category);
}

/* m more courses need (m - 1) distances from here to the end; an open place may be in the way of each. */
bool rules_course_due(const struct rank *r, int place)
{
    const struct build *b = &r->build;
    const struct rank_policy *p = b->policy;
    int missing = p->courses.least - b->n_courses, open = 0;
    if (missing <= 0)
        return false;
    for (int i = place + 1; i <= r->cfg.n; i++)
        open += policy_is_open(r, i);
    int distance = p->courses.distance > 1 ? p->courses.distance : 1;
    return place >= r->cfg.n - (missing - 1) * distance - open;
}

/* One by the middle of the first `every` places, two by the middle of the next, ...: the middles, since exploration has the ends. */
bool rules_fresh_due(const struct rank *r, int place)
{
    const struct rank_policy *p = r->build.policy;
    if (p->fresh.most == 0)
        return false;
    int due = (place + p->fresh.every / 2) / p->fresh.every;
    return r->build.n_fresh < (due < p->fresh.most ? due : p->fresh.most);
}

/* The clock is the user's newest event: a list is a function of the state. Who has none knows no time, and to them only what nobody
 * has met is fresh. */
void rules_mark_fresh(struct rank *r, const struct query *q)
{
    struct build *b = &r->build;
    int64_t now = model_user_last_ms(r->model, q->user);
    int64_t since = now ? now - b->policy->fresh.age_ms : INT64_MAX;
    for (int i = 0; i < r->candidates.n; i++) {
        uint32_t item = r->candidates.items[i];
        int64_t born = facts_of(r, i)->published_ms;
        if (born < 0)
            born = model_item_first_ms(r->model, item);
        b->fresh[i] =
            (born <= 0 || born >= since) && model_item_positives(r->model, item) <= RANK_COLD;
    }
}
