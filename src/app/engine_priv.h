/* What the files of the engine share: the struct, and who does what.
 * wiring.c opens and closes the rooms; engine.c is the loop; batch.c carries one batch from door to shelf; watch.c looks after
 * readiness and gauges. */
#ifndef APP_ENGINE_PRIV_H
#define APP_ENGINE_PRIV_H

#include <signal.h>

#include "app/checkpoint.h"
#include "app/dead_letters.h"
#include "app/engine.h"
#include "app/hot.h"
#include "app/publish.h"
#include "app/similar.h"
#include "decode/decode.h"
#include "guard/guard.h"
#include "monitor/monitor.h"
#include "rank/similar.h"
#include "reward/reward.h"
#include "source/source.h"

struct engine {
    const struct config *cfg;
    struct engine_options opt;

    struct source *source;
    struct source_property properties[CONFIG_MAX_PROPERTIES]; /* lent to the source */
    struct decode *decode;
    struct guard *guard;
    struct reward *reward;
    struct catalog *catalog;
    struct model *model;
    struct rank *rank;
    struct rank_similar *rank_similar;
    struct sink *sink;

    struct ids *users, *items, *courses;
    struct dead_letters *dead_letters;
    struct checkpoint *checkpoint; /* NULL: none */
    struct publish *publish;
    struct similar *similar; /* NULL: off */
    struct hot *hot;         /* NULL: off */
    struct monitor *monitor; /* NULL: none */
    struct zl_positions positions;
    struct rows_table tables[CHECKPOINT_MAX_TABLES];
    int n_tables;

    /* the batch under way: its messages stay lent until every reject is a dead letter */
    struct source_batch batch;
    bool held;                 /* processed, but dead letters would not take all rejects yet */
    struct zl_reject *rejects; /* decode's and guard's, in order of appearance */
    int n_rejects, max_rejects, next_reject;

    bool reads_file;
    const char *file; /* its name; NULL: Kafka */
    bool knows_log;   /* it was seen that the state is of this file */
    bool met_event;   /* the first one's ts was looked at */
    /* a file: lists are ranked event by event, so that output does not depend on batches */
    bool each_event;
    uint64_t messages, refused[ZL_N_REASONS]; /* since open */
    int64_t tick_ns;
    uint64_t committed_moment;
    int wake[2]; /* pipe: engine_stop writes a byte */
    volatile sig_atomic_t stopping, hang_up;
};

/* wiring.c */
void wiring_source(const struct config *cfg, struct source_property *properties,
                   struct source_config *out);
void wiring_sink(const struct config *cfg, struct sink_config *out);

/* batch.c: takes e->batch through decode, guard, reward, model; marks users; fills e->rejects; e->held is true afterwards. */
void batch_take(struct engine *e, int64_t now_ns);
/* After a load: the model hears again what the catalogue says of each item. */
void batch_describe_again(struct engine *e);
/* Hands rejects to the dead letters; when all are taken moves the positions and lets the batch go. */
MUST_CHECK enum zl_status batch_settle(struct engine *e, struct zl_error *err);

/* Where the state lies; NULL: nowhere. */
const char *wiring_checkpoint_path(const struct engine *e);

/* watch.c: once a second */
void watch_tick(struct engine *e, int64_t now_ns);

#endif
