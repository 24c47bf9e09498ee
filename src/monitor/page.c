/* Four pages. livez says whether a restart would help: the loop's beat. readyz says whether the lists can be relied on, and if
 * not, why; a restart would not help there. Each reason stands on a line of its own for people and for grep. */
#include "monitor/page.h"

#include <string.h>

#include "base/metrics.h"

#define TEXT "text/plain; charset=utf-8"

static struct monitor_page page_index(const char *reasons, int64_t now_ms, FILE *out)
{
    (void)reasons;
    (void)now_ms;
    fputs("<!doctype html><meta charset=\"utf-8\"><title>zhiliu</title>\n"
          "<h1>zhiliu</h1>\n<ul>\n"
          "<li><a href=\"/metrics\">/metrics</a> numbers, for Prometheus</li>\n"
          "<li><a href=\"/livez\">/livez</a> does the loop turn?</li>\n"
          "<li><a href=\"/readyz\">/readyz</a> can the lists be relied on, and if not, why?</li>\n"
          "</ul>\n",
          out);
    return (struct monitor_page){200, "text/html; charset=utf-8"};
}

static struct monitor_page page_metrics(const char *reasons, int64_t now_ms, FILE *out)
{
    (void)reasons;
    (void)now_ms;
    metrics_render(out);
    return (struct monitor_page){200, "text/plain; version=0.0.4; charset=utf-8"};
}

static struct monitor_page page_livez(const char *reasons, int64_t now_ms, FILE *out)
{
    (void)reasons;
    double beat_ms = metrics_value(METRIC_LOOP_BEAT, 0) * 1000, age_ms = (double)now_ms - beat_ms;
    if (beat_ms <= 0)
        fputs("the loop has not turned yet\n", out);
    else if (age_ms > MONITOR_BEAT_MS)
        fprintf(out, "the loop has not turned for %.1f s\n", age_ms / 1000);
    else
        fputs("alive\n", out);
    return (struct monitor_page){beat_ms > 0 && age_ms <= MONITOR_BEAT_MS ? 200 : 503, TEXT};
}

static struct monitor_page page_readyz(const char *reasons, int64_t now_ms, FILE *out)
{
    (void)now_ms;
    size_t len = strlen(reasons);
    if (len == 0) {
        fputs("ready\n", out);
        return (struct monitor_page){200, TEXT};
    }
    fputs(reasons, out);
    if (reasons[len - 1] != '\n')
        fputc('\n', out);
    return (struct monitor_page){503, TEXT};
}

struct monitor_page monitor_page_write(const char *path, const char *reasons, int64_t now_ms,
                                       FILE *out)
{
    static const struct {
        const char *path;
        struct monitor_page (*write)(const char *reasons, int64_t now_ms, FILE *out);
    } pages[] = {{"/", page_index},
                 {"/metrics", page_metrics},
                 {"/livez", page_livez},
                 {"/readyz", page_readyz}};
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (strcmp(path, pages[i].path) == 0)
            return pages[i].write(reasons, now_ms, out);
    fputs("not found; there are / /metrics /livez /readyz\n", out);
    return (struct monitor_page){404, TEXT};
}
