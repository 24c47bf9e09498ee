/* zhiliu replay [PIPELINE] EVENTS | PIPELINE: a file, or a range of the log, through the same rooms to a digest of the final state. With
 * --score every event is tested before it is learned (prequential): HR, NDCG and MRR at 10 over what was not skipped. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "app/engine.h"
#include "app/interrupt.h"
#include "app/refused.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "rank/rank.h"

#define TOP 10

/* Ranks are kept, since the share to skip is of a length that is known at the end. */
struct score {
    int64_t every;
    float *ranks; /* of each tested event, 0: a miss for good */
    uint64_t *at; /* its number in the stream */
    uint64_t n, capacity, seen;
};

static bool positive(const struct zl_event *ev)
{
    return ev->reward_micro > 0;
}

static bool wants_test(void *ctx, const struct zl_event *ev)
{
    struct score *s = ctx;
    return positive(ev) && s->seen++ % (uint64_t)s->every == 0;
}

static void on_scored(void *ctx, const struct zl_event *ev, const struct rank_result *result)
{
    struct score *s = ctx;
    (void)ev;
    if (s->n == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 65536;
        s->ranks = xrealloc(s->ranks, s->capacity, sizeof *s->ranks);
        s->at = xrealloc(s->at, s->capacity, sizeof *s->at);
    }
    s->at[s->n] = s->seen - 1;
    s->ranks[s->n++] = (float)result->ranks[RANK_MIX];
}

struct quality {
    double hr, ndcg, mrr;
    uint64_t n;
};

static struct quality quality_of(const struct score *s, double skip)
{
    struct quality q = {0};
    for (uint64_t i = 0; i < s->n; i++) {
        double rank = (double)s->ranks[i];
        if ((double)s->at[i] < skip * (double)s->seen)
            continue;
        q.n++;
        q.mrr += rank > 0 ? 1 / rank : 0;
        if (rank > 0 && rank <= TOP) {
            q.hr++;
            q.ndcg += 1 / log2(rank + 1);
        }
    }
    double n = q.n ? (double)q.n : 1;
    q.hr /= n;
    q.ndcg /= n;
    q.mrr /= n;
    return q;
}

/* "0:1000,1:2000": next offsets of partitions of events. */
static bool parse_positions(const char *text, struct zl_positions *out)
{
    *out = (struct zl_positions){0};
    while (text && *text) {
        char *end;
        long partition = strtol(text, &end, 10);
        if (end == text || *end != ':' || partition < 0)
            return false;
        text = end + 1;
        long long next = strtoll(text, &end, 10);
        struct zl_position *p = end == text || next < 0
                                    ? NULL
                                    : zl_positions_get(out, ZL_TOPIC_EVENTS, (int32_t)partition);
        if (!p || (*end && *end != ','))
            return false;
        p->next = next;
        text = *end ? end + 1 : end;
    }
    return out->n > 0;
}

static void print_result(const struct engine *e, const struct score *s, double skip, double seconds,
                         bool json)
{
    struct quality q = quality_of(s, skip);
    uint64_t n = engine_messages(e);
    if (json) {
        printf("{\"messages\":%" PRIu64 ",\"users\":%u,\"items\":%u,\"digest\":\"%016" PRIx64 "\"",
               n, ids_count(engine_users(e)), ids_count(engine_items(e)), engine_digest(e));
        putchar(',');
        refused_print_json(engine_refused(e));
        if (s->every)
            printf(",\"scored\":%" PRIu64 ",\"hr@10\":%.4f,\"ndcg@10\":%.4f,\"mrr\":%.4f", q.n,
                   q.hr, q.ndcg, q.mrr);
        printf(",\"seconds\":%.2f}\n", seconds);
        return;
    }
    printf("messages %" PRIu64 "  users %u  items %u  %.1f s (%.0f/s)\n", n,
           ids_count(engine_users(e)), ids_count(engine_items(e)), seconds,
           seconds > 0 ? (double)n / seconds : 0);
    if (s->every)
        printf("HR@10 %.4f  NDCG@10 %.4f  MRR %.4f  over %" PRIu64
               " events (the first %.0f %% not scored)\n",
               q.hr, q.ndcg, q.mrr, q.n, skip * 100);
    printf("digest %016" PRIx64 "\n", engine_digest(e));
}

