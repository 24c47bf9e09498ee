/* Whose partitions, and from which offset?
 *
 *      items   assign(): every partition, from our position; the end it had at the start makes the source ready; followed after that
 *      events  subscribe(): events and controls, in the group; begins when items are ready. Alone (a replay): assign(), to an end
 *
 * The group's answer is checked against the topics before one event is fetched: an engine that was not given
 * everything must not learn from a part. So the rebalance callback assigns nothing; it notes what was given and wakes the
 * scout (scout.h), and when the counts agree the partitions are assigned, each at the offset that the state expects. Offsets in the
 * group are for lag tools; ours lie beside the state. */
#define _GNU_SOURCE
#include "source/kafka_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define STRANGER_WAIT_MS 30000 /* how long who had everything waits for another engine to be gone */
#define SOLE_MS 7000           /* two heartbeats: a rebalance would have been told by then */

/* ---- items ---- */

static int64_t start_of(const struct kafka_source *k, enum zl_topic topic, int32_t partition)
{
    int64_t next = source_order_next(&k->base.order, topic, partition);
    return next >= 0 ? next : RD_KAFKA_OFFSET_BEGINNING;
}

static void add_partition(struct kafka_source *k, rd_kafka_topic_partition_list_t *list,
                          enum zl_topic topic, int32_t partition)
{
    rd_kafka_topic_partition_list_add(list, k->base.cfg.topics[topic], partition)->offset =
        start_of(k, topic, partition);
}

static void assign_items(struct kafka_source *k, int n)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n);
    for (int p = 0; p < n; p++)
        add_partition(k, list, ZL_TOPIC_ITEMS, p);
    rd_kafka_resp_err_t code = rd_kafka_assign(k->items, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code)
        LOG(ERROR, ROOM, "cannot take the partitions of items: %s", rd_kafka_err2str(code));
    else
        k->n_items = n;
}

static bool items_read(const struct kafka_source *k)
{
    for (int p = 0; p < k->answer.n_high[ZL_TOPIC_ITEMS]; p++)
        if (k->answer.high[ZL_TOPIC_ITEMS][p] > 0 &&
            source_order_next(&k->base.order, ZL_TOPIC_ITEMS, p) <
                k->answer.high[ZL_TOPIC_ITEMS][p])
            return false;
    return true;
}

static void warn_missing(struct kafka_source *k, enum zl_topic topic, const char *then)
{
    if (!k->warned[topic] && k->asked[topic])
        LOG(WARN, ROOM, "topic %s is not there: %s", k->base.cfg.topics[topic], then);
    k->warned[topic] = true;
}

/* Follows the scout's answers: takes the topic's partitions when it is found, more when it grew. */
void source_kafka_assign_items(struct kafka_source *k)
{
    int n = k->answer.n_partitions[ZL_TOPIC_ITEMS];
    if (n == 0) {
        warn_missing(k, ZL_TOPIC_ITEMS, "going on without a catalogue until it is");
        k->items_ready = true;
    }
    if (n > k->n_items && k->answer.n_high[ZL_TOPIC_ITEMS] > 0)
        assign_items(k, n < SCOUT_MAX_PARTITIONS ? n : SCOUT_MAX_PARTITIONS);
    if (!k->items_ready && k->n_items > 0 && items_read(k))
        k->items_ready = true;
}

/* ---- events: whose are they? ---- */

static int count_given(const struct kafka_source *k, enum zl_topic topic)
{
    int n = 0;
    for (int i = 0; k->given && i < k->given->cnt; i++)
        n += strcmp(k->given->elems[i].topic, k->base.cfg.topics[topic]) == 0;
    return n;
}

static bool given_all(const struct kafka_source *k)
{
    const int *n = k->answer.n_partitions;
    return count_given(k, ZL_TOPIC_EVENTS) == n[ZL_TOPIC_EVENTS] &&
           (!k->asked[ZL_TOPIC_CONTROLS] ||
            count_given(k, ZL_TOPIC_CONTROLS) == n[ZL_TOPIC_CONTROLS]);
}

void source_kafka_assign_forget(struct kafka_source *k)
{
    source_kafka_lanes_close(k);
    if (k->given)
        rd_kafka_topic_partition_list_destroy(k->given);
    k->given = NULL;
    k->checked = false;
}

