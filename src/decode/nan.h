/* decode/nan.h - NaN and Infinity, which some programs write into JSON though it has no such words: where they stand, for the letter.
 * Promise  Only asked for a text that was refused, so a walk over it is cheap enough. Total: any bytes will do.
 * Threads  any. */
#ifndef DECODE_NAN_H
#define DECODE_NAN_H

#include <stdbool.h>
#include <stddef.h>

#include "zhiliu/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Words with the number, the field it is in ("features.video") and what to do; false: there is none outside of strings. */
bool decode_nan_explain(struct zl_span text, char *words, size_t len);

#ifdef __cplusplus
}
#endif
#endif
