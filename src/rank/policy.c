/* From candidates with scores to a list.
 *
 *   1 what a conversion would be worth is added to the scores
 *   2 the best are laid place by place from the top, each the best that the rules allow there; places left to chance stay open
 *   3 who is not on that list may be drawn (explore.c gathers at most 64 of them)
 *   4 the list is laid again: an open place is drawn for among those the rules allow there, the others go to the best that is left
 *
 * So a drawn item never takes a place from one that scores had put there, but the last of these. The places are fixed by n and the
 * policy alone: were they to depend on the item, its probability would depend on where it would have stood. What is drawn first may
 * change what is allowed, and so drawn, further down: the probabilities of a list are those given what stands above. */
#include "rank/policy.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "model/convert.h"
#include "rank/rank_priv.h"

struct rank_policy rank_policy_neutral(void)
{
    return (struct rank_policy){
        .explore = {.per = 20, .temperature = 1}, .courses = {.most = -1}, .fresh = {.every = 10}};
}

/* ---- scores ---- */

/* Score = engagement + conversion * value of the course * P(convert). */
static void add_conversion(struct rank *r, const struct query *q)
{
    struct candidates *c = &r->candidates;
    struct build *b = &r->build;
    uint32_t courses[MAX_CANDIDATES];
    memset(b->conversion, 0, (size_t)c->n * sizeof b->conversion[0]);
    if (b->policy->conversion == 0 || !r->cfg.facts)
        return;
    for (int i = 0; i < c->n; i++)
        courses[i] = r->cfg.facts[c->items[i]].course;
    model_convert(r->model, q->user, c->items, courses, c->n, b->conversion);
    for (int i = 0; i < c->n; i++) {
        double value = model_convert_value(r->model, courses[i]);
        b->conversion[i] = (float)(b->policy->conversion * value * (double)b->conversion[i]);
        c->scores[i] += b->conversion[i];
    }
}

/* ---- order ---- */

static bool before(const void *ctx, uint32_t a, uint32_t b)
{
    const struct rank *r = ctx;
    return rank_before(r, r->candidates.items[a], r->candidates.items[b]);
}

static void order_best(struct rank *r, int most)
{
    const struct candidates *c = &r->candidates;
    struct topk_bag best = {.entries = r->heap,
                            .n_best = most,
                            .room = 3 * most < MAX_CANDIDATES ? 3 * most + 1 : MAX_CANDIDATES,
                            .threshold = -INFINITY,
                            .before = before,
                            .ctx = r};
    for (int i = 0; i < c->n_listed; i++)
        topk_bag_put(&best, c->scores[i], (uint32_t)i, c->scores[i] >= best.threshold);
    topk_bag_sort(&best);
    for (int i = 0; i < best.n; i++)
        r->build.order[i] = r->heap[i].key;
    r->build.n_order = best.n;
}

/* ---- places ---- */

bool policy_is_open(const struct rank *r, int place)
{
    return r->build.open[place - 1];
}

static void put(struct rank *r, int place, int candidate, enum zl_slot slot, double propensity)
{
    struct build *b = &r->build;
    b->list[place - 1] = candidate;
    b->slots[place - 1] = (uint8_t)slot;
    b->propensities[place - 1] = propensity;
    b->passed[place - 1] = -1;
    if (candidate == OPEN)
        return;
    b->used[candidate] = 1;
    b->n_fresh += b->fresh[candidate];
    if (rules_is_course(r, candidate)) {
        b->n_courses++;
        b->last_course = place;
    }
    if (b->policy->mmr > 0)
        likeness_add(r, candidate);
    while (b->first_unused < b->n_order && b->used[b->order[b->first_unused]])
        b->first_unused++;
}

static double worth(const struct build *b, const struct candidates *c, int candidate)
{
    return (double)c->scores[candidate] - b->policy->mmr * (double)b->alike[candidate];
}

/* The best that the rules allow at the place, -1: none. */
static int best_allowed(const struct rank *r, int place, bool course)
{
    const struct build *b = &r->build;
    int best = -1;
    for (int i = b->first_unused; i < b->n_order; i++) {
        int at = (int)b->order[i];
        if (b->used[at] || (course && !rules_is_course(r, at)) || !rules_allow(r, place, at))
            continue;
        if (b->policy->mmr == 0)
            return at; /* they come best first */
        if (best < 0 || worth(b, &r->candidates, at) > worth(b, &r->candidates, best))
            best = at;
    }
    return best;
}

static bool put_scored(struct rank *r, int place)
{
    struct build *b = &r->build;
    int at = rules_course_due(r, place) ? best_allowed(r, place, true) : -1;
    if (at < 0)
        at = best_allowed(r, place, false);
    if (at < 0)
        return false;
    int best = (int)b->order[b->first_unused];
    put(r, place, at, at == best ? ZL_SLOT_SCORED : ZL_SLOT_MOVED, 0);
    b->passed[place - 1] = at == best ? -1 : best;
    return true;
}

