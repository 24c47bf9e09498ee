/* model/model.h - users (a history, encoded afresh at every event) and items (learned vectors), one pass, in log order.
 * Formula  z_u = W^-beta * sum_l gamma^(l-1) rho_l (x_{h_l} + q_{h_l}), W = sum_l gamma^(l-1) rho_l, rho_l = 0.3 + 0.7 reward, h_1
 *          newest (learn.c);
 *          score(u, j) = z_u . q_j + b_j;
 *          step: -r * log softmax of the chosen item among n negatives drawn from the newest B positives, each logit minus
 *          kappa * log Q; of tiny errors a sample moves rows (learn.c; Yi et al., "Sampling-bias-corrected neural modeling for large corpus item recommendations",
 *          RecSys 2019); per-row Adagrad (Duchi, Hazan, Singer 2011, one accumulator a row).
 *          popularity: decayed counts at several half-lives (popularity.c; forward decay, Cormode et al. 2009).
 * Shapes   x, q, c: rows of k floats (k a multiple of 16), b one float; a row is (x, q, b, Gx, Gq, Gb), with content (x, q, c, b, ..), c the
 *          part of q that the description says (content.c).
 * Owners   item rows change only through model_batch(), which marks them touched (base/rows.h); nothing outside keeps a pointer to one.
 * Promise  The same events in the same order, from the same rows, give the same rows, byte for byte, however they were batched and on
 *          whatever processor (base/vec.h). Random draws are keyed by (seed, partition, offset, index).
 * Threads  the engine's loop only. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rows.h"
#include "model/convert.h"
#include "zhiliu/event.h"

#define MODEL_MAX_HISTORY 64
#define MODEL_MAX_K 256
#define MODEL_MAX_NEGATIVES 256
#define MODEL_SEEN 4096       /* newest items a user is remembered to have met */
#define MODEL_HIDDEN 128      /* newest items hidden from a user for a dislike of their like */
#define MODEL_IMPRESSED 64    /* newest items shown and not watched */
#define MODEL_MAX_FEATURES 32 /* traits of an item that are learned from */
#define MODEL_HALF_LIVES 3
#define MODEL_PARTS 10          /* by name in enum model_part */
#define MODEL_BUCKETS 8         /* history lengths 0, 1-2, 3-5, 6-10, 11-20, 21-50, 51-100, more */
#define MODEL_MAX_SCORED 2048   /* candidates of one user */
#define MODEL_POPULAR 64        /* most popular items kept a half-life */
#define MODEL_SURFACES 64U      /* surfaces whose choices are counted */
#define MODEL_SURFACE_NAME 64   /* bytes of a surface's name, at most */
#define MODEL_SURFACE_ITEMS 600 /* items that are counted on a surface, at most */
enum model_part {
    MODEL_CORE,
    MODEL_COOCCUR,
    MODEL_POP_SLOW,
    MODEL_POP_MIDDLE,
    MODEL_POP_FAST,
    MODEL_AGE,
    MODEL_IDLE,
    MODEL_SUBJECTS,
    MODEL_LIKENESS, /* to the newest choice, and */
    MODEL_BACKWARD  /* what came before it: newest.c */
};

/* What a logged propensity does to learning (correct.h). */
enum model_correction { MODEL_CORRECT_OFF, MODEL_CORRECT_RATIO, MODEL_CORRECT_INVERSE };

