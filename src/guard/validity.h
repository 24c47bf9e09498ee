/* guard/validity.h - is it plausible, and when did it happen? Pure: the event in, the event marked.
 * Rules    ts after 1970 and before the year 3000; watch and duration 0..24 h: else out_of_range.
 *          Against the message's log time:  ts <= log + skew     at_ms = ts
 *                                           ts <= log + future   at_ms = log, the clock is skewed
 *                                           beyond               future_time
 *                                           ts <  log - late     late
 *          Lateness is never a reason to refuse. A message without a log time (0 or less) is taken at its word. */
#ifndef GUARD_VALIDITY_H
#define GUARD_VALIDITY_H

#include "guard/guard.h"

#define GUARD_MAX_LENGTH_MS (INT64_C(24) * 3600 * 1000)
#define GUARD_MAX_TS_MS INT64_C(32503680000000) /* the year 3000 */

/* Sets at_ms, late, weight; false: reason and detail are set, outcome is ZL_REJECTED. */
bool guard_validity_check(const struct guard_config *cfg, struct zl_event *ev);
/* Was at_ms moved by the skew rule? Of an event that passed. */
bool guard_validity_is_skewed(const struct zl_event *ev);

#endif
