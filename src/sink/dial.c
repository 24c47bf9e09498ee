/* Connecting takes three things that can each take long, and each has a form that does not wait: looking the name up
 * (getaddrinfo_a, which lends a thread), connecting (a non-blocking socket is writable when it is done), and trying the next
 * address when one refuses. A step does what can be done now. */
#define _GNU_SOURCE
#include "sink/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"

struct sink_dial_lookup {
    struct gaicb request;
    struct addrinfo hints;
    char host[256], port[6];
};

static void fail_with(struct sink_dial *d, const char *what)
{
    snprintf(d->why, sizeof d->why, "%s", what);
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

/* Starts to connect a new socket; false with d->why when that fails at once. */
static bool start_connect(struct sink_dial *d, int family, const struct sockaddr *to, socklen_t len)
{
    int one = 1;
    d->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->fd < 0) {
        fail_with(d, strerror(errno));
        return false;
    }
    if (family != AF_UNIX) {
        setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(d->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    }
    if (connect(d->fd, to, len) == 0 || errno == EINPROGRESS)
        return true;
    fail_with(d, strerror(errno));
    return false;
}

static void start_unix(struct sink_dial *d)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path, d->url->path, strlen(d->url->path) + 1);
    start_connect(d, AF_UNIX, (struct sockaddr *)&to, sizeof to);
}

static void start_lookup(struct sink_dial *d)
{
    struct sink_dial_lookup *l = xcalloc(1, sizeof *l);
    memcpy(l->host, d->url->host, sizeof l->host);
    memcpy(l->port, d->url->port, sizeof l->port);
    l->hints =
        (struct addrinfo){.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    if (getaddrinfo(l->host, l->port, &l->hints, &d->addresses) ==
        0) { /* digits: no name service is asked */
        d->next = d->addresses;
        free(l);
        return;
    }
    l->hints.ai_flags = AI_NUMERICSERV;
    l->request = (struct gaicb){.ar_name = l->host, .ar_service = l->port, .ar_request = &l->hints};
    int bad = getaddrinfo_a(GAI_NOWAIT, (struct gaicb *[]){&l->request}, 1, NULL);
    if (bad) {
        fail_with(d, gai_strerror(bad));
        free(l);
        return;
    }
    d->lookup = l;
}

void sink_dial_begin(struct sink_dial *d, const struct sink_url *url)
{
    *d = (struct sink_dial){.url = url, .fd = -1};
    snprintf(d->why, sizeof d->why, "no address");
    if (url->is_unix)
        start_unix(d);
    else
        start_lookup(d);
}

/* False while the name is still on its way. */
static bool lookup_step(struct sink_dial *d)
{
    if (!d->lookup)
        return true;
    int state = gai_error(&d->lookup->request);
    if (state == EAI_INPROGRESS)
        return false;
    if (state == 0)
        d->next = d->addresses = d->lookup->request.ar_result;
    else
        fail_with(d, gai_strerror(state));
    free(d->lookup);
    d->lookup = NULL;
    return true;
}

/* A connect that is on its way: has it ended? A refusal leaves fd at -1. */
static enum sink_dial_state connect_step(struct sink_dial *d)
{
    int error = 0;
    socklen_t len = sizeof error;
    struct pollfd p = {.fd = d->fd, .events = POLLOUT};
    if (poll(&p, 1, 0) <= 0)
        return SINK_DIAL_WAIT;
    if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0)
        return SINK_DIAL_DONE;
    fail_with(d, strerror(error));
    return SINK_DIAL_FAILED;
}

static void release_addresses(struct sink_dial *d)
{
    if (d->addresses)
        freeaddrinfo(d->addresses);
    d->addresses = d->next = NULL;
}

enum sink_dial_state sink_dial_step(struct sink_dial *d)
{
    if (!lookup_step(d))
        return SINK_DIAL_WAIT;
    for (;;) {
        if (d->fd >= 0) {
            enum sink_dial_state state = connect_step(d);
            if (state == SINK_DIAL_DONE)
                release_addresses(d);
            if (state != SINK_DIAL_FAILED)
                return state;
        }
        struct addrinfo *a = d->next;
        if (!a)
            break;
        d->next = a->ai_next;
        start_connect(d, a->ai_family, a->ai_addr, a->ai_addrlen);
    }
    release_addresses(d);
    return SINK_DIAL_FAILED;
}

void sink_dial_cancel(struct sink_dial *d)
{
    if (d->lookup) {
        /* A look-up that runs cannot be stopped and still writes into its request: then that is left to it. */
        if (gai_cancel(&d->lookup->request) != EAI_NOTCANCELED) {
            if (gai_error(&d->lookup->request) == 0)
                freeaddrinfo(d->lookup->request.ar_result);
            free(d->lookup);
        }
        d->lookup = NULL;
    }
    release_addresses(d);
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}
