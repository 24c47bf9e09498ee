/* The config's numbers to the rooms' own structs, and all rooms opened in the data's order. What differs between run, replay and inspect
 * is here and nowhere else: engine_options. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/engine_priv.h"
#include "base/check.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/vec.h"
#include "version.h"

#define MAX_COURSES 1000000U
#define HOUR_MS 3600000.0

static const char *text_or_null(const char *text)
{
    return text && text[0] ? text : NULL;
}

/* ---- config -> rooms ---- */

void wiring_source(const struct config *cfg, struct source_property *properties,
                   struct source_config *out)
{
    for (int i = 0; i < cfg->source.n_kafka; i++)
        properties[i] =
            (struct source_property){cfg->source.kafka[i].name, cfg->source.kafka[i].value};
    *out = (struct source_config){.kafka = cfg->source.kind == 0,
                                  .brokers = cfg->source.brokers,
                                  .group = cfg->source.group,
                                  .instance = cfg->source.instance,
                                  .topics = {cfg->source.topics.events, cfg->source.topics.items,
                                             cfg->source.topics.controls},
                                  .properties = properties,
                                  .n_properties = cfg->source.n_kafka,
                                  .queue_bytes = cfg->source.queue,
                                  .max_message_bytes = cfg->decode.max_bytes,
                                  .file = cfg->source.file,
                                  .items_file = text_or_null(cfg->source.items_file)};
}

void wiring_sink(const struct config *cfg, struct sink_config *out)
{
    *out = (struct sink_config){.kind = (enum sink_kind)cfg->sink.kind,
                                .url = cfg->sink.url,
                                .username = text_or_null(cfg->sink.username),
                                .password = text_or_null(cfg->sink.password),
                                .prefix = cfg->sink.prefix,
                                .ttl_ms = cfg->publish.ttl,
                                .scores = cfg->sink.scores,
                                .inflight = (int)cfg->sink.inflight,
                                .timeout_ms = cfg->sink.timeout};
}

static void features_of(const struct config *cfg, int n_features[ZL_N_MODALITIES])
{
    n_features[ZL_VIDEO] = (int)cfg->catalog.features.video;
    n_features[ZL_AUDIO] = (int)cfg->catalog.features.audio;
    n_features[ZL_TEXT] = (int)cfg->catalog.features.text;
}

/* Of these the model learns from those that model.modalities names. */
static void modalities_of(const struct config *cfg, int n_features[ZL_N_MODALITIES])
{
    const char *wanted = cfg->model.modalities;
    features_of(cfg, n_features);
    if (!*wanted)
        return;
    n_features[ZL_VIDEO] = strstr(wanted, "video") ? n_features[ZL_VIDEO] : 0;
    n_features[ZL_AUDIO] = strstr(wanted, "audio") ? n_features[ZL_AUDIO] : 0;
    n_features[ZL_TEXT] = strstr(wanted, "text") ? n_features[ZL_TEXT] : 0;
}

/* Only a rank says how many watched less. */
static double least_watch(const struct config *cfg)
{
    return cfg->reward.watch == 0 ? cfg->model.watch_floor * cfg->reward.weights[ZL_WATCH] : 0;
}

