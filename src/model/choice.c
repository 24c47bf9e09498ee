/* What counts as a choice. Whoever is shown something dull looks at it for a while too, so the fact that an item was watched says more of
 * what was shown than of what was wanted, and lists that learn from it come back to themselves: shown, watched a little, popular, shown.
 * The rank r of a watch (reward/watch.c) tells the two apart. Below the floor f it is no choice: no step, no count, no place in the
 * history. Above, what remains is stretched,
 *
 *   r' = w (r - f w) / (w - f w)      w: the weight of a watch, so that r = w stays w
 *
 * so that there is no jump at the floor. Other events are choices for as much as they are worth. */
#include "model/model_priv.h"

int64_t model_choice(const struct model *m, const struct zl_event *ev)
{
    double r = (double)ev->reward_micro, least = m->cfg.watch_least * 1e6,
           most = m->cfg.watch_most * 1e6;
    if (ev->type != ZL_WATCH || least <= 0 || r >= most)
        return ev->reward_micro;
    if (r <= least)
        return 0;
    return (int64_t)(most * (r - least) / (most - least));
}
