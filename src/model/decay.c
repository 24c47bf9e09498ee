/* Decay by the number of choices suits any small stream but no large one: 20,000 choices are half a year of a hobby site and two seconds of a
 * platform. Decay by time alone fits nobody who has quiet nights. So both, and the longer of them holds; which it is follows from how
 * dense choices come. Their gaps are averaged, since single ones are mostly 0 or a night. */
#include "model/decay.h"

#define MEMORY 1000.0 /* gaps */
#define ENOUGH 100U   /* gaps before time is believed */

static void note_gap(struct decay *d, int64_t at_ms)
{
    if (d->newest_ms && at_ms > 0) {
        double gap = at_ms > d->newest_ms ? (double)(at_ms - d->newest_ms) : 0;
        double n = (double)++d->gaps, share = 1 / (n < MEMORY ? n : MEMORY);
        d->gap_ms += share * (gap - d->gap_ms);
    }
    if (at_ms > d->newest_ms)
        d->newest_ms = at_ms;
}

void decay_advance(struct decay *d, int64_t at_ms, uint32_t times)
{
    note_gap(d, at_ms);
    for (int c = 0; c < DECAY_CLOCKS; c++) {
        double step = 1 / d->choices[c];
        if (d->span_ms[c] > 0 && d->gaps >= ENOUGH && d->gap_ms / d->span_ms[c] < step)
            step = d->gap_ms / d->span_ms[c];
        d->now[c] += times * step;
    }
}

void decay_write(const struct decay *d, struct rows_buffer *out)
{
    for (int c = 0; c < DECAY_CLOCKS; c++)
        rows_put_f64(out, d->now[c]);
    rows_put_f64(out, d->gap_ms);
    rows_put_u64(out, d->gaps);
    rows_put_i64(out, d->newest_ms);
}

void decay_read(struct decay *d, struct rows_cursor *in)
{
    for (int c = 0; c < DECAY_CLOCKS; c++)
        d->now[c] = rows_get_f64(in);
    d->gap_ms = rows_get_f64(in);
    d->gaps = rows_get_u64(in);
    d->newest_ms = rows_get_i64(in);
}
