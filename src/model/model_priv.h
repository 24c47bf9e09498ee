/* What the files of this room share. See model.h for the promise. */
#ifndef MODEL_PRIV_H
#define MODEL_PRIV_H

#include "base/rng.h"
#include "base/table.h"
#include "model/content.h"
#include "model/convert_priv.h"
#include "model/cooccur.h"
#include "model/decay.h"
#include "model/correct.h"
#include "model/model.h"
#include "model/near.h"
#include "model/subjects.h"
#include "model/surfaces.h"

/* ---- items.c: one row an item ---- */

/* The learned row: x (k floats), q (k floats), this, then with content the part of q that is content (k floats). Drawing a negative
 * needs q and this: neighbours. */
struct item_learned {
    float b;          /* bias */
    float gx, gq, gb; /* Adagrad accumulators of x, q, b */
};

/* First, in one line of the cache, what is asked of every candidate. */
struct item_stats {
    double pop[MODEL_HALF_LIVES]; /* see popularity.c; -INFINITY: never chosen */
    uint64_t first, last;         /* numbers of its first and newest positive; 0: none */
    double count;                 /* like pop, at the half-life of co-occurrence */
    float damp;                   /* (count + 1)^-0.3 as of its newest positive */
    uint32_t positives;           /* how many in all */
    bool known;                   /* the row's vectors are set */
    uint32_t counts[ZL_N_EVENT_TYPES];
    int64_t reward_table_micro, last_ms, first_ms;
    float shown_explore, reward_explore; /* see explored.c */
};

struct items {
    int k, n_vectors; /* vectors of k floats a row */
    uint32_t count, max_items;
    struct table learned; /* n_vectors * k floats and struct item_learned */
    struct table stats;   /* struct item_stats */
    struct rows_track track;
    /* not written to rows, and asked of many items in a step: each dense by itself */
    struct table in_window; /* uint32_t an item: how often it stands in the window of positives */
    struct table changed;   /* a bit an item, for model_take_changed */
    uint32_t first_changed; /* words of 64 before it are 0 */
    uint64_t seed;
};

enum zl_status items_init(struct items *t, const struct model_config *cfg, struct zl_error *err);
void items_release(struct items *t);
/* Gives the row its first vectors (from the seed and the index) if it has none. */
void items_know(struct items *t, uint32_t item);
struct rows_table items_rows(struct items *t);

static inline float *items_x(const struct items *t, uint32_t item)
{
    return table_row(&t->learned, item);
}

static inline float *items_q(const struct items *t, uint32_t item)
{
    return items_x(t, item) + t->k;
}

static inline struct item_learned *items_learned(const struct items *t, uint32_t item)
{
    return (struct item_learned *)(void *)(items_x(t, item) + 2 * t->k);
}

/* Only with content. */
static inline float *items_c(const struct items *t, uint32_t item)
{
    return items_x(t, item) + 2 * t->k + sizeof(struct item_learned) / sizeof(float);
}

/* q and what stands behind it, soon to be read. */
static inline void items_prefetch_q(const struct items *t, uint32_t item)
{
    const float *q = items_q(t, item);
    for (int f = 0; f <= t->k; f += 16)
        __builtin_prefetch(q + f);
}

/* Both vectors. */
static inline void items_prefetch_xq(const struct items *t, uint32_t item)
{
    const float *x = items_x(t, item);
    for (int f = 0; f <= 2 * t->k; f += 16)
        __builtin_prefetch(x + f);
}

static inline uint32_t *items_in_window(const struct items *t, uint32_t item)
{
    return (uint32_t *)(void *)t->in_window.rows + item;
}

static inline struct item_stats *items_stats(const struct items *t, uint32_t item)
{
    return table_row(&t->stats, item);
}

/* The row operations: the only writes to learned rows. Each touches first. */
/* One Adagrad step of q and b along z: the gradient of a logit's error d is (d z, d). */
void items_step_output(struct items *t, uint32_t item, float d, const float *z, float z_norm2,
                       float learning_rate);
/* One Adagrad step of x and q of a history item along w * gz. */
void items_step_history(struct items *t, uint32_t item, float w, const float *gz, float gz_norm2,
                        float learning_rate);
/* The content part of q becomes c, the own part stays. Nothing happens when it is as good as equal. */
void items_renew(struct items *t, uint32_t item, const float *c);
/* model_take_changed(): in order of index, so that those who copy rows find neighbours together. */
uint32_t items_take_changed(struct items *t, uint32_t *items, uint32_t max);
/* Stats may be written after this. */
struct item_stats *items_stats_to_change(struct items *t, uint32_t item);

/* ---- users.c: one row a user ---- */

struct seen {
    uint32_t *items; /* ring when full: next is the oldest */
    uint32_t n, capacity, next;
};

#define USER_COURSES 8
#define USER_COURSE_ITEMS 3
struct user_course {
    uint32_t course;                   /* ZL_NO_INDEX: free */
    uint32_t items[USER_COURSE_ITEMS]; /* newest first; ZL_NO_INDEX: none */
    int64_t at_ms;                     /* of the newest */
};

/* Hidden for a dislike of something like it. */
struct user_hidden {
    uint32_t item;
    int64_t at_ms; /* of the dislike */
};

struct user {
    uint32_t counts[ZL_N_EVENT_TYPES];
    int64_t reward_table_micro, last_ms, first_ms;
    uint64_t surface;  /* surfaces_key of the newest event that names one; 0: none */
    uint32_t session;  /* running number for events without session_id */
    int32_t partition; /* of the newest event: the log that versions this user's list */
    uint16_t n_history, n_impressed, n_hidden;
    bool opted_out, forgotten;
    struct seen seen;
    /* MODEL_IMPRESSED entries, made when the first comes; oldest first */
    struct model_impressed *impressed;
    struct user_hidden *hidden;   /* MODEL_HIDDEN entries, made at the first; oldest first */
    struct user_course *courses;  /* USER_COURSES, made when the first comes */
    struct convert_user *convert; /* likewise; see convert.h */
    struct model_history_entry history[]; /* cfg.history entries, newest first */
};

