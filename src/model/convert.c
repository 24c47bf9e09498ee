/* The conversion head. What one event does:
 *
 *   watch      x, s, p from the state as it is   ->  w -= S p x      "it did not convert, so far"
 *   enroll     the newest exposure of the course ->  w += S x        "it did"
 *   refund     the conversion                    ->  w -= S x        "it did not, after all"
 *
 * Summed up that is the gradient (p - y) x of the logistic loss for the label y as it stands, times S = (A + rho I)^-1; see convert.h for why in halves. The
 * base rate of the kind enters s as it is (an offset, not a feature): the head is calibrated from the first hundreds of exposures on,
 * follows the seasons, and the weights need to learn only who differs from the mean.
 *
 * The reliability table keeps ten bins between running deciles of s. A decile is followed by steps of its own (Robbins, Monro 1951): up
 * by eta tau when s lies above, down by eta (1 - tau) when below; it rests where the share below is tau. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/metrics.h"
#include "base/newton.h"
#include "base/special.h"
#include "base/vec.h"
#include "model/convert_priv.h"
#include "model/model_priv.h"

#define F CONVERT_N_FEATURES
#define KIND_HALF_LIFE                                                                             \
    50000.0 /* exposures of the kind; also of the reliability table, of all kinds */
#define COURSE_HALF_LIFE 2000.0 /* exposures of the course */
#define SCORE_MEMORY 20000.0    /* exposures that the mean and deviation of the score reach back */
#define PRIOR_RATE 0.02         /* before anything is known; the weight of 50 exposures */
#define PRIOR_EXPOSURES 50.0
#define SMOOTH 100.0   /* exposures that a kind's rate lends to a course, all kinds' to a kind */
#define EDGE_STEP 0.01 /* log-odds; a decile then wobbles by some hundredths */
#define KNOT 0.75
#define RIDGE 10.0 /* rho: weights are first thought to be within about 0.3 of 0 */
#define LOGIT_MOST 30.0

/* ---- names ---- */

static const struct {
    const char *name, *prefix;
} kinds[CONVERT_N_KINDS] = {
    [CONVERT_COURSE] = {"course", ""},
    [CONVERT_SUBSCRIPTION] = {"subscription", "sub:"},
    [CONVERT_QUESTION] = {"paid_question", "q:"},
    [CONVERT_AD] = {"ad", "ad:"},
};

enum convert_kind convert_kind_of(struct zl_span course_id)
{
    for (int k = 1; k < CONVERT_N_KINDS; k++) {
        size_t n = strlen(kinds[k].prefix);
        if (course_id.len >= n && memcmp(course_id.ptr, kinds[k].prefix, n) == 0)
            return (enum convert_kind)k;
    }
    return CONVERT_COURSE;
}

const char *convert_kind_name(enum convert_kind kind)
{
    return kinds[kind].name;
}

const char *convert_feature_name(enum convert_feature feature)
{
    static const char *const names[CONVERT_N_FEATURES] = {
        "bias", "score",  "score_low", "score_high", "score_top", "score_met", "newcomer",
        "rate", "priced", "price",     "bought",     "clicked",   "touched",   "met"};
    return names[feature];
}

/* ---- opening ---- */

static void head_init(struct convert_head *h)
{
    *h = (struct convert_head){.score_variance = 1};
    for (int i = 0; i < CONVERT_BINS - 1; i++)
        h->edges[i] = -4 + 0.1 * (i - 4);
}

enum zl_status convert_open(const struct convert_config *cfg, struct convert **out,
                            struct zl_error *err)
{
    struct convert *c = *out = xcalloc(1, sizeof *c);
    c->cfg = *cfg;
    if (!(c->cfg.half_life > 0))
        c->cfg.half_life = CONVERT_HALF_LIFE;
    head_init(&c->head);
    TRY(table_init(&c->courses, "courses", cfg->max_courses + 1, sizeof(struct convert_course),
                   err));
    return rows_track_init(&c->track, cfg->max_courses + 1, err);
}

