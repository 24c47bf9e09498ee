/* Delivered means: the broker's report said so. Every message gets a number and a slot in a ring; the report of the library
 * carries the number back and marks the slot; what is marked from the oldest on, without a hole, is acknowledged.
 *
 *      ring    acked │ 41 done │ 42 on its way │ 43 done │ 44 to send again │ … put
 *              └ producer_acked() is 41, although 43 is delivered
 *
 * The library retries for ever by itself (idempotent, no timeout). Two things it gives up: a message that the broker refuses, and, after
 * a fatal error (an epoch lost, fenced), everything. Then its report hands the message back, the slot keeps a copy, and the copy is sent
 * again, after a fatal error by a new client. So a message may arrive twice: receivers collapse by key. */
#define _GNU_SOURCE
#include "source/producer.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#define ROOM "source"
#define MS ((int64_t)1000000)
#define AGAIN_MS 500 /* rest before a refused message is tried again */
/* where messages may be cut: what is larger travels alone, and is alone to blame */
#define BATCH_BYTES 16384
#define MAX_BLAMED 8

/* A message of ours, in one piece: the struct, header spans, then all bytes. */
struct letter {
    char *topic;
    int32_t partition;
    int64_t timestamp_ms;
    struct zl_span key, value;
    struct source_header *headers;
    int n_headers;
    bool cut;
};

enum slot_state { SLOT_SENT, SLOT_AGAIN, SLOT_DONE };

struct slot {
    struct letter *letter; /* NULL: the library has the only copy */
    int64_t put_ns;
    int64_t bytes;
    enum slot_state state;
    int blamed; /* how often its batch was too large */
};

struct producer {
    struct producer_config cfg; /* strings and properties are our copies */
    rd_kafka_t *rk;
    struct slot *ring; /* slot of message n: ring[n & mask] */
    uint64_t mask, put, acked;
    uint64_t n_again, refused;
    int64_t again_ns; /* when to send again */
    int64_t waiting_bytes;
    bool fatal;
};

/* ---- letters ---- */

static char *lay(char **at, const void *bytes, size_t len)
{
    char *to = *at;
    if (len)
        memcpy(to, bytes, len);
    *at += len;
    return to;
}

static size_t letter_bytes(const char *topic, struct zl_span key, struct zl_span value,
                           const struct source_header *headers, int n)
{
    size_t bytes = strlen(topic) + 1 + key.len + value.len;
    for (int i = 0; i < n; i++)
        bytes += headers[i].name.len + headers[i].value.len;
    return bytes;
}

static struct letter *letter_new(const char *topic, int32_t partition, int64_t timestamp_ms,
                                 struct zl_span key, struct zl_span value,
                                 const struct source_header *headers, int n)
{
    size_t spans = (size_t)n * sizeof *headers;
    struct letter *l = xcalloc(1, sizeof *l + spans + letter_bytes(topic, key, value, headers, n));
    l->headers = (struct source_header *)(l + 1);
    char *at = (char *)(l + 1) + spans;
    l->partition = partition;
    l->timestamp_ms = timestamp_ms;
    l->n_headers = n;
    l->topic = lay(&at, topic, strlen(topic) + 1);
    l->key = (struct zl_span){key.ptr ? lay(&at, key.ptr, key.len) : NULL, key.len};
    l->value = (struct zl_span){value.ptr ? lay(&at, value.ptr, value.len) : NULL, value.len};
    for (int i = 0; i < n; i++) {
        l->headers[i].name = (struct zl_span){lay(&at, headers[i].name.ptr, headers[i].name.len),
                                              headers[i].name.len};
        l->headers[i].value = (struct zl_span){
            headers[i].value.ptr ? lay(&at, headers[i].value.ptr, headers[i].value.len) : NULL,
            headers[i].value.len};
    }
    return l;
}

