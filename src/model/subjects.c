/* Somebody who chose three videos about chess wants chess. The core learns that in its vectors, after a while; co-occurrence knows it of
 * items that were chosen together. A count of what the history is about knows it at once, and of every item that is described, also of one
 * that nobody has chosen yet. What most items are about says little, so shares are compared with those of all users' choices.
 *
 * Only tags and the category are asked, which are few and say what an item is about. With uploader, title and numbers as well the sum was
 * worse than nothing (HR@10 of a simulated platform .2577 -> .2450; with tags and category .2650): many rare traits that each say nothing.
 *
 * What a user's subjects say lies dense, by feature, while candidates are scored: a candidate is then a sum of a few floats. */
#include "model/subjects.h"

#include "base/check.h"
#include "base/special.h"
#include "base/vec.h"
#include "model/model_priv.h"

#define OLDER 0.97f /* what an item of the history counts beside the next newer one */
#define LIKE_ANYBODY 2.0f

enum zl_status subjects_init(struct subjects *s, const struct model_config *cfg,
                             struct zl_error *err)
{
    s->n_touched = 0;
    return table_init(&s->rows, "subjects (model.max_features)",
                      cfg->content ? cfg->max_features / 2 + 1 : 1, 2 * sizeof(struct subject),
                      err);
}

void subjects_release(struct subjects *s)
{
    table_release(&s->rows);
}

static struct subject *subject_of(const struct model *m, uint32_t feature)
{
    return (struct subject *)(void *)m->subjects.rows.rows + feature;
}

/* ---- how often each is chosen ---- */

void subjects_count(struct model *m, uint32_t item, int times)
{
    if (!m->content.on || times == 0)
        return;
    const struct content_item *it = content_item(&m->content, item);
    for (int i = 0; i < it->n_subjects; i++)
        subject_of(m, it->features[i])->chosen += (uint32_t)times;
}

void subjects_rebuild(struct model *m)
{
    for (uint32_t f = 0; f < m->content.n_features; f++)
        subject_of(m, f)->chosen = 0;
    for (uint32_t i = 0; i < m->items.count; i++)
        subjects_count(m, i, (int)*items_in_window(&m->items, i));
}

/* ---- a user ---- */

/* Leaves A(f) in `says`; returns W. */
static float gather(struct model *m, const struct user *u)
{
    struct subjects *s = &m->subjects;
    float weight = 1, total = 0;
    for (int l = 0; l < u->n_history; l++, weight *= OLDER) {
        const struct content_item *it = content_item(&m->content, u->history[l].item);
        for (int i = 0; i < it->n_subjects; i++) {
            float *says = &subject_of(m, it->features[i])->says;
            s->touched[s->n_touched] = it->features[i];
            s->n_touched += *says == 0;
            *says += weight;
        }
        total += it->n_subjects ? weight : 0;
    }
    return total;
}

void model_subjects_begin(struct model *m, uint32_t user)
{
    struct subjects *s = &m->subjects;
    VEC_SCRATCH float logs[MODEL_MAX_HISTORY * MODEL_MAX_FEATURES];
    if (!m->content.on || user >= m->users.count || users_row(&m->users, user)->opted_out)
        return;
    ASSERT(s->n_touched == 0); /* else the logarithms of the user before stand in `says` */
    float of_all = (float)(m->window.n < m->window.size ? m->window.n : m->window.size) + 1;
    s->none = -(float)special_log(1 + (double)gather(m, users_row(&m->users, user)) /
                                          (double)LIKE_ANYBODY);
    for (uint32_t i = 0; i < s->n_touched; i++) {
        const struct subject *f = subject_of(m, s->touched[i]);
        logs[i] = 1 + f->says * of_all / (LIKE_ANYBODY * ((float)f->chosen + 1));
    }
    special_log_all(logs, logs, (int)s->n_touched);
    for (uint32_t i = 0; i < s->n_touched; i++)
        subject_of(m, s->touched[i])->says = logs[i] * content_shrink(&m->content, s->touched[i]);
}

void model_subjects(const struct model *m, const uint32_t *items, int n, float *f)
{
    for (int i = 0; i < n; i++)
        f[i] = 0;
    for (int i = 0; i < n && m->subjects.n_touched; i++) {
        const struct content_item *it = content_item(&m->content, items[i]);
        float sum = 0;
        for (int k = 0; k < it->n_subjects; k++)
            sum += subject_of(m, it->features[k])->says + m->subjects.none;
        f[i] = sum * it->subject_scale;
    }
}

void model_subjects_end(struct model *m)
{
    for (uint32_t i = 0; i < m->subjects.n_touched; i++)
        subject_of(m, m->subjects.touched[i])->says = 0;
    m->subjects.n_touched = 0;
}
