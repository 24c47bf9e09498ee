/* The command line: a table of verbs, a table of flags, and the one parser that reads both. A new flag is one row: the parser checks its
 * kind and range, --help and docs/reference/commands.md show it, args_*() hands it out. A flag that means different things to two
 * verbs has two rows. Words for people go to stderr; exit 64 is "you typed it wrong", and says the nearest thing that exists. */
#include "app/commands.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/commands_priv.h"
#include "app/config_priv.h"
#include "base/check.h"

enum {
    RUN = 1,
    CHECK = 2,
    SIMULATE = 4,
    REPLAY = 8,
    INSPECT = 16,
    DEAD = 32,
    VERSION = 64,
    EVALUATE = 128,
    EXPLAIN = 256
}; /* bits, in the order of verbs[] */

static const struct commands_verb verbs[] = {
    {"run", cmd_run, "PIPELINE", 1, 1,
     "take events in, learn from each, keep every active user's list fresh",
     "Runs until SIGTERM or SIGINT (a clean stop: lists written, state saved), or to the end of "
     "source.file.",
     "zhiliu run pipelines/feed.yaml\n"
     "zhiliu run pipelines/feed.yaml --set source.file=- --set sink.kind=stdout < events.jsonl\n"},
    {"check", cmd_check, "PIPELINE...", 0, ARGS_MAX_FILES,
     "say everything that is wrong with a pipeline, and start nothing",
     "Reads the file as run does, then asks Kafka and Redis whether they answer (not with "
     "--offline).",
     "zhiliu check pipelines/feed.yaml\n"
     "zhiliu check pipelines/feed.yaml --offline --set rank.n=20 --print\n"},
    {"simulate", cmd_simulate, "", 0, 0,
     "write the events of a made-up platform whose truth is known",
     "Users with drifting tastes, topics, courses, new items, day and night: to JSON lines or into "
     "Kafka.",
     "zhiliu simulate --events 100000 --out events.jsonl --items-out items.jsonl\n"
     "zhiliu simulate --kafka --rate 2000 --live --duration 60s\n"
     "zhiliu simulate --kafka --rate 500 --live --duration 5m --closed-loop --format json\n"},
    {"replay", cmd_replay, "[PIPELINE] [FILE]", 1, 2,
     "walk a file or a range of offsets through the engine, to a digest of the state",
     "The same input and seed give the same digest.",
     "zhiliu replay pipelines/feed.yaml events.jsonl --score\n"
     "zhiliu replay pipelines/feed.yaml --from 0:0,1:0 --until 0:50000,1:50000\n"},
    {"inspect", cmd_inspect,
     "user U | item I | similar I | users | items | conversion | checkpoint [PIPELINE]", 1, 3,
     "show what a checkpoint knows",
     "Reads the checkpoint of the pipeline, or of --checkpoint; a running engine is not disturbed.",
     "zhiliu inspect user u42 pipelines/feed.yaml\n"
     "zhiliu inspect similar v7 pipelines/feed.yaml\n"
     "zhiliu inspect users --checkpoint /var/lib/zhiliu --format json\n"
     "zhiliu inspect conversion pipelines/feed.yaml\n"},
    {"dead-letters", cmd_dead_letters, "list | show | requeue", 1, 4,
     "look through the refused input, and send it in again", "",
     "zhiliu dead-letters list --reason bad_json --limit 20\n"
     "zhiliu dead-letters show --key events-0-1234-0\n"
     "zhiliu dead-letters requeue --reason future_time --to events\n"},
    {"version", cmd_version, "", 0, 0, "print the version of the program and of what it stands on",
     "", "zhiliu version --format json\n"},
    {"evaluate", cmd_evaluate, "EVENTS", 1, 1,
     "test the model on a file of events: each is served first, then learned",
     "HR, NDCG, MRR at 10, overall, for first-time users and cold items, beside each part alone.",
     "zhiliu evaluate events.jsonl.gz --items items.jsonl.gz\n"
     "zhiliu evaluate events.jsonl --seeds 3 --baseline ials,ials+popularity --format json\n"},
    {"explain", cmd_explain, "[PIPELINE]", 0, 1, "say why each item is on a user's list",
     "Ranks the user from the checkpoint of the pipeline, or of --checkpoint.",
     "zhiliu explain pipelines/feed.yaml --user u42\n"
     "zhiliu explain --user u42 --checkpoint /var/lib/zhiliu --format json\n"},
};

#define N_VERBS ((int)(sizeof verbs / sizeof verbs[0]))

