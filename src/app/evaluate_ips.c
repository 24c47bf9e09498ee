/* Off-policy estimation. Places drawn by chance are an experiment that runs all the time: each item had a known probability of standing
 * there. So we may ask what another policy would have earned in these places: an impression counts as often as the other policy would have
 * drawn its item for each time that this one did.
 *
 * The other policy's probability depends on the state at the moment the list was ranked, which is gone when its impression comes.
 * Hence two passes over the log. The first collects impressions and what came of them; the second replays the engine, and where it passes the
 * position that a list's version names, the state is the one that the list was ranked in, and it is asked.
 *
 * Impressions of one draw (a list that was shown twice) are not independent, so sums are made over draws. */
#include "app/evaluate_ips.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"

struct claim {
    uint32_t draw;
    int64_t at_ms;
    double reward;
};

/* Open addressing, linear probing, at most half full; 64-bit keys stand for what they were hashed from. */
struct map {
    uint64_t *keys; /* 0: free */
    uint32_t *values;
    uint64_t n, capacity;
};

struct evaluate_ips {
    struct evaluate_ips_plan plan;
    struct evaluate_draw *draws;
    struct claim *claims;
    uint32_t n_draws, max_draws, n_claims, max_claims;
    uint64_t open;        /* claims whose window reaches beyond the log */
    int64_t end_ms;       /* newest event time */
    uint32_t next;        /* draw to be asked */
    struct map draws_of;  /* (user, version, place, item) -> draw */
    struct map newest_of; /* (user, item) -> claim; NOBODY: shown again without a claim */
};

#define NOBODY UINT32_MAX
/* A logged chance below it claims nothing: what is so unlikely is not on a log, and one such weight would be all of the sum. */
#define LEAST_PROPENSITY 1e-9

static uint64_t *place_of(struct map *m, uint64_t key)
{
    uint64_t at = key & (m->capacity - 1);
    while (m->keys[at] && m->keys[at] != key)
        at = (at + 1) & (m->capacity - 1);
    return &m->keys[at];
}

static void grow(struct map *m)
{
    struct map old = *m;
    m->capacity = old.capacity ? 2 * old.capacity : 1024;
    m->keys = xcalloc(m->capacity, sizeof *m->keys);
    m->values = xcalloc(m->capacity, sizeof *m->values);
    for (uint64_t i = 0; i < old.capacity; i++)
        if (old.keys[i]) {
            uint64_t *key = place_of(m, old.keys[i]);
            *key = old.keys[i];
            m->values[key - m->keys] = old.values[i];
        }
    free(old.keys);
    free(old.values);
}

/* The value of a key, or NULL. */
static uint32_t *find(struct map *m, uint64_t key)
{
    uint64_t *at = m->capacity ? place_of(m, key) : NULL;
    return at && *at ? &m->values[at - m->keys] : NULL;
}

static void set(struct map *m, uint64_t key, uint32_t value)
{
    if (2 * m->n >= m->capacity)
        grow(m);
    uint64_t *at = place_of(m, key);
    m->n += *at == 0;
    *at = key;
    m->values[at - m->keys] = value;
}

static uint64_t pair_key(uint32_t user, uint32_t item)
{
    return hash_mix(((uint64_t)user << 32 | item) + 1) | 1;
}

struct evaluate_ips *evaluate_ips_open(const struct evaluate_ips_plan *plan)
{
    struct evaluate_ips *e = xcalloc(1, sizeof *e);
    e->plan = *plan;
    return e;
}

void evaluate_ips_close(struct evaluate_ips *e)
{
    if (!e)
        return;
    free(e->draws);
    free(e->claims);
    free(e->draws_of.keys);
    free(e->draws_of.values);
    free(e->newest_of.keys);
    free(e->newest_of.values);
    free(e);
}

/* ---- the first pass ---- */

static bool parse_hex(const char *digits, int n, uint64_t *out)
{
    *out = 0;
    for (int i = 0; i < n; i++) {
        const char *hex = "0123456789abcdef", *at = digits[i] ? strchr(hex, digits[i]) : NULL;
        if (!at)
            return false;
        *out = *out << 4 | (uint64_t)(at - hex);
    }
    return true;
}

