/* app/json_text.h - strings as JSON, for what the verbs print. */
#ifndef APP_JSON_TEXT_H
#define APP_JSON_TEXT_H

#include <stdio.h>

#include "zhiliu/span.h"

/* With quotes; control characters, quotes and backslashes escaped; the rest as it is. */
void json_text_print(FILE *out, struct zl_span text);

#endif
