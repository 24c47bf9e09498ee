/* One door for all baselines: a name is looked up in the table of methods, zeros in the configuration become that method's defaults,
 * and every call goes on to its functions. */
#include "evaluate/baseline.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "evaluate/evaluate_priv.h"

#define MAX_K 1024

struct baseline {
    const struct baseline_method *method;
    void *state;
};

static const struct baseline_method *const methods[] = {
    &evaluate_popularity_all_time,
    &evaluate_popularity_decayed,
    &evaluate_mf_isgd,
    &evaluate_mf_bpr,
    &evaluate_ials_method,
    &evaluate_ials_popularity_method,
};
#define N_METHODS (sizeof methods / sizeof methods[0])

static const struct baseline_method *method_of(const char *name)
{
    for (size_t i = 0; i < N_METHODS; i++)
        if (strcmp(methods[i]->name, name) == 0)
            return methods[i];
    return NULL;
}

static void fill_in(struct baseline_config *cfg, const struct baseline_method *method)
{
    cfg->k = cfg->k > 0 ? (cfg->k + 15) / 16 * 16 : method->k;
    cfg->every = cfg->every > 0 ? cfg->every : 1000;
    cfg->window = cfg->window > 0 ? cfg->window : 0;
    cfg->half_life = cfg->half_life > 0 ? cfg->half_life : 20000;
    cfg->learning_rate = cfg->learning_rate > 0 ? cfg->learning_rate : method->learning_rate;
    cfg->l2 = cfg->l2 > 0 ? cfg->l2 : method->l2;
}

enum zl_status baseline_open(const struct baseline_config *cfg, struct baseline **out,
                             struct zl_error *err)
{
    *out = NULL;
    const struct baseline_method *method = method_of(cfg->name);
    if (!method)
        return zl_fail(err, ZL_EUSAGE, "no baseline is called '%s'; there are:\n%s", cfg->name,
                       baseline_names());
    if (cfg->k > MAX_K)
        return zl_fail(err, ZL_EUSAGE, "baseline %s: k is %d, at most %d is possible", cfg->name,
                       cfg->k, MAX_K);
    struct baseline_config full = *cfg;
    fill_in(&full, method);
    struct baseline *b = xcalloc(1, sizeof *b);
    b->method = method;
    b->state = method->open(&full);
    *out = b;
    return ZL_OK;
}

void baseline_close(struct baseline *b)
{
    if (!b)
        return;
    b->method->close(b->state);
    free(b);
}

void baseline_score(struct baseline *b, uint32_t user, uint32_t n_items, const uint8_t *met,
                    uint32_t item, float *scores)
{
    b->method->score(b->state, user, n_items, met, item, scores);
}

void baseline_learn(struct baseline *b, uint32_t user, uint32_t item)
{
    b->method->learn(b->state, user, item);
}

bool baseline_learns_by_scoring(const struct baseline *b)
{
    return b->method->learns_by_scoring;
}

const char *baseline_names(void)
{
    return "popularity\ndecayed-popularity\nisgd\nbpr\nials\nials+popularity\n";
}
