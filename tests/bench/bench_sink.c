/* Lists a second, and our CPU a list, to a real, private redis-server over a unix socket.
 * bench_sink [lists [items [inflight]]]; redis-server must be on the path. Prints the median of five runs.
 * Beside it: formatting alone, and allocations would show there (none after the first list). */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "sink/sink.h"

#define N_RUNS 5
#define N_USERS 20000

struct load {
    struct sink *sink;
    long lists, to_put, done;
    int n_items;
    uint64_t position;
};

static struct zl_span items[ZL_MAX_LIST];
static char item_text[ZL_MAX_LIST][24];
static char folder[64], url[128];
static pid_t server;

static void stop_server(void)
{
    char words[128];
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    snprintf(words, sizeof words, "%s/s", folder);
    unlink(words);
    rmdir(folder);
}

static void start_server(void)
{
    char path[96];
    strcpy(folder, "/tmp/bench-sink-XXXXXX");
    if (!mkdtemp(folder))
        exit(74);
    snprintf(path, sizeof path, "%s/s", folder);
    snprintf(url, sizeof url, "unix://%s", path);
    server = fork();
    if (server == 0) {
        if (!freopen("/dev/null", "w", stdout))
            _exit(1);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
               "--appendonly", "no", "--dir", folder, (char *)NULL);
        _exit(127);
    }
    atexit(stop_server);
}

static void put_more(struct load *l)
{
    char user[32];
    while (l->to_put && sink_room(l->sink) > 0) {
        l->to_put--;
        snprintf(user, sizeof user, "user-%08ld", l->to_put % N_USERS);
        sink_put(l->sink, &(struct sink_list){.user_id = zl_span_of(user),
                                              .version = {1, l->position, 1},
                                              .ts_ms = 1764007200000,
                                              .n = l->n_items,
                                              .items = items});
    }
}

static void wait_for(const struct sink *s)
{
    bool want_write;
    struct pollfd p = {.fd = sink_fd(s, &want_write)};
    p.events = (short)(POLLIN | (want_write ? POLLOUT : 0));
    poll(&p, 1, 20);
}

static void run(struct load *l)
{
    struct sink_answer answers[256];
    l->to_put = l->lists;
    l->done = 0;
    l->position++;
    while (l->done < l->lists) {
        put_more(l);
        int n = sink_poll(l->sink, clock_monotonic_ns(), answers, 256);
        for (int i = 0; i < n; i++) {
            l->done += answers[i].result != SINK_FAILED;
            l->to_put += answers[i].result == SINK_FAILED;
        }
        if (n == 0)
            wait_for(l->sink);
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void bench_format(int n_items)
{
    static char out[1 << 20];
    struct sink_list list = {
        .version = {1, 2, 3}, .ts_ms = 1764007200000, .n = n_items, .items = items};
    size_t bytes = 0;
    int64_t start = clock_cpu_ns();
    for (int i = 0; i < 100000; i++)
        bytes += sink_format_value(&list, false, out, sizeof out);
    printf("format alone: %.0f ns a list of %zu bytes\n", (double)(clock_cpu_ns() - start) / 1e5,
           bytes / 100000);
}

int main(int argc, char **argv)
{
    struct load l = {.lists = argc > 1 ? atol(argv[1]) : 200000,
                     .n_items = argc > 2 ? atoi(argv[2]) : 50};
    struct sink_config cfg = {
        .kind = SINK_REDIS, .url = url, .inflight = argc > 3 ? atoi(argv[3]) : 256};
    struct zl_error err;
    double rate[N_RUNS], cpu[N_RUNS];
    for (int i = 0; i < ZL_MAX_LIST; i++) {
        snprintf(item_text[i], sizeof item_text[i], "video-%08d", i);
        items[i] = zl_span_of(item_text[i]);
    }
    log_setup(LOG_ERROR, LOG_TEXT);
    start_server();
    if (sink_open(&cfg, &l.sink, &err) != ZL_OK)
        return 78;
    bench_format(l.n_items);
    for (int i = 0; i < N_RUNS; i++) {
        int64_t start = clock_monotonic_ns(), start_cpu = clock_cpu_ns();
        run(&l);
        rate[i] = (double)l.lists * 1e9 / (double)(clock_monotonic_ns() - start);
        cpu[i] = (double)(clock_cpu_ns() - start_cpu) / 1000 / (double)l.lists;
    }
    sink_close(l.sink, 1000);
    qsort(rate, N_RUNS, sizeof rate[0], by_size);
    qsort(cpu, N_RUNS, sizeof cpu[0], by_size);
    printf("%ld lists of %d items, inflight %d, unix socket, median of %d: %.0f lists/s "
           "(%.0f-%.0f), %.2f us of our CPU a list\n",
           l.lists, l.n_items, cfg.inflight, N_RUNS, rate[N_RUNS / 2], rate[0], rate[N_RUNS - 1],
           cpu[N_RUNS / 2]);
    return 0;
}
