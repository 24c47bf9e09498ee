/* One line an event, on stderr, whole.
 *
 * A broken broker can make the same line thousands of times a second; what a person needs is the first of them and how
 * many followed. So each call site carries a small static struct: when it last wrote, and how many lines it has left out since.
 * Within 10 s of a written line the site only counts; the first line after that says how many were left out before it.
 *
 * Words may come from outside (a server's error text, a file name), so control characters never reach the terminal: in text
 * they become '?', in JSON they are escaped, and bytes that are not UTF-8 become U+FFFD. A line that is too long is cut.
 */
#define _GNU_SOURCE
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define QUIET_MS 10000
#define MAX_WORDS 1400
#define MAX_LINE 4096 /* = PIPE_BUF: a write of this size to a pipe is never mixed with another */

static _Atomic int least_level = LOG_INFO;
static _Atomic int format = LOG_TEXT;
static pthread_mutex_t site_lock = PTHREAD_MUTEX_INITIALIZER;

void log_setup(enum log_level least, enum log_format form)
{
    atomic_store(&least_level, (int)least);
    atomic_store(&format, (int)form);
}

/* Whether the site may write now, and how many of its lines were left out before. */
static bool site_admit(struct log_site *site, unsigned long long *left_out)
{
    long long now = clock_monotonic_ns() / 1000000 + 1; /* never 0, which means "not yet" */
    pthread_mutex_lock(&site_lock);
    bool admit = site->last_ms == 0 || now - site->last_ms >= QUIET_MS;
    if (admit) {
        *left_out = site->left_out;
        site->left_out = 0;
        site->last_ms = now;
    } else {
        site->left_out++;
    }
    pthread_mutex_unlock(&site_lock);
    return admit;
}

static void format_time(char out[32])
{
    int64_t ms = clock_wall_ms();
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    size_t n = strftime(out, 24, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 32 - n, ".%03dZ", (int)(ms % 1000));
}

/* Length of the UTF-8 sequence at p, 0 when it is none. */
static size_t utf8_length(const unsigned char *p)
{
    size_t n = p[0] < 0x80                   ? 1
               : p[0] >= 0xC2 && p[0] < 0xE0 ? 2
               : p[0] >= 0xE0 && p[0] < 0xF0 ? 3
               : p[0] >= 0xF0 && p[0] < 0xF5 ? 4
                                             : 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0; /* too long a form, a surrogate, beyond U+10FFFF */
    return n;
}

/* One character of the words as it may stand in the line; at most 6 bytes. */
static size_t put_character(const unsigned char *p, size_t n, bool json, char *out)
{
    if (n == 0)
        return (size_t)sprintf(out, "%s", json ? "\\ufffd" : "?");
    if (p[0] < 0x20 || p[0] == 0x7F)
        return (size_t)(json ? sprintf(out, "\\u%04x", p[0]) : sprintf(out, "?"));
    if (json && (p[0] == '"' || p[0] == '\\'))
        return (size_t)sprintf(out, "\\%c", p[0]);
    memcpy(out, p, n);
    return n;
}

static size_t put_words(const char *words, bool json, char *out, size_t capacity)
{
    const unsigned char *p = (const unsigned char *)words;
    size_t at = 0;
    while (*p && at + 8 < capacity) {
        size_t n = utf8_length(p);
        at += put_character(p, n, json, out + at);
        p += n ? n : 1;
    }
    return at;
}

static size_t put_line(enum log_level level, const char *room, const char *words,
                       char line[MAX_LINE])
{
    static const char *const text_names[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
    static const char *const json_names[] = {"debug", "info", "warn", "error"};
    bool json = atomic_load(&format) == LOG_JSON;
    char ts[32];
    size_t at;
    format_time(ts);
    if (json)
        at = (size_t)snprintf(line, 200,
                              "{\"ts\":\"%s\",\"level\":\"%s\",\"room\":\"%.64s\",\"msg\":\"", ts,
                              json_names[level], room);
    else
        at = (size_t)snprintf(line, 200, "%s %s %.64s: ", ts, text_names[level], room);
    at += put_words(words, json, line + at, MAX_LINE - at - 4);
    memcpy(line + at, json ? "\"}\n" : "\n", json ? 3 : 1);
    return at + (json ? 3 : 1);
}

void log_write(struct log_site *site, enum log_level level, const char *room, const char *fmt, ...)
{
    unsigned long long left_out = 0;
    if ((int)level < atomic_load(&least_level) || !site_admit(site, &left_out))
        return;
    int saved = errno; /* a log line must not change what its caller is about to read */
    char words[MAX_WORDS], line[MAX_LINE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words - 80, fmt, args);
    va_end(args);
    if (left_out)
        snprintf(words + strlen(words), 80, " (and %llu more like it in the last 10 s)", left_out);
    size_t len = put_line(level, room, words, line);
    if (write(STDERR_FILENO, line, len) < 0) {
        /* stderr is gone: there is nobody left to tell */
    }
    errno = saved;
}