static int fail(enum zl_status st, const struct zl_error *err)
{
    fprintf(stderr, "zhiliu replay: %s\n", err->text);
    return interrupt_exit_code(st);
}

/* A folder that was used before is gone on from; that it is of the same log is seen when its first line is read (log_identity.h). */
static void say_state(const struct engine *e, const char *folder, const char *file)
{
    const struct zl_positions *all = engine_positions(e);
    long long next = 0;
    for (int i = 0; i < all->n; i++)
        if (all->at[i].topic == ZL_TOPIC_EVENTS && all->at[i].partition == 0)
            next = all->at[i].next;
    fprintf(stderr, "zhiliu replay: %s holds a state already: continues at ", folder);
    if (file)
        fprintf(stderr, "line %lld of %s", next + 1, file);
    else
        fputs("its offsets", stderr);
    fputs("\n", stderr);
}

static int replay(const struct args *args, const struct config *cfg, const char *file)
{
    struct zl_error err = {""};
    struct score s = {.every = args_on(args, "score") ? args_integer(args, "every") : 0};
    struct zl_positions from, until;
    const char *from_text = args_text(args, "from"), *until_text = args_text(args, "until"),
               *path = args_text(args, "checkpoint");
    if ((from_text && !parse_positions(from_text, &from)) ||
        (until_text && !parse_positions(until_text, &until))) {
        fprintf(stderr,
                "zhiliu replay: --from and --until are PARTITION:OFFSET,PARTITION:OFFSET\n");
        return 64;
    }
    struct engine_options opt = {.file = file,
                                 .items_file = args_text(args, "items"),
                                 .checkpoint_path = path ? path : "",
                                 .from = from_text ? &from : NULL,
                                 .until = until_text ? &until : NULL,
                                 .test = wants_test,
                                 .scored = s.every ? on_scored : NULL,
                                 .ctx = &s};
    struct engine *e;
    char left[512];
    enum zl_status st = engine_open(cfg, &opt, &e, &err);
    if (st != ZL_OK)
        return fail(st, &err);
    if (path && !from_text && engine_moment(e) > 0)
        say_state(e, path, file ? file : cfg->source.kind == 1 ? cfg->source.file : NULL);
    int64_t start_ns = clock_monotonic_ns();
    snprintf(left, sizeof left, "%.400s%s", path ? path : "nothing is kept",
             path ? " holds the state so far, and the same replay again goes on from there" : "");
    st = interrupt_run(e, left, &err);
    double seconds = (double)(clock_monotonic_ns() - start_ns) * 1e-9;
    refused_say("replay", file ? file : "the log", engine_refused(e));
    if (st == ZL_OK)
        print_result(e, &s, args_number(args, "skip"), seconds,
                     strcmp(args_text(args, "format"), "json") == 0);
    engine_close(e);
    free(s.ranks);
    free(s.at);
    return st == ZL_OK ? 0 : fail(st, &err);
}

static bool is_pipeline(const char *word)
{
    size_t len = strlen(word);
    return (len > 5 && strcmp(word + len - 5, ".yaml") == 0) ||
           (len > 4 && strcmp(word + len - 4, ".yml") == 0);
}

int cmd_replay(const struct args *args)
{
    const char *pipeline = NULL, *file = NULL;
    for (int i = 0; i < args->n_words; i++) {
        if (is_pipeline(args->words[i]) && !pipeline)
            pipeline = args->words[i];
        else if (!file)
            file = args->words[i];
        else
            return fprintf(stderr,
                           "zhiliu replay: one pipeline (.yaml) and one file of events at most\n"),
                   64;
    }
    const char *idle = args_given(args, "every")  ? "every"
                       : args_given(args, "skip") ? "skip"
                                                  : NULL;
    if (idle && !args_on(args, "score"))
        return fprintf(stderr, "zhiliu replay: --%s is for --score, which is not given\n", idle),
               64;
    struct config cfg;
    int code = args_config_file(args, pipeline, &cfg);
    if (code == 0) {
        log_setup(LOG_WARN, (enum log_format)cfg.log.format);
        args_no_dead_letters(args, &cfg);
        code = replay(args, &cfg, file);
    }
    config_release(&cfg);
    return code;
}
