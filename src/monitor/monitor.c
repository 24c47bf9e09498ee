/* A small HTTP/1 server on libevent: one thread, one request a connection, then it is closed.
 *
 * evhttp would do most of it, but its time-out starts anew with each byte, so that a client which sends one a second holds a
 * connection for ever, and it has no limit on connections. Here each connection gets one timer when it is accepted, and nothing but
 * its end stops that timer. The life of a connection:
 *
 *     accepted --whole head there--> answered --all sent--> half closed --client closes too--> freed
 *         +------------ 5 s after it was accepted, wherever it stands ------------------------^
 *
 * Half closed, because closing a socket with unread bytes makes the kernel send a reset, which may overtake our answer.
 */
#define _GNU_SOURCE
#include "monitor/monitor.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "monitor/head.h"
#include "monitor/page.h"

#define MOST_HEAD_BYTES 8192
#define MOST_CONNECTIONS 64
#define REQUEST_SECONDS 5
#define MOST_REASONS_BYTES 4096

struct connection {
    struct monitor *monitor;
    struct bufferevent *stream;
    struct event *deadline;
    bool answered, client_done;
    struct connection *next, *previous;
};

struct monitor {
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *stop, *listen_again;
    int stop_fd, port;
    pthread_t thread;
    bool running;
    struct connection *connections; /* the thread's */
    int n_connections;
    pthread_mutex_t lock; /* of reasons */
    char reasons[MOST_REASONS_BYTES];
};

static void connection_free(struct connection *c)
{
    struct monitor *m = c->monitor;
    if (c->next)
        c->next->previous = c->previous;
    if (c->previous)
        c->previous->next = c->next;
    else
        m->connections = c->next;
    m->n_connections--;
    event_free(c->deadline);
    bufferevent_free(c->stream);
    free(c);
}

/* ---- answers ---- */

static const char *phrase_of(int status)
{
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "";
    }
}

