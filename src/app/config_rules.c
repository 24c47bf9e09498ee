/* What no single row of the table can say: rules between keys, and defaults that follow from other
 * keys. Runs last, over the finished struct; a finding points at the value an operator would change. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "app/config_priv.h"
#include "base/check.h"

void config_rules_replace(char **text, const char *with)
{
    free(*text);
    *text = xstrdup(with);
}

static const struct config_origin *origin_of(const struct config_load *l, const char *key)
{
    int index = config_table_find(key);
    ASSERT(index >= 0);
    return &l->origins[index];
}

static void rule(struct config_load *l, const char *key, const char *id, const char *words)
{
    config_report_add(&l->report, origin_of(l, key)->place, id, NULL, "%s", words);
}

static void settle_kind(struct config_load *l)
{
    struct config *c = l->config;
    if (*c->source.file && origin_of(l, "source.file")->order > origin_of(l, "source.kind")->order)
        c->source.kind = 1;
    bool file = c->source.kind == 1;
    if (file && origin_of(l, "checkpoint.path")->order == CONFIG_FROM_DEFAULT)
        config_rules_replace(&c->checkpoint.path, "");
    if (file && origin_of(l, "monitor.listen")->order == CONFIG_FROM_DEFAULT)
        config_rules_replace(&c->monitor.listen, "");
    if (strcmp(c->checkpoint.path, "off") == 0)
        config_rules_replace(&c->checkpoint.path, "");
    if (strcmp(c->monitor.listen, "off") == 0)
        config_rules_replace(&c->monitor.listen, "");
    if (file && !*c->source.file)
        rule(l, "source.kind", "missing-key", "source.kind is file, but source.file names none");
}

static void check_topics(struct config_load *l)
{
    const struct config *c = l->config;
    if (!*c->source.topics.events)
        rule(l, "source.topics.events", "empty", "source.topics.events must not be empty");
    if (!*c->dead_letters.topic && !*c->dead_letters.file)
        rule(l, "dead_letters.topic", "missing-key",
             "bad input has nowhere to go: name a topic or a file");
    static const char *const keys[] = {"source.topics.events", "source.topics.items",
                                       "source.topics.controls", "dead_letters.topic"};
    const char *names[] = {c->source.topics.events, c->source.topics.items,
                           c->source.topics.controls, c->dead_letters.topic};
    for (int i = 1; i < 4; i++) {
        for (int j = 0; j < i; j++) {
            if (!*names[i] || strcmp(names[i], names[j]) != 0)
                continue;
            char words[256];
            snprintf(words, sizeof words, "%s and %s are the same topic", keys[j], keys[i]);
            rule(l, keys[i], "conflict", words);
        }
    }
}

static bool is_address(const char *listen)
{
    const char *colon = strrchr(listen, ':');
    int64_t port;
    return colon && colon != listen && config_value_integer(colon + 1, &port) && port >= 0 &&
           port <= 65535;
}

static void read_password_file(struct config_load *l)
{
    struct config *c = l->config;
    struct zl_error err;
    char *content;
    if (!*c->sink.password_file)
        return;
    if (*c->sink.password)
        rule(l, "sink.password_file", "conflict",
             "sink.password and sink.password_file are both set");
    else if (config_text_secret(c->sink.password_file, &content, &err) != ZL_OK)
        rule(l, "sink.password_file", "unreadable-file", err.text);
    else {
        free(c->sink.password);
        c->sink.password = content;
    }
}

/* A modality that is to be learned from must have a dimension; the finding names it. */
static void check_modalities(struct config_load *l)
{
    const struct config *c = l->config;
    static const char *const names[] = {"video", "audio", "text"};
    const int64_t dims[] = {c->catalog.features.video, c->catalog.features.audio,
                            c->catalog.features.text};
    char words[160];
    for (const char *at = c->model.modalities; *at;) {
        size_t len = strcspn(at, ", ");
        int m = 0;
        while (m < 3 && (strlen(names[m]) != len || strncmp(names[m], at, len) != 0))
            m++;
        if (len && m == 3) {
            snprintf(words, sizeof words, "model.modalities: %.*s is none of video, audio, text",
                     (int)len, at);
            rule(l, "model.modalities", "wrong-value", words);
        } else if (len && dims[m] == 0) {
            snprintf(words, sizeof words,
                     "model.modalities asks for %s, but catalog.features.%s gives it no dimension",
                     names[m], names[m]);
            rule(l, "model.modalities", "missing-key", words);
        }
        at += len + (at[len] != 0);
    }
}

void config_rules_check(struct config_load *l)
{
    struct config *c = l->config;
    settle_kind(l);
    if (c->source.kind == 0)
        check_topics(l);
    check_modalities(l);
    if (c->guard.skew > c->guard.future)
        rule(l, "guard.skew", "conflict", "guard.skew is larger than guard.future");
    if (c->policy.explore.slots >= c->policy.explore.per)
        rule(l, "policy.explore.slots", "conflict",
             "policy.explore.slots must be smaller than policy.explore.per");
    if (c->policy.courses.most >= 0 && c->policy.courses.least > c->policy.courses.most)
        rule(l, "policy.courses.least", "conflict",
             "policy.courses.least is larger than policy.courses.most");
    if (*c->monitor.listen && !is_address(c->monitor.listen))
        rule(l, "monitor.listen", "wrong-value", "monitor.listen must be host:port, or off");
    read_password_file(l);
}
