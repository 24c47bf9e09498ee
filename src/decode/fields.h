/* decode/fields.h - a table of fields, and how an object's members become a struct by it.
 * Promise  One table a topic says name, kind, range and place of each field; refusals name the field.
 * Rules    A null is as if it were not there. An id is 1..64 bytes without control characters. An integer is written as
 *          one: 1000, not 1e3, 1000.0 or "1000". A key twice is refused, known or not.
 * Memory   what is written into a record is copied to the arena. */
#ifndef DECODE_FIELDS_H
#define DECODE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "decode/json.h"
#include "zhiliu/event.h"
#include "zhiliu/status.h"

#define FIELDS_MAX 24
#define FIELDS_ID_BYTES 64

enum field_kind {
    FIELD_ID,     /* struct zl_span, 1..64 bytes */
    FIELD_TEXT,   /* struct zl_span, any length */
    FIELD_INT64,  /* min..max */
    FIELD_INT32,  /* min..max */
    FIELD_DOUBLE, /* above min or equal to it, up to max */
    FIELD_SPECIAL /* its record's own business */
};

struct field {
    const char *name;
    enum field_kind kind;
    bool required;
    size_t offset; /* in the record */
    int64_t min, max;
};

/* Sorted by length of name. */
struct fields {
    const struct field *at;
    int n;
    uint8_t first[32]; /* of each length of name; filled by fields_init */
    uint8_t length[FIELDS_MAX];
};

/* Why an element was refused. */
struct refusal {
    enum zl_reason reason;
    char detail[200];
};
/* Writes it; returns false, so that it can be handed up. */
bool decode_refuse(struct refusal *r, enum zl_reason reason, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Memory for finding equal keys among many; grows to the largest object seen. */
struct fields_scratch {
    uint32_t *slots;
    size_t n_slots;
};

void decode_fields_init(struct fields *f, const struct field *table, int n);
/* Puts each known field's value into values[] (NULL: absent or null). false: a key is there twice. */
bool decode_fields_gather(const struct fields *f, const struct json_members *members,
                          struct fields_scratch *s, const struct json_value **values,
                          struct refusal *r);
/* Writes all fields but the special ones. A required special one is checked to be there. */
bool decode_fields_fill(const struct fields *f, const struct json_value *const *values,
                        struct arena *arena, void *record, struct refusal *r);

/* 1..64 bytes, no control characters; name is for the words. */
bool decode_fields_check_id(struct zl_span id, const char *name, struct refusal *r);
const char *decode_fields_kind_name(enum json_kind kind); /* "an array" */

#endif