/* The fresh item of the best core score, which knows of content. false: none may stand here. */
static bool put_fresh(struct rank *r, int place)
{
    const struct candidates *c = &r->candidates;
    const float *core = c->f + (size_t)MODEL_CORE * MAX_CANDIDATES;
    const struct build *b = &r->build;
    int best = -1;
    if (!rules_fresh_due(r, place) || rules_course_due(r, place))
        return false;
    for (int i = 0; i < c->n; i++) {
        if (!b->fresh[i] || b->used[i] || !rules_allow(r, place, i))
            continue;
        if (best < 0 || core[i] > core[best] ||
            (core[i] == core[best] && rank_before(r, c->items[i], c->items[best])))
            best = i;
    }
    if (best < 0)
        return false;
    put(r, place, best, ZL_SLOT_FRESH, 0);
    return true;
}

/* Draws for an open place. false: nobody may be drawn. */
static bool put_drawn(struct rank *r, const struct query *q, int place)
{
    struct build *b = &r->build;
    uint8_t allowed[EXPLORE_POOL];
    double pi[EXPLORE_POOL];
    for (int i = 0; i < b->pool.n; i++)
        allowed[i] = !b->used[b->pool.at[i]] && rules_allow(r, place, b->pool.at[i]);
    if (explore_chances(&b->pool, allowed, pi) == 0)
        return false;
    int drawn = explore_draw(&b->pool, pi, r->cfg.seed, q->user, b->version, place);
    for (int i = 0; i < b->pool.n && r->ask.place == place; i++)
        if (b->pool.items[i] == r->ask.item)
            r->ask.answer = pi[i];
    if (r->ask.pool && r->ask.place == place) {
        *r->ask.pool = b->pool;
        memcpy(r->ask.pi, pi, sizeof pi);
    }
    b->pool.gone[drawn] = true;
    put(r, place, b->pool.at[drawn], ZL_SLOT_EXPLORED, pi[drawn]);
    return true;
}

static bool put_one(struct rank *r, const struct query *q, int place, bool drawing)
{
    if (policy_is_open(r, place) && !drawing) {
        put(r, place, OPEN, ZL_SLOT_EXPLORED, 0);
        return true;
    }
    if (policy_is_open(r, place) && put_drawn(r, q, place))
        return true;
    return put_fresh(r, place) || put_scored(r, place);
}

static void lay(struct rank *r, const struct query *q, bool drawing)
{
    struct build *b = &r->build;
    memset(b->used, 0, (size_t)r->candidates.n);
    b->first_unused = b->n_courses = b->last_course = b->n_fresh = 0;
    if (b->policy->mmr > 0)
        likeness_begin(r);
    for (b->n = 0; b->n < r->cfg.n; b->n++)
        if (!put_one(r, q, b->n + 1, drawing))
            break;
}

/* ---- the list ---- */

/* Of the list as it has been laid so far, open places included. */
static uint64_t fingerprint(const struct rank *r)
{
    const struct build *b = &r->build;
    uint64_t h = hash_mix((uint64_t)b->n);
    for (int i = 0; i < b->n; i++)
        h = hash_mix(h ^ (b->list[i] == OPEN ? ZL_NO_INDEX : r->candidates.items[b->list[i]]));
    return h;
}

static void fill_slate(const struct rank *r, struct query *q, struct zl_slate *slate)
{
    const struct build *b = &r->build;
    const struct candidates *c = &r->candidates;
    for (int i = 0; i < b->n; i++) {
        q->items[i] = c->items[b->list[i]];
        q->scores[i] = c->scores[b->list[i]];
        q->slots[i] = b->slots[i];
        q->propensities[i] = b->propensities[i];
    }
    *slate = (struct zl_slate){.user = q->user,
                               .n = b->n,
                               .items = q->items,
                               .scores = q->scores,
                               .slots = q->slots,
                               .propensities = q->propensities,
                               .base = b->base};
}

void policy_lay(struct rank *r, struct query *q, const struct zl_version *version,
                struct zl_slate *slate)
{
    struct build *b = &r->build;
    const struct rank_policy *p = b->policy = &r->cfg.policy;
    bool explores = version && explore_open_places(p, r->cfg.n) > 0 &&
                    r->candidates.n_listed > r->cfg.n; /* else all of them are on the list */
    b->version = explores ? version : NULL;
    for (int i = 0; i < r->cfg.n; i++)
        b->open[i] = explores && explore_is_open(p, r->cfg.n, i + 1);
    if (explores || p->fresh.most > 0)
        candidates_add_newest(r, q);
    add_conversion(r, q);
    order_best(r, rules_any(p) ? r->candidates.n_listed : r->cfg.n);
    memset(b->fresh, 0, (size_t)r->candidates.n);
    memset(b->alike, 0, (size_t)r->candidates.n * sizeof b->alike[0]);
    if (p->fresh.most > 0)
        rules_mark_fresh(r, q);
    if (explores) {
        lay(r, q, false);
        b->base = fingerprint(r);
        explore_gather(r, p, b->used, &b->pool);
    }
    lay(r, q, true);
    if (!explores)
        b->base = fingerprint(r);
    fill_slate(r, q, slate);
}
