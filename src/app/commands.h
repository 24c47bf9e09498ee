/* app/commands.h - the verbs and their flags, each in one table (commands.c).
 * A verb is `int cmd_NAME(const struct args *args)`, in cmd_NAME.c; what it returns is the exit code. Data goes to stdout, words to stderr. */
#ifndef APP_COMMANDS_H
#define APP_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "app/config.h"

#define ARGS_MAX_FILES 16
#define ARGS_MAX_SET 64

struct args {
    const char *verb;
    const char *words[ARGS_MAX_FILES]; /* positional arguments after the verb */
    int n_words;
    const char *set[ARGS_MAX_SET]; /* --set key=value, in order */
    int n_set;
    const char *values[64]; /* by flag, see args_text */
};

/* Value of a flag of the table ("rate", without dashes): what was given, else the table's default, else NULL. The flag must be
 * in the verb's table (ASSERT). Numbers and lengths of time were checked against the table's range already. */
const char *args_text(const struct args *args, const char *flag);
bool args_given(const struct args *args, const char *flag); /* on the command line, not a default */
bool args_on(const struct args *args, const char *flag);    /* a switch was given */
int64_t args_integer(const struct args *args, const char *flag);
double args_number(const struct args *args, const char *flag);
int64_t args_ms(const struct args *args, const char *flag); /* "60s", "5ms", "24h" */

/* Loads the pipeline named by the first positional word, with --set; prints findings; returns 0 or the exit code. */
int args_config(const struct args *args, struct config *cfg);
/* The same for a pipeline that stands elsewhere on the line. NULL: the table's defaults and --set. */
int args_config_file(const struct args *args, const char *file, struct config *cfg);
/* Of replay and evaluate, which write no dead letters: says so when dead_letters.file is set. */
void args_no_dead_letters(const struct args *args, const struct config *cfg);

/* The command line to *args; 0, or the exit code after words on stderr. *done: all was said already (--help): exit 0. */
int commands_parse(int argc, char **argv, struct args *args, bool *done);
/* stdout is a pipe that nobody reads any more. Async-signal-safe. */
bool commands_reader_left(void);
/* The whole program but for main(). */
int commands_main(int argc, char **argv);
void commands_print_reference(FILE *out); /* Markdown of docs/reference/commands.md */

int cmd_run(const struct args *args);
int cmd_check(const struct args *args);
int cmd_simulate(const struct args *args);
int cmd_replay(const struct args *args);
int cmd_inspect(const struct args *args);
int cmd_dead_letters(const struct args *args);
int cmd_version(const struct args *args);
int cmd_evaluate(const struct args *args);
int cmd_explain(const struct args *args);

#endif
