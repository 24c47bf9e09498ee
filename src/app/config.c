/* A pipeline file to one struct. Three layers, each over the one before: the table's defaults, the file, --set. All of them walk the
 * same path (expand, parse, check the range), so a default cannot be worse than what an operator may write. Nothing stops at the
 * first error: a value that is wrong keeps its default and the walk goes on. */
#define _GNU_SOURCE
#include "app/config.h"

#include <stdlib.h>
#include <string.h>

#include "app/config_priv.h"
#include "base/check.h"
#include "base/hash.h"

static void report_problem(struct config_load *l, struct config_place place,
                           const struct config_problem *why)
{
    config_report_add(&l->report, place, why->id, why->hint, "%s", why->words);
}

/* ---- what stands there wrongly ---- */

static void mask_node(struct config_load *l, const struct config_node *node)
{
    config_report_mask(&l->report, node->place, node->end_line, node->end_column);
}

/* Names that could stand in a section ("" is the top), each once. */
static int children(const char *section, const char **names, char (*memory)[CONFIG_QUOTE], int max)
{
    int n = 0;
    size_t len = strlen(section);
    for (int i = 0; i < config_table_count() && n < max; i++) {
        const char *key = config_table_row(i)->key;
        if (len && (strncmp(key, section, len) != 0 || key[len] != '.'))
            continue;
        const char *name = key + (len ? len + 1 : 0);
        snprintf(memory[n], CONFIG_QUOTE, "%.*s", (int)strcspn(name, "."), name);
        if (n == 0 || strcmp(memory[n - 1], memory[n]) != 0) {
            names[n] = memory[n];
            n++;
        }
    }
    return n;
}

/* A key of that name in another section: it was put in the wrong place. */
static const char *key_elsewhere(const char *name)
{
    for (int i = 0; i < config_table_count(); i++) {
        const char *key = config_table_row(i)->key;
        const char *dot = strrchr(key, '.');
        if (dot && strcmp(dot + 1, name) == 0)
            return key;
    }
    return NULL;
}

static void hint_key(const char *section, const char *name, char *hint, size_t len)
{
    const char *names[80];
    char memory[80][CONFIG_QUOTE];
    int n = children(section, names, memory, 80);
    int near = config_nearest(name, names, n);
    const char *elsewhere = key_elsewhere(name);
    hint[0] = 0;
    if (strchr(name, '.'))
        snprintf(hint, len, "nest it: a dot does not open a section");
    else if (near >= 0)
        snprintf(hint, len, "did you mean \"%s\"?", names[near]);
    else if (elsewhere)
        snprintf(hint, len, "did you mean %s?", elsewhere);
}

static bool smells_of_secret(const char *name)
{
    return strcasestr(name, "passw") || strcasestr(name, "secret") || strcasestr(name, "token");
}

static void unknown_key(struct config_load *l, const char *section, const struct config_node *node)
{
    char quoted[CONFIG_QUOTE], hint[CONFIG_MAX_KEY] = "";
    const char *name = node->name->text;
    if (!config_report_full(&l->report))
        hint_key(section, name, hint, sizeof hint);
    config_report_add(&l->report, node->name->place, "unknown-key", hint, "unknown key \"%s\" %s%s",
                      config_report_quote(quoted, name, node->name->len),
                      *section ? "in " : "at the top", section);
    if (smells_of_secret(name))
        mask_node(l, node);
}

static const char *kind_name(const struct config_node *node)
{
    return node->kind == CONFIG_MAPPING ? "a mapping"
           : node->kind == CONFIG_LIST  ? "a list"
                                        : "a single value";
}

static void wrong_kind(struct config_load *l, const struct config_node *node, const char *key,
                       const char *due)
{
    if (node->kind != CONFIG_BAD)
        config_report_add(&l->report, node->place, "wrong-type", NULL, "%s must be %s, not %s", key,
                          due, kind_name(node));
}

