/* Kafka as a log. Two clients of the library, because the catalogue must be known before the first event is judged:
 *
 *      items   assign(): every partition, from our position; the end it had at the start makes the source ready; followed after that
 *      events  subscribe(): events and controls, in the group; begins when items are ready. Range in a file of offsets: assign()
 *
 * Whose partitions? The group's answer is checked against the topics before one event is fetched: an engine that was not given
 * everything must not learn from a part. So the rebalance callback assigns nothing; it notes what was given and wakes the
 * scout (scout.h), and when the counts agree the partitions are assigned, each at the offset that the state expects. Offsets in the
 * group are for lag tools; ours lie beside the state.
 *
 * Waiting: both clients write to one eventfd when their queue is no longer empty. A poll takes what is there with timeout 0,
 * since rd_kafka_consume_batch_queue waits out any other timeout. Back-pressure is not polling: the library stops fetching when
 * queue_bytes are waiting. Its pause/resume loses messages beside batch consumption below 2.1, so it is never used. */
#define _GNU_SOURCE
#include "source/kafka.h"

#include <errno.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "source/health.h"
#include "source/scout.h"
#include "source/source_priv.h"

#define ROOM "source"
#define MAX_HEADERS 64        /* of one message; more are left out */
#define SESSION_MS 20000      /* a killed engine is back within this, or the group forgets it */
#define STRANGER_WAIT_MS 30000 /* how long who had everything waits for another engine to be gone */
#define SOLE_MS 7000           /* two heartbeats: a rebalance would have been told by then */
#define CLOSE_MS 5000
#define MS ((int64_t)1000000)  /* in ns */

struct kafka_source {
    struct source base;
    rd_kafka_t *items, *events;
    rd_kafka_queue_t *items_queue, *events_queue;
    int wake_fd;
    rd_kafka_message_t *held[SOURCE_BATCH]; /* lent out; destroyed by the next poll */
    int n_held;
    struct arena headers;

    struct scout *scout;
    struct scout_answer answer;
    rd_kafka_topic_t *asked[ZL_N_TOPICS]; /* of the items client, for the scout */

    int n_items;       /* partitions assigned */
    bool items_ready;  /* read to the end they had at the start */
    bool warned[ZL_N_TOPICS];

    bool began;        /* subscribed or assigned */
    rd_kafka_topic_partition_list_t *given; /* by the group; NULL: none now */
    int64_t given_ns, back_ns; /* when; when the client comes back, 0: it is there */
    int64_t session_ms; /* after which the group forgets a silent member */
    int64_t part_ns;   /* since when only a part is given, 0: is not (atomic: read by the scout) */
    int64_t sole_ns;   /* since when that is so though nobody else is in the group */
    char member[160];  /* our name in the group, for the scout; written before part_ns */
    bool checked;      /* everything was given; fetching */
    bool had_all;
    int n_events;      /* partitions */
    char trouble[256]; /* why nothing is assigned */

    struct source_health health;
    char *statistics;  /* owned, the library's malloc */
    size_t statistics_len;
    bool statistics_new;
    enum zl_status fatal;
    struct zl_error words;
};

static enum zl_status open_client(struct kafka_source *k, bool events, struct zl_error *err);
static void close_queue(rd_kafka_queue_t **queue);
static void destroy_in_time(rd_kafka_t **clients, int n, int64_t until_ns);

/* ---- settings ---- */

struct setting {
    const char *name, *value;
};

static const struct setting common_settings[] = {
    {"client.id", "zhiliu"},
    {"broker.address.family", "any"},
    {"socket.keepalive.enable", "true"},
    {"reconnect.backoff.ms", "100"},
    {"reconnect.backoff.max.ms", "2000"},
    {"topic.metadata.refresh.interval.ms", "10000"}, /* a topic made late is found within this */
    {"allow.auto.create.topics", "false"},
};

static const struct setting consumer_settings[] = {
    {"isolation.level", "read_committed"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "error"}, /* we know where to start; anything else is a finding */
    {"partition.assignment.strategy", "range"},
    {"check.crcs", "true"},
    {"max.poll.interval.ms", "86400000"}, /* back-pressure is not polling */
    {"fetch.wait.max.ms", "100"},
    {"fetch.error.backoff.ms", "100"},
    /* Bytes bound the queue. A small count makes the library rest for a whole second when it is reached. */
    {"queued.min.messages", "10000000"},
};