static void send_answer(struct connection *c, struct monitor_page page, const char *body,
                        size_t len, bool body_wanted)
{
    struct evbuffer *out = bufferevent_get_output(c->stream);
    evbuffer_add_printf(
        out,
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%sConnection: close\r\n\r\n",
        page.status, phrase_of(page.status), page.type, len,
        page.status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (body_wanted)
        evbuffer_add(out, body, len);
    c->answered = true;
}

static void answer_refusal(struct connection *c, int status)
{
    char body[64];
    int len = snprintf(body, sizeof body, "%s\n", phrase_of(status));
    send_answer(c, (struct monitor_page){status, "text/plain; charset=utf-8"}, body, (size_t)len,
                true);
}

static void answer(struct connection *c, const struct monitor_head *head)
{
    char reasons[MOST_REASONS_BYTES], *body = NULL;
    size_t len = 0;
    pthread_mutex_lock(&c->monitor->lock);
    memcpy(reasons, c->monitor->reasons, sizeof reasons);
    pthread_mutex_unlock(&c->monitor->lock);
    FILE *out = open_memstream(&body, &len);
    ASSERT(out);
    struct monitor_page page = monitor_page_write(head->path, reasons, clock_wall_ms(), out);
    fclose(out);
    send_answer(c, page, body, len, head->body_wanted);
    free(body);
}

/* ---- libevent's calls ---- */

/* Length of the head with its empty line; 0: not whole yet. */
static size_t head_length(struct evbuffer *in)
{
    struct evbuffer_ptr crlf = evbuffer_search(in, "\r\n\r\n", 4, NULL),
                        lf = evbuffer_search(in, "\n\n", 2, NULL);
    if (crlf.pos >= 0 && (lf.pos < 0 || crlf.pos < lf.pos))
        return (size_t)crlf.pos + 4;
    return lf.pos >= 0 ? (size_t)lf.pos + 2 : 0;
}

static void on_bytes(struct bufferevent *stream, void *context)
{
    struct connection *c = context;
    struct evbuffer *in = bufferevent_get_input(stream);
    if (!c->answered) {
        size_t len = head_length(in);
        if (len == 0 && evbuffer_get_length(in) < MOST_HEAD_BYTES)
            return;
        struct monitor_head head;
        int status = 431;
        if (len && len <= MOST_HEAD_BYTES)
            status = monitor_head_parse(
                (struct zl_span){(const char *)evbuffer_pullup(in, (ev_ssize_t)len), len}, &head);
        if (status)
            answer_refusal(c, status);
        else
            answer(c, &head);
    }
    evbuffer_drain(in, evbuffer_get_length(in)); /* what follows is nobody's */
}

/* Called whenever nothing is left to send. */
static void on_sent(struct bufferevent *stream, void *context)
{
    struct connection *c = context;
    if (c->answered && c->client_done)
        connection_free(c);
    else if (c->answered)
        shutdown(bufferevent_getfd(stream), SHUT_WR);
}

static void on_end(struct bufferevent *stream, short what, void *context)
{
    struct connection *c = context;
    bool sending = c->answered && evbuffer_get_length(bufferevent_get_output(stream));
    if ((what & BEV_EVENT_EOF) && sending)
        c->client_done = true; /* it said all it had to say, and still listens */
    else
        connection_free(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    connection_free(context);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
                      int len, void *context)
{
    (void)listener;
    (void)from;
    (void)len;
    struct monitor *m = context;
    if (m->n_connections >= MOST_CONNECTIONS) {
        close(fd);
        return;
    }
    struct connection *c = xcalloc(1, sizeof *c);
    c->monitor = m;
    c->stream = bufferevent_socket_new(m->base, fd, BEV_OPT_CLOSE_ON_FREE);
    c->deadline = evtimer_new(m->base, on_deadline, c);
    ASSERT(c->stream && c->deadline);
    c->next = m->connections;
    if (c->next)
        c->next->previous = c;
    m->connections = c;
    m->n_connections++;
    evtimer_add(c->deadline, &(struct timeval){.tv_sec = REQUEST_SECONDS});
    bufferevent_setwatermark(c->stream, EV_READ, 0, MOST_HEAD_BYTES);
    bufferevent_setcb(c->stream, on_bytes, on_sent, on_end, c);
    bufferevent_enable(c->stream, EV_READ | EV_WRITE);
}

/* Out of descriptors, most likely: listen again in a second, do not spin. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    struct monitor *m = context;
    LOG(WARN, "monitor", "a connection cannot be accepted: %s; trying again in a second",
        strerror(errno));
    evconnlistener_disable(listener);
    evtimer_add(m->listen_again, &(struct timeval){.tv_sec = 1});
}

static void on_listen_again(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    evconnlistener_enable(((struct monitor *)context)->listener);
}

static void on_stop(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(((struct monitor *)context)->base);
}

static void *run(void *context)
{
    struct monitor *m = context;
    event_base_dispatch(m->base);
    return NULL;
}

/* ---- open and close ---- */

/* "host:port", "[v6]:port", ":port"; false when it is none of them. */
static bool split_address(const char *listen, char host[256], char port[8])
{
    const char *colon = strrchr(listen, ':');
    if (!colon || strlen(colon + 1) == 0 || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || atoi(colon + 1) > 65535)
        return false;
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    size_t len = (size_t)(colon - listen);
    if (len >= 2 && listen[0] == '[' && listen[len - 1] == ']') {
        listen++;
        len -= 2;
    } else if (memchr(listen, ':', len)) {
        return false; /* an IPv6 address without brackets */
    }
    if (len >= 256)
        return false;
    snprintf(host, 256, "%.*s", len ? (int)len : 9, len ? listen : "127.0.0.1");
    return true;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >>
                24) == 127;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

static int bound_port(evutil_socket_t fd)
{
    struct sockaddr_storage at;
    memset(&at, 0, sizeof at);
    socklen_t len = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        return 0;
    return ntohs(at.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&at)->sin_port
                                         : ((struct sockaddr_in6 *)(void *)&at)->sin6_port);
}

static enum zl_status listen_at(struct monitor *m, const char *listen, struct zl_error *err)
{
    char host[256], port[8];
    struct addrinfo *address = NULL,
                    hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    if (!split_address(listen, host, port))
        return zl_fail(err, ZL_ECONFIG,
                       "monitor.listen is '%.100s': expected host:port, [address]:port, or off",
                       listen);
    int bad = getaddrinfo(host, port, &hints, &address);
    if (bad || !address)
        return zl_fail(err, ZL_EIO, "monitor.listen %s: %s", listen, gai_strerror(bad));
    m->listener = evconnlistener_new_bind(
        m->base, on_accept, m, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
        64, address->ai_addr, (int)address->ai_addrlen);
    int error = errno;
    bool open_to_others = !is_loopback(address->ai_addr);
    freeaddrinfo(address);
    if (!m->listener)
        return zl_fail(
            err, ZL_EIO, "monitor.listen %s: %s%s", listen, strerror(error),
            error == EADDRINUSE
                ? "; does another engine run here? set monitor.listen to another port, or to off"
                : "");
    evconnlistener_set_error_cb(m->listener, on_accept_error);
    m->port = bound_port(evconnlistener_get_fd(m->listener));
    if (open_to_others)
        LOG(WARN, "monitor",
            "listening on %s: other machines can read the metrics; there is no password", listen);
    return ZL_OK;
}

/* Signals are the main thread's affair: this one is born with all of them blocked (SIGPIPE among them). */
static int start_thread(struct monitor *m)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int bad = pthread_create(&m->thread, NULL, run, m);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    m->running = bad == 0;
    return bad;
}

