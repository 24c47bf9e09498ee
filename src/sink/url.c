/* A URL is cut from both ends: the scheme in front, then user and password up to the last '@', then what is left is an address. */
#define _GNU_SOURCE
#include "sink/url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zhiliu/span.h"

#define SHAPES                                                                                     \
    "expected redis://[user[:password]@]host[:port][/db] or unix://[user:password@]/path[?db=n]"

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}

static bool decode_percent(struct zl_span text, char *out, size_t capacity)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            if (i + 2 >= text.len || hex_digit(text.ptr[i + 1]) < 0 ||
                hex_digit(text.ptr[i + 2]) < 0)
                return false;
            c = (char)(hex_digit(text.ptr[i + 1]) * 16 + hex_digit(text.ptr[i + 2]));
            i += 2;
        }
        if (c == '\0' || n + 1 >= capacity)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

static bool copy_span(struct zl_span text, char *out, size_t capacity)
{
    if (text.len >= capacity)
        return false;
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

/* A whole decimal number from 0 to `most`, or -1. */
static int number(struct zl_span text, int most)
{
    int n = 0;
    if (text.len == 0 || text.len > 6)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (!isdigit((unsigned char)text.ptr[i]))
            return -1;
        n = n * 10 + (text.ptr[i] - '0');
    }
    return n <= most ? n : -1;
}

/* Takes "user:password@" off the front of *rest. */
static bool take_credentials(struct zl_span *rest, struct sink_url *out)
{
    const char *at = memrchr(rest->ptr, '@', rest->len);
    if (!at)
        return true;
    struct zl_span both = {rest->ptr, (size_t)(at - rest->ptr)}, password = {NULL, 0};
    const char *colon = memchr(both.ptr, ':', both.len);
    if (colon) {
        password = (struct zl_span){colon + 1, (size_t)(at - colon - 1)};
        both.len = (size_t)(colon - both.ptr);
    }
    rest->len -= (size_t)(at + 1 - rest->ptr);
    rest->ptr = at + 1;
    return decode_percent(both, out->user, sizeof out->user) &&
           (!colon || decode_percent(password, out->password, sizeof out->password));
}

/* Cuts *rest at the first `mark`; what followed it, or nothing. */
static struct zl_span cut(struct zl_span *rest, char mark)
{
    const char *at = memchr(rest->ptr, mark, rest->len);
    struct zl_span tail = {NULL, 0};
    if (at) {
        tail = (struct zl_span){at + 1, (size_t)(rest->ptr + rest->len - at - 1)};
        rest->len = (size_t)(at - rest->ptr);
    }
    return tail;
}

static enum zl_status parse_unix(struct zl_span rest, struct sink_url *out, struct zl_error *err)
{
    if (!take_credentials(&rest, out))
        return zl_fail(err, ZL_ECONFIG,
                       "sink url: the user or password is not well percent-encoded; " SHAPES);
    struct zl_span query = cut(&rest, '?');
    if (query.ptr && query.len > 3 && memcmp(query.ptr, "db=", 3) == 0)
        out->db = number((struct zl_span){query.ptr + 3, query.len - 3}, 99999);
    else if (query.ptr)
        out->db = -1;
    if (out->db < 0)
        return zl_fail(err, ZL_ECONFIG, "sink url: after '?' only db=NUMBER is known; " SHAPES);
    if (rest.len == 0 || rest.ptr[0] != '/')
        return zl_fail(err, ZL_ECONFIG,
                       "sink url: the path of a unix socket must be absolute; " SHAPES);
    if (!copy_span(rest, out->path, sizeof out->path))
        return zl_fail(err, ZL_ECONFIG,
                       "sink url: the path of a unix socket has at most 107 bytes");
    out->is_unix = true;
    snprintf(out->words, sizeof out->words, out->db ? "unix://%s?db=%d" : "unix://%s", out->path,
             out->db);
    return ZL_OK;
}

/* host, host:port, [v6], [v6]:port; empty parts keep their defaults. */
static bool parse_host(struct zl_span rest, struct sink_url *out)
{
    struct zl_span host = rest, port = {NULL, 0};
    if (rest.len && rest.ptr[0] == '[') {
        host = (struct zl_span){rest.ptr + 1, rest.len - 1};
        struct zl_span tail = cut(&host, ']');
        if (!tail.ptr || (tail.len && tail.ptr[0] != ':'))
            return false;
        if (tail.len)
            port = (struct zl_span){tail.ptr + 1, tail.len - 1};
    } else {
        port = cut(&host, ':');
    }
    if (port.ptr && (number(port, 65535) <= 0 || !copy_span(port, out->port, sizeof out->port)))
        return false;
    if (host.len == 0)
        host = ZL_SPAN("127.0.0.1");
    return copy_span(host, out->host, sizeof out->host);
}

static enum zl_status parse_redis(struct zl_span rest, struct sink_url *out, struct zl_error *err)
{
    memcpy(out->port, "6379", 5);
    if (!take_credentials(&rest, out))
        return zl_fail(err, ZL_ECONFIG,
                       "sink url: the user or password is not well percent-encoded; " SHAPES);
    struct zl_span db = cut(&rest, '/');
    if (db.len)
        out->db = number(db, 99999);
    if (out->db < 0)
        return zl_fail(err, ZL_ECONFIG,
                       "sink url: the database after '/' must be a number; " SHAPES);
    if (!parse_host(rest, out))
        return zl_fail(err, ZL_ECONFIG, "sink url: host or port is wrong; " SHAPES);
    snprintf(out->words, sizeof out->words,
             strchr(out->host, ':') ? "redis://[%s]:%s/%d" : "redis://%s:%s/%d", out->host,
             out->port, out->db);
    return ZL_OK;
}

enum zl_status sink_url_parse(const char *text, struct sink_url *out, struct zl_error *err)
{
    memset(out, 0, sizeof *out);
    struct zl_span all = zl_span_of(text ? text : "");
    if (strncmp(all.ptr, "redis://", 8) == 0)
        return parse_redis((struct zl_span){all.ptr + 8, all.len - 8}, out, err);
    if (strncmp(all.ptr, "unix://", 7) == 0)
        return parse_unix((struct zl_span){all.ptr + 7, all.len - 7}, out, err);
    if (strncmp(all.ptr, "rediss://", 9) == 0)
        return zl_fail(err, ZL_ECONFIG,
                       "sink url: rediss:// (TLS) is not supported: this hiredis has no TLS; put "
                       "stunnel in between, "
                       "or use a unix socket");
    return zl_fail(err, ZL_ECONFIG, "sink url: unknown scheme; " SHAPES);
}

enum zl_status sink_url_credentials(struct sink_url *url, const char *username,
                                    const char *password, struct zl_error *err)
{
    const char *user = username ? username : "", *secret = password ? password : "";
    if (strlen(user) >= sizeof url->user || strlen(secret) >= sizeof url->password)
        return zl_fail(err, ZL_ECONFIG,
                       "sink: username (at most %zu bytes) or password (%zu) is too long",
                       sizeof url->user - 1, sizeof url->password - 1);
    if (*user)
        memcpy(url->user, user, strlen(user) + 1);
    if (*secret)
        memcpy(url->password, secret, strlen(secret) + 1);
    if (url->user[0] && !url->password[0])
        return zl_fail(err, ZL_ECONFIG, "sink: a username without a password");
    return ZL_OK;
}
