/* The engine without doors: a program that makes the messages itself hands them in one after another and asks for lists when it
 * wants them. The rooms, the order of things and the versions are those of engine_run() on a file, so that the same messages,
 * written to a file, are the same log. */
#include "app/engine_priv.h"
#include "base/check.h"
#include "base/clock.h"

enum zl_status engine_feed(struct engine *e, const struct source_message *message,
                           struct zl_error *err)
{
    ASSERT(e->opt.feed && !e->held);
    e->batch.messages[0] = *message;
    e->batch.n = 1;
    batch_take(e, clock_monotonic_ns());
    enum zl_status st = batch_settle(e, err);
    e->batch.n = 0;
    return st;
}

struct zl_version engine_version(const struct engine *e, uint32_t user)
{
    const struct zl_position *at =
        zl_positions_find((struct zl_positions *)&e->positions, ZL_TOPIC_EVENTS,
                          model_user_partition(e->model, user));
    return (struct zl_version){.incarnation = (uint32_t)e->cfg->publish.incarnation,
                               .position = at && at->next > 0 ? (uint64_t)at->next : 0,
                               .epoch = 1};
}

bool engine_list(struct engine *e, struct zl_span user_id, struct zl_version *version,
                 struct zl_slate *out)
{
    uint32_t user = ids_find(e->users, user_id);
    if (user == ZL_NO_INDEX || user >= model_users(e->model))
        return false;
    *version = engine_version(e, user);
    rank_users(e->rank, &user, version, 1, out);
    return true;
}

struct rank *engine_rank(struct engine *e)
{
    return e->rank;
}
