/* One byte a tested choice: which of the three lists had it among its first N. How many are skipped is known at the end. */
#include "app/evaluate_similar.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/engine.h"
#include "app/interrupt.h"
#include "app/json_text.h"
#include "app/refused.h"
#include "base/check.h"
#include "rank/similar.h"

enum hit { HIT_MIX = 1, HIT_COOCCUR = 2, HIT_CORE = 4 };

struct hits {
    int top;
    uint8_t *of;
    uint64_t n, capacity;
};

static uint8_t hit_of(double rank, int top, enum hit hit)
{
    return rank > 0 && rank <= top ? (uint8_t)hit : 0;
}

static void on_scored(void *ctx, const struct zl_event *ev, const struct rank_similar_result *r)
{
    struct hits *h = ctx;
    (void)ev;
    if (h->n == h->capacity) {
        h->capacity = h->capacity ? h->capacity * 2 : 65536;
        h->of = xrealloc(h->of, h->capacity, sizeof *h->of);
    }
    h->of[h->n++] =
        (uint8_t)(hit_of(r->mix, h->top, HIT_MIX) | hit_of(r->cooccur, h->top, HIT_COOCCUR) |
                  hit_of(r->core, h->top, HIT_CORE));
}

static double share_of(const struct hits *h, uint64_t from, enum hit hit)
{
    uint64_t n = 0;
    for (uint64_t i = from; i < h->n; i++)
        n += (h->of[i] & hit) != 0;
    return h->n > from ? (double)n / (double)(h->n - from) : 0;
}

static void print_hits(const struct args *args, const struct config *cfg, const struct hits *h,
                       uint64_t from, const uint64_t *refused)
{
    double mix = share_of(h, from, HIT_MIX), cooccur = share_of(h, from, HIT_COOCCUR),
           core = share_of(h, from, HIT_CORE);
    if (args_text(args, "format")[0] == 'j') {
        printf("{\"stream\":");
        json_text_print(stdout, zl_span_of(args->words[0]));
        printf(",\"seed\":%" PRId64 ",", cfg->model.seed);
        refused_print_json(refused);
        printf(",\"similar\":{\"hr@%d\":%.5f,\"cooccurrence\":%.5f,\"vectors\":%.5f,\"n\":%" PRIu64
               "}}\n",
               h->top, mix, cooccur, core, h->n - from);
        return;
    }
    printf("%s, related items, seed %" PRId64 ", %" PRIu64 " choices after another one\n",
           args->words[0], cfg->model.seed, h->n - from);
    printf("  %-22s HR@%d\n  %-22s %.4f\n  %-22s %.4f\n  %-22s %.4f\n", "", h->top, "the list", mix,
           "co-occurrence alone", cooccur, "vectors alone", core);
}

int evaluate_similar(const struct args *args, struct config *cfg)
{
    struct hits h = {.top = (int)args_integer(args, "top")};
    struct zl_error err = {""};
    struct engine *e;
    struct engine_options opt = {.file = args->words[0],
                                 .items_file = args_text(args, "items"),
                                 .checkpoint_path = "",
                                 .similar_scored = on_scored,
                                 .hold_items = true,
                                 .ctx = &h};
    if (cfg->similar.n == 0) {
        fputs("zhiliu evaluate: similar.n is 0: an engine learns and writes no related lists; "
              "measured as with 20\n",
              stderr);
        cfg->similar.n = 20;
    }
    uint64_t refused[ZL_N_REASONS] = {0};
    enum zl_status st = engine_open(cfg, &opt, &e, &err);
    if (st == ZL_OK) {
        st = interrupt_run(e, INTERRUPT_NO_FIGURES, &err);
        memcpy(refused, engine_refused(e), sizeof refused);
        engine_close(e);
    }
    refused_say("evaluate", args->words[0], refused);
    uint64_t from = (uint64_t)(args_number(args, "skip") * (double)h.n);
    if (st == ZL_OK && h.n == from)
        st = zl_fail(&err, ZL_EBADDATA,
                     "no choice was tested: see --skip, and that somebody in the file chose twice");
    if (st == ZL_OK)
        print_hits(args, cfg, &h, from, refused);
    else
        fprintf(stderr, "zhiliu evaluate: %s\n", err.text);
    free(h.of);
    return interrupt_exit_code(st);
}