/* What the engine's promises rest on cannot be changed from outside. */
static const char *const kept_settings[] = {
    "group.id",          "group.instance.id",        "enable.auto.commit",
    "isolation.level",   "enable.auto.offset.store", "auto.offset.reset",
    "bootstrap.servers", "enable.partition.eof",     "partition.assignment.strategy",
    "metadata.broker.list",
};

static enum zl_status set(rd_kafka_conf_t *conf, const char *name, const char *value,
                          struct zl_error *err)
{
    char words[512];
    if (rd_kafka_conf_set(conf, name, value, words, sizeof words) == RD_KAFKA_CONF_OK)
        return ZL_OK;
    bool secret = strstr(name, "password") || strstr(name, "secret") || strstr(name, ".key") ||
                  strstr(name, "jaas");
    return zl_fail(err, ZL_ECONFIG, "kafka property %s: %s", name,
                   secret ? "its value is refused" : words);
}

static enum zl_status set_all(rd_kafka_conf_t *conf, const struct setting *settings, size_t n,
                              struct zl_error *err)
{
    for (size_t i = 0; i < n; i++)
        TRY(set(conf, settings[i].name, settings[i].value, err));
    return ZL_OK;
}

static enum zl_status set_number(rd_kafka_conf_t *conf, const char *name, int64_t value,
                                 struct zl_error *err)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    return set(conf, name, text, err);
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* How much is fetched ahead. A fetch answer may overshoot the queue's bound by one fetch.max.bytes. */
static enum zl_status set_budget(rd_kafka_conf_t *conf, const struct source_config *cfg,
                                 struct zl_error *err)
{
    int64_t queue = cfg->queue_bytes > 0 ? cfg->queue_bytes : (int64_t)32 << 20;
    int64_t message = cfg->max_message_bytes > 0 ? cfg->max_message_bytes : 1 << 20;
    int64_t partition = clamp(message + 4096, 1 << 20, 64 << 20);
    int64_t fetch = clamp(queue / 2, partition, 90 << 20);
    TRY(set_number(conf, "queued.max.messages.kbytes", clamp(queue >> 10, 1, 2097151), err));
    TRY(set_number(conf, "fetch.message.max.bytes", partition, err));
    TRY(set_number(conf, "message.max.bytes", clamp(message, 1000, fetch), err));
    return set_number(conf, "fetch.max.bytes", fetch, err);
}

static enum zl_status set_properties(rd_kafka_conf_t *conf, const struct source_config *cfg,
                                     struct zl_error *err)
{
    for (int i = 0; i < cfg->n_properties; i++) {
        const struct source_property *p = &cfg->properties[i];
        for (size_t k = 0; k < sizeof kept_settings / sizeof kept_settings[0]; k++)
            if (strcmp(p->name, kept_settings[k]) == 0)
                return zl_fail(err, ZL_ECONFIG,
                               "kafka property %s cannot be set: what the engine promises rests on it",
                               p->name);
        TRY(set(conf, p->name, p->value, err));
    }
    return ZL_OK;
}

static enum zl_status set_client(rd_kafka_conf_t *conf, const struct source_config *cfg,
                                 struct zl_error *err)
{
    if (!cfg->brokers || !cfg->brokers[0])
        return zl_fail(err, ZL_ECONFIG, "source.brokers is empty");
    TRY(set(conf, "bootstrap.servers", cfg->brokers, err));
    TRY(set_all(conf, common_settings, sizeof common_settings / sizeof common_settings[0], err));
    TRY(set_all(conf, consumer_settings, sizeof consumer_settings / sizeof consumer_settings[0],
                err));
    TRY(set_budget(conf, cfg, err));
    /* the library wants a group even where none is joined */
    return set(conf, "group.id", cfg->group && cfg->group[0] ? cfg->group : "zhiliu", err);
}

/* ---- what the library tells us ---- */

static enum log_level level_of(int syslog)
{
    if (syslog <= 3)
        return LOG_ERROR;
    return syslog == 4 ? LOG_WARN : syslog <= 6 ? LOG_INFO : LOG_DEBUG;
}