/* What the library gave back, as a letter. Its key, value and headers are all there. */
static struct letter *letter_returned(const rd_kafka_message_t *m)
{
    struct source_header headers[64];
    int n = 0;
    rd_kafka_headers_t *all;
    if (rd_kafka_message_headers(m, &all) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const char *name;
        const void *value;
        size_t len;
        while (n < 64 && rd_kafka_header_get_all(all, (size_t)n, &name, &value, &len) ==
                             RD_KAFKA_RESP_ERR_NO_ERROR)
            headers[n++] = (struct source_header){zl_span_of(name), {value, value ? len : 0}};
    }
    return letter_new(rd_kafka_topic_name(m->rkt), m->partition,
                      rd_kafka_message_timestamp(m, NULL),
                      (struct zl_span){m->key, m->key ? m->key_len : 0},
                      (struct zl_span){m->payload, m->payload ? m->len : 0}, headers, n);
}

/* ---- the ring ---- */

static struct slot *slot_of(const struct producer *p, uint64_t number)
{
    return &p->ring[number & p->mask];
}

static void ring_grow(struct producer *p)
{
    uint64_t mask = p->mask * 2 + 1;
    struct slot *ring = xcalloc((size_t)mask + 1, sizeof *ring);
    for (uint64_t n = p->acked + 1; n <= p->put; n++)
        ring[n & mask] = p->ring[n & p->mask];
    free(p->ring);
    p->ring = ring;
    p->mask = mask;
}

static void advance(struct producer *p)
{
    while (p->acked < p->put && slot_of(p, p->acked + 1)->state == SLOT_DONE)
        p->acked++;
}

static void slot_done(struct producer *p, struct slot *s)
{
    s->state = SLOT_DONE;
    p->waiting_bytes -= s->bytes;
    free(s->letter);
    s->letter = NULL;
    advance(p);
}

static void slot_again(struct producer *p, struct slot *s)
{
    s->state = SLOT_AGAIN;
    if (p->n_again++ == 0)
        p->again_ns = clock_monotonic_ns() + AGAIN_MS * MS;
}

/* ---- reports ---- */

/* Too large for the topic: half of it, and marked. The broker refuses a whole batch; who shared one with a large message is
 * sent again as it is. */
static void cut(struct producer *p, struct slot *s)
{
    if (p->cfg.cut_mark && s->letter->value.len < BATCH_BYTES && ++s->blamed < MAX_BLAMED) {
        slot_again(p, s);
        return;
    }
    if (!p->cfg.cut_mark || s->letter->value.len < 64) {
        LOG(ERROR, ROOM, "topic %s refuses a message of %zu bytes as too large; it is given up",
            s->letter->topic, s->letter->value.len);
        p->refused++;
        slot_done(p, s);
        return;
    }
    s->letter->value.len /= 2;
    s->letter->cut = true;
    slot_again(p, s);
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct producer *p = opaque;
    uint64_t number = (uint64_t)(uintptr_t)m->_private;
    (void)rk;
    if (number <= p->acked || number > p->put)
        return;
    struct slot *s = slot_of(p, number);
    if (s->state != SLOT_SENT)
        return;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        slot_done(p, s);
        return;
    }
    if (!s->letter)
        s->letter = letter_returned(m);
    if (m->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        cut(p, s);
        return;
    }
    if (m->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE && m->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        LOG(WARN, ROOM, "a message to %s was not taken (%s); sending it again", s->letter->topic,
            rd_kafka_err2str(m->err));
    slot_again(p, s);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct producer *p = opaque;
    (void)rk;
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        p->fatal = true;
    else if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        LOG(WARN, ROOM, "no Kafka broker of %s is reachable for sending; messages wait",
            p->cfg.brokers);
    else if (code != RD_KAFKA_RESP_ERR__TRANSPORT)
        LOG(WARN, ROOM, "sending: %s", reason);
}

