/* source/kafka.h - Kafka as a log, by librdkafka. kafka*.c and producer.c know the library, nobody else does.
 * Threads  the engine's loop; a scout thread of our own asks the broker what would make the loop wait. */
#ifndef SOURCE_KAFKA_H
#define SOURCE_KAFKA_H

#include "source/source.h"

MUST_CHECK enum zl_status source_kafka_open(const struct source_config *cfg, struct source **out,
                                            struct zl_error *err);
MUST_CHECK enum zl_status source_kafka_check(const struct source_config *cfg, int timeout_ms,
                                             struct zl_error *err);

/* Reads a topic from its start to the end it has now, outside of any group, and shows each message (lent for the call; topic
 * and sent_ms are not set) in order within its partition. visit says false to stop early. Waits; timeout_ms is the longest silence.
 * ZL_ENOENT: there is no such topic. Uses brokers and properties of cfg. */
MUST_CHECK enum zl_status source_scan(const struct source_config *cfg, const char *topic,
                                      int timeout_ms,
                                      bool (*visit)(void *ctx, const struct source_message *m),
                                      void *ctx, struct zl_error *err);

#endif
