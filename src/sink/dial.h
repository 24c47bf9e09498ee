/* sink/dial.h - a connected stream socket, without ever waiting for the network.
 * Promise  dial_step() returns at once. A name is looked up by a helper thread of the C library; every address it has is tried in turn
 *          before the dial fails. The descriptor is non-blocking, closed on exec, TCP_NODELAY.
 * Threads  one owner. */
#ifndef SINK_DIAL_H
#define SINK_DIAL_H

#include "sink/url.h"

enum sink_dial_state { SINK_DIAL_WAIT, SINK_DIAL_DONE, SINK_DIAL_FAILED };

struct sink_dial_lookup;
struct sink_dial {
    const struct sink_url *url;      /* borrowed while dialling */
    struct sink_dial_lookup *lookup; /* a name on its way, or NULL */
    struct addrinfo *addresses, *next;
    int fd;        /* being connected; -1: none yet */
    char why[200]; /* words of the newest failure */
};

void sink_dial_begin(struct sink_dial *d, const struct sink_url *url);
/* DONE: d->fd is connected and the caller's. FAILED: d->why says why, everything is released. */
enum sink_dial_state sink_dial_step(struct sink_dial *d);
/* Gives up; copes with a dial that has ended or never begun (all zero and fd -1). */
void sink_dial_cancel(struct sink_dial *d);

#endif