struct model_config {
    uint32_t max_users, max_items;
    int k, history, negatives, window;
    double learning_rate, gamma, beta, kappa;
    /* The longer of the two holds (decay.h); a span of 0 never does. */
    double half_lives[MODEL_HALF_LIVES];                         /* choices: slow, middle, fast */
    double cooccur_half_life;                                    /* choices */
    double half_life_ms[MODEL_HALF_LIVES], cooccur_half_life_ms; /* event time */
    int64_t session_gap_ms;                                      /* 30 min */
    /* A watch worth watch_least or less is no choice: nothing is learned from it, but that the item was met. One worth watch_most or
     * more counts as it is, those between from 0 on (choice.c). watch_least 0: each watch counts as it is. */
    double watch_least, watch_most;
    bool content;                    /* items begin as what their description says of them */
    double surface_evidence;         /* surfaces.h; 0: surfaces are not looked at */
    double adversarial;              /* 0..1, see adversary.c; 0: off */
    uint32_t max_features;           /* different traits of all items that may ever be known */
    int n_features[ZL_N_MODALITIES]; /* dimensions; 0: not used */
    uint64_t seed;
    int dislike_neighbours; /* near items that a dislike hides, by taste and by use each: near.h; 0: none */
    struct convert_config convert; /* convert.h */
    /* reward.baseline and reward.correction: correct.h; all 0: off */
    bool baseline;
    enum model_correction correction;
    double correction_cap;
    int correction_top_k;
};

struct model;
struct model_history_entry;

MUST_CHECK enum zl_status model_open(const struct model_config *cfg, struct model **out,
                                     struct zl_error *err);
void model_close(struct model *m);

/* Called before each event is learned, for prequential scores; NULL: none. */
typedef void (*model_test)(void *ctx, const struct zl_event *ev);
/* Counts, remembers and learns each event with outcome ZL_COUNTED (guard passed it, indexes are set), in order; one that taught
 * something leaves with ZL_LEARNED, the others are left as they are. */
void model_batch(struct model *m, struct zl_event *events, int n, model_test test, void *ctx);

/* What the event teaches as a choice, in millionths of a reward; 0: it is none (choice.c). */
int64_t model_choice(const struct model *m, const struct zl_event *ev);

/* Makes an item that the catalogue describes known to ranking before its first event. */
void model_know_item(struct model *m, uint32_t item);

/* What the catalogue says of an item, from now on: keys of its traits (at most MODEL_MAX_FEATURES, each once; the rest is left out),
 * and its modalities (NULL: missing), lent until its next description. n 0 and features NULL: nothing any more. */
void model_describe(struct model *m, uint32_t item, const uint64_t *keys, int n, int n_subjects,
                    const float *const features[ZL_N_MODALITIES]);
/* The same after a load: of an item whose rows know the description already. Before model_loaded. */
void model_describe_again(struct model *m, uint32_t item, const uint64_t *keys, int n,
                          int n_subjects, const float *const features[ZL_N_MODALITIES]);

/* ---- what rank asks (the one written exception between rooms) ---- */
uint32_t model_items(const struct model *m); /* items 0..n-1 have rows */
uint32_t model_users(const struct model *m);
int model_k(const struct model *m);
/* z (k floats) of a user; false when the user has no history. */
bool model_encode(const struct model *m, uint32_t user, float *z);
/* What model_encode sums, z = sum of weights[l] * (x + q of items[l]): newest first; returns how many (<= MODEL_MAX_HISTORY). */
int model_encoding(const struct model *m, uint32_t user, uint32_t *items, float *weights);
/* Copies x + q (k floats) of an item, by which it stands in the sum. */
void model_item_input(const struct model *m, uint32_t item, float *v);
/* Copies q (k floats) and b of an item. */
void model_item_output(const struct model *m, uint32_t item, float *q, float *b);
/* The same, lent until the next event. */
const float *model_item_vector(const struct model *m, uint32_t item, float *b);
/* They are soon to be read. */
void model_item_prefetch(const struct model *m, uint32_t item);
/* What the core's softmax is of, up to a number that is the same for all items: z . q_j + b_j + (1 - kappa) log Q_j. */
float model_core_logit(const struct model *m, uint32_t item, const float *z);
/* z . c_j: what the content of an item alone says; 0 without content. */
float model_content_score(const struct model *m, uint32_t item, const float *z);
/* Items whose q or b changed since the last call (each once), at most max; call again until 0. */
uint32_t model_take_changed(struct model *m, uint32_t *items, uint32_t max);
/* Log2 of the decayed count at the middle half-life, for scoring popularity alone. */
void model_popularity(const struct model *m, uint32_t from, uint32_t n, float *scores);
/* Most popular items of a half-life, in no order; lent until the next event. */
const uint32_t *model_popular(const struct model *m, int half_life, int *n);
/* Adds co-occurrence scores of the user's last items: sums[j] += ..., every j whose sum was 0 is appended to touched (which holds
 * model_items() + 1 entries; returns how many). model_cooccur_damp() does the rest. */
