/* app/log_identity.h - is this the file that the state in a folder was learned from?
 * File     DIR/log: hash of the first record of the file of events, and the file's name at that time, for words. Written when a state begins.
 * Promise  A state of one file is not gone on from with another: that would skip as many lines of the other and mix the two. The name may
 *          change, and the file may have grown. Two files that begin with the same record are taken for one.
 * Threads  the engine's loop. */
#ifndef APP_LOG_IDENTITY_H
#define APP_LOG_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "zhiliu/status.h"

/* first: source_first_record(). used: a state was loaded from the folder; without one the file is written. ZL_ECONFIG: another log. A state
 * without this file (older, or of Kafka) is let pass. */
MUST_CHECK enum zl_status log_identity_check(const char *folder, bool used, const char *name,
                                             uint64_t first, struct zl_error *err);

#endif
