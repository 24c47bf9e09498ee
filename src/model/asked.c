/* What rank, inspect and the ledger ask: reads of the rows as they are now, one table or two at a time. Nothing here changes a row.
 * An index beyond the rows is somebody, or something, of whom nothing is known yet. */
#include <string.h>

#include "base/special.h"
#include "base/vec.h"
#include "model/model_priv.h"

/* ---- rank ---- */

uint32_t model_items(const struct model *m)
{
    return m->items.count;
}

uint32_t model_users(const struct model *m)
{
    return m->users.count;
}

int model_k(const struct model *m)
{
    return m->cfg.k;
}

bool model_encode(const struct model *m, uint32_t user, float *z)
{
    if (user >= m->users.count || users_row(&m->users, user)->opted_out)
        return false;
    return learn_encode(m, users_row(&m->users, user), z);
}

int model_encoding(const struct model *m, uint32_t user, uint32_t *items, float *weights)
{
    if (user >= m->users.count || users_row(&m->users, user)->opted_out)
        return 0;
    const struct user *u = users_row(&m->users, user);
    int n = learn_history_weights(&m->cfg, u, weights);
    for (int l = 0; l < n; l++)
        items[l] = u->history[l].item;
    return n;
}

void model_item_input(const struct model *m, uint32_t item, float *v)
{
    memset(v, 0, (size_t)m->cfg.k * sizeof *v);
    vec_add_pairs(v, &(float){1}, &(const float *){items_x(&m->items, item)}, 1, m->cfg.k);
}

const float *model_item_vector(const struct model *m, uint32_t item, float *b)
{
    *b = items_learned(&m->items, item)->b;
    return items_q(&m->items, item);
}

void model_item_output(const struct model *m, uint32_t item, float *q, float *b)
{
    memcpy(q, model_item_vector(m, item, b), (size_t)m->cfg.k * sizeof *q);
}

void model_item_prefetch(const struct model *m, uint32_t item)
{
    items_prefetch_q(&m->items, item);
}

float model_content_score(const struct model *m, uint32_t item, const float *z)
{
    return m->content.on ? vec_dot(z, items_c(&m->items, item), m->cfg.k) : 0;
}

const uint32_t *model_seen(const struct model *m, uint32_t user, uint32_t *n)
{
    *n = 0;
    if (user >= m->users.count)
        return NULL;
    const struct user *u = users_row(&m->users, user);
    *n = u->seen.n;
    return u->seen.items;
}

bool model_has_met(const struct model *m, uint32_t user, uint32_t item)
{
    return user < m->users.count && users_has_seen(users_row(&m->users, user), item);
}

const struct model_impressed *model_impressions(const struct model *m, uint32_t user, uint32_t *n)
{
    *n = 0;
    if (user >= m->users.count)
        return NULL;
    const struct user *u = users_row(&m->users, user);
    *n = u->n_impressed;
    return u->impressed;
}

static uint32_t add_row(const struct cooccur_row *r, float scale, float *sums, uint32_t *touched,
                        uint32_t n)
{
    VEC_SCRATCH struct cooccur_entry entries[COOCCUR_ENTRIES];
    uint32_t in_row = cooccur_entries(r, entries);
    for (uint32_t i = 0; i < in_row; i++) {
        float *sum = &sums[entries[i].item];
        touched[n] = entries[i].item;
        n += *sum == 0;
        *sum += scale * entries[i].weight;
    }
    return n;
}

/* Rows of the history's newest that have entries, and what each of these is to be multiplied by. */
static int cooccur_rows_of(const struct model *m, const struct user *u,
                           const struct cooccur_row *rows[COOCCUR_DEPTH], float *scales)
{
    double counts[COOCCUR_DEPTH] = {0}, now = m->decay.now[DECAY_COOCCUR];
    float distances[COOCCUR_DEPTH], distance = 1;
    int n = 0;
    for (int l = 0; l < u->n_history && l < COOCCUR_DEPTH; l++, distance *= COOCCUR_OLDER) {
        uint32_t h = u->history[l].item;
        rows[n] = cooccur_row(&m->cooccur, h, now, &scales[n]);
        if (!rows[n])
            continue;
        counts[n] = items_stats(&m->items, h)->count - now;
        distances[n++] = distance;
    }
    special_exp2_all(counts, counts, n);
    for (int i = 0; i < n; i++)
        counts[i] += 1;
    special_log2_all(counts, counts, n);
    for (int i = 0; i < n; i++)
        counts[i] *= COOCCUR_DAMP_FROM;
    special_exp2_all(counts, counts, n);
    for (int i = 0; i < n; i++)
        scales[i] *= distances[i] * (float)counts[i];
    return n;
}

