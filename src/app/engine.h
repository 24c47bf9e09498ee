/* app/engine.h - all rooms wired together, and the loop that carries values between them.
 * Promise  One thread, one pass, in log order. Rows and offsets of a checkpoint are of one moment: a batch is either wholly in the
 *          state with its offsets moved, or not begun. Ends by itself at the end of a file or range, or when asked to stop.
 * Threads  the caller's; engine_stop() from any thread or signal handler. */
#ifndef APP_ENGINE_H
#define APP_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "app/config.h"
#include "base/ids.h"
#include "base/rows.h"
#include "zhiliu/position.h"

struct engine;

/* Prequential test: called before an event is learned, with how its item would have been served. */
struct rank_result;
typedef void (*engine_scored)(void *ctx, const struct zl_event *ev,
                              const struct rank_result *result);
/* The same for the list of the user's newest item: called when there is one and another is chosen. */
struct rank_similar_result;
typedef void (*engine_similar_scored)(void *ctx, const struct zl_event *ev,
                                      const struct rank_similar_result *result);
/* Asked first: is this event tested? Ranking costs many times what learning does, so it is done only for those that are. */
typedef bool (*engine_test)(void *ctx, const struct zl_event *ev);
/* Asked last: what is done with an event: learned (default), or remembered, with no learned row moving. */
enum engine_use { ENGINE_LEARN, ENGINE_REMEMBER };
typedef enum engine_use (*engine_use_of)(void *ctx, const struct zl_event *ev);

struct engine_options {
    /* checkpoint, sink, monitor, dead letters as the config says; false: replay, nothing leaves */
    bool serve;
    const char *checkpoint_path; /* overrides the config's; NULL: as the config says; "": none */
    bool read_only;              /* inspect: load the state and nothing else; no source, no sink */
    const struct zl_positions *from;      /* replay: start here instead of at the earliest */
    const struct zl_positions *until;     /* replay: stop here */
    const char *file, *items_file;        /* replay: each in place of the config's, if not NULL */
    engine_test test;                     /* NULL: every event with an item is tested */
    engine_scored scored;                 /* NULL: no tests */
    engine_similar_scored similar_scored; /* NULL: no scores */
    engine_use_of use;                    /* NULL: all are learned */
    bool each_event;                      /* one after another, as a file is served */
    bool feed;                            /* no source: engine_feed() in place of engine_run() */
    bool hold_items; /* described items are not served before they exist (catalog_config.hold) */
    int top;         /* how many of the best a test names; 0: RANK_TOP */
    int64_t freeze_items; /* tests see item rows as of the last of every so many positives; 0: no */
    void *ctx;
};

MUST_CHECK enum zl_status engine_open(const struct config *cfg, const struct engine_options *opt,
                                      struct engine **out, struct zl_error *err);
void engine_close(struct engine *e);

/* Runs until the end of the input or engine_stop(); then writes due lists, makes a checkpoint, leaves the group. */
MUST_CHECK enum zl_status engine_run(struct engine *e, struct zl_error *err);
/* Async-signal-safe. */
void engine_stop(struct engine *e);
/* SIGHUP: says in one line that a reload is not there yet. Async-signal-safe. */
void engine_hang_up(struct engine *e);

/* ---- without a source (opt.feed; engine_feed.c) ---- */
struct source_message;
struct zl_version;
struct zl_slate;
struct rank;
/* One message, borrowed: decoded, learned, its position moved. Offsets of a partition are given in order. */
MUST_CHECK enum zl_status engine_feed(struct engine *e, const struct source_message *message,
                                      struct zl_error *err);
/* The list a user would be given now; lent until the next call. False: the user is not known. */
bool engine_list(struct engine *e, struct zl_span user_id, struct zl_version *version,
                 struct zl_slate *out);
/* What a list ranked now for this user would carry. */
struct zl_version engine_version(const struct engine *e, uint32_t user);
struct rank *engine_rank(struct engine *e);

/* ---- what inspect and replay read ---- */
struct model;
struct catalog;
struct rank_similar;
const struct model *engine_model(const struct engine *e);
struct rank_similar *engine_rank_similar(const struct engine *e);
const struct catalog *engine_catalog(const struct engine *e);
const struct ids *engine_users(const struct engine *e);
const struct ids *engine_courses(const struct engine *e);
const struct ids *engine_items(const struct engine *e);
const struct zl_positions *engine_positions(const struct engine *e);
bool engine_reads_file(const struct engine *e); /* else Kafka: positions are offsets */
uint64_t engine_digest(const struct engine *e);
uint64_t engine_moment(const struct engine *e);   /* of the loaded checkpoint, 0: none */
uint64_t engine_messages(const struct engine *e); /* taken in since open */
/* Records refused since open, of items, events and controls: ZL_N_REASONS counts, lent until close. */
const uint64_t *engine_refused(const struct engine *e);

#endif
