/* source/order.h - each message of a partition once, in offset order, whatever the client library does.
 * Promise  A message below the expected offset is refused; one above it is taken, and the hole is told. */
#ifndef SOURCE_ORDER_H
#define SOURCE_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "zhiliu/event.h"
#include "zhiliu/position.h"

struct source_order {
    int64_t *next[ZL_N_TOPICS]; /* expected offset by partition; -1: anything */
    int32_t n[ZL_N_TOPICS];     /* partitions known */
};

void source_order_init(struct source_order *o, const struct zl_positions *from);
void source_order_release(struct source_order *o);

/* Is this message new? Then the expectation moves behind it, and *gap says how many offsets were left out. */
bool source_order_take(struct source_order *o, enum zl_topic topic, int32_t partition,
                       int64_t offset, int64_t *gap);
/* The offset expected next; -1: unknown (start at the beginning). */
int64_t source_order_next(const struct source_order *o, enum zl_topic topic, int32_t partition);
/* What was taken from this offset on comes again. */
void source_order_back_to(struct source_order *o, enum zl_topic topic, int32_t partition,
                          int64_t offset);
/* The log itself says that nothing below offset will come any more. */
void source_order_skip_to(struct source_order *o, enum zl_topic topic, int32_t partition,
                          int64_t offset);
/* Has every partition named in until been taken up to there? */
bool source_order_reached(const struct source_order *o, const struct zl_positions *until);

#endif
