/* How many partitions has the topic? Where does the catalogue end? Who else is in the group? Each takes a round trip to a broker that
 * may be down, and the loop has lists to keep fresh meanwhile. So a thread asks and leaves its answer behind a lock. */
#define _GNU_SOURCE
#include "source/scout.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"

#define REST_MS 10000 /* between questions when all is well */
#define RETRY_MS 250  /* after an answer that was not complete, or is awaited */

struct scout {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t bell;
    bool stop, wake;
    struct scout_answer newest;
    void (*ask)(void *ctx, struct scout_answer *a);
    void (*woken)(void *ctx);
    void *ctx;
};

static struct timespec after_ms(int64_t ms)
{
    struct timespec t;
    int64_t ns = clock_monotonic_ns() + ms * 1000000;
    t.tv_sec = (time_t)(ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    return t;
}

/* With the lock held: sleeps until woken, stopped, or ms have passed. */
static void rest(struct scout *s, int64_t ms)
{
    struct timespec until = after_ms(ms);
    while (!s->stop && !s->wake)
        if (pthread_cond_timedwait(&s->bell, &s->lock, &until) != 0)
            break;
    s->wake = false;
}

static void *scout_run(void *arg)
{
    struct scout *s = arg;
    struct scout_answer *a = xcalloc(1, sizeof *a);
    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        *a = s->newest;
        pthread_mutex_unlock(&s->lock);
        a->asked_ns = clock_monotonic_ns();
        s->ask(s->ctx, a);
        pthread_mutex_lock(&s->lock);
        s->newest = *a;
        s->woken(s->ctx);
        rest(s, a->complete && !a->soon ? REST_MS : RETRY_MS);
    }
    pthread_mutex_unlock(&s->lock);
    free(a);
    return NULL;
}

struct scout *scout_open(void (*ask)(void *ctx, struct scout_answer *a), void (*woken)(void *ctx),
                         void *ctx)
{
    struct scout *s = xcalloc(1, sizeof *s);
    s->ask = ask;
    s->woken = woken;
    s->ctx = ctx;
    s->newest.n_members = -1;
    for (int t = 0; t < ZL_N_TOPICS; t++)
        s->newest.n_partitions[t] = -1;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->bell, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&s->lock, NULL);
    ASSERT(pthread_create(&s->thread, NULL, scout_run, s) == 0);
    return s;
}

void scout_wake(struct scout *s)
{
    pthread_mutex_lock(&s->lock);
    s->wake = true;
    pthread_cond_signal(&s->bell);
    pthread_mutex_unlock(&s->lock);
}

void scout_close(struct scout *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->bell);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->bell);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

bool scout_read(struct scout *s, struct scout_answer *a)
{
    pthread_mutex_lock(&s->lock);
    bool newer = s->newest.asked_ns > a->asked_ns;
    if (newer)
        *a = s->newest;
    pthread_mutex_unlock(&s->lock);
    return newer;
}
