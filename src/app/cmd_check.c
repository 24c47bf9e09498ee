/* zhiliu check: is this pipeline one that run would take? It goes through run's own door (config_load), opens the sink as run does, and asks
 * Kafka and Redis whether they answer. Everything that is wrong is said, not only the first thing; and settings that are idle,
 * which is nothing wrong: the exit code does not know of them. */
#include <stdio.h>
#include <string.h>

#include "app/commands.h"
#include "app/config_warnings.h"
#include "app/engine_priv.h"
#include "app/json_text.h"
#include "base/log.h"
#include "zhiliu/span.h"

enum { CONFIG, SOURCE, SINK, N_PARTS };
static const char *const part_names[N_PARTS] = {"config", "source", "sink"};

struct finding {
    bool asked;
    enum zl_status st;
    struct zl_error err;
    const char *what; /* "127.0.0.1:9092" */
};

static void check_source(const struct config *cfg, int timeout_ms, struct finding *f)
{
    struct source_property properties[CONFIG_MAX_PROPERTIES];
    struct source_config s;
    f->asked = true;
    f->what = cfg->source.kind == 0 ? cfg->source.brokers : cfg->source.file;
    wiring_source(cfg, properties, &s);
    f->st = source_check(&s, timeout_ms, &f->err);
}

/* Only librdkafka knows its properties: they are tried on a client that is closed at once. Whether it reached anybody is not asked. */
static enum zl_status check_properties(const struct config *cfg, struct zl_error *err)
{
    struct finding f = {0};
    if (cfg->source.kind != 0 || cfg->source.n_kafka == 0)
        return ZL_OK;
    check_source(cfg, 1, &f);
    if (f.st != ZL_ECONFIG)
        return ZL_OK;
    *err = f.err;
    return f.st;
}

/* Opening reads the URL, without a network: also done offline. */
static enum zl_status check_sink_config(const struct config *cfg, struct zl_error *err)
{
    struct sink_config s;
    struct sink *sink = NULL;
    wiring_sink(cfg, &s);
    enum zl_status st = sink_open(&s, &sink, err);
    if (sink)
        sink_close(sink, 0);
    return st;
}

static const char *sink_place(const struct config *cfg)
{
    if (cfg->sink.kind != SINK_REDIS)
        return cfg->sink.kind == SINK_STDOUT ? "stdout" : "none";
    /* what is before it is the user and the password */
    const char *at = strrchr(cfg->sink.url, '@');
    return at ? at + 1 : cfg->sink.url;
}

static void check_sink(const struct config *cfg, int timeout_ms, struct finding *f)
{
    struct sink_config s;
    f->asked = true;
    f->what = sink_place(cfg);
    wiring_sink(cfg, &s);
    f->st = cfg->sink.kind == SINK_REDIS ? sink_check(&s, timeout_ms, &f->err) : ZL_OK;
}

/* ---- the answer ---- */

static void say_text(const struct finding *findings)
{
    for (int i = 0; i < N_PARTS; i++) {
        const struct finding *f = &findings[i];
        if (!f->asked)
            continue;
        if (f->st == ZL_OK) /* words with it: nothing that stops run */
            printf("%-7s ok    %s%s%s\n", part_names[i], f->what, f->err.text[0] ? "; " : "",
                   f->err.text);
        else if (f->err.text[0] && fflush(stdout) == 0) /* in this order, also into one file */
            fprintf(stderr, "%-7s wrong %s: %s\n", part_names[i], f->what, f->err.text);
    }
}

/* On stderr, since data goes to stdout; in either way nothing is wrong. */
static void warn_text(const char *file, const struct config_warnings *w)
{
    for (int i = 0; i < w->n; i++)
        fprintf(stderr, "%-7s warn  %s: %s: %s\n", part_names[CONFIG], file, w->at[i].key,
                w->at[i].words);
}

static void warn_json(const struct config_warnings *w)
{
    fputs(",\"warnings\":[", stdout);
    for (int i = 0; i < w->n; i++) {
        printf("%s{\"key\":\"%s\",\"words\":", i ? "," : "", w->at[i].key);
        json_text_print(stdout, zl_span_of(w->at[i].words));
        fputc('}', stdout);
    }
    fputc(']', stdout);
}

static void say_json(const char *file, const struct finding *findings,
                     const struct config_warnings *w, int code)
{
    fputs("{\"file\":", stdout);
    json_text_print(stdout, zl_span_of(file));
    printf(",\"exit\":%d", code);
    for (int i = 0; i < N_PARTS; i++) {
        const struct finding *f = &findings[i];
        if (!f->asked)
            continue;
        printf(",\"%s\":{\"ok\":%s,\"words\":", part_names[i], f->st == ZL_OK ? "true" : "false");
        json_text_print(stdout, zl_span_of(f->err.text));
        fputc('}', stdout);
    }
    warn_json(w);
    fputs("}\n", stdout);
}

/* The first bad part decides. */
static int code_of(const struct finding *findings)
{
    for (int i = 0; i < N_PARTS; i++)
        if (findings[i].asked && findings[i].st != ZL_OK)
            return zl_exit_code(findings[i].st);
    return 0;
}

static int check_one(const struct args *args, const char *file)
{
    struct config cfg;
    struct finding findings[N_PARTS] = {[CONFIG] = {.asked = true, .what = file}};
    enum zl_status st = config_load(file, args->set, args->n_set, &cfg, stderr);
    bool good = st == ZL_OK;
    struct config_warnings warnings = {0};
    findings[CONFIG].st = st;
    if (good)
        config_warnings(&cfg, &warnings);
    if (good)
        findings[CONFIG].st = check_sink_config(&cfg, &findings[CONFIG].err);
    if (good && findings[CONFIG].st == ZL_OK && args_on(args, "offline"))
        findings[CONFIG].st = check_properties(&cfg, &findings[CONFIG].err);
    if (good && args_on(args, "print"))
        config_print(&cfg, stdout);
    if (findings[CONFIG].st == ZL_OK && !args_on(args, "offline")) {
        check_source(&cfg, (int)args_ms(args, "timeout"), &findings[SOURCE]);
        check_sink(&cfg, (int)args_ms(args, "timeout"), &findings[SINK]);
    }
    int code = code_of(findings);
    if (strcmp(args_text(args, "format"), "json") == 0)
        say_json(file, findings, &warnings, code);
    else {
        warn_text(file, &warnings);
        if (!args_on(args, "print") || code)
            say_text(findings);
    }
    config_release(&cfg);
    return code;
}

int cmd_check(const struct args *args)
{
    if (args_on(args, "schema") || args_on(args, "reference")) {
        if (args_on(args, "schema"))
            config_print_schema(stdout);
        else
            config_print_reference(stdout);
        return 0;
    }
    if (args->n_words == 0) {
        fputs("zhiliu check: needs PIPELINE...\nTry: zhiliu check --help\n", stderr);
        return zl_exit_code(ZL_EUSAGE);
    }
    log_setup((enum log_level)(LOG_ERROR + 1), LOG_TEXT); /* the findings say it, in one place */
    int code = 0;
    for (int i = 0; i < args->n_words; i++) {
        int one = check_one(args, args->words[i]);
        code = code ? code : one;
    }
    return code;
}
