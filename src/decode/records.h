/* decode/records.h - an object's members to an event, an item or a control.
 * Promise  Every field of the three topics, with its kind and range; the first trouble in the order
 *          type of the whole, duplicate_key, unknown_version, then field by field, is the one reported.
 *          Times and lengths are only checked for their type and for not being negative: what is plausible is guard's.
 * Memory   spans and features lie in the arena. */
#ifndef DECODE_RECORDS_H
#define DECODE_RECORDS_H

#include "decode/decode.h"
#include "decode/fields.h"

struct records {
    const struct decode_config *cfg; /* borrowed */
    struct json *json;               /* borrowed */
    struct arena *arena;             /* borrowed */
    struct fields events, items, controls;
    struct json_members members; /* of the object at hand */
    struct json_members features;
    struct fields_scratch scratch;
};

void decode_records_init(struct records *rs, const struct decode_config *cfg, struct json *json,
                         struct arena *arena);
void decode_records_release(struct records *rs);

/* object: any value. `from` of the record is set before. false: refused, *r says why. */
bool decode_records_event(struct records *rs, const struct json_value *object, struct zl_event *ev,
                          struct refusal *r);
bool decode_records_item(struct records *rs, const struct json_value *object, struct zl_item *item,
                         struct refusal *r);
bool decode_records_control(struct records *rs, const struct json_value *object,
                            struct zl_control *control, struct refusal *r);
/* A null value with this key. */
bool decode_records_tombstone(struct records *rs, bool has_key, struct zl_span key,
                              struct zl_item *item, struct refusal *r);

#endif
