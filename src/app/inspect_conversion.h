/* app/inspect_conversion.h - zhiliu inspect conversion: what the conversion head has learned, and whether its chances are true. */
#ifndef APP_INSPECT_CONVERSION_H
#define APP_INSPECT_CONVERSION_H

#include <stdbool.h>
#include <stdio.h>

#include "app/engine.h"

/* json: one object with all courses; else tables for eyes, with the 20 courses of most exposures. */
void inspect_conversion_print(const struct engine *e, bool json, FILE *out);

#endif