void convert_close(struct convert *c)
{
    if (!c)
        return;
    rows_track_release(&c->track);
    table_release(&c->courses);
    free(c);
}

static struct convert_course *course_to_change(struct convert *c, uint32_t course)
{
    rows_touch(&c->track, 1 + course);
    if (course >= c->n_courses)
        c->n_courses = course + 1;
    convert_course_row(c, course)->known = true;
    return convert_course_row(c, course);
}

static struct convert_head *head_to_change(struct convert *c)
{
    rows_touch(&c->track, 0);
    return &c->head;
}

void model_know_course(struct model *m, uint32_t course, enum convert_kind kind, int64_t price)
{
    struct convert *c = m->convert;
    if (course >= c->cfg.max_courses)
        return;
    const struct convert_course *now = convert_course_row(c, course);
    if (now->known && now->kind == kind && (price <= 0 || now->price == price))
        return;
    struct convert_course *r = course_to_change(c, course);
    r->kind = (uint8_t)kind;
    if (price > 0)
        r->price = price;
}

/* ---- prices ---- */

static int by_amount(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void convert_bound(struct convert *c, int kind)
{
    const struct convert_amounts *a = &c->head.amounts[kind];
    int64_t sorted[CONVERT_AMOUNTS];
    size_t n = a->n < CONVERT_AMOUNTS ? (size_t)a->n : CONVERT_AMOUNTS;
    c->bounds[kind] = 0;
    if (n < CONVERT_LEAST_AMOUNTS)
        return;
    memcpy(sorted, a->at, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_amount);
    int64_t median = sorted[(n - 1) / 2];
    c->bounds[kind] =
        median < INT64_MAX / CONVERT_PRICE_BOUND ? median * CONVERT_PRICE_BOUND : INT64_MAX;
}

/* Who sends events may say any amount; the catalogue is the operator's. */
static int64_t price_of(const struct convert *c, const struct convert_course *r)
{
    if (r->price > 0)
        return r->price;
    return r->paid < c->bounds[r->kind] ? r->paid : c->bounds[r->kind];
}

/* ---- rates ---- */

static double logit(double p)
{
    return special_log(p / (1 - p));
}

static double chance_of(double s)
{
    s = s < -LOGIT_MOST ? -LOGIT_MOST : s > LOGIT_MOST ? LOGIT_MOST : s;
    return 1 / (1 + special_exp2(-s / SPECIAL_LN2));
}

static double smoothed(const struct convert_rate *r, double prior, double n)
{
    double rate = (r->conversions + prior * n) / (r->exposures + n);
    return rate < 1e-5 ? 1e-5 : rate > 1 - 1e-5 ? 1 - 1e-5 : rate;
}

static double base_rate(const struct convert *c, int kind)
{
    struct convert_rate all = {0};
    for (int k = 0; k < CONVERT_N_KINDS; k++) {
        all.exposures += c->head.kinds[k].exposures;
        all.conversions += c->head.kinds[k].conversions;
    }
    return smoothed(&c->head.kinds[kind], smoothed(&all, PRIOR_RATE, PRIOR_EXPOSURES), SMOOTH);
}

static void count_exposure(struct convert_rate *r, double half_life)
{
    double keep = special_exp2(-1 / half_life);
    r->exposures = r->exposures * keep + 1;
    r->conversions *= keep;
}

static void count_conversion(struct convert_rate *r, double n)
{
    r->conversions += n;
    if (r->conversions < 0)
        r->conversions = 0; /* a refund of what has decayed */
}

/* ---- features ---- */

/* What the features of all items have in common for a user; u NULL: nobody is known. */
struct asker {
    const struct user *u;
    bool has_z;
    float z[MODEL_MAX_K];
    int64_t since_ms; /* older exposures are settled */
    double base[CONVERT_N_KINDS], base_logit[CONVERT_N_KINDS];
};

static void asker_begin(const struct model *m, const struct user *u, int64_t now_ms,
                        struct asker *a)
{
    a->u = u && !u->opted_out ? u : NULL;
    a->has_z = a->u && learn_encode(m, u, a->z);
    a->since_ms = now_ms - m->convert->cfg.window_ms;
    for (int k = 0; k < CONVERT_N_KINDS; k++) {
        a->base[k] = base_rate(m->convert, k);
        a->base_logit[k] = logit(a->base[k]);
    }
}

static bool has_met(const struct user *u, uint32_t item)
{
    bool met = false;
    for (int l = 0; u && l < u->n_history; l++)
        met |= u->history[l].item == item;
    return met;
}

static void describe_score(const struct model *m, const struct asker *a, uint32_t item, float *raw,
                           float *x)
{
    const struct convert_head *h = &m->convert->head;
    *raw = 0;
    x[CONVERT_NEWCOMER] = !a->has_z;
    x[CONVERT_MET] = has_met(a->u, item);
    if (!a->has_z || item >= m->items.count)
        return;
    *raw = vec_dot(a->z, items_q(&m->items, item), m->cfg.k);
    double v = ((double)*raw - h->score_mean) / sqrt(h->score_variance + 1e-6);
    v = v < -4 ? -4 : v > 4 ? 4 : v;
    if (x[CONVERT_MET] > 0) {
        x[CONVERT_SCORE_MET] = (float)v;
        return;
    }
    x[CONVERT_SCORE] = (float)v;
    x[CONVERT_SCORE_LOW] = v > -KNOT ? (float)(v + KNOT) : 0;
    x[CONVERT_SCORE_HIGH] = v > 0 ? (float)v : 0;
    x[CONVERT_SCORE_TOP] = v > KNOT ? (float)(v - KNOT) : 0;
}

static void describe_course(const struct convert *c, const struct convert_course *r, double base,
                            double base_logit, float *x)
{
    int64_t price = price_of(c, r);
    double rate = logit(smoothed(&r->rate, base, SMOOTH)) - base_logit;
    x[CONVERT_RATE] = (float)(rate < -3 ? -3 : rate > 3 ? 3 : rate);
    if (price <= 0)
        return;
    x[CONVERT_PRICED] = 1;
    x[CONVERT_PRICE] = (float)(special_log(1 + (double)price / 100) / 4 - 1);
}

static void describe_user(const struct asker *a, uint32_t course, float *x)
{
    const struct user *u = a->u;
    if (!u)
        return;
    if (u->convert && u->convert->conversions_net > 0)
        x[CONVERT_BOUGHT] = (float)special_log(1 + (double)u->convert->conversions_net);
    x[CONVERT_CLICKED] = (float)special_log(1 + (double)u->counts[ZL_COURSE_CLICK]);
    x[CONVERT_TOUCHED] =
        (float)special_log(1 + (double)convert_user_touched(u->convert, course, a->since_ms));
}

/* x of an item of a course; the log-odds s. */
static double describe(const struct model *m, const struct asker *a, uint32_t item, uint32_t course,
                       float *raw, float x[CONVERT_N_FEATURES])
{
    const struct convert *c = m->convert;
    const struct convert_course *r = convert_course_row(c, course);
    memset(x, 0, CONVERT_N_FEATURES * sizeof *x);
    x[CONVERT_BIAS] = 1;
    describe_score(m, a, item, raw, x);
    describe_course(c, r, a->base[r->kind], a->base_logit[r->kind], x);
    describe_user(a, course, x);
    double s = a->base_logit[r->kind];
    for (int f = 0; f < CONVERT_N_FEATURES; f++)
        s += c->head.w[f] * (double)x[f];
    return s;
}

static bool is_sold(const struct convert *c, const struct user *u, uint32_t course)
{
    return u && !c->cfg.outcomes[convert_course_row(c, course)->kind].again &&
           convert_user_has_bought(u->convert, course);
}

/* ---- learning ---- */

/* One half of a gradient, d x: d is p for an exposure, -1 for a conversion, 1 for its refund (or the share given back). */
static void step(struct convert_head *h, const float x[F], double d)
{
    double y[F];
    for (int i = 0; i < F; i++)
        y[i] = d * (double)x[i];
    newton_solve(&h->a[0][0], F, RIDGE, y, y);
    for (int i = 0; i < F; i++)
        h->w[i] -= y[i];
}

static void note_curvature(const struct convert *c, struct convert_head *h, const float x[F],
                           double d)
{
    double keep = special_exp2(-1 / c->cfg.half_life);
    for (int i = 0; i < F; i++)
        for (int j = 0; j <= i; j++)
            h->a[i][j] = h->a[i][j] * keep + d * (double)x[i] * (double)x[j];
}

static void note_score(struct convert_head *h, double raw)
{
    double n = (double)h->exposures + 1, share = 1 / (n < SCORE_MEMORY ? n : SCORE_MEMORY);
    double d = raw - h->score_mean;
    h->score_mean += share * d;
    h->score_variance += share * (d * d - h->score_variance);
}

/* Its bin; the edges move after it was found. */
static uint8_t note_prediction(struct convert_head *h, double s, double p)
{
    double keep = special_exp2(-1 / KIND_HALF_LIFE),
           eta = 1 / sqrt((double)h->exposures + 1) + EDGE_STEP;
    int bin = 0;
    while (bin < CONVERT_BINS - 1 && s >= h->edges[bin])
        bin++;
    for (int i = 0; i < CONVERT_BINS; i++) {
        h->bins[i].n *= keep;
        h->bins[i].predicted *= keep;
        h->bins[i].converted *= keep;
    }
    h->bins[bin].n++;
    h->bins[bin].predicted += p;
    for (int i = 0; i < CONVERT_BINS - 1; i++) {
        double tau = (i + 1) / (double)CONVERT_BINS;
        h->edges[i] += eta * (s < h->edges[i] ? tau - 1 : tau);
        if (i > 0 && h->edges[i] < h->edges[i - 1])
            h->edges[i] = h->edges[i - 1];
    }
    return (uint8_t)bin;
}

static struct convert_user *user_part(struct user *u)
{
    if (!u->convert)
        u->convert = xcalloc(1, sizeof *u->convert);
    return u->convert;
}

static void learn_exposure(struct convert *c, struct convert_exposure *e, double s, bool has_z,
                           double raw)
{
    struct convert_head *h = head_to_change(c);
    struct convert_course *r = course_to_change(c, e->course);
    double p = chance_of(s);
    e->bin = note_prediction(h, s, p);
    e->learned = true;
    note_curvature(c, h, e->x, p * (1 - p) * (double)e->weight);
    step(h, e->x, p * (double)e->weight);
    if (has_z)
        note_score(h, raw);
    count_exposure(&h->kinds[r->kind], KIND_HALF_LIFE);
    count_exposure(&r->rate, COURSE_HALF_LIFE);
}

static void expose(struct model *m, struct user *u, const struct zl_event *ev)
{
    struct convert *c = m->convert;
    struct convert_exposure e = {
        .item = ev->item, .course = ev->course, .at_ms = ev->at_ms, .weight = ev->weight};
    struct asker a;
    float raw;
    if (ev->item == ZL_NO_INDEX || u->opted_out || is_sold(c, u, ev->course))
        return;
    asker_begin(m, u, ev->at_ms, &a);
    double s = describe(m, &a, ev->item, ev->course, &raw, e.x);
    if (!m->frozen)
        learn_exposure(c, &e, s, a.has_z && !(e.x[CONVERT_MET] > 0), (double)raw);
    head_to_change(c)->exposures++;
    course_to_change(c, ev->course)->exposed++;
    convert_user_pend(user_part(u), &e);
    metrics_add(METRIC_CONVERSION_EXPOSURES, 0, 1);
}

/* The label of an exposure becomes 1 (by = 1) or 0 again (by = -1), or loses a share. */
static void change_label(struct model *m, const struct user *u, const struct convert_exposure *e,
                         double by)
{
    struct convert *c = m->convert;
    if (!e->learned || m->frozen || u->opted_out)
        return;
    struct convert_head *h = head_to_change(c);
    struct convert_course *r = course_to_change(c, e->course);
    step(h, e->x, -by * (double)e->weight);
    count_conversion(&h->kinds[r->kind], by);
    count_conversion(&r->rate, by);
    h->bins[e->bin].converted += by;
    if (h->bins[e->bin].converted < 0)
        h->bins[e->bin].converted = 0;
}

static void convert_one(struct model *m, struct user *u, const struct zl_event *ev)
{
    struct convert *c = m->convert;
    struct convert_exposure e = {.item = ev->item, .course = ev->course};
    if (is_sold(c, u, ev->course))
        return; /* a purchase after an enrolment: the same conversion */
    struct convert_user *cu = user_part(u);
    struct convert_head *h = head_to_change(c);
    struct convert_course *r = course_to_change(c, ev->course);
    bool credited = convert_user_settle(cu, ev->item, ev->course, &e);
    if (credited)
        change_label(m, u, &e, 1);
    *(credited ? &h->conversions : &h->uncredited) += 1;
    r->converted++;
    r->conversions_net++;
    cu->conversions_net++;
    e.at_ms = ev->at_ms;
    convert_user_remember(cu, &e);
    metrics_add(METRIC_CONVERSIONS, !credited, 1);
}

/* How much of the whole conversion this refund gives back: a part of what was paid, else all that is left. */
static double give_back(struct convert_exposure *e, int64_t amount, bool *all)
{
    int64_t left = e->paid - e->given_back;
    *all = e->paid == 0 || amount <= 0 || amount >= left;
    double share = e->paid == 0 ? 1 : (double)(*all ? left : amount) / (double)e->paid;
    e->given_back += *all ? left : amount;
    return share;
}

static void refund(struct model *m, struct user *u, const struct zl_event *ev)
{
    struct convert *c = m->convert;
    struct convert_exposure *e =
        u->convert ? convert_user_bought(u->convert, ev->item, ev->course) : NULL;
    struct convert_head *h = head_to_change(c);
    bool all;
    *(e ? &h->refunds : &h->unknown_refunds) += 1;
    metrics_add(METRIC_CONVERSION_REFUNDS, !e, 1);
    if (!e)
        return;
    double share = give_back(e, ev->amount, &all);
    change_label(m, u, e, -share);
    if (!all)
        return;
    course_to_change(c, ev->course)->conversions_net--;
    u->convert->conversions_net--;
    convert_user_take_back(u->convert, e);
}

/* The first amount of a conversion (an enrolment may come before its purchase) is what a refund is a share of, and one of those by which
 * amounts of the kind are judged: who buys once has one say. */
static void note_paid(struct convert *c, struct user *u, const struct zl_event *ev)
{
    struct convert_exposure *e =
        u->convert ? convert_user_bought(u->convert, ev->item, ev->course) : NULL;
    if (ev->amount <= 0 || !e || e->paid > 0)
        return;
    struct convert_course *r = course_to_change(c, ev->course);
    struct convert_amounts *a = &head_to_change(c)->amounts[r->kind];
    e->paid = ev->amount;
    r->paid = ev->amount;
    a->at[a->n++ % CONVERT_AMOUNTS] = ev->amount;
    convert_bound(c, r->kind);
}

static void buy(struct model *m, struct user *u, const struct zl_event *ev)
{
    convert_one(m, u, ev);
    note_paid(m->convert, u, ev);
}

void convert_event(struct model *m, struct user *u, const struct zl_event *ev)
{
    struct convert *c = m->convert;
    if (ev->course == ZL_NO_INDEX && (ev->type == ZL_ENROLL || ev->type == ZL_PURCHASE))
        metrics_add(METRIC_CONVERSIONS, 2, 1);
    if (ev->course >= c->cfg.max_courses || !(ev->weight > 0))
        return;
    if (u->convert)
        convert_user_expire(u->convert, ev->at_ms - c->cfg.window_ms);
    switch (ev->type) {
    case ZL_WATCH: expose(m, u, ev); break;
    case ZL_PURCHASE: buy(m, u, ev); break;
    case ZL_ENROLL: convert_one(m, u, ev); break;
    case ZL_REFUND: refund(m, u, ev); break;
    default: break;
    }
}

/* ---- what ranking asks ---- */

void model_convert(const struct model *m, uint32_t user, const uint32_t *items,
                   const uint32_t *courses, int n, float *p)
{
    const struct convert *c = m->convert;
    const struct user *u = user < m->users.count ? users_row(&m->users, user) : NULL;
    struct asker a;
    float raw, x[CONVERT_N_FEATURES];
    asker_begin(m, u, u ? u->last_ms : 0, &a);
    for (int i = 0; i < n; i++) {
        p[i] = 0;
        if (courses[i] < c->cfg.max_courses && !is_sold(c, u, courses[i]))
            p[i] = (float)chance_of(describe(m, &a, items[i], courses[i], &raw, x));
    }
}

float model_convert_value(const struct model *m, uint32_t course)
{
    const struct convert *c = m->convert;
    if (course >= c->cfg.max_courses)
        return 0;
    const struct convert_course *r = convert_course_row(c, course);
    double value = c->cfg.outcomes[r->kind].value;
    int64_t price = price_of(c, r);
    if (c->cfg.outcomes[r->kind].per_price && price > 0)
        value *= (double)price / 100;
    return (float)value;
}

enum convert_kind model_convert_kind(const struct model *m, uint32_t course)
{
    return course < m->convert->cfg.max_courses
               ? (enum convert_kind)convert_course_row(m->convert, course)->kind
               : CONVERT_COURSE;
}

/* ---- for inspect ---- */

void model_convert_info(const struct model *m, struct model_convert_info *out)
{
    const struct convert *c = m->convert;
    const struct convert_head *h = &c->head;
    double n = 0, predicted = 0, converted = 0;
    *out = (struct model_convert_info){.exposures = h->exposures,
                                       .conversions = h->conversions,
                                       .uncredited = h->uncredited,
                                       .refunds = h->refunds,
                                       .unknown_refunds = h->unknown_refunds,
                                       .score_mean = h->score_mean,
                                       .score_deviation = sqrt(h->score_variance)};
    memcpy(out->weights, h->w, sizeof out->weights);
    for (int k = 0; k < CONVERT_N_KINDS; k++)
        out->kinds[k] = (struct convert_kind_info){h->kinds[k].exposures, h->kinds[k].conversions,
                                                   base_rate(c, k)};
    for (int i = 0; i < CONVERT_BINS; i++) {
        out->bins[i] = (struct convert_bin){.least = i ? chance_of(h->edges[i - 1]) : 0,
                                            .n = h->bins[i].n,
                                            .predicted = h->bins[i].predicted,
                                            .converted = h->bins[i].converted};
        n += h->bins[i].n;
        predicted += h->bins[i].predicted;
        converted += h->bins[i].converted;
    }
    out->predicted = n > 0 ? predicted / n : 0;
    out->observed = n > 0 ? converted / n : 0;
}

uint32_t model_courses(const struct model *m)
{
    return m->convert->n_courses;
}

void model_course_info(const struct model *m, uint32_t course, struct model_course_info *out)
{
    const struct convert *c = m->convert;
    *out = (struct model_course_info){0};
    if (course >= c->n_courses || !convert_course_row(c, course)->known)
        return;
    const struct convert_course *r = convert_course_row(c, course);
    *out = (struct model_course_info){.known = true,
                                      .kind = (enum convert_kind)r->kind,
                                      .price = price_of(c, r),
                                      .exposures = r->rate.exposures,
                                      .conversions = r->rate.conversions,
                                      .rate = smoothed(&r->rate, base_rate(c, r->kind), SMOOTH),
                                      .exposed = r->exposed,
                                      .converted = r->converted,
                                      .conversions_net = r->conversions_net};
}

int64_t model_user_conversions(const struct model *m, uint32_t user, int *pending)
{
    const struct convert_user *u =
        user < m->users.count ? users_row(&m->users, user)->convert : NULL;
    *pending = u ? (int)u->n_pending : 0;
    return u ? u->conversions_net : 0;
}
