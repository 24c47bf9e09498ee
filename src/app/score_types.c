/* A list of names between commas. An empty word is a mistake too: "coin,,like" was meant to say something. */
#include "app/score_types.h"

#include <string.h>

#include "zhiliu/event.h"

enum zl_status score_types_parse(const char *text, uint32_t *types, struct zl_error *err)
{
    *types = 0;
    if (text && *text == '\0')
        return zl_fail(err, ZL_EUSAGE, "--score: no event type is given");
    while (text && *text) {
        size_t len = strcspn(text, ",");
        int type = zl_event_type_of((struct zl_span){text, len});
        if (type < 0)
            return zl_fail(err, ZL_EUSAGE, "--score: \"%.*s\" is no event type", (int)len, text);
        *types |= 1U << type;
        text += len;
        if (*text == ',' && *++text == '\0')
            return zl_fail(err, ZL_EUSAGE, "--score: a type is missing after the last comma");
    }
    return ZL_OK;
}
