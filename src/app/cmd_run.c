/* zhiliu run PIPELINE: the engine until it is told to stop, or a file ends. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "app/commands.h"
#include "app/engine.h"
#include "base/log.h"

static struct engine *running; /* for the signal handlers */

static void on_stop(int sig)
{
    (void)sig;
    engine_stop(running);
}

static void on_hang_up(int sig)
{
    (void)sig;
    engine_hang_up(running);
}

static void handle(int sig, void (*handler)(int))
{
    struct sigaction sa = {.sa_handler = handler};
    sigemptyset(&sa.sa_mask);
    sigaction(sig, &sa, NULL);
}

static void handle_signals(void)
{
    handle(SIGTERM, on_stop);
    handle(SIGINT, on_stop);
    handle(SIGHUP, on_hang_up);
    handle(SIGPIPE, SIG_IGN);
}

static int run(const struct config *cfg)
{
    struct zl_error err = {""};
    struct engine_options opt = {.serve = true};
    enum zl_status st = engine_open(cfg, &opt, &running, &err);
    if (st == ZL_OK) {
        handle_signals();
        st = engine_run(running, &err);
        handle(SIGTERM, SIG_IGN);
        handle(SIGINT, SIG_IGN);
        handle(SIGHUP, SIG_IGN);
        engine_close(running);
    }
    if (st != ZL_OK && st != ZL_END)
        fprintf(stderr, "zhiliu run: %s\n", err.text);
    return zl_exit_code(st);
}

int cmd_run(const struct args *args)
{
    struct config cfg;
    int code = args_config(args, &cfg);
    if (code == 0) {
        log_setup((enum log_level)cfg.log.level, (enum log_format)cfg.log.format);
        code = run(&cfg);
    }
    config_release(&cfg);
    return code;
}
