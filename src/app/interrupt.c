/* `run` ends with 0 when it is told to stop: that is how it ends. A replay or an evaluation that is told to stop has not done what it was
 * asked for, and says so as a shell would: 128 and the signal. */
#define _GNU_SOURCE
#include "app/interrupt.h"

#include <signal.h>

static struct engine *volatile running; /* NULL: between two passes */
static volatile sig_atomic_t came;      /* the signal */

static void on_signal(int sig)
{
    came = sig;
    if (running)
        engine_stop(running);
}

static void listen_for_signals(void)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

/* Of the log's only or first partition: a file has no other. */
static long long next_of(const struct engine *e)
{
    const struct zl_positions *all = engine_positions(e);
    for (int i = 0; i < all->n; i++)
        if (all->at[i].topic == ZL_TOPIC_EVENTS && all->at[i].partition == 0)
            return (long long)all->at[i].next;
    return 0;
}

enum zl_status interrupt_run(struct engine *e, const char *left, struct zl_error *err)
{
    static bool listening;
    running = e;
    if (!listening)
        listen_for_signals();
    listening = true;
    if (came)
        engine_stop(e);
    enum zl_status st = engine_run(e, err);
    running = NULL;
    if (st != ZL_OK || !came)
        return st;
    return zl_fail(err, ZL_EINTERRUPTED, "interrupted after %llu messages, before %s %lld: %s",
                   (unsigned long long)engine_messages(e), engine_reads_file(e) ? "line" : "offset",
                   next_of(e) + (engine_reads_file(e) ? 1 : 0), left);
}

int interrupt_exit_code(enum zl_status st)
{
    return st == ZL_EINTERRUPTED ? 128 + came : zl_exit_code(st);
}
