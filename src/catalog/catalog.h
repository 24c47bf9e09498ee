/* catalog/catalog.h - what is known of an item: content, course, price, review state.
 * Promise  An item that only events speak of is known (and served, unless catalog.unknown is hide). A blocked, pending or removed
 *          item is not served. catalog_changes() names items whose served state changed since it was last asked.
 * Memory   about 200 bytes and the item's own text and features; max_items reserved.
 * Threads  the engine's loop only. */
#ifndef CATALOG_CATALOG_H
#define CATALOG_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rows.h"
#include "zhiliu/event.h"

struct catalog_config {
    uint32_t max_items;
    bool serve_unknown;
    /* For tests on a log of the past, whose items file knows the future: a described item is not served before an event has spoken
     * of it or, when it says published_at, before catalog_advance() has reached that. */
    bool hold;
    int n_features[ZL_N_MODALITIES];
};

/* What is known of one item. Spans and features are lent until the item's next change. */
struct catalog_item {
    /* known: an event or the items topic spoke of it; described: the items topic did */
    bool known, described;
    enum zl_item_status status;
    uint32_t course;                             /* index in the courses' ids, or ZL_NO_INDEX */
    int64_t duration_ms, published_at_ms, price; /* -1: unknown */
    double fps;
    int32_t width, height;
    struct zl_span title, description, uploader_id, category, subtitles;
    struct zl_span tags[ZL_MAX_TAGS];
    int n_tags;
    const float *features[ZL_N_MODALITIES];
};

struct catalog;

MUST_CHECK enum zl_status catalog_open(const struct catalog_config *cfg, struct catalog **out,
                                       struct zl_error *err);
void catalog_close(struct catalog *c);

/* From the items topic. course: index of item->course_id, or ZL_NO_INDEX. */
void catalog_put(struct catalog *c, uint32_t item, const struct zl_item *described,
                 uint32_t course);
/* From an event: makes the item known; a duration or course it did not have is taken from the event. */
void catalog_observe(struct catalog *c, uint32_t item, const struct zl_event *ev);

/* The clock of the log. With `hold` it lets out the items that are published by now; otherwise it does nothing. */
void catalog_advance(struct catalog *c, int64_t now_ms);

/* May it stand in a list? One array read. */
bool catalog_served(const struct catalog *c, uint32_t item);
const uint8_t *
catalog_served_array(const struct catalog *c); /* 1 or 0 an item index, lent for ever */
/* A row an item index below catalog_count, lent for ever. */
const struct zl_item_facts *catalog_facts_array(const struct catalog *c);
/* Items whose served state changed since the last call; lent until the next catalog_put. */
const uint32_t *catalog_changes(struct catalog *c, uint32_t *n);
void catalog_get(const struct catalog *c, uint32_t item, struct catalog_item *out);
int64_t catalog_duration_ms(const struct catalog *c, uint32_t item); /* -1 unknown */
uint32_t catalog_course(const struct catalog *c, uint32_t item);
uint32_t catalog_count(const struct catalog *c); /* highest known index + 1 */
struct rows_table catalog_rows(struct catalog *c);

#endif