#define SWITCH(name, verbs_, help)                                                                 \
    {                                                                                              \
        name, verbs_, COMMANDS_SWITCH, "", NULL, 0, 0, NULL, help                                  \
    }
#define TEXT(name, verbs_, value, def, help)                                                       \
    {                                                                                              \
        name, verbs_, COMMANDS_TEXT, value, def, 0, 0, NULL, help                                  \
    }
#define INTEGER(name, verbs_, def, min, max, help)                                                 \
    {                                                                                              \
        name, verbs_, COMMANDS_INTEGER, "N", def, min, max, NULL, help                             \
    }
#define NUMBER(name, verbs_, def, min, max, help)                                                  \
    {                                                                                              \
        name, verbs_, COMMANDS_NUMBER, "X", def, min, max, NULL, help                              \
    }
#define TIME(name, verbs_, def, min, max, help)                                                    \
    {                                                                                              \
        name, verbs_, COMMANDS_TIME, "TIME", def, min, max, NULL, help                             \
    }
#define CHOICE(name, verbs_, choices, def, help)                                                   \
    {                                                                                              \
        name, verbs_, COMMANDS_CHOICE, choices, def, 0, 0, NULL, help                              \
    }

#define MANY 9007199254740991.0 /* 2^53 - 1: a double holds every whole number up to it */
#define LONG_MS (36500.0 * 86400000.0)

