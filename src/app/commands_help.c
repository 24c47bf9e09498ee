/* --help and docs/reference/commands.md, both from the tables of commands.c. */
#include "app/commands.h"

#include <string.h>

#include "app/commands_priv.h"
#include "app/config_priv.h"

void commands_print_all(FILE *out)
{
    fputs("zhiliu: streaming recommendation, from Kafka events to lists in Redis\n\n"
          "Usage: zhiliu VERB [words] [flags]\n\nVerbs:\n",
          out);
    for (int i = 0; i < commands_verb_count(); i++)
        fprintf(out, "  %-13s %s\n", commands_verb_at(i)->name, commands_verb_at(i)->summary);
    fputs("\n`zhiliu VERB --help` tells the flags, with an example.\n\n"
          "Example:\n"
          "  zhiliu simulate --events 10000 | zhiliu run pipelines/feed.yaml --set source.file=- "
          "--set sink.kind=stdout\n\n"
          "Exit codes: 0 ok, 1 findings, 64 usage, 65 bad data, 66 missing input, 69 Kafka or "
          "Redis unreachable,\n"
          "70 internal, 74 I/O, 78 config.\n",
          out);
}

void commands_range(const struct commands_flag *flag, char *buf, size_t len)
{
    char min[CONFIG_FORMAT], max[CONFIG_FORMAT];
    buf[0] = 0;
    if (flag->kind == COMMANDS_NUMBER)
        snprintf(buf, len, "%.15g..%.15g", flag->min, flag->max);
    if (flag->kind == COMMANDS_INTEGER)
        snprintf(buf, len, "%.0f..%.0f", flag->min, flag->max);
    if (flag->kind == COMMANDS_TIME) {
        config_value_duration_text((int64_t)flag->min, min);
        config_value_duration_text((int64_t)flag->max, max);
        snprintf(buf, len, "%s..%s", min, max);
    }
}

static void print_flag(const struct commands_flag *flag, FILE *out)
{
    char left[64];
    snprintf(left, sizeof left, "--%s %s", flag->name, flag->value);
    fprintf(out, "  %-26s %s", left, flag->help);
    if (flag->def)
        fprintf(out, " [%s%s%s]", flag->env ? flag->env : "", flag->env ? " or " : "", flag->def);
    fputc('\n', out);
}

static void print_example(const char *lines, FILE *out)
{
    while (*lines) {
        size_t len = strcspn(lines, "\n");
        fprintf(out, "  %.*s\n", (int)len, lines);
        lines += len + (lines[len] != 0);
    }
}

void commands_print_verb(int verb, FILE *out)
{
    const struct commands_verb *v = commands_verb_at(verb);
    bool has_set = false;
    fprintf(out, "zhiliu %s: %s\n\nUsage: zhiliu %s%s%s [flags]\n", v->name, v->summary, v->name,
            *v->words ? " " : "", v->words);
    if (*v->text)
        fprintf(out, "\n%s\n", v->text);
    fputs("\nFlags:\n", out);
    for (int i = 0; i < commands_flag_count(); i++) {
        const struct commands_flag *flag = commands_flag_at(i);
        if (!commands_verb_has(verb, flag))
            continue;
        print_flag(flag, out);
        has_set |= flag->kind == COMMANDS_SET;
    }
    fputs("\nExample:\n", out);
    print_example(v->example, out);
    if (has_set) {
        fputs("\nKeys for --set, with their defaults:\n", out);
        config_print_help(out);
    }
}

/* ---- Markdown ---- */

/* | would end the cell. */
static void print_cell(const char *text, FILE *out)
{
    for (; *text; text++)
        fprintf(out, "%s%c", *text == '|' ? "\\" : "", *text);
}

static void reference_flag(const struct commands_flag *flag, FILE *out)
{
    fprintf(out, "| `--%s%s", flag->name, *flag->value ? " " : "");
    print_cell(flag->value, out);
    fputs("` | ", out);
    if (flag->env)
        fprintf(out, "`$%s` or ", flag->env);
    if (flag->def)
        fprintf(out, "`%s`", flag->def);
    char range[64];
    commands_range(flag, range, sizeof range);
    fprintf(out, " | %s | %s |\n", range, flag->help);
}

static void reference_verb(int verb, FILE *out)
{
    const struct commands_verb *v = commands_verb_at(verb);
    fprintf(out, "\n## zhiliu %s\n\n%c%s.%s%s\n\n    zhiliu %s%s%s [flags]\n\n", v->name,
            v->summary[0] - 'a' + 'A', v->summary + 1, *v->text ? " " : "", v->text, v->name,
            *v->words ? " " : "", v->words);
    fputs("| flag | default | range | |\n|---|---|---|---|\n", out);
    for (int i = 0; i < commands_flag_count(); i++)
        if (commands_verb_has(verb, commands_flag_at(i)))
            reference_flag(commands_flag_at(i), out);
    fprintf(out, "\n```sh\n%s```\n", v->example);
}

void commands_print_reference(FILE *out)
{
    fputs("# The command line\n\nMade by `zhiliu version --commands`; do not edit.\n\n"
          "`zhiliu VERB [words] [flags]`. A flag is `--name VALUE` or `--name=VALUE`; `--` ends "
          "the flags; `--help` stands everywhere.\n"
          "Times are written `5ms`, `2s`, `24h`. Data goes to stdout, words to stderr.\n\n"
          "| exit code | |\n|---|---|\n| 0 | ok |\n| 1 | findings |\n| 64 | wrong usage |\n| 65 | "
          "bad data |\n| 66 | an input is not there |\n"
          "| 69 | Kafka or Redis unreachable |\n| 70 | internal |\n| 74 | I/O |\n| 78 | the config "
          "is wrong |\n",
          out);
    for (int i = 0; i < commands_verb_count(); i++)
        reference_verb(i, out);
}