/* ---- values ---- */

static void set_origin(struct config_load *l, int row, int order, struct config_place place)
{
    l->origins[row] = (struct config_origin){order, place};
}

/* text as it was written. */
static void store(struct config_load *l, int index, const char *text, size_t len, int order,
                  struct config_place place)
{
    struct config_problem why;
    char *expanded;
    set_origin(l, index, order, place);
    if (!config_value_expand(text, len, &expanded, &why)) {
        report_problem(l, place, &why);
        return;
    }
    if (!config_value_store(config_table_row(index), expanded, l->config, &why))
        report_problem(l, place, &why);
    free(expanded);
}

static void literal_secret(struct config_load *l, const char *key, struct config_place place,
                           int end_line, int end_column)
{
    config_report_add(&l->report, place, "literal-secret", "write ${VARIABLE} or {file: PATH}",
                      "%s must not hold a password in clear", key);
    config_report_mask(&l->report, place, end_line, end_column);
}

/* A password that was written out, in a secret or inside a URL. */
static bool is_literal_secret(const struct config_row *row, const char *text)
{
    size_t from, to;
    if (row->type == CONFIG_SECRET)
        return config_value_is_literal(text);
    if (!(row->flags & CONFIG_URL) || !config_value_url_password(text, &from, &to))
        return false;
    return !memmem(text + from, to - from, "${", 2);
}

static void take_scalar(struct config_load *l, int index, const struct config_node *node)
{
    const struct config_row *row = config_table_row(index);
    if (config_yaml_is_null(node))
        config_report_add(&l->report, node->name->place, "no-value",
                          "leave the key out for its default", "%s has no value", row->key);
    else if (is_literal_secret(row, node->text))
        literal_secret(l, row->key, node->place, node->end_line, node->end_column);
    else
        store(l, index, node->text, node->len, CONFIG_FROM_FILE, node->place);
}

/* {file: PATH}; NULL when it is not that or cannot be read, which was reported. The caller's. */
static char *secret_of_file(struct config_load *l, const struct config_node *node, const char *key)
{
    const struct config_node *path = node->first;
    if (!path || path->next || path->kind != CONFIG_SCALAR || path->name->kind != CONFIG_SCALAR ||
        strcmp(path->name->text, "file") != 0) {
        config_report_add(&l->report, node->place, "wrong-type", NULL,
                          "%s must be a value or {file: PATH}", key);
        return NULL;
    }
    struct config_problem why;
    struct zl_error err;
    char *name, *content = NULL;
    if (!config_value_expand(path->text, path->len, &name, &why)) {
        report_problem(l, path->place, &why);
        return NULL;
    }
    if (config_text_secret(name, &content, &err) != ZL_OK)
        config_report_add(&l->report, path->place, "unreadable-file", NULL, "%s: %s", key,
                          err.text);
    free(name);
    return content;
}

static void take_secret_mapping(struct config_load *l, int index, const struct config_node *node)
{
    struct config_problem why;
    char *content = secret_of_file(l, node, config_table_row(index)->key);
    set_origin(l, index, CONFIG_FROM_FILE, node->place);
    if (content && !config_value_store(config_table_row(index), content, l->config, &why))
        report_problem(l, node->place, &why);
    free(content);
}

/* ---- source.kafka ---- */

