/* From the members of an object to the fields of a struct.
 *
 * First all members are put into their places: names are looked up by their length (at most four share one), so most keys
 * cost one comparison. In the same walk keys that come twice are found: for known names by their place, for unknown ones by
 * comparing all pairs while there are few, by a hash table when there are many, so that ten thousand unknown keys do not
 * cost fifty million comparisons. Then the table is walked once and every value is checked and written. */
#include "decode/fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"

#define FEW 16 /* unknown keys that are compared pair by pair */

bool decode_refuse(struct refusal *r, enum zl_reason reason, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->detail, sizeof r->detail, fmt, args);
    va_end(args);
    r->reason = reason;
    return false;
}

const char *decode_fields_kind_name(enum json_kind kind)
{
    static const char *const names[] = {"null",    "a boolean", "an integer", "a big integer",
                                        "a float", "a string",  "an array",   "an object"};
    return names[kind];
}

void decode_fields_init(struct fields *f, const struct field *table, int n)
{
    ASSERT(n <= FIELDS_MAX);
    *f = (struct fields){.at = table, .n = n};
    for (int i = 0; i < n; i++) {
        f->length[i] = (uint8_t)strlen(table[i].name);
        ASSERT(f->length[i] < sizeof f->first && (i == 0 || f->length[i] >= f->length[i - 1]));
    }
    for (size_t len = 0; len < sizeof f->first; len++) {
        int i = 0;
        while (i < n && f->length[i] < len)
            i++;
        f->first[len] = (uint8_t)i;
    }
}

static int find(const struct fields *f, struct zl_span key)
{
    if (key.len == 0 || key.len >= sizeof f->first)
        return -1;
    for (int i = f->first[key.len]; i < f->n && f->length[i] == key.len; i++)
        if (memcmp(f->at[i].name, key.ptr, key.len) == 0)
            return i;
    return -1;
}

/* A key as words: cut, and without bytes that would spoil a line. */
static bool refuse_twice(struct refusal *r, struct zl_span key)
{
    char words[FIELDS_ID_BYTES + 1];
    size_t n = key.len < FIELDS_ID_BYTES ? key.len : FIELDS_ID_BYTES;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)key.ptr[i];
        words[i] = c < 0x20 || c > 0x7E ? '?' : (char)c;
    }
    words[n] = '\0';
    return decode_refuse(r, ZL_DUPLICATE_KEY, "key \"%s\" is there twice", words);
}

static bool few_are_different(const struct json_member *const *keys, int n, struct refusal *r)
{
    for (int i = 1; i < n; i++)
        for (int j = 0; j < i; j++)
            if (zl_span_equal(keys[i]->key, keys[j]->key))
                return refuse_twice(r, keys[i]->key);
    return true;
}

static void scratch_clear(struct fields_scratch *s, size_t n_keys)
{
    size_t want = 64;
    while (want < 2 * n_keys)
        want *= 2;
    if (s->n_slots < want) {
        s->slots = xrealloc(s->slots, want, sizeof *s->slots);
        s->n_slots = want;
    }
    memset(s->slots, 0, want * sizeof *s->slots);
}

/* All members, in an open-addressed table of their numbers (from 1; 0 is free). The seed need not be secret to the second: a
 * message of chosen keys can only slow down itself, and XXH3 with a seed from an address is hard enough to aim at. */
static bool many_are_different(const struct json_members *m, struct fields_scratch *s,
                               struct refusal *r)
{
    scratch_clear(s, m->n);
    size_t mask = 64;
    while (mask < 2 * m->n)
        mask *= 2;
    mask--;
    for (size_t i = 0; i < m->n; i++) {
        struct zl_span key = m->at[i].key;
        size_t at = hash_bytes(key.ptr, key.len, (uint64_t)(uintptr_t)s) & mask;
        for (; s->slots[at]; at = (at + 1) & mask)
            if (zl_span_equal(m->at[s->slots[at] - 1].key, key))
                return refuse_twice(r, key);
        s->slots[at] = (uint32_t)i + 1;
    }
    return true;
}

bool decode_fields_gather(const struct fields *f, const struct json_members *members,
                          struct fields_scratch *s, const struct json_value **values,
                          struct refusal *r)
{
    const struct json_member *unknown[FEW];
    int n_unknown = 0;
    uint32_t seen = 0;
    for (int i = 0; i < f->n; i++)
        values[i] = NULL;
    for (size_t i = 0; i < members->n; i++) {
        const struct json_member *m = &members->at[i];
        int at = find(f, m->key);
        if (at < 0) {
            if (n_unknown < FEW)
                unknown[n_unknown] = m;
            n_unknown++;
            continue;
        }
        if (seen & 1U << at)
            return refuse_twice(r, m->key);
        seen |= 1U << at;
        values[at] = m->value.kind == JSON_NULL ? NULL : &m->value;
    }
    return n_unknown <= FEW ? few_are_different(unknown, n_unknown, r)
                            : many_are_different(members, s, r);
}