struct users {
    int history;
    uint32_t count, max_users;
    struct table rows;
    struct rows_track track;
    int64_t session_gap_ms;
};

enum zl_status users_init(struct users *t, const struct model_config *cfg, struct zl_error *err);
void users_release(struct users *t);
struct rows_table users_rows(struct users *t);

static inline struct user *users_row(const struct users *t, uint32_t user)
{
    return table_row(&t->rows, user);
}

/* Touches and returns the row; makes it if it is new. */
struct user *users_to_change(struct users *t, uint32_t user);
/* The session this event belongs to; moves the user's clock. */
uint32_t users_session(const struct users *t, struct user *u, const struct zl_event *ev);
void users_note_seen(struct user *u, uint32_t item);
bool users_has_seen(const struct user *u, uint32_t item);
/* propensity: with which it was drawn, 0: it was not. */
void users_note_impression(struct user *u, uint32_t item, double propensity);
/* Of the newest remembered showing of the item; 0: none, or it was not drawn. */
double users_shown_propensity(const struct user *u, uint32_t item);
void users_forget_impression(struct user *u, uint32_t item);
/* Takes the item's entry out of the history; false when there is none. */
bool users_take_history(struct user *u, uint32_t item, struct model_history_entry *out);
void users_push_history(const struct users *t, struct user *u, const struct model_history_entry *e);
void users_note_course(struct user *u, uint32_t course, uint32_t item, int64_t at_ms);
/* Items last viewed of a course within 7 days, newest first; how many. */
int users_course_items(const struct user *u, uint32_t course, int64_t at_ms,
                       uint32_t out[USER_COURSE_ITEMS]);
void users_clear(struct user *u); /* forgets everything but the row's place */

/* ---- window.c: the newest B positives, from which negatives are drawn ---- */

struct window {
    uint32_t *items; /* ring of cfg.window */
    uint32_t size;
    uint64_t n;       /* positives so far */
    float *log_share; /* log of 0, 1, .. size positives; [0] is log 0.5 */
};

/* ---- mixer.c: the weights of the parts, learned on what was scored ---- */

#define DECAY_COOCCUR MODEL_HALF_LIVES /* index of its clock */

/* The last bucket is all users together. */
struct mixer {
    double w[MODEL_BUCKETS + 1][MODEL_PARTS];
    double a[MODEL_BUCKETS + 1][MODEL_PARTS][MODEL_PARTS]; /* lower triangles; see mixer.c */
};

void mixer_init(struct mixer *x);

/* ---- popularity.c: the items of the largest decayed counts, kept exactly ---- */

struct popular {
    uint32_t items[MODEL_POPULAR];
    int n, least; /* index of the least popular of them */
};

/* ---- the whole room ---- */

struct model {
    struct model_config cfg;
    struct items items;
    struct users users;
    struct window window;
    double pop_total[MODEL_HALF_LIVES]; /* of all items together, in the form of item_stats.pop */
    struct cooccur cooccur;
    struct decay decay; /* clocks: MODEL_HALF_LIVES of popularity, then co-occurrence */
    struct mixer mixer;
    struct convert *convert;
    struct correct correct;
    struct content content;
    struct subjects subjects;
    struct surfaces surfaces;
    struct popular popular[MODEL_HALF_LIVES];
    uint64_t event_counts[ZL_N_EVENT_TYPES];
    double shown_explore, reward_explore; /* of all items, decayed; see explored.c */
    bool frozen;                          /* model_set_learning(false) */
    struct rows_track track;              /* global rows: 0 scalars, 1.. chunks of the window */
    /* scratch of one step */
    float *z, *gz;
    float logits[MODEL_MAX_NEGATIVES + 1];
    uint32_t drawn[MODEL_MAX_NEGATIVES + 1];
    const float *q[MODEL_MAX_NEGATIVES + 1]; /* rows of the drawn */
};

/* learn.c: one step towards `item` with this weight, from the user's history as it stands; draws keyed by where. */
void learn_step(struct model *m, const struct user *u, uint32_t item, float weight,
                struct rng *rng);
/* Weights of the history's entries, W^-beta gamma^l rho_l; how many: cut where they no longer matter. */
int learn_history_weights(const struct model_config *cfg, const struct user *u, float *w);
/* adversary.c: the option's terms for the chosen item; adds to m->gz. Nothing at weight 0. */
void adversary_step(struct model *m, uint32_t item, float weight, struct rng *rng);
/* Brings the content part of an item's row up to date. */
void learn_renew(struct model *m, uint32_t item);
bool learn_encode(const struct model *m, const struct user *u, float *z);

/* explored.c: a showing by chance, and a reward that followed one. */
void explored_note(struct model *m, uint32_t item, float weight);
void explored_reward(struct model *m, uint32_t item, double reward);

enum zl_status window_init(struct window *w, uint32_t size);
void window_release(struct window *w);
void window_push(struct model *m, uint32_t item);
struct rows_table model_global_rows(struct model *m);

/* popularity.c */
/* Counts `weight` choices; the clocks (decay.h) and m->window.n have just gone on. */
void popularity_add(struct model *m, uint32_t item, double weight);
/* The lists of the most popular, made anew from the rows (after a load). */
void popularity_rebuild(struct model *m);
double popularity_count(const struct model *m, uint32_t item, int h);

#endif
