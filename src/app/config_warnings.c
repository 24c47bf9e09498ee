/* Rules between settings that each room follows by itself: a cap that can never be reached, a weight of what is never rewarded. In the order
 * of the sections. Whether a key was set or has its default is not asked: defaults that another setting makes idle are left out by hand. */
#include "app/config_warnings.h"

#include <stdarg.h>

#include "base/check.h"

__attribute__((format(printf, 3, 4))) static void warn(struct config_warnings *out, const char *key,
                                                       const char *words, ...)
{
    ASSERT(out->n < CONFIG_MAX_WARNINGS);
    struct config_warning *w = &out->at[out->n++];
    va_list args;
    va_start(args, words);
    w->key = key;
    vsnprintf(w->words, sizeof w->words, words, args);
    va_end(args);
}

/* ---- reward ---- */

static const char *weight_key(enum zl_event_type type)
{
    static const char *const keys[ZL_N_EVENT_TYPES] = {
        [ZL_IMPRESSION] = "reward.weights.impression",
        [ZL_WATCH] = "reward.weights.watch",
        [ZL_LIKE] = "reward.weights.like",
        [ZL_COIN] = "reward.weights.coin",
        [ZL_FAVORITE] = "reward.weights.favorite",
        [ZL_COMMENT] = "reward.weights.comment",
        [ZL_SHARE] = "reward.weights.share",
        [ZL_FOLLOW] = "reward.weights.follow",
        [ZL_NOT_INTERESTED] = "reward.weights.not_interested",
        [ZL_REPORT] = "reward.weights.report",
        [ZL_COURSE_CLICK] = "reward.weights.course_click",
        [ZL_ENROLL] = "reward.weights.enroll",
        [ZL_PURCHASE] = "reward.weights.purchase",
        [ZL_REFUND] = "reward.weights.refund",
    };
    return keys[type];
}

static void look_at_rewards(const struct config *c, struct config_warnings *out)
{
    bool any = false;
    for (int t = 0; t < ZL_N_EVENT_TYPES; t++) {
        double weight = c->reward.weights[t];
        bool never =
            t == ZL_IMPRESSION || t == ZL_NOT_INTERESTED || t == ZL_REPORT || t == ZL_REFUND;
        if (never && weight != 0)
            warn(out, weight_key((enum zl_event_type)t),
                 "has no effect: an event of this type is never rewarded");
        else if (weight > c->reward.r_max)
            warn(out, weight_key((enum zl_event_type)t),
                 "%g counts as %g: reward.r_max is the most", weight, c->reward.r_max);
        any |= !never && weight > 0;
    }
    if (!any)
        warn(out, "reward.weights", "all are 0: nothing is ever learned");
    if (c->reward.correction.propensity == 0 && c->reward.correction.cap != 10)
        warn(out, "reward.correction.cap",
             "has no effect while reward.correction.propensity is off");
}

/* ---- catalog, model, conversion ---- */

static void look_at_model(const struct config *c, struct config_warnings *out)
{
    bool dimensions =
        c->catalog.features.video || c->catalog.features.audio || c->catalog.features.text;
    if (!c->model.content && dimensions)
        warn(out, "catalog.features",
             "are read and checked, but nothing is learned from them while "
             "model.content is off");
    if (!c->model.content && c->model.adversarial.weight > 0)
        warn(out, "model.adversarial.weight", "has no effect while model.content is off");
    if (c->reward.watch != 0 && c->model.watch_floor > 0 && c->model.watch_floor != 0.3)
        warn(out, "model.watch_floor", "has no effect unless reward.watch is rank");
}

static void look_at_outcomes(const struct config *c, struct config_warnings *out)
{
    static const char *const keys[] = {
        "conversion.outcomes.course", "conversion.outcomes.subscription",
        "conversion.outcomes.paid_question", "conversion.outcomes.ad"};
    double most = 0;
    for (int k = 0; k < 4; k++) {
        double value = c->conversion.outcomes[k].value;
        most = value > most ? value : most;
        if (c->policy.conversion == 0 && (value != 1 || c->conversion.outcomes[k].per_price))
            warn(out, keys[k], "what it is worth moves no list while policy.conversion is 0");
        else if (value == 0 && c->conversion.outcomes[k].per_price)
            warn(out, keys[k], "per_price has no effect: the value is 0");
    }
    if (c->policy.conversion > 0 && most == 0)
        warn(out, "policy.conversion", "has no effect: all conversion.outcomes have the value 0");
}

