/* Every key of a pipeline file, once. The parser, the defaults, the ranges, --help, the JSON Schema and the reference page are all
 * read from these rows, so that they cannot disagree: to add a key, add its field to struct config and its row here. */
#include "app/config_priv.h"

#include <string.h>

#define MS 1.0
#define SECOND 1000.0
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KIB 1024.0
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TEXT_MAX 4096.0
#define TOPIC_MAX 249.0              /* Kafka's own limit of a topic's name */
#define EXACT_MAX 9007199254740992.0 /* 2^53: whole numbers stay whole as doubles */

#define AT(field) offsetof(struct config, field)
#define BOOL(key, field, def, help)                                                                \
    {                                                                                              \
        key, CONFIG_BOOL, AT(field), 0, 1, 0, NULL, def, 0, help                                   \
    }
#define INT(key, field, min, max, def, flags, help)                                                \
    {                                                                                              \
        key, CONFIG_INT, AT(field), min, max, 0, NULL, def, flags, help                            \
    }
#define SIZE(key, field, min, max, def, help)                                                      \
    {                                                                                              \
        key, CONFIG_SIZE, AT(field), min, max, 0, NULL, def, 0, help                               \
    }
#define TIME(key, field, min, max, def, flags, help)                                               \
    {                                                                                              \
        key, CONFIG_DURATION, AT(field), min, max, 0, NULL, def, flags, help                       \
    }
#define REAL(key, field, min, max, def, flags, help)                                               \
    {                                                                                              \
        key, CONFIG_DOUBLE, AT(field), min, max, 0, NULL, def, flags, help                         \
    }
#define CHOICE(key, field, choices, def, flags, help)                                              \
    {                                                                                              \
        key, CONFIG_ENUM, AT(field), 0, 0, 0, choices, def, flags, help                            \
    }
#define TEXT(key, field, min, max, def, flags, help)                                               \
    {                                                                                              \
        key, CONFIG_STRING, AT(field), min, max, 0, NULL, def, flags, help                         \
    }
#define WEIGHT(name, type, def)                                                                    \
    {                                                                                              \
        "reward.weights." name, CONFIG_DOUBLE, AT(reward.weights[type]), 0, 100, 0, NULL, def, 0,  \
            "reward of one " name " (before r_max)"                                                \
    }

#define OUTCOME(name, kind, what, priced_def, again_def)                                           \
    REAL("conversion.outcomes." name ".value", conversion.outcomes[kind].value, 0, 1e9, "1", 0,    \
         "what one conversion of " what " is worth"),                                              \
        BOOL("conversion.outcomes." name ".per_price", conversion.outcomes[kind].per_price,        \
             priced_def, "value times the price in major units, where it is known"),               \
        BOOL("conversion.outcomes." name ".again", conversion.outcomes[kind].again, again_def,     \
             "a user may convert on the same one more than once")