static void on_log(const rd_kafka_t *rk, int level, const char *kind, const char *words)
{
    (void)rk;
    if (level <= 4 && strcmp(kind, "CONFWARN") != 0)
        LOG(WARN, ROOM, "librdkafka producer %s: %s", kind, words);
}

/* ---- the client ---- */

static enum zl_status set(rd_kafka_conf_t *conf, const char *name, const char *value,
                          struct zl_error *err)
{
    char words[512];
    if (rd_kafka_conf_set(conf, name, value, words, sizeof words) == RD_KAFKA_CONF_OK)
        return ZL_OK;
    bool secret = strstr(name, "password") || strstr(name, "secret") || strstr(name, ".key");
    return zl_fail(err, ZL_ECONFIG, "kafka property %s: %s", name,
                   secret ? "its value is refused" : words);
}

static enum zl_status set_number(rd_kafka_conf_t *conf, const char *name, int64_t value,
                                 struct zl_error *err)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    return set(conf, name, text, err);
}

static enum zl_status set_client(rd_kafka_conf_t *conf, const struct producer *p,
                                 struct zl_error *err)
{
    const struct producer_config *cfg = &p->cfg;
    TRY(set(conf, "bootstrap.servers", cfg->brokers, err));
    TRY(set(conf, "client.id", "zhiliu", err));
    TRY(set(conf, "broker.address.family", "any", err));
    TRY(set(conf, "socket.keepalive.enable", "true", err));
    TRY(set(conf, "reconnect.backoff.max.ms", "2000", err));
    TRY(set_number(conf, "linger.ms", cfg->linger_ms, err));
    TRY(set_number(conf, "message.max.bytes", cfg->max_message_bytes + 4096, err));
    if (cfg->cut_mark)
        TRY(set_number(conf, "batch.size", BATCH_BYTES, err));
    TRY(set(conf, "queue.buffering.max.messages", "1000000", err));
    TRY(set_number(conf, "queue.buffering.max.kbytes", (cfg->budget_bytes >> 10) + 1024, err));
    for (int i = 0; i < cfg->n_properties; i++)
        TRY(set(conf, cfg->properties[i].name, cfg->properties[i].value, err));
    /* last, so that no property undoes them: what "delivered" rests on */
    TRY(set(conf, "enable.idempotence", "true", err));
    TRY(set(conf, "message.timeout.ms", "0", err));
    return set(conf, "acks", "all", err);
}

