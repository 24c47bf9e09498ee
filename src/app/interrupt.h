/* app/interrupt.h - Ctrl-C and SIGTERM end a replay or an evaluation in order: after a batch, with a last checkpoint, and with words.
 * Promise  The first signal asks the engine to stop; a second one ends the process at once, as it would without this.
 * Threads  the main one; one engine at a time. */
#ifndef APP_INTERRUPT_H
#define APP_INTERRUPT_H

#include "app/engine.h"
#include "zhiliu/status.h"

/* engine_run(), listening for SIGINT and SIGTERM from now on (between two passes one is kept for the next). ZL_EINTERRUPTED: one came;
 * err says how far it is, and what is left of the work: `left`, a part of a sentence. */
MUST_CHECK enum zl_status interrupt_run(struct engine *e, const char *left, struct zl_error *err);
#define INTERRUPT_NO_FIGURES "there are no figures, since they are of a whole log"
/* zl_exit_code(), and 130 or 143 where a signal ended it. */
int interrupt_exit_code(enum zl_status st);

#endif
