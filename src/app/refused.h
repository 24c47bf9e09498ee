/* app/refused.h - how much of a file was refused, said at the end of a verb that has no dead-letter topic to point at.
 * Promise  A reason that refused nothing is not named; an input of which nothing was refused is not spoken of.
 * Units    n: ZL_N_REASONS counts of refused records (an object, a line, or an element of an array), as engine_refused() lends them.
 * Threads  any. */
#ifndef APP_REFUSED_H
#define APP_REFUSED_H

#include <stdint.h>

/* "refused":{"bad_json":2500} on stdout; {} when nothing was. */
void refused_print_json(const uint64_t *n);
/* zhiliu VERB: 2501 records of FILE were refused: bad_json 2500, bad_type 1 - on stderr. */
void refused_say(const char *verb, const char *file, const uint64_t *n);

#endif
