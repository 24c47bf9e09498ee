/* What the newest choice h says of an item j, beside what the whole history says: chains are short, and the next lesson is often the one
 * that is like the last one, or that people had before it.
 *
 *   likeness(j) = 3 cos(q_j, q_h)                                         by what they are found by
 *   backward(j) = 10 C[j -> h] ((n_j + 1) (n_h + 1))^-1/2                 h after j, where co-occurrence asks for j after h
 *
 * 3 and 10 give both about the range of the other parts. */
#include <math.h>

#include "base/special.h"
#include "base/vec.h"
#include "model/model_priv.h"

#define LIKENESS_RANGE 3.0f
#define BACKWARD_RANGE 10.0f
#define LEAST_NORM 1e-9f
#define AHEAD 4 /* rows asked for before they are read */

static float likeness(const struct model *m, const float *h, float norm2, uint32_t item)
{
    const float *q = items_q(&m->items, item);
    float of_both = norm2 * vec_dot(q, q, m->cfg.k);
    return LIKENESS_RANGE * vec_dot(q, h, m->cfg.k) / sqrtf(of_both + LEAST_NORM);
}

static double choices(const struct model *m, uint32_t item)
{
    return items_stats(&m->items, item)->count - m->decay.now[DECAY_COOCCUR];
}

/* n: 1 to COOCCUR_BLOCK. */
static void backward(const struct model *m, uint32_t newest, const uint32_t *items, int n,
                     float *back)
{
    VEC_SCRATCH double count[COOCCUR_BLOCK];
    double n_newest = special_exp2(choices(m, newest)) + 1;
    cooccur_weights(&m->cooccur, items, n, newest, m->decay.now[DECAY_COOCCUR], back);
    for (int i = 0; i < n; i++)
        count[i] = choices(m, items[i]);
    special_exp2_all(count, count, n);
    for (int i = 0; i < n; i++)
        back[i] = BACKWARD_RANGE * back[i] / sqrtf((float)((count[i] + 1) * n_newest));
}

/* Ties go both ways, so whom the sums do not know is not searched for: only what a full row has let go can be missed. */
static void backward_of_tied(const struct model *m, uint32_t newest, const uint32_t *items, int n,
                             const float *sums, float *back)
{
    uint32_t tied[COOCCUR_BLOCK] = {0};
    float of_tied[COOCCUR_BLOCK] = {0};
    int place[COOCCUR_BLOCK] = {0}, n_tied = 0;
    for (int i = 0; i < n; i++) {
        back[i] = 0;
        tied[n_tied] = items[i];
        place[n_tied] = i;
        n_tied += sums[items[i]] > 0;
        if (n_tied < COOCCUR_BLOCK && i < n - 1)
            continue;
        if (n_tied > 0)
            backward(m, newest, tied, n_tied, of_tied);
        while (n_tied > 0) {
            n_tied--;
            back[place[n_tied]] = of_tied[n_tied];
        }
    }
}

void model_newest(const struct model *m, uint32_t user, const uint32_t *items, int n,
                  const float *sums, float *like, float *back)
{
    const struct user *u = user < m->users.count ? users_row(&m->users, user) : NULL;
    bool known = u && !u->opted_out && u->n_history > 0;
    for (int i = 0; i < n && !known; i++)
        like[i] = back[i] = 0;
    if (!known)
        return;
    uint32_t newest = u->history[0].item;
    const float *h = items_q(&m->items, newest);
    float norm2 = vec_dot(h, h, m->cfg.k);
    backward_of_tied(m, newest, items, n, sums, back);
    for (int i = 0; i < n; i++) {
        items_prefetch_q(&m->items, items[i + AHEAD < n ? i + AHEAD : i]);
        like[i] = likeness(m, h, norm2, items[i]);
    }
}