/* Repeats are held back by kind ("FAIL", "CONFWARN"), not all together. */
static void on_log(const rd_kafka_t *rk, int level, const char *kind, const char *words)
{
    static struct log_site sites[16];
    unsigned h = 0;
    for (const char *c = kind; *c; c++)
        h = h * 31 + (unsigned char)*c;
    (void)rk;
    if (strcmp(kind, "CONFWARN") == 0)
        return;
    log_write(&sites[h % 16], level_of(level), ROOM, "librdkafka %s: %s", kind, words);
}

static void fail_with(struct kafka_source *k, enum zl_status st, const char *words)
{
    if (k->fatal != ZL_OK)
        return;
    k->fatal = st;
    snprintf(k->words.text, sizeof k->words.text, "%s", words);
}

static void on_fatal(struct kafka_source *k, rd_kafka_t *rk)
{
    char words[400], text[900];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(rk, words, sizeof words);
    if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
        snprintf(text, sizeof text,
                 "fenced: a second engine uses group.instance.id %s in group %s; this one stops. Give each engine "
                 "its own source.instance, or stop the other",
                 k->base.cfg.instance, k->base.cfg.group);
    else
        snprintf(text, sizeof text, "the Kafka client cannot go on: %s", words);
    fail_with(k, ZL_EUNREACHABLE, text);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct kafka_source *k = opaque;
    switch ((rd_kafka_resp_err_t)code) {
    case RD_KAFKA_RESP_ERR__FATAL:
        on_fatal(k, rk);
        return;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        source_health_all_down(&k->health);
        LOG(WARN, ROOM, "no Kafka broker of %s is reachable; going on as soon as one is",
            k->base.cfg.brokers);
        return;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
        return; /* the library's log line said it */
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
        LOG(ERROR, ROOM, "Kafka does not let us in: %s", reason);
        return;
    default:
        LOG(WARN, ROOM, "Kafka: %s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)code), reason);
    }
}

static int on_statistics(rd_kafka_t *rk, char *json, size_t len, void *opaque)
{
    struct kafka_source *k = opaque;
    (void)rk;
    source_health_statistics(&k->health, (struct zl_span){json, len});
    if (k->statistics)
        rd_kafka_mem_free(NULL, k->statistics);
    k->statistics = json;
    k->statistics_len = len;
    k->statistics_new = true;
    return 1; /* ours now */
}

/* ---- the scout's questions ---- */

static void on_woken(void *ctx)
{
    struct kafka_source *k = ctx;
    uint64_t one = 1;
    ssize_t put = write(k->wake_fd, &one, sizeof one);
    (void)put; /* a full counter wakes as well */
}

/* Number of partitions; 0: no such topic; -1: no answer. */
static int ask_partitions(rd_kafka_t *rk, rd_kafka_topic_t *topic, int timeout_ms)
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

static void ask_items_high(struct kafka_source *k, struct scout_answer *a)
{
    int n = a->n_partitions[ZL_TOPIC_ITEMS];
    if (a->n_items_high > 0 || n <= 0)
        return;
    n = n < SCOUT_MAX_PARTITIONS ? n : SCOUT_MAX_PARTITIONS;
    for (int p = 0; p < n; p++) {
        int64_t low;
        if (rd_kafka_query_watermark_offsets(k->items, k->base.cfg.topics[ZL_TOPIC_ITEMS], p, &low,
                                             &a->items_high[p],
                                             1000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            a->complete = false;
            return;
        }
    }
    a->n_items_high = n;
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

static void ask(void *ctx, struct scout_answer *a)
{
    struct kafka_source *k = ctx;
    a->complete = true;
    for (int t = 0; t < ZL_N_TOPICS; t++) {
        a->n_partitions[t] = k->asked[t] ? ask_partitions(k->items, k->asked[t], 1000) : 0;
        if (a->n_partitions[t] < 0) {
            a->complete = false;
            return;
        }
    }
    ask_items_high(k, a);
    a->soon = __atomic_load_n(&k->part_ns, __ATOMIC_ACQUIRE) != 0;
    if (a->soon)
        ask_members(k, a);
}

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
    for (int p = 0; p < k->answer.n_items_high; p++)
        if (k->answer.items_high[p] > 0 &&
            source_order_next(&k->base.order, ZL_TOPIC_ITEMS, p) < k->answer.items_high[p])
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
static void follow_items(struct kafka_source *k)
{
    int n = k->answer.n_partitions[ZL_TOPIC_ITEMS];
    if (n == 0) {
        warn_missing(k, ZL_TOPIC_ITEMS, "going on without a catalogue until it is");
        k->items_ready = true;
    }
    if (n > k->n_items && k->answer.n_items_high > 0)
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

static void forget_given(struct kafka_source *k)
{
    if (k->given)
        rd_kafka_topic_partition_list_destroy(k->given);
    k->given = NULL;
    k->checked = false;
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_source *k = opaque;
    forget_given(k);
    rd_kafka_assign(rk, NULL); /* nothing is fetched before it is known to be everything */
    if (code != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        snprintf(k->trouble, sizeof k->trouble, "the group is being rebalanced");
        return;
    }
    k->given = rd_kafka_topic_partition_list_copy(list);
    k->given_ns = clock_monotonic_ns();
    scout_wake(k->scout);
}

static enum zl_topic topic_named(const struct kafka_source *k, const char *name)
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
        p->offset = start_of(k, topic_named(k, p->topic), p->partition);
    }
    rd_kafka_resp_err_t code = rd_kafka_assign(k->events, k->given);
    if (code) {
        LOG(ERROR, ROOM, "cannot take the partitions of events: %s", rd_kafka_err2str(code));
        return;
    }
    k->checked = k->had_all = true;
    set_part(k, 0);
    k->n_events = count_given(k, ZL_TOPIC_EVENTS);
    k->trouble[0] = '\0';
    LOG(INFO, ROOM, "following %d partitions of %s", k->given->cnt,
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
    forget_given(k);
    set_part(k, 0);
    close_queue(&k->events_queue);
    destroy_in_time(&k->events, 1, clock_monotonic_ns() + CLOSE_MS * MS);
    k->back_ns = clock_monotonic_ns() + (k->session_ms + 2000) * MS;
}

static void come_back(struct kafka_source *k)
{
    struct zl_error err;
    k->back_ns = 0;
    k->began = false;
    if (open_client(k, true, &err) != ZL_OK) /* the same settings worked before */
        fail_with(k, ZL_EINTERNAL, err.text);
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
             "another engine is in the group %s (%s), which was given a part of the partitions: scale-out is not built yet. "
             "Stop the other one, or give this one a source.group of its own",
             k->base.cfg.group, k->answer.stranger);
    snprintf(k->trouble, sizeof k->trouble, "%.255s", text);
    k->sole_ns = 0;
    if (!k->had_all || now_ns - k->part_ns > STRANGER_WAIT_MS * MS)
        fail_with(k, ZL_ECONFIG, text);
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

/* A replay of a range joins no group: it would take the partitions from the engine at work. */
static void assign_range(struct kafka_source *k)
{
    const struct zl_positions *until = k->base.cfg.until;
    k->given = rd_kafka_topic_partition_list_new(until->n);
    for (int i = 0; i < until->n; i++)
        if (until->at[i].topic != ZL_TOPIC_ITEMS && until->at[i].next > 0)
            add_partition(k, k->given, until->at[i].topic, until->at[i].partition);
    k->began = true;
    take_given(k);
}

static void follow_events(struct kafka_source *k)
{
    if (k->back_ns && clock_monotonic_ns() > k->back_ns)
        come_back(k);
    if (!k->items_ready || !k->events)
        return;
    if (!k->began && k->base.cfg.until)
        assign_range(k);
    else if (!k->began)
        subscribe(k);
    if (!k->base.cfg.until)
        judge_given(k);
}

/* ---- messages ---- */

/* The state's offset is outside of what the log holds: say by how much, or try again if it is not. */
static void judge_range(struct kafka_source *k, rd_kafka_t *rk, const rd_kafka_message_t *m)
{
    const char *topic = m->rkt ? rd_kafka_topic_name(m->rkt) : "?";
    enum zl_topic role = rk == k->items ? ZL_TOPIC_ITEMS : topic_named(k, topic);
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
                 "%s[%d] ends at offset %" PRId64 ", but the state has taken in everything before %" PRId64
                 ": the topic was made anew or lost its end. Raise publish.incarnation and start with an "
                 "empty checkpoint.path",
                 topic, m->partition, high, next);
    fail_with(k, ZL_EBADDATA, text);
}

static void on_message_error(struct kafka_source *k, rd_kafka_t *rk, const rd_kafka_message_t *m)
{
    switch (m->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        source_order_skip_to(&k->base.order,
                             rk == k->items ? ZL_TOPIC_ITEMS
                                            : topic_named(k, rd_kafka_topic_name(m->rkt)),
                             m->partition, m->offset);
        return;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        judge_range(k, rk, m);
        return;
    case RD_KAFKA_RESP_ERR__FATAL:
        on_fatal(k, rk);
        return;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        scout_wake(k->scout); /* which says what is missing */
        return;
    default:
        LOG(WARN, ROOM, "reading: %s", rd_kafka_message_errstr(m));
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

static void lend(struct arena *a, const rd_kafka_message_t *m, struct source_message *to)
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

static bool beyond_range(const struct kafka_source *k, enum zl_topic topic, int32_t partition,
                         int64_t offset)
{
    if (!k->base.cfg.until || topic == ZL_TOPIC_ITEMS)
        return false;
    struct zl_position *stop =
        zl_positions_find((struct zl_positions *)k->base.cfg.until, topic, partition);
    return !stop || offset >= stop->next;
}

static void take_message(struct kafka_source *k, rd_kafka_t *rk, const rd_kafka_message_t *m,
                         struct source_batch *out)
{
    if (m->err) {
        on_message_error(k, rk, m);
        return;
    }
    enum zl_topic topic =
        rk == k->items ? ZL_TOPIC_ITEMS : topic_named(k, rd_kafka_topic_name(m->rkt));
    int64_t gap;
    if (!source_order_take(&k->base.order, topic, m->partition, m->offset, &gap))
        return;
    if (gap && topic != ZL_TOPIC_ITEMS) /* compaction leaves holes in items */
        metrics_add(METRIC_SOURCE_GAPS, 0, (uint64_t)gap);
    if (beyond_range(k, topic, m->partition, m->offset))
        return;
    struct source_message *to = &out->messages[out->n++];
    lend(&k->headers, m, to);
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

static void take_queue(struct kafka_source *k, rd_kafka_t *rk, rd_kafka_queue_t *queue,
                       struct source_batch *out)
{
    int room = SOURCE_BATCH - k->n_held;
    if (room == 0 || !queue)
        return;
    rd_kafka_message_t **from = k->held + k->n_held;
    ssize_t n = rd_kafka_consume_batch_queue(queue, 0, from, (size_t)room);
    for (ssize_t i = 0; i < n; i++)
        take_message(k, rk, from[i], out);
    if (out->n > 0)
        source_health_answered(&k->health);
    k->n_held += n > 0 ? (int)n : 0;
}

static enum zl_status kafka_poll(struct source *s, struct source_batch *out, struct zl_error *err)
{
    struct kafka_source *k = (struct kafka_source *)s;
    give_back(k);
    if (scout_read(k->scout, &k->answer) && k->answer.complete)
        source_health_answered(&k->health);
    follow_items(k);
    follow_events(k);
    take_queue(k, k->items, k->items_queue, out);
    take_queue(k, k->events, k->events_queue, out);
    out->more = k->n_held == SOURCE_BATCH;
    if (k->fatal != ZL_OK)
        return zl_fail(err, k->fatal, "%s", k->words.text);
    if (s->cfg.until && out->n == 0 && k->items_ready && source_order_reached(&s->order, s->cfg.until))
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
    if (!k->checked || s->cfg.until)
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

static void close_queue(rd_kafka_queue_t **queue)
{
    if (!*queue)
        return;
    rd_kafka_queue_io_event_enable(*queue, -1, NULL, 0);
    rd_kafka_queue_destroy(*queue);
    *queue = NULL;
}

static void *destroy_clients(void *arg)
{
    rd_kafka_t **clients = arg;
    for (int i = 0; clients[i]; i++)
        rd_kafka_destroy_flags(clients[i], RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(clients);
    return NULL;
}

static struct timespec wall_after(int64_t ns)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    ns += t.tv_nsec;
    return (struct timespec){t.tv_sec + (time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

/* The library can hang in here (a reference lost with a partition, below 2.1): a thread does it, and is left behind when it does. */
static void destroy_in_time(rd_kafka_t **clients, int n, int64_t until_ns)
{
    rd_kafka_t **doomed = xcalloc((size_t)n + 1, sizeof *doomed);
    for (int i = 0, to = 0; i < n; i++) {
        if (clients[i])
            doomed[to++] = clients[i];
        clients[i] = NULL;
    }
    pthread_t thread;
    ASSERT(pthread_create(&thread, NULL, destroy_clients, doomed) == 0);
    int64_t left_ns = until_ns - clock_monotonic_ns();
    struct timespec until = wall_after(left_ns > 500 * MS ? left_ns : 500 * MS);
    if (pthread_timedjoin_np(thread, NULL, &until) != 0) {
        LOG(WARN, ROOM, "librdkafka did not close in %d s; leaving it behind", CLOSE_MS / 1000);
        pthread_detach(thread);
    }
}

static void kafka_close(struct source *s)
{
    struct kafka_source *k = (struct kafka_source *)s;
    int64_t until_ns = clock_monotonic_ns() + CLOSE_MS * MS;
    give_back(k);
    leave_group(k, until_ns - 1500 * MS);
    scout_close(k->scout);
    for (int t = 0; t < ZL_N_TOPICS; t++)
        if (k->asked[t])
            rd_kafka_topic_destroy(k->asked[t]);
    close_queue(&k->items_queue);
    close_queue(&k->events_queue);
    forget_given(k);
    rd_kafka_t *clients[2] = {k->events, k->items};
    destroy_in_time(clients, 2, until_ns);
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

const char *source_library_version(void)
{
    return rd_kafka_version_str();
}

static enum zl_status judge_library(struct zl_error *err)
{
    int version = rd_kafka_version() >> 8;
    if (version == 0x020a00)
        return zl_fail(err, ZL_ECONFIG,
                       "librdkafka 2.10.0 does not come back when all brokers were down: install 2.10.1 or newer, or an older one");
    if (version < 0x020a01)
        LOG(INFO, ROOM,
            "librdkafka %s: below 2.10.1 cooperative rebalancing hangs and pause loses messages; neither is used (eager range, static "
            "membership)",
            rd_kafka_version_str());
    return ZL_OK;
}

/* A client from conf, which is used up in any case. */
static enum zl_status client_new(rd_kafka_conf_t *conf, rd_kafka_t **out, struct zl_error *err)
{
    char words[512];
    *out = rd_kafka_new(RD_KAFKA_CONSUMER, conf, words, sizeof words);
    if (*out)
        return ZL_OK;
    rd_kafka_conf_destroy(conf);
    return zl_fail(err, ZL_ECONFIG, "Kafka client: %s", words);
}

static enum zl_status set_items(rd_kafka_conf_t *conf, struct kafka_source *k, struct zl_error *err)
{
    TRY(set_client(conf, &k->base.cfg, err));
    TRY(set_properties(conf, &k->base.cfg, err));
    return set(conf, "enable.partition.eof", "true", err); /* the end may be a transaction's marker */
}

static enum zl_status set_events(rd_kafka_conf_t *conf, struct kafka_source *k,
                                 struct zl_error *err)
{
    const struct source_config *cfg = &k->base.cfg;
    TRY(set_client(conf, cfg, err));
    TRY(set_number(conf, "session.timeout.ms", SESSION_MS, err));
    TRY(set(conf, "statistics.interval.ms", "1000", err));
    TRY(set_properties(conf, cfg, err));
    if (cfg->until)
        return set(conf, "enable.partition.eof", "true", err);
    return cfg->instance && cfg->instance[0] ? set(conf, "group.instance.id", cfg->instance, err)
                                             : ZL_OK;
}

static enum zl_status open_client(struct kafka_source *k, bool events, struct zl_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    enum zl_status st = events ? set_events(conf, k, err) : set_items(conf, k, err);
    if (st != ZL_OK) {
        rd_kafka_conf_destroy(conf);
        return st;
    }
    rd_kafka_conf_set_opaque(conf, k);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    if (events) {
        rd_kafka_conf_set_stats_cb(conf, on_statistics);
        rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    }
    rd_kafka_t **rk = events ? &k->events : &k->items;
    TRY(client_new(conf, rk, err));
    rd_kafka_poll_set_consumer(*rk);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(*rk);
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(queue, k->wake_fd, &one, sizeof one);
    *(events ? &k->events_queue : &k->items_queue) = queue;
    return ZL_OK;
}

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

static int64_t session_of(const struct source_config *cfg)
{
    int64_t ms = SESSION_MS;
    for (int i = 0; i < cfg->n_properties; i++)
        if (strcmp(cfg->properties[i].name, "session.timeout.ms") == 0)
            ms = strtoll(cfg->properties[i].value, NULL, 10);
    return ms;
}

enum zl_status source_kafka_open(const struct source_config *cfg, struct source **out,
                                 struct zl_error *err)
{
    *out = NULL;
    if (!cfg->topics[ZL_TOPIC_EVENTS] || !cfg->topics[ZL_TOPIC_EVENTS][0])
        return zl_fail(err, ZL_ECONFIG, "source.topics.events is empty");
    TRY(judge_library(err));
    struct kafka_source *k = xcalloc(1, sizeof *k);
    k->base.ops = &kafka_ops;
    k->base.cfg = *cfg;
    k->session_ms = session_of(cfg);
    snprintf(k->trouble, sizeof k->trouble, "the catalogue is being read");
    arena_init(&k->headers);
    source_order_init(&k->base.order, cfg->positions);
    k->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT(k->wake_fd >= 0);
    k->items_ready = !cfg->topics[ZL_TOPIC_ITEMS] || !cfg->topics[ZL_TOPIC_ITEMS][0];
    enum zl_status st = open_client(k, false, err);
    if (st == ZL_OK)
        st = open_client(k, true, err);
    if (st == ZL_OK)
        st = open_topics(k, err);
    if (st != ZL_OK) {
        kafka_close(&k->base);
        return st;
    }
    for (int t = 0; t < ZL_N_TOPICS; t++)
        k->answer.n_partitions[t] = -1; /* not known, which is not "none" */
    k->scout = scout_open(ask, on_woken, k);
    *out = &k->base;
    return ZL_OK;
}

/* ---- one-off questions ---- */

static enum zl_status open_plain(const struct source_config *cfg, rd_kafka_t **out,
                                 struct zl_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    enum zl_status st = set_client(conf, cfg, err);
    if (st == ZL_OK)
        st = set_properties(conf, cfg, err);
    if (st == ZL_OK)
        st = set(conf, "enable.partition.eof", "true", err);
    if (st != ZL_OK) {
        rd_kafka_conf_destroy(conf);
        return st;
    }
    rd_kafka_conf_set_log_cb(conf, on_log);
    TRY(client_new(conf, out, err));
    rd_kafka_poll_set_consumer(*out);
    return ZL_OK;
}

static int partitions_of(rd_kafka_t *rk, const char *topic, int timeout_ms)
{
    rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);
    int n = t ? ask_partitions(rk, t, timeout_ms) : -1;
    if (t)
        rd_kafka_topic_destroy(t);
    return n;
}

enum zl_status source_kafka_check(const struct source_config *cfg, int timeout_ms,
                                  struct zl_error *err)
{
    rd_kafka_t *rk;
    TRY(judge_library(err));
    TRY(open_plain(cfg, &rk, err));
    enum zl_status st = ZL_OK;
    char words[sizeof err->text] = "";
    for (int t = 0; t < ZL_N_TOPICS && st != ZL_EUNREACHABLE; t++) {
        const char *name = cfg->topics[t];
        int n = name && name[0] ? partitions_of(rk, name, timeout_ms) : 1;
        size_t used = strlen(words);
        if (n < 0) {
            snprintf(words, sizeof words, "Kafka at %s does not answer in %d ms", cfg->brokers,
                     timeout_ms);
            st = ZL_EUNREACHABLE;
        } else if (n == 0) {
            snprintf(words + used, sizeof words - used, "%stopic %s is not there at %s",
                     used ? "\n" : "", name, cfg->brokers);
            st = t == ZL_TOPIC_EVENTS ? ZL_ENOENT : st; /* the others are optional */
        }
    }
    rd_kafka_destroy(rk);
    return zl_fail(err, st, "%s", words);
}

struct scan {
    rd_kafka_t *rk;
    const char *topic;
    int n_partitions;
    int64_t high[ZL_MAX_PARTITIONS];
    bool done[ZL_MAX_PARTITIONS];
    int left;
};

static enum zl_status scan_begin(struct scan *s, int timeout_ms, struct zl_error *err)
{
    s->n_partitions = partitions_of(s->rk, s->topic, timeout_ms);
    if (s->n_partitions < 0)
        return zl_fail(err, ZL_EUNREACHABLE, "Kafka does not answer in %d ms", timeout_ms);
    if (s->n_partitions == 0)
        return zl_fail(err, ZL_ENOENT, "topic %s is not there", s->topic);
    if (s->n_partitions > ZL_MAX_PARTITIONS)
        return zl_fail(err, ZL_EFULL, "topic %s has more than %d partitions", s->topic,
                       ZL_MAX_PARTITIONS);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(s->n_partitions);
    enum zl_status st = ZL_OK;
    for (int p = 0; p < s->n_partitions && st == ZL_OK; p++) {
        int64_t low;
        if (rd_kafka_query_watermark_offsets(s->rk, s->topic, p, &low, &s->high[p], timeout_ms))
            st = zl_fail(err, ZL_EUNREACHABLE, "%s[%d] does not answer", s->topic, p);
        s->done[p] = low >= s->high[p];
        s->left += !s->done[p];
        rd_kafka_topic_partition_list_add(list, s->topic, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    if (st == ZL_OK && rd_kafka_assign(s->rk, list))
        st = zl_fail(err, ZL_EINTERNAL, "cannot read %s", s->topic);
    rd_kafka_topic_partition_list_destroy(list);
    return st;
}

static void scan_reached(struct scan *s, int32_t partition, int64_t next)
{
    if (!s->done[partition] && next >= s->high[partition]) {
        s->done[partition] = true;
        s->left--;
    }
}

/* One message: shown if it was there when the scan began. False: stop. */
static bool scan_take(struct scan *s, struct arena *headers, const rd_kafka_message_t *m,
                      bool (*visit)(void *ctx, const struct source_message *m), void *ctx)
{
    if (m->err) {
        if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            scan_reached(s, m->partition, m->offset);
        else
            LOG(WARN, ROOM, "reading %s: %s", s->topic, rd_kafka_message_errstr(m));
        return true;
    }
    bool go_on = true;
    if (m->offset < s->high[m->partition]) {
        struct source_message shown;
        lend(headers, m, &shown);
        go_on = visit(ctx, &shown);
        arena_clear(headers);
    }
    scan_reached(s, m->partition, m->offset + 1);
    return go_on;
}

static enum zl_status scan_run(struct scan *s, int timeout_ms,
                               bool (*visit)(void *ctx, const struct source_message *m), void *ctx,
                               struct zl_error *err)
{
    struct arena headers;
    arena_init(&headers);
    enum zl_status st = ZL_OK;
    bool go_on = true;
    while (go_on && s->left > 0) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(s->rk, timeout_ms);
        if (!m) {
            st = zl_fail(err, ZL_EUNREACHABLE, "nothing more of %s came within %d ms", s->topic,
                         timeout_ms);
            break;
        }
        go_on = scan_take(s, &headers, m, visit, ctx);
        rd_kafka_message_destroy(m);
    }
    arena_release(&headers);
    return st;
}

enum zl_status source_scan(const struct source_config *cfg, const char *topic, int timeout_ms,
                           bool (*visit)(void *ctx, const struct source_message *m), void *ctx,
                           struct zl_error *err)
{
    struct scan *s = xcalloc(1, sizeof *s);
    s->topic = topic;
    enum zl_status st = open_plain(cfg, &s->rk, err);
    if (st == ZL_OK)
        st = scan_begin(s, timeout_ms, err);
    if (st == ZL_OK)
        st = scan_run(s, timeout_ms, visit, ctx, err);
    if (s->rk)
        rd_kafka_destroy(s->rk);
    free(s);
    return st;
}
