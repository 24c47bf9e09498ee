/* sink/wire.h - commands in Redis's wire format, on their way to a socket.
 * Formula  *N\r\n and then N times $LENGTH\r\nBYTES\r\n.
 * Promise  Nothing is written but by sink_wire_flush. Memory grows to what was unsent at once, and stays.
 * Threads  one owner. */
#ifndef SINK_WIRE_H
#define SINK_WIRE_H

#include "zhiliu/span.h"

/* All zero is an empty one. */
struct sink_wire {
    char *bytes; /* unsent: [sent, len) */
    size_t sent, len, capacity;
    int broken; /* errno of a failed write; nothing more is written until sink_wire_clear */
};

void sink_wire_command(struct sink_wire *w, int n_arguments);
void sink_wire_argument(struct sink_wire *w, struct zl_span bytes);
/* One argument, given in n pieces. */
void sink_wire_pieces(struct sink_wire *w, int n, const struct zl_span *pieces);
/* Writes what the socket takes now. */
void sink_wire_flush(struct sink_wire *w, int fd);
size_t sink_wire_unsent(const struct sink_wire *w);
/* Forgets what is unsent. */
void sink_wire_clear(struct sink_wire *w);
void sink_wire_release(struct sink_wire *w);

#endif
