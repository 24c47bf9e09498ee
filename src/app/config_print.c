/* The table, said in other languages: JSON Schema for editors, Markdown for the reference page, a line a key for --help, and a config
 * printed back as YAML that reads in again to the same values. */
#define _GNU_SOURCE
#include "app/config.h"

#include <stdlib.h>
#include <string.h>

#include "app/config_priv.h"
#include "base/check.h"

static const char *type_name(const struct config_row *row)
{
    static const char *const names[] = {"on or off", "whole number", "size",   "time",   "number",
                                        "one of",    "text",         "secret", "mapping"};
    return names[row->type];
}

/* JSON and double-quoted YAML agree on these escapes. */
static void print_quoted(const char *text, bool double_dollar, FILE *out)
{
    fputc('"', out);
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            fputc('\\', out);
        if (*p == '$' && double_dollar)
            fputc('$', out);
        if ((unsigned char)*p < 0x20)
            fprintf(out, "\\u%04x", (unsigned)*p);
        else
            fputc(*p, out);
    }
    fputc('"', out);
}

/* Does row i begin another section at this depth than the row before? Sections stand together in the table, so this is all that nesting
 * needs. Returns how many leading parts (before the last) two keys share. */
static int shared_parts(const char *a, const char *b)
{
    int parts = 0;
    for (; *a && *a == *b; a++, b++)
        if (*a == '.')
            parts++;
    return parts;
}

static int parts_of(const char *key)
{
    int dots = 0;
    for (; *key; key++)
        dots += *key == '.';
    return dots;
}

/* The n-th part of a dotted key. */
static const char *part(const char *key, int n, char buf[CONFIG_QUOTE])
{
    for (; n > 0; n--)
        key = strchr(key, '.') + 1;
    snprintf(buf, CONFIG_QUOTE, "%.*s", (int)strcspn(key, "."), key);
    return buf;
}

static const char *last_part(const char *key)
{
    const char *dot = strrchr(key, '.');
    return dot ? dot + 1 : key;
}

/* ---- JSON Schema ---- */

static void schema_choices(const struct config_row *row, FILE *out)
{
    fputs("{\"enum\": [", out);
    for (const char *at = row->choices; *at;) {
        size_t len = strcspn(at, "|");
        fprintf(out, "%s\"%.*s\"", at == row->choices ? "" : ", ", (int)len, at);
        at += len + (at[len] != 0);
    }
    fputs("]}", out);
}

#define SCHEMA_VARIABLE "{\"type\": \"string\", \"pattern\": \"\\\\$\\\\{\"}"

static void schema_number(const struct config_row *row, const char *type, FILE *out)
{
    fprintf(out, "{\"type\": \"%s\", \"minimum\": %.15g, \"maximum\": %.15g", type, row->min,
            row->max);
    if (row->step)
        fprintf(out, ", \"multipleOf\": %d", row->step);
    fputc('}', out);
}

static void schema_alternatives(const struct config_row *row, FILE *out)
{
    switch (row->type) {
    case CONFIG_BOOL:
        fputs("{\"type\": \"boolean\"}, {\"enum\": [\"on\", \"off\", \"yes\", \"no\"]}", out);
        break;
    case CONFIG_INT: schema_number(row, "integer", out); break;
    case CONFIG_DOUBLE: schema_number(row, "number", out); break;
    case CONFIG_SIZE:
        schema_number(row, "integer", out);
        fputs(", {\"type\": \"string\", \"pattern\": \"^[0-9]+([Bb]|[KkMmGgTt][Ii][Bb])$\"}", out);
        break;
    case CONFIG_DURATION:
        fputs("{\"const\": 0}, {\"type\": \"string\", \"pattern\": "
              "\"^[0-9]+([Mm][Ss]|[SsMmHhDd])$\"}",
              out);
        break;
    case CONFIG_ENUM: schema_choices(row, out); break;
    case CONFIG_STRING:
        fprintf(out,
                "{\"type\": \"string\", \"minLength\": %.0f, \"maxLength\": %.0f}, {\"type\": "
                "[\"number\", \"boolean\"]}",
                row->min, row->max);
        break;
    case CONFIG_SECRET: fputs("{\"const\": \"\"}, {\"$ref\": \"#/$defs/file\"}", out); break;
    case CONFIG_MAP: break;
    }
}