uint32_t model_cooccur(const struct model *m, uint32_t user, float *sums, uint32_t *touched)
{
    const struct cooccur_row *rows[COOCCUR_DEPTH];
    float scales[COOCCUR_DEPTH];
    uint32_t n = 0;
    if (user >= m->users.count || users_row(&m->users, user)->opted_out)
        return 0;
    int n_rows = cooccur_rows_of(m, users_row(&m->users, user), rows, scales);
    for (int l = 0; l < n_rows; l++) {
        const struct cooccur_row *next = rows[l + 1 < n_rows ? l + 1 : l];
        for (uint32_t i = 0; i < next->capacity; i += 64 / sizeof *next->slots)
            __builtin_prefetch(next->slots + i);
        n = add_row(rows[l], scales[l], sums, touched, n);
    }
    return n;
}

float model_cooccur_damp(const struct model *m, const uint32_t *items, uint32_t n, float *sums)
{
    double total = 0;
    for (uint32_t i = 0; i < n; i++) {
        __builtin_prefetch(&items_stats(&m->items, items[i + 8 < n ? i + 8 : i])->damp);
        sums[items[i]] *= items_stats(&m->items, items[i])->damp;
        total += (double)sums[items[i]];
    }
    return (float)total;
}

double model_correction(const struct model *m, const struct zl_event *ev)
{
    if (ev->user >= m->users.count)
        return 1;
    return correct_counts(m, correct_propensity(users_row(&m->users, ev->user), ev, ev->item));
}

uint32_t model_item_positives(const struct model *m, uint32_t item)
{
    return item < m->items.count ? items_stats(&m->items, item)->positives : 0;
}

int64_t model_item_first_ms(const struct model *m, uint32_t item)
{
    return item < m->items.count ? items_stats(&m->items, item)->first_ms : 0;
}

uint32_t model_history_length(const struct model *m, uint32_t user)
{
    return user < m->users.count ? users_row(&m->users, user)->n_history : 0;
}

uint64_t model_positives(const struct model *m)
{
    return m->window.n;
}

/* ---- inspect ---- */

void model_user_info(const struct model *m, uint32_t user, struct model_user_info *out)
{
    *out = (struct model_user_info){0};
    if (user >= m->users.count)
        return;
    const struct user *u = users_row(&m->users, user);
    memcpy(out->counts, u->counts, sizeof out->counts);
    out->reward_table_micro = u->reward_table_micro;
    out->last_ms = u->last_ms;
    out->first_ms = u->first_ms;
    out->n_history = u->n_history;
    out->n_seen = u->seen.n;
    memcpy(out->history, u->history, u->n_history * sizeof u->history[0]);
    out->opted_out = u->opted_out;
}

void model_item_info(const struct model *m, uint32_t item, struct model_item_info *out)
{
    *out = (struct model_item_info){0};
    if (item >= m->items.count || !items_stats(&m->items, item)->known)
        return;
    const struct item_stats *s = items_stats(&m->items, item);
    memcpy(out->counts, s->counts, sizeof out->counts);
    out->reward_table_micro = s->reward_table_micro;
    out->last_ms = s->last_ms;
    out->first_ms = s->first_ms;
    for (int h = 0; h < MODEL_HALF_LIVES; h++)
        out->popularity[h] = popularity_count(m, item, h);
}

int64_t model_user_last_ms(const struct model *m, uint32_t user)
{
    return user < m->users.count ? users_row(&m->users, user)->last_ms : 0;
}

int32_t model_user_partition(const struct model *m, uint32_t user)
{
    return user < m->users.count ? users_row(&m->users, user)->partition : 0;
}

const uint64_t *model_event_counts(const struct model *m)
{
    return m->event_counts;
}
