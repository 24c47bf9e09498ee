/* The bytes a reader gets. design: one STRING a user, JSON, and the version at bytes 14 to 53 whatever follows,
 *
 *     {"v":1,"ver":"0000000100000000000000ff0000000000000001","ts":1764007200000,"experiment":{},"items":["a","b"],"explore":{}}
 *     0      7      14                                      53
 *
 * because the store's script compares versions with GETRANGE and parses nothing.
 */
#include "sink/sink_priv.h"

#include <math.h>
#include <stdio.h>

#include "base/check.h"

#define FIXED_BYTES 160  /* keys, braces, version, time: 131 at most, and the NUL of snprintf */
#define EXPLORE_BYTES 36 /* ",\"1000\":4.9406564584124654e-324" is 31 */
#define SCORE_BYTES 16   /* "-1.23457e-38," is 13 */

static bool explored(const struct sink_list *list, int i)
{
    return list->propensities && list->propensities[i] > 0;
}

size_t sink_value_bound(const struct sink_list *list, bool scores)
{
    size_t bound = FIXED_BYTES + list->experiment.len;
    for (int i = 0; i < list->n; i++)
        bound += 6 * list->items[i].len + 3 + (explored(list, i) ? EXPLORE_BYTES : 0);
    return bound + (scores ? (size_t)list->n * SCORE_BYTES + 12 : 0);
}

size_t sink_format_escaped(struct zl_span text, char *out)
{
    static const char hex[] = "0123456789abcdef";
    char *at = out;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\') {
            *at++ = '\\';
            *at++ = (char)c;
        } else if (c < 0x20) {
            memcpy(at, "\\u00", 4);
            at[4] = hex[c >> 4];
            at[5] = hex[c & 15];
            at += 6;
        } else {
            *at++ = (char)c;
        }
    }
    return (size_t)(at - out);
}

static char *put(char *at, struct zl_span text)
{
    if (text.len)
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static char *put_object(char *at, struct zl_span object)
{
    return put(at, object.len ? object : ZL_SPAN("{}"));
}

static char *put_items(char *at, const struct sink_list *list)
{
    for (int i = 0; i < list->n; i++) {
        if (i)
            *at++ = ',';
        *at++ = '"';
        at += sink_format_escaped(list->items[i], at);
        *at++ = '"';
    }
    return at;
}

/* JSON knows no NaN and no infinity; such a score is a fault elsewhere, and a list is better than none. */
static char *put_scores(char *at, const struct sink_list *list)
{
    for (int i = 0; i < list->n; i++) {
        double score = isfinite(list->scores[i]) ? (double)list->scores[i] : 0;
        at += snprintf(at, SCORE_BYTES, "%s%.6g", i ? "," : "", score);
    }
    return at;
}

/* 17 digits: what is read back is the same number, and it can be divided by. */
static char *put_explore(char *at, const struct sink_list *list)
{
    bool first = true;
    *at++ = '{';
    for (int i = 0; i < list->n; i++)
        if (explored(list, i)) {
            at += snprintf(at, EXPLORE_BYTES, "%s\"%d\":%.17g", first ? "" : ",", i + 1,
                           list->propensities[i]);
            first = false;
        }
    *at++ = '}';
    return at;
}

size_t sink_format_value(const struct sink_list *list, bool scores, char *out, size_t capacity)
{
    ASSERT(capacity >= sink_value_bound(list, scores));
    char version[ZL_VERSION_LEN + 1];
    zl_version_format(&list->version, version);
    char *at = out + snprintf(out, FIXED_BYTES, "{\"v\":1,\"ver\":\"%s\",\"ts\":%lld", version,
                              (long long)list->ts_ms);
    if (list->key == SINK_FEED)
        at = put_object(put(at, ZL_SPAN(",\"experiment\":")), list->experiment);
    at = put(at, ZL_SPAN(",\"items\":["));
    at = put_items(at, list);
    *at++ = ']';
    if (scores && list->scores) {
        at = put(at, ZL_SPAN(",\"scores\":["));
        at = put_scores(at, list);
        *at++ = ']';
    }
    if (list->key == SINK_FEED)
        at = put_explore(put(at, ZL_SPAN(",\"explore\":")), list);
    *at++ = '}';
    return (size_t)(at - out);
}