static const struct commands_flag flags[] = {
    {"set", RUN | CHECK | SIMULATE | REPLAY | INSPECT | DEAD | EVALUATE | EXPLAIN, COMMANDS_SET,
     "KEY=VALUE", NULL, 0, 0, NULL,
     "override a key of the pipeline; may be given many times, the last one wins"},
    CHOICE("format", CHECK | SIMULATE | REPLAY | INSPECT | DEAD | VERSION | EVALUATE | EXPLAIN,
           "text|json", "text", "how the answer is written"),

    SWITCH("offline", CHECK | EXPLAIN,
           "do not ask whether Kafka and Redis answer, nor for the list in Redis"),
    TIME("timeout", CHECK, "5s", 100, 600000, "how long Kafka and Redis may take to answer"),
    SWITCH("print", CHECK, "print the whole config as it would be used, secrets masked"),
    SWITCH("schema", CHECK, "print the JSON Schema of a pipeline (for editors)"),
    SWITCH("reference", CHECK, "print docs/reference/config.md"),

    INTEGER("events", SIMULATE, "0", 0, MANY, "how many events; 0: until stopped"),
    NUMBER("rate", SIMULATE, "0", 0, 1e7, "events a second; 0: flat out"),
    TIME("duration", SIMULATE, "0", 0, LONG_MS, "stop after this long; 0: no limit"),
    INTEGER("users", SIMULATE, "20000", 1, 1e8, "users"),
    INTEGER("items", SIMULATE, "10000", 1, 1e8, "items at the start"),
    INTEGER("topics", SIMULATE, "30", 1, 10000, "topics that items are about and users like"),
    INTEGER("courses", SIMULATE, "200", 0, 1e6, "courses that some items lead to"),
    NUMBER("surface-tastes", SIMULATE, "0", 0, 1,
           "share of people's topics that are those of the one surface they come from; 0: surfaces "
           "tell nothing"),
    NUMBER("new-items", SIMULATE, "0", 0, 1000, "new items for every 1,000 events"),
    TEXT("features", SIMULATE, "NAME=DIM[:NOISE[:SHARE]],...", NULL,
         "items have vectors: video, audio, text; NOISE 1 is as long as the truth, inf: noise "
         "alone"),
    SWITCH("bare", SIMULATE, "items have no title, tags, category and uploader"),
    INTEGER("seed", SIMULATE, "1", 0, MANY, "of the world: the same seed gives the same events"),
    INTEGER(
        "start", SIMULATE, "0", 0, MANY,
        "event time of the first event, Unix ms; 0: files 2026-01-01, Kafka so that it ends now"),
    TIME("span", SIMULATE, "0", 0, LONG_MS,
         "simulated time that the events cover; 0: follows from the rate"),
    SWITCH("live", SIMULATE, "event time is the wall clock"),
    CHOICE("only", SIMULATE, "events|items|all", "all", "what is written"),
    TEXT("named-user", SIMULATE, "USER", NULL, "this user exists and is active all the time"),
    NUMBER("bad", SIMULATE, "0", 0, 1, "share of planted bad events"),
    NUMBER("repeats", SIMULATE, "0", 0, 1, "share of events that are sent twice"),
    TEXT("out", SIMULATE, "FILE", "-", "events as JSON lines; - is stdout"),
    TEXT("items-out", SIMULATE, "FILE", NULL, "items as JSON lines"),
    TEXT("ledger", SIMULATE, "FILE", NULL, "the planted bad events and the repeats, as JSON lines"),
    SWITCH("closed-loop", SIMULATE, "users read their lists from Redis and answer what is shown"),
    SWITCH("in-process", SIMULATE,
           "closed loop without Kafka and Redis: the engine's own rooms make the lists"),
    TEXT("over-show", SIMULATE, "TOPIC=FACTOR", NULL,
         "the platform shows this topic so many times as often; its chances are on the log"),
    INTEGER("open-events", SIMULATE, "0", 0, MANY,
            "closed loop: so many events of what the platform chooses come before, flat out"),
    {"redis", SIMULATE, COMMANDS_TEXT, "URL", "redis://127.0.0.1:6379/0", 0, 0, "REDIS_URL",
     "closed loop: where the lists are"},
    TEXT("prefix", SIMULATE, "TEXT", "zl:", "closed loop: what the keys begin with"),
    INTEGER("page", SIMULATE, "20", 1, 50, "closed loop: places of a list that are read at once"),
    SWITCH("kafka", SIMULATE, "produce into Kafka instead of files"),
    {"brokers", SIMULATE | DEAD, COMMANDS_TEXT, "HOST:PORT,...", "127.0.0.1:9092", 0, 0,
     "KAFKA_BROKERS", "Kafka's bootstrap servers"},
    TEXT("topic", SIMULATE, "TOPIC", "events", "topic of the events"),
    TEXT("items-topic", SIMULATE, "TOPIC", "items", "topic of the items"),
    INTEGER("linger", SIMULATE, "1", 0, 1000, "ms that a producer waits to fill a batch"),

    SWITCH("score", REPLAY, "test on each event before learning it: HR@10, NDCG@10, MRR"),
    INTEGER("every", REPLAY, "1", 1, 1e9, "score every n-th event"),
    NUMBER("skip", REPLAY, "0.3", 0, 1, "share of the events that warm up and are not scored"),
    TEXT("items", REPLAY, "FILE", NULL,
         "items to read before the first event; without it source.items_file"),
    INTEGER("top", EVALUATE, "10", 1, 100, "N of HR@N and NDCG@N"),
    INTEGER("every", EVALUATE, "1", 1, 1e9, "score every n-th positive, learn from all"),
    NUMBER("skip", EVALUATE, "0.3", 0, 1, "share of the events that is not scored"),
    TEXT("items", EVALUATE, "FILE", NULL, "descriptions of items; without it source.items_file"),
    CHOICE("protocol", EVALUATE, "prequential|holdout|kfold", "prequential",
           "how to split learning from testing"),
    TEXT("score", EVALUATE, "TYPES", NULL,
         "test on these types only, say coin,like; without it on all that are rewarded"),
    INTEGER("seeds", EVALUATE, "1", 1, 100, "runs with seeds model.seed, model.seed + 1, ..."),
    TEXT("pipeline", EVALUATE | SIMULATE, "FILE", NULL, "the configuration; default: the defaults"),
    TEXT("baseline", EVALUATE, "NAME,...", NULL,
         "also test popularity, decayed-popularity, isgd, bpr, ials, ials+popularity"),
    INTEGER("retrain", EVALUATE, "1000", 1, 1e9, "positives between retrainings of ials"),
    INTEGER("retrain-window", EVALUATE, "0", 0, 1e9,
            "newest positives ials is retrained on, 0: all"),
    TEXT("against", EVALUATE, "FILE", NULL,
         "a second configuration, compared hit by hit (McNemar, bootstrap)"),
    SWITCH("ips", EVALUATE, "estimate another policy of the explored places from what was logged"),
    SWITCH("snips", EVALUATE, "the same, self-normalised: less noise, a little bias"),
    CHOICE("policy", EVALUATE, "pipeline|uniform", "pipeline",
           "ips, snips: whose chances; uniform: all that may be drawn alike"),
    TEXT("outcome", EVALUATE, "NAME", "reward",
         "ips, snips: reward, or a type of event that follows or not"),
    TIME("outcome-window", EVALUATE, "30m", 1, LONG_MS,
         "ips, snips: events so long after an impression are its outcome"),
    SWITCH("similar", EVALUATE,
           "test related lists instead: the next choice given only the one before"),
    INTEGER("freeze-items", EVALUATE, "0", 0, 1e9,
            "also test the core with item rows copied every n positives, 0: no"),
    TEXT("from", REPLAY, "P:OFFSET,...", NULL, "first offset of each partition"),
    TEXT("until", REPLAY, "P:OFFSET,...", NULL, "offset of each partition to stop before"),
    TEXT("checkpoint", REPLAY, "FOLDER", NULL, "write the final state there"),

    TEXT("user", EXPLAIN, "U", NULL, "whose list"),
    TEXT("checkpoint", INSPECT | EXPLAIN, "FOLDER", NULL,
         "read this checkpoint, whatever the pipeline says"),

    TEXT("topic", DEAD, "TOPIC", NULL, "topic of the dead letters; without it dead_letters.topic"),
    TEXT("file", DEAD, "FILE", NULL, "read dead letters from this file instead of a topic"),
    INTEGER("limit", DEAD, "100", 0, MANY, "at most this many; 0: all"),
    TEXT("key", DEAD, "KEY", NULL, "only this one: topic-partition-offset-index"),
    TEXT("reason", DEAD, "REASON", NULL, "only those refused for this reason"),
    TEXT("to", DEAD, "TOPIC", NULL, "requeue: topic to send to; without it the one they came from"),

    SWITCH("commands", VERSION, "print docs/reference/commands.md"),
};

