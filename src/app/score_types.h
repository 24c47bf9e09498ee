/* app/score_types.h - the TYPES of `evaluate --score TYPES`: "coin,like" to a set of event types.
 * Shapes   bit t of the set is event type t; 0: nothing was said.
 * Threads  any. */
#ifndef APP_SCORE_TYPES_H
#define APP_SCORE_TYPES_H

#include <stdint.h>

#include "zhiliu/status.h"

/* text NULL or empty: 0. ZL_EUSAGE: err names the word that is no event type. */
MUST_CHECK enum zl_status score_types_parse(const char *text, uint32_t *types,
                                            struct zl_error *err);

#endif
