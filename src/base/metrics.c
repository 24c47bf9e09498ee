/* What is counted while it runs, and how Prometheus is told.
 *
 * A metric is one row of `table`: its name, its type, a line of help, and a function that writes its labels. Everything else
 * follows from the row: where its numbers live, how they are rendered, what the reference page says. To add a metric, add its
 * name to enum metric and its row here.
 *
 * Numbers live in fixed arrays of 64-bit cells. A counter's cell is an integer, a gauge's cell holds the bits of a double. Each
 * is written with one relaxed atomic operation, for a reader only wants every number to be whole, not all of one moment. A
 * histogram is a row of such cells, one a bucket, and a sum kept as an integer (nanoseconds for seconds), since adding to a
 * double would need a loop of compare-and-swap. The count that is rendered is the sum of the buckets, so that both always agree.
 *
 * A family whose labels come from a closed list (types, outcomes, reasons) shows all of them from the start, so that a rate
 * over a series that has just begun is not lost; partitions and percentiles are shown once they have been set.
 */
#define _GNU_SOURCE
#include "base/metrics.h"

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

#define MAX_LABELS (ZL_N_EVENT_TYPES * ZL_N_OUTCOMES)
#define MAX_BOUNDS 22
#define N_HISTOGRAMS (4 + N_STAGES)
#define MAX_LABEL_TEXT 512

enum kind { COUNTER, COUNTER_SECONDS, GAUGE, HISTOGRAM };

struct buckets {
    int n;
    double scale; /* the sum is kept in units of 1/scale */
    double bounds[MAX_BOUNDS];
};

/* Finest where freshness is promised: half a millisecond to 50. */
static const struct buckets in_seconds = {
    22, 1e9, {0.0001, 0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01,
              0.015,  0.02,    0.03,   0.05,  0.1,    0.25,  0.5,   1,     5,     15,     60}};
static const struct buckets in_messages = {11, 1, {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}};

/* Writes `name="value",...` of one series. */
typedef void label_writer(unsigned label, char *out, size_t len);

struct row {
    const char *name;
    enum kind kind;
    const char *help;
    const char *label_names; /* for the reference page; "" when there are none */
    label_writer *labels;    /* NULL: one series without labels */
    unsigned n_labels;       /* 1 without labels */
    unsigned first_label;    /* labels below it are never shown */
    bool open;               /* shown once set, label by label */
    const struct buckets *buckets;
    unsigned histogram; /* index of its first histogram */
};

static char info_labels[MAX_LABEL_TEXT] = "version=\"\",librdkafka=\"\",kernel=\"\"";

static void label_info(unsigned label, char *out, size_t len)
{
    (void)label;
    snprintf(out, len, "%s", info_labels);
}

static void label_event(unsigned label, char *out, size_t len)
{
    snprintf(out, len, "type=\"%s\",outcome=\"%s\"",
             zl_event_type_name((enum zl_event_type)(label / ZL_N_OUTCOMES)),
             zl_outcome_name((enum zl_outcome)(label % ZL_N_OUTCOMES)));
}

static void label_item_status(unsigned label, char *out, size_t len)
{
    snprintf(out, len, "status=\"%s\"", zl_item_status_name((enum zl_item_status)label));
}

static void label_control(unsigned label, char *out, size_t len)
{
    static const char *const names[] = {"forget", "opt_out", "opt_in"};
    snprintf(out, len, "type=\"%s\"", names[label]);
}

static void label_reason(unsigned label, char *out, size_t len)
{
    snprintf(out, len, "reason=\"%s\"", zl_reason_name((enum zl_reason)label));
}

static void label_topic(unsigned label, char *out, size_t len)
{
    snprintf(out, len, "topic=\"%s\"", zl_topic_name((enum zl_topic)label));
}

static void label_partition(unsigned label, char *out, size_t len)
{
    snprintf(out, len, "partition=\"%u\"", label);
}

static void label_percentile(unsigned label, char *out, size_t len)
{
    snprintf(out, len, "percentile=\"%s\"", label ? "99" : "50");
}

