/* Kafka as a log. Two clients of the library, because the catalogue must be known before the first event is judged: one for items, one for
 * events and controls. Whose partitions they read, and from where: kafka_assign.c; which of them is next: kafka_lanes.c. Here: messages
 * out of their queues, and lent.
 *
 * Waiting: both clients write to one eventfd when their queue is no longer empty. A poll takes what is there with timeout 0,
 * since rd_kafka_consume_batch_queue waits out any other timeout. Back-pressure is not polling: the library stops fetching when
 * queue_bytes are waiting. Its pause/resume loses messages beside batch consumption below 2.1, so it is never used. */
#define _GNU_SOURCE
#include "source/kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "source/kafka_priv.h"

#define MAX_HEADERS 64 /* of one message; more are left out */

/* ---- messages ---- */

static void on_message_error(struct kafka_source *k, rd_kafka_t *rk, const rd_kafka_message_t *m)
{
    switch (m->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if (rk == k->items || k->base.cfg.alone) /* in the group, a marker counts as a gap */
            source_order_skip_to(&k->base.order,
                                 rk == k->items
                                     ? ZL_TOPIC_ITEMS
                                     : source_kafka_assign_topic(k, rd_kafka_topic_name(m->rkt)),
                                 m->partition, m->offset);
        return;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: source_kafka_assign_judge_range(k, rk, m); return;
    case RD_KAFKA_RESP_ERR__FATAL: source_kafka_client_fatal(k, rk); return;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        scout_wake(k->scout); /* which says what is missing */
        return;
    default: LOG(WARN, ROOM, "reading: %s", rd_kafka_message_errstr(m));
    }
}

static int64_t decimal(const char *text, size_t len)
{
    int64_t v = 0;
    if (len == 0 || len > 18)
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        v = v * 10 + (text[i] - '0');
    }
    return v;
}