static struct model_config model_of(const struct config *cfg)
{
    struct convert_config convert = {.max_courses = MAX_COURSES,
                                     .window_ms = cfg->conversion.window,
                                     .half_life = cfg->conversion.half_life};
    for (int k = 0; k < CONVERT_N_KINDS; k++) {
        convert.outcomes[k].value = cfg->conversion.outcomes[k].value;
        convert.outcomes[k].per_price = cfg->conversion.outcomes[k].per_price;
        convert.outcomes[k].again = cfg->conversion.outcomes[k].again;
    }
    return (struct model_config){.max_users = (uint32_t)cfg->model.max_users,
                                 .max_items = (uint32_t)cfg->catalog.max_items,
                                 .k = (int)cfg->model.k,
                                 .history = (int)cfg->model.history,
                                 .negatives = (int)cfg->model.negatives,
                                 .window = (int)cfg->model.window,
                                 .learning_rate = cfg->model.learning_rate,
                                 .gamma = cfg->model.gamma,
                                 .beta = cfg->model.beta,
                                 .kappa = 0.7,
                                 .watch_least = least_watch(cfg),
                                 .watch_most = cfg->reward.weights[ZL_WATCH],
                                 .half_lives = {20000, 2000, 300},
                                 .cooccur_half_life = 200000,
                                 .half_life_ms = {2.6 * HOUR_MS, 0.25 * HOUR_MS, HOUR_MS / 24},
                                 .cooccur_half_life_ms = 26 * HOUR_MS,
                                 .session_gap_ms = cfg->model.session_gap,
                                 .seed = (uint64_t)cfg->model.seed,
                                 .dislike_neighbours = (int)cfg->model.dislike_neighbours,
                                 .baseline = cfg->reward.baseline == 1,
                                 .correction =
                                     (enum model_correction)cfg->reward.correction.propensity,
                                 .correction_cap = cfg->reward.correction.cap,
                                 .correction_top_k = (int)cfg->reward.correction.top_k,
                                 .convert = convert,
                                 .surface_evidence = cfg->model.surface_evidence,
                                 .content = cfg->model.content,
                                 .adversarial = cfg->model.adversarial.weight,
                                 .max_features = (uint32_t)cfg->model.max_features};
}

static struct rank_policy policy_of(const struct config *cfg)
{
    return (struct rank_policy){.conversion = cfg->policy.conversion,
                                .mmr = cfg->policy.mmr,
                                .explore = {.slots = (int)cfg->policy.explore.slots,
                                            .per = (int)cfg->policy.explore.per,
                                            .temperature = cfg->policy.explore.temperature,
                                            .uncertainty = cfg->policy.explore.uncertainty,
                                            .floor = cfg->policy.explore.floor},
                                .category = {.most = (int)cfg->policy.category.most,
                                             .within = (int)cfg->policy.category.within},
                                .courses = {.most = (int)cfg->policy.courses.most,
                                            .least = (int)cfg->policy.courses.least,
                                            .distance = (int)cfg->policy.courses.distance},
                                .fresh = {.most = (int)cfg->policy.fresh.most,
                                          .every = (int)cfg->policy.fresh.every,
                                          .age_ms = cfg->policy.fresh.age}};
}

/* ---- rooms ---- */

static enum zl_status open_ids(struct engine *e, struct zl_error *err)
{
    const struct config *cfg = e->cfg;
    TRY(ids_open(ROWS_ITEM_IDS, "item ids (catalog.max_items)", (uint32_t)cfg->catalog.max_items,
                 &e->items, err));
    TRY(ids_open(ROWS_COURSE_IDS, "course ids", MAX_COURSES, &e->courses, err));
    return ids_open(ROWS_USER_IDS, "user ids (model.max_users)", (uint32_t)cfg->model.max_users,
                    &e->users, err);
}

static enum zl_status open_decode_to_reward(struct engine *e, struct zl_error *err)
{
    const struct config *cfg = e->cfg;
    struct decode_config d = {.max_bytes = cfg->decode.max_bytes,
                              .id_seed = (uint64_t)cfg->model.seed,
                              .check_key = cfg->source.kind == 0};
    features_of(cfg, d.n_features);
    TRY(decode_open(&d, &e->decode, err));
    TRY(guard_open(&(struct guard_config){.duplicates_window_ms = cfg->guard.duplicates.window,
                                          .duplicates_budget_bytes = cfg->guard.duplicates.budget,
                                          .late_ms = cfg->guard.late,
                                          .skew_ms = cfg->guard.skew,
                                          .future_ms = cfg->guard.future},
                   &e->guard, err));
    struct reward_config r = {.r_max = cfg->reward.r_max,
                              .watch = (enum reward_watch)cfg->reward.watch,
                              .min_watch_ms = cfg->reward.min_watch,
                              .half_life = 10000};
    memcpy(r.weights, cfg->reward.weights, sizeof r.weights);
    return reward_open(&r, &e->reward, err);
}

