/* base/ids.h - strings to dense indexes, in the order they were first seen.
 * Promise  The same sequence of ids_intern() gives the same indexes. Index 0 .. count-1 are in use, none is ever freed.
 * Memory   max_ids reserved; in use about len + 24 bytes an id. */
#ifndef BASE_IDS_H
#define BASE_IDS_H

#include <stdint.h>

#include "base/rows.h"
#include "zhiliu/event.h"

struct ids; /* opaque */

/* kind and name: for the checkpoint and for words. *out is the caller's, for ids_close(), or NULL. */
MUST_CHECK enum zl_status ids_open(enum rows_kind kind, const char *name, uint32_t max_ids,
                                   struct ids **out, struct zl_error *err);
void ids_close(struct ids *ids);

/* The id's index, a new one if it is new; ZL_NO_INDEX when the table is full. id: 1..64 bytes, borrowed. */
uint32_t ids_intern(struct ids *ids, struct zl_span id);
/* ZL_NO_INDEX when it is not known. */
uint32_t ids_find(const struct ids *ids, struct zl_span id);
/* Lent until close. */
struct zl_span ids_name(const struct ids *ids, uint32_t index);
uint32_t ids_count(const struct ids *ids);
/* As the checkpoint sees it; lent until close. */
struct rows_table ids_rows(struct ids *ids);

#endif
