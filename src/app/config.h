/* app/config.h - pipelines/NAME.yaml to one struct. One table (config_table.c) gives parser, defaults, ranges, help text, JSON
 * Schema and docs/reference/config.md.
 * Promise  Every error at once, as file:line:column: error: words [error-id], the line, a caret and the nearest known key. ${VAR},
 *          ${VAR:-default}, ${VAR:?message}, $$ in scalars, after parsing; never makes structure. Unknown and duplicate keys, tabs,
 *          anchors and aliases are errors. --set key=value overrides after the file ("--set source.kind=file").
 * Memory   strings belong to the config; config_release frees. */
#ifndef APP_CONFIG_H
#define APP_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "zhiliu/event.h"
#include "zhiliu/status.h"

#define CONFIG_MAX_PROPERTIES 64

struct config_property {
    char *name, *value;
};

/* Nested as the YAML is. Lengths of time in ms, sizes in bytes. */
struct config {
    struct {
        int kind; /* 0 kafka, 1 file */
        char *brokers, *group, *instance;
        struct {
            char *events, *items, *controls;
        } topics;
        struct config_property kafka[CONFIG_MAX_PROPERTIES]; /* any librdkafka property */
        int n_kafka;
        char *file, *items_file;
        int64_t queue; /* bytes fetched and not yet polled: 32 MiB */
    } source;
    struct {
        int format; /* 0 json */
        int64_t max_bytes;
    } decode;
    struct {
        char *topic, *file; /* file: used instead of the topic when not empty */
    } dead_letters;
    struct {
        struct {
            int64_t window, budget;
        } duplicates;
        int64_t late, skew, future;
    } guard;
    struct {
        double weights[ZL_N_EVENT_TYPES]; /* keys: the names of the types */
        double r_max;
        int watch; /* 0 rank, 1 raw, 2 completion */
        int64_t min_watch;
        int baseline; /* 0 none, 1 mean */
        struct {
            int propensity; /* 0 off, 1 ratio, 2 inverse */
            double cap;
            int64_t top_k;
        } correction;
    } reward;
    struct {
        int unknown; /* 0 serve, 1 hide */
        struct {
            int64_t video, audio, text;
        } features;
        int64_t max_items;
    } catalog;
    struct {
        int64_t k, history, negatives, window, seed, max_users;
        int64_t dislike_neighbours;
        double watch_floor;
        double learning_rate, gamma, beta, surface_evidence;
        int64_t session_gap;
        bool content;
        struct {
            double weight;
        } adversarial;
        char *modalities; /* that items are learned from: names, separated by commas; "": all */
        int64_t max_features;
    } model;
    struct {
        int64_t window;
        double half_life;
        struct {
            double value;
            bool per_price, again;
        } outcomes[4]; /* by enum convert_kind */
    } conversion;
    struct {
        int64_t n, coalesce;
        double impression_penalty;
    } rank;
    struct {
        struct {
            int64_t slots, per;
            double temperature, uncertainty, floor;
        } explore;
        double conversion, mmr;
        struct {
            int64_t most, within;
        } category;
        struct {
            int64_t most, least, distance;
        } courses;
        struct {
            int64_t most, every, age;
        } fresh;
    } policy;
    struct {
        int64_t active, ttl;
        int64_t incarnation;
    } publish;
    struct {
        int64_t n, every, ttl;
    } similar;
    struct {
        int64_t n, every, ttl;
    } hot;
    struct {
        int kind; /* 0 redis, 1 stdout, 2 none */
        char *url, *username, *password, *password_file, *prefix;
        bool scores, similar;
        int64_t inflight, timeout;
    } sink;
    struct {
        char *path;
        int64_t interval;
    } checkpoint;
    struct {
        char *listen; /* host:port, "" or "off": no HTTP */
    } monitor;
    struct {
        int level;  /* 0 debug .. 3 error */
        int format; /* 0 text, 1 json */
    } log;
    char *file_name; /* for words */
};

/* Reads path, applies n_set "key=value" overrides, resolves ${VAR} from the environment, reads secrets' files, checks ranges and rules
 * between keys. All findings are printed on words (stderr); ZL_ECONFIG when there was any error, ZL_ENOENT when path cannot be
 * read. *out is the caller's for config_release(), also after failure. */
MUST_CHECK enum zl_status config_load(const char *path, const char *const *set, int n_set,
                                      struct config *out, FILE *words);
void config_release(struct config *c);

/* What makes a checkpoint another pipeline's: a hash of the keys that shape state (k, history, features, window, seed ...). */
uint64_t config_fingerprint(const struct config *c);

/* The keys of a section ("policy"; one of numbers and choices only) that are not at their defaults, with commas between, into out (cut to len);
 * how many. */
int config_changed(const struct config *c, const char *section, char *out, size_t len);
void config_print_schema(FILE *out);                  /* JSON Schema, draft 2020-12 */
void config_print_reference(FILE *out);               /* Markdown of docs/reference/config.md */
void config_print_help(FILE *out);                    /* one line a key, for --help */
void config_print(const struct config *c, FILE *out); /* canonical YAML, secrets masked */

#endif