static void schema_value(const struct config_row *row, FILE *out)
{
    fputs("{\"description\": ", out);
    print_quoted(row->help, false, out);
    if (row->type == CONFIG_MAP) {
        fputs(", \"type\": [\"object\", \"null\"], \"additionalProperties\": {\"anyOf\": "
              "[{\"type\": [\"string\", \"number\", "
              "\"boolean\"]}, {\"$ref\": \"#/$defs/file\"}]}}",
              out);
        return;
    }
    fputs(", \"default\": ", out);
    print_quoted(row->def, false, out);
    fputs(", \"anyOf\": [", out);
    schema_alternatives(row, out);
    fputs(", " SCHEMA_VARIABLE "]}", out);
}

static void schema_close(int from, int to, FILE *out)
{
    for (int depth = from; depth > to; depth--)
        fprintf(out, "\n%*s}}", 2 * depth, "");
}

static void schema_open(const char *key, int from, int to, FILE *out)
{
    char name[CONFIG_QUOTE];
    for (int depth = from; depth < to; depth++)
        fprintf(out,
                "%*s\"%s\": {\"type\": [\"object\", \"null\"], \"additionalProperties\": false, "
                "\"properties\": {\n",
                2 * depth + 2, "", part(key, depth, name));
}

void config_print_schema(FILE *out)
{
    fputs("{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
          " \"title\": \"A zhiliu pipeline\",\n"
          " \"$defs\": {\"file\": {\"type\": \"object\", \"properties\": {\"file\": {\"type\": "
          "\"string\"}}, "
          "\"required\": [\"file\"], \"additionalProperties\": false}},\n"
          " \"type\": [\"object\", \"null\"], \"additionalProperties\": false, \"properties\": {\n",
          out);
    const char *last = "";
    int depth = 0;
    for (int i = 0; i < config_table_count(); i++) {
        const struct config_row *row = config_table_row(i);
        int shared = shared_parts(last, row->key), parts = parts_of(row->key);
        schema_close(depth, shared, out);
        fputs(i ? ",\n" : "", out);
        schema_open(row->key, shared, parts, out);
        fprintf(out, "%*s\"%s\": ", 2 * parts + 2, "", last_part(row->key));
        schema_value(row, out);
        depth = parts;
        last = row->key;
    }
    schema_close(depth, 0, out);
    fputs("\n}}\n", out);
}

/* ---- the reference page ---- */

static void reference_row(const struct config_row *row, FILE *out)
{
    char range[2 * CONFIG_FORMAT + 2] = "";
    if (row->type == CONFIG_INT || row->type == CONFIG_SIZE || row->type == CONFIG_DURATION ||
        row->type == CONFIG_DOUBLE)
        config_value_range(row, range, sizeof range);
    fprintf(out, "| `%s` | ", row->key);
    if (row->type == CONFIG_ENUM) {
        for (const char *at = row->choices; *at;) {
            size_t len = strcspn(at, "|");
            fprintf(out, "%s`%.*s`", at == row->choices ? "" : ", ", (int)len, at);
            at += len + (at[len] != 0);
        }
    } else {
        fprintf(out, "%s%s%s", type_name(row), *range ? " " : "", range);
    }
    fprintf(out, " | `%s` | %s%s |\n", *row->def ? row->def : "\"\"", row->help,
            row->flags & CONFIG_SHAPES ? " †" : "");
}

static const char reference_head[] =
    "# The pipeline file\n"
    "\n"
    "Made by `zhiliu check --reference`; do not edit.\n"
    "\n"
    "A pipeline is YAML, nested as the rooms are: the key `rank.n` is written `rank: {n: 50}`. "
    "Every key has a\n"
    "default; an empty file is a pipeline. On the command line `--set rank.n=20` overrides the "
    "file; the last one wins.\n"
    "\n"
    "- **Sizes** are whole numbers with `B KiB MiB GiB TiB` (bytes without one). **Times** are "
    "whole numbers with\n"
    "  `ms s m h d`.\n"
    "- **Environment**: `${NAME}` (an error when it is not set), `${NAME:-default}` and "
    "`${NAME:?message}` (also when it is\n"
    "  empty), `$$` for a dollar; in values, after YAML was read.\n"
    "- **Secrets** (`sink.password`, a password in `sink.url`, `sasl.password` and the like in "
    "`source.kafka`) are\n"
    "  `${NAME}` or `{file: PATH}`, never written out.\n"
    "- Unknown and duplicate keys, tabs, anchors, aliases, tags and second documents are errors. "
    "All errors are shown at once,\n"
    "  with their place; the exit code is 78.\n"
    "- † shapes the state: with another value an old checkpoint is refused.\n";

