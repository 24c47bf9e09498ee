/* keyboard - a producer that stays connected: each line of stdin, key TAB value, is in Kafka a millisecond later (kcat waits for a
 * full buffer). No value: a tombstone. Each message carries the header sent_ms. Ends at the end of stdin, when all is acknowledged.
 *   keyboard BROKERS TOPIC */
#define _GNU_SOURCE
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void die(const char *what)
{
    fprintf(stderr, "keyboard: %s\n", what);
    exit(1);
}

static rd_kafka_t *open_client(const char *brokers)
{
    char err[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, err, sizeof err) ||
        rd_kafka_conf_set(conf, "linger.ms", "0", err, sizeof err))
        die(err);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof err);
    if (!rk)
        die(err);
    return rk;
}

static void send_line(rd_kafka_t *rk, const char *topic, char *line)
{
    char sent[32];
    struct timespec t;
    line[strcspn(line, "\n")] = '\0';
    char *value = strchr(line, '\t');
    if (value)
        *value++ = '\0';
    clock_gettime(CLOCK_REALTIME, &t);
    snprintf(sent, sizeof sent, "%lld", (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000);
    rd_kafka_resp_err_t err = rd_kafka_producev(
        rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(line, strlen(line)),
        RD_KAFKA_V_VALUE(value, value ? strlen(value) : 0), RD_KAFKA_V_HEADER("sent_ms", sent, -1),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (err)
        die(rd_kafka_err2str(err));
    rd_kafka_poll(rk, 0);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        die("usage: keyboard BROKERS TOPIC");
    rd_kafka_t *rk = open_client(argv[1]);
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0)
        send_line(rk, argv[2], line);
    free(line);
    int unsent = rd_kafka_flush(rk, 30000) ? 1 : 0;
    rd_kafka_destroy(rk);
    return unsent;
}
