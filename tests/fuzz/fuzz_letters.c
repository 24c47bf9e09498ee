/* A line of a file of dead letters, as `zhiliu dead-letters` reads it back: any bytes are refused, or print and read in again as the same. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/dead_letters.h"
#include "base/check.h"
#include "source/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(struct zl_span a, struct zl_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static void print_and_read_again(const struct dead_letter *l)
{
    struct source_header headers[DEAD_LETTERS_MAX_HEADERS];
    struct dead_letter again;
    char *line;
    size_t len;
    FILE *out = open_memstream(&line, &len);
    ASSERT(out);
    dead_letters_print(out, l);
    fclose(out);
    char *scratch = xcalloc(len + 1, 1);
    ASSERT(len > 1 && dead_letters_parse(line, len - 1, scratch, headers, &again));
    ASSERT(same(again.key, l->key) && same(again.reason, l->reason) && same(again.value, l->value));
    ASSERT(same(again.topic, l->topic) && same(again.original_key, l->original_key));
    ASSERT(again.partition == l->partition && again.offset == l->offset && again.index == l->index);
    ASSERT(again.n_headers <= l->n_headers); /* those that are no text are left out */
    free(scratch);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source_header headers[DEAD_LETTERS_MAX_HEADERS];
    struct dead_letter l;
    char *scratch = xcalloc(size + 1, 1);
    if (dead_letters_parse((const char *)data, size, scratch, headers, &l)) {
        ASSERT(l.n_headers >= 0 && l.n_headers <= DEAD_LETTERS_MAX_HEADERS);
        print_and_read_again(&l);
    }
    free(scratch);
    return 0;
}
