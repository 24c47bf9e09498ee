/* Does the 95 % interval of evaluate --ips and --snips hold the truth? Many runs of the closed loop in one process; in each, the
 * explored places are estimated under other policies whose true value is known.
 *
 *     bench_explore_coverage [RUNS=200] [EVENTS=4000] [FIRST_SEED=1]
 *
 * Prints for each target: how often the truth lay in the interval, the mean width, the mean error, the effective size. */
#define _GNU_SOURCE
#include <math.h>

#include "base/clock.h"
#include "base/log.h"
#include "support/explore_runs.h"

static const char *const targets[][2] = {
    {"policy.explore.floor=1", "uniform"},
    {"policy.explore.temperature=0.5", "sharper"},
    {"policy.explore.temperature=4", "flatter"},
    {"policy.explore.temperature=1", "as logged"},
};
#define N_TARGETS ((int)(sizeof targets / sizeof *targets))

struct column {
    int covered;
    double width, error;
};

static void add(struct column *c, const struct evaluate_interval *i, double truth)
{
    c->covered += i->low <= truth && truth <= i->high;
    c->width += i->high - i->low;
    c->error += i->value - truth;
}

static void print(const char *name, const struct column *c, int runs)
{
    printf("  %-6s covers %5.1f %%   mean width %.4f   mean error %+.4f\n", name,
           100.0 * c->covered / runs, c->width / runs, c->error / runs);
}

static void one_target(int t, int runs, uint64_t events, uint64_t first, const char *folder)
{
    struct config logging, target;
    struct column ips = {0}, snips = {0};
    double effective = 0, truth = 0, weight = 0, draws = 0;
    run_config(NULL, 0, &logging);
    run_config(&targets[t][0], 1, &target);
    for (int i = 0; i < runs; i++) {
        struct run_result r;
        struct zl_error err;
        if (run_once(first + (uint64_t)i, events, &logging, &target, folder, &r, &err) != ZL_OK) {
            fprintf(stderr, "%s\n", err.text);
            exit(1);
        }
        add(&ips, &r.estimate.ips, r.truth);
        add(&snips, &r.estimate.snips, r.truth);
        effective += r.estimate.effective;
        draws += (double)r.estimate.draws;
        truth += r.truth;
        weight += r.estimate.mean_weight;
    }
    printf("%s (%s): truth %.4f, %.0f draws, effective size %.0f, mean weight %.3f\n",
           targets[t][1], targets[t][0], truth / runs, draws / runs, effective / runs,
           weight / runs);
    print("ips", &ips, runs);
    print("snips", &snips, runs);
    fflush(stdout);
    config_release(&logging);
    config_release(&target);
}

int main(int argc, char **argv)
{
    int runs = argc > 1 ? atoi(argv[1]) : 200;
    uint64_t events = argc > 2 ? strtoull(argv[2], NULL, 10) : 4000;
    uint64_t first = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    char folder[] = "/tmp/explore-coverage-XXXXXX";
    log_setup(LOG_WARN, LOG_TEXT);
    ASSERT(mkdtemp(folder));
    int64_t begin = clock_monotonic_ns();
    for (int t = 0; t < N_TARGETS; t++)
        one_target(t, runs, events, first, folder);
    printf("%d runs of %llu events a target, %.0f s\n", runs, (unsigned long long)events,
           (double)(clock_monotonic_ns() - begin) * 1e-9);
    char path[300];
    snprintf(path, sizeof path, "%s/events.jsonl", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/items.jsonl", folder);
    unlink(path);
    rmdir(folder);
    return 0;
}
