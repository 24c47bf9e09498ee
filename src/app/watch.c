/* Once a second: is the engine ready, and if not, why; and the gauges that nobody else sets. */
#include <stdio.h>
#include <string.h>

#include "app/engine_priv.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define STUCK_MS 10000

struct words {
    char text[2048];
    size_t len;
};

static void add(struct words *w, const char *what, const char *why)
{
    int n = snprintf(w->text + w->len, sizeof w->text - w->len, "%s%s%s\n", what,
                     why[0] ? ": " : "", why);
    w->len = w->len + (size_t)n < sizeof w->text ? w->len + (size_t)n : sizeof w->text - 1;
}

static void ask_doors(struct engine *e, struct words *w)
{
    char why[256] = "";
    bool kafka = source_connected(e->source, why, sizeof why);
    metrics_set(METRIC_SOURCE_STATE, 0, kafka);
    if (!kafka)
        add(w, "source", why);
    if (!source_items_ready(e->source))
        add(w, "catalog", "the items topic is not read to its end yet");
    why[0] = 0;
    bool store = sink_connected(e->sink, why, sizeof why);
    metrics_set(METRIC_SINK_STATE, 0, store);
    if (!store)
        add(w, "sink", why);
}

static void ask_writer(struct engine *e, struct words *w, int64_t now_ns)
{
    char why[128];
    int64_t waited_ms = publish_oldest_wait_ms(e->publish, now_ns);
    if (waited_ms > STUCK_MS) {
        snprintf(why, sizeof why, "a list has been due for %lld ms", (long long)waited_ms);
        add(w, "writer", why);
    }
    if (!e->checkpoint)
        return;
    int64_t sealed_ms = checkpoint_sealed_ms(e->checkpoint),
            limit_ms = 6 * e->cfg->checkpoint.interval + 30000;
    int64_t age_ms = clock_wall_ms() - sealed_ms;
    if (sealed_ms && age_ms > limit_ms) {
        snprintf(why, sizeof why, "the newest one is %lld s old (interval %lld s)",
                 (long long)age_ms / 1000, (long long)e->cfg->checkpoint.interval / 1000);
        add(w, "checkpoint", why);
    }
}

static void set_lag(struct engine *e)
{
    for (int i = 0; i < e->positions.n; i++) {
        const struct zl_position *p = &e->positions.at[i];
        if (p->topic != ZL_TOPIC_EVENTS)
            continue;
        int64_t high = source_high_watermark(e->source, p->topic, p->partition);
        if (high >= 0 && p->partition < 64)
            metrics_set(METRIC_SOURCE_LAG, (unsigned)p->partition,
                        high > p->next ? (double)(high - p->next) : 0);
    }
}

static void set_statistics(struct engine *e)
{
    struct decode_statistics s;
    struct zl_span json = source_statistics(e->source);
    if (json.len == 0 || !decode_source_statistics(e->decode, json, &s))
        return;
    metrics_set(METRIC_SOURCE_RTT, 0, s.rtt_p50_s);
    metrics_set(METRIC_SOURCE_RTT, 1, s.rtt_p99_s);
    metrics_set(METRIC_SOURCE_BROKERS_UP, 0, s.brokers_up);
}

static void set_rows(struct engine *e)
{
    double touched[4] = {0};
    for (int i = 0; i < e->n_tables; i++) {
        enum rows_kind kind = e->tables[i].kind;
        int label = kind == ROWS_USERS        ? 0
                    : kind == ROWS_ITEMS      ? 1
                    : kind == ROWS_COURSE_IDS ? 2
                                              : 3;
        touched[label] += e->tables[i].track->n_dirty;
    }
    for (unsigned i = 0; i < 4; i++)
        metrics_set(METRIC_ROWS_TOUCHED, i, touched[i]);
    metrics_set(METRIC_ROWS, 0, ids_count(e->users));
    metrics_set(METRIC_ROWS, 1, ids_count(e->items));
    metrics_set(METRIC_ROWS, 2, ids_count(e->courses));
    metrics_set(METRIC_DUPLICATES_WINDOW, 0, (double)guard_duplicates_window_s(e->guard));
    metrics_set(METRIC_DUPLICATES_BYTES, 0, (double)guard_duplicates_bytes(e->guard));
    metrics_set(
        METRIC_DEAD_LETTERS_UNACKED, 0,
        (double)(dead_letters_put_count(e->dead_letters) - dead_letters_acked(e->dead_letters)));
}

static void set_conversion(const struct engine *e)
{
    struct model_convert_info info;
    model_convert_info(e->model, &info);
    metrics_set(METRIC_CONVERSION_MEAN, 0, info.predicted);
    metrics_set(METRIC_CONVERSION_MEAN, 1, info.observed);
}

void watch_tick(struct engine *e, int64_t now_ns)
{
    struct words w = {.len = 0};
    w.text[0] = 0;
    ask_doors(e, &w);
    ask_writer(e, &w, now_ns);
    monitor_set_ready(e->monitor, w.text);
    set_lag(e);
    set_statistics(e);
    set_rows(e);
    set_conversion(e);
}
