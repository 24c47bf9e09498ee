/* The partitions of events and controls, each with the library's queue of its own, merged by time (merge.h).
 *
 *   broker -> library's queue of a partition (bytes bounded) -> MERGE_AHEAD messages -> the oldest head -> the batch
 *
 * The library would put all partitions into the consumer's one queue, in bursts of as much as a fetch brings of each. Its queue of a
 * partition is cut off from that before the partition is assigned, so nothing goes astray, and a full queue stops the fetching of
 * just this partition: bounded look-ahead without pause/resume, which loses messages beside batch consumption. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "source/kafka_priv.h"

/* A lane so near to its end has no more to come: a transaction's marker is an offset without a message. */
#define NEAR_END 64

struct kafka_lane {
    rd_kafka_queue_t *queue;
    const char *name; /* of the topic; k->base.cfg's */
    enum zl_topic topic;
    int32_t partition;
    int64_t next; /* behind what has come; -1: nothing has */
    bool at_end;  /* the broker said so, and nothing has come since */
};

static void put(struct kafka_source *k, int i, rd_kafka_message_t *m)
{
    struct kafka_lane *l = &k->lanes[i];
    rd_kafka_timestamp_type_t type;
    l->at_end = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    int64_t ms = m->err ? -1 : rd_kafka_message_timestamp(m, &type);
    if (!m->err)
        l->next = m->offset + 1;
    source_merge_put(&k->merge, i, m, ms);
}

static void put_what_came(void *ctx, int i)
{
    struct kafka_source *k = ctx;
    rd_kafka_message_t *got[MERGE_AHEAD];
    ssize_t n = rd_kafka_consume_batch_queue(k->lanes[i].queue, 0, got, MERGE_AHEAD);
    for (ssize_t at = 0; at < n; at++)
        put(k, i, got[at]);
}

/* By what the library heard last: it never asks. */
static bool more_to_come(void *ctx, int i)
{
    struct kafka_source *k = ctx;
    const struct kafka_lane *l = &k->lanes[i];
    int64_t low, high, next = l->next;
    if (next < 0)
        next = source_order_next(&k->base.order, l->topic, l->partition);
    if (l->at_end || (next >= 0 && source_kafka_assign_beyond(k, l->topic, l->partition, next)))
        return false;
    if (rd_kafka_get_watermark_offsets(k->events, l->name, l->partition, &low, &high) != 0 ||
        high < 0)
        return true; /* assigned, and not heard of yet */
    return high - (next >= 0 ? next : low) > (next >= 0 ? NEAR_END : 0);
}

static void open_lane(struct kafka_source *k, struct kafka_lane *l,
                      const rd_kafka_topic_partition_t *of)
{
    static const uint64_t one = 1;
    l->topic = source_kafka_assign_topic(k, of->topic);
    l->name = k->base.cfg.topics[l->topic];
    l->partition = of->partition;
    l->next = -1;
    l->queue = rd_kafka_queue_get_partition(k->events, of->topic, of->partition);
    ASSERT(l->queue); /* NULL only for a client that does not consume */
    rd_kafka_queue_forward(l->queue, NULL);
    rd_kafka_queue_io_event_enable(l->queue, k->wake_fd, &one, sizeof one);
}

void source_kafka_lanes_open(struct kafka_source *k, const rd_kafka_topic_partition_list_t *list)
{
    source_kafka_lanes_close(k);
    k->lanes = xcalloc((size_t)list->cnt, sizeof *k->lanes);
    for (k->n_lanes = 0; k->n_lanes < list->cnt; k->n_lanes++)
        open_lane(k, &k->lanes[k->n_lanes], &list->elems[k->n_lanes]);
    const struct source_merge_calls calls = {
        .put_what_came = put_what_came, .more_to_come = more_to_come, .ctx = k};
    source_merge_init(&k->merge, k->n_lanes, &calls);
}

static void give_back(void *message)
{
    rd_kafka_message_destroy(message);
}

void source_kafka_lanes_close(struct kafka_source *k)
{
    source_merge_release(&k->merge, give_back);
    for (int i = 0; i < k->n_lanes; i++)
        source_kafka_client_close_queue(&k->lanes[i].queue);
    free(k->lanes);
    k->lanes = NULL;
    k->n_lanes = 0;
}

void source_kafka_lanes_begin(struct kafka_source *k, int64_t now_ns)
{
    source_merge_begin(&k->merge, now_ns);
}

rd_kafka_message_t *source_kafka_lanes_take(struct kafka_source *k)
{
    int lane = source_merge_pick(&k->merge);
    return lane < 0 ? NULL : source_merge_take(&k->merge, lane);
}
