/* source_feed - a small Kafka producer for the tests of the source room.
 *
 *   source_feed BROKERS TOPIC PARTITION(-1: by key) FIRST COUNT [RATE/s]   values v-FIRST …; with a rate the value begins with the
 *                                                   wall clock in microseconds, header sent_ms, linger 1 ms
 *   source_feed BROKERS TOPIC PARTITION FIRST COUNT commit|abort           in one transaction
 *   source_feed BROKERS TOPIC PARTITION before OFFSET                      deletes the records before it, as retention does
 */
#define _GNU_SOURCE
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static rd_kafka_t *rk;
static long delivered, failed;

static void on_report(rd_kafka_t *k, const rd_kafka_message_t *m, void *opaque)
{
    (void)k, (void)opaque;
    delivered++;
    failed += m->err != 0;
}

static long long now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void open_client(const char *brokers, const char *transaction)
{
    char words[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, words, sizeof words);
    rd_kafka_conf_set(conf, "linger.ms", "1", words, sizeof words);
    rd_kafka_conf_set(conf, "enable.idempotence", "true", words, sizeof words);
    rd_kafka_conf_set(conf, "queue.buffering.max.messages", "1000000", words, sizeof words);
    if (transaction)
        rd_kafka_conf_set(conf, "transactional.id", transaction, words, sizeof words);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
    if (!rk)
        exit(70);
}

static void delete_before(const char *topic, int partition, long offset)
{
    char words[512];
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    rd_kafka_DeleteRecords_t *what = rd_kafka_DeleteRecords_new(list);
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    rd_kafka_DeleteRecords(rk, &what, 1, NULL, q);
    rd_kafka_event_t *e = rd_kafka_queue_poll(q, 10000);
    snprintf(words, sizeof words, "%s", e ? rd_kafka_event_error_string(e) : "no answer");
    printf("deleted before %ld: %s\n", offset, words);
    exit(e && !rd_kafka_event_error(e) ? 0 : 1);
}

static void put(const char *topic, int partition, long number, bool stamped)
{
    char key[32], value[200], sent[32];
    long long us = now_us();
    int key_len = snprintf(key, sizeof key, "k%ld", number);
    int len = stamped ? snprintf(value, sizeof value, "%lld %0160ld", us, number)
                      : snprintf(value, sizeof value, "v-%ld", number);
    int sent_len = snprintf(sent, sizeof sent, "%lld", us / 1000);
    while (rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_KEY(key, (size_t)key_len),
                             RD_KAFKA_V_VALUE(value, (size_t)len),
                             RD_KAFKA_V_HEADER("sent_ms", sent, sent_len), RD_KAFKA_V_END))
        rd_kafka_poll(rk, 10);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 64;
    const char *topic = argv[2], *mode = argc > 6 ? argv[6] : "";
    bool transaction = !strcmp(mode, "commit") || !strcmp(mode, "abort");
    int partition = atoi(argv[3]);
    open_client(argv[1], transaction ? "source-feed" : NULL);
    if (!strcmp(argv[4], "before"))
        delete_before(topic, partition, atol(argv[5]));
    long first = atol(argv[4]), count = atol(argv[5]);
    double rate = transaction ? 0 : atof(mode);
    if (transaction && (rd_kafka_init_transactions(rk, 20000) || rd_kafka_begin_transaction(rk)))
        return 69;
    long long start = now_us();
    for (long i = 0; i < count; i++) {
        while (rate > 0 && (double)(now_us() - start) < (double)i * 1e6 / rate)
            usleep(200);
        put(topic, partition, first + i, rate > 0);
        rd_kafka_poll(rk, 0);
    }
    rd_kafka_flush(rk, 30000);
    rd_kafka_error_t *e = NULL;
    if (transaction)
        e = mode[0] == 'c' ? rd_kafka_commit_transaction(rk, 20000)
                           : rd_kafka_abort_transaction(rk, 20000);
    printf("delivered %ld failed %ld %s\n", delivered, failed, e ? rd_kafka_error_string(e) : "");
    rd_kafka_destroy(rk);
    return e || failed ? 1 : 0;
}