static bool parse_version(struct zl_span text, struct zl_version *out)
{
    uint64_t incarnation;
    if (text.len != ZL_VERSION_LEN || !parse_hex(text.ptr, 8, &incarnation) ||
        !parse_hex(text.ptr + 8, 16, &out->position) || !parse_hex(text.ptr + 24, 16, &out->epoch))
        return false;
    out->incarnation = (uint32_t)incarnation;
    return true;
}

static uint32_t draw_of(struct evaluate_ips *e, const struct zl_event *ev,
                        const struct zl_version *v)
{
    uint64_t key = pair_key(ev->user, ev->item);
    key = hash_mix(key ^ hash_mix(v->position + v->epoch)) ^ v->incarnation;
    key = hash_mix(key ^ (uint64_t)ev->position) | 1;
    const uint32_t *known = find(&e->draws_of, key);
    if (known)
        return *known;
    if (e->n_draws == e->max_draws) {
        e->max_draws = e->max_draws ? 2 * e->max_draws : 1024;
        e->draws = xrealloc(e->draws, e->max_draws, sizeof *e->draws);
    }
    e->draws[e->n_draws] = (struct evaluate_draw){.version = *v,
                                                  .user = ev->user,
                                                  .item = ev->item,
                                                  .place = ev->position,
                                                  .propensity = ev->propensity,
                                                  .pi = -1};
    set(&e->draws_of, key, e->n_draws);
    return e->n_draws++;
}

static void take_impression(struct evaluate_ips *e, const struct zl_event *ev)
{
    struct zl_version v;
    uint64_t key = pair_key(ev->user, ev->item);
    if (ev->propensity < LEAST_PROPENSITY || ev->position < 1 ||
        !parse_version(ev->request_id, &v)) {
        uint32_t *before = find(&e->newest_of, key);
        if (before)
            *before = NOBODY; /* what comes now answers this showing */
        return;
    }
    if (e->n_claims == e->max_claims) {
        e->max_claims = e->max_claims ? 2 * e->max_claims : 1024;
        e->claims = xrealloc(e->claims, e->max_claims, sizeof *e->claims);
    }
    uint32_t draw = draw_of(e, ev, &v);
    e->claims[e->n_claims] = (struct claim){.draw = draw, .at_ms = ev->at_ms};
    set(&e->newest_of, key, e->n_claims++);
}

void evaluate_ips_take(struct evaluate_ips *e, const struct zl_event *ev)
{
    e->end_ms = ev->at_ms > e->end_ms ? ev->at_ms : e->end_ms;
    if (ev->item == ZL_NO_INDEX)
        return;
    if (ev->type == ZL_IMPRESSION) {
        take_impression(e, ev);
        return;
    }
    const uint32_t *newest = find(&e->newest_of, pair_key(ev->user, ev->item));
    if (!newest || *newest == NOBODY)
        return;
    struct claim *c = &e->claims[*newest];
    double reward =
        e->plan.outcome < 0 ? (double)ev->reward_micro * 1e-6 : (int)ev->type == e->plan.outcome;
    if (ev->at_ms - c->at_ms > e->plan.window_ms || reward <= c->reward)
        return;
    c->reward = reward;
}

/* ---- the second pass ---- */

