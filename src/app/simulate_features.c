/* Vectors of items, as another program would make them from pictures, sound and speech: noisy views of what the items truly are.
 *
 * Each topic and each style has a direction in each modality's space, drawn once. An item's vector is their sum, weighted by how much
 * of them this modality can tell, and noise. Noise is given as a multiple of the truth's length; `inf` is a vector that says nothing, to see
 * that it does no harm. Draws are keyed by the item alone: a vector is the same whichever others are asked for. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/simulate_world.h"

#define DIRECTIONS 16U /* streams of draws, beside those of the world */
#define PRESENCE 15U

static const char *const names[ZL_N_MODALITIES] = {"video", "audio", "text"};
static const struct {
    float topic, second, style;
} views[ZL_N_MODALITIES] = {{1, 0.4f, 0.5f}, {0.5f, 0.2f, 1}, {1, 0.4f, 0}};

/* ---- NAME=DIMENSION[:NOISE[:SHARE]] ---- */

static int modality_of(const char *name, size_t len)
{
    for (int m = 0; m < ZL_N_MODALITIES; m++)
        if (strlen(names[m]) == len && strncmp(names[m], name, len) == 0)
            return m;
    return -1;
}

/* Goes past the number; false: there is none in this range. */
static bool number_in(const char **at, double least, double most, double *out)
{
    char *end;
    *out = strtod(*at, &end);
    if (end == *at || !(*out >= least && *out <= most))
        return false;
    *at = end;
    return true;
}

static bool modality_from(const char **at, struct simulate_modality out[ZL_N_MODALITIES])
{
    double n, noise = 1, share = 1;
    const char *equals = strchr(*at, '=');
    int m = equals ? modality_of(*at, (size_t)(equals - *at)) : -1;
    if (m < 0 || out[m].n)
        return false;
    *at = equals + 1;
    if (!number_in(at, 1, SIMULATE_MOST_FEATURES, &n) || n != floor(n))
        return false;
    if (**at == ':' && (++*at, !number_in(at, 0, INFINITY, &noise)))
        return false;
    if (**at == ':' && (++*at, !number_in(at, 0, 1, &share)))
        return false;
    out[m] = (struct simulate_modality){(int)n, noise, share};
    return true;
}

enum zl_status simulate_features_of(const char *text, struct simulate_modality out[ZL_N_MODALITIES],
                                    struct zl_error *err)
{
    const char *at = text;
    memset(out, 0, ZL_N_MODALITIES * sizeof out[0]);
    while (*at) {
        if (!modality_from(&at, out) || (*at && *at != ',') || (*at == ',' && !at[1]))
            return zl_fail(err, ZL_EUSAGE,
                           "--features wants NAME=DIMENSION[:NOISE[:SHARE]], separated by commas: "
                           "video, audio or text, each once, of 1 to %d numbers, say "
                           "video=32,audio=16:inf,text=16:1:0.5; not %s",
                           SIMULATE_MOST_FEATURES, text);
        at += *at == ',';
    }
    return ZL_OK;
}

/* ---- one vector ---- */

/* x += scale * a direction of its own for (modality, kind, which): normal numbers, of length 1 on average. */
static void add_direction(const struct simulate *s, int m, uint64_t kind, uint32_t which,
                          double scale, double *x)
{
    int n = s->cfg.modalities[m].n;
    struct rng r = rng_at(s->cfg.seed, DIRECTIONS + (uint64_t)m * 16, kind, which);
    for (int i = 0; i < n; i++)
        x[i] += scale * rng_normal(&r) / sqrt(n);
}

static void fill(const struct simulate *s, uint32_t item, int m, double *x)
{
    const struct sim_item *it = &s->items[item];
    double noise = s->cfg.modalities[m].noise, truth = isinf(noise) ? 0 : 1, length;
    double topic = (double)views[m].topic, second = (double)views[m].second,
           style = (double)views[m].style;
    length = sqrt(topic * topic + second * second + style * style);
    memset(x, 0, SIMULATE_MOST_FEATURES * sizeof *x);
    add_direction(s, m, 0, it->topic, truth * topic, x);
    add_direction(s, m, 0, it->second, truth * second, x);
    add_direction(s, m, 1, it->style, truth * style, x);
    add_direction(s, m, 2, item, isinf(noise) ? length : noise * length, x);
}

static bool is_missing(const struct simulate *s, uint32_t item, int m)
{
    struct rng r = rng_at(s->cfg.seed, PRESENCE, (uint64_t)m, item);
    return s->cfg.modalities[m].n == 0 || rng_uniform(&r) >= s->cfg.modalities[m].share;
}

char *sim_put_features(const struct simulate *s, uint32_t item, char *at)
{
    double x[SIMULATE_MOST_FEATURES];
    const char *before = ",\"features\":{\"";
    char *const start = at;
    for (int m = 0; m < ZL_N_MODALITIES; m++) {
        if (is_missing(s, item, m))
            continue;
        fill(s, item, m, x);
        at += sprintf(at, "%s%s\":", before, names[m]);
        for (int i = 0; i < s->cfg.modalities[m].n; i++)
            at += sprintf(at, "%c%.4f", i ? ',' : '[', x[i]);
        *at++ = ']';
        before = ",\"";
    }
    if (at > start)
        *at++ = '}';
    return at;
}
