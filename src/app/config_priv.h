/* app/config_priv.h - what the files of the config share.
 * Way      text (config_text.c) -> tree with places (config_yaml.c) -> rows of the table (config_table.c), each scalar through
 *          config_value.c -> struct config (config.c). What was wrong gathers in a report (config_report.c).
 * Threads  one caller at a time. */
#ifndef APP_CONFIG_PRIV_H
#define APP_CONFIG_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "app/config.h"
#include "base/arena.h"
#include "zhiliu/status.h"

#define CONFIG_MAX_BYTES (1024 * 1024) /* of the file */
#define CONFIG_MAX_VALUE 65536         /* bytes of one value, also of a secret's file */
#define CONFIG_MAX_DEPTH 16
#define CONFIG_MAX_NODES 20000
#define CONFIG_MAX_KEY 160

/* ---- the table ---- */
enum config_type {
    CONFIG_BOOL,
    CONFIG_INT,      /* int64_t */
    CONFIG_SIZE,     /* int64_t bytes: 64MiB */
    CONFIG_DURATION, /* int64_t ms: 5ms 24h 7d */
    CONFIG_DOUBLE,
    CONFIG_ENUM,   /* int: index in choices */
    CONFIG_STRING, /* char *; min, max: its length in bytes */
    CONFIG_SECRET, /* char *; never a literal, never printed */
    CONFIG_MAP     /* source.kafka: free names, scalar values */
};

enum {
    CONFIG_SHAPES = 1, /* shapes state: part of the fingerprint */
    CONFIG_URL = 2
}; /* may hold a password: literal ones are refused, all are masked */

struct config_row {
    const char *key; /* dotted; rows of one section stand together */
    enum config_type type;
    size_t offset;
    double min, max;     /* numbers: the range, both ends allowed */
    int step;            /* a whole number must be a multiple of it; 0: any */
    const char *choices; /* enum: "a|b|c", in the order of its values */
    const char *def;     /* text, parsed as the file's is */
    unsigned flags;
    const char *help;
};

int config_table_count(void);
const struct config_row *config_table_row(int i);
int config_table_find(const char *key);                     /* -1: no such key */
bool config_table_section(const char *key);                 /* "source", "source.topics" */
const char *config_table_section_help(const char *section); /* NULL: none */
/* Why a librdkafka property may not be set here, NULL: it may. */
const char *config_table_forbidden(const char *property);
bool config_table_secret_property(const char *property);

/* ---- what was wrong ---- */
struct config_place {
    int set;          /* 0: the file, else the n-th --set */
    int line, column; /* from 0; columns are characters */
    int width;        /* characters under the caret; 0: to the end of the line */
};

struct config_finding;
struct config_report {
    const char *file;
    char *text; /* what excerpts are cut from; secrets are starred out in it */
    size_t len;
    char **set; /* likewise */
    int n_set;
    struct config_finding *findings;
    int n, capacity;
    long total; /* errors, also those that are not kept */
};

void config_report_init(struct config_report *r, const char *file, const char *text, size_t len,
                        const char *const *set, int n_set);