/* ---- policy ---- */

static void look_at_exploration(const struct config *c, struct config_warnings *out)
{
    int64_t n = c->rank.n, slots = c->policy.explore.slots, per = c->policy.explore.per;
    if (slots == 0)
        return;
    if (2 * n < per)
        warn(out, "policy.explore.slots",
             "has no effect: a list of rank.n %lld is shorter than half of policy.explore.per %lld",
             (long long)n, (long long)per);
    else if (slots >= n)
        warn(out, "policy.explore.slots",
             "%lld leaves nothing to the score: all places of a list of rank.n %lld are drawn by "
             "chance",
             (long long)slots, (long long)n);
    if (c->policy.explore.floor >= 1)
        warn(out, "policy.explore.floor",
             "1 draws all alike: policy.explore.temperature and uncertainty have no effect");
}

static void look_at_categories(const struct config *c, struct config_warnings *out)
{
    int64_t most = c->policy.category.most, within = c->policy.category.within, n = c->rank.n;
    int64_t places = within > 0 && within < n ? within : n;
    if (most == 0 && within > 0)
        warn(out, "policy.category.within", "has no effect while policy.category.most is 0");
    else if (most >= places && most > 0)
        warn(out, "policy.category.most",
             "%lld has no effect: that many always fit into %lld places", (long long)most,
             (long long)places);
    else if (within > n)
        warn(out, "policy.category.within", "%lld is the whole list, whose rank.n is %lld",
             (long long)within, (long long)n);
}

static void look_at_courses(const struct config *c, struct config_warnings *out)
{
    int64_t most = c->policy.courses.most, least = c->policy.courses.least,
            distance = c->policy.courses.distance, n = c->rank.n;
    int64_t step = distance > 1 ? distance : 1;
    int64_t fit = (n - 1) / step + 1;
    if (most >= n)
        warn(out, "policy.courses.most", "%lld has no effect: a list has rank.n %lld places",
             (long long)most, (long long)n);
    if (distance == 1)
        warn(out, "policy.courses.distance", "1 has no effect: it is that of neighbours");
    else if (distance > 1 && most >= 0 && most <= 1)
        warn(out, "policy.courses.distance", "has no effect: policy.courses.most is %lld",
             (long long)most);
    if (least > fit)
        warn(out, "policy.courses.least",
             "%lld cannot be kept: with policy.courses.distance %lld a list of rank.n %lld holds "
             "%lld",
             (long long)least, (long long)distance, (long long)n, (long long)fit);
}

static void look_at_fresh(const struct config *c, struct config_warnings *out)
{
    int64_t most = c->policy.fresh.most, every = c->policy.fresh.every, n = c->rank.n;
    int64_t due = (n + every / 2) / every; /* by the last place: rank/rules.c */
    if (most > 0 && due < most)
        warn(out, "policy.fresh.most",
             "only %lld of %lld are ever lifted: one in %lld places of a list of rank.n %lld",
             (long long)due, (long long)most, (long long)every, (long long)n);
}

static void look_at_lists(const struct config *c, struct config_warnings *out)
{
    if (c->policy.mmr > 0 && c->rank.n == 1)
        warn(out, "policy.mmr", "has no effect: a list of one item has nothing above it");
    if (c->sink.similar && c->sink.kind != 1)
        warn(out, "sink.similar", "has no effect unless sink.kind is stdout");
    if (c->model.surface_evidence > 0 && c->model.surface_evidence < 0.1)
        warn(out, "model.surface_evidence", "%g believes a single choice: first lists will jump",
             c->model.surface_evidence);
}

void config_warnings(const struct config *c, struct config_warnings *out)
{
    out->n = 0;
    look_at_rewards(c, out);
    look_at_model(c, out);
    look_at_outcomes(c, out);
    look_at_exploration(c, out);
    look_at_categories(c, out);
    look_at_courses(c, out);
    look_at_fresh(c, out);
    look_at_lists(c, out);
}
