/* Every scored event leaves a record; the sums are made at the end, when it is known how many there are, and so where the windows of time
 * begin. Records also let two runs be compared event by event. */
#include "app/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/evaluate_priv.h"
#include "base/check.h"

struct evaluate *evaluate_open(int top)
{
    ASSERT(top >= 1 && top <= RANK_TOP_MAX);
    struct evaluate *e = xcalloc(1, sizeof *e);
    e->top = top;
    return e;
}

void evaluate_close(struct evaluate *e)
{
    if (!e)
        return;
    free(e->records);
    free(e->shown);
    free(e);
}

static struct evaluate_record *add_record(struct evaluate *e)
{
    if (e->n == e->capacity) {
        e->capacity = e->capacity ? e->capacity * 2 : 65536;
        e->records = xrealloc(e->records, e->capacity, sizeof *e->records);
    }
    return &e->records[e->n++];
}

static void note_shown(struct evaluate *e, uint32_t item)
{
    if (item >= e->n_items) {
        uint32_t n = item < 1024 ? 1024 : item * 2;
        e->shown = xrealloc(e->shown, n, 1);
        memset(e->shown + e->n_items, 0, n - e->n_items);
        e->n_items = n;
    }
    e->shown[item] = 1;
}

static float novelty_of(const struct model *m, const struct rank_result *r)
{
    double sum = 0, total = (double)model_positives(m) + 1;
    for (int i = 0; i < r->n_top; i++)
        sum -= log2((model_item_positives(m, r->top[i]) + 1.0) / total);
    return r->n_top ? (float)(sum / r->n_top) : 0;
}

static uint8_t length_of(uint32_t history)
{
    return history == 0 ? 0 : history < 5 ? 1 : history < 20 ? 2 : 3;
}

void evaluate_take(struct evaluate *e, const struct model *m, const struct zl_event *ev,
                   uint64_t at, const struct rank_result *r)
{
    struct evaluate_record *rec = add_record(e);
    uint32_t history = model_history_length(m, ev->user);
    *rec = (struct evaluate_record){.at = at,
                                    .user = ev->user,
                                    .novelty = novelty_of(m, r),
                                    .frozen = (float)r->frozen,
                                    .cold = r->cold,
                                    .cold_auc = (float)r->cold_auc,
                                    .cold_rank = (float)r->cold_rank,
                                    .length = length_of(history),
                                    .first = history == 0};
    for (int p = 0; p < RANK_N_PARTS; p++)
        rec->ranks[p] = (float)r->ranks[p];
    rec->warm = history > 0 && model_item_positives(m, ev->item) > 0;
    for (int i = 0; i < r->n_top; i++)
        note_shown(e, r->top[i]);
}

/* ---- sums ---- */

static void add_rank(struct evaluate_quality *q, double rank, int top)
{
    q->n++;
    q->mrr += rank > 0 ? 1 / rank : 0;
    if (rank > 0 && rank <= top) {
        q->hr++;
        q->ndcg += 1 / log2(rank + 1);
    }
}

static void add_record_to(const struct evaluate_record *rec, int top, struct evaluate_result *out)
{
    double rank = (double)rec->ranks[RANK_MIX];
    add_rank(&out->overall, rank, top);
    add_rank(&out->by_history[rec->length], rank, top);
    if (rec->warm)
        add_rank(&out->warm, rank, top);
    if (rec->first)
        add_rank(&out->first, rank, top);
    for (int p = 0; p < RANK_N_PARTS; p++) {
        add_rank(&out->parts[p], (double)rec->ranks[p], top);
        add_rank(&out->parts_by_history[rec->length * RANK_N_PARTS + p], (double)rec->ranks[p],
                 top);
    }
    if (rec->frozen >= 0)
        add_rank(&out->frozen, (double)rec->frozen, top);
    if (rec->cold) {
        out->n_cold++;
        out->cold_auc += (double)rec->cold_auc;
        out->cold_hr += rec->cold_rank <= (float)top;
    }
    out->novelty += (double)rec->novelty;
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* All qualities of a result, one after the other; the same for each result. */
static struct evaluate_quality *quality_at(struct evaluate_result *r, int i)
{
    struct evaluate_quality *const groups[] = {&r->overall, &r->warm,           &r->first,
                                               &r->frozen,  r->by_history,      r->parts,
                                               r->windows,  r->parts_by_history};
    static const int sizes[] = {1,
                                1,
                                1,
                                1,
                                EVALUATE_LENGTHS,
                                RANK_N_PARTS,
                                EVALUATE_WINDOWS,
                                EVALUATE_LENGTHS * RANK_N_PARTS};
    for (size_t g = 0; g < sizeof sizes / sizeof sizes[0]; i -= sizes[g], g++)
        if (i < sizes[g])
            return groups[g] + i;
    return NULL;
}

void evaluate_summarise(const struct evaluate *e, uint32_t n_items, struct evaluate_result *out)
{
    double covered = 0;
    struct evaluate_quality *q;
    *out = (struct evaluate_result){0};
    for (uint64_t i = 0; i < e->n; i++) {
        add_record_to(&e->records[i], e->top, out);
        add_rank(&out->windows[i * EVALUATE_WINDOWS / e->n], (double)e->records[i].ranks[RANK_MIX],
                 e->top);
    }
    for (uint32_t i = 0; i < e->n_items; i++)
        covered += e->shown[i];
    out->coverage = share(covered, n_items);
    out->novelty = share(out->novelty, (double)e->n);
    out->cold_auc = share(out->cold_auc, out->n_cold);
    out->cold_hr = share(out->cold_hr, out->n_cold);
    for (int i = 0; (q = quality_at(out, i)) != NULL; i++) {
        q->hr = share(q->hr, q->n);
        q->ndcg = share(q->ndcg, q->n);
        q->mrr = share(q->mrr, q->n);
    }
}

static void add_quality(struct evaluate_quality *sum, const struct evaluate_quality *q, double w)
{
    sum->n += w * q->n;
    sum->hr += w * q->hr;
    sum->ndcg += w * q->ndcg;
    sum->mrr += w * q->mrr;
}

void evaluate_mean(const struct evaluate_result *results, int n, struct evaluate_result *out)
{
    *out = (struct evaluate_result){0};
    for (int r = 0; r < n; r++) {
        struct evaluate_result one = results[r];
        struct evaluate_quality *q;
        for (int i = 0; (q = quality_at(&one, i)) != NULL; i++)
            add_quality(quality_at(out, i), q, 1.0 / n);
        out->n_cold += one.n_cold / n;
        out->cold_auc += one.cold_auc / n;
        out->cold_hr += one.cold_hr / n;
        out->coverage += one.coverage / n;
        out->novelty += one.novelty / n;
    }
}

double evaluate_spread(const struct evaluate_result *results, int n)
{
    double mean = 0, squares = 0;
    for (int r = 0; r < n; r++)
        mean += results[r].overall.hr / n;
    for (int r = 0; r < n; r++)
        squares += (results[r].overall.hr - mean) * (results[r].overall.hr - mean);
    return n > 1 ? sqrt(squares / (n - 1)) : 0;
}