void source_kafka_assign_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                                   rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_source *k = opaque;
    source_kafka_assign_forget(k);
    rd_kafka_assign(rk, NULL); /* nothing is fetched before it is known to be everything */
    if (code != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        snprintf(k->trouble, sizeof k->trouble, "the group is being rebalanced");
        return;
    }
    k->given = rd_kafka_topic_partition_list_copy(list);
    k->given_ns = clock_monotonic_ns();
    scout_wake(k->scout);
}

enum zl_topic source_kafka_assign_topic(const struct kafka_source *k, const char *name)
{
    const char *controls = k->base.cfg.topics[ZL_TOPIC_CONTROLS];
    return controls && strcmp(name, controls) == 0 ? ZL_TOPIC_CONTROLS : ZL_TOPIC_EVENTS;
}

static void set_part(struct kafka_source *k, int64_t since_ns)
{
    k->sole_ns = 0;
    __atomic_store_n(&k->part_ns, since_ns, __ATOMIC_RELEASE);
}

/* Starts fetching, each partition at the offset that the state expects. */
static void take_given(struct kafka_source *k)
{
    for (int i = 0; i < k->given->cnt; i++) {
        rd_kafka_topic_partition_t *p = &k->given->elems[i];
        p->offset = start_of(k, source_kafka_assign_topic(k, p->topic), p->partition);
    }
    source_kafka_lanes_open(k, k->given);
    rd_kafka_resp_err_t code = rd_kafka_assign(k->events, k->given);
    if (code) {
        LOG(ERROR, ROOM, "cannot take the partitions of events: %s", rd_kafka_err2str(code));
        return;
    }
    k->checked = k->had_all = true;
    set_part(k, 0);
    k->n_events = count_given(k, ZL_TOPIC_EVENTS);
    k->trouble[0] = '\0';
    if (k->asked[ZL_TOPIC_CONTROLS])
        LOG(INFO, ROOM, "following %d partitions of %s and %d of %s", k->n_events,
            k->base.cfg.topics[ZL_TOPIC_EVENTS], count_given(k, ZL_TOPIC_CONTROLS),
            k->base.cfg.topics[ZL_TOPIC_CONTROLS]);
    else
        LOG(INFO, ROOM, "following %d partitions of %s", k->n_events,
            k->base.cfg.topics[ZL_TOPIC_EVENTS]);
}

/* The group gave us an assignment of an earlier session (the topic grew while we were away, and a static member that comes back
 * gets what it had). Only its expiry brings a new one, so the client is put away until then; unsubscribing is not enough, the
 * library never gets out of that. */
static void leave_for_a_while(struct kafka_source *k)
{
    snprintf(k->trouble, sizeof k->trouble,
             "the group still holds an assignment of %d partitions from before; it expires in %d s",
             k->given->cnt, (int)(k->session_ms / 1000));
    LOG(WARN, ROOM, "%s", k->trouble);
    source_kafka_assign_forget(k);
    set_part(k, 0);
    source_kafka_client_close_queue(&k->events_queue);
    source_kafka_client_destroy(&k->events, 1, clock_monotonic_ns() + CLOSE_MS * MS);
    k->back_ns = clock_monotonic_ns() + (k->session_ms + 2000) * MS;
}

/* An engine waits for its events; a replay of a log that is not there has no end to wait for. */
static void judge_missing(struct kafka_source *k)
{
    if (!k->base.cfg.alone)
        warn_missing(k, ZL_TOPIC_EVENTS, "waiting for it");
    else if (k->answer.complete)
        source_kafka_client_fail(k, ZL_ENOENT, k->trouble);
}

/* How much may be fetched ahead of a partition depends on how many there are, so the client is made when that is known. */
static void open_events(struct kafka_source *k)
{
    struct zl_error err;
    const int *n = k->answer.n_partitions;
    snprintf(k->trouble, sizeof k->trouble,
             n[ZL_TOPIC_EVENTS] == 0 ? "topic %s is not there" : "asking for the partitions of %s",
             k->base.cfg.topics[ZL_TOPIC_EVENTS]);
    if (n[ZL_TOPIC_EVENTS] == 0)
        judge_missing(k);
    if (n[ZL_TOPIC_EVENTS] <= 0 || !k->answer.complete)
        return;
    if (source_kafka_client_open(k, n[ZL_TOPIC_EVENTS] + n[ZL_TOPIC_CONTROLS], &err) != ZL_OK)
        source_kafka_client_fail(k, ZL_ECONFIG, err.text);
    k->back_ns = 0;
    k->began = false;
}

