/* decode/leap.h - a ts far beyond all before it: has time gone on, or is one clock wrong?
 * Idea     A log may pause for years, and its first event comes out of nothing: how far a ts leaps says little. What follows says it: after a
 *          pause the events go on from there; after a phone of the year 2999 they go on from where they were.
 * Rule     A leap is a ts more than LEAP_MS ahead of the clock (the first event of a log always is). Of the next LEAP_WINDOW events those of
 *          other users are asked; where all are of this user, or of nobody else, these. At least a quarter must lie no more than LEAP_MS
 *          behind it. With nothing after it, the first event is believed and another is not.
 *          So a leap is believed of a log sorted by user, too; two wrong clocks of one year within 64 events may still agree.
 * Promise  Pure: events in log order, no wall clock. Does not depend on where a batch ends: LEAP_OPEN asks for more of the log.
 * Threads  any. */
#ifndef DECODE_LEAP_H
#define DECODE_LEAP_H

#include "zhiliu/event.h"

#define LEAP_MS (INT64_C(366) * 86400 * 1000)
#define LEAP_WINDOW 64

enum leap { LEAP_BELIEVED, LEAP_REFUSED, LEAP_OPEN };

/* May this ts be the clock? */
bool decode_leap_is_time(int64_t ts_ms);
/* Does it leap ahead of the clock (0: there is none yet)? */
bool decode_leap_is(int64_t clock_ms, int64_t ts_ms);
/* Event i of n. end: nothing comes after these. first: the log had no clock before. */
enum leap decode_leap_judge(const struct zl_event *events, size_t n, size_t i, bool end,
                            bool first);
/* The earliest time of the events that judge event i: the clock where the first of a log is refused. */
int64_t decode_leap_earliest(const struct zl_event *events, size_t n, size_t i);

#endif
