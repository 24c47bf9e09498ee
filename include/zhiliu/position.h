/* zhiliu/position.h - how far each partition has been taken in.
 * Promise  next[i] is the offset of the first message that is NOT yet part of the state. A file counts lines.
 * Memory   fixed; at most ZL_MAX_PARTITIONS partitions over all topics. */
#ifndef ZHILIU_POSITION_H
#define ZHILIU_POSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "zhiliu/event.h"

#define ZL_MAX_PARTITIONS 1024

struct zl_position {
    enum zl_topic topic;
    int32_t partition;
    int64_t next;
    /* newest timestamp taken in: the partition's reference clock; 0 before the first */
    int64_t log_ms;
};

struct zl_positions {
    int n;
    struct zl_position at[ZL_MAX_PARTITIONS]; /* sorted by (topic, partition) */
};

/* NULL when the partition is not there. */
struct zl_position *zl_positions_find(struct zl_positions *p, enum zl_topic topic,
                                      int32_t partition);
/* Finds or adds (next = -1: nothing taken in yet); NULL when the table is full. */
struct zl_position *zl_positions_get(struct zl_positions *p, enum zl_topic topic,
                                     int32_t partition);

#endif
