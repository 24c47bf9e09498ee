/* One client of the library: opened with our callbacks, and closed in time. What it has to say arrives here, on the loop's thread when its
 * queue is served (errors, statistics) or on the library's own (log lines): a log line, a reason why we are not connected, or the words
 * with which the source ends. */
#define _GNU_SOURCE
#include "source/kafka_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

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

void source_kafka_client_fail(struct kafka_source *k, enum zl_status st, const char *words)
{
    if (k->fatal != ZL_OK)
        return;
    k->fatal = st;
    snprintf(k->words.text, sizeof k->words.text, "%s", words);
}

void source_kafka_client_fatal(struct kafka_source *k, rd_kafka_t *rk)
{
    char words[400], text[900];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(rk, words, sizeof words);
    if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
        snprintf(text, sizeof text,
                 "fenced: a second engine uses group.instance.id %s in group %s; this one stops. "
                 "Give each engine "
                 "its own source.instance, or stop the other",
                 k->base.cfg.instance, k->base.cfg.group);
    else
        snprintf(text, sizeof text, "the Kafka client cannot go on: %s", words);
    source_kafka_client_fail(k, ZL_EUNREACHABLE, text);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct kafka_source *k = opaque;
    switch ((rd_kafka_resp_err_t)code) {
    case RD_KAFKA_RESP_ERR__FATAL: source_kafka_client_fatal(k, rk); return;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        source_health_all_down(&k->health);
        LOG(WARN, ROOM, "no Kafka broker of %s is reachable; going on as soon as one is",
            k->base.cfg.brokers);
        return;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE: return; /* the library's log line said it */
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL: LOG(ERROR, ROOM, "Kafka does not let us in: %s", reason); return;
    default: LOG(WARN, ROOM, "Kafka: %s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)code), reason);
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

/* ---- open and close ---- */

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

enum zl_status source_kafka_client_open_plain(const struct source_config *cfg, rd_kafka_t **out,
                                              struct zl_error *err)
{
    rd_kafka_conf_t *conf;
    TRY(source_kafka_config_new(cfg, 0, &conf, err));
    rd_kafka_conf_set_log_cb(conf, on_log);
    TRY(client_new(conf, out, err));
    rd_kafka_poll_set_consumer(*out);
    return ZL_OK;
}

enum zl_status source_kafka_client_open(struct kafka_source *k, int n_lanes, struct zl_error *err)
{
    rd_kafka_conf_t *conf;
    bool events = n_lanes > 0;
    TRY(source_kafka_config_new(&k->base.cfg, n_lanes, &conf, err));
    rd_kafka_conf_set_opaque(conf, k);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    if (events) {
        rd_kafka_conf_set_stats_cb(conf, on_statistics);
        rd_kafka_conf_set_rebalance_cb(conf, source_kafka_assign_rebalance);
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

enum zl_status source_kafka_client_try(const struct source_config *cfg, struct zl_error *err)
{
    rd_kafka_conf_t *conf;
    TRY(source_kafka_config_new(cfg, 1, &conf, err));
    rd_kafka_conf_destroy(conf);
    return ZL_OK;
}

void source_kafka_client_close_queue(rd_kafka_queue_t **queue)
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
void source_kafka_client_destroy(rd_kafka_t **clients, int n, int64_t until_ns)
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
