/* catalog/features.h - a description as a set of named traits: "has the tag Comedy", "its title has the word war", "is about 4 min long".
 * Promise  The same description gives the same keys in the same order on every machine, whatever else the catalogue holds.
 * Shapes   a key is the 64-bit hash of (kind, text); at most CATALOG_FEATURES of them, each once. The first 16 tags, category, uploader,
 *          buckets of numbers, words of the title, and then what fits of the words of description and subtitles.
 * Words    Latin, Greek and Cyrillic words whole and in lower case; Chinese, Japanese and Korean as pairs of neighbouring
 *          characters; punctuation separates, an apostrophe is left out.
 * Threads  any. */
#ifndef CATALOG_FEATURES_H
#define CATALOG_FEATURES_H

#include <stdint.h>

#include "catalog/catalog.h"

#define CATALOG_FEATURES 32

/* What a key may be about. Part of the hash, and so of checkpoints: never renumber. */
enum catalog_feature {
    CATALOG_FEATURE_TAG = 1,
    CATALOG_FEATURE_CATEGORY,
    CATALOG_FEATURE_UPLOADER,
    CATALOG_FEATURE_TITLE, /* a word of it */
    CATALOG_FEATURE_DURATION,
    CATALOG_FEATURE_FPS,
    CATALOG_FEATURE_RESOLUTION,
    CATALOG_FEATURE_PRICE,
    CATALOG_FEATURE_HOUR, /* of the day it was published, UTC */
    CATALOG_FEATURE_DECADE,
    CATALOG_FEATURE_TEXT /* a word of description or subtitles */
};

uint64_t catalog_features_key(enum catalog_feature kind, struct zl_span text);
/* keys: room for CATALOG_FEATURES; returns how many. The first *n_subjects are tags and category: what the item is about. An item that is
 * not described has none. */
int catalog_features(const struct catalog_item *item, uint64_t *keys, int *n_subjects);

#endif
