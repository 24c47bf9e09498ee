/* Questions that are put once, outside of any group and of the engine's loop: is everything there (check), what does a topic hold now
 * (dead letters). Both may wait, and say how long. */
#define _GNU_SOURCE
#include "source/kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "source/kafka_priv.h"

static int partitions_of(rd_kafka_t *rk, const char *topic, int timeout_ms)
{
    rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);
    int n = t ? source_kafka_ask_partitions(rk, t, timeout_ms) : -1;
    if (t)
        rd_kafka_topic_destroy(t);
    return n;
}

enum zl_status source_kafka_check(const struct source_config *cfg, int timeout_ms,
                                  struct zl_error *err)
{
    rd_kafka_t *rk;
    TRY(source_kafka_config_library(err));
    TRY(source_kafka_client_open_plain(cfg, &rk, err));
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
        source_kafka_lend(headers, m, &shown);
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
    enum zl_status st = source_kafka_client_open_plain(cfg, &s->rk, err);
    if (st == ZL_OK)
        st = scan_begin(s, timeout_ms, err);
    if (st == ZL_OK)
        st = scan_run(s, timeout_ms, visit, ctx, err);
    if (s->rk)
        rd_kafka_destroy(s->rk);
    free(s);
    return st;
}
