/* bare_consumer - librdkafka and nothing else: what a broker and a client cost before anybody looks at a message.
 *   bare_consumer latency BROKERS TOPIC SECONDS   from the end of the topic: p50 and p99 from the header sent_ms to here
 *   bare_consumer drain BROKERS TOPIC             from the beginning to the end: messages a second, CPU a message
 * Both poll as the engine's source does: one message with a timeout, the rest of a batch with 0. Prints one line of JSON. */
#define _GNU_SOURCE
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define BATCH 1024
#define MAX_SAMPLES (1 << 22)
#define FETCH_WAIT_MS "100" /* as source/kafka_config.c */

static int64_t clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
           u.ru_stime.tv_usec;
}

static void die(const char *what)
{
    fprintf(stderr, "bare_consumer: %s\n", what);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char err[256];
    if (rd_kafka_conf_set(conf, name, value, err, sizeof err) != RD_KAFKA_CONF_OK)
        die(err);
}

static rd_kafka_t *open_client(const char *brokers)
{
    char err[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "group.id", "bare");
    set(conf, "enable.auto.commit", "false");
    set(conf, "fetch.wait.max.ms", FETCH_WAIT_MS);
    set(conf, "isolation.level", "read_committed");
    set(conf, "check.crcs", "true");
    set(conf, "queued.max.messages.kbytes", "32768");
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, err, sizeof err);
    if (!rk)
        die(err);
    rd_kafka_poll_set_consumer(rk);
    return rk;
}

/* Assigns all partitions; returns how many messages lie between offset and the end. */
static int64_t assign_all(rd_kafka_t *rk, const char *topic, int64_t offset)
{
    const struct rd_kafka_metadata *md;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    if (rd_kafka_metadata(rk, 0, rkt, &md, 10000) || md->topic_cnt != 1 ||
        md->topics[0].partition_cnt == 0)
        die("no metadata of the topic");
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    int64_t total = 0, low, high;
    for (int p = 0; p < md->topics[0].partition_cnt; p++) {
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = offset;
        if (rd_kafka_query_watermark_offsets(rk, topic, p, &low, &high, 10000))
            die("no watermarks");
        total += high - low;
    }
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_metadata_destroy(md);
    rd_kafka_topic_destroy(rkt);
    return total;
}

/* One with a timeout, the rest with 0. */
static int poll_batch(rd_kafka_queue_t *q, rd_kafka_message_t **m)
{
    long n = (long)rd_kafka_consume_batch_queue(q, 100, m, 1);
    if (n <= 0)
        return 0;
    long more = (long)rd_kafka_consume_batch_queue(q, 0, m + n, BATCH - 1);
    return (int)(n + (more > 0 ? more : 0));
}

static int64_t sent_us(rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t len;
    char text[32];
    if (rd_kafka_message_headers(m, &headers) ||
        rd_kafka_header_get_last(headers, "sent_ms", &value, &len) || len > 20)
        return 0;
    memcpy(text, value, len);
    text[len] = '\0';
    return strtoll(text, NULL, 10) * 1000;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void latency(rd_kafka_queue_t *q, int seconds)
{
    int64_t *waits = malloc(MAX_SAMPLES * sizeof *waits),
            end_us = clock_us(CLOCK_MONOTONIC) + seconds * 1000000LL;
    rd_kafka_message_t *m[BATCH];
    int n_waits = 0;
    while (clock_us(CLOCK_MONOTONIC) < end_us && n_waits < MAX_SAMPLES - BATCH) {
        int n = poll_batch(q, m);
        int64_t now_us = clock_us(CLOCK_REALTIME);
        for (int i = 0; i < n; i++) {
            int64_t sent = m[i]->err ? 0 : sent_us(m[i]);
            if (sent)
                waits[n_waits++] = now_us - sent;
            rd_kafka_message_destroy(m[i]);
        }
    }
    if (n_waits == 0)
        die("no message with sent_ms came");
    qsort(waits, (size_t)n_waits, sizeof *waits, by_value);
    printf(
        "{\"n\":%d,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"fetch_wait_ms\":" FETCH_WAIT_MS
        "}\n",
        n_waits, (double)waits[n_waits / 2] / 1000, (double)waits[n_waits / 100 * 99] / 1000,
        (double)waits[n_waits - 1] / 1000);
    free(waits);
}

static void drain(rd_kafka_queue_t *q, int64_t total)
{
    rd_kafka_message_t *m[BATCH];
    int64_t begin_us = clock_us(CLOCK_MONOTONIC), begin_cpu = cpu_us(), n_all = 0, bytes = 0;
    while (n_all < total) {
        int n = poll_batch(q, m);
        for (int i = 0; i < n; i++) {
            n_all += !m[i]->err;
            bytes += (int64_t)m[i]->len;
            rd_kafka_message_destroy(m[i]);
        }
    }
    double s = (double)(clock_us(CLOCK_MONOTONIC) - begin_us) / 1e6,
           cpu = (double)(cpu_us() - begin_cpu);
    printf("{\"n\":%lld,\"bytes\":%lld,\"seconds\":%.3f,\"events_per_s\":%.0f,\"cpu_us_per_event\":"
           "%.3f}\n",
           (long long)n_all, (long long)bytes, s, (double)n_all / s, cpu / (double)n_all);
}

int main(int argc, char **argv)
{
    int wants_latency = argc == 5 && strcmp(argv[1], "latency") == 0;
    if (!wants_latency && !(argc == 4 && strcmp(argv[1], "drain") == 0))
        die("usage: bare_consumer latency BROKERS TOPIC SECONDS | drain BROKERS TOPIC");
    rd_kafka_t *rk = open_client(argv[2]);
    int64_t total =
        assign_all(rk, argv[3], wants_latency ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING);
    rd_kafka_queue_t *q = rd_kafka_queue_get_consumer(rk);
    if (wants_latency)
        latency(q, atoi(argv[4]));
    else
        drain(q, total);
    rd_kafka_queue_destroy(q);
    rd_kafka_destroy(rk);
    return 0;
}