uint32_t model_cooccur(const struct model *m, uint32_t user, float *sums, uint32_t *touched);
/* sums[j] *= (n_j + 1)^-0.3 for n different items j; returns their total. */
float model_cooccur_damp(const struct model *m, const uint32_t *items, uint32_t n, float *sums);
/* What the tags and categories of the user's history say of items (subjects.h), between begin and end: each begin has its end
 * before the next. */
void model_subjects_begin(struct model *m, uint32_t user);
void model_subjects(const struct model *m, const uint32_t *items, int n, float *f);
void model_subjects_end(struct model *m);
/* What the user's newest choice says of n items (newest.c): how like it they are, and how often it came after them. sums: dense, as
 * model_cooccur() left them. Zeros without a history. */
void model_newest(const struct model *m, uint32_t user, const uint32_t *items, int n,
                  const float *sums, float *like, float *back);
/* Features of n items by column: f[part * stride + i]. Core and co-occurrence sums come in by column (core as it is, sums damped, their
 * total in cooccur_total); the other columns are filled in here. */
void model_features(const struct model *m, const uint32_t *items, int n, float cooccur_total,
                    float *f, int stride);
/* Weights of the parts for this user's history length. */
const double *model_mixer(const struct model *m, uint32_t user, int *bucket);
/* Factor of what this event teaches the mixer, for the chance with which its item was shown (correct.h); 1: none is known. */
double model_correction(const struct model *m, const struct zl_event *ev);
/* One step of those weights towards item `chosen` (its place among n) with features f and mixed scores, both of which are spent; n <= stride,
 * stride a multiple of 16 up to MODEL_MAX_SCORED. weight: how much the step counts; 1 is an ordinary one. */
void model_learn_mixer(struct model *m, int bucket, float *f, int stride, float *scores, int n,
                       int chosen, double weight);
/* ---- what is popular by surface (surfaces.h) ---- */
/* Surfaces 0..n-1 are known; their places may be taken by others. */
uint32_t model_surfaces(const struct model *m);
struct zl_span model_surface_name(const struct model *m,
                                  uint32_t surface); /* lent until the next event */
/* That of a user without a history, who was last seen there; ZL_NO_INDEX: the user has one, or no surface is known. */
uint32_t model_user_surface(const struct model *m, uint32_t user);
/* Log of how much likelier the item is chosen there than anywhere. */
float model_surface_lift(const struct model *m, uint32_t surface, uint32_t item);
/* The items most chosen there (max <= MODEL_SURFACE_ITEMS), in no order; how many. */
int model_surface_popular(const struct model *m, uint32_t surface, uint32_t *items, int max);
/* ---- related items (similar.c) ---- */
#define MODEL_SIMILAR_LINKED 20U /* so many of the history a choice is linked with (cooccur.h) */
/* z (k floats) of somebody whose history is this item alone. */
void model_similar_encode(const struct model *m, uint32_t item, float *z);
/* As model_cooccur, of one item's row: sums[j] += C[item -> j], j is not the item. */
uint32_t model_similar_cooccur(const struct model *m, uint32_t item, float *sums,
                               uint32_t *touched);
/* The user's history, newest first, lent until the user's next event; none of one who opted out. */
const struct model_history_entry *model_similar_history(const struct model *m, uint32_t user,
                                                        uint32_t *n);
/* Before an event is learned: is it a choice of an item that is not in the user's history? *from: the newest that is. */
bool model_similar_pair(const struct model *m, const struct zl_event *ev, uint32_t *from);