static void label_stage(unsigned label, char *out, size_t len)
{
    static const char *const names[N_STAGES] = {"decode", "guard", "learn",
                                                "rank",   "write", "checkpoint"};
    snprintf(out, len, "stage=\"%s\"", names[label]);
}

static void label_written(unsigned label, char *out, size_t len)
{
    static const char *const names[] = {"ok", "stale", "failed"};
    snprintf(out, len, "result=\"%s\"", names[label]);
}

static void label_credited(unsigned label, char *out, size_t len)
{
    static const char *const names[] = {"yes", "no", "no_course"};
    snprintf(out, len, "credited=\"%s\"", names[label]);
}

static void label_refund(unsigned label, char *out, size_t len)
{
    snprintf(out, len, "conversion=\"%s\"", label ? "unknown" : "known");
}

static void label_mean(unsigned label, char *out, size_t len)
{
    snprintf(out, len, "of=\"%s\"", label ? "observed" : "predicted");
}

static void label_similar(unsigned label, char *out, size_t len)
{
    static const char *const names[] = {"ranked", "unchanged", "ok", "stale", "failed"};
    snprintf(out, len, "what=\"%s\"", names[label]);
}

static void label_rows(unsigned label, char *out, size_t len)
{
    static const char *const names[] = {"users", "items", "courses", "other"};
    snprintf(out, len, "kind=\"%s\"", names[label]);
}

static void label_checkpoint(unsigned label, char *out, size_t len)
{
    snprintf(out, len, "result=\"%s\"", label ? "failed" : "ok");
}

/* clang-format off */
#define PLAIN .label_names = "", .n_labels = 1
#define LABELS(names, writer, n) .label_names = names, .labels = writer, .n_labels = (n)
#define SECONDS(first) .buckets = &in_seconds, .histogram = (first)