static enum zl_status client_open(struct producer *p, struct zl_error *err)
{
    char words[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    enum zl_status st = set_client(conf, p, err);
    if (st != ZL_OK) {
        rd_kafka_conf_destroy(conf);
        return st;
    }
    rd_kafka_conf_set_opaque(conf, p);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
    if (p->rk)
        return ZL_OK;
    rd_kafka_conf_destroy(conf);
    return zl_fail(err, ZL_ECONFIG, "Kafka producer: %s", words);
}

static void client_close(struct producer *p)
{
    if (!p->rk)
        return;
    rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(p->rk, 2000); /* serves the reports of what was purged */
    rd_kafka_destroy(p->rk);
    p->rk = NULL;
}

static rd_kafka_headers_t *headers_of(const struct source_header *headers, int n, const char *mark)
{
    if (n == 0 && !mark)
        return NULL;
    rd_kafka_headers_t *all = rd_kafka_headers_new((size_t)n + 1);
    for (int i = 0; i < n; i++)
        rd_kafka_header_add(all, headers[i].name.ptr, (ssize_t)headers[i].name.len,
                            headers[i].value.ptr, (ssize_t)headers[i].value.len);
    if (mark)
        rd_kafka_header_add(all, mark, -1, "true", 4);
    return all;
}

/* flags 0: the bytes are the letter's, which outlives the client; F_COPY: they are borrowed. */
static rd_kafka_resp_err_t hand_over(struct producer *p, const struct letter *l, uint64_t number,
                                     int flags)
{
    rd_kafka_headers_t *headers =
        headers_of(l->headers, l->n_headers, l->cut ? p->cfg.cut_mark : NULL);
    rd_kafka_resp_err_t code =
        rd_kafka_producev(p->rk, RD_KAFKA_V_TOPIC(l->topic), RD_KAFKA_V_PARTITION(l->partition),
                          RD_KAFKA_V_MSGFLAGS(flags), RD_KAFKA_V_KEY(l->key.ptr, l->key.len),
                          RD_KAFKA_V_VALUE((void *)(uintptr_t)l->value.ptr, l->value.len),
                          RD_KAFKA_V_TIMESTAMP(l->timestamp_ms), RD_KAFKA_V_HEADERS(headers),
                          RD_KAFKA_V_OPAQUE((void *)(uintptr_t)number), RD_KAFKA_V_END);
    if (code && headers)
        rd_kafka_headers_destroy(headers);
    return code;
}

/* ---- sending again ---- */

static void send_again(struct producer *p)
{
    if (p->n_again == 0 || clock_monotonic_ns() < p->again_ns)
        return;
    p->n_again = 0;
    for (uint64_t n = p->acked + 1; n <= p->put; n++) {
        struct slot *s = slot_of(p, n);
        if (s->state != SLOT_AGAIN)
            continue;
        s->state = SLOT_SENT;
        rd_kafka_resp_err_t code = hand_over(p, s->letter, n, 0);
        if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
            cut(p, s);
        else if (code)
            slot_again(p, s);
    }
}

/* A new client; what the old one had not delivered is sent again by it. */
static void renew(struct producer *p)
{
    struct zl_error err;
    LOG(WARN, ROOM, "the Kafka producer cannot go on; a new one sends %" PRIu64 " messages again",
        p->put - p->acked);
    client_close(p);
    for (uint64_t n = p->acked + 1; n <= p->put; n++) {
        struct slot *s = slot_of(p, n);
        if (s->state == SLOT_SENT && s->letter)
            slot_again(p, s);
    }
    p->fatal = false;
    if (client_open(p, &err) != ZL_OK) {
        /* the same settings worked before: try again at the next poll */
        LOG(ERROR, ROOM, "%s", err.text);
        p->fatal = true;
        return;
    }
    p->again_ns = 0;
    send_again(p);
}

/* ---- calls ---- */

static const char *copy_text(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static void copy_config(struct producer *p, const struct producer_config *cfg)
{
    p->cfg = *cfg;
    p->cfg.brokers = copy_text(cfg->brokers ? cfg->brokers : "");
    p->cfg.cut_mark = copy_text(cfg->cut_mark);
    if (cfg->budget_bytes <= 0)
        p->cfg.budget_bytes = 64 << 20;
    if (cfg->max_message_bytes <= 0)
        p->cfg.max_message_bytes = 1000000;
    struct source_property *own = xcalloc((size_t)cfg->n_properties + 1, sizeof *own);
    for (int i = 0; i < cfg->n_properties; i++)
        own[i] = (struct source_property){copy_text(cfg->properties[i].name),
                                          copy_text(cfg->properties[i].value)};
    p->cfg.properties = own;
}

static void producer_free(struct producer *p)
{
    client_close(p);
    for (uint64_t n = p->acked + 1; n <= p->put; n++)
        free(slot_of(p, n)->letter);
    for (int i = 0; i < p->cfg.n_properties; i++) {
        free((void *)(uintptr_t)p->cfg.properties[i].name);
        free((void *)(uintptr_t)p->cfg.properties[i].value);
    }
    free((void *)(uintptr_t)p->cfg.properties);
    free((void *)(uintptr_t)p->cfg.brokers);
    free((void *)(uintptr_t)p->cfg.cut_mark);
    free(p->ring);
    free(p);
}

enum zl_status producer_open(const struct producer_config *cfg, struct producer **out,
                             struct zl_error *err)
{
    *out = NULL;
    struct producer *p = xcalloc(1, sizeof *p);
    copy_config(p, cfg);
    p->mask = 1023;
    p->ring = xcalloc((size_t)p->mask + 1, sizeof *p->ring);
    enum zl_status st = client_open(p, err);
    if (st != ZL_OK) {
        producer_free(p);
        return st;
    }
    *out = p;
    return ZL_OK;
}

uint64_t producer_close(struct producer *p, int timeout_ms)
{
    if (!p)
        return 0;
    int64_t until_ns = clock_monotonic_ns() + timeout_ms * MS;
    while (p->acked < p->put && clock_monotonic_ns() < until_ns) {
        if (p->rk)
            rd_kafka_flush(p->rk, 20); /* sends what lingers */
        producer_poll(p, 0);
    }
    uint64_t left = p->put - p->acked;
    producer_free(p);
    return left;
}

static enum zl_status not_taken(rd_kafka_resp_err_t code, const char *topic, size_t len,
                                struct zl_error *err)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        LOG(WARN, ROOM, "topic %s is not there; messages to it wait", topic);
        return ZL_EAGAIN;
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
    case RD_KAFKA_RESP_ERR__FATAL: return ZL_EAGAIN;
    default:
        return zl_fail(err,
                       code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? ZL_EFULL : ZL_EUNREACHABLE,
                       "a message of %zu bytes to %s: %s", len, topic, rd_kafka_err2str(code));
    }
}