uint64_t model_positives(const struct model *m);
uint32_t model_item_positives(const struct model *m, uint32_t item);
int64_t model_item_first_ms(const struct model *m, uint32_t item); /* of its first event; 0: none */
/* How many items the history of the user holds. */
uint32_t model_history_length(const struct model *m, uint32_t user);
/* false: events are counted and remembered, no learned row moves (holdout tests). Default true. */
void model_set_learning(struct model *m, bool on);
/* What showing by chance has taught of an item: decayed showings and the sum of their rewards. */
void model_explored(const struct model *m, uint32_t item, double *shown, double *reward);
/* Mean reward of a showing by chance, over all items; above 0. */
double model_explored_mean(const struct model *m);
/* Seen: newest first not promised. Lent until the user's next event. */
const uint32_t *model_seen(const struct model *m, uint32_t user, uint32_t *n);
/* Items near one that the user disliked within 30 days of the user's clock (near.h); returns how many. */
uint32_t model_hidden(const struct model *m, uint32_t user, uint32_t out[MODEL_HIDDEN]);
/* O(seen). */
bool model_has_met(const struct model *m, uint32_t user, uint32_t item);
/* Shown without a watch: items and how often. Lent likewise. */
struct model_impressed {
    uint32_t item, times;
    float propensity; /* of the newest of these showings; 0: it was not drawn, or not known */
};
const struct model_impressed *model_impressions(const struct model *m, uint32_t user, uint32_t *n);

/* ---- for explain ---- */
/* An item of a user's history, and what it adds to the core and (undamped) to the co-occurrence of another. */
struct model_reason {
    uint32_t item;
    float core, cooccur;
};
/* Those of the largest core summands first; how many (<= max). */
int model_reasons(const struct model *m, uint32_t user, uint32_t item, struct model_reason *out,
                  int max);

/* ---- for inspect and the ledger ---- */
struct model_history_entry {
    uint32_t item;
    uint32_t session;     /* hash of session_id, or a running number */
    int64_t reward_micro; /* largest so far in that session */
    int64_t ts_ms;
    bool explored;    /* it was shown by chance: its rewards in this session tell of that showing */
    float propensity; /* with which it was shown in that session; 0: not known */
};
struct model_user_info {
    uint32_t counts[ZL_N_EVENT_TYPES];
    /* sum of the table rewards, all types but watch, before the once-a-session rule */
    int64_t reward_table_micro;
    int64_t last_ms, first_ms;
    uint32_t n_history, n_seen;
    struct model_history_entry history[MODEL_MAX_HISTORY]; /* newest first */
    bool opted_out;
};
struct model_item_info {
    uint32_t counts[ZL_N_EVENT_TYPES];
    int64_t reward_table_micro, last_ms, first_ms;
    double popularity[MODEL_HALF_LIVES]; /* decayed counts as of now */
};
void model_user_info(const struct model *m, uint32_t user, struct model_user_info *out);
void model_item_info(const struct model *m, uint32_t item, struct model_item_info *out);
/* event time of the newest event, 0: none */
int64_t model_user_last_ms(const struct model *m, uint32_t user);
int32_t model_user_partition(const struct model *m, uint32_t user); /* of the user's newest event */
/* Global counts of admitted events by type (what inspect checkpoint prints). */
const uint64_t *model_event_counts(const struct model *m);

/* ---- privacy ---- */
/* Nothing has come of the user since model_forget: the list must be gone from the store. */
bool model_user_forgotten(const struct model *m, uint32_t user);
void model_forget(struct model *m, uint32_t user);
void model_set_opt_out(struct model *m, uint32_t user, bool opted_out);

/* After a load: what is derived from rows is made anew. */
void model_loaded(struct model *m);
#define MODEL_TABLES 9
/* Tables for the checkpoint; returns how many (<= MODEL_TABLES <= max). */
int model_rows(struct model *m, struct rows_table *out, int max);

#endif