static const struct row table[METRIC_N] = {
    [METRIC_BUILD_INFO] = {"zhiliu_build_info", GAUGE,
        "Always 1; what is running, by its labels.", LABELS("version, librdkafka, kernel", label_info, 1)},
    [METRIC_EVENTS] = {"zhiliu_events_total", COUNTER,
        "Events by type and by what became of them; each event has exactly one outcome.",
        LABELS("type, outcome", label_event, MAX_LABELS)},
    [METRIC_ITEMS] = {"zhiliu_items_total", COUNTER,
        "Messages of the items topic by the status they set.", LABELS("status", label_item_status, 4)},
    [METRIC_CONTROLS] = {"zhiliu_controls_total", COUNTER,
        "Messages of the controls topic by type.", LABELS("type", label_control, 3)},
    [METRIC_REJECTS] = {"zhiliu_rejects_total", COUNTER,
        "Inputs that became dead letters, by reason.",
        LABELS("reason", label_reason, ZL_N_REASONS), .first_label = 1},
    [METRIC_DEAD_LETTERS_UNACKED] = {"zhiliu_dead_letters_unacknowledged", GAUGE,
        "Dead letters sent to Kafka and not yet acknowledged; checkpoints wait for them.", PLAIN},
    [METRIC_LATE] = {"zhiliu_late_events_total", COUNTER,
        "Events older than guard.late against the reference clock; learned all the same.", PLAIN},
    [METRIC_CLOCK_SKEW] = {"zhiliu_clock_skew_events_total", COUNTER,
        "Events whose ts was too far ahead, taken at the reference time instead.", PLAIN},
    [METRIC_DUPLICATES_WINDOW] = {"zhiliu_duplicates_window_seconds", GAUGE,
        "How far back the duplicate memory reaches; below 24 h its budget is too small.", PLAIN},
    [METRIC_DUPLICATES_BYTES] = {"zhiliu_duplicates_bytes", GAUGE,
        "Memory of the duplicate filter.", PLAIN},
    [METRIC_SOURCE_MESSAGES] = {"zhiliu_source_messages_total", COUNTER,
        "Messages taken from the log, by topic.", LABELS("topic", label_topic, ZL_N_TOPICS)},
    [METRIC_SOURCE_BYTES] = {"zhiliu_source_bytes_total", COUNTER,
        "Bytes of message values taken from the log, by topic.", LABELS("topic", label_topic, ZL_N_TOPICS)},
    [METRIC_SOURCE_GAPS] = {"zhiliu_source_skipped_offsets_total", COUNTER,
        "Offsets that the log did not deliver between two messages (transaction marks, compaction, loss).", PLAIN},
    [METRIC_SOURCE_LAG] = {"zhiliu_source_lag_messages", GAUGE,
        "Messages of the events topic not yet taken in; partitions from 63 on are summed in 63.",
        LABELS("partition", label_partition, 64), .open = true},
    [METRIC_SOURCE_RTT] = {"zhiliu_source_rtt_seconds", GAUGE,
        "Round trip to the slowest broker, from librdkafka's statistics.",
        LABELS("percentile", label_percentile, 2), .open = true},
    [METRIC_SOURCE_BROKERS_UP] = {"zhiliu_source_brokers_up", GAUGE, "Brokers that answer.", PLAIN},
    [METRIC_SOURCE_STATE] = {"zhiliu_source_connected", GAUGE,
        "1 when the log is assigned and answers, else 0.", PLAIN},
    [METRIC_BATCH_SIZE] = {"zhiliu_source_batch_messages", HISTOGRAM,
        "Messages taken by one poll.", PLAIN, .buckets = &in_messages, .histogram = 0},
    [METRIC_STAGE_SECONDS] = {"zhiliu_stage_seconds", HISTOGRAM,
        "Time of one stage for one batch.", LABELS("stage", label_stage, N_STAGES), SECONDS(4)},
    [METRIC_FRESHNESS_SENT] = {"zhiliu_freshness_sent_seconds", HISTOGRAM,
        "From the producer's sent_ms to the store's acknowledgement of the list that followed.", PLAIN, SECONDS(1)},
    [METRIC_FRESHNESS_LOG] = {"zhiliu_freshness_log_seconds", HISTOGRAM,
        "From the Kafka timestamp to the store's acknowledgement of the list that followed.", PLAIN, SECONDS(2)},
    [METRIC_FEATURES_LEFT_OUT] = {"zhiliu_features_left_out_total", COUNTER,
        "Tags, words and the like of described items that found no room: raise model.max_features.", PLAIN},
    [METRIC_CONVERSION_EXPOSURES] = {"zhiliu_conversion_exposures_total", COUNTER,
        "Watches that might have led to an enrolment or a purchase.", PLAIN},
    [METRIC_CONVERSIONS] = {"zhiliu_conversions_total", COUNTER,
        "First enrolments or purchases of a user and course; credited to a watch, or without one in the window; all that tell no course.",
        LABELS("credited", label_credited, 3)},
    [METRIC_CONVERSION_REFUNDS] = {"zhiliu_conversion_refunds_total", COUNTER,
        "Refunds; known ones took their conversion, or a share of it, back.", LABELS("conversion", label_refund, 2)},
    [METRIC_CONVERSION_MEAN] = {"zhiliu_conversion_rate", GAUGE,
        "Conversions an exposure, as predicted before and as observed since; far apart: not calibrated.",
        LABELS("of", label_mean, 2)},
    [METRIC_LISTS_RANKED] = {"zhiliu_lists_ranked_total", COUNTER, "Lists ranked.", PLAIN},
    [METRIC_LISTS_UNCHANGED] = {"zhiliu_lists_unchanged_total", COUNTER,
        "Lists ranked that equal what was written last.", PLAIN},
    [METRIC_LISTS_WRITTEN] = {"zhiliu_lists_written_total", COUNTER,
        "Lists sent to the store: ok; stale, a newer one stood there; failed, to be sent again.",
        LABELS("result", label_written, 3)},
    [METRIC_LISTS_CUT] = {"zhiliu_lists_cut_total", COUNTER,
        "Lists shortened because an item on them was blocked.", PLAIN},
    [METRIC_SIMILAR_LISTS] = {"zhiliu_similar_lists_total", COUNTER,
        "Related lists of items: ranked; unchanged, equal to what was written last; ok, stale and failed as of users' lists.",
        LABELS("what", label_similar, 5)},
    [METRIC_SIMILAR_DUE] = {"zhiliu_similar_due", GAUGE, "Items whose related list is due.", PLAIN},
    [METRIC_HOT_LISTS] = {"zhiliu_hot_lists_total", COUNTER,
        "Popularity lists sent to the store.", LABELS("result", label_written, 3)},
    [METRIC_USERS_DIRTY] = {"zhiliu_users_due", GAUGE, "Users whose list is due.", PLAIN},
    [METRIC_USERS_ACTIVE] = {"zhiliu_users_active", GAUGE, "Users with an event within publish.active.", PLAIN},
    [METRIC_ROWS] = {"zhiliu_rows", GAUGE, "Rows of state.", LABELS("kind", label_rows, 3)},
    [METRIC_ROWS_TOUCHED] = {"zhiliu_rows_touched", GAUGE,
        "Rows changed since the last checkpoint.", LABELS("kind", label_rows, 4)},
    [METRIC_STATE_BYTES] = {"process_resident_memory_bytes", GAUGE, "Resident memory size in bytes.", PLAIN},
    [METRIC_SINK_STATE] = {"zhiliu_sink_connected", GAUGE,
        "1 when the store is connected and takes lists, else 0.", PLAIN},
    [METRIC_SINK_RECONNECTS] = {"zhiliu_sink_connections_total", COUNTER,
        "Connections made to the store, the first one included.", PLAIN},
    [METRIC_SINK_ERRORS] = {"zhiliu_sink_errors_total", COUNTER,
        "Error replies, timeouts and broken connections of the store.", PLAIN},
    [METRIC_SINK_INFLIGHT] = {"zhiliu_sink_inflight_lists", GAUGE,
        "Lists sent to the store and not yet answered.", PLAIN},
    [METRIC_CHECKPOINTS] = {"zhiliu_checkpoints_total", COUNTER,
        "Checkpoints sealed or failed.", LABELS("result", label_checkpoint, 2)},
    [METRIC_CHECKPOINT_TIME] = {"zhiliu_checkpoint_last_success_timestamp_seconds", GAUGE,
        "When the newest checkpoint was sealed, Unix time; 0 before the first.", PLAIN},
    [METRIC_CHECKPOINT_BYTES] = {"zhiliu_checkpoint_bytes_total", COUNTER, "Bytes written to checkpoints.", PLAIN},
    [METRIC_CHECKPOINT_SECONDS] = {"zhiliu_checkpoint_seconds", HISTOGRAM,
        "From the moment of a checkpoint to its seal.", PLAIN, SECONDS(3)},
    [METRIC_LOOP_BEAT] = {"zhiliu_loop_last_turn_timestamp_seconds", GAUGE,
        "When the engine's loop last turned, Unix time.", PLAIN},
    [METRIC_CPU_SECONDS] = {"process_cpu_seconds_total", COUNTER_SECONDS,
        "Total user and system CPU time spent in seconds.", PLAIN},
    [METRIC_START_TIME] = {"process_start_time_seconds", GAUGE,
        "Start time of the process since unix epoch in seconds.", PLAIN},
};
/* clang-format on */

