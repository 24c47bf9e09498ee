/* Every scored event leaves a record; the sums are made at the end, when it is known how long the stream was and so what "the first 30 %"
 * are. */
#include "app/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct record {
    uint64_t at; /* number among the tested events */
    float ranks[RANK_N_PARTS];
    float novelty, cold_auc, cold_rank;
    bool warm, first, cold;
};

struct evaluate {
    int64_t every;
    uint64_t tested;
    struct record *records;
    uint64_t n, capacity;
    uint64_t *last_shown; /* item -> 1 + number of the event whose top it last stood in; 0: never */
    uint32_t n_items;
};

struct evaluate *evaluate_open(int64_t every)
{
    struct evaluate *e = xcalloc(1, sizeof *e);
    e->every = every;
    return e;
}

void evaluate_close(struct evaluate *e)
{
    if (!e)
        return;
    free(e->records);
    free(e->last_shown);
    free(e);
}

static struct record *add_record(struct evaluate *e)
{
    if (e->n == e->capacity) {
        e->capacity = e->capacity ? e->capacity * 2 : 65536;
        e->records = xrealloc(e->records, e->capacity, sizeof *e->records);
    }
    return &e->records[e->n++];
}

static void note_shown(struct evaluate *e, uint32_t item, uint64_t at)
{
    if (item >= e->n_items) {
        uint32_t n = item < 1024 ? 1024 : item * 2;
        e->last_shown = xrealloc(e->last_shown, n, sizeof *e->last_shown);
        memset(e->last_shown + e->n_items, 0, (n - e->n_items) * sizeof *e->last_shown);
        e->n_items = n;
    }
    e->last_shown[item] = at + 1;
}

static float novelty_of(const struct model *m, const struct rank_result *r)
{
    double sum = 0, total = (double)model_positives(m) + 1;
    for (int i = 0; i < r->n_top; i++)
        sum -= log2((model_item_positives(m, r->top[i]) + 1.0) / total);
    return r->n_top ? (float)(sum / r->n_top) : 0;
}

void evaluate_take(struct evaluate *e, const struct model *m, const struct zl_event *ev,
                   const struct rank_result *r)
{
    uint64_t at = e->tested++;
    if (at % (uint64_t)e->every)
        return;
    struct record *rec = add_record(e);
    *rec = (struct record){.at = at,
                           .novelty = novelty_of(m, r),
                           .cold = r->cold,
                           .cold_auc = (float)r->cold_auc,
                           .cold_rank = (float)r->cold_rank};
    for (int p = 0; p < RANK_N_PARTS; p++)
        rec->ranks[p] = (float)r->ranks[p];
    rec->first = model_history_length(m, ev->user) == 0;
    rec->warm = !rec->first && model_item_positives(m, ev->item) > 0;
    for (int i = 0; i < r->n_top; i++)
        note_shown(e, r->top[i], at);
}

static void add_rank(struct evaluate_quality *q, double rank)
{
    q->n++;
    q->mrr += rank > 0 ? 1 / rank : 0;
    if (rank > 0 && rank <= RANK_TOP) {
        q->hr++;
        q->ndcg += 1 / log2(rank + 1);
    }
}

static void mean(struct evaluate_quality *q)
{
    double n = q->n ? (double)q->n : 1;
    q->hr /= n;
    q->ndcg /= n;
    q->mrr /= n;
}

static uint64_t first_scored(const struct evaluate *e, double skip)
{
    uint64_t i = 0;
    while (i < e->n && (double)e->records[i].at < skip * (double)e->tested)
        i++;
    return i;
}

static void add_record_to(const struct record *rec, struct evaluate_result *out)
{
    double rank = (double)rec->ranks[RANK_MIX];
    add_rank(&out->overall, rank);
    if (rec->warm)
        add_rank(&out->warm, rank);
    if (rec->first)
        add_rank(&out->first, rank);
    for (int p = 0; p < RANK_N_PARTS; p++)
        add_rank(&out->parts[p], (double)rec->ranks[p]);
    if (rec->cold) {
        out->n_cold++;
        out->cold_auc += (double)rec->cold_auc;
        out->cold_hr += rec->cold_rank <= RANK_TOP;
    }
    out->novelty += (double)rec->novelty;
}

void evaluate_summarise(const struct evaluate *e, double skip, uint32_t n_items,
                        struct evaluate_result *out)
{
    uint64_t from = first_scored(e, skip), scored = e->n - from, covered = 0;
    memset(out, 0, sizeof *out);
    for (uint64_t i = from; i < e->n; i++) {
        add_record_to(&e->records[i], out);
        add_rank(&out->windows[(i - from) * EVALUATE_WINDOWS / scored],
                 (double)e->records[i].ranks[RANK_MIX]);
    }
    uint64_t first_at = from < e->n ? e->records[from].at : 0;
    for (uint32_t i = 0; i < e->n_items; i++)
        covered += e->last_shown[i] > first_at;
    out->coverage = n_items ? (double)covered / n_items : 0;
    out->novelty /= scored ? (double)scored : 1;
    out->cold_auc /= out->n_cold ? (double)out->n_cold : 1;
    out->cold_hr /= out->n_cold ? (double)out->n_cold : 1;
    mean(&out->overall);
    mean(&out->warm);
    mean(&out->first);
    for (int p = 0; p < RANK_N_PARTS; p++)
        mean(&out->parts[p]);
    for (int w = 0; w < EVALUATE_WINDOWS; w++)
        mean(&out->windows[w]);
}

static bool hit(const struct record *r)
{
    return r->ranks[RANK_MIX] > 0 && r->ranks[RANK_MIX] <= RANK_TOP;
}

enum zl_status evaluate_compare(const struct evaluate *a, const struct evaluate *b, double skip,
                                uint64_t *only_a, uint64_t *only_b, double *p, struct zl_error *err)
{
    *only_a = *only_b = 0;
    *p = 1;
    if (a->n != b->n || a->tested != b->tested)
        return zl_fail(err, ZL_EBADDATA,
                       "the two configurations scored %llu and %llu events: their rewards differ, "
                       "so hits cannot be paired",
                       (unsigned long long)a->n, (unsigned long long)b->n);
    for (uint64_t i = first_scored(a, skip); i < a->n; i++) {
        *only_a += hit(&a->records[i]) && !hit(&b->records[i]);
        *only_b += hit(&b->records[i]) && !hit(&a->records[i]);
    }
    double n = (double)(*only_a + *only_b), difference = fabs((double)*only_a - (double)*only_b);
    if (n > 0)
        *p = erfc((difference > 1 ? difference - 1 : 0) / sqrt(2 * n));
    return ZL_OK;
}