static const struct config_row rows[] = {
    CHOICE("source.kind", source.kind, "kafka|file", "kafka", CONFIG_SHAPES,
           "where events come from; a source.file given later than source.kind means file"),
    TEXT("source.brokers", source.brokers, 1, TEXT_MAX, "${KAFKA_BROKERS:-127.0.0.1:9092}", 0,
         "Kafka's bootstrap servers, host:port, separated by commas"),
    TEXT("source.group", source.group, 1, 255, "zhiliu", 0, "Kafka's consumer group"),
    TEXT("source.instance", source.instance, 1, 200, "zhiliu-0", 0,
         "group.instance.id: keep it the same over restarts, different for each engine of the "
         "group"),
    TEXT("source.topics.events", source.topics.events, 0, TOPIC_MAX, "events", CONFIG_SHAPES,
         "topic of behaviour events, keyed by user_id"),
    TEXT("source.topics.items", source.topics.items, 0, TOPIC_MAX, "items", CONFIG_SHAPES,
         "compacted topic of items, keyed by item_id; \"\": none"),
    TEXT("source.topics.controls", source.topics.controls, 0, TOPIC_MAX, "controls", CONFIG_SHAPES,
         "topic of privacy controls, keyed by user_id; \"\": none"),
    {"source.kafka", CONFIG_MAP, AT(source.kafka), 0, CONFIG_MAX_PROPERTIES, 0, NULL, "", 0,
     "any other librdkafka property, by its own name; a value may be {file: PATH}"},
    TEXT("source.file", source.file, 0, TEXT_MAX, "", 0,
         "JSON lines to read: a path, also .gz or .zst, or - for standard input"),
    TEXT("source.items_file", source.items_file, 0, TEXT_MAX, "", 0,
         "JSON lines of items, read whole before the first event of source.file"),
    SIZE("source.queue", source.queue, 1 * MIB, 4 * GIB, "32MiB",
         "bytes fetched from Kafka and not yet taken in: the bound of that memory, shared evenly "
         "among the partitions"),

    CHOICE("decode.format", decode.format, "json", "json", 0, "how events and items are written"),
    SIZE("decode.max_bytes", decode.max_bytes, 1 * KIB, 64 * MIB, "1MiB",
         "a larger message is a dead letter (too_large)"),

    TEXT("dead_letters.topic", dead_letters.topic, 0, TOPIC_MAX, "dead-letters", 0,
         "topic that bad input goes to, with the reason in its headers"),
    TEXT("dead_letters.file", dead_letters.file, 0, TEXT_MAX, "", 0,
         "file that bad input is appended to, instead of the topic"),

    TIME("guard.duplicates.window", guard.duplicates.window, 1 * MINUTE, 30 * DAY, "24h", 0,
         "an event_id seen within this time is a duplicate"),
    SIZE("guard.duplicates.budget", guard.duplicates.budget, 1 * MIB, 1024 * GIB, "512MiB",
         "memory for seen event_ids; when it does not reach, the window shrinks and a metric says "
         "so"),
    TIME("guard.late", guard.late, 1 * SECOND, 30 * DAY, "24h", 0,
         "an event older than this against its partition's clock is counted late (and still "
         "learned)"),
    TIME("guard.skew", guard.skew, 0, 1 * DAY, "60s", 0,
         "a ts up to this far ahead of the clock is taken as it is"),
    TIME("guard.future", guard.future, 0, 30 * DAY, "1d", 0,
         "a ts further ahead than this is a dead letter (future_time)"),

    WEIGHT("impression", ZL_IMPRESSION, "0"),
    WEIGHT("watch", ZL_WATCH, "1"),
    WEIGHT("like", ZL_LIKE, "1"),
    WEIGHT("coin", ZL_COIN, "2"),
    WEIGHT("favorite", ZL_FAVORITE, "1.5"),
    WEIGHT("comment", ZL_COMMENT, "1.5"),
    WEIGHT("share", ZL_SHARE, "2"),
    WEIGHT("follow", ZL_FOLLOW, "2"),
    WEIGHT("not_interested", ZL_NOT_INTERESTED, "0"),
    WEIGHT("report", ZL_REPORT, "0"),
    WEIGHT("course_click", ZL_COURSE_CLICK, "1.5"),
    WEIGHT("enroll", ZL_ENROLL, "3"),
    WEIGHT("purchase", ZL_PURCHASE, "4"),
    WEIGHT("refund", ZL_REFUND, "0"),
    REAL("reward.r_max", reward.r_max, 0.01, 100, "5", 0, "no reward is larger"),
    CHOICE(
        "reward.watch", reward.watch, "rank|raw|completion", "rank", 0,
        "what a watch is worth: its rank among watches of videos as long, its time, or its share"),
    TIME("reward.min_watch", reward.min_watch, 0, 1 * HOUR, "3s", 0,
         "a watch shorter than this and than 5 % of its video is a skip"),
    CHOICE("reward.baseline", reward.baseline, "none|mean", "none", 0,
           "what is taken off a reward before it scales the step: nothing, or the mean of recent "
           "ones"),
    CHOICE(
        "reward.correction.propensity", reward.correction.propensity, "off|ratio|inverse", "off", 0,
        "a logged propensity scales learning by the model's own chance over it (ratio), or by its "
        "inverse, 1 on average (inverse)"),
    REAL("reward.correction.cap", reward.correction.cap, 1, 1e6, "10", 0,
         "no such factor is larger"),
    INT("reward.correction.top_k", reward.correction.top_k, 0, 1000, "0", 0,
        "steps are scaled by K (1 - p)^(K - 1), p the item's chance: less for what would be in a "
        "list "
        "of K anyway; 0: off"),

    CHOICE("catalog.unknown", catalog.unknown, "serve|hide", "serve", 0,
           "whether items that only events speak of may stand in lists"),
    INT("catalog.features.video", catalog.features.video, 0, 4096, "0", CONFIG_SHAPES,
        "dimension of features.video in items; 0: not used"),
    INT("catalog.features.audio", catalog.features.audio, 0, 4096, "0", CONFIG_SHAPES,
        "dimension of features.audio; 0: not used"),
    INT("catalog.features.text", catalog.features.text, 0, 4096, "0", CONFIG_SHAPES,
        "dimension of features.text; 0: not used"),
    INT("catalog.max_items", catalog.max_items, 1, 1e8, "1000000", 0,
        "items that may ever be known; address space is reserved, memory used as they appear"),

    {"model.k", CONFIG_INT, AT(model.k), 16, 256, 16, NULL, "64", CONFIG_SHAPES,
     "numbers in a vector; a multiple of 16"},
    INT("model.history", model.history, 1, 64, "50", CONFIG_SHAPES,
        "newest items of a user that the next list follows from"),
    INT("model.negatives", model.negatives, 1, 256, "64", 0,
        "items drawn to compare the chosen one with, at each step"),
    REAL("model.learning_rate", model.learning_rate, 1e-6, 10, "0.1", 0, "size of a learning step"),
    REAL("model.gamma", model.gamma, 0, 1, "0.8", 0,
         "how much an item of the history counts beside the next newer one"),
    REAL("model.beta", model.beta, 0, 1, "0.5", 0, "power by which a long history is scaled down"),
    INT("model.window", model.window, 16, 1e6, "16384", CONFIG_SHAPES,
        "recent positives that negatives are drawn from"),
    INT("model.seed", model.seed, 0, EXACT_MAX, "1", CONFIG_SHAPES,
        "of every random draw: the same log and seed give the same state"),
    REAL(
        "model.watch_floor", model.watch_floor, 0, 0.99, "0.3", 0,
        "a watch of no higher rank teaches nothing but that the item was met (reward.watch: rank)"),
    INT("model.dislike_neighbours", model.dislike_neighbours, 0, 50, "10", 0,
        "items near a disliked one that leave this user's lists too, for 30 days: by taste and by "
        "use each"),
    INT("model.max_users", model.max_users, 1, 1e9, "10000000", 0,
        "users that may ever be known; address space is reserved, memory used as they appear"),
    TIME("model.session_gap", model.session_gap, 1 * SECOND, 1 * DAY, "30m", 0,
         "without session_id, a pause longer than this begins a new session"),
    REAL("model.surface_evidence", model.surface_evidence, 0, 1e6, "10", 0,
         "first lists by surface: choices of an item after which its count there is believed half; "
         "0: surfaces are not looked at"),
    {"model.content", CONFIG_BOOL, AT(model.content), 0, 1, 0, NULL, "on", CONFIG_SHAPES,
     "whether items are learned of from their descriptions too: new ones are found at once"},
    TEXT(
        "model.modalities", model.modalities, 0, 64, "", CONFIG_SHAPES,
        "modalities that are learned from, say video,text; \"\": all that catalog.features gives a "
        "dimension"),
    REAL("model.adversarial.weight", model.adversarial.weight, 0, 1, "0", 0,
         "adversarial training of what content says of an item; 0: none (best when measured)"),
    INT("model.max_features", model.max_features, 1, 1e8, "1000000", 0,
        "tags, categories, uploaders, words and the like that may ever be known, of all items"),

    TIME("conversion.window", conversion.window, 1 * MINUTE, 90 * DAY, "7d", 0,
         "an enroll or purchase this long after a watch still counts as its conversion"),
    REAL("conversion.half_life", conversion.half_life, 1000, 1e9, "200000", 0,
         "exposures after which one counts half in what the conversion head has learned"),
    OUTCOME("course", 0, "a course (any course_id without a prefix named here)", "off", "off"),
    OUTCOME("subscription", 1, "a subscription (course_id sub:...)", "off", "off"),
    OUTCOME("paid_question", 2, "a paid question (course_id q:...)", "off", "off"),
    OUTCOME("ad", 3, "an ad (course_id ad:...)", "off", "on"),

    INT("rank.n", rank.n, 1, 1000, "50", 0, "items of a list"),
    TIME("rank.coalesce", rank.coalesce, 0, 1 * SECOND, "5ms", 0,
         "under load a list may wait this long for more events of its user; when idle it never "
         "waits"),
    REAL("rank.impression_penalty", rank.impression_penalty, 0, 100, "1", 0,
         "what each showing without a watch takes off an item's score"),

    INT("policy.explore.slots", policy.explore.slots, 0, 100, "1", 0,
        "places of every policy.explore.per that are drawn by chance; 0: none"),
    INT("policy.explore.per", policy.explore.per, 2, 1000, "20", 0,
        "of so many places the last policy.explore.slots are drawn by chance; a list of half as "
        "many has them too"),
    REAL("policy.explore.temperature", policy.explore.temperature, 0.001, 1e6, "1", 0,
         "how evenly is drawn, in mean rewards of such a showing; smaller: the best of them more "
         "often"),
    REAL("policy.explore.uncertainty", policy.explore.uncertainty, 0, 100, "1", 0,
         "standard deviations added to what an item is thought to bring: more for what was shown "
         "little"),
    REAL("policy.explore.floor", policy.explore.floor, 0, 1, "0.1", 0,
         "share of the chance that is given to all alike, so that no propensity is tiny"),

    REAL("policy.conversion", policy.conversion, 0, 1e6, "0", 0,
         "what the worth of a conversion times its probability adds to a score; 0: nothing"),
    REAL("policy.mmr", policy.mmr, 0, 1e6, "0", 0,
         "what likeness (cosine) to the most alike item above takes off a score; 0: nothing"),
    INT("policy.category.most", policy.category.most, 0, 1000, "0", 0,
        "items of one category in policy.category.within places, at most; 0: any"),
    INT("policy.category.within", policy.category.within, 0, 1000, "0", 0,
        "places that follow each other, for policy.category.most; 0: the whole list"),
    INT("policy.courses.most", policy.courses.most, -1, 1000, "-1", 0,
        "items of a list that lead to a course, at most; -1: any"),
    INT("policy.courses.least", policy.courses.least, 0, 1000, "0", 0,
        "items of a list that lead to a course, at least, where there are so many"),
    INT("policy.courses.distance", policy.courses.distance, 0, 1000, "0", 0,
        "places from one item with a course to the next, at least; 0: any"),
    INT("policy.fresh.most", policy.fresh.most, 0, 1000, "0", 0,
        "fresh items that are lifted into a list, at most; 0: none"),
    INT("policy.fresh.every", policy.fresh.every, 1, 1000, "10", 0,
        "of so many places one is for a fresh item, up to policy.fresh.most"),
    TIME("policy.fresh.age", policy.fresh.age, 1 * MINUTE, 365 * DAY, "3d", 0,
         "an item is fresh for so long, while it was chosen at most five times"),

    TIME("publish.active", publish.active, 1 * SECOND, 30 * DAY, "1h", 0,
         "a user with an event within this time is active: the list is kept fresh"),
    TIME("publish.ttl", publish.ttl, 1 * SECOND, 365 * DAY, "7d", 0, "life of a stored list"),
    INT("publish.incarnation", publish.incarnation, 0, 4294967295.0, "0", 0,
        "of the event log: raise it by one when the topic was made anew, so that new lists win"),

    INT("similar.n", similar.n, 0, 100, "20", 0,
        "items of a related list (zl:similar:<item>); 0: none are learned or written"),
    TIME("similar.every", similar.every, 100 * MS, 1 * DAY, "10s", 0,
         "the related list of an item is made anew at most this often"),
    TIME("similar.ttl", similar.ttl, 1 * SECOND, 365 * DAY, "7d", 0, "life of a related list"),
    INT("hot.n", hot.n, 0, 1000, "50", 0,
        "items of a popularity list (zl:hot:<category>, zl:hot:surface:<surface>, zl:hot:all); 0: "
        "none "
        "are written"),
    TIME("hot.every", hot.every, 100 * MS, 1 * DAY, "5s", 0,
         "popularity lists are made anew at most this often"),
    TIME("hot.ttl", hot.ttl, 1 * SECOND, 365 * DAY, "7d", 0, "life of a popularity list"),

    CHOICE("sink.kind", sink.kind, "redis|stdout|none", "redis", 0, "where lists go"),
    TEXT("sink.url", sink.url, 1, TEXT_MAX, "${REDIS_URL:-redis://127.0.0.1:6379/0}", CONFIG_URL,
         "redis://[user[:password]@]host[:port][/db] or unix:///path.sock[?db=n]"),
    TEXT("sink.username", sink.username, 0, 255, "", 0, "of Redis; overrides the url's"),
    {"sink.password", CONFIG_SECRET, AT(sink.password), 0, CONFIG_MAX_VALUE, 0, NULL, "", 0,
     "of Redis: ${VAR} or {file: PATH}, never a literal; overrides the url's"},
    TEXT("sink.password_file", sink.password_file, 0, TEXT_MAX, "", 0,
         "file that holds the password (its last newline is cut)"),
    TEXT("sink.prefix", sink.prefix, 0, 64, "zl:", 0, "put before every key"),
    BOOL("sink.scores", sink.scores, "off", "write the scores beside the items"),
    BOOL("sink.similar", sink.similar, "off",
         "stdout: print related and popularity lists too, once, at the end of the input"),
    INT("sink.inflight", sink.inflight, 1, 4096, "256", 0,
        "lists sent and not yet answered, at most"),
    TIME("sink.timeout", sink.timeout, 10 * MS, 60 * SECOND, "2s", 0,
         "a connection that has not answered for this long is closed and made anew"),

    TEXT("checkpoint.path", checkpoint.path, 0, TEXT_MAX, "/var/lib/zhiliu", 0,
         "folder of the state on disk; off: none. With source.kind file the default is off"),
    TIME("checkpoint.interval", checkpoint.interval, 100 * MS, 1 * HOUR, "10s", 0,
         "time from one saved moment to the next"),

    TEXT("monitor.listen", monitor.listen, 0, 255, "127.0.0.1:9464", 0,
         "host:port of /metrics, /livez, /readyz; off: none. With source.kind file the default is "
         "off"),

    CHOICE("log.level", log.level, "debug|info|warn|error", "info", 0,
           "the least level that is written"),
    CHOICE("log.format", log.format, "text|json", "text", 0, "how a log line is written"),
};