static enum zl_status open_catalog_to_rank(struct engine *e, struct zl_error *err)
{
    const struct config *cfg = e->cfg;
    struct catalog_config c = {.max_items = (uint32_t)cfg->catalog.max_items,
                               .serve_unknown = cfg->catalog.unknown == 0,
                               .hold = e->opt.hold_items};
    features_of(cfg, c.n_features);
    TRY(catalog_open(&c, &e->catalog, err));
    struct model_config m = model_of(cfg);
    modalities_of(cfg, m.n_features);
    TRY(model_open(&m, &e->model, err));
    TRY(rank_open(&(struct rank_config){.n = (int)cfg->rank.n,
                                        .max_items = (uint32_t)cfg->catalog.max_items,
                                        .impression_penalty = cfg->rank.impression_penalty,
                                        .freeze_items = e->opt.freeze_items,
                                        .top = e->opt.top,
                                        .seed = (uint64_t)cfg->model.seed,
                                        .policy = policy_of(cfg),
                                        .facts = catalog_facts_array(e->catalog)},
                  e->model, catalog_served_array(e->catalog), e->items, &e->rank, err));
    int n = cfg->similar.n ? (int)cfg->similar.n : 1; /* its row is there in any case */
    return rank_similar_open(e->rank, n, &e->rank_similar, err);
}

static void collect_tables(struct engine *e)
{
    e->tables[e->n_tables++] = ids_rows(e->items);
    e->tables[e->n_tables++] = ids_rows(e->courses);
    e->tables[e->n_tables++] = ids_rows(e->users);
    e->tables[e->n_tables++] = catalog_rows(e->catalog);
    e->n_tables +=
        model_rows(e->model, e->tables + e->n_tables, CHECKPOINT_MAX_TABLES - e->n_tables);
    e->tables[e->n_tables++] = rank_similar_rows(e->rank_similar);
    e->tables[e->n_tables++] = reward_rows(e->reward);
    e->tables[e->n_tables++] = guard_rows(e->guard);
}

/* ---- state ---- */

const char *wiring_checkpoint_path(const struct engine *e)
{
    const char *path = e->opt.checkpoint_path             ? e->opt.checkpoint_path
                       : e->opt.serve || e->opt.read_only ? e->cfg->checkpoint.path
                                                          : NULL;
    return path && path[0] && strcmp(path, "off") != 0 ? path : NULL;
}

static void say_start(const struct engine *e)
{
    if (checkpoint_sealed_moment(e->checkpoint))
        LOG(INFO, "engine",
            "checkpoint: moment %llu with %u users and %u items; going on from its offsets",
            (unsigned long long)checkpoint_sealed_moment(e->checkpoint), ids_count(e->users),
            ids_count(e->items));
    else
        LOG(INFO, "engine", "no checkpoint in %s: starting at the earliest offset",
            wiring_checkpoint_path(e));
}

static enum zl_status load_state(struct engine *e, struct zl_error *err)
{
    const char *path = wiring_checkpoint_path(e);
    if (!path) {
        if (e->opt.read_only)
            return zl_fail(err, ZL_ENOENT,
                           "there is no checkpoint to inspect: give --checkpoint FOLDER or set "
                           "checkpoint.path");
        return ZL_OK;
    }
    TRY(checkpoint_open(&(struct checkpoint_config){.path = path,
                                                    .interval_ms = e->cfg->checkpoint.interval,
                                                    .fingerprint = config_fingerprint(e->cfg),
                                                    .read_only = e->opt.read_only},
                        &e->checkpoint, err));
    for (int i = 0; i < e->n_tables; i++)
        checkpoint_register(e->checkpoint, e->tables[i]);
    checkpoint_register_guard(e->checkpoint, e->guard);
    enum zl_status st = checkpoint_load(e->checkpoint, &e->positions, err);
    if (st == ZL_ENOENT && e->opt.read_only)
        return zl_fail(err, ZL_ENOENT, "there is no checkpoint in %s yet", path);
    if (st != ZL_OK && st != ZL_ENOENT)
        return st;
    if (st == ZL_OK)
        TRY(guard_restored(e->guard, err));
    batch_describe_again(e);
    model_loaded(e->model);
    if (!e->opt.read_only)
        say_start(e);
    struct zl_position *at = zl_positions_find(&e->positions, ZL_TOPIC_EVENTS, 0);
    if ((e->cfg->source.kind == 1 || e->opt.file) && at)
        decode_set_clock(e->decode, at->log_ms);
    return ZL_OK;
}

