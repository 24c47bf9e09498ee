/* app/progress.h - long work says how far it is: a bar that is rewritten on a terminal, a plain line every few seconds elsewhere.
 * Promise  Words go to stderr. Work that ends within the first seconds says nothing off a terminal.
 * Threads  one. */
#ifndef APP_PROGRESS_H
#define APP_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *name;     /* "evaluate: seed 1" */
    uint64_t done, total; /* total 0: not known */
    int64_t begin_ns, next_ns;
    bool terminal, shown;
};

/* name is borrowed until progress_end. */
void progress_begin(struct progress *p, const char *name, uint64_t total);
/* One more is done. Cheap: looks at the clock at each 64th. */
void progress_step(struct progress *p);
/* Takes the bar away. */
void progress_end(struct progress *p);

/* The line itself, without a line end; seconds since the beginning. bar: with a bar in front (needs a total). */
void progress_line(const struct progress *p, double seconds, bool bar, char *out, size_t size);

#endif
