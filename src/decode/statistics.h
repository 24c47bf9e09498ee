/* decode/statistics.h - what /metrics wants of librdkafka's statistics.
 * Promise  Total: false when the text is not an object with brokers. */
#ifndef DECODE_STATISTICS_H
#define DECODE_STATISTICS_H

#include "decode/decode.h"
#include "decode/json.h"

struct statistics_scratch {
    struct json_members outer, broker, window;
};

/* text: with JSON_PADDING behind it. */
bool decode_statistics_read(struct json *j, struct statistics_scratch *s, const char *text,
                            size_t len, struct decode_statistics *out);
void decode_statistics_scratch_release(struct statistics_scratch *s);

#endif
