/* app/commands_priv.h - the two tables of the command line (commands.c), for those who print them (commands_help.c). */
#ifndef APP_COMMANDS_PRIV_H
#define APP_COMMANDS_PRIV_H

#include <stdio.h>

#include "app/commands.h"

struct commands_verb {
    const char *name;
    int (*run)(const struct args *args);
    const char *words; /* "PIPELINE", as the usage line says it */
    int min_words, max_words;
    const char *summary; /* one line */
    const char *text;    /* what else one should know; may be "" */
    const char *example; /* lines of shell, each ends with \n */
};

enum commands_kind {
    COMMANDS_SWITCH,
    COMMANDS_SET, /* KEY=VALUE, repeatable */
    COMMANDS_TEXT,
    COMMANDS_INTEGER,
    COMMANDS_NUMBER,
    COMMANDS_TIME,  /* in ms */
    COMMANDS_CHOICE /* choices: "a|b" */
};

struct commands_flag {
    const char *name; /* without dashes */
    unsigned verbs;   /* bits: which verbs have it */
    enum commands_kind kind;
    const char *value; /* "FILE"; a choice: "a|b|c" */
    const char *def;   /* NULL: none */
    double min, max;   /* numbers, times (ms) */
    const char *env;   /* variable that stands in when the flag is not given, NULL: none */
    const char *help;
};

int commands_verb_count(void);
const struct commands_verb *commands_verb_at(int i);
int commands_flag_count(void);
const struct commands_flag *commands_flag_at(int i);
bool commands_verb_has(int verb, const struct commands_flag *flag);
/* "0..9007199254740991", "1ms..36500d"; "": the flag's value has no range. */
void commands_range(const struct commands_flag *flag, char *buf, size_t len);

void commands_print_all(FILE *out);            /* zhiliu --help */
void commands_print_verb(int verb, FILE *out); /* zhiliu VERB --help */

#endif
