/* app/simulate.h - a short-video platform whose truth is known: who likes what, and what they then do.
 * World    users with drifting tastes (three of the topics each, and a style), items with topic, quality, length (5 s .. 30 min),
 *          uploader, tags, course; new ones arrive, popularity is Zipf-like and ages, day and night have their rhythm. A visit
 *          shows items one after another; what is watched, liked, bought follows from the true interest, and watch time also
 *          from the length of the video, as in life.
 * Promise  The same config gives the same bytes: there is no clock here. Events are valid by design and ordered by ts, but for those
 *          that were planted as bad (planted tells the reason) or as repeats of an earlier one (repeated).
 * Units    *_ms Unix time UTC; shares 0..1.
 * Memory   about 64 bytes a user, 48 an item.
 * Threads  one. */
#ifndef APP_SIMULATE_H
#define APP_SIMULATE_H

#include <stdbool.h>
#include <stdint.h>

#include "app/simulate_loop.h"
#include "zhiliu/event.h"
#include "zhiliu/status.h"

#define SIMULATE_MOST_FEATURES 64

/* Vectors that items have: a view of what they truly are. */
struct simulate_modality {
    int n;        /* numbers; 0: no such vectors */
    double noise; /* its length over that of the truth; INFINITY: noise alone */
    double share; /* of the items that have one */
};

struct simulate_config {
    uint64_t seed;
    uint32_t users, items, topics, courses; /* items that stand at the start */
    uint32_t max_items; /* with new ones; 0: four times the standing ones and a million */
    int64_t start_ms;
    double events_per_s; /* of simulated time, on a day's average */
    double new_items;    /* per event */
    double
        surface_tastes; /* 0..1: people keep to one surface, and this share of their topics are its own; 0: surfaces say nothing */
    double bad, repeats;    /* share of planted bad events, of repeated ones */
    uint32_t reasons;       /* bit r: reason r is planted */
    const char *named_user; /* acts about once a second; NULL: nobody */
    struct simulate_modality modalities[ZL_N_MODALITIES];
    /* No title, tags, category, uploader: vectors alone tell of an item. */
    bool bare;
    /* The platform's choice shows items of a topic so many times as often as it would, against others, and its chances are on the
     * log (propensity). 0: neither. */
    double over_show;
    uint32_t over_topic;
    /* Closed loop: who makes the lists (borrowed while open); NULL: the platform itself chooses what is shown. */
    const struct simulate_lists *lists;
    uint64_t open_events; /* so many come before the loop is closed: the platform's choice */
    int page;             /* places of a list that are read at once, 1 .. SIMULATE_PAGE */
};

/* All that a file of events (no keys, no clock of its own) can hold; with Kafka add the other two; bad_features needs items. */
#define SIMULATE_REASONS_FILE                                                                      \
    (((1u << ZL_N_REASONS) - 2) &                                                                  \
     ~((1u << ZL_KEY_MISMATCH) | (1u << ZL_FUTURE_TIME) | (1u << ZL_BAD_FEATURES)))
#define SIMULATE_REASONS_ALL ((1u << ZL_N_REASONS) - 2)

/* One message. Spans are lent until the next call. */
struct simulate_record {
    enum zl_topic topic;
    struct zl_span key, value; /* value: one line of JSON without its newline */
    int64_t ts_ms; /* what CreateTime should be: the ts, also where a planted one lies about it */
    enum zl_reason planted; /* ZL_REASON_NONE: a good one */
    bool repeated;
};

struct simulate;

/* simulate_features.c: what --features says; ZL_EUSAGE: words say how it is written. */
MUST_CHECK enum zl_status simulate_features_of(const char *text,
                                               struct simulate_modality out[ZL_N_MODALITIES],
                                               struct zl_error *err);

/* cfg is copied (named_user too). *out is the caller's, for simulate_close(), or NULL. ZL_EUSAGE: words say which number is wrong. */
MUST_CHECK enum zl_status simulate_open(const struct simulate_config *cfg, struct simulate **out,
                                        struct zl_error *err);
void simulate_close(struct simulate *s);

/* The standing items first, then events with new items among them, for ever. now_ms: the ts of an event; -1: history's own. */
void simulate_next(struct simulate *s, int64_t now_ms, struct simulate_record *out);

/* The truth: how much user (from 0) likes item (from 0) now, 0..1. */
double simulate_interest(const struct simulate *s, uint32_t user, uint32_t item);
uint32_t simulate_items(const struct simulate *s); /* that exist by now */
/* What was shown since the loop was closed; lent until close. */
const struct simulate_truth *simulate_truth(const struct simulate *s);
/* The number of a topic's name ("football"); false: none of so many topics has it. */
bool simulate_topic(const char *name, size_t len, uint32_t topics, uint32_t *topic);
/* How busy the hour is against a day's average, 0.4 .. 1.6. */
double simulate_daylight(double unix_ms);

#endif