struct histogram {
    _Atomic uint64_t sum;
    _Atomic uint64_t in[MAX_BOUNDS + 1]; /* the last one: beyond every bound */
};

static _Atomic uint64_t cells[METRIC_N][MAX_LABELS];
static _Atomic bool was_set[METRIC_N][MAX_LABELS];
static struct histogram histograms[N_HISTOGRAMS];

static const struct row *row_of(enum metric m, unsigned label)
{
    ASSERT(m < METRIC_N && label < table[m].n_labels);
    return &table[m];
}

void metrics_add(enum metric m, unsigned label, uint64_t n)
{
    ASSERT(row_of(m, label)->kind == COUNTER);
    atomic_fetch_add_explicit(&cells[m][label], n, memory_order_relaxed);
}

void metrics_set(enum metric m, unsigned label, double value)
{
    enum kind kind = row_of(m, label)->kind;
    ASSERT(kind == GAUGE || kind == COUNTER_SECONDS);
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    atomic_store_explicit(&cells[m][label], bits, memory_order_relaxed);
    atomic_store_explicit(&was_set[m][label], true, memory_order_relaxed);
}

static struct histogram *histogram_of(enum metric m, unsigned label)
{
    const struct row *r = row_of(m, label);
    ASSERT(r->kind == HISTOGRAM);
    return &histograms[r->histogram + label];
}

