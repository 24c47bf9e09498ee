/* An event's own clock is a phone's: it may be wrong by minutes, or by years. The log's time stamp is our reference. A little ahead is
 * normal, more ahead up to a day is a wrong clock whose event is still real, so the log's time is used; what lies further
 * ahead cannot be placed. Behind is normal: phones send what they kept while offline. */
#include "guard/validity.h"

static bool refuse(struct zl_event *ev, enum zl_reason reason, const char *detail)
{
    ev->outcome = ZL_REJECTED;
    ev->reason = reason;
    ev->detail = detail;
    return false;
}

static bool check_time(const struct guard_config *cfg, struct zl_event *ev)
{
    int64_t log_ms = ev->from.log_ms;
    ev->at_ms = ev->ts_ms;
    if (log_ms <= 0 || log_ms >= GUARD_MAX_TS_MS) /* no reference */
        return true;
    if (ev->ts_ms > log_ms + cfg->future_ms && ev->ts_ms > log_ms + cfg->skew_ms)
        return refuse(ev, ZL_FUTURE_TIME, "ts is too far ahead of the message's time in the log");
    if (ev->ts_ms > log_ms + cfg->skew_ms)
        ev->at_ms = log_ms;
    ev->late = ev->ts_ms < log_ms - cfg->late_ms;
    return true;
}

bool guard_validity_check(const struct guard_config *cfg, struct zl_event *ev)
{
    ev->outcome = ZL_COUNTED;
    ev->weight = 1;
    ev->late = false;
    if (ev->ts_ms <= 0 || ev->ts_ms >= GUARD_MAX_TS_MS)
        return refuse(ev, ZL_OUT_OF_RANGE, "ts is not between 1970 and 3000");
    if (ev->watch_ms < -1 || ev->watch_ms > GUARD_MAX_LENGTH_MS)
        return refuse(ev, ZL_OUT_OF_RANGE, "watch_ms is not in 0..86400000");
    if (ev->duration_ms < -1 || ev->duration_ms > GUARD_MAX_LENGTH_MS)
        return refuse(ev, ZL_OUT_OF_RANGE, "duration_ms is not in 0..86400000");
    return check_time(cfg, ev);
}

bool guard_validity_is_skewed(const struct zl_event *ev)
{
    return ev->at_ms != ev->ts_ms;
}
