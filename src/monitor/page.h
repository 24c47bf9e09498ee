/* monitor/page.h - what each path answers; knows no HTTP library.
 * Promise  A page depends on its arguments and base/metrics only. */
#ifndef MONITOR_PAGE_H
#define MONITOR_PAGE_H

#include <stdint.h>
#include <stdio.h>

#define MONITOR_BEAT_MS 5000

struct monitor_page {
    int status;       /* 200, 404, 503 */
    const char *type; /* static: Content-Type */
};

/* Writes the body of path to out. reasons: why the engine is not ready, "" when it is. now_ms: wall clock. */
struct monitor_page monitor_page_write(const char *path, const char *reasons, int64_t now_ms,
                                       FILE *out);

#endif