void config_report_release(struct config_report *r);
/* id: static. hint (may be NULL) is copied; it goes behind the caret. */
void config_report_add(struct config_report *r, struct config_place place, const char *id,
                       const char *hint, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Was an error of this id found on that line (from 0) of the file? */
bool config_report_has(const struct config_report *r, int line, const char *id);
/* More words would not be kept: spare the search for a hint. */
bool config_report_full(const struct config_report *r);
/* Stars out what stands from one place to before another, in all excerpts. */
void config_report_mask(struct config_report *r, struct config_place from, int to_line,
                        int to_column);
/* Sorted by place, each with its line and caret, and the sum at the end. */
void config_report_print(struct config_report *r, FILE *words);

/* Text from outside made fit for a sentence: cut, unprintable bytes as '?'. Returns buf. */
#define CONFIG_QUOTE 64
const char *config_report_quote(char buf[CONFIG_QUOTE], const char *text, size_t len);

/* ---- text ---- */
/* One UTF-8 character; its length, 0 when the bytes are not UTF-8. */
int config_text_char(const char *at, const char *end, uint32_t *code);
/* The whole file, at most CONFIG_MAX_BYTES + 1 bytes; *text is the caller's, to free(). */
MUST_CHECK enum zl_status config_text_read(const char *path, char **text, size_t *len,
                                           struct zl_error *err);
/* Finds what no YAML may hold; turns tabs into spaces (and reports them). false: not worth parsing. */
bool config_text_check(char *text, size_t len, struct config_report *r);
/* A secret's file without its last newline; the caller's. */
MUST_CHECK enum zl_status config_text_secret(const char *path, char **out, struct zl_error *err);

/* ---- tree ---- */
enum config_node_kind {
    CONFIG_SCALAR,
    CONFIG_MAPPING,
    CONFIG_LIST,
    CONFIG_BAD /* reported already */
};

struct config_node {
    enum config_node_kind kind;
    struct config_place place;
    int end_line, end_column;
    const char *text; /* scalar: NUL-terminated */
    size_t len;
    bool plain;               /* without quotes */
    struct config_node *name; /* key, when it stands in a mapping */
    struct config_node *first, *next;
};

/* NULL: nothing there (an empty file), or so broken that it was given up; what was wrong is in the report. */
struct config_node *config_yaml_parse(const char *text, size_t len, struct arena *arena,
                                      struct config_report *r);
/* A plain empty, ~ or null. */
bool config_yaml_is_null(const struct config_node *node);

/* ---- values ---- */
/* Environment into text. *out is the caller's, or NULL on failure; words: static id and a sentence. */
struct config_problem {
    const char *id;
    char words[512], hint[128];
};
bool config_value_expand(const char *text, size_t len, char **out, struct config_problem *why);
/* "5ms", "24h": in ms; "64MiB": in bytes. false: it is not one. */
bool config_value_duration(const char *text, int64_t *ms);
/* "36500d": in the largest unit that leaves no rest; buf holds CONFIG_FORMAT. */
void config_value_duration_text(int64_t ms, char *buf);
bool config_value_size(const char *text, int64_t *bytes);
bool config_value_integer(const char *text, int64_t *out);
bool config_value_number(const char *text, double *out); /* finite */
/* Parses text as the row says and stores it in c. */
bool config_value_store(const struct config_row *row, const char *text, struct config *c,
                        struct config_problem *why);
/* A literal password where none may stand (text as written, before expansion). */
bool config_value_is_literal(const char *text);
bool config_value_url_password(const char *text, size_t *from, size_t *to);
/* As the file would say it (no quotes, secrets as they are). Returns buf. */
#define CONFIG_FORMAT 64
const char *config_value_format(const struct config_row *row, const struct config *c,
                                char buf[CONFIG_FORMAT]);
void config_value_range(const struct config_row *row, char *buf, size_t len); /* "1..1000" */

/* ---- a load on its way ---- */
enum {
    CONFIG_FROM_DEFAULT,
    CONFIG_FROM_FILE,
    CONFIG_FROM_SET /* + the number of the --set: later ones are greater */
};

struct config_origin {
    int order;
    struct config_place place;
};

struct config_load {
    struct config *config;
    struct config_report report;
    struct config_origin *origins; /* a row */
};

/* Rules between keys, after all layers. */
void config_rules_check(struct config_load *l);
void config_rules_replace(char **text, const char *with);

/* ---- nearest word ---- */
/* Edits (insert, delete, replace, swap) from a to b; at least limit when it would be more. */
int config_nearest_distance(const char *a, const char *b, int limit);
/* Index of the nearest of n words that is near enough to be meant, or -1. */
int config_nearest(const char *word, const char *const *words, int n);

/* The text as config_load would take it from the file `name`. */
MUST_CHECK enum zl_status config_parse(const char *name, const char *text, size_t len,
                                       const char *const *set, int n_set, struct config *out,
                                       FILE *words);

#endif