#define N_FLAGS ((int)(sizeof flags / sizeof flags[0]))

int commands_verb_count(void)
{
    return N_VERBS;
}

const struct commands_verb *commands_verb_at(int i)
{
    return &verbs[i];
}

int commands_flag_count(void)
{
    return N_FLAGS;
}

const struct commands_flag *commands_flag_at(int i)
{
    return &flags[i];
}

bool commands_verb_has(int verb, const struct commands_flag *flag)
{
    return (flag->verbs & (1u << verb)) != 0;
}

static int verb_of(const char *name)
{
    for (int i = 0; i < N_VERBS; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return i;
    return -1;
}

/* Flags of one verb are numbered 0, 1, ... in the table's order: that number is the place in args->values. */
static const struct commands_flag *flag_of(int verb, const char *name, size_t len, int *slot)
{
    *slot = 0;
    for (int i = 0; i < N_FLAGS; i++) {
        if (!commands_verb_has(verb, &flags[i]))
            continue;
        if (strncmp(flags[i].name, name, len) == 0 && flags[i].name[len] == 0)
            return &flags[i];
        ++*slot;
    }
    return NULL;
}

/* ---- what was typed wrongly ---- */

static int usage(void)
{
    fputs("Try: zhiliu --help\n", stderr);
    return zl_exit_code(ZL_EUSAGE);
}

static int unknown_verb(const char *word)
{
    const char *names[N_VERBS];
    for (int i = 0; i < N_VERBS; i++)
        names[i] = verbs[i].name;
    int near = config_nearest(word, names, N_VERBS);
    fprintf(stderr, "zhiliu: unknown verb \"%s\"", word);
    if (near >= 0)
        fprintf(stderr, "; did you mean \"%s\"?", names[near]);
    fputc('\n', stderr);
    return usage();
}

static int unknown_flag(int verb, const char *name, size_t len)
{
    const char *names[N_FLAGS], *owner = NULL;
    char word[CONFIG_QUOTE];
    int n = 0;
    snprintf(word, sizeof word, "%.*s", (int)(len < 60 ? len : 60), name);
    for (int i = 0; i < N_FLAGS; i++) {
        if (commands_verb_has(verb, &flags[i]))
            names[n++] = flags[i].name;
        for (int v = 0; v < N_VERBS && strcmp(flags[i].name, word) == 0; v++)
            if (commands_verb_has(v, &flags[i]))
                owner = verbs[v].name;
    }
    int near = config_nearest(word, names, n);
    fprintf(stderr, "zhiliu %s: unknown flag --%s", verbs[verb].name, word);
    if (near >= 0)
        fprintf(stderr, "; did you mean --%s?", names[near]);
    else if (owner)
        fprintf(stderr, "; it belongs to zhiliu %s", owner);
    fprintf(stderr, "\nTry: zhiliu %s --help\n", verbs[verb].name);
    return zl_exit_code(ZL_EUSAGE);
}

static int bad_value(int verb, const struct commands_flag *flag, const char *what,
                     const char *value)
{
    fprintf(stderr, "zhiliu %s: --%s must be %s, not \"%s\"\n", verbs[verb].name, flag->name, what,
            value);
    return zl_exit_code(ZL_EUSAGE);
}

/* ---- values ---- */

static bool one_of(const char *choices, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = choices; *at;) {
        size_t n = strcspn(at, "|");
        if (n == len && memcmp(at, word, n) == 0)
            return true;
        at += n + (at[n] != 0);
    }
    return false;
}

