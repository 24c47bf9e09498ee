/* base/metrics.h - what is counted while it runs. One table (metrics.c) gives name, type, help and labels of every metric.
 * Promise  metrics_add/set/observe cost a relaxed atomic each, allocate nothing, cannot fail; values may be read by another
 *          thread at any time.
 * Threads  any. One set a process. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "zhiliu/event.h"

enum metric {
    METRIC_BUILD_INFO, /* gauge 1, labels version, librdkafka, kernel (metrics_set_info) */
    METRIC_EVENTS,     /* counter, label = type * ZL_N_OUTCOMES + outcome */
    METRIC_ITEMS,      /* counter, label 0 approved 1 pending 2 blocked 3 removed */
    METRIC_CONTROLS,   /* counter, label enum zl_control_type */
    METRIC_REJECTS,    /* counter, label enum zl_reason */
    METRIC_DEAD_LETTERS_UNACKED, /* gauge */
    METRIC_LATE,                 /* counter */
    METRIC_CLOCK_SKEW,           /* counter */
    METRIC_DUPLICATES_WINDOW,    /* gauge, seconds that the duplicate memory reaches back */
    METRIC_DUPLICATES_BYTES,     /* gauge */
    METRIC_SOURCE_MESSAGES,      /* counter, label enum zl_topic */
    METRIC_SOURCE_BYTES,         /* counter, label enum zl_topic */
    METRIC_SOURCE_GAPS,          /* counter: offsets that were skipped by the log */
    METRIC_SOURCE_LAG,           /* gauge, label = partition of events (more: summed into 63) */
    METRIC_SOURCE_RTT,           /* gauge, seconds, label 0 p50 1 p99 */
    METRIC_SOURCE_BROKERS_UP,    /* gauge */
    METRIC_SOURCE_STATE,         /* gauge 1 connected 0 not */
    METRIC_BATCH_SIZE,           /* histogram, messages a poll */
    METRIC_STAGE_SECONDS,        /* histogram, label enum metric_stage */
    METRIC_FRESHNESS_SENT,       /* histogram, seconds from sent_ms to the store's answer */
    METRIC_FRESHNESS_LOG,        /* histogram, seconds from the Kafka timestamp to that */
    METRIC_FEATURES_LEFT_OUT,    /* counter: traits that found no room */
    METRIC_CONVERSION_EXPOSURES, /* counter */
    METRIC_CONVERSIONS, /* counter, label 0 credited to an exposure 1 not 2 no course is known */
    METRIC_CONVERSION_REFUNDS, /* counter, label 0 of a remembered conversion 1 of another */
    METRIC_CONVERSION_MEAN,    /* gauge, label 0 predicted 1 observed */
    METRIC_LISTS_RANKED,       /* counter */
    METRIC_LISTS_UNCHANGED,    /* counter: ranked, equal to what was written */
    METRIC_LISTS_WRITTEN,      /* counter, label 0 ok 1 stale 2 failed */
    METRIC_LISTS_CUT,          /* counter: lists cut because an item was blocked */
    METRIC_SIMILAR_LISTS,      /* counter, label 0 ranked 1 unchanged 2 ok 3 stale 4 failed */
    METRIC_SIMILAR_DUE,        /* gauge: items whose related list is due */
    METRIC_HOT_LISTS,          /* counter, label 0 ok 1 stale 2 failed */
    METRIC_USERS_DIRTY,        /* gauge: users whose list is due */
    METRIC_USERS_ACTIVE,       /* gauge */
    METRIC_ROWS,               /* gauge, label 0 users 1 items 2 courses */
    METRIC_ROWS_TOUCHED,       /* gauge: changed since the last checkpoint; and 3 other */
    METRIC_STATE_BYTES,        /* gauge: resident set */
    METRIC_SINK_STATE,         /* gauge 1 connected 0 not */
    METRIC_SINK_RECONNECTS,    /* counter */
    METRIC_SINK_ERRORS,        /* counter */
    METRIC_SINK_INFLIGHT,      /* gauge */
    METRIC_CHECKPOINTS,        /* counter, label 0 ok 1 failed */
    METRIC_CHECKPOINT_TIME,    /* gauge: Unix seconds of the newest one's seal, 0 none */
    METRIC_CHECKPOINT_BYTES,   /* counter */
    METRIC_CHECKPOINT_SECONDS, /* histogram, freeze to seal */
    METRIC_LOOP_BEAT,          /* gauge: Unix seconds of the loop's newest turn */
    METRIC_CPU_SECONDS,        /* counter (read when rendered) */
    METRIC_START_TIME,         /* gauge, Unix seconds */
    METRIC_N
};

enum metric_stage {
    STAGE_DECODE,
    STAGE_GUARD,
    STAGE_LEARN,
    STAGE_RANK,
    STAGE_WRITE,
    STAGE_CHECKPOINT,
    N_STAGES
};

void metrics_add(enum metric m, unsigned label, uint64_t n);
void metrics_set(enum metric m, unsigned label, double value);
void metrics_observe(enum metric m, unsigned label, double value);
/* Of a counter; of a histogram: how many were observed. */
uint64_t metrics_count(enum metric m, unsigned label);
double metrics_value(enum metric m, unsigned label); /* of a gauge */
/* Quantile q (0..1) of a histogram since start, interpolated in its bucket; 0 when empty. */
double metrics_quantile(enum metric m, unsigned label, double q);
/* Label values of METRIC_BUILD_INFO; copied. */
void metrics_set_info(const char *version, const char *librdkafka, const char *kernel);
/* Prometheus text format 0.0.4, whole; promtool-clean, every metric once. Families with labels that were never used are left
 * out but for the closed lists. */
void metrics_render(FILE *out);
/* A page of docs/reference/metrics.md (Markdown table: name, type, labels, help). */
void metrics_document(FILE *out);

#endif
