/* Rate and time left come from the whole run so far: steadier than the last second's, and good enough for work that is alike all along. */
#include "app/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define TERMINAL_NS 200000000LL /* between two bars */
#define LINES_NS 5000000000LL   /* between two lines */
#define LOOK_EVERY 64
#define BAR 24

static int64_t pause_ns(const struct progress *p)
{
    return p->terminal ? TERMINAL_NS : LINES_NS;
}

void progress_begin(struct progress *p, const char *name, uint64_t total)
{
    *p = (struct progress){.name = name, .total = total, .begin_ns = clock_monotonic_ns()};
    p->terminal = isatty(STDERR_FILENO);
    p->next_ns = p->begin_ns + pause_ns(p);
}

static void draw_bar(double share, char out[BAR + 1])
{
    int filled = (int)(share * BAR);
    for (int i = 0; i < BAR; i++)
        out[i] = i < filled ? '#' : '.';
    out[BAR] = '\0';
}

void progress_line(const struct progress *p, double seconds, bool bar, char *out, size_t size)
{
    char drawn[BAR + 1] = "";
    double rate = seconds > 0 ? (double)p->done / seconds : 0;
    if (p->total == 0) {
        snprintf(out, size, "%s: %llu events, %.0f/s", p->name, (unsigned long long)p->done, rate);
        return;
    }
    double share = (double)p->done / (double)p->total;
    double left = rate > 0 ? ((double)p->total - (double)p->done) / rate : 0;
    draw_bar(share < 1 ? share : 1, drawn);
    snprintf(out, size, "%s: %s%s%.0f %% of %llu events, %.0f/s, %.0f s left", p->name,
             bar ? drawn : "", bar ? " " : "", 100 * share, (unsigned long long)p->total, rate,
             left > 0 ? left : 0);
}

void progress_step(struct progress *p)
{
    char line[160];
    if (++p->done % LOOK_EVERY)
        return;
    int64_t now_ns = clock_monotonic_ns();
    if (now_ns < p->next_ns)
        return;
    p->next_ns = now_ns + pause_ns(p);
    p->shown = true;
    progress_line(p, (double)(now_ns - p->begin_ns) * 1e-9, p->terminal, line, sizeof line);
    fprintf(stderr, p->terminal ? "\r%s\033[K" : "%s\n", line);
}

void progress_end(struct progress *p)
{
    if (p->shown && p->terminal)
        fputs("\r\033[K", stderr);
}
