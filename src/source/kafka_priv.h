/* source/kafka_priv.h - what the files of the Kafka log share.
 *
 *   kafka.c         messages out of the clients' queues, lent; the table of functions; open and close
 *   kafka_lanes.c   the partitions of events and controls, merged by time
 *   kafka_assign.c  whose partitions, from which offset, up to which; words when that cannot be
 *   kafka_client.c  one client of the library: its callbacks, its end
 *   kafka_config.c  what it is told before it begins
 *   kafka_ask.c     the scout's questions to the broker
 *   kafka_scan.c    check, and reading a topic from start to end */
#ifndef SOURCE_KAFKA_PRIV_H
#define SOURCE_KAFKA_PRIV_H

#include <librdkafka/rdkafka.h>

#include "base/arena.h"
#include "source/health.h"
#include "source/merge.h"
#include "source/scout.h"
#include "source/source_priv.h"

#define ROOM "source"
#define CLOSE_MS 5000
#define MS ((int64_t)1000000) /* in ns */

struct kafka_source {
    struct source base;         /* cfg.alone also when cfg.until is there */
    rd_kafka_t *items, *events; /* events: NULL before it is known how many partitions there are */
    rd_kafka_queue_t *items_queue, *events_queue;
    int wake_fd;
    rd_kafka_message_t *held[SOURCE_BATCH]; /* lent out; destroyed by the next poll */
    int n_held;
    struct arena headers;
    struct kafka_lane *lanes; /* of what is assigned of events and controls */
    int n_lanes;
    struct source_merge merge;

    struct scout *scout;
    struct scout_answer answer;
    rd_kafka_topic_t *asked[ZL_N_TOPICS]; /* of the items client, for the scout */

    int n_items;      /* partitions assigned */
    bool items_ready; /* read to the end they had at the start */
    bool warned[ZL_N_TOPICS];

    bool began; /* subscribed or assigned */
    /* by the group; alone: by us; NULL: none now */
    rd_kafka_topic_partition_list_t *given;
    int64_t given_ns, back_ns; /* when; when the client comes back, 0: it is there */
    int64_t session_ms;        /* after which the group forgets a silent member */
    int64_t part_ns;  /* since when only a part is given, 0: is not (atomic: read by the scout) */
    int64_t sole_ns;  /* since when that is so though nobody else is in the group */
    char member[160]; /* our name in the group, for the scout; written before part_ns */
    bool checked;     /* everything was given; fetching */
    bool had_all;
    int n_events;      /* partitions */
    char trouble[256]; /* why nothing is assigned */

    const struct zl_positions *stop; /* alone: where to end; NULL: not known yet, or never */
    struct zl_positions ends;        /* where the log ended at the start */

    struct source_health health;
    char *statistics; /* owned, the library's malloc */
    size_t statistics_len;
    bool statistics_new;
    enum zl_status fatal;
    struct zl_error words;
};

/* ---- kafka.c ---- */

/* Shows a message without copying: lent as long as m and a's contents. topic is not set. */
void source_kafka_lend(struct arena *a, const rd_kafka_message_t *m, struct source_message *to);

/* ---- kafka_lanes.c ---- */

/* Before the partitions of list are assigned: cuts their queues off. Closes the lanes there were. */
void source_kafka_lanes_open(struct kafka_source *k, const rd_kafka_topic_partition_list_t *list);
/* Drops what has come and was not taken; it comes again with the next assignment, which begins at what was taken. */
void source_kafka_lanes_close(struct kafka_source *k);
void source_kafka_lanes_begin(struct kafka_source *k, int64_t now_ns);
/* The next message or error in order, the caller's; NULL: none now. */
rd_kafka_message_t *source_kafka_lanes_take(struct kafka_source *k);

/* ---- kafka_assign.c: called in every poll, in this order ---- */

void source_kafka_assign_items(struct kafka_source *k);
void source_kafka_assign_events(struct kafka_source *k);
/* The group's answer; librdkafka's callback. */
void source_kafka_assign_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                                   rd_kafka_topic_partition_list_t *list, void *opaque);
void source_kafka_assign_forget(struct kafka_source *k);
/* Which of the two topics of the events client it is. */
enum zl_topic source_kafka_assign_topic(const struct kafka_source *k, const char *name);
/* Is this offset behind the place where we stop? */
bool source_kafka_assign_beyond(const struct kafka_source *k, enum zl_topic topic,
                                int32_t partition, int64_t offset);
/* The state's offset is outside of what the log holds: says by how much, or tries again if it is not. */
void source_kafka_assign_judge_range(struct kafka_source *k, rd_kafka_t *rk,
                                     const rd_kafka_message_t *m);

/* ---- kafka_client.c ---- */

/* Makes k->items (n_lanes 0) or k->events with its queue, which rings wake_fd. */
MUST_CHECK enum zl_status source_kafka_client_open(struct kafka_source *k, int n_lanes,
                                                   struct zl_error *err);
/* Would the client of events be accepted? */
MUST_CHECK enum zl_status source_kafka_client_try(const struct source_config *cfg,
                                                  struct zl_error *err);
/* A client for one-off questions, without a source. The caller destroys it. */
MUST_CHECK enum zl_status source_kafka_client_open_plain(const struct source_config *cfg,
                                                         rd_kafka_t **out, struct zl_error *err);
void source_kafka_client_close_queue(rd_kafka_queue_t **queue);
/* Destroys them and sets them to NULL. Waits until until_ns (monotonic), then leaves them behind. Copes with NULL among them. */
void source_kafka_client_destroy(rd_kafka_t **clients, int n, int64_t until_ns);
/* The source ends with this in its next poll; the first words stay. */
void source_kafka_client_fail(struct kafka_source *k, enum zl_status st, const char *words);
void source_kafka_client_fatal(struct kafka_source *k, rd_kafka_t *rk);

/* ---- kafka_config.c ---- */

/* Settings of a client: of n_lanes partitions of events and controls, or of anything else (0). *out is the caller's; NULL on
 * failure. */
MUST_CHECK enum zl_status source_kafka_config_new(const struct source_config *cfg, int n_lanes,
                                                  rd_kafka_conf_t **out, struct zl_error *err);
/* After which the group forgets a silent member of ours. */
int64_t source_kafka_config_session_ms(const struct source_config *cfg);
/* Refuses a library that loses messages. */
MUST_CHECK enum zl_status source_kafka_config_library(struct zl_error *err);

/* ---- kafka_ask.c: the scout's thread ---- */

void source_kafka_ask(void *ctx, struct scout_answer *a);
void source_kafka_ask_woken(void *ctx);
/* Number of partitions; 0: no such topic; -1: no answer. Any thread. */
int source_kafka_ask_partitions(rd_kafka_t *rk, rd_kafka_topic_t *topic, int timeout_ms);

#endif
