/* monitor/head.h - the head of an HTTP/1 request, as little of it as we need.
 * Promise  Reads only head's bytes; any bytes may be given. */
#ifndef MONITOR_HEAD_H
#define MONITOR_HEAD_H

#include <stdbool.h>

#include "zhiliu/span.h"

struct monitor_head {
    bool body_wanted; /* GET, not HEAD */
    char path[256];   /* without query; starts with '/' */
};

/* head: request line and header lines, with the empty line that ends them. 0: *out is filled in; else the HTTP status to answer: 400
 * not HTTP, 405 another verb, 413 it has a body, 414 path too long, 505 another version. */
int monitor_head_parse(struct zl_span head, struct monitor_head *out);

#endif
