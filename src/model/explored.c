/* What showing by chance has taught. An impression that carries a propensity stood at a place whose item was drawn; the rewards that the
 * same user then gives the item tell what such a showing is worth. Two decayed numbers an item:
 *
 *   n <- n (1 - 1/512) + 1, R <- R (1 - 1/512)      at each showing
 *   R <- R + reward                                 at each reward that follows one
 *
 * so that R / n is the mean over about the newest 512 showings. The whole platform has the same two numbers, which say what a showing of
 * an unknown item is worth. Nothing here looks at showings by score: who is shown there was chosen for being liked. */
#include "model/model_priv.h"

#define KEEP_ITEM (1 - 1.0F / 512)
#define KEEP_ALL (1 - 1.0 / 16384)
/* Before anything was shown by chance: as if ten such showings had brought two tenths each. */
#define PRIOR_SHOWN 10
#define PRIOR_MEAN 0.2

void explored_note(struct model *m, uint32_t item, float weight)
{
    struct item_stats *s = items_stats_to_change(&m->items, item);
    s->shown_explore = s->shown_explore * KEEP_ITEM + weight;
    s->reward_explore *= KEEP_ITEM;
    rows_touch(&m->track, 0);
    m->shown_explore = m->shown_explore * KEEP_ALL + (double)weight;
    m->reward_explore *= KEEP_ALL;
}

void explored_reward(struct model *m, uint32_t item, double reward)
{
    struct item_stats *s = items_stats_to_change(&m->items, item);
    s->reward_explore += (float)reward;
    rows_touch(&m->track, 0);
    m->reward_explore += reward;
}

void model_explored(const struct model *m, uint32_t item, double *shown, double *reward)
{
    bool known = item < m->items.count;
    *shown = known ? (double)items_stats(&m->items, item)->shown_explore : 0;
    *reward = known ? (double)items_stats(&m->items, item)->reward_explore : 0;
}

double model_explored_mean(const struct model *m)
{
    return (m->reward_explore + PRIOR_SHOWN * PRIOR_MEAN) / (m->shown_explore + PRIOR_SHOWN);
}
