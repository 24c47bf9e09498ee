/* decode/cut.h - where the elements of a message begin and end, found without parsing them.
 * Promise  Total over any bytes; only strings, brackets and line ends are looked at. An element that is cut may still be
 *          bad JSON: the parser says so.
 * Shapes   CUT_ONE    one document (an object; or something that is none)
 *          CUT_LINES  newline-separated documents, blank lines do not count
 *          CUT_ARRAY  one array, its elements are the elements
 * Memory   spans point into the text given. */
#ifndef DECODE_CUT_H
#define DECODE_CUT_H

#include <stdbool.h>

#include "zhiliu/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum cut_shape { CUT_ONE, CUT_LINES, CUT_ARRAY };

/* Without blanks at both ends, and without a byte order mark. */
struct zl_span decode_cut_trim(struct zl_span message);
/* text: trimmed. */
enum cut_shape decode_cut_shape_of(struct zl_span text);

/* Walks over the elements of a trimmed text. After the last one (false), whole says whether the text was what its shape
 * claims: an array that does not end, or ends before the text does, is not. */
struct cutter {
    enum cut_shape shape;
    const char *at, *end;
    bool whole;
};
void decode_cut_begin(struct cutter *c, struct zl_span text, enum cut_shape shape);
bool decode_cut_next(struct cutter *c, struct zl_span *element);

/* Why simdjson did not take a number, in a document whose first fault is a number. A byte that belongs to no number is
 * readable behind the text. */
enum cut_number { CUT_NOT_A_NUMBER, CUT_INTEGER_TOO_BIG, CUT_FLOAT_TOO_BIG };
enum cut_number decode_cut_number_fault(struct zl_span text);

#ifdef __cplusplus
}
#endif

#endif
