/* The sink room alone, driven by lines on stdin, for tests against a real store.
 *
 *   sink_probe URL [inflight [timeout_ms [user [password]]]]     and      sink_probe check URL [user [password]]
 *
 *   put TOKEN USER POSITION ITEMS     "room 0 TOKEN" is printed instead when there is no room
 *   fill COUNT USERS POSITION ITEMS   lists for u0..u<USERS-1>, as fast as room is given; those that fail are put again;
 *                                     prints "filled WRITTEN STALE FAILED MILLISECONDS" once COUNT are written or stale
 *   forget TOKEN USER POSITION
 *   state                             "state yes" or "state no WORDS", and "counts CONNECTIONS ERRORS POLLS ROOM"
 *   quit
 * What happens is printed as it happens: "answer TOKEN written|stale|failed NEWER", "connections N". */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "sink/sink.h"

#define MOST_ITEMS ZL_MAX_LIST

struct probe {
    struct sink *sink;
    unsigned long polls;
    uint64_t connections;
    bool filling;
    unsigned long to_put, done[3], users;
    uint64_t position;
    int n_items;
    int64_t started_ns;
};

static struct zl_span items[MOST_ITEMS];
static char item_text[MOST_ITEMS][24];
static float scores[MOST_ITEMS];

static void make_items(void)
{
    for (int i = 0; i < MOST_ITEMS; i++) {
        snprintf(item_text[i], sizeof item_text[i], "video-%08d", i * 7919);
        items[i] = zl_span_of(item_text[i]);
        scores[i] = 1.0F / (float)(i + 1);
    }
}

static void put(struct probe *p, uint64_t token, const char *user, uint64_t position, int n)
{
    struct sink_list list = {.token = token,
                             .user_id = zl_span_of(user),
                             .version = {.incarnation = 1, .position = position, .epoch = 1},
                             .ts_ms = 1764007200000,
                             .n = n,
                             .items = items,
                             .scores = scores};
    sink_put(p->sink, &list);
}

static void put_more(struct probe *p)
{
    char user[32];
    while (p->filling && p->to_put && sink_room(p->sink) > 0) {
        p->to_put--;
        snprintf(user, sizeof user, "u%lu", p->to_put % p->users);
        put(p, 0, user, p->position, p->n_items);
    }
}

static void take_answer(struct probe *p, const struct sink_answer *a)
{
    static const char *const names[] = {"written", "stale", "failed"};
    if (!p->filling) {
        printf("answer %llu %s %s\n", (unsigned long long)a->token, names[a->result], a->newer);
        return;
    }
    p->done[a->result]++;
    p->to_put += a->result == SINK_FAILED;
}

static void turn(struct probe *p, unsigned long goal)
{
    struct sink_answer answers[64];
    put_more(p);
    int n = sink_poll(p->sink, clock_monotonic_ns(), answers, 64);
    p->polls++;
    for (int i = 0; i < n; i++)
        take_answer(p, &answers[i]);
    if (sink_connections(p->sink) != p->connections)
        printf("connections %llu\n",
               (unsigned long long)(p->connections = sink_connections(p->sink)));
    if (p->filling && p->done[SINK_WRITTEN] + p->done[SINK_STALE] >= goal) {
        p->filling = false;
        printf("filled %lu %lu %lu %lld\n", p->done[0], p->done[1], p->done[2],
               (long long)(clock_monotonic_ns() - p->started_ns) / 1000000);
    }
}

static void print_state(const struct probe *p)
{
    char why[600];
    bool yes = sink_connected(p->sink, why, sizeof why);
    printf("state %s %s\n", yes ? "yes" : "no", why);
    printf("counts %llu %llu %lu %d\n", (unsigned long long)sink_connections(p->sink),
           (unsigned long long)metrics_count(METRIC_SINK_ERRORS, 0), p->polls, sink_room(p->sink));
}

