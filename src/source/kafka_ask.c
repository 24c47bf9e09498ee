/* What only a broker can answer, asked by the scout's thread (scout.h): how many partitions a topic has, where they end now, who else
 * is in the group. The clients are the library's and safe to share; of struct kafka_source only what is written before the thread starts
 * is read here, part_ns, and member, which is written before part_ns. */
#define _GNU_SOURCE
#include "source/kafka_priv.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

void source_kafka_ask_woken(void *ctx)
{
    struct kafka_source *k = ctx;
    uint64_t one = 1;
    ssize_t put = write(k->wake_fd, &one, sizeof one);
    (void)put; /* a full counter wakes as well */
}

/* Number of partitions; 0: no such topic; -1: no answer. */
int source_kafka_ask_partitions(rd_kafka_t *rk, rd_kafka_topic_t *topic, int timeout_ms)
{
    const struct rd_kafka_metadata *about;
    if (rd_kafka_metadata(rk, 0, topic, &about, timeout_ms) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return -1;
    int n = -1;
    if (about->topic_cnt == 1) {
        const struct rd_kafka_metadata_topic *t = &about->topics[0];
        if (t->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            n = t->partition_cnt;
        else if (t->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            n = 0;
        else
            LOG(WARN, ROOM, "topic %s: %s", t->topic, rd_kafka_err2str(t->err));
    }
    rd_kafka_metadata_destroy(about);
    return n;
}

/* Where the topic's partitions end, asked once: a later answer would move the place that is waited for. */
static void ask_high(struct kafka_source *k, struct scout_answer *a, enum zl_topic topic)
{
    int n = a->n_partitions[topic];
    if (a->n_high[topic] > 0 || n <= 0)
        return;
    n = n < SCOUT_MAX_PARTITIONS ? n : SCOUT_MAX_PARTITIONS;
    for (int p = 0; p < n; p++) {
        int64_t low;
        if (rd_kafka_query_watermark_offsets(k->items, k->base.cfg.topics[topic], p, &low,
                                             &a->high[topic][p],
                                             1000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            a->complete = false;
            return;
        }
    }
    a->n_high[topic] = n;
}

/* Who is in the group beside us? */
static void ask_members(struct kafka_source *k, struct scout_answer *a)
{
    const struct rd_kafka_group_list *list;
    a->n_members = -1;
    a->stranger[0] = '\0';
    if (rd_kafka_list_groups(k->items, k->base.cfg.group, &list, 2000) == 0) {
        if (list->group_cnt == 1) {
            const struct rd_kafka_group_info *g = &list->groups[0];
            a->n_members = g->member_cnt;
            for (int i = 0; i < g->member_cnt; i++)
                if (strcmp(g->members[i].member_id, k->member) != 0)
                    snprintf(a->stranger, sizeof a->stranger, "%.80s at %.40s",
                             g->members[i].member_id, g->members[i].client_host);
        }
        rd_kafka_group_list_destroy(list);
    }
}

void source_kafka_ask(void *ctx, struct scout_answer *a)
{
    struct kafka_source *k = ctx;
    a->complete = true;
    for (int t = 0; t < ZL_N_TOPICS; t++) {
        a->n_partitions[t] =
            k->asked[t] ? source_kafka_ask_partitions(k->items, k->asked[t], 1000) : 0;
        if (a->n_partitions[t] < 0) {
            a->complete = false;
            return;
        }
    }
    for (int t = 0; t < ZL_N_TOPICS; t++)
        if (t == ZL_TOPIC_ITEMS || k->base.cfg.alone)
            ask_high(k, a, (enum zl_topic)t);
    a->soon = __atomic_load_n(&k->part_ns, __ATOMIC_ACQUIRE) != 0;
    if (a->soon)
        ask_members(k, a);
}
