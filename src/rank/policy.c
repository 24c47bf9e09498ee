/* From candidates with scores to a list. Three steps, of which the second and part of the third fall away when nothing is left to chance:
 *
 *   1 the best by score are laid place by place; places left to chance stay open
 *   2 who is not on that list may be drawn (explore.c gathers at most 64 of them)
 *   3 the list is laid again from the top: an open place is drawn for, the others go to the best that is left
 *
 * So a drawn item never takes a place from one that the scores had put there; the last of these go. The places are fixed by n and the
 * policy alone: were they to depend on the item, the probability of an item would depend on where it would have stood. */
#include "rank/policy.h"

#include <string.h>

#include "base/check.h"
#include "rank/rank_priv.h"

struct rank_policy rank_policy_neutral(void)
{
    return (struct rank_policy){.explore = {.per = 20, .temperature = 1}};
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
    struct topk best = {.heap = r->heap, .n_max = most, .before = before, .ctx = r};
    for (int i = 0; i < c->n_listed; i++)
        if (c->scores[i] >= topk_threshold(&best))
            topk_offer(&best, c->scores[i], (uint32_t)i);
    topk_sort(&best);
    for (int i = 0; i < best.n; i++)
        r->build.order[i] = r->heap[i].key;
    r->build.n_order = best.n;
}

/* ---- places ---- */

static bool is_open(const struct rank *r, int place)
{
    return r->build.version && explore_is_open(&r->cfg.policy, r->cfg.n, place);
}

static void put(struct build *b, int place, int candidate, enum zl_slot slot, double propensity)
{
    b->list[place - 1] = candidate;
    b->slots[place - 1] = (uint8_t)slot;
    b->propensities[place - 1] = propensity;
    if (candidate != OPEN)
        b->used[candidate] = 1;
}

static bool put_scored(struct rank *r, int place)
{
    struct build *b = &r->build;
    for (int i = 0; i < b->n_order; i++) {
        if (b->used[b->order[i]])
            continue;
        put(b, place, (int)b->order[i], ZL_SLOT_SCORED, 0);
        return true;
    }
    return false;
}

/* Draws for an open place. false: nobody may be drawn. */
static bool put_drawn(struct rank *r, const struct query *q, int place)
{
    struct build *b = &r->build;
    uint8_t allowed[EXPLORE_POOL];
    double pi[EXPLORE_POOL];
    for (int i = 0; i < b->pool.n; i++)
        allowed[i] = 1;
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
    put(b, place, b->pool.at[drawn], ZL_SLOT_EXPLORED, pi[drawn]);
    return true;
}

static void lay(struct rank *r, const struct query *q, bool drawing)
{
    struct build *b = &r->build;
    memset(b->used, 0, (size_t)r->candidates.n);
    for (b->n = 0; b->n < r->cfg.n; b->n++) {
        int place = b->n + 1;
        if (is_open(r, place) && !drawing)
            put(b, place, OPEN, ZL_SLOT_EXPLORED, 0);
        else if (!(is_open(r, place) && put_drawn(r, q, place)) && !put_scored(r, place))
            break;
    }
}

/* ---- the list ---- */

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
                               .propensities = q->propensities};
}

void policy_lay(struct rank *r, struct query *q, const struct zl_version *version,
                struct zl_slate *slate)
{
    const struct rank_policy *p = &r->cfg.policy;
    bool explores = version && explore_open_places(p, r->cfg.n) > 0 &&
                    r->candidates.n_listed > r->cfg.n; /* else all of them are on the list */
    r->build.version = explores ? version : NULL;
    order_best(r, r->cfg.n);
    if (explores) {
        candidates_add_newest(r, q);
        lay(r, q, false);
        explore_gather(r, p, r->build.used, &r->build.pool);
    }
    lay(r, q, true);
    fill_slate(r, q, slate);
}