void config_print_reference(FILE *out)
{
    char section[CONFIG_QUOTE], last[CONFIG_QUOTE] = "";
    fputs(reference_head, out);
    for (int i = 0; i < config_table_count(); i++) {
        const struct config_row *row = config_table_row(i);
        part(row->key, 0, section);
        if (strcmp(section, last) != 0) {
            const char *help = config_table_section_help(section);
            fprintf(out,
                    "\n## %s\n\n%s\n\n| key | type and range | default | |\n|---|---|---|---|\n",
                    section, help ? help : "");
            memcpy(last, section, sizeof last);
        }
        reference_row(row, out);
    }
}

void config_print_help(FILE *out)
{
    for (int i = 0; i < config_table_count(); i++) {
        const struct config_row *row = config_table_row(i);
        fprintf(out, "  %-28s %s", row->key, row->help);
        if (row->type == CONFIG_ENUM)
            fprintf(out, " (%s)", row->choices);
        if (*row->def)
            fprintf(out, " [%s]", row->def);
        fputc('\n', out);
    }
}

/* ---- a config as YAML ---- */

static void print_masked(FILE *out)
{
    fputs("\"\" # set, not shown", out);
}

static void print_url(const char *url, FILE *out)
{
    size_t from, to;
    if (!config_value_url_password(url, &from, &to)) {
        print_quoted(url, true, out);
        return;
    }
    char *masked = strdup(url);
    if (!masked)
        return;
    memset(masked + from, '*', to - from);
    print_quoted(masked, true, out);
    fputs(" # password not shown", out);
    free(masked);
}

static void print_map(const struct config *c, int indent, FILE *out)
{
    if (c->source.n_kafka == 0)
        fputs(" {}", out);
    for (int i = 0; i < c->source.n_kafka; i++) {
        fprintf(out, "\n%*s%s: ", indent, "", c->source.kafka[i].name);
        if (config_table_secret_property(c->source.kafka[i].name))
            print_masked(out);
        else
            print_quoted(c->source.kafka[i].value, true, out);
    }
}

static void print_value(const struct config_row *row, const struct config *c, FILE *out)
{
    char buf[CONFIG_FORMAT];
    const char *value = config_value_format(row, c, buf);
    if (row->type == CONFIG_SECRET && *value)
        print_masked(out);
    else if (row->flags & CONFIG_URL)
        print_url(value, out);
    else if (row->type == CONFIG_STRING || row->type == CONFIG_SECRET)
        print_quoted(value, true, out);
    else
        fputs(value, out);
}

/* A password that came from password_file is the file's, not the config's. */
static bool left_out(const struct config_row *row, const struct config *c)
{
    return row->type == CONFIG_SECRET && *c->sink.password_file;
}

void config_print(const struct config *c, FILE *out)
{
    const char *last = "";
    char name[CONFIG_QUOTE];
    for (int i = 0; i < config_table_count(); i++) {
        const struct config_row *row = config_table_row(i);
        if (left_out(row, c))
            continue;
        int parts = parts_of(row->key);
        for (int depth = shared_parts(last, row->key); depth < parts; depth++)
            fprintf(out, "%*s%s:\n", 2 * depth, "", part(row->key, depth, name));
        fprintf(out, "%*s%s:", 2 * parts, "", last_part(row->key));
        if (row->type == CONFIG_MAP) {
            print_map(c, 2 * parts + 2, out);
        } else {
            fputc(' ', out);
            print_value(row, c, out);
        }
        fputc('\n', out);
        last = row->key;
    }
}

/* ---- what is not as it comes ---- */

static bool in_section(const char *key, const char *section)
{
    size_t len = strlen(section);
    return strncmp(key, section, len) == 0 && key[len] == '.';
}

int config_changed(const struct config *c, const char *section, char *out, size_t len)
{
    char ours[CONFIG_FORMAT], theirs[CONFIG_FORMAT];
    struct config def = {.source = {0}};
    struct config_problem why;
    size_t at = 0;
    int n = 0;
    out[0] = '\0';
    for (int i = 0; i < config_table_count(); i++) {
        const struct config_row *row = config_table_row(i);
        if (!in_section(row->key, section))
            continue;
        ASSERT(config_value_store(row, row->def, &def, &why));
        if (strcmp(config_value_format(row, c, ours), config_value_format(row, &def, theirs)) == 0)
            continue;
        if (at < len)
            at += (size_t)snprintf(out + at, len - at, "%s%s", n ? ", " : "", row->key);
        n++;
    }
    config_release(&def);
    return n;
}
