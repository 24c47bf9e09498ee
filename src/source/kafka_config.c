/* What the library is told before it begins. Three layers, later ones win: what every client needs, the bounds that follow from the
 * pipeline's numbers, the properties a user passes through. What the engine's promises rest on cannot be passed through. */
#define _GNU_SOURCE
#include "source/kafka_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define SESSION_MS 20000 /* a killed engine is back within this, or the group forgets it */

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
    "group.id",
    "group.instance.id",
    "enable.auto.commit",
    "isolation.level",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.partition.eof",
    "partition.assignment.strategy",
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

/* How much is fetched ahead. Lanes have queues of their own, and the bound is that of a queue: each has its share. A queue may
 * overshoot by what one fetch brings of a partition, all together by one fetch.max.bytes. A message larger than its partition's
 * part of a fetch is sent all the same. */
static enum zl_status set_budget(rd_kafka_conf_t *conf, const struct source_config *cfg,
                                 int n_lanes, struct zl_error *err)
{
    int64_t queue = cfg->queue_bytes > 0 ? cfg->queue_bytes : (int64_t)32 << 20;
    int64_t message = cfg->max_message_bytes > 0 ? cfg->max_message_bytes : 1 << 20;
    int64_t share = queue / (n_lanes > 1 ? n_lanes : 1);
    int64_t partition = clamp(message + 4096, 1 << 20, 64 << 20);
    int64_t fetch = clamp(queue / 2, partition, 90 << 20);
    if (n_lanes > 1)
        partition = clamp(share / 4, 64 << 10, partition);
    TRY(set_number(conf, "queued.max.messages.kbytes", clamp(share >> 10, 64, 2097151), err));
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
                return zl_fail(
                    err, ZL_ECONFIG,
                    "kafka property %s cannot be set: what the engine promises rests on it",
                    p->name);
        TRY(set(conf, p->name, p->value, err));
    }
    return ZL_OK;
}

/* A full queue is looked at again after this; a second, which is the library's own and up to 2.1 cannot be changed, is long for the
 * others, who wait for it. */
static enum zl_status set_backoff(rd_kafka_conf_t *conf, struct zl_error *err)
{
    return rd_kafka_version() >= 0x02020000 ? set(conf, "fetch.queue.backoff.ms", "20", err)
                                            : ZL_OK;
}

static enum zl_status set_client(rd_kafka_conf_t *conf, const struct source_config *cfg,
                                 int n_lanes, struct zl_error *err)
{
    if (!cfg->brokers || !cfg->brokers[0])
        return zl_fail(err, ZL_ECONFIG, "source.brokers is empty");
    TRY(set(conf, "bootstrap.servers", cfg->brokers, err));
    TRY(set_all(conf, common_settings, sizeof common_settings / sizeof common_settings[0], err));
    TRY(set_all(conf, consumer_settings, sizeof consumer_settings / sizeof consumer_settings[0],
                err));
    TRY(set_backoff(conf, err));
    TRY(set_budget(conf, cfg, n_lanes, err));
    /* the library wants a group even where none is joined */
    return set(conf, "group.id", cfg->group && cfg->group[0] ? cfg->group : "zhiliu", err);
}

/* Of what is not in the group: the end of a partition is told, since it may be a transaction's marker, which is no message. */
static enum zl_status set_reader(rd_kafka_conf_t *conf, const struct source_config *cfg,
                                 struct zl_error *err)
{
    TRY(set_client(conf, cfg, 0, err));
    TRY(set_properties(conf, cfg, err));
    return set(conf, "enable.partition.eof", "true", err);
}

/* The end of a partition is told here too: behind an open transaction it is not where the log ends. */
static enum zl_status set_events(rd_kafka_conf_t *conf, const struct source_config *cfg,
                                 int n_lanes, struct zl_error *err)
{
    TRY(set_client(conf, cfg, n_lanes, err));
    TRY(set_number(conf, "session.timeout.ms", SESSION_MS, err));
    TRY(set(conf, "statistics.interval.ms", "1000", err));
    TRY(set_properties(conf, cfg, err));
    TRY(set(conf, "enable.partition.eof", "true", err));
    return !cfg->alone && cfg->instance && cfg->instance[0]
               ? set(conf, "group.instance.id", cfg->instance, err)
               : ZL_OK;
}

enum zl_status source_kafka_config_new(const struct source_config *cfg, int n_lanes,
                                       rd_kafka_conf_t **out, struct zl_error *err)
{
    *out = rd_kafka_conf_new();
    enum zl_status st =
        n_lanes > 0 ? set_events(*out, cfg, n_lanes, err) : set_reader(*out, cfg, err);
    if (st == ZL_OK)
        return ZL_OK;
    rd_kafka_conf_destroy(*out);
    *out = NULL;
    return st;
}

int64_t source_kafka_config_session_ms(const struct source_config *cfg)
{
    int64_t ms = SESSION_MS;
    for (int i = 0; i < cfg->n_properties; i++)
        if (strcmp(cfg->properties[i].name, "session.timeout.ms") == 0)
            ms = strtoll(cfg->properties[i].value, NULL, 10);
    return ms;
}

const char *source_library_version(void)
{
    return rd_kafka_version_str();
}

enum zl_status source_kafka_config_library(struct zl_error *err)
{
    int version = rd_kafka_version() >> 8;
    if (version == 0x020a00)
        return zl_fail(err, ZL_ECONFIG,
                       "librdkafka 2.10.0 does not come back when all brokers were down: install "
                       "2.10.1 or newer, or an older one");
    if (version < 0x020a01)
        LOG(INFO, ROOM,
            "librdkafka %s: nothing to do; of its faults below 2.10.1 (cooperative rebalancing, "
            "pausing "
            "a partition) none is met, as zhiliu uses neither",
            rd_kafka_version_str());
    return ZL_OK;
}