static void lend_headers(struct arena *a, const rd_kafka_message_t *m, struct source_message *to)
{
    rd_kafka_headers_t *all;
    if (rd_kafka_message_headers(m, &all) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    size_t n = rd_kafka_header_cnt(all);
    n = n < MAX_HEADERS ? n : MAX_HEADERS;
    struct source_header *headers = arena_take(a, n * sizeof *headers);
    for (size_t i = 0; i < n; i++) {
        const char *name;
        const void *value;
        size_t len;
        if (rd_kafka_header_get_all(all, i, &name, &value, &len) != RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        headers[to->n_headers++] =
            (struct source_header){zl_span_of(name), {value, value ? len : 0}};
        if (value && strcmp(name, "sent_ms") == 0)
            to->sent_ms = decimal(value, len);
    }
    to->headers = headers;
}

void source_kafka_lend(struct arena *a, const rd_kafka_message_t *m, struct source_message *to)
{
    rd_kafka_timestamp_type_t type;
    int64_t ms = rd_kafka_message_timestamp(m, &type);
    *to = (struct source_message){
        .partition = m->partition,
        .offset = m->offset,
        .log_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : ms,
        .has_key = m->key != NULL,
        .has_value = m->payload != NULL,
        .key = {m->key, m->key ? m->key_len : 0},
        .value = {m->payload, m->payload ? m->len : 0},
    };
    lend_headers(a, m, to);
}

static void take_message(struct kafka_source *k, rd_kafka_t *rk, const rd_kafka_message_t *m,
                         struct source_batch *out)
{
    if (m->err) {
        on_message_error(k, rk, m);
        return;
    }
    enum zl_topic topic =
        rk == k->items ? ZL_TOPIC_ITEMS : source_kafka_assign_topic(k, rd_kafka_topic_name(m->rkt));
    int64_t gap;
    if (!source_order_take(&k->base.order, topic, m->partition, m->offset, &gap))
        return;
    if (gap && topic != ZL_TOPIC_ITEMS) /* compaction leaves holes in items */
        metrics_add(METRIC_SOURCE_GAPS, 0, (uint64_t)gap);
    if (source_kafka_assign_beyond(k, topic, m->partition, m->offset))
        return;
    struct source_message *to = &out->messages[out->n++];
    source_kafka_lend(&k->headers, m, to);
    to->topic = topic;
}

static void give_back(struct kafka_source *k)
{
    for (int i = 0; i < k->n_held; i++)
        rd_kafka_message_destroy(k->held[i]);
    k->n_held = 0;
    arena_clear(&k->headers);
    k->statistics_new = false;
}

/* Items, as they come: before events that need them. */
static void take_items(struct kafka_source *k, struct source_batch *out)
{
    ssize_t n = rd_kafka_consume_batch_queue(k->items_queue, 0, k->held, SOURCE_BATCH);
    k->n_held = n > 0 ? (int)n : 0;
    for (int i = 0; i < k->n_held; i++)
        take_message(k, k->items, k->held[i], out);
}

/* What the library has to say, and the group; never a message of a partition, whose queue is cut off. */
static void serve_events(struct kafka_source *k)
{
    rd_kafka_message_t *said[16];
    ssize_t n = rd_kafka_consume_batch_queue(k->events_queue, 0, said, 16);
    for (ssize_t i = 0; i < n; i++) {
        if (said[i]->err)
            on_message_error(k, k->events, said[i]);
        else
            source_kafka_client_fail(k, ZL_EINTERNAL, "a message came past its partition's queue");
        rd_kafka_message_destroy(said[i]);
    }
}

static void take_events(struct kafka_source *k, struct source_batch *out)
{
    if (!k->events)
        return;
    serve_events(k);
    source_kafka_lanes_begin(k, clock_monotonic_ns());
    rd_kafka_message_t *m;
    while (k->n_held < SOURCE_BATCH && (m = source_kafka_lanes_take(k)) != NULL) {
        k->held[k->n_held++] = m;
        take_message(k, k->events, m, out);
    }
}

static enum zl_status kafka_poll(struct source *s, struct source_batch *out, struct zl_error *err)
{
    struct kafka_source *k = (struct kafka_source *)s;
    give_back(k);
    if (scout_read(k->scout, &k->answer) && k->answer.complete)
        source_health_answered(&k->health);
    source_kafka_assign_items(k);
    source_kafka_assign_events(k);
    take_items(k, out);
    take_events(k, out);
    if (out->n > 0)
        source_health_answered(&k->health);
    out->more = k->n_held == SOURCE_BATCH;
    if (k->fatal != ZL_OK)
        return zl_fail(err, k->fatal, "%s", k->words.text);
    if (k->stop && k->began && out->n == 0 && source_order_reached(&s->order, k->stop))
        return ZL_END;
    return ZL_OK;
}

/* ---- the rest of the table ---- */

static int kafka_fds(struct source *s, int *fds, int max)
{
    if (max < 1)
        return 0;
    fds[0] = ((struct kafka_source *)s)->wake_fd;
    return 1;
}

static void kafka_wake_clear(struct source *s)
{
    uint64_t n;
    ssize_t got = read(((struct kafka_source *)s)->wake_fd, &n, sizeof n);
    (void)got; /* EAGAIN: nobody rang */
}

static bool kafka_items_ready(const struct source *s)
{
    return ((const struct kafka_source *)s)->items_ready;
}

static bool kafka_connected(struct source *s, char *why, size_t len)
{
    struct kafka_source *k = (struct kafka_source *)s;
    const char *trouble = k->fatal != ZL_OK ? k->words.text : source_health_trouble(&k->health);
    if (!trouble && !k->checked)
        trouble = k->items_ready ? k->trouble : "the catalogue is being read";
    if (trouble && why)
        snprintf(why, len, "kafka %s: %s", k->base.cfg.brokers, trouble);
    return trouble == NULL;
}

static int kafka_partitions(const struct source *s)
{
    return ((const struct kafka_source *)s)->n_events;
}

static int64_t kafka_high_watermark(struct source *s, enum zl_topic topic, int32_t partition)
{
    struct kafka_source *k = (struct kafka_source *)s;
    rd_kafka_t *rk = topic == ZL_TOPIC_ITEMS ? k->items : k->events;
    int64_t low, high;
    if (!rk || !k->asked[topic] ||
        rd_kafka_get_watermark_offsets(rk, s->cfg.topics[topic], partition, &low, &high) != 0)
        return -1;
    return high >= 0 ? high : -1;
}

static struct zl_span kafka_statistics(struct source *s)
{
    struct kafka_source *k = (struct kafka_source *)s;
    if (!k->statistics_new)
        return (struct zl_span){NULL, 0};
    return (struct zl_span){k->statistics, k->statistics_len};
}

static void kafka_commit(struct source *s, const struct zl_positions *upto)
{
    struct kafka_source *k = (struct kafka_source *)s;
    if (!k->checked || s->cfg.alone)
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(upto->n);
    for (int i = 0; i < upto->n; i++) {
        const struct zl_position *at = &upto->at[i];
        if (at->topic != ZL_TOPIC_ITEMS && k->asked[at->topic] && at->next >= 0)
            rd_kafka_topic_partition_list_add(list, s->cfg.topics[at->topic], at->partition)
                ->offset = at->next;
    }
    if (list->cnt > 0)
        rd_kafka_commit(k->events, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- open and close ---- */

/* Serves the queue until the group knows that we leave, so that the library is not waiting for a callback of ours. */
static void leave_group(struct kafka_source *k, int64_t until_ns)
{
    if (!k->events || !k->began)
        return;
    rd_kafka_error_t *e = rd_kafka_consumer_close_queue(k->events, k->events_queue);
    if (e)
        rd_kafka_error_destroy(e);
    while (!e && !rd_kafka_consumer_closed(k->events) && clock_monotonic_ns() < until_ns) {
        rd_kafka_message_t *m = NULL;
        if (rd_kafka_consume_batch_queue(k->events_queue, 20, &m, 1) == 1)
            rd_kafka_message_destroy(m);
    }
}

static void kafka_close(struct source *s)
{
    struct kafka_source *k = (struct kafka_source *)s;
    int64_t until_ns = clock_monotonic_ns() + CLOSE_MS * MS;
    give_back(k);
    source_kafka_assign_forget(k);
    leave_group(k, until_ns - 1500 * MS);
    scout_close(k->scout);
    for (int t = 0; t < ZL_N_TOPICS; t++)
        if (k->asked[t])
            rd_kafka_topic_destroy(k->asked[t]);
    source_kafka_client_close_queue(&k->items_queue);
    source_kafka_client_close_queue(&k->events_queue);
    source_kafka_assign_forget(k); /* leaving may have been answered by an assignment */
    rd_kafka_t *clients[2] = {k->events, k->items};
    source_kafka_client_destroy(clients, 2, until_ns);
    if (k->statistics)
        rd_kafka_mem_free(NULL, k->statistics);
    if (k->wake_fd >= 0)
        close(k->wake_fd);
    arena_release(&k->headers);
    source_order_release(&s->order);
    free(k);
}

static const struct source_ops kafka_ops = {
    .close = kafka_close,
    .poll = kafka_poll,
    .fds = kafka_fds,
    .wake_clear = kafka_wake_clear,
    .items_ready = kafka_items_ready,
    .connected = kafka_connected,
    .partitions = kafka_partitions,
    .high_watermark = kafka_high_watermark,
    .statistics = kafka_statistics,
    .commit = kafka_commit,
};

static enum zl_status open_topics(struct kafka_source *k, struct zl_error *err)
{
    for (int t = 0; t < ZL_N_TOPICS; t++) {
        const char *name = k->base.cfg.topics[t];
        if (!name || !name[0])
            continue;
        k->asked[t] = rd_kafka_topic_new(k->items, name, NULL);
        if (!k->asked[t])
            return zl_fail(err, ZL_ECONFIG, "topic %s: %s", name,
                           rd_kafka_err2str(rd_kafka_last_error()));
    }
    return ZL_OK;
}

enum zl_status source_kafka_open(const struct source_config *cfg, struct source **out,
                                 struct zl_error *err)
{
    *out = NULL;
    if (!cfg->topics[ZL_TOPIC_EVENTS] || !cfg->topics[ZL_TOPIC_EVENTS][0])
        return zl_fail(err, ZL_ECONFIG, "source.topics.events is empty");
    TRY(source_kafka_config_library(err));
    struct kafka_source *k = xcalloc(1, sizeof *k);
    k->base.ops = &kafka_ops;
    k->base.cfg = *cfg;
    k->base.cfg.alone = cfg->alone || cfg->until;
    k->stop = cfg->until;
    k->session_ms = source_kafka_config_session_ms(cfg);
    snprintf(k->trouble, sizeof k->trouble, "the catalogue is being read");
    arena_init(&k->headers);
    source_order_init(&k->base.order, cfg->positions);
    k->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT(k->wake_fd >= 0);
    k->items_ready = !cfg->topics[ZL_TOPIC_ITEMS] || !cfg->topics[ZL_TOPIC_ITEMS][0];
    enum zl_status st = source_kafka_client_open(k, 0, err);
    if (st == ZL_OK)
        st = source_kafka_client_try(cfg, err); /* opened when the partitions are counted */
    if (st == ZL_OK)
        st = open_topics(k, err);
    if (st != ZL_OK) {
        kafka_close(&k->base);
        return st;
    }
    for (int t = 0; t < ZL_N_TOPICS; t++)
        k->answer.n_partitions[t] = -1; /* not known, which is not "none" */
    k->scout = scout_open(source_kafka_ask, source_kafka_ask_woken, k);
    *out = &k->base;
    return ZL_OK;
}
