/* app/config_warnings.h - settings of a valid config that have no effect, or hardly the one that was meant. `zhiliu check` says them; they
 * never make a file wrong.
 * Promise  None for the defaults. Each names the key that an operator would change. Looks at the config alone: what only the catalogue or the
 *          log could tell (one category in all, no item with a course) is not known here.
 * Threads  any. */
#ifndef APP_CONFIG_WARNINGS_H
#define APP_CONFIG_WARNINGS_H

#include "app/config.h"

#define CONFIG_MAX_WARNINGS 64

struct config_warning {
    const char *key; /* static */
    char words[200];
};

struct config_warnings {
    int n;
    struct config_warning at[CONFIG_MAX_WARNINGS];
};

void config_warnings(const struct config *c, struct config_warnings *out);

#endif
