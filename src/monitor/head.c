/* A request head is lines; the first has three words, the others a name and a colon. Of the names only those matter that announce
 * a body, for a body left unread would be taken for the next request: we refuse it and close. */
#define _GNU_SOURCE
#include "monitor/head.h"

#include <ctype.h>
#include <strings.h>

/* Cuts a line off the front of *rest, without its end; both \r\n and \n end one. */
static struct zl_span take_line(struct zl_span *rest)
{
    const char *end = memchr(rest->ptr, '\n', rest->len);
    struct zl_span line = *rest;
    if (end) {
        line.len = (size_t)(end - rest->ptr);
        rest->ptr = end + 1;
        rest->len -= line.len + 1;
    } else {
        rest->ptr += rest->len;
        rest->len = 0;
    }
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* Cuts off the front of *rest up to the mark and drops the mark; all of it when there is none. */
static struct zl_span take_word(struct zl_span *rest, char mark)
{
    const char *end = memchr(rest->ptr, mark, rest->len);
    struct zl_span word = *rest;
    if (end)
        word.len = (size_t)(end - rest->ptr);
    size_t taken = word.len + (end != NULL);
    rest->ptr += taken;
    rest->len -= taken;
    return word;
}

static bool same_name(struct zl_span name, const char *other)
{
    return name.len == strlen(other) && strncasecmp(name.ptr, other, name.len) == 0;
}

static bool is_zero(struct zl_span value)
{
    size_t i = 0, zeros = 0;
    while (i < value.len && (value.ptr[i] == ' ' || value.ptr[i] == '\t'))
        i++;
    for (; i < value.len && value.ptr[i] == '0'; i++)
        zeros++;
    return zeros && i == value.len;
}

static int parse_headers(struct zl_span rest)
{
    while (rest.len) {
        struct zl_span value = take_line(&rest);
        if (value.len == 0)
            return rest.len ? 400 : 0;
        if (!memchr(value.ptr, ':', value.len))
            return 400;
        struct zl_span name = take_word(&value, ':');
        if (name.len == 0 || isspace((unsigned char)name.ptr[0]))
            return 400; /* a folded line: long out of use, and a way to hide a header */
        if (same_name(name, "transfer-encoding") ||
            (same_name(name, "content-length") && !is_zero(value)))
            return 413;
    }
    return 400; /* no empty line */
}

static int parse_path(struct zl_span target, struct monitor_head *out)
{
    struct zl_span path = take_word(&target, '?');
    if (path.len == 0 || path.ptr[0] != '/' || memchr(path.ptr, '\0', path.len))
        return 400;
    if (path.len >= sizeof out->path)
        return 414;
    memcpy(out->path, path.ptr, path.len);
    out->path[path.len] = '\0';
    return 0;
}

int monitor_head_parse(struct zl_span head, struct monitor_head *out)
{
    struct zl_span version = take_line(&head);
    struct zl_span verb = take_word(&version, ' '), target = take_word(&version, ' ');
    if (verb.len == 0 || version.len != 8 || memcmp(version.ptr, "HTTP/", 5) != 0)
        return 400;
    if (version.ptr[5] != '1' || version.ptr[6] != '.')
        return 505;
    int status = parse_headers(head);
    if (status == 400)
        return status;
    out->body_wanted = zl_span_is(verb, "GET");
    if (!out->body_wanted && !zl_span_is(verb, "HEAD"))
        return 405;
    return status ? status : parse_path(target, out);
}
