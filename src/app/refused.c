/* A junk line is dropped and the file goes on, so its end is the moment to say how many there were: the log names the first one only. */
#include "app/refused.h"

#include <inttypes.h>
#include <stdio.h>

#include "zhiliu/event.h"

void refused_print_json(const uint64_t *n)
{
    const char *between = "";
    printf("\"refused\":{");
    for (int r = 1; r < ZL_N_REASONS; r++) {
        if (n[r] == 0)
            continue;
        printf("%s\"%s\":%" PRIu64, between, zl_reason_name((enum zl_reason)r), n[r]);
        between = ",";
    }
    putchar('}');
}

void refused_say(const char *verb, const char *file, const uint64_t *n)
{
    uint64_t all = 0;
    const char *between = ": ";
    for (int r = 1; r < ZL_N_REASONS; r++)
        all += n[r];
    if (all == 0)
        return;
    fprintf(stderr, "zhiliu %s: %" PRIu64 " record%s of %s refused", verb, all, all > 1 ? "s" : "",
            file);
    for (int r = 1; r < ZL_N_REASONS; r++) {
        if (n[r] == 0)
            continue;
        fprintf(stderr, "%s%s %" PRIu64, between, zl_reason_name((enum zl_reason)r), n[r]);
        between = ", ";
    }
    fputs("; zhiliu run with dead_letters.file keeps them\n", stderr);
}