static bool property_name_ok(struct config_load *l, const char *name, struct config_place place)
{
    const char *why = config_table_forbidden(name);
    char quoted[CONFIG_QUOTE];
    config_report_quote(quoted, name, strlen(name));
    if (why)
        config_report_add(&l->report, place, "forbidden-property", NULL, "%s may not be set: %s",
                          quoted, why);
    else if (!*name || strlen(name) > 100 ||
             strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._") != strlen(name))
        config_report_add(&l->report, place, "unknown-key", NULL,
                          "\"%s\" is not the name of a librdkafka property", quoted);
    else
        return true;
    return false;
}

/* Takes value over. A later one of the same name replaces. */
static void put_property(struct config_load *l, const char *name, char *value,
                         struct config_place place)
{
    struct config *c = l->config;
    for (int i = 0; i < c->source.n_kafka; i++) {
        if (strcmp(c->source.kafka[i].name, name) == 0) {
            free(c->source.kafka[i].value);
            c->source.kafka[i].value = value;
            return;
        }
    }
    if (c->source.n_kafka == CONFIG_MAX_PROPERTIES) {
        config_report_add(&l->report, place, "too-large", NULL,
                          "more than %d properties in source.kafka", CONFIG_MAX_PROPERTIES);
        free(value);
        return;
    }
    c->source.kafka[c->source.n_kafka++] = (struct config_property){xstrdup(name), value};
}

static void put_property_text(struct config_load *l, const char *name, const char *text, size_t len,
                              struct config_place place)
{
    struct config_problem why;
    char *value;
    if (config_value_expand(text, len, &value, &why))
        put_property(l, name, value, place);
    else
        report_problem(l, place, &why);
}

static void take_property(struct config_load *l, const struct config_node *node)
{
    char key[CONFIG_MAX_KEY];
    const char *name = node->name->text;
    if (!property_name_ok(l, name, node->name->place))
        return;
    snprintf(key, sizeof key, "source.kafka %s", name);
    if (node->kind == CONFIG_MAPPING) {
        char *content = secret_of_file(l, node, key);
        if (content)
            put_property(l, name, content, node->place);
    } else if (node->kind != CONFIG_SCALAR) {
        wrong_kind(l, node, key, "a single value");
    } else if (config_yaml_is_null(node)) {
        config_report_add(&l->report, node->name->place, "no-value", NULL, "%s has no value", key);
    } else if (config_table_secret_property(name) && config_value_is_literal(node->text)) {
        literal_secret(l, key, node->place, node->end_line, node->end_column);
    } else {
        put_property_text(l, name, node->text, node->len, node->place);
    }
}

static void take_map(struct config_load *l, int index, const struct config_node *node)
{
    if (node->kind == CONFIG_SCALAR && config_yaml_is_null(node))
        return;
    if (node->kind != CONFIG_MAPPING) {
        wrong_kind(l, node, config_table_row(index)->key, "a mapping");
        return;
    }
    for (struct config_node *n = node->first; n; n = n->next)
        if (n->name->kind == CONFIG_SCALAR)
            take_property(l, n);
}

/* ---- the file ---- */

static void take_value(struct config_load *l, int index, const struct config_node *node)
{
    const struct config_row *row = config_table_row(index);
    if (row->type == CONFIG_MAP)
        take_map(l, index, node);
    else if (node->kind == CONFIG_SCALAR)
        take_scalar(l, index, node);
    else if (row->type == CONFIG_SECRET && node->kind == CONFIG_MAPPING)
        take_secret_mapping(l, index, node);
    else
        wrong_kind(l, node, row->key, "a single value");
}

static void take_section(struct config_load *l, const char *section,
                         const struct config_node *mapping)
{
    for (struct config_node *n = mapping->first; n; n = n->next) {
        if (n->name->kind != CONFIG_SCALAR)
            continue; /* reported when it was read */
        char key[CONFIG_MAX_KEY] = "";
        bool fits = n->name->len < CONFIG_QUOTE && n->name->len > 0 && !strchr(n->name->text, '.');
        if (fits)
            snprintf(key, sizeof key, "%s%s%s", section, *section ? "." : "", n->name->text);
        int index = fits ? config_table_find(key) : -1;
        if (index >= 0)
            take_value(l, index, n);
        else if (!fits || !config_table_section(key))
            unknown_key(l, section, n);
        else if (n->kind == CONFIG_MAPPING)
            take_section(l, key, n);
        else if (!config_yaml_is_null(n))
            wrong_kind(l, n, key, "a mapping");
    }
}

static void take_file(struct config_load *l, const char *text, size_t len)
{
    char *copy = xcalloc(len + 1, 1); /* without tabs */
    struct arena arena;
    arena_init(&arena);
    if (len)
        memcpy(copy, text, len);
    struct config_node *root = config_text_check(copy, len, &l->report)
                                   ? config_yaml_parse(copy, len, &arena, &l->report)
                                   : NULL;
    if (root && root->kind == CONFIG_MAPPING)
        take_section(l, "", root);
    else if (root && !config_yaml_is_null(root))
        wrong_kind(l, root, "the file", "a mapping");
    arena_release(&arena);
    free(copy);
}

/* ---- --set ---- */

static void set_property(struct config_load *l, const char *name, const char *value, int order,
                         struct config_place value_place)
{
    struct config_place name_place = {.set = order - CONFIG_FROM_SET,
                                      .column = (int)strlen("source.kafka."),
                                      .width = (int)strlen(name)};
    if (!property_name_ok(l, name, name_place))
        return;
    if (config_table_secret_property(name) && config_value_is_literal(value))
        literal_secret(l, name, value_place, 0, 0);
    else
        put_property_text(l, name, value, strlen(value), value_place);
}

static void set_unknown(struct config_load *l, const char *key, struct config_place place)
{
    const char *keys[128];
    int n = 0;
    for (int i = 0; i < config_table_count() && n < 128; i++)
        keys[n++] = config_table_row(i)->key;
    int near = config_nearest(key, keys, n);
    char quoted[CONFIG_QUOTE], hint[CONFIG_MAX_KEY] = "";
    if (near >= 0)
        snprintf(hint, sizeof hint, "did you mean \"%s\"?", keys[near]);
    config_report_quote(quoted, key, strlen(key));
    if (config_table_section(key))
        config_report_add(&l->report, place, "wrong-type", NULL,
                          "%s is a section: set one of its keys", quoted);
    else
        config_report_add(&l->report, place, "unknown-key", hint, "unknown key \"%s\"", quoted);
}

static void take_set_value(struct config_load *l, const char *key, const char *value, int order,
                           struct config_place at)
{
    static const char map[] = "source.kafka.";
    int index = config_table_find(key);
    struct config_place value_place = {.set = at.set, .column = at.width + 1};
    if (strncmp(key, map, sizeof map - 1) == 0)
        set_property(l, key + sizeof map - 1, value, order, value_place);
    else if (index < 0)
        set_unknown(l, key, at);
    else if (config_table_row(index)->type == CONFIG_MAP)
        config_report_add(&l->report, at, "wrong-type", NULL, "%s is a mapping: set %s.NAME", key,
                          key);
    else if (is_literal_secret(config_table_row(index), value))
        literal_secret(l, key, value_place, 0, 0);
    else
        store(l, index, value, strlen(value), order, value_place);
}

/* number: from 1. */
static void take_set(struct config_load *l, const char *text, int number)
{
    const char *equals = strchr(text, '=');
    struct config_place at = {.set = number, .width = equals ? (int)(equals - text) : 0};
    if (!equals) {
        config_report_add(&l->report, at, "syntax", NULL, "--set wants KEY=VALUE");
        return;
    }
    char *key = xstrdup(text);
    key[equals - text] = 0;
    take_set_value(l, key, equals + 1, CONFIG_FROM_SET + number, at);
    if (smells_of_secret(key) && config_table_find(key) < 0)
        config_report_mask(&l->report, (struct config_place){.set = number, .column = at.width + 1},
                           0, 0);
    free(key);
}

/* ---- the doors ---- */

static void take_defaults(struct config_load *l)
{
    struct config_place top = {0};
    for (int i = 0; i < config_table_count(); i++) {
        const struct config_row *row = config_table_row(i);
        if (row->type == CONFIG_STRING ||
            row->type == CONFIG_SECRET) /* so that no string is ever NULL */
            config_rules_replace((char **)((char *)l->config + row->offset), "");
        if (row->type != CONFIG_MAP)
            store(l, i, row->def, strlen(row->def), CONFIG_FROM_DEFAULT, top);
    }
}

/* A default whose variable holds nonsense matters only where the default is used. */
static void retry_defaults(struct config_load *l)
{
    struct config_place top = {0};
    for (int i = 0; i < config_table_count(); i++) {
        const struct config_row *row = config_table_row(i);
        if (row->type != CONFIG_MAP && strchr(row->def, '$') &&
            l->origins[i].order == CONFIG_FROM_DEFAULT)
            store(l, i, row->def, strlen(row->def), CONFIG_FROM_DEFAULT, top);
    }
}

enum zl_status config_parse(const char *name, const char *text, size_t len, const char *const *set,
                            int n_set, struct config *out, FILE *words)
{
    static const char bom[] = "\xEF\xBB\xBF";
    if (len >= 3 && memcmp(text, bom, 3) == 0) {
        text += 3;
        len -= 3;
    }
    struct config_load l = {.config = out};
    *out = (struct config){0};
    out->file_name = xstrdup(name);
    l.origins = xcalloc((size_t)config_table_count(), sizeof l.origins[0]);
    config_report_init(&l.report, name, "", 0, NULL, 0);
    take_defaults(&l);
    /* said again, with its place, when the default is really used */
    config_report_release(&l.report);
    bool too_large = len > CONFIG_MAX_BYTES;
    config_report_init(&l.report, name, text, too_large ? 0 : len, set, n_set);
    if (too_large)
        config_report_add(&l.report, (struct config_place){0}, "too-large", NULL,
                          "the file has more than %d bytes", CONFIG_MAX_BYTES);
    else
        take_file(&l, text, len);
    for (int i = 0; i < n_set; i++)
        take_set(&l, set[i], i + 1);
    retry_defaults(&l);
    config_rules_check(&l);
    config_report_print(&l.report, words);
    enum zl_status st = l.report.total ? ZL_ECONFIG : ZL_OK;
    config_report_release(&l.report);
    free(l.origins);
    return st;
}

enum zl_status config_load(const char *path, const char *const *set, int n_set, struct config *out,
                           FILE *words)
{
    char *text;
    size_t len;
    struct zl_error err;
    *out = (struct config){0};
    enum zl_status st = config_text_read(path, &text, &len, &err);
    if (st != ZL_OK) {
        fprintf(words, "zhiliu: %s\n", err.text);
        return st;
    }
    st = config_parse(path, text, len, set, n_set, out, words);
    free(text);
    return st;
}

/* A secret's bytes do not stay behind in freed memory. */
static void wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void config_release(struct config *c)
{
    for (int i = 0; i < config_table_count(); i++) {
        const struct config_row *row = config_table_row(i);
        if (row->type == CONFIG_STRING || row->type == CONFIG_SECRET)
            wipe((char **)((char *)c + row->offset));
    }
    for (int i = 0; i < c->source.n_kafka; i++) {
        free(c->source.kafka[i].name);
        wipe(&c->source.kafka[i].value);
    }
    free(c->file_name);
    *c = (struct config){0};
}

/* Over the text of the values, not their bytes in memory: the same on every machine, and a key that is added later without the flag
 * changes nothing. */
uint64_t config_fingerprint(const struct config *c)
{
    struct hash_stream *h = hash_begin(0x7A68696C6975); /* "zhiliu" */
    for (int i = 0; i < config_table_count(); i++) {
        const struct config_row *row = config_table_row(i);
        char buf[CONFIG_FORMAT];
        if (!(row->flags & CONFIG_SHAPES))
            continue;
        const char *value = config_value_format(row, c, buf);
        hash_add(h, row->key, strlen(row->key) + 1);
        hash_add(h, value, strlen(value) + 1);
    }
    return hash_end(h);
}