static int by_position(const void *left, const void *right)
{
    const struct evaluate_draw *a = left, *b = right;
    if (a->version.position != b->version.position)
        return a->version.position < b->version.position ? -1 : 1;
    if (a->user != b->user)
        return a->user < b->user ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

/* An impression near the end of the log would count as fruitless only because its fruit is not on it. */
static void close_windows(struct evaluate_ips *e)
{
    for (uint32_t i = 0; i < e->n_claims; i++) {
        const struct claim *c = &e->claims[i];
        if (e->end_ms - c->at_ms < e->plan.window_ms) {
            e->open++;
            continue;
        }
        e->draws[c->draw].n++;
        e->draws[c->draw].reward += c->reward;
    }
}

void evaluate_ips_sort(struct evaluate_ips *e)
{
    close_windows(e);
    if (e->n_draws)
        qsort(e->draws, e->n_draws, sizeof *e->draws, by_position);
    e->next = 0;
}

void evaluate_ips_ask(struct evaluate_ips *e, uint64_t position, struct engine *engine)
{
    while (e->next < e->n_draws && e->draws[e->next].version.position <= position) {
        struct evaluate_draw *d = &e->draws[e->next++];
        if (d->n && d->version.position == position) /* else the log has a gap there */
            d->pi = e->plan.target(e->plan.ctx, engine, d);
    }
}

const struct evaluate_draw *evaluate_ips_draws(const struct evaluate_ips *e, uint64_t *n)
{
    *n = e->n_draws;
    return e->draws;
}

/* ---- the estimates ---- */

/* Two-sided 95 % of Student's t (Cornish-Fisher around the normal's; under 1 % off from 3 degrees on). */
static double student(double degrees)
{
    double z = 1.959964, n = degrees < 1 ? 1 : degrees;
    return z + z * (z * z + 1) / (4 * n) + z * (5 * z * z * z * z + 16 * z * z + 3) / (96 * n * n);
}

static double few_draws(uint64_t n)
{
    return n > 1 ? (double)n / (double)(n - 1) : 1;
}

static struct evaluate_interval around(double value, double residuals, double below, uint64_t n,
                                       double effective)
{
    double half = student(effective - 1) * sqrt(residuals * few_draws(n)) / below;
    return (struct evaluate_interval){value, value - half, value + half};
}

struct sums {
    double n, wn, wr, r, w, ww;
};

static struct sums sums_of(const struct evaluate_ips *e, struct evaluate_ips_result *out)
{
    struct sums s = {0};
    for (uint32_t i = 0; i < e->n_draws; i++) {
        const struct evaluate_draw *d = &e->draws[i];
        double w = d->pi / d->propensity, n = (double)d->n;
        if (d->pi < 0) {
            out->lost += d->n;
            continue;
        }
        out->draws++;
        out->impressions += d->n;
        s.n += n;
        s.wn += w * n;
        s.wr += w * d->reward;
        s.r += d->reward;
        s.w += w;
        s.ww += w * w;
        out->most_weight = fmax(out->most_weight, w);
        out->most_off_one = fmax(out->most_off_one, fabs(w - 1));
    }
    return s;
}

void evaluate_ips_summarise(const struct evaluate_ips *e, struct evaluate_ips_result *out)
{
    *out = (struct evaluate_ips_result){.open = e->open};
    struct sums s = sums_of(e, out);
    if (out->draws == 0)
        return;
    double ips = s.wr / s.n, snips = s.wn > 0 ? s.wr / s.wn : 0, plain = 0, normalised = 0;
    double mean = s.wn / s.n, off_mean = 0;
    for (uint32_t i = 0; i < e->n_draws; i++) {
        const struct evaluate_draw *d = &e->draws[i];
        double w = d->pi / d->propensity, n = (double)d->n;
        if (d->pi < 0)
            continue;
        plain += pow(w * d->reward - ips * n, 2);
        normalised += pow(w * (d->reward - snips * n), 2);
        off_mean += pow((w - mean) * n, 2);
    }
    out->logged = s.r / s.n;
    out->effective = s.ww > 0 ? s.w * s.w / s.ww : 0;
    out->mean_weight = mean;
    out->mean_weight_error = sqrt(off_mean * few_draws(out->draws)) / s.n;
    out->ips = around(ips, plain, s.n, out->draws, out->effective);
    if (s.wn > 0)
        out->snips = around(snips, normalised, s.wn, out->draws, out->effective);
}

/* A weight that is 1 but for the last bits is 1. */
#define ROUNDING 1e-9

int evaluate_ips_doubts(const struct evaluate_ips_result *r,
                        struct evaluate_doubt out[EVALUATE_IPS_DOUBTS])
{
    int n = 0;
    if (fabs(r->mean_weight - 1) > 3 * r->mean_weight_error + ROUNDING)
        snprintf(
            out[n++].words, sizeof out->words,
            "the mean weight is %.3f, and no chance makes it so (its standard error is %.3f): "
            "the replay is not in the states that the lists were made in, or the policy asked "
            "for draws from other items. Give the whole log from its first event, --items, and "
            "model.seed and the other model settings of the engine that made it",
            r->mean_weight, r->mean_weight_error);
    if (r->effective < EVALUATE_IPS_LEAST)
        snprintf(out[n++].words, sizeof out->words,
                 "the effective size is %.1f draws, below %d: the interval says little. Give a "
                 "longer log, or ask for a policy nearer to the one that logged",
                 r->effective, EVALUATE_IPS_LEAST);
    return n;
}
