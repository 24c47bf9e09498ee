/* app/explain_store.h - the list of one user as it stands in the store, for `explain`.
 * Promise  One GET, waiting at most two seconds. Items that the checkpoint does not know are ZL_NO_INDEX.
 * Threads  one. */
#ifndef APP_EXPLAIN_STORE_H
#define APP_EXPLAIN_STORE_H

#include "app/config.h"
#include "base/ids.h"
#include "zhiliu/slate.h"

struct explain_stored {
    char ver[ZL_VERSION_LEN + 1];
    struct zl_version version;
    int n;
    uint32_t items[ZL_MAX_LIST];
};

/* ZL_END: there is no list, or nothing that can be read as one. ZL_EUNREACHABLE, ZL_ECONFIG: words say why. */
MUST_CHECK enum zl_status explain_store_read(const struct config *cfg, struct zl_span user,
                                             const struct ids *items, struct explain_stored *out,
                                             struct zl_error *err);
/* From the value itself; false: it is none. */
bool explain_store_parse(struct zl_span value, const struct ids *items, struct explain_stored *out);
/* The item's place in it, from 1; 0: it is not there. */
int explain_store_place(const struct explain_stored *s, uint32_t item);

#endif
