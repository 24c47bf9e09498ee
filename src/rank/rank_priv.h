/* What the files of this room share: the packed table, and one user's ranking under way. */
#ifndef RANK_PRIV_H
#define RANK_PRIV_H

#include "base/table.h"
#include "base/rng.h"
#include "base/topk.h"
#include "rank/explore.h"
#include "rank/rank.h"

#define PANEL 16

/* All items' outputs, 16 items a panel: k rows of 16 floats, then 16 biases. A panel is what vec_score_panel4 eats. */
struct pack {
    int k;
    uint32_t n_items;
    struct table panels;
};

enum zl_status pack_init(struct pack *p, int k, uint32_t max_items, struct zl_error *err);
void pack_release(struct pack *p);
/* Copies in the row of one item. */
void pack_put(struct pack *p, const struct model *m, uint32_t item);
/* Copies in what the model changed since the last call. */
void pack_refresh(struct pack *p, struct model *m);

static inline const float *pack_panel(const struct pack *p, uint32_t panel)
{
    return table_row(&p->panels, panel);
}

/* names.c: order among equal scores. */
struct names {
    const struct ids *ids;
    uint64_t *heads; /* [item], in the table's one row */
    struct table table;
    uint32_t n;      /* items that have one */
    size_t n_shared; /* bytes that all names begin with, not in the heads */
};

enum zl_status names_init(struct names *n, const struct ids *ids, uint32_t max_items,
                          struct zl_error *err);
void names_release(struct names *n);
/* Before rank_before() is asked about items below n_items; without that it is slower, not wrong. */
void names_refresh(struct names *n, uint32_t n_items);
/* ctx: a struct rank. Does item a stand before item b when their scores are equal? */
bool rank_before(const void *ctx, uint32_t a, uint32_t b);

#define BEST_OF_CORE 100
#define BEST_OF_COOCCUR 100
#define BEST_TO_LEARN 32    /* of both, when the mix is learned */
#define MAX_CANDIDATES 2048 /* above RANK_ALL, and the best of all parts together */

/* One user's ranking under way. */
struct query {
    uint32_t user;
    uint64_t *met; /* a bit an item: seen by this user, or hidden from */
    const uint32_t *seen;
    const struct model_impressed *shown;
    uint32_t n_seen, n_shown, n_hidden;
    uint32_t hidden[MODEL_HIDDEN]; /* for a dislike of something like it */
    bool has_history;
    float *z;        /* zeros without a history: the core is then the bias */
    float *core;     /* score of every item, dense */
    uint32_t *items; /* of the slate */
    float *scores;
    uint8_t *slots;
    double *propensities;
};

/* Candidates of one user, by column. */
struct candidates {
    int n,
        n_listed; /* from n_listed on: only for places of exploration and the quota of fresh items */
    uint32_t items[MAX_CANDIDATES];
    float f[MODEL_PARTS * MAX_CANDIDATES]; /* f[part * MAX_CANDIDATES + i] */
    float scores[MAX_CANDIDATES];          /* mixed, penalties taken off */
};

/* A list being laid, see policy.c. Places are counted from 1; arrays of places begin with place 1. */
struct build {
    const struct rank_policy *policy;
    const struct zl_version *version; /* NULL: nothing is left to chance */
    int n, n_order, first_unused;
    int n_courses, last_course, n_fresh; /* on the list so far; last_course: its place, 0: none */
    uint32_t order[MAX_CANDIDATES];      /* candidates by score, best first */
    uint8_t used[MAX_CANDIDATES], fresh[MAX_CANDIDATES];
    float conversion[MAX_CANDIDATES]; /* part of the score */
    float alike[MAX_CANDIDATES];      /* to the most alike on the list so far */
    bool open[ZL_MAX_LIST];           /* left to chance */
    int list[ZL_MAX_LIST];            /* candidate at each place; OPEN: left to chance */
    int passed[ZL_MAX_LIST];          /* best candidate that a rule passed over there, or -1 */
    uint8_t slots[ZL_MAX_LIST];
    double propensities[ZL_MAX_LIST];
    uint64_t base; /* zl_slate's */
    struct explore_pool pool;
};
#define OPEN (-1)

