/* What explain wants of a stored list: which version it has, for that is what its draws were keyed by, and what stands where. */
#include "app/explain_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "decode/json.h"
#include "sink/read.h"

#define TIMEOUT_MS 2000

static bool hex(const char *digits, int n, uint64_t *out)
{
    *out = 0;
    for (int i = 0; i < n; i++) {
        const char *at = digits[i] ? strchr("0123456789abcdef", digits[i]) : NULL;
        if (!at)
            return false;
        *out = *out << 4 | (uint64_t)(at - "0123456789abcdef");
    }
    return true;
}

static bool read_version(struct zl_span text, struct explain_stored *out)
{
    uint64_t incarnation;
    if (text.len != ZL_VERSION_LEN)
        return false;
    memcpy(out->ver, text.ptr, ZL_VERSION_LEN);
    out->ver[ZL_VERSION_LEN] = '\0';
    if (!hex(out->ver, 8, &incarnation) || !hex(out->ver + 8, 16, &out->version.position) ||
        !hex(out->ver + 24, 16, &out->version.epoch))
        return false;
    out->version.incarnation = (uint32_t)incarnation;
    return true;
}

static void read_items(const struct json_value *array, const struct ids *items,
                       struct explain_stored *out)
{
    struct json_array each;
    struct json_value value;
    decode_json_array_begin(array, &each);
    while (out->n < ZL_MAX_LIST && decode_json_array_next(&each, &value))
        out->items[out->n++] =
            value.kind == JSON_STRING ? ids_find(items, value.text) : ZL_NO_INDEX;
}

static bool take(const struct json_members *members, const struct ids *items,
                 struct explain_stored *out)
{
    bool version = false, list = false;
    for (size_t i = 0; i < members->n; i++) {
        const struct json_value *v = &members->at[i].value;
        if (zl_span_is(members->at[i].key, "ver") && v->kind == JSON_STRING)
            version = read_version(v->text, out);
        if (zl_span_is(members->at[i].key, "items") && v->kind == JSON_ARRAY) {
            read_items(v, items, out);
            list = true;
        }
    }
    return version && list;
}

bool explain_store_parse(struct zl_span value, const struct ids *items, struct explain_stored *out)
{
    struct json *j = decode_json_open();
    struct json_members members = {0};
    struct json_value root;
    char *padded = xcalloc(1, value.len + SINK_READ_PADDING);
    *out = (struct explain_stored){.n = 0};
    if (value.len)
        memcpy(padded, value.ptr, value.len);
    bool good =
        decode_json_parse(j, padded, value.len, &root) == JSON_OK && root.kind == JSON_OBJECT;
    if (good) {
        decode_json_object_members(&root, &members);
        good = take(&members, items, out);
    }
    decode_json_members_release(&members);
    decode_json_close(j);
    free(padded);
    return good;
}

enum zl_status explain_store_read(const struct config *cfg, struct zl_span user,
                                  const struct ids *items, struct explain_stored *out,
                                  struct zl_error *err)
{
    struct sink_read *store;
    struct zl_span value;
    char key[400];
    int n = snprintf(key, sizeof key, "%sfeed:{%.*s}", cfg->sink.prefix, (int)user.len, user.ptr);
    ASSERT(n > 0 && n < (int)sizeof key); /* prefix and id are at most 64 bytes each */
    TRY(sink_read_open_as(cfg->sink.url, cfg->sink.username, cfg->sink.password, TIMEOUT_MS, &store,
                          err));
    enum zl_status st = sink_read_get(store, (struct zl_span){key, (size_t)n}, &value, err);
    if (st == ZL_OK && !explain_store_parse(value, items, out))
        st = ZL_END;
    sink_read_close(store);
    return st;
}

int explain_store_place(const struct explain_stored *s, uint32_t item)
{
    for (int i = 0; i < s->n; i++)
        if (s->items[i] == item)
            return i + 1;
    return 0;
}
