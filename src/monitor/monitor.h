/* monitor/monitor.h - the engine seen from outside, over HTTP, by a thread of its own.
 * Pages    /metrics  Prometheus text, of base/metrics
 *          /livez    200 "alive", 503 when the loop has not turned for 5 s (METRIC_LOOP_BEAT) or never has
 *          /readyz   200 "ready", else 503 and the reasons, one a line (monitor_set_ready); 503 before the first call
 *          /         links to the three
 *          GET and HEAD; another verb is 405, another path 404.
 * Limits   a head of 8 kB, no body, 64 connections, 5 s for a request.
 * Threads  open, set_ready, close: the engine's. The pages are made by the monitor's thread, which never holds the engine up:
 *          the only lock is held for one copy of the reasons. */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include <stdbool.h>

#include "zhiliu/status.h"

struct monitor;

/* listen: "127.0.0.1:9464", "[::1]:9464", ":9464" (127.0.0.1); port 0 takes a free one. "" or "off": *out is NULL and ZL_OK; all
 * calls cope with NULL. An address that others can reach is taken, and a log line warns. ZL_ECONFIG: listen is not host:port.
 * ZL_EIO: it cannot be listened on (the words say why). */
MUST_CHECK enum zl_status monitor_open(const char *listen, struct monitor **out,
                                       struct zl_error *err);
/* Waits for the thread, at most for the page it is writing. */
void monitor_close(struct monitor *m);

/* Why the engine is not ready, one reason a line; "" or NULL: it is. Copied, cut at 4 kB. */
void monitor_set_ready(struct monitor *m, const char *reasons);

/* The port that is listened on (for port 0). */
int monitor_port(const struct monitor *m);

#endif
