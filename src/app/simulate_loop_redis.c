/* A page out of the store. What a client has to know of the format is all here: `items` are ids, best first; `explore` names the places
 * that were drawn, with their chance; `ver` goes back as request_id, `experiment` as it is. In a hot list an item may be an
 * object with an item_id. */
#include "app/simulate_loop_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "decode/json.h"
#include "sink/read.h"

#define TIMEOUT_MS 2000
#define AGAIN_NS 1000000000LL /* a store that was away is asked again after this */

struct simulate_loop_redis {
    struct simulate_lists lists;
    struct sink_read *store;
    struct json *json;
    struct json_members members;
    const char *prefix;
    bool away;
    int64_t again_ns;
};

static uint32_t item_of(const struct json_value *value)
{
    struct json_members members = {0};
    uint32_t item = UINT32_MAX;
    if (value->kind == JSON_STRING)
        return simulate_loop_item(value->text, UINT32_MAX);
    if (value->kind != JSON_OBJECT)
        return item;
    decode_json_object_members(value, &members);
    for (size_t i = 0; i < members.n; i++)
        if (zl_span_is(members.at[i].key, "item_id") && members.at[i].value.kind == JSON_STRING)
            item = simulate_loop_item(members.at[i].value.text, UINT32_MAX);
    decode_json_members_release(&members);
    return item;
}

static void take_items(const struct json_value *array, int max, struct simulate_page *out)
{
    struct json_array items;
    struct json_value value;
    decode_json_array_begin(array, &items);
    for (int place = 1; place <= max && decode_json_array_next(&items, &value); place++) {
        uint32_t item = item_of(&value);
        if (item == UINT32_MAX)
            continue;
        out->items[out->n] = item;
        out->places[out->n++] = place;
    }
}

static void take_explored(const struct json_value *object, struct simulate_page *out)
{
    struct json_members places = {0};
    decode_json_object_members(object, &places);
    for (size_t i = 0; i < places.n; i++) {
        const struct json_value *v = &places.at[i].value;
        double share = v->kind == JSON_DOUBLE    ? v->number
                       : v->kind == JSON_INTEGER ? (double)v->integer
                                                 : 0;
        char digits[16];
        snprintf(digits, sizeof digits, "%.*s", (int)places.at[i].key.len, places.at[i].key.ptr);
        for (int k = 0; k < out->n; k++)
            if (out->places[k] == atoi(digits) && share > 0 && share <= 1)
                out->propensity[k] = share;
    }
    decode_json_members_release(&places);
}

static void copy_text(struct zl_span text, char *out, size_t capacity)
{
    size_t n = text.len < capacity ? text.len : 0;
    memcpy(out, text.ptr, n);
    out[n] = '\0';
}

static const struct json_value *member(const struct json_members *m, const char *name,
                                       enum json_kind kind)
{
    for (size_t i = 0; i < m->n; i++)
        if (zl_span_is(m->at[i].key, name))
            return m->at[i].value.kind == kind ? &m->at[i].value : NULL;
    return NULL;
}

bool simulate_loop_redis_parse(struct json *j, struct json_members *members, struct zl_span value,
                               int max, struct simulate_page *out)
{
    struct json_value root;
    const struct json_value *found;
    if (decode_json_parse(j, value.ptr, value.len, &root) != JSON_OK)
        return false;
    if (root.kind == JSON_ARRAY) {
        take_items(&root, max, out);
        return true;
    }
    if (root.kind != JSON_OBJECT)
        return false;
    decode_json_object_members(&root, members);
    if (!(found = member(members, "items", JSON_ARRAY)))
        return false;
    take_items(found, max, out);
    if ((found = member(members, "explore", JSON_OBJECT)))
        take_explored(found, out);
    if ((found = member(members, "ver", JSON_STRING)))
        copy_text(found->text, out->request_id, sizeof out->request_id);
    if ((found = member(members, "experiment", JSON_OBJECT)))
        copy_text(decode_json_minify(j, found), out->experiment, sizeof out->experiment);
    return true;
}

static void say_away(struct simulate_loop_redis *r, const struct zl_error *err)
{
    if (!r->away)
        fprintf(stderr, "simulate: %s; the platform's own choice is shown meanwhile\n", err->text);
    r->away = true;
    r->again_ns = clock_monotonic_ns() + AGAIN_NS;
}

static bool read_list(void *ctx, struct zl_span user_id, enum simulate_origin origin, int max,
                      struct simulate_page *out)
{
    struct simulate_loop_redis *r = ctx;
    struct zl_error err;
    struct zl_span value;
    char key[400];
    if (r->away && clock_monotonic_ns() < r->again_ns)
        return false;
    int n = origin == SIMULATE_FEED ? snprintf(key, sizeof key, "%sfeed:{%.*s}", r->prefix,
                                               (int)user_id.len, user_id.ptr)
                                    : snprintf(key, sizeof key, "%shot:all", r->prefix);
    enum zl_status st =
        n < (int)sizeof key
            ? sink_read_get(r->store, (struct zl_span){key, (size_t)n}, &value, &err)
            : ZL_END;
    if (st != ZL_OK && st != ZL_END) {
        say_away(r, &err);
        return false;
    }
    r->away = false;
    return st == ZL_OK && simulate_loop_redis_parse(r->json, &r->members, value, max, out);
}

enum zl_status simulate_loop_redis_open(const char *url, const char *prefix,
                                        struct simulate_loop_redis **out, struct zl_error *err)
{
    *out = NULL;
    struct sink_read *store;
    TRY(sink_read_open(url, TIMEOUT_MS, &store, err));
    struct simulate_loop_redis *r = xcalloc(1, sizeof *r);
    r->lists = (struct simulate_lists){read_list, r};
    r->store = store;
    r->json = decode_json_open();
    r->prefix = prefix;
    *out = r;
    return ZL_OK;
}

void simulate_loop_redis_close(struct simulate_loop_redis *r)
{
    if (!r)
        return;
    sink_read_close(r->store);
    decode_json_close(r->json);
    decode_json_members_release(&r->members);
    free(r);
}

const struct simulate_lists *simulate_loop_redis_lists(const struct simulate_loop_redis *r)
{
    return &r->lists;
}
