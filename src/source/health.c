/* Two numbers of a large JSON document decide: whether a broker is in state UP, and the top-level counter `rx` of answers received.
 * A fetch is answered at least every fetch.wait.max.ms even when there is nothing, so `rx` standing still means that nobody answers.
 * A parser would be too much for that: the document is written by a library in our own process, and its keys are searched for. */
#include "source/health.h"

#include <stdlib.h>
#include <string.h>

void source_health_statistics(struct source_health *h, struct zl_span json)
{
    h->up = strstr(json.ptr, "\"state\":\"UP\"") != NULL;
    /* the brokers' own "rx" stand before the top-level one, which is the last in the document */
    const char *at = json.ptr, *last = NULL;
    while ((at = strstr(at, "\"rx\":")) != NULL)
        last = at += 5;
    int64_t answers = last ? strtoll(last, NULL, 10) : 0;
    h->quiet = answers > h->answers ? 0 : h->quiet + 1;
    h->answers = answers;
}

void source_health_answered(struct source_health *h)
{
    h->up = true;
    h->quiet = 0;
}

void source_health_all_down(struct source_health *h)
{
    h->up = false;
}

const char *source_health_trouble(const struct source_health *h)
{
    if (!h->up)
        return "no broker is reachable";
    return h->quiet >= HEALTH_QUIET ? "the brokers do not answer" : NULL;
}
