/* Bad input on purpose: each reject reason of the closed list in turn, so that a ledger that knows the plan can hold the dead letters
 * against it. Every one is spoiled in one way only. */
#include "app/simulate_world.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

/* What follows {"event_id":"ID" - user and ts are filled in. Two ways a reason, used in turn. */
static const char *const spoiled[ZL_N_REASONS][2] = {
    [ZL_BAD_UTF8] = {",\"type\":\"like\",\"user_id\":\"%s\",\"item_id\":\"v\xff\",\"ts\":%lld}",
                     ",\"type\":\"like\",\"user_id\":\"%s\",\"item_id\":\"v1\",\"ts\":%lld,"
                     "\"surface\":\"\xe4\xb8\"}"},
    [ZL_BAD_JSON] = {",\"type\":\"like\",\"user_id\":\"%s\",\"item_id\":\"v1\",\"ts\":%lld",
                     ",\"type\":\"like\",\"user_id\":\"%s\",\"item_id\":\"v1\",\"ts\":%lld,}"},
    [ZL_DUPLICATE_KEY] =
        {",\"type\":\"like\",\"user_id\":\"%s\",\"item_id\":\"v1\",\"ts\":%lld,\"item_id\":\"v2\"}",
         ",\"type\":\"like\",\"user_id\":\"%s\",\"item_id\":\"v1\",\"ts\":%lld,\"x\":1,\"x\":1}"},
    [ZL_MISSING_FIELD] = {",\"type\":\"like\",\"user_id\":\"%s\",\"ts\":%lld}",
                          ",\"type\":\"watch\",\"user_id\":\"%s\",\"item_id\":\"v1\",\"ts\":%lld}"},
    [ZL_BAD_TYPE] = {",\"type\":\"like\",\"user_id\":\"%s\",\"item_id\":\"v1\",\"ts\":\"%lld\"}",
                     ",\"type\":\"like\",\"user_id\":\"%s\",\"item_id\":17,\"ts\":%lld}"},
    [ZL_OUT_OF_RANGE] =
        {",\"type\":\"like\",\"user_id\":\"%s\",\"item_id\":\"\",\"ts\":%lld}",
         ",\"type\":\"watch\",\"user_id\":\"%s\",\"item_id\":\"v1\",\"ts\":%lld,\"watch_ms\":-5}"},
    [ZL_NOT_FINITE] = {",\"type\":\"like\",\"user_id\":\"%s\",\"item_id\":\"v1\",\"ts\":%lld,"
                       "\"propensity\":1e999}",
                       ",\"type\":\"like\",\"user_id\":\"%s\",\"item_id\":\"v1\",\"ts\":%lld,"
                       "\"propensity\":-1e400}"},
    [ZL_UNKNOWN_TYPE] = {",\"type\":\"applaud\",\"user_id\":\"%s\",\"item_id\":\"v1\",\"ts\":%lld}",
                         ",\"type\":\"LIKE\",\"user_id\":\"%s\",\"item_id\":\"v1\",\"ts\":%lld}"},
    [ZL_UNKNOWN_VERSION] =
        {",\"v\":2,\"type\":\"like\",\"user_id\":\"%s\",\"item_id\":\"v1\",\"ts\":%lld}",
         ",\"type\":\"like\",\"user_id\":\"%s\",\"item_id\":\"v1\",\"ts\":%lld,\"v\":99}"},
};
static const char good[] = ",\"type\":\"like\",\"user_id\":\"%s\",\"item_id\":\"v1\",\"ts\":%lld}";

#define TWO_DAYS_MS (2 * 86400000LL)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored                                                                     \
    "-Wformat-nonliteral" /* the forms above, each with one %s and one %lld */
static size_t write_form(char *out, size_t size, const struct simulate *s, const char *form,
                         const char *user, int64_t ts_ms)
{
    int n =
        snprintf(out, size, "{\"event_id\":\"%08x-b%llu\"", s->tag, (unsigned long long)s->n_bad);
    n += snprintf(out + n, size - (size_t)n, form, user, (long long)ts_ms);
    ASSERT(n > 0 && (size_t)n < size);
    return (size_t)n;
}
#pragma GCC diagnostic pop

/* A good event, but longer than one message may be. */
static size_t write_large(struct simulate *s, const char *user, int64_t ts_ms)
{
    if (!s->large)
        s->large = xcalloc(1, SIM_LARGE + SIM_LINE);
    size_t n = write_form(s->large, SIM_LINE, s, good, user, ts_ms) - 1; /* without its brace */
    n += (size_t)snprintf(s->large + n, SIM_LINE, ",\"filling\":\"");
    memset(s->large + n, 'x', SIM_LARGE - n);
    memcpy(s->large + SIM_LARGE, "\"}", 2);
    return SIM_LARGE + 2;
}

static void bad_item(struct simulate *s, struct simulate_record *out)
{
    int n = snprintf(s->key, sizeof s->key, "bad%llu", (unsigned long long)s->n_bad);
    out->key = (struct zl_span){s->key, (size_t)n};
    n = snprintf(s->line, SIM_LINE,
                 "{\"item_id\":\"%s\",\"features\":{\"video\":\"far too blue\"}}", s->key);
    out->value = (struct zl_span){s->line, (size_t)n};
    out->topic = ZL_TOPIC_ITEMS;
}

static enum zl_reason next_reason(struct simulate *s, uint64_t *round)
{
    int wanted = __builtin_popcount(s->cfg.reasons);
    int skip = (int)(s->n_bad % (uint64_t)wanted);
    *round = s->n_bad / (uint64_t)wanted;
    s->n_bad++;
    for (int r = 1;; r++)
        if (s->cfg.reasons >> r & 1 && skip-- == 0)
            return (enum zl_reason)r;
}

void sim_write_bad(struct simulate *s, int64_t ts_ms, struct simulate_record *out)
{
    uint64_t round;
    enum zl_reason reason = next_reason(s, &round);
    struct rng r = rng_at(s->cfg.seed, 5, s->n_bad, 0);
    char user[65];
    size_t user_len = sim_user_name(s, rng_below(&r, s->cfg.users), user);
    memcpy(s->key, user, user_len + 1);
    *out = (struct simulate_record){
        .topic = ZL_TOPIC_EVENTS, .key = {s->key, user_len}, .ts_ms = ts_ms, .planted = reason};
    out->value = (struct zl_span){s->line, 0};
    if (reason == ZL_TOO_LARGE)
        out->value = (struct zl_span){s->large, write_large(s, user, ts_ms)};
    else if (reason == ZL_NOT_OBJECT)
        out->value.len = (size_t)snprintf(s->line, SIM_LINE, round % 2 ? "%llu" : "\"%llu\"",
                                          (unsigned long long)s->n_bad);
    else if (reason == ZL_BAD_FEATURES)
        bad_item(s, out);
    else if (reason == ZL_FUTURE_TIME)
        out->value.len = write_form(s->line, SIM_LINE, s, good, user, ts_ms + TWO_DAYS_MS);
    else
        out->value.len =
            write_form(s->line, SIM_LINE, s,
                       reason == ZL_KEY_MISMATCH ? good : spoiled[reason][round % 2], user, ts_ms);
    if (reason == ZL_TOO_LARGE)
        out->value.ptr = s->large;
    if (reason == ZL_KEY_MISMATCH)
        out->key = ZL_SPAN("somebody-else");
}