bool decode_fields_check_id(struct zl_span id, const char *name, struct refusal *r)
{
    if (id.len == 0)
        return decode_refuse(r, ZL_OUT_OF_RANGE, "%s is empty", name);
    if (id.len > FIELDS_ID_BYTES)
        return decode_refuse(r, ZL_OUT_OF_RANGE, "%s has %zu bytes, at most %d are taken", name,
                             id.len, FIELDS_ID_BYTES);
    for (size_t i = 0; i < id.len; i++)
        if ((unsigned char)id.ptr[i] < 0x20 || id.ptr[i] == 0x7F)
            return decode_refuse(r, ZL_OUT_OF_RANGE, "%s has a control character", name);
    return true;
}

static bool fill_integer(const struct field *field, const struct json_value *v, void *to,
                         struct refusal *r)
{
    if (v->kind != JSON_INTEGER && v->kind != JSON_BIG)
        return decode_refuse(r, ZL_BAD_TYPE, "%s is %s, not an integer", field->name,
                             decode_fields_kind_name(v->kind));
    if (v->kind == JSON_BIG || v->integer < field->min || v->integer > field->max)
        return decode_refuse(r, ZL_OUT_OF_RANGE, "%s is not in %lld..%lld", field->name,
                             (long long)field->min, (long long)field->max);
    if (field->kind == FIELD_INT32)
        memcpy(to, &(int32_t){(int32_t)v->integer}, sizeof(int32_t));
    else
        memcpy(to, &v->integer, sizeof v->integer);
    return true;
}

static bool fill_double(const struct field *field, const struct json_value *v, void *to,
                        struct refusal *r)
{
    if (v->kind != JSON_INTEGER && v->kind != JSON_DOUBLE && v->kind != JSON_BIG)
        return decode_refuse(r, ZL_BAD_TYPE, "%s is %s, not a number", field->name,
                             decode_fields_kind_name(v->kind));
    double x = v->kind == JSON_DOUBLE ? v->number : (double)v->integer;
    if (x < (double)field->min || x > (double)field->max)
        return decode_refuse(r, ZL_OUT_OF_RANGE, "%s is not in %lld..%lld", field->name,
                             (long long)field->min, (long long)field->max);
    memcpy(to, &x, sizeof x);
    return true;
}

/* *room: what is left of the memory taken for this record's strings. */
static bool fill_string(const struct field *field, const struct json_value *v, char **room,
                        void *to, struct refusal *r)
{
    if (v->kind != JSON_STRING)
        return decode_refuse(r, ZL_BAD_TYPE, "%s is %s, not a string", field->name,
                             decode_fields_kind_name(v->kind));
    if (field->kind == FIELD_ID && !decode_fields_check_id(v->text, field->name, r))
        return false;
    if (v->text.len == 0)
        return true;
    memcpy(*room, v->text.ptr, v->text.len);
    memcpy(to, &(struct zl_span){*room, v->text.len}, sizeof(struct zl_span));
    *room += v->text.len;
    return true;
}

static bool fill_one(const struct field *field, const struct json_value *v, char **room,
                     void *record, struct refusal *r)
{
    void *to = (char *)record + field->offset;
    switch (field->kind) {
    case FIELD_ID:
    case FIELD_TEXT: return fill_string(field, v, room, to, r);
    case FIELD_INT64:
    case FIELD_INT32: return fill_integer(field, v, to, r);
    case FIELD_DOUBLE: return fill_double(field, v, to, r);
    case FIELD_SPECIAL: break;
    }
    return true;
}

static size_t string_bytes(const struct fields *f, const struct json_value *const *values)
{
    size_t bytes = 0;
    for (int i = 0; i < f->n; i++)
        if (values[i] && values[i]->kind == JSON_STRING && f->at[i].kind != FIELD_SPECIAL)
            bytes += values[i]->text.len;
    return bytes;
}

bool decode_fields_fill(const struct fields *f, const struct json_value *const *values,
                        struct arena *arena, void *record, struct refusal *r)
{
    char *room = arena_take(arena, string_bytes(f, values));
    for (int i = 0; i < f->n; i++) {
        if (!values[i] && f->at[i].required)
            return decode_refuse(r, ZL_MISSING_FIELD, "%s is missing", f->at[i].name);
        if (values[i] && !fill_one(&f->at[i], values[i], &room, record, r))
            return false;
    }
    return true;
}
