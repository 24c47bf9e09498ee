/* librdkafka tells how it is doing as JSON; this picks what /metrics wants. Logical brokers (the group's coordinator, bootstrap
 * addresses; their nodeid is -1) stand for real ones that are in the list as well, and are not counted. */
#include "decode/statistics.h"

#include <string.h>

static const struct json_value *member(const struct json_members *m, const char *key)
{
    for (size_t i = 0; i < m->n; i++)
        if (zl_span_is(m->at[i].key, key))
            return &m->at[i].value;
    return NULL;
}

static double seconds(const struct json_members *window, const char *key)
{
    const struct json_value *v = member(window, key);
    return v && v->kind == JSON_INTEGER && v->integer > 0 ? (double)v->integer * 1e-6 : 0;
}

static void add_broker(const struct json_members *broker, struct json_members *window,
                       struct decode_statistics *out)
{
    const struct json_value *id = member(broker, "nodeid"), *state = member(broker, "state"),
                            *rtt = member(broker, "rtt");
    if (id && id->kind == JSON_INTEGER && id->integer < 0)
        return;
    out->brokers++;
    out->brokers_up += state && state->kind == JSON_STRING && zl_span_is(state->text, "UP");
    if (!rtt || rtt->kind != JSON_OBJECT)
        return;
    decode_json_object_members(rtt, window);
    double p50 = seconds(window, "p50"), p99 = seconds(window, "p99");
    out->rtt_p50_s = p50 > out->rtt_p50_s ? p50 : out->rtt_p50_s;
    out->rtt_p99_s = p99 > out->rtt_p99_s ? p99 : out->rtt_p99_s;
}

bool decode_statistics_read(struct json *j, struct statistics_scratch *s, const char *text,
                            size_t len, struct decode_statistics *out)
{
    struct json_value root;
    *out = (struct decode_statistics){0};
    if (decode_json_parse(j, text, len, &root) != JSON_OK || root.kind != JSON_OBJECT)
        return false;
    decode_json_object_members(&root, &s->outer);
    const struct json_value *brokers = member(&s->outer, "brokers");
    if (!brokers || brokers->kind != JSON_OBJECT)
        return false;
    decode_json_object_members(brokers, &s->outer);
    for (size_t i = 0; i < s->outer.n; i++)
        if (s->outer.at[i].value.kind == JSON_OBJECT) {
            decode_json_object_members(&s->outer.at[i].value, &s->broker);
            add_broker(&s->broker, &s->window, out);
        }
    return true;
}

void decode_statistics_scratch_release(struct statistics_scratch *s)
{
    decode_json_members_release(&s->outer);
    decode_json_members_release(&s->broker);
    decode_json_members_release(&s->window);
}
