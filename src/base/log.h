/* base/log.h - one line an event, on stderr, text or JSON.
 * Promise  A call site (file:line) that repeats is written at most once in 10 s, with the number of lines left out.
 *          Lines are whole (one write(2)). User ids are never logged above debug.
 * Threads  any. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "zhiliu/status.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

void log_setup(enum log_level least, enum log_format format);

struct log_site { /* one static a call site */
    long long last_ms;
    unsigned long long left_out;
};
void log_write(struct log_site *site, enum log_level level, const char *room, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* LOG(INFO, "sink", "connected to %s", url); the words are one sentence without a newline. */
#define LOG(level, room, ...)                                                                      \
    do {                                                                                           \
        static struct log_site log_site_;                                                          \
        log_write(&log_site_, LOG_##level, room, __VA_ARGS__);                                     \
    } while (0)

#endif
