/* What convert.c, convert_user.c and model.c share. See convert.h for the promise. */
#ifndef MODEL_CONVERT_PRIV_H
#define MODEL_CONVERT_PRIV_H

#include "base/rows.h"
#include "base/table.h"
#include "model/convert.h"
#include "zhiliu/event.h"

struct user;

/* ---- convert.c: the head, the kinds, the courses ---- */

struct convert_rate { /* decayed */
    double exposures, conversions;
};

struct convert_course {
    bool known;
    uint8_t kind;
    int64_t price; /* the catalogue's, minor units; 0: unknown */
    int64_t paid;  /* newest amount of a purchase, likewise */
    struct convert_rate rate;
    uint64_t exposed, converted;
    int64_t conversions_net;
};

/* What was paid for things of a kind: a ring of the newest. */
struct convert_amounts {
    uint64_t n; /* in all; the next place is n % CONVERT_AMOUNTS */
    int64_t at[CONVERT_AMOUNTS];
};

/* Row 0: all that is learned of no course in particular. */
struct convert_head {
    uint64_t exposures, conversions, uncredited, refunds, unknown_refunds;
    double w[CONVERT_N_FEATURES];
    double a[CONVERT_N_FEATURES][CONVERT_N_FEATURES]; /* curvature, its lower half */
    double score_mean, score_variance;
    struct convert_rate kinds[CONVERT_N_KINDS];
    struct convert_amounts amounts[CONVERT_N_KINDS];
    double edges[CONVERT_BINS - 1]; /* log-odds: running deciles of the prediction */
    struct {
        double n, predicted, converted;
    } bins[CONVERT_BINS];
};

struct convert {
    struct convert_config cfg;
    struct convert_head head;
    int64_t
        bounds[CONVERT_N_KINDS]; /* no amount counts for more; 0: none counts. From head.amounts */
    uint32_t n_courses;
    struct table courses;    /* struct convert_course */
    struct rows_track track; /* key 0: head; 1 + course */
};

enum zl_status convert_open(const struct convert_config *cfg, struct convert **out,
                            struct zl_error *err);
void convert_close(struct convert *c);

static inline struct convert_course *convert_course_row(const struct convert *c, uint32_t course)
{
    return table_row(&c->courses, course);
}

/* After the head's amounts changed. */
void convert_bound(struct convert *c, int kind);

/* What the event means for the head, before anything else is learned of it. The user's row is touched already. */
void convert_event(struct model *m, struct user *u, const struct zl_event *ev);

/* ---- convert_rows.c ---- */

struct rows_table convert_rows(struct convert *c);

/* ---- convert_user.c: exposures and conversions in the user's row ---- */

#define CONVERT_PENDING 8
#define CONVERT_REMEMBERED 256

/* An exposure that may yet convert, or one that did (at_ms is then the conversion's time). */
struct convert_exposure {
    uint32_t item, course; /* item: ZL_NO_INDEX when a conversion named none and met no exposure */
    int64_t at_ms;
    uint8_t bin;
    bool learned; /* its first half-step was taken */
    float weight;
    float x[CONVERT_N_FEATURES];
    /* of a conversion, minor units: paid 0: not known */
    int64_t paid, given_back;
};

struct convert_user {
    int64_t conversions_net;
    uint32_t n_pending, n_bought, capacity;
    struct convert_exposure pending[CONVERT_PENDING]; /* oldest first */
    struct convert_exposure *bought;                  /* capacity; oldest first */
};

void convert_user_release(struct convert_user *u); /* NULL is fine */
void convert_user_write(const struct convert_user *u, struct rows_buffer *out);
struct convert_user *convert_user_read(struct rows_cursor *in);

void convert_user_expire(struct convert_user *u, int64_t before_ms);
/* Pending exposures of the course since since_ms. */
int convert_user_touched(const struct convert_user *u, uint32_t course, int64_t since_ms);
bool convert_user_has_bought(const struct convert_user *u, uint32_t course);
/* Pushes one out when 8 are pending. */
void convert_user_pend(struct convert_user *u, const struct convert_exposure *e);
/* Takes the exposure that a conversion belongs to out of the pending ones; false: there is none. */
bool convert_user_settle(struct convert_user *u, uint32_t item, uint32_t course,
                         struct convert_exposure *out);
void convert_user_remember(struct convert_user *u, const struct convert_exposure *e);
/* The newest conversion of the course (of this item, if there is one); NULL: there is none. Lent until the next change. */
struct convert_exposure *convert_user_bought(struct convert_user *u, uint32_t item,
                                             uint32_t course);
/* Takes one of them out of memory. */
void convert_user_take_back(struct convert_user *u, struct convert_exposure *e);

#endif
