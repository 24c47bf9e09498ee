/* app/evaluate_rivals.h - baselines (src/evaluate) beside the engine in one pass: the same events, the same items, the same question.
 * Promise  Nothing that is tested tells a rival which item is the answer: one that enters the catalogue with this very event (see
 *          evaluate_pass.c) is a miss, and teaches no mix.
 *          A rival learns each (user, item) once, from its first rewarded event, whenever the engine learns from that event, and is
 *          tested when the engine is.
 * Threads  one. */
#ifndef APP_EVALUATE_RIVALS_H
#define APP_EVALUATE_RIVALS_H

#include "app/engine.h"
#include "app/evaluate.h"
#include "evaluate/baseline.h"

#define EVALUATE_MAX_RIVALS 8

/* --baseline a,b,c */
struct evaluate_rival_names {
    int n;
    char names[EVALUATE_MAX_RIVALS][32];
};

/* ZL_EUSAGE, in words: an unknown name, the same one twice, or too many. text NULL: none. */
MUST_CHECK enum zl_status evaluate_rivals_parse(const char *text, struct evaluate_rival_names *out,
                                                struct zl_error *err);

struct evaluate_rivals;

/* cfg: all but the name. *out is the caller's, for evaluate_rivals_close. */
MUST_CHECK enum zl_status evaluate_rivals_open(const struct evaluate_rival_names *names,
                                               const struct baseline_config *cfg,
                                               struct evaluate_rivals **out, struct zl_error *err);
void evaluate_rivals_close(struct evaluate_rivals *r);
/* Before the event is learned. into: one for each name; NULL: this event is not tested. at: as evaluate_take's. learn: the engine will
 * learn from the event. enters: its item enters the catalogue with it. */
void evaluate_rivals_take(struct evaluate_rivals *r, const struct engine *e,
                          const struct zl_event *ev, struct evaluate *const *into, uint64_t at,
                          bool learn, bool enters);

#endif