/* ---- doors ---- */

static enum zl_status open_source(struct engine *e, struct zl_error *err)
{
    struct source_config s;
    wiring_source(e->cfg, e->properties, &s);
    if (e->opt.file) {
        s.kafka = false;
        s.file = e->opt.file;
        if (e->opt.items_file)
            s.items_file = e->opt.items_file;
    }
    if (e->opt.from)
        e->positions = *e->opt.from;
    s.positions = &e->positions;
    s.until = e->opt.until;
    s.alone = !e->opt.serve; /* a replay leaves the engine at work its group */
    e->reads_file = !s.kafka;
    e->file = s.kafka ? NULL : s.file;
    e->each_event =
        e->opt.each_event || (!s.kafka && e->opt.serve && e->cfg->sink.kind != SINK_NONE);
    return source_open(&s, &e->source, err);
}

static enum zl_status open_dead_letters(struct engine *e, struct zl_error *err)
{
    struct source_property properties[CONFIG_MAX_PROPERTIES];
    struct source_config s;
    wiring_source(e->cfg, properties, &s);
    bool kafka = s.kafka && e->opt.serve && !e->opt.file;
    const char *file = e->opt.file ? e->opt.file
                       : s.kafka   ? NULL
                                   : s.file,
               *items = !file               ? NULL
                        : e->opt.items_file ? e->opt.items_file
                                            : s.items_file;
    return dead_letters_open(
        &(struct dead_letters_config){.brokers = kafka ? s.brokers : NULL,
                                      .properties = s.properties,
                                      .n_properties = s.n_properties,
                                      .topic = e->cfg->dead_letters.topic,
                                      .file = e->opt.serve ? text_or_null(e->cfg->dead_letters.file)
                                                           : NULL,
                                      .topics = {s.topics[0], s.topics[1], s.topics[2]},
                                      .files = {file, items}},
        &e->dead_letters, err);
}

#define TOKEN_HOT (1ULL << 62) /* beside PUBLISH_OTHERS */

static void take_other(void *ctx, const struct sink_answer *a)
{
    struct engine *e = ctx;
    if (a->token & TOKEN_HOT)
        hot_take_answer(e->hot, a);
    else
        similar_take_answer(e->similar, a);
}

/* Lists that are no user's: related items, and what is popular. On stdout only by wish. */
static enum zl_status open_other_lists(struct engine *e, enum sink_kind kind, struct zl_error *err)
{
    const struct config *cfg = e->cfg;
    uint64_t epoch = e->checkpoint ? checkpoint_epoch(e->checkpoint) : 1;
    publish_share(e->publish, take_other, e);
    if (kind == SINK_NONE || (kind == SINK_STDOUT && !cfg->sink.similar))
        return ZL_OK;
    struct similar_config s = {.max_items = (uint32_t)cfg->catalog.max_items,
                               .n = (int)cfg->similar.n,
                               .every_ns = cfg->similar.every * 1000000,
                               .ttl_ms = cfg->similar.ttl,
                               .incarnation = (uint32_t)cfg->publish.incarnation,
                               .epoch = epoch,
                               .token = PUBLISH_OTHERS,
                               .at_end = cfg->source.kind == 1};
    struct hot_config h = {.n = (int)cfg->hot.n,
                           .every_ns = cfg->hot.every * 1000000,
                           .ttl_ms = cfg->hot.ttl,
                           .incarnation = s.incarnation,
                           .epoch = epoch,
                           .token = PUBLISH_OTHERS | TOKEN_HOT,
                           .at_end = s.at_end};
    if (s.n > 0)
        TRY(similar_open(&s, e->rank_similar, e->model, e->catalog, e->sink, e->items,
                         &e->positions, &e->similar, err));
    return h.n == 0
               ? ZL_OK
               : hot_open(&h, e->model, e->catalog, e->sink, e->items, &e->positions, &e->hot, err);
}