struct frozen; /* frozen.c */

struct rank {
    struct rank_config cfg;
    struct frozen *frozen; /* NULL: not asked for */
    struct model *model;
    const uint8_t *served;
    struct names names;
    struct pack pack;
    struct table met;    /* RANK_BLOCK bitmaps */
    struct table chosen; /* one bitmap: already a candidate */
    struct table core;   /* RANK_BLOCK rows of dense scores */
    struct table sums;   /* co-occurrence sums of one user, dense, zero between users */
    uint32_t *touched;   /* items with a sum */
    struct table touched_list;
    uint32_t n_touched;
    float sums_total;
    struct topk_entry *heap; /* scratch of the larger of list and part */
    struct candidates candidates;
    struct build build;
    struct table unit; /* q of the candidates at length 1, for likeness; row: candidate */
    struct {
        uint32_t item; /* rank_explore_propensity's question */
        int place;     /* 0: nobody asks */
        double answer;
        struct explore_pool *pool; /* rank_explore_chances' answer, with pi; else NULL */
        double *pi;
    } ask;
    struct query queries[RANK_BLOCK];
};

/* How often weights are learned from a choice: from each of the first ones, then from a share of first_choices / choices, since each lesson
 * moves less than those before; in the end from in_items / items, at most `most`, so that they follow a stream that changes. */
struct lessons {
    double first_choices, in_items, most;
};
bool rank_takes_lesson(const struct model *m, const struct lessons *l, struct rng *rng);

/* Scores every item for users[0..n) into r->queries; each query needs its rank_query_end(). */
void rank_begin_all(struct rank *r, const uint32_t *users, int n);
void rank_query_end(struct query *q);
static inline bool rank_eligible(const struct rank *r, const struct query *q, uint32_t item)
{
    return r->served[item] & !(q->met[item / 64] >> (item % 64) & 1);
}
float rank_penalty(const struct rank *r, const struct query *q, uint32_t item);
/* Fills r->candidates of a query whose core scores are there, features and mixed scores included. */
void candidates_of(struct rank *r, const struct query *q);
/* Fewer of them, and a sample that stands for all other items: what the mix is learned on. */
void candidates_to_learn(struct rank *r, const struct query *q, struct rng *rng);
/* Adds the newest served unseen items that were hardly ever chosen, for places of exploration. */
void candidates_add_newest(struct rank *r, const struct query *q);
/* Lays the list of a query whose candidates are there into its slate. version NULL: no exploration. */
void policy_lay(struct rank *r, struct query *q, const struct zl_version *version,
                struct zl_slate *slate);
bool policy_is_open(const struct rank *r, int place);

/* rules.c: what may stand at a place, seen from what stands above it. */
bool rules_any(const struct rank_policy *p);
bool rules_allow(const struct rank *r, int place, int candidate);
/* A course, or a fresh item, must come now, or the rule could not be kept any more. */
bool rules_course_due(const struct rank *r, int place);
bool rules_fresh_due(const struct rank *r, int place);
bool rules_is_course(const struct rank *r, int candidate);
/* Marks the fresh ones of the candidates. */
void rules_mark_fresh(struct rank *r, const struct query *q);

/* likeness.c: maximal marginal relevance. */
void likeness_begin(struct rank *r);
/* The candidate now stands on the list. */
void likeness_add(struct rank *r, int candidate);
/* Place of the item among them; it is appended when it is not there (its features and score included). */
int candidates_place(struct rank *r, const struct query *q, uint32_t item);
/* Ends what candidates_of began: the dense co-occurrence sums are zeros again. */
void candidates_done(struct rank *r);

/* ---- frozen.c: item rows of a while ago ---- */
MUST_CHECK enum zl_status frozen_open(const struct rank_config *cfg, const struct model *m,
                                      struct frozen **out, struct zl_error *err);
void frozen_close(struct frozen *f);
/* Copies all rows when it is time, and those of items that are new since. */
void frozen_step(struct frozen *f, const struct model *m);
/* Core scores of all items from the copied rows; as many floats as r->queries[i].core holds. */
void frozen_scores(const struct frozen *f, const struct model *m, uint32_t user, float *scores);

#endif
