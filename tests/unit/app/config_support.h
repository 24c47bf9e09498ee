/* What the tests of the config share: a load from text, with the words it said. */
#ifndef TESTS_CONFIG_SUPPORT_H
#define TESTS_CONFIG_SUPPORT_H

#include <stdlib.h>
#include <string.h>

#include "app/config_priv.h"

struct loaded {
    enum zl_status st;
    struct config config;
    char *words; /* what went to stderr */
};

static inline struct loaded load_bytes(const char *text, size_t len, const char *const *set,
                                       int n_set)
{
    struct loaded l = {0};
    size_t n;
    FILE *words = open_memstream(&l.words, &n);
    l.st = config_parse("test.yaml", text, len, set, n_set, &l.config, words);
    fclose(words);
    return l;
}

static inline struct loaded load_text(const char *text)
{
    return load_bytes(text, strlen(text), NULL, 0);
}

static inline struct loaded load_set(const char *text, const char *set)
{
    return load_bytes(text, strlen(text), &set, 1);
}

static inline void loaded_release(struct loaded *l)
{
    config_release(&l->config);
    free(l->words);
}

/* The variables that defaults read must not come from the machine that runs the tests. */
static inline void clean_environment(void)
{
    unsetenv("KAFKA_BROKERS");
    unsetenv("REDIS_URL");
    unsetenv("ZL_TEST_UNSET");
    setenv("ZL_TEST_SECRET", "of-the-environment", 1);
}

#endif
