/* The client library can hand a message out twice (a rewind after a rebalance) or leave one out (a defect, or simply a
 * transaction's marker). The state of the engine would be wrong in the first case without anybody noticing, so the room does not
 * trust it: one expected offset a partition, compared with every message. */
#include "source/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static void order_room(struct source_order *o, enum zl_topic topic, int32_t partition)
{
    ASSERT(partition >= 0);
    if (partition < o->n[topic])
        return;
    int32_t n = partition + 16;
    o->next[topic] = xrealloc(o->next[topic], (size_t)n, sizeof o->next[topic][0]);
    for (int32_t p = o->n[topic]; p < n; p++)
        o->next[topic][p] = -1;
    o->n[topic] = n;
}

void source_order_init(struct source_order *o, const struct zl_positions *from)
{
    memset(o, 0, sizeof *o);
    for (int i = 0; from && i < from->n; i++) {
        const struct zl_position *at = &from->at[i];
        order_room(o, at->topic, at->partition);
        o->next[at->topic][at->partition] = at->next;
    }
}

void source_order_release(struct source_order *o)
{
    for (int t = 0; t < ZL_N_TOPICS; t++)
        free(o->next[t]);
    memset(o, 0, sizeof *o);
}

bool source_order_take(struct source_order *o, enum zl_topic topic, int32_t partition,
                       int64_t offset, int64_t *gap)
{
    order_room(o, topic, partition);
    int64_t *next = &o->next[topic][partition];
    if (offset < *next)
        return false;
    *gap = *next < 0 ? 0 : offset - *next;
    *next = offset + 1;
    return true;
}

int64_t source_order_next(const struct source_order *o, enum zl_topic topic, int32_t partition)
{
    return partition >= 0 && partition < o->n[topic] ? o->next[topic][partition] : -1;
}

void source_order_skip_to(struct source_order *o, enum zl_topic topic, int32_t partition,
                          int64_t offset)
{
    order_room(o, topic, partition);
    if (offset > o->next[topic][partition])
        o->next[topic][partition] = offset;
}

void source_order_back_to(struct source_order *o, enum zl_topic topic, int32_t partition,
                          int64_t offset)
{
    ASSERT(offset < source_order_next(o, topic, partition));
    o->next[topic][partition] = offset;
}

bool source_order_reached(const struct source_order *o, const struct zl_positions *until)
{
    for (int i = 0; i < until->n; i++) {
        const struct zl_position *at = &until->at[i];
        if (at->next > 0 && source_order_next(o, at->topic, at->partition) < at->next)
            return false;
    }
    return true;
}
