/* model/decay.h - the clocks by which counts are forgotten.
 * Formula  a clock runs in half-lives. A choice moves it by min(1 / choices, gap / span): by a half-life in `choices` choices while traffic is
 *          thin, in `span_ms` of event time where more choices than that come in a span. So a half-life is the longer of the two: a small
 *          site keeps enough choices to count, and a large one does not forget in a second what it saw in the second before.
 *          gap: decayed mean of event time between two choices, over about the newest 1,000.
 * Units    event time, ms; a gap is never negative (late events move nothing).
 * Threads  the engine's loop only. */
#ifndef MODEL_DECAY_H
#define MODEL_DECAY_H

#include <stdint.h>

#include "base/rows.h"

#define DECAY_CLOCKS 4

struct decay {
    double now[DECAY_CLOCKS]; /* half-lives since the start */
    double gap_ms;
    uint64_t gaps;                                       /* measured */
    int64_t newest_ms;                                   /* event time; 0: none yet */
    double choices[DECAY_CLOCKS], span_ms[DECAY_CLOCKS]; /* span 0: choices alone count */
};

/* `times`: how many choices the event stands for; 0 moves time only. */
void decay_advance(struct decay *d, int64_t at_ms, uint32_t times);
void decay_write(const struct decay *d, struct rows_buffer *out);
void decay_read(struct decay *d, struct rows_cursor *in);

#endif
