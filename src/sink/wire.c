/* One growing block of bytes with a mark up to which they are sent. What was sent is moved out of the way only when new bytes come,
 * so a burst of lists is put together behind each other and leaves in as few writes as the socket allows. */
#define _GNU_SOURCE
#include "sink/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/check.h"

static char *reserve(struct sink_wire *w, size_t bytes)
{
    if (w->sent) {
        memmove(w->bytes, w->bytes + w->sent, w->len - w->sent);
        w->len -= w->sent;
        w->sent = 0;
    }
    if (w->len + bytes > w->capacity)
        w->bytes = xrealloc(w->bytes, 1, w->capacity = 2 * (w->len + bytes));
    return w->bytes + w->len;
}

static void put(struct sink_wire *w, struct zl_span bytes)
{
    if (bytes.len)
        memcpy(reserve(w, bytes.len), bytes.ptr, bytes.len);
    w->len += bytes.len;
}

static void put_number(struct sink_wire *w, char mark, size_t n)
{
    char text[32];
    put(w, (struct zl_span){text, (size_t)snprintf(text, sizeof text, "%c%zu\r\n", mark, n)});
}

void sink_wire_command(struct sink_wire *w, int n_arguments)
{
    put_number(w, '*', (size_t)n_arguments);
}

void sink_wire_pieces(struct sink_wire *w, int n, const struct zl_span *pieces)
{
    size_t len = 0;
    for (int i = 0; i < n; i++)
        len += pieces[i].len;
    put_number(w, '$', len);
    for (int i = 0; i < n; i++)
        put(w, pieces[i]);
    put(w, ZL_SPAN("\r\n"));
}

void sink_wire_argument(struct sink_wire *w, struct zl_span bytes)
{
    sink_wire_pieces(w, 1, &bytes);
}

void sink_wire_flush(struct sink_wire *w, int fd)
{
    while (w->sent < w->len && !w->broken) {
        ssize_t n = send(fd, w->bytes + w->sent, w->len - w->sent, MSG_NOSIGNAL);
        if (n >= 0)
            w->sent += (size_t)n;
        else if (errno == EAGAIN)
            return;
        else if (errno != EINTR)
            w->broken = errno;
    }
    if (w->sent == w->len)
        w->sent = w->len = 0;
}

size_t sink_wire_unsent(const struct sink_wire *w)
{
    return w->len - w->sent;
}

void sink_wire_clear(struct sink_wire *w)
{
    w->sent = w->len = 0;
    w->broken = 0;
}

void sink_wire_release(struct sink_wire *w)
{
    free(w->bytes);
    *w = (struct sink_wire){0};
}
