/* The loop. A turn waits for something to do (a message, the store's answer, a list that falls due), takes at most one batch, ranks
 * what is due, exchanges bytes with the store, and gives the checkpoint its slice. Nothing in it blocks on Kafka, Redis or the disk. */
#define _GNU_SOURCE
#include "app/engine.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "app/engine_priv.h"
#include "app/log_identity.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define NS_A_MS 1000000LL
#define TURN_MS 50 /* longest wait of a turn */
/* of a turn, so that new events are not kept waiting by a backlog */
#define RANK_BUDGET_NS (2 * NS_A_MS)
#define STOP_LISTS_MS 3000      /* shutdown: for the lists that are due */
#define STOP_CHECKPOINT_MS 4000 /* shutdown: for the last checkpoint */

/* ---- one turn ---- */

/* When other_lists has something to do. */
static int64_t others_next_ns(const struct engine *e)
{
    int64_t similar_ns = similar_next_ns(e->similar), hot_ns = hot_next_ns(e->hot);
    if (!source_items_ready(e->source))
        return INT64_MAX;
    return similar_ns < hot_ns ? similar_ns : hot_ns;
}

static int wait_ms(const struct engine *e, int64_t now_ns, bool more)
{
    if (more || e->held)
        return e->held && !more ? 1 : 0;
    int64_t due_ns = publish_next_ns(e->publish), sink_ns = sink_next_ns(e->sink);
    int64_t next_ns = due_ns < sink_ns ? due_ns : sink_ns;
    int64_t others_ns = others_next_ns(e);
    next_ns = others_ns < next_ns ? others_ns : next_ns;
    if (next_ns <= now_ns)
        return 0;
    int64_t ms = next_ns == INT64_MAX ? TURN_MS : (next_ns - now_ns + NS_A_MS - 1) / NS_A_MS;
    if (checkpoint_busy(e->checkpoint) && ms > 1)
        ms = 1;
    return ms < TURN_MS ? (int)ms : TURN_MS;
}

static void wait_for_work(struct engine *e, int timeout_ms)
{
    struct pollfd fds[8];
    int sources[4], n = 0, n_sources = source_fds(e->source, sources, 4);
    if (n_sources < 0)
        timeout_ms = 0; /* a file: always ready */
    fds[n++] = (struct pollfd){.fd = e->wake[0], .events = POLLIN};
    for (int i = 0; i < n_sources && !e->held; i++)
        fds[n++] = (struct pollfd){.fd = sources[i], .events = POLLIN};
    bool want_write = false;
    int fd = sink_fd(e->sink, &want_write);
    if (fd >= 0)
        fds[n++] =
            (struct pollfd){.fd = fd, .events = (short)(POLLIN | (want_write ? POLLOUT : 0))};
    if (poll(fds, (nfds_t)n, timeout_ms) > 0 && (fds[0].revents & POLLIN)) {
        char drain[64];
        while (read(e->wake[0], drain, sizeof drain) == (ssize_t)sizeof drain)
            continue;
    }
}

static uint64_t dead_acked(void *ctx)
{
    struct engine *e = ctx;
    dead_letters_poll(e->dead_letters, 0);
    return dead_letters_acked(e->dead_letters);
}

static void forget_ids(void *ctx, const struct guard_ids *ids)
{
    (void)ctx;
    (void)ids;
}

static void checkpoint_turn(struct engine *e)
{
    if (!e->checkpoint)
        guard_take_new_ids(e->guard, forget_ids, NULL); /* nobody writes them down */
    if (!e->checkpoint || e->held)
        return; /* a held batch is in the rows but not in the positions */
    uint64_t acked = dead_acked(e);
    checkpoint_step(e->checkpoint, clock_wall_ms(), &e->positions,
                    dead_letters_put_count(e->dead_letters), acked);
    uint64_t moment = checkpoint_sealed_moment(e->checkpoint);
    if (moment != e->committed_moment) {
        e->committed_moment = moment;
        source_commit(e->source, checkpoint_sealed_positions(e->checkpoint));
    }
}