static void name_us(struct kafka_source *k)
{
    char *me = rd_kafka_memberid(k->events);
    snprintf(k->member, sizeof k->member, "%s", me ? me : "");
    if (me)
        rd_kafka_mem_free(k->events, me);
}

/* Another engine is there. Who had everything waits for the newcomer to find out that it is one; the newcomer stops. */
static void judge_stranger(struct kafka_source *k, int64_t now_ns)
{
    char text[900];
    snprintf(text, sizeof text,
             "another engine is in the group %s (%s), which was given a part of the partitions: "
             "scale-out is not built yet. "
             "Stop the other one, or give this one a source.group of its own",
             k->base.cfg.group, k->answer.stranger);
    snprintf(k->trouble, sizeof k->trouble, "%.255s", text);
    k->sole_ns = 0;
    if (!k->had_all || now_ns - k->part_ns > STRANGER_WAIT_MS * MS)
        source_kafka_client_fail(k, ZL_ECONFIG, text);
}

/* Only a part was given. */
static void judge_part(struct kafka_source *k)
{
    int64_t now_ns = clock_monotonic_ns();
    if (!k->part_ns) {
        name_us(k);
        set_part(k, now_ns);
        scout_wake(k->scout);
        return;
    }
    if (k->answer.asked_ns < k->part_ns || k->answer.n_members < 0)
        return; /* the scout is at it */
    if (k->answer.n_members > 1)
        judge_stranger(k, now_ns);
    else if (!k->sole_ns)
        k->sole_ns = now_ns; /* one has just left: the group is about to tell us */
    else if (now_ns - k->sole_ns > SOLE_MS * MS)
        leave_for_a_while(k);
}

static void judge_given(struct kafka_source *k)
{
    const int *n = k->answer.n_partitions;
    if (n[ZL_TOPIC_EVENTS] == 0) {
        snprintf(k->trouble, sizeof k->trouble, "topic %s is not there",
                 k->base.cfg.topics[ZL_TOPIC_EVENTS]);
        warn_missing(k, ZL_TOPIC_EVENTS, "waiting for it");
        return;
    }
    if (n[ZL_TOPIC_CONTROLS] == 0)
        warn_missing(k, ZL_TOPIC_CONTROLS, "going on without controls until it is");
    if (!k->given || k->checked || k->answer.asked_ns < k->given_ns || !k->answer.complete)
        return;
    if (k->given->cnt > 0 && given_all(k))
        take_given(k);
    else
        judge_part(k);
}

static void subscribe(struct kafka_source *k)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(2);
    const enum zl_topic topics[2] = {ZL_TOPIC_EVENTS, ZL_TOPIC_CONTROLS};
    for (int i = 0; i < 2; i++)
        if (k->asked[topics[i]])
            rd_kafka_topic_partition_list_add(list, k->base.cfg.topics[topics[i]],
                                              RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(k->events, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code)
        LOG(ERROR, ROOM, "cannot subscribe: %s", rd_kafka_err2str(code));
    k->began = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    snprintf(k->trouble, sizeof k->trouble, "waiting for the group to assign the partitions");
}

/* ---- events, alone: a replay beside an engine at work, whose group it must not touch ---- */

/* Without `until`: where the log ended when we came. */
static bool note_ends(struct kafka_source *k, enum zl_topic topic)
{
    const struct scout_answer *a = &k->answer;
    for (int p = 0; p < a->n_high[topic]; p++) {
        struct zl_position *end = zl_positions_get(&k->ends, topic, p);
        if (!end)
            return false;
        end->next = a->high[topic][p];
    }
    return a->n_partitions[topic] <= SCOUT_MAX_PARTITIONS;
}

static void find_ends(struct kafka_source *k)
{
    if (note_ends(k, ZL_TOPIC_EVENTS) && note_ends(k, ZL_TOPIC_CONTROLS))
        k->stop = &k->ends;
    else
        source_kafka_client_fail(k, ZL_EFULL, "there are more partitions than a replay can follow");
}

