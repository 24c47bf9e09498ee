/* app/simulate_world.h - what the simulated platform is made of; for simulate*.c only.
 * Flow     simulate.c keeps time and says whose turn it is; simulate_world.c makes users and items; simulate_show.c draws what is shown;
 *          simulate_visit.c decides what a person does; simulate_json.c writes it down, simulate_features.c its vectors; simulate_bad.c spoils some. */
#ifndef APP_SIMULATE_WORLD_H
#define APP_SIMULATE_WORLD_H

#include "app/simulate.h"
#include "base/rng.h"

#define TASTES 3
#define STYLES 4
#define PLANS 16
#define NO_SLOT UINT32_MAX
#define NO_COURSE UINT32_MAX
#define NO_ITEM UINT32_MAX

struct sim_user {
    uint16_t topics[TASTES]; /* weights .55 .30 .15 */
    uint8_t style;
    uint8_t coldness; /* 0..255: how rarely this one reacts */
    bool busy;        /* is on a visit */
    uint8_t surface;  /* where this one comes from (surface_tastes) */
    uint32_t visits;
    uint32_t refund_course; /* bought, to be given back at a later visit; NO_COURSE: none */
    uint32_t refund_item;
};

struct sim_item {
    uint16_t topic, second;
    uint8_t style;
    float quality; /* 0..1 */
    float draw;    /* Pareto: how popular it would be if new */
    int32_t duration_ms;
    uint32_t uploader;
    uint32_t course; /* or NO_COURSE */
    int64_t published_ms;
};

/* One thing a person will do next. */
struct sim_plan {
    enum zl_event_type type;
    uint32_t item, course;     /* or NO_ITEM, NO_COURSE */
    int32_t watch_ms, wait_ms; /* wait: since what was done before */
    int32_t position;
    double propensity; /* of an impression whose chance goes on the log; else 0 */
};

#define SIM_SURFACES 10     /* places of the table of surfaces: a large one has several */
#define SIM_SURFACE_NAMES 4 /* different ones */

/* In the closed loop: the place of a list that an item was shown in. */
struct sim_shown {
    const struct simulate_page *page;
    int32_t place;
    double propensity;
    bool before_loop; /* chosen while the platform alone shows: no part of the truth */
};

struct sim_visit {
    uint32_t user, session;
    int32_t shown;
    uint32_t surface;
    int n_plans, next_plan;
    struct sim_shown from; /* closed loop: where plans[0], an impression, comes from */
    struct sim_plan plans[PLANS];
};

/* Items of one topic with their running sum of heat. */
struct sim_shelf {
    uint32_t *items;
    double *heat; /* cumulative, of the first n_heated */
    uint32_t n, n_heated, capacity;
};

struct sim_turn { /* of the heap: whose event comes at what time of the visits' own clock */
    double at_ms;
    uint32_t visit;
};

struct simulate {
    struct simulate_config cfg;
    char named[65];
    struct rng rng;
    uint32_t tag; /* of event ids: differs by seed and start */

    struct sim_user *users; /* the named user is one more, the last */
    struct sim_item *items;
    uint32_t n_items, max_items, n_given;
    struct sim_shelf *shelves; /* one a topic; the last holds all */
    uint64_t heat_due;         /* event number of the next rebuild of heat */

    double clock_ms; /* of the next event */
    int64_t last_ts_ms;
    uint64_t n_events, n_bad, n_new;
    double named_due_ms;
    uint32_t n_sessions;

    struct sim_visit *visits;    /* slots; the last is the named user's */
    struct simulate_page *pages; /* closed loop: one a visit; else NULL */
    struct simulate_truth truth;
    struct sim_watched { /* a user's watched items, a bit each; grows */
        uint64_t *bits;
        uint32_t n_words;
    } * watched;
    struct sim_turn *heap;
    uint32_t n_visits, max_visits, *free_visits, n_free;
    double visits_ms; /* the visits' own clock */

    char *line, *large; /* where values are written */
    char key[72];
    struct sim_past {
        char user[65];
        char *line;
        size_t len;
        int64_t ts_ms;
    } * past;
    uint32_t n_past;
    enum { SIM_NOTHING, SIM_BAD, SIM_REPEAT } owed; /* comes after the event just given */
};

#define SIM_PAST 64
#define SIM_LINE 4096
#define SIM_LARGE (1024 * 1024 + 200)
/* between two events of a visit, on average (test_simulate.c measures it) */
#define SIM_PLAN_GAP_MS 9000.0

/* ---- simulate_world.c ---- */
void sim_world_make(struct simulate *s);
void sim_world_release(struct simulate *s);
uint32_t sim_item_add(struct simulate *s, int64_t published_ms); /* NO_ITEM: there is no room */
void sim_heat(struct simulate *s);                               /* running sums as of the clock */
void sim_drift(struct simulate *s, struct sim_user *u);
double sim_taste(int place); /* weight of a user's first, second, third topic */
double sim_interest(const struct sim_user *u, const struct sim_item *it);
int64_t sim_course_price(const struct simulate *s, uint32_t course);

/* ---- simulate_show.c ---- */
uint32_t sim_show(struct simulate *s, const struct sim_user *u); /* an item for this person */
/* The chance with which sim_show would give this item to this person now. */
double sim_show_chance(const struct simulate *s, const struct sim_user *u, uint32_t item);

/* ---- simulate_visit.c ---- */
void sim_visit_begin(struct simulate *s, struct sim_visit *v, uint32_t user);
/* The next thing done; false: the visit is over. */
bool sim_visit_next(struct simulate *s, struct sim_visit *v, struct sim_plan *out);
double sim_watch_chance(double interest);             /* of an item that is looked at */
double sim_like_chance(double interest);              /* of one too, up to a person's own factor */
int32_t sim_visit_wait_ms(const struct sim_visit *v); /* until the thing after that */

/* ---- simulate_loop.c: only with cfg.lists ---- */
void sim_loop_make(struct simulate *s);
void sim_loop_release(struct simulate *s);
/* The next item on the user's page, which is read again when it is used up. */
uint32_t sim_loop_next(struct simulate *s, const struct sim_visit *v, struct sim_shown *out);
/* When the impression v->plans[0] goes on the log: what is planned and never logged was not shown. */
void sim_loop_note(struct simulate *s, const struct sim_visit *v);

/* ---- simulate_json.c ---- */
size_t sim_write_event(const struct simulate *s, const struct sim_visit *v,
                       const struct sim_plan *p, int64_t ts_ms, char *out);
size_t sim_write_item(const struct simulate *s, uint32_t item, char *out);
/* NUL-terminated; its length */
size_t sim_user_name(const struct simulate *s, uint32_t user, char *out);
uint32_t
sim_surface_number(uint32_t place); /* 0 .. SIM_SURFACE_NAMES - 1, of a place of the table */
const char *sim_topic_name(uint32_t topic, char buffer[16]);

/* ---- simulate_features.c ---- */
/* ,"features":{...} or nothing; less than 2 KiB. Returns where it ends. */
char *sim_put_features(const struct simulate *s, uint32_t item, char *at);

/* ---- simulate_bad.c ---- */
void sim_write_bad(struct simulate *s, int64_t ts_ms, struct simulate_record *out);

#endif