static void say_hang_up(struct engine *e)
{
    if (!e->hang_up)
        return;
    e->hang_up = 0;
    LOG(WARN, "engine",
        "SIGHUP: reloading the pipeline is not there yet; nothing was changed, restart to apply a "
        "new one");
}

/* Before the first of its messages is taken. With positions of his own (--from) somebody knows what he does. */
static enum zl_status check_log(struct engine *e, struct zl_error *err)
{
    uint64_t first = e->reads_file && e->checkpoint ? source_first_record(e->source) : 0;
    if (e->knows_log || first == 0 || e->opt.from)
        return ZL_OK;
    e->knows_log = true;
    return log_identity_check(wiring_checkpoint_path(e), engine_moment(e) > 0, e->file, first, err);
}

/* One batch at most. ZL_END: the input is used up. */
static enum zl_status take_batch(struct engine *e, int64_t now_ns, struct zl_error *err)
{
    if (!e->held) {
        source_wake_clear(e->source);
        enum zl_status st = source_poll(e->source, &e->batch, err);
        if (st != ZL_OK && st != ZL_END)
            return st;
        TRY(check_log(e, err));
        if (e->batch.n == 0)
            return st;
        batch_take(e, now_ns);
    }
    return batch_settle(e, err);
}

/* Lists that are no user's: when no user's list waits. */
static void other_lists(struct engine *e)
{
    int64_t now_ns = clock_monotonic_ns();
    bool feed_waits = publish_next_ns(e->publish) <= now_ns;
    similar_turn(e->similar, now_ns, feed_waits);
    hot_turn(e->hot, now_ns, feed_waits);
}

static enum zl_status turn(struct engine *e, struct zl_error *err)
{
    int64_t now_ns = clock_monotonic_ns();
    enum zl_status st = take_batch(e, now_ns, err);
    if (st != ZL_OK && st != ZL_END)
        return st;
    bool idle = !e->batch.more;
    if (source_items_ready(e->source)) {
        publish_due(e->publish, now_ns, idle, RANK_BUDGET_NS);
        other_lists(e);
    }
    publish_exchange(e->publish, clock_monotonic_ns());
    checkpoint_turn(e);
    dead_letters_poll(e->dead_letters, 0);
    say_hang_up(e);
    if (now_ns - e->tick_ns >= 1000 * NS_A_MS) {
        e->tick_ns = now_ns;
        publish_tick(e->publish);
        similar_tick(e->similar, now_ns);
        watch_tick(e, now_ns);
    }
    if (st == ZL_END)
        return ZL_END;
    wait_for_work(e, wait_ms(e, clock_monotonic_ns(), e->batch.more));
    e->batch.n = e->held ? e->batch.n : 0;
    return ZL_OK;
}

/* ---- the end ---- */

/* Writes lists that are due: all of them at the end of a file (while the store is there), else for a bounded time. */
static void drain_lists(struct engine *e, bool all)
{
    if (e->cfg->sink.kind == SINK_STDOUT && !sink_connected(e->sink, NULL, 0))
        return;
    int64_t until_ns = clock_monotonic_ns() + STOP_LISTS_MS * NS_A_MS, now_ns;
    while ((now_ns = clock_monotonic_ns()) < until_ns && publish_pending(e->publish) > 0 &&
           !(e->stopping && all)) {
        publish_due(e->publish, now_ns, true, 5 * NS_A_MS);
        publish_exchange(e->publish, now_ns);
        if (all && sink_connected(e->sink, NULL, 0))
            until_ns = now_ns + STOP_LISTS_MS * NS_A_MS;
        if (publish_next_ns(e->publish) == INT64_MAX)
            wait_for_work(e, 1);
    }
}