static bool as_number(const struct commands_flag *flag, const char *text, double *out)
{
    int64_t whole = 0;
    bool ok = flag->kind == COMMANDS_NUMBER    ? config_value_number(text, out)
              : flag->kind == COMMANDS_INTEGER ? config_value_integer(text, &whole)
                                               : config_value_duration(text, &whole);
    if (flag->kind != COMMANDS_NUMBER)
        *out = (double)whole;
    return ok;
}

static int check_value(int verb, const struct commands_flag *flag, const char *text)
{
    static const char *const words[] = {[COMMANDS_INTEGER] = "a whole number",
                                        [COMMANDS_NUMBER] = "a number",
                                        [COMMANDS_TIME] = "a time like 5ms or 24h (ms s m h d)"};
    double value;
    char range[64], what[128];
    if (flag->kind == COMMANDS_CHOICE && !one_of(flag->value, text))
        return bad_value(verb, flag, flag->value, text);
    if (flag->kind != COMMANDS_INTEGER && flag->kind != COMMANDS_NUMBER &&
        flag->kind != COMMANDS_TIME)
        return 0;
    if (!as_number(flag, text, &value))
        return bad_value(verb, flag, words[flag->kind], text);
    commands_range(flag, range, sizeof range);
    snprintf(what, sizeof what, "within %s", range);
    return value >= flag->min && value <= flag->max ? 0 : bad_value(verb, flag, what, text);
}

static int take_value(int verb, const struct commands_flag *flag, int slot, const char *value,
                      struct args *args)
{
    if (flag->kind != COMMANDS_SET) {
        args->values[slot] = value;
        return check_value(verb, flag, value);
    }
    if (args->n_set == ARGS_MAX_SET) {
        fprintf(stderr, "zhiliu %s: more than %d --set\n", verbs[verb].name, ARGS_MAX_SET);
        return zl_exit_code(ZL_EUSAGE);
    }
    args->set[args->n_set++] = value;
    return 0;
}

/* argv[*i] begins with --; moves *i over a value of its own. */
static int take_flag(int verb, char **argv, int argc, int *i, struct args *args)
{
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    int slot;
    const struct commands_flag *flag = flag_of(verb, name, len, &slot);
    if (!flag)
        return unknown_flag(verb, name, len);
    ASSERT(slot < (int)(sizeof args->values / sizeof args->values[0]));
    if (flag->kind == COMMANDS_SWITCH) {
        args->values[slot] = "on";
        return equals ? bad_value(verb, flag, "given without a value", equals + 1) : 0;
    }
    if (!equals && *i + 1 == argc) {
        fprintf(stderr, "zhiliu %s: --%s needs a value: --%s %s\n", verbs[verb].name, flag->name,
                flag->name, flag->value);
        return zl_exit_code(ZL_EUSAGE);
    }
    return take_value(verb, flag, slot, equals ? equals + 1 : argv[++*i], args);
}

static int take_word(int verb, const char *word, struct args *args)
{
    if (args->n_words < verbs[verb].max_words) {
        args->words[args->n_words++] = word;
        return 0;
    }
    bool second_pipeline = verbs[verb].run == cmd_run;
    fprintf(stderr, "zhiliu %s: one word too many: \"%s\"%s\n", verbs[verb].name, word,
            second_pipeline ? " (several pipelines in one process are not there yet)" : "");
    return zl_exit_code(ZL_EUSAGE);
}

