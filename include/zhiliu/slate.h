/* zhiliu/slate.h - one user's ranked list, best first. */
#ifndef ZHILIU_SLATE_H
#define ZHILIU_SLATE_H

#include <stdint.h>

#define ZL_MAX_LIST 1000

/* Why an item stands at its place. */
enum zl_slot {
    ZL_SLOT_SCORED,   /* by its score */
    ZL_SLOT_EXPLORED, /* drawn by chance; its propensity is known */
    ZL_SLOT_FRESH,    /* lifted by the quota of fresh items */
    ZL_SLOT_MOVED     /* by its score, but a rule passed over a better one here */
};

struct zl_slate {
    uint32_t user;              /* index in the users' ids table */
    int n;                      /* items, 0..ZL_MAX_LIST */
    uint32_t *items;            /* indexes, best first; the caller's */
    float *scores;              /* same length; the caller's */
    const uint8_t *slots;       /* enum zl_slot of each place; the caller's */
    const double *propensities; /* (0,1] at explored places, else 0; the caller's */
    /* Fingerprint of the list before anything is drawn: which items stand by score and rules, and which places are left to chance. Of
     * the state alone: whatever is drawn, it is the same. */
    uint64_t base;
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
