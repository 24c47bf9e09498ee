/* The monitor alone, driven by lines on stdin, for tests over a real socket: monitor_probe LISTEN
 * Prints "port N". Lines: "ready REASON;REASON..." (none: ready), "beat SECONDS_AGO", "quit". */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "monitor/monitor.h"

static void obey(struct monitor *m, char *line)
{
    double ago;
    if (strncmp(line, "ready", 5) == 0) {
        char *reasons = line + 5 + (line[5] == ' ');
        for (char *p = reasons; *p; p++)
            if (*p == ';')
                *p = '\n';
        monitor_set_ready(m, reasons);
    } else if (sscanf(line, "beat %lf", &ago) == 1) {
        metrics_set(METRIC_LOOP_BEAT, 0, (double)clock_wall_ms() / 1000 - ago);
    }
    printf("done\n");
}

int main(int argc, char **argv)
{
    struct monitor *m;
    struct zl_error err;
    char line[1000];
    enum zl_status st = monitor_open(argc > 1 ? argv[1] : "127.0.0.1:0", &m, &err);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (st != ZL_OK) {
        printf("failed %d %s\n", zl_exit_code(st), err.text);
        return zl_exit_code(st);
    }
    printf("port %d\n", monitor_port(m));
    while (fgets(line, sizeof line, stdin) && strncmp(line, "quit", 4) != 0) {
        line[strcspn(line, "\n")] = '\0';
        obey(m, line);
    }
    monitor_close(m);
    return 0;
}
