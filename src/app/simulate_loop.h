/* app/simulate_loop.h - the loop closed: the simulated users are shown somebody's lists, and it is known what these were worth.
 * Page     What a user reads at once: the first `page` places of a list, shown one after another; then it is read again. The place
 *          is looked at with chance 1 / (1 + (place - 1) / 20): 1 at the top, .69 at 10, .51 at 20 (the position bias).
 * Origin   the list made for the user; without one what is hot; without that what the platform itself would show (its rough
 *          choice, simulate_world.c).
 * Truth    sums over what was shown, and over what the platform would have shown instead at the same moments (drawn from a
 *          stream of its own: it changes nothing).
 * Threads  one. */
#ifndef APP_SIMULATE_LOOP_H
#define APP_SIMULATE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "zhiliu/span.h"
#include "zhiliu/status.h"

#define SIMULATE_PAGE 50 /* the longest page */
#define SIMULATE_BLOCKS 4

struct simulate;
struct simulate_learned;

enum simulate_origin { SIMULATE_FEED, SIMULATE_HOT, SIMULATE_ROUGH, SIMULATE_N_ORIGINS };

struct simulate_page {
    enum simulate_origin origin;
    int n, next;                      /* places read, places shown */
    uint32_t items[SIMULATE_PAGE];    /* the simulator's numbers, from 0 */
    int32_t places[SIMULATE_PAGE];    /* on the list, from 1 */
    double propensity[SIMULATE_PAGE]; /* 0: not explored */
    char request_id[65];              /* the list's ver; "": none */
    char experiment[512];             /* JSON object; "": none */
};

/* Where lists come from. read fills at most `max` places of the list of this user, request_id and experiment; false: there is none. */
struct simulate_lists {
    bool (*read)(void *ctx, struct zl_span user_id, enum simulate_origin origin, int max,
                 struct simulate_page *out);
    void *ctx;
};

/* The simulator's number of an item's id ("v12" is 11), UINT32_MAX: not one of `n`. */
uint32_t simulate_loop_item(struct zl_span item_id, uint32_t n);
/* The same of a user's ("u12"). */
uint32_t simulate_loop_user(struct zl_span user_id, uint32_t n);
/* Chance that a place is looked at. */
double simulate_loop_looked_at(int place);

/* Sums over shown items. */
struct simulate_sums {
    uint64_t shown, watches, likes, enrolments, purchases;
    double interest, watched; /* watched: of each item's length, at most 1 */
};

struct simulate_truth {
    struct simulate_sums all, origins[SIMULATE_N_ORIGINS], blocks[SIMULATE_BLOCKS], explored;
    double platform_interest; /* of what the platform would have shown, over the same moments */
    uint32_t n_topics;
    double *wanted, *topics, *platform_topics; /* a number a topic; sums as all.shown */
};

/* Half the sum of |shown share - wanted share| over topics: 0 is as wanted, 1 nothing is. */
double simulate_loop_topic_error(const struct simulate_truth *t, const double *topics);
/* What was shown since `since` (NULL: since the start), in one line of words. */
void simulate_loop_say(const struct simulate_truth *t, const struct simulate_sums *since,
                       FILE *out);
/* One JSON object and a newline. learned NULL: not known. */
void simulate_loop_print(const struct simulate_truth *t, const struct simulate_learned *learned,
                         FILE *out);

#endif