static bool wants_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int take_rest(int verb, int argc, char **argv, struct args *args)
{
    bool only_words = false;
    for (int i = 2; i < argc; i++) {
        int code = 0;
        if (!only_words && strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (!only_words && strncmp(argv[i], "--", 2) == 0)
            code = take_flag(verb, argv, argc, &i, args);
        else if (!only_words && argv[i][0] == '-' && argv[i][1])
            code = unknown_flag(verb, argv[i] + 1, strlen(argv[i] + 1));
        else
            code = take_word(verb, argv[i], args);
        if (code)
            return code;
    }
    if (args->n_words >= verbs[verb].min_words)
        return 0;
    fprintf(stderr, "zhiliu %s: needs %s\nTry: zhiliu %s --help\n", verbs[verb].name,
            verbs[verb].words, verbs[verb].name);
    return zl_exit_code(ZL_EUSAGE);
}

/* zhiliu --help, zhiliu help [VERB] */
static int help(int argc, char **argv)
{
    int verb = argc > 2 && !wants_help(argv[2]) ? verb_of(argv[2]) : -1;
    if (argc > 2 && !wants_help(argv[2]) && verb < 0)
        return unknown_verb(argv[2]);
    if (verb < 0)
        commands_print_all(stdout);
    else
        commands_print_verb(verb, stdout);
    return 0;
}

int commands_parse(int argc, char **argv, struct args *args, bool *done)
{
    *args = (struct args){0};
    *done = false;
    if (argc < 2) {
        commands_print_all(stderr);
        return zl_exit_code(ZL_EUSAGE);
    }
    const char *word = argv[1];
    if (wants_help(word) || strcmp(word, "help") == 0) {
        *done = true;
        return help(argc, argv);
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        word = "version";
    int verb = verb_of(word);
    if (verb < 0)
        return unknown_verb(word);
    args->verb = verbs[verb].name;
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (wants_help(argv[i])) {
            *done = true;
            commands_print_verb(verb, stdout);
            return 0;
        }
    }
    return take_rest(verb, argc, argv, args);
}

bool commands_reader_left(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

int commands_main(int argc, char **argv)
{
    struct args args;
    bool done;
    int code = commands_parse(argc, argv, &args, &done);
    if (code == 0 && !done)
        code = verbs[verb_of(args.verb)].run(&args);
    /* ferror: it may have failed earlier, and nothing be left to flush */
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == 0 && !commands_reader_left()) {
        fputs("zhiliu: cannot write to stdout\n", stderr);
        return zl_exit_code(ZL_EIO);
    }
    return code;
}

/* ---- what the verbs ask ---- */

static const struct commands_flag *known_flag(const struct args *args, const char *name, int *slot)
{
    int verb = verb_of(args->verb);
    ASSERT(verb >= 0);
    const struct commands_flag *flag = flag_of(verb, name, strlen(name), slot);
    ASSERT(flag != NULL);
    return flag;
}

const char *args_text(const struct args *args, const char *name)
{
    int slot;
    const struct commands_flag *flag = known_flag(args, name, &slot);
    if (args->values[slot])
        return args->values[slot];
    const char *from_env = flag->env ? getenv(flag->env) : NULL;
    return from_env && *from_env ? from_env : flag->def;
}

bool args_given(const struct args *args, const char *name)
{
    int slot;
    known_flag(args, name, &slot);
    return args->values[slot] != NULL;
}

bool args_on(const struct args *args, const char *name)
{
    int slot;
    ASSERT(known_flag(args, name, &slot)->kind == COMMANDS_SWITCH);
    return args->values[slot] != NULL;
}

int64_t args_integer(const struct args *args, const char *name)
{
    int slot;
    int64_t value;
    ASSERT(known_flag(args, name, &slot)->kind == COMMANDS_INTEGER);
    ASSERT(config_value_integer(args_text(args, name), &value));
    return value;
}

double args_number(const struct args *args, const char *name)
{
    int slot;
    double value;
    ASSERT(known_flag(args, name, &slot)->kind == COMMANDS_NUMBER);
    ASSERT(config_value_number(args_text(args, name), &value));
    return value;
}

int64_t args_ms(const struct args *args, const char *name)
{
    int slot;
    int64_t value;
    ASSERT(known_flag(args, name, &slot)->kind == COMMANDS_TIME);
    ASSERT(config_value_duration(args_text(args, name), &value));
    return value;
}

int args_config_file(const struct args *args, const char *file, struct config *cfg)
{
    if (file)
        return zl_exit_code(config_load(file, args->set, args->n_set, cfg, stderr));
    return zl_exit_code(config_parse("defaults", "", 0, args->set, args->n_set, cfg, stderr));
}

void args_no_dead_letters(const struct args *args, const struct config *cfg)
{
    if (cfg->dead_letters.file && *cfg->dead_letters.file)
        fprintf(stderr,
                "zhiliu %s: dead_letters.file has no effect here: only run writes dead letters\n",
                args->verb);
}

int args_config(const struct args *args, struct config *cfg)
{
    ASSERT(args->n_words > 0); /* the verb's table says so */
    return args_config_file(args, args->words[0], cfg);
}
