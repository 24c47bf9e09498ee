/* app/evaluate_similar.h - zhiliu evaluate EVENTS --similar: does the next choice stand in the related list of the one before?
 * Protocol prequential, as evaluate.h: each choice of a user who has a history is looked up in the list of their newest item, by
 *          the mix and by each of its two parts alone, then learned. Nothing else of the user is known to the list, and what the
 *          user met before is not taken out of it. */
#ifndef APP_EVALUATE_SIMILAR_H
#define APP_EVALUATE_SIMILAR_H

#include "app/commands.h"

/* One run; prints the table, or with --format json {"stream":…,"seed":…,"similar":{"hr@N":…,"cooccurrence":…,"vectors":…,"n":…}}.
 * Returns the exit code. */
int evaluate_similar(const struct args *args, struct config *cfg);

#endif