/* A file's related and popularity lists, once; while the store takes them. */
static void drain_other_lists(struct engine *e)
{
    int64_t until_ns = clock_monotonic_ns() + STOP_LISTS_MS * NS_A_MS, now_ns;
    while ((now_ns = clock_monotonic_ns()) < until_ns && !e->stopping) {
        bool done = similar_finish(e->similar);
        if (done && hot_finish(e->hot))
            return;
        publish_exchange(e->publish, now_ns);
        if (sink_connected(e->sink, NULL, 0))
            until_ns = now_ns + STOP_LISTS_MS * NS_A_MS;
        wait_for_work(e, 1);
    }
}

static enum zl_status settle_held(struct engine *e, struct zl_error *err)
{
    int64_t until_ns = clock_monotonic_ns() + 1000 * NS_A_MS;
    while (e->held && clock_monotonic_ns() < until_ns) {
        dead_letters_poll(e->dead_letters, 10);
        TRY(batch_settle(e, err));
    }
    return ZL_OK;
}

/* At the end of a file nobody will come back for what was not written. */
static enum zl_status say_unwritten(struct engine *e, bool at_end, struct zl_error *err)
{
    char why[256] = "";
    uint32_t n = publish_pending(e->publish);
    if (n == 0 || !at_end)
        return ZL_OK;
    sink_connected(e->sink, why, sizeof why);
    return zl_fail(err, ZL_EUNREACHABLE, "%u lists could not be written: %s", n, why);
}

static enum zl_status last_checkpoint(struct engine *e, struct zl_error *err)
{
    if (!e->checkpoint || e->held)
        return ZL_OK; /* the newest sealed moment stands; what came after is read again */
    dead_letters_sync(e->dead_letters);
    enum zl_status st = checkpoint_finish(e->checkpoint, clock_wall_ms(), &e->positions,
                                          dead_letters_put_count(e->dead_letters), dead_acked, e,
                                          STOP_CHECKPOINT_MS, err);
    if (st == ZL_OK)
        source_commit(e->source, checkpoint_sealed_positions(e->checkpoint));
    return st;
}

static enum zl_status finish(struct engine *e, bool at_end, struct zl_error *err)
{
    TRY(settle_held(e, err));
    drain_lists(e, at_end);
    if (at_end)
        drain_other_lists(e);
    TRY(last_checkpoint(e, err));
    return say_unwritten(e, at_end, err);
}

/* stdout that is gone does not come back. A reader that has seen enough (`| head`) is a clean end. */
static enum zl_status ask_stdout(struct engine *e, struct zl_error *err)
{
    char why[256] = "";
    if (!e->opt.serve || e->cfg->sink.kind != SINK_STDOUT ||
        sink_connected(e->sink, why, sizeof why))
        return ZL_OK;
    e->stopping = 1;
    return strstr(why, strerror(EPIPE)) ? ZL_OK : zl_fail(err, ZL_EIO, "%s", why);
}

enum zl_status engine_run(struct engine *e, struct zl_error *err)
{
    enum zl_status st = ZL_OK;
    publish_mark_active(e->publish);
    watch_tick(e, clock_monotonic_ns());
    while (st == ZL_OK && !e->stopping) {
        st = turn(e, err);
        enum zl_status gone = ask_stdout(e, err);
        if (gone != ZL_OK)
            return gone;
        metrics_set(METRIC_LOOP_BEAT, 0, (double)clock_wall_ms() * 1e-3);
    }
    if (st != ZL_OK && st != ZL_END)
        return st;
    LOG(INFO, "engine", "%s: writing due lists and a last checkpoint",
        e->stopping ? "asked to stop" : "end of the input");
    return finish(e, st == ZL_END && !e->stopping, err);
}

void engine_stop(struct engine *e)
{
    int saved = errno;
    e->stopping = 1;
    ssize_t ignored = write(e->wake[1], "s", 1);
    (void)ignored;
    errno = saved;
}

void engine_hang_up(struct engine *e)
{
    int saved = errno;
    e->hang_up = 1;
    ssize_t ignored = write(e->wake[1], "h", 1);
    (void)ignored;
    errno = saved;
}