enum zl_status producer_put(struct producer *p, const char *topic, int32_t partition,
                            struct zl_span key, struct zl_span value,
                            const struct source_header *headers, int n_headers,
                            int64_t timestamp_ms, struct zl_error *err)
{
    int64_t bytes = (int64_t)letter_bytes(topic, key, value, headers, n_headers);
    bool room = p->waiting_bytes == 0 || p->waiting_bytes + bytes <= p->cfg.budget_bytes;
    if (p->fatal || !p->rk || !room)
        return ZL_EAGAIN;
    if (p->put - p->acked == p->mask)
        ring_grow(p);
    struct letter borrowed = {.topic = (char *)(uintptr_t)topic,
                              .partition = partition,
                              .timestamp_ms = timestamp_ms,
                              .key = key,
                              .value = value,
                              .headers = (struct source_header *)(uintptr_t)headers,
                              .n_headers = n_headers};
    struct letter *own = p->cfg.keep_copies ? letter_new(topic, partition, timestamp_ms, key, value,
                                                         headers, n_headers)
                                            : NULL;
    rd_kafka_resp_err_t code =
        hand_over(p, own ? own : &borrowed, p->put + 1, own ? 0 : RD_KAFKA_MSG_F_COPY);
    bool too_large = own && p->cfg.cut_mark && code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    if (code && !too_large) {
        free(own);
        return not_taken(code, topic, value.len, err);
    }
    p->put++;
    p->waiting_bytes += bytes;
    *slot_of(p, p->put) = (struct slot){own, clock_monotonic_ns(), bytes, SLOT_SENT, 0};
    if (too_large)
        cut(p, slot_of(p, p->put));
    return ZL_OK;
}

void producer_poll(struct producer *p, int timeout_ms)
{
    if (p->rk)
        rd_kafka_poll(p->rk, timeout_ms);
    if (p->fatal)
        renew(p);
    else
        send_again(p);
}

uint64_t producer_put_count(const struct producer *p)
{
    return p->put;
}

uint64_t producer_acked(const struct producer *p)
{
    return p->acked;
}

uint64_t producer_refused(const struct producer *p)
{
    return p->refused;
}

int64_t producer_oldest_wait_ms(const struct producer *p)
{
    if (p->acked == p->put)
        return 0;
    return (clock_monotonic_ns() - slot_of(p, p->acked + 1)->put_ns) / MS;
}
