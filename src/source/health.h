/* source/health.h - do the brokers answer? Told from librdkafka's statistics, which come once a second.
 * Promise  Not connected when no broker is up, or when no answer has come for HEALTH_QUIET statistics in a row (a broker that is
 *          stopped, not closed, keeps its connection). */
#ifndef SOURCE_HEALTH_H
#define SOURCE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "zhiliu/span.h"

#define HEALTH_QUIET 4

struct source_health {
    bool up;
    int64_t answers; /* counted by the library since start */
    int quiet;       /* statistics in a row without a new answer */
};

/* json must be NUL-terminated behind its length, as librdkafka's is. */
void source_health_statistics(struct source_health *h, struct zl_span json);
/* A message or an answer came. */
void source_health_answered(struct source_health *h);
void source_health_all_down(struct source_health *h);
/* Words when not, else NULL. */
const char *source_health_trouble(const struct source_health *h);

#endif
