/* app/hot.h - what is popular, by category and by surface: zl:hot:<category>, zl:hot:surface:<surface> and zl:hot:all, for users who have
 *          no list yet.
 * Formula  the decayed count of choices at the model's middle half-life (model/popularity.c); the best n served items of a category. Of a surface: that
 *          count times the lift there (model/surfaces.h), over the items counted there and those of zl:hot:all, so a surface with few
 *          choices has the list of all.
 *          This is the fallback of an engine without trend lists: those come later and will write the same keys with more to say
 *          (score, z, distinct, since).
 * Promise  Made anew at most once every `every`, and only when something was chosen or an item's state changed; a list is
 *          written when it differs or half of its TTL has passed. At most HOT_CATEGORIES categories, in order of item index; a category
 *          named "all" or beginning with "surface:" has no list of its own. A category that has nothing left to show gets an empty list.
 *          All items are looked at a thousand a turn, while no user's list waits. A file source: once, at the end.
 * Memory   12 n bytes a category or surface.
 * Threads  the engine's loop only. */
#ifndef APP_HOT_H
#define APP_HOT_H

#include <stdbool.h>
#include <stdint.h>

#include "app/similar.h"

#define HOT_CATEGORIES 1000U

struct hot_config {
    int n; /* list length, 1..ZL_MAX_LIST */
    int64_t every_ns, ttl_ms;
    uint32_t incarnation;
    uint64_t epoch;
    uint64_t token; /* set in every token */
    bool at_end;
};

struct hot;

/* The rooms are borrowed until hot_close. */
MUST_CHECK enum zl_status hot_open(const struct hot_config *cfg, const struct model *m,
                                   const struct catalog *c, struct sink *s, const struct ids *items,
                                   const struct zl_positions *positions, struct hot **out,
                                   struct zl_error *err);
void hot_close(struct hot *h);

/* All take NULL for h: popularity lists are off. */
/* An item became served or stopped being it: lists are looked at again at once. */
void hot_changed(struct hot *h);
/* A served item of this category is described anew: it may leave the category with nothing, which the store must be told even if no sweep
 * of this engine has found the category yet. */
void hot_leaving(struct hot *h, struct zl_span category);
void hot_turn(struct hot *h, int64_t now_ns, bool feed_waits);
bool hot_finish(struct hot *h); /* as similar_finish */
void hot_take_answer(struct hot *h, const struct sink_answer *a);
/* When hot_turn has something to do, monotonic ns; INT64_MAX: nothing. */
int64_t hot_next_ns(const struct hot *h);

#endif