/* `until` may lie beyond what is there: whoever waits should know for what. */
static void say_what_is_awaited(const struct kafka_source *k)
{
    for (int i = 0; i < k->stop->n; i++) {
        const struct zl_position *end = &k->stop->at[i];
        if (end->topic == ZL_TOPIC_ITEMS || end->next <= 0)
            continue;
        bool known = end->partition < k->answer.n_high[end->topic];
        int64_t high = known ? k->answer.high[end->topic][end->partition] : 0;
        if (end->next > high)
            LOG(WARN, ROOM, "%s[%d] ends before offset %" PRId64 " now; waiting for %" PRId64,
                k->base.cfg.topics[end->topic], end->partition, high, end->next);
    }
}

static void assign_alone(struct kafka_source *k)
{
    snprintf(k->trouble, sizeof k->trouble, "asking where the log ends");
    if (!k->answer.complete)
        return; /* the scout is at it */
    if (!k->stop)
        find_ends(k);
    if (!k->stop)
        return;
    say_what_is_awaited(k);
    k->given = rd_kafka_topic_partition_list_new(k->stop->n);
    for (int i = 0; i < k->stop->n; i++)
        if (k->stop->at[i].topic != ZL_TOPIC_ITEMS && k->stop->at[i].next > 0)
            add_partition(k, k->given, k->stop->at[i].topic, k->stop->at[i].partition);
    k->began = true;
    take_given(k);
}

/* Items have no `until`; alone, what came after the start would make each replay another one. */
bool source_kafka_assign_beyond(const struct kafka_source *k, enum zl_topic topic,
                                int32_t partition, int64_t offset)
{
    if (!k->base.cfg.alone)
        return false;
    if (topic == ZL_TOPIC_ITEMS)
        return partition >= k->answer.n_high[topic] || offset >= k->answer.high[topic][partition];
    struct zl_position *stop = zl_positions_find((struct zl_positions *)k->stop, topic, partition);
    return !stop || offset >= stop->next;
}

/* ---- both ---- */

void source_kafka_assign_events(struct kafka_source *k)
{
    if (!k->items_ready)
        return;
    if (!k->events && (!k->back_ns || clock_monotonic_ns() > k->back_ns))
        open_events(k);
    if (!k->events)
        return;
    if (!k->began && k->base.cfg.alone)
        assign_alone(k);
    else if (!k->began)
        subscribe(k);
    if (!k->base.cfg.alone)
        judge_given(k);
}

/* ---- an offset that the log has not ---- */

/* The state's offset is outside of what the log holds: say by how much, or try again if it is not. */
void source_kafka_assign_judge_range(struct kafka_source *k, rd_kafka_t *rk,
                                     const rd_kafka_message_t *m)
{
    const char *topic = m->rkt ? rd_kafka_topic_name(m->rkt) : "?";
    enum zl_topic role = rk == k->items ? ZL_TOPIC_ITEMS : source_kafka_assign_topic(k, topic);
    int64_t low = -1, high = -1, next = source_order_next(&k->base.order, role, m->partition);
    char text[900];
    if (rd_kafka_query_watermark_offsets(rk, topic, m->partition, &low, &high, 3000) != 0 ||
        (next >= low && next <= high) || next < 0) {
        LOG(WARN, ROOM, "%s[%d] at offset %" PRId64 ": %s; asking again", topic, m->partition, next,
            rd_kafka_message_errstr(m));
        if (rk == k->items)
            assign_items(k, k->n_items);
        else if (k->checked)
            take_given(k);
        return;
    }
    if (next < low)
        snprintf(text, sizeof text,
                 "%" PRId64 " events of %s[%d] are gone: the state ends before offset %" PRId64
                 ", the log begins at %" PRId64
                 ". To go on without them, start with an empty checkpoint.path",
                 low - next, topic, m->partition, next, low);
    else
        snprintf(text, sizeof text,
                 "%s[%d] ends at offset %" PRId64
                 ", but the state has taken in everything before %" PRId64
                 ": the topic was made anew or lost its end. Raise publish.incarnation and start "
                 "with an "
                 "empty checkpoint.path",
                 topic, m->partition, high, next);
    source_kafka_client_fail(k, ZL_EBADDATA, text);
}
