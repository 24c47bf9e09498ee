/* Who is asked, and how many must agree. One phone writes many events in a row, all with its own wrong clock, so its own word counts
 * only where nobody else speaks. A quarter, and not a half: in a log that is sorted by user the next ones begin earlier again. */
#include "decode/leap.h"

#include "decode/decode.h"

#define ONE_IN 4

bool decode_leap_is_time(int64_t ts_ms)
{
    return ts_ms > 0 && ts_ms < DECODE_MAX_CLOCK_MS;
}

bool decode_leap_is(int64_t clock_ms, int64_t ts_ms)
{
    return decode_leap_is_time(ts_ms) && (clock_ms <= 0 || ts_ms - clock_ms > LEAP_MS);
}

static size_t window_end(size_t n, size_t i)
{
    return n - i - 1 < LEAP_WINDOW ? n : i + 1 + LEAP_WINDOW;
}

enum leap decode_leap_judge(const struct zl_event *events, size_t n, size_t i, bool end, bool first)
{
    size_t own = 0, own_agree = 0, others = 0, others_agree = 0;
    if (!end && n - i - 1 < LEAP_WINDOW)
        return LEAP_OPEN;
    for (size_t j = i + 1; j < window_end(n, i); j++) {
        if (!decode_leap_is_time(events[j].ts_ms))
            continue;
        bool agrees = events[i].ts_ms - events[j].ts_ms <= LEAP_MS;
        bool same = zl_span_equal(events[i].user_id, events[j].user_id);
        own += same;
        own_agree += same && agrees;
        others += !same;
        others_agree += !same && agrees;
    }
    size_t asked = others ? others : own, agree = others ? others_agree : own_agree;
    if (asked == 0)
        return first ? LEAP_BELIEVED : LEAP_REFUSED;
    return agree * ONE_IN >= asked ? LEAP_BELIEVED : LEAP_REFUSED;
}

int64_t decode_leap_earliest(const struct zl_event *events, size_t n, size_t i)
{
    int64_t earliest = events[i].ts_ms;
    for (size_t j = i + 1; j < window_end(n, i); j++)
        if (decode_leap_is_time(events[j].ts_ms) && events[j].ts_ms < earliest)
            earliest = events[j].ts_ms;
    return earliest;
}