static struct monitor *monitor_new(void)
{
    struct monitor *m = xcalloc(1, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    snprintf(m->reasons, sizeof m->reasons, "starting");
    m->base = event_base_new();
    m->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(m->base && m->stop_fd >= 0);
    m->stop = event_new(m->base, m->stop_fd, EV_READ, on_stop, m);
    m->listen_again = evtimer_new(m->base, on_listen_again, m);
    ASSERT(m->stop && m->listen_again);
    event_add(m->stop, NULL);
    return m;
}

enum zl_status monitor_open(const char *listen, struct monitor **out, struct zl_error *err)
{
    *out = NULL;
    if (!listen || !*listen || strcmp(listen, "off") == 0)
        return ZL_OK;
    struct monitor *m = monitor_new();
    enum zl_status st = listen_at(m, listen, err);
    if (st != ZL_OK)
        goto fail;
    int bad = start_thread(m);
    if (bad) {
        st =
            zl_fail(err, ZL_EINTERNAL, "the monitor's thread cannot be started: %s", strerror(bad));
        goto fail;
    }
    *out = m;
    return ZL_OK;
fail:
    monitor_close(m);
    return st;
}

void monitor_close(struct monitor *m)
{
    if (!m)
        return;
    if (m->running) {
        eventfd_write(m->stop_fd, 1);
        pthread_join(m->thread, NULL);
    }
    for (struct connection *c = m->connections, *next; c; c = next) {
        next = c->next;
        connection_free(c);
    }
    if (m->listener)
        evconnlistener_free(m->listener);
    event_free(m->stop);
    event_free(m->listen_again);
    event_base_free(m->base);
    close(m->stop_fd);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

void monitor_set_ready(struct monitor *m, const char *reasons)
{
    if (!m)
        return;
    pthread_mutex_lock(&m->lock);
    snprintf(m->reasons, sizeof m->reasons, "%s", reasons ? reasons : "");
    pthread_mutex_unlock(&m->lock);
}

int monitor_port(const struct monitor *m)
{
    return m ? m->port : 0;
}