/* False: quit. */
static bool obey(struct probe *p, const char *line, unsigned long *goal)
{
    unsigned long long token, position;
    unsigned long users;
    char user[128];
    int n;
    if (sscanf(line, "put %llu %127s %llu %d", &token, user, &position, &n) == 4) {
        if (sink_room(p->sink) > 0)
            put(p, token, user, position, n);
        else
            printf("room 0 %llu\n", token);
    } else if (sscanf(line, "fill %llu %lu %llu %d", &token, &users, &position, &n) == 4) {
        p->filling = true;
        *goal = p->to_put = (unsigned long)token;
        p->users = users;
        p->position = position;
        p->n_items = n;
        memset(p->done, 0, sizeof p->done);
        p->started_ns = clock_monotonic_ns();
    } else if (sscanf(line, "forget %llu %127s %llu", &token, user, &position) == 3) {
        sink_forget(p->sink, token, zl_span_of(user), (struct zl_version){1, position, 1},
                    1764007200000);
    } else if (strncmp(line, "state", 5) == 0) {
        print_state(p);
    } else if (strncmp(line, "quit", 4) == 0) {
        return false;
    }
    return true;
}

static int wait_ms_of(const struct probe *p)
{
    int64_t now = clock_monotonic_ns(), until = sink_next_ns(p->sink);
    if (until <= now || (p->filling && p->to_put && sink_room(p->sink) > 0))
        return 0; /* as an engine that is busy with other things would: at once */
    return until - now > 1000000000 ? 1000 : (int)((until - now) / 1000000) + 1;
}

/* Waits for a command, the store's descriptor, or the next thing due. */
static bool wait_and_obey(struct probe *p, unsigned long *goal)
{
    static char buffer[1 << 16];
    static size_t len;
    bool want_write = false;
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = sink_fd(p->sink, &want_write)}};
    fds[1].events = (short)(POLLIN | (want_write ? POLLOUT : 0));
    poll(fds, 2, wait_ms_of(p));
    if (!fds[0].revents)
        return true;
    ssize_t got = read(STDIN_FILENO, buffer + len, sizeof buffer - 1 - len);
    if (got <= 0)
        return false;
    len += (size_t)got;
    buffer[len] = '\0';
    char *line = buffer, *end;
    for (; (end = strchr(line, '\n')); line = end + 1)
        if (!obey(p, line, goal))
            return false;
    len -= (size_t)(line - buffer);
    memmove(buffer, line, len);
    return true;
}

static int check(int argc, char **argv)
{
    struct zl_error err = {""};
    struct sink_config cfg = {.kind = SINK_REDIS, .url = argv[2]};
    cfg.username = argc > 3 ? argv[3] : NULL;
    cfg.password = argc > 4 ? argv[4] : NULL;
    enum zl_status st = sink_check(&cfg, 3000, &err);
    printf("check %d %s\n", zl_exit_code(st), err.text);
    return zl_exit_code(st);
}

int main(int argc, char **argv)
{
    struct zl_error err;
    struct probe p = {0};
    unsigned long goal = 0;
    if (argc > 2 && strcmp(argv[1], "check") == 0)
        return check(argc, argv);
    if (argc < 2)
        return 64;
    struct sink_config cfg = {.kind = strcmp(argv[1], "stdout") == 0 ? SINK_STDOUT : SINK_REDIS,
                              .url = argv[1]};
    cfg.inflight = argc > 2 ? atoi(argv[2]) : 0;
    cfg.timeout_ms = argc > 3 ? atoi(argv[3]) : 0;
    cfg.username = argc > 4 && *argv[4] ? argv[4] : NULL;
    cfg.password = argc > 5 ? argv[5] : NULL;
    if (sink_open(&cfg, &p.sink, &err) != ZL_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 78;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    make_items();
    do
        turn(&p, goal);
    while (wait_and_obey(&p, &goal));
    sink_close(p.sink, 1000);
    return 0;
}