#define N_ROWS ((int)(sizeof rows / sizeof rows[0]))

static const struct {
    const char *section, *help;
} sections[] = {
    {"source", "A log in: Kafka or a file."},
    {"decode", "Bytes to events."},
    {"dead_letters", "Where bad input goes."},
    {"guard", "What is admitted."},
    {"reward", "What an event is worth."},
    {"catalog", "What is known of an item."},
    {"model", "What is learned."},
    {"conversion", "What leads to enrolments and purchases, and what these are worth."},
    {"rank", "How a list is made."},
    {"policy", "What stands on a list beyond the score: chance, business value, rules."},
    {"publish", "Which lists are written, and for how long."},
    {"similar", "Related items of an item's page."},
    {"hot", "Popular items by category and surface, for users without a list."},
    {"sink", "Where lists go."},
    {"checkpoint", "The state on disk."},
    {"monitor", "Metrics and health over HTTP."},
    {"log", "Words on stderr."},
};

/* What the engine's promises rest on is not the operator's to change. */
static const struct {
    const char *property, *why;
} forbidden[] = {
    {"bootstrap.servers", "set source.brokers instead"},
    {"metadata.broker.list", "set source.brokers instead"},
    {"group.id", "set source.group instead"},
    {"group.instance.id", "set source.instance instead"},
    {"enable.auto.commit",
     "offsets live in the checkpoint; the engine commits them itself, for lag tools"},
    {"enable.auto.offset.store",
     "offsets live in the checkpoint; the engine commits them itself, for lag tools"},
    {"isolation.level", "the engine reads committed messages only"},
    {"partition.assignment.strategy", "the engine needs range, which is eager"},
    {"auto.offset.reset",
     "without a checkpoint the engine starts at the earliest offset; expired offsets stop it"},
    {"enable.partition.eof", "the engine needs it to know when the items were read to the end"},
};

static const char *const secret_properties[] = {
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
};

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int config_table_count(void)
{
    return N_ROWS;
}

const struct config_row *config_table_row(int i)
{
    return &rows[i];
}

int config_table_find(const char *key)
{
    for (int i = 0; i < N_ROWS; i++)
        if (strcmp(rows[i].key, key) == 0)
            return i;
    return -1;
}

bool config_table_section(const char *key)
{
    size_t len = strlen(key);
    for (int i = 0; i < N_ROWS; i++)
        if (strncmp(rows[i].key, key, len) == 0 && rows[i].key[len] == '.')
            return true;
    return false;
}

const char *config_table_section_help(const char *section)
{
    for (int i = 0; i < COUNT(sections); i++)
        if (strcmp(sections[i].section, section) == 0)
            return sections[i].help;
    return NULL;
}

const char *config_table_forbidden(const char *property)
{
    for (int i = 0; i < COUNT(forbidden); i++)
        if (strcmp(forbidden[i].property, property) == 0)
            return forbidden[i].why;
    return NULL;
}

bool config_table_secret_property(const char *property)
{
    for (int i = 0; i < COUNT(secret_properties); i++)
        if (strcmp(secret_properties[i], property) == 0)
            return true;
    return false;
}
