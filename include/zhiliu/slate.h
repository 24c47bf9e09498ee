/* zhiliu/slate.h - one user's ranked list, best first. */
#ifndef ZHILIU_SLATE_H
#define ZHILIU_SLATE_H

#include <stdint.h>

#define ZL_MAX_LIST 1000

struct zl_slate {
    uint32_t user;   /* index in the users' ids table */
    int n;           /* items, 0..ZL_MAX_LIST */
    uint32_t *items; /* indexes, best first; the caller's */
    float *scores;   /* same length; the caller's */
};

/* Version of a list as readers and the store's guard see it: compared as text, newer is greater. */
struct zl_version {
    uint32_t incarnation; /* of the event log; raised by an operator when the topic is made anew */
    /* next offset of the user's partition when it was ranked (a file: line number) */
    uint64_t position;
    uint64_t epoch; /* starts of this engine, from the checkpoint folder */
};
#define ZL_VERSION_LEN 40
/* 40 lower-case hex digits and a NUL. */
void zl_version_format(const struct zl_version *v, char out[ZL_VERSION_LEN + 1]);

#endif