static enum zl_status open_sink(struct engine *e, struct zl_error *err)
{
    struct sink_config s;
    wiring_sink(e->cfg, &s);
    if (!e->opt.serve)
        s.kind = SINK_NONE;
    TRY(sink_open(&s, &e->sink, err));
    TRY(publish_open(
        &(struct publish_config){.max_users = (uint32_t)e->cfg->model.max_users,
                                 .n = (int)e->cfg->rank.n,
                                 .scan = 10000,
                                 .coalesce_ns = e->cfg->rank.coalesce * 1000000,
                                 .active_ms = e->cfg->publish.active,
                                 .ttl_ms = e->cfg->publish.ttl,
                                 .incarnation = (uint32_t)e->cfg->publish.incarnation,
                                 .epoch = e->checkpoint ? checkpoint_epoch(e->checkpoint) : 1,
                                 .ranked = s.kind != SINK_NONE},
        e->model, e->rank, e->catalog, e->sink, e->users, e->items, &e->positions, &e->publish,
        err));
    return open_other_lists(e, s.kind, err);
}

static enum zl_status open_doors(struct engine *e, struct zl_error *err)
{
    TRY(open_dead_letters(e, err));
    TRY(open_sink(e, err));
    if (!e->opt.feed)
        TRY(open_source(e, err));
    if (e->opt.serve)
        TRY(monitor_open(e->cfg->monitor.listen, &e->monitor, err));
    return ZL_OK;
}

static enum zl_status open_all(struct engine *e, struct zl_error *err)
{
    if (pipe2(e->wake, O_CLOEXEC | O_NONBLOCK) != 0)
        return zl_fail(err, ZL_EINTERNAL, "cannot make a pipe");
    TRY(open_ids(e, err));
    TRY(open_decode_to_reward(e, err));
    TRY(open_catalog_to_rank(e, err));
    collect_tables(e);
    TRY(load_state(e, err));
    return e->opt.read_only ? ZL_OK : open_doors(e, err);
}

enum zl_status engine_open(const struct config *cfg, const struct engine_options *opt,
                           struct engine **out, struct zl_error *err)
{
    struct engine *e = xcalloc(1, sizeof *e);
    *out = NULL;
    e->cfg = cfg;
    e->opt = *opt;
    e->wake[0] = e->wake[1] = -1;
    metrics_set_info(ZL_VERSION, source_library_version(), vec_kernel());
    enum zl_status st = open_all(e, err);
    if (st != ZL_OK) {
        engine_close(e);
        return st;
    }
    *out = e;
    return ZL_OK;
}

void engine_close(struct engine *e)
{
    if (!e)
        return;
    monitor_close(e->monitor);
    source_close(e->source);
    hot_close(e->hot);
    similar_close(e->similar);
    publish_close(e->publish);
    sink_close(e->sink, 500);
    dead_letters_close(e->dead_letters, 1000);
    checkpoint_close(e->checkpoint);
    rank_similar_close(e->rank_similar);
    rank_close(e->rank);
    model_close(e->model);
    catalog_close(e->catalog);
    reward_close(e->reward);
    guard_close(e->guard);
    decode_close(e->decode);
    ids_close(e->users);
    ids_close(e->courses);
    ids_close(e->items);
    for (int i = 0; i < 2; i++)
        if (e->wake[i] >= 0)
            close(e->wake[i]);
    free(e->rejects);
    free(e);
}

/* ---- what inspect and replay read ---- */

const struct model *engine_model(const struct engine *e)
{
    return e->model;
}

struct rank_similar *engine_rank_similar(const struct engine *e)
{
    return e->rank_similar;
}

const struct catalog *engine_catalog(const struct engine *e)
{
    return e->catalog;
}

const struct ids *engine_users(const struct engine *e)
{
    return e->users;
}

const struct ids *engine_courses(const struct engine *e)
{
    return e->courses;
}

const struct ids *engine_items(const struct engine *e)
{
    return e->items;
}

const struct zl_positions *engine_positions(const struct engine *e)
{
    return &e->positions;
}

bool engine_reads_file(const struct engine *e)
{
    return e->reads_file;
}

uint64_t engine_digest(const struct engine *e)
{
    return checkpoint_digest(e->tables, e->n_tables);
}

uint64_t engine_moment(const struct engine *e)
{
    return e->checkpoint ? checkpoint_sealed_moment(e->checkpoint) : 0;
}

uint64_t engine_messages(const struct engine *e)
{
    return e->messages;
}

const uint64_t *engine_refused(const struct engine *e)
{
    return e->refused;
}
