/* The door under fire: any bytes, all three topics. The first byte says whether a file (no timestamp), whether keys are
 * checked, and which topic; the rest is the message. What must hold afterwards is what the headers promise. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "decode/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            abort();                                                                               \
    } while (0)

static struct decode *decoders[2]; /* without and with a check of keys */
static volatile unsigned char sum; /* every lent byte is read, for the address sanitizer */

static void touch(struct zl_span s)
{
    for (size_t i = 0; i < s.len; i++)
        sum = (unsigned char)(sum + (unsigned char)s.ptr[i]);
}

static void check_id(struct zl_span s, bool required)
{
    MUST(s.len <= 64 && (!required || s.len > 0));
    MUST(s.len > 0 || s.ptr == NULL);
    for (size_t i = 0; i < s.len; i++)
        MUST((unsigned char)s.ptr[i] >= 0x20 && s.ptr[i] != 0x7F);
    touch(s);
}

static void check_event(const struct zl_event *ev)
{
    MUST((unsigned)ev->type < ZL_N_EVENT_TYPES);
    check_id(ev->event_id, true);
    check_id(ev->user_id, true);
    check_id(ev->item_id, ev->type == ZL_LIKE || ev->type == ZL_WATCH || ev->type == ZL_IMPRESSION);
    check_id(ev->course_id, false);
    check_id(ev->uploader_id, false);
    check_id(ev->device_id, false);
    check_id(ev->session_id, false);
    check_id(ev->surface, false);
    check_id(ev->request_id, false);
    MUST(ev->currency.len == 0 || ev->currency.len == 3);
    MUST(ev->watch_ms >= (ev->type == ZL_WATCH ? 0 : -1) && ev->duration_ms >= -1 &&
         ev->amount >= -1);
    MUST(ev->position >= 0 && ev->position <= 10000 && ev->propensity >= 0 && ev->propensity <= 1);
    MUST(ev->experiment.len == 0 ||
         (ev->experiment.ptr[0] == '{' && ev->experiment.ptr[ev->experiment.len - 1] == '}'));
    touch(ev->experiment);
}

static void check_item(const struct zl_item *item)
{
    check_id(item->item_id, true);
    check_id(item->uploader_id, false);
    check_id(item->category, false);
    check_id(item->course_id, false);
    touch(item->title);
    touch(item->description);
    touch(item->subtitles);
    MUST((unsigned)item->status <= ZL_ITEM_REMOVED &&
         item->removed == (item->status == ZL_ITEM_REMOVED));
    MUST(item->n_tags >= 0 && item->n_tags <= ZL_MAX_TAGS);
    for (int i = 0; i < item->n_tags; i++)
        check_id(item->tags[i], true);
    for (int m = 0; m < ZL_N_MODALITIES; m++) {
        MUST(item->features[m] ? item->n_features[m] == 2 : item->n_features[m] == 0);
        for (int i = 0; i < item->n_features[m]; i++)
            MUST(item->features[m][i] - item->features[m][i] == 0);
    }
    MUST(item->fps >= 0 && item->width >= 0 && item->height >= 0 && item->duration_ms >= -1 &&
         item->price >= -1);
}

static void check_reject(const struct zl_reject *r, struct zl_span value)
{
    MUST(r->reason > ZL_REASON_NONE && r->reason < ZL_N_REASONS);
    MUST(memchr(r->detail, '\0', sizeof r->detail) && r->detail[0]);
    MUST(r->from.index >= 0);
    MUST(r->value.len == 0 ||
         (r->value.ptr >= value.ptr && r->value.ptr + r->value.len <= value.ptr + value.len));
}

/* Elements are told apart by their index: each has become one record or one reject. */
static void check_batch(struct decode *d, struct zl_span value)
{
    int events, items, controls, rejects;
    struct zl_event *ev = decode_events(d, &events);
    struct zl_item *item = decode_items(d, &items);
    struct zl_control *control = decode_controls(d, &controls);
    struct zl_reject *reject = decode_rejects(d, &rejects);
    for (int i = 0; i < events; i++) {
        check_event(&ev[i]);
        struct zl_span element = decode_element(d, value, ev[i].from.index);
        MUST(element.ptr >= value.ptr && element.ptr + element.len <= value.ptr + value.len);
        MUST(element.len > 0 && element.ptr[0] == '{');
    }
    for (int i = 0; i < items; i++)
        check_item(&item[i]);
    for (int i = 0; i < controls; i++) {
        check_id(control[i].user_id, true);
        MUST((unsigned)control[i].type <= ZL_OPT_IN);
    }
    for (int i = 0; i < rejects; i++)
        check_reject(&reject[i], value);
    MUST(events + items + controls + rejects <= DECODE_MAX_ELEMENTS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zl_error err;
    for (int i = 0; i < 2; i++) {
        struct decode_config cfg = {
            .max_bytes = 1 << 16, .n_features = {2, 2, 0}, .id_seed = 1, .check_key = i};
        if (!decoders[i])
            MUST(decode_open(&cfg, &decoders[i], &err) == ZL_OK);
    }
    if (size == 0)
        return 0;
    struct decode *d = decoders[data[0] >> 2 & 1];
    struct zl_span value = {(const char *)data + 1, size - 1};
    struct decode_message m = {
        .topic = (enum zl_topic)((data[0] & 3) % ZL_N_TOPICS),
        .log_ms = data[0] & 8 ? -1 : 1700000000000,
        .has_key = data[0] & 16,
        .has_value = !(data[0] & 32),
        .key = {value.ptr, value.len < 8 ? value.len : 8},
        .value = value,
    };
    decode_begin(d);
    decode_message(d, &m, 0);
    check_batch(d, value);
    struct decode_statistics s;
    if (data[0] & 64)
        decode_source_statistics(d, value, &s);
    return 0;
}