static int bucket_of(const struct buckets *b, double value)
{
    int lo = 0, hi = b->n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (b->bounds[mid] < value)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Clocks of two machines differ: a negative span counts as 0. */
void metrics_observe(enum metric m, unsigned label, double value)
{
    struct histogram *h = histogram_of(m, label);
    const struct buckets *b = table[m].buckets;
    if (!(value > 0))
        value = 0;
    if (value > 1e9)
        value = 1e9;
    atomic_fetch_add_explicit(&h->in[bucket_of(b, value)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum, (uint64_t)llround(value * b->scale), memory_order_relaxed);
}

static uint64_t read_cell(const _Atomic uint64_t *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

/* Copies the buckets; their sum. */
static uint64_t read_buckets(const struct histogram *h, int n, uint64_t *in)
{
    uint64_t all = 0;
    for (int i = 0; i <= n; i++)
        all += in[i] = read_cell(&h->in[i]);
    return all;
}

uint64_t metrics_count(enum metric m, unsigned label)
{
    const struct row *r = row_of(m, label);
    uint64_t in[MAX_BOUNDS + 1];
    if (r->kind == HISTOGRAM)
        return read_buckets(histogram_of(m, label), r->buckets->n, in);
    ASSERT(r->kind == COUNTER);
    return read_cell(&cells[m][label]);
}

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static double resident_bytes(void)
{
    unsigned long size, resident = 0;
    FILE *in = fopen("/proc/self/statm", "re");
    if (in) {
        if (fscanf(in, "%lu %lu", &size, &resident) != 2)
            resident = 0;
        fclose(in);
    }
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* What the kernel knows better than we do. */
static void refresh(enum metric m)
{
    if (m == METRIC_CPU_SECONDS)
        metrics_set(m, 0, cpu_seconds());
    else if (m == METRIC_STATE_BYTES)
        metrics_set(m, 0, resident_bytes());
}

__attribute__((constructor)) static void set_constants(void)
{
    metrics_set(METRIC_START_TIME, 0, (double)clock_wall_ms() / 1000);
    metrics_set(METRIC_BUILD_INFO, 0, 1);
}

double metrics_value(enum metric m, unsigned label)
{
    enum kind kind = row_of(m, label)->kind;
    ASSERT(kind == GAUGE || kind == COUNTER_SECONDS);
    refresh(m);
    uint64_t bits = read_cell(&cells[m][label]);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double metrics_quantile(enum metric m, unsigned label, double q)
{
    const struct histogram *h = histogram_of(m, label);
    const struct buckets *b = table[m].buckets;
    uint64_t in[MAX_BOUNDS + 1];
    double rank = q * (double)read_buckets(h, b->n, in), below = 0;
    if (rank <= 0 && q > 0)
        return 0;
    for (int i = 0; i < b->n; i++) {
        if (in[i] && below + (double)in[i] >= rank) {
            double from = i ? b->bounds[i - 1] : 0;
            return from + (b->bounds[i] - from) * (rank - below) / (double)in[i];
        }
        below += (double)in[i];
    }
    return in[b->n] ? b->bounds[b->n - 1] : 0; /* beyond the last bound: at least that */
}

/* Label values: backslash, quote and newline are escaped, as the text format asks. */
static size_t append_label(char *out, size_t len, size_t at, const char *name, const char *value)
{
    at += (size_t)snprintf(out + at, len - at, "%s%s=\"", at ? "," : "", name);
    for (; *value && at + 8 < len; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            out[at++] = '\\';
        out[at++] = *value == '\n' ? 'n' : *value;
    }
    out[at++] = '"';
    out[at] = '\0';
    return at;
}

void metrics_set_info(const char *version, const char *librdkafka, const char *kernel)
{
    char third[MAX_LABEL_TEXT / 3];
    size_t at = 0;
    snprintf(third, sizeof third - 20, "%s", version);
    at = append_label(info_labels, sizeof info_labels, at, "version", third);
    snprintf(third, sizeof third - 20, "%s", librdkafka);
    at = append_label(info_labels, sizeof info_labels, at, "librdkafka", third);
    snprintf(third, sizeof third - 20, "%s", kernel);
    append_label(info_labels, sizeof info_labels, at, "kernel", third);
}

/* The shortest digits that read back as the same double: 0.1, not 0.10000000000000001. */
static const char *number(double value, char out[32])
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, value);
        double back;
        if (sscanf(out, "%lf", &back) == 1 && !(back < value) && !(back > value))
            break;
    }
    return out;
}

static void render_histogram(FILE *out, const struct row *r, unsigned label, const char *labels)
{
    const struct histogram *h = &histograms[r->histogram + label];
    uint64_t in[MAX_BOUNDS + 1] = {0}, below = 0;
    char digits[32];
    const char *comma = *labels ? "," : "";
    uint64_t all = read_buckets(h, r->buckets->n, in);
    for (int i = 0; i < r->buckets->n; i++) {
        below += in[i];
        fprintf(out, "%s_bucket{%s%sle=\"%s\"} %llu\n", r->name, labels, comma,
                number(r->buckets->bounds[i], digits), (unsigned long long)below);
    }
    fprintf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", r->name, labels, comma,
            (unsigned long long)all);
    const char *open = *labels ? "{" : "", *close = *labels ? "}" : "";
    fprintf(out, "%s_sum%s%s%s %s\n", r->name, open, labels, close,
            number((double)read_cell(&h->sum) / r->buckets->scale, digits));
    fprintf(out, "%s_count%s%s%s %llu\n", r->name, open, labels, close, (unsigned long long)all);
}

static void render_series(FILE *out, enum metric m, unsigned label)
{
    const struct row *r = &table[m];
    char labels[MAX_LABEL_TEXT] = "", digits[32];
    if (r->labels)
        r->labels(label, labels, sizeof labels);
    if (r->kind == HISTOGRAM) {
        render_histogram(out, r, label, labels);
        return;
    }
    fprintf(out, *labels ? "%s{%s} " : "%s%s ", r->name, labels);
    if (r->kind == COUNTER)
        fprintf(out, "%llu\n", (unsigned long long)read_cell(&cells[m][label]));
    else
        fprintf(out, "%s\n", number(metrics_value(m, label), digits));
}

static bool shown(enum metric m, unsigned label)
{
    return !table[m].open || atomic_load_explicit(&was_set[m][label], memory_order_relaxed);
}

static const char *type_name(enum kind kind)
{
    return kind == HISTOGRAM ? "histogram" : kind == GAUGE ? "gauge" : "counter";
}

static void render_family(FILE *out, enum metric m)
{
    const struct row *r = &table[m];
    bool headed = false;
    for (unsigned label = r->first_label; label < r->n_labels; label++) {
        if (!shown(m, label))
            continue;
        if (!headed)
            fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", r->name, r->help, r->name,
                    type_name(r->kind));
        headed = true;
        render_series(out, m, label);
    }
}

void metrics_render(FILE *out)
{
    for (int m = 0; m < METRIC_N; m++)
        render_family(out, (enum metric)m);
}

void metrics_document(FILE *out)
{
    fprintf(
        out,
        "# Metrics\n\n"
        "Served as Prometheus text at `/metrics` of `monitor.listen` (127.0.0.1:9464 by default).\n"
        "This page is made from the table in `src/base/metrics.c`.\n\n"
        "| name | type | labels | what it says |\n|---|---|---|---|\n");
    for (int m = 0; m < METRIC_N; m++)
        fprintf(out, "| `%s` | %s | %s | %s |\n", table[m].name, type_name(table[m].kind),
                table[m].label_names, table[m].help);
}
