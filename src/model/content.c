/* Every trait of an item (a tag, a word of its title) has a vector, and an item begins as the mean of them. A gradient of the item is a
 * gradient of each of its traits, so the next item with the same traits starts where these have come to.
 *
 *   step along z with errors d_j:   a_f = s_f sum_{j has f} d_j |F_j|^-1/2         w_f -= lr / sqrt(G_f) a_f z
 *                                   psi = sum_j d_j phi_j, row i of M:             M_i -= lr / sqrt(G_M) g psi_i z
 *                                   gate:                                          g   -= lr / sqrt(G_g) sum_i psi_i M_i . z
 *
 * All gradients of a step point along z, so they are gathered as numbers first, and each row moves once. A row of M is a trait that every
 * item has to some degree; G_M is one for all of them, the mean square of all gradients together, so that a modality as a whole takes
 * steps as long as one trait's.
 *
 * The table from keys to rows is open addressing, half full at most. A key that finds no room any more is left out. */
#include "model/content.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/vec.h"
#include "model/adagrad.h"

#define SHRINK 2.0f          /* a trait that only one item has is a second name of that item */
#define FEATURE_GRAIN 0.1f   /* gathered errors below it are learned from by a sample */
#define FEATURE_RATE 0.5f    /* of the learning rate: an item's features step together */
#define MODALITY_FLOOR 1e-3f /* items with an error below this do not enter psi */
#define LENGTH_FLOOR                                                                               \
    1e-30 /* a shorter vector is as good as none: 1 over it has no room in a float */

static float *vector_of(const struct content *t, uint32_t feature)
{
    return table_row(&t->features, feature);
}

static struct content_feature *feature_of(const struct content *t, uint32_t feature)
{
    return (struct content_feature *)(void *)(vector_of(t, feature) + t->k);
}

float content_shrink(const struct content *t, uint32_t feature)
{
    return feature_of(t, feature)->shrink;
}

static struct content_item *item_of(const struct content *t, uint32_t item)
{
    return table_row(&t->items, item);
}

static float *projection(const struct content *t, int row)
{
    return table_row(&t->projections, (uint32_t)row);
}

static int rows_of_projections(const struct content *t)
{
    return t->first[ZL_N_MODALITIES - 1] + t->dims[ZL_N_MODALITIES - 1];
}

static enum zl_status reserve(struct content *t, const struct model_config *cfg,
                              struct zl_error *err)
{
    size_t vector = (size_t)t->k * sizeof(float), row = vector + sizeof(struct content_feature);
    uint32_t rows = (uint32_t)rows_of_projections(t) + 1;
    t->n_slots = 16;
    while (t->n_slots < 2 * t->max_features)
        t->n_slots *= 2;
    TRY(table_init(&t->features, "feature vectors (model.max_features)", t->max_features,
                   (row + 63) & ~(size_t)63, err));
    TRY(table_init(&t->items, "items' features (catalog.max_items)", cfg->max_items,
                   (sizeof(struct content_item) + 63) & ~(size_t)63, err));
    TRY(table_init(&t->slots, "keys of features (model.max_features)", t->n_slots / 4, 16, err));
    TRY(table_init(&t->sums, "sums of a step (model.max_features)", t->max_features / 4 + 1, 16,
                   err));
    TRY(table_init(&t->projections, "projections", rows, vector, err));
    TRY(rows_track_init(&t->track, t->max_features, err));
    return rows_track_init(&t->projection_track, rows, err);
}

enum zl_status content_init(struct content *t, const struct model_config *cfg, struct zl_error *err)
{
    *t = (struct content){.on = cfg->content, .k = cfg->k, .max_features = cfg->max_features};
    for (int m = 0, first = 0; m < ZL_N_MODALITIES; first += t->dims[m++]) {
        t->first[m] = first;
        t->dims[m] = cfg->n_features[m];
        t->gate[m] = 1;
    }
    if (!t->on)
        return ZL_OK;
    ASSERT(t->max_features >= 1);
    t->max_touched = (uint32_t)(cfg->negatives + 1 + cfg->history) * MODEL_MAX_FEATURES;
    t->touched = xcalloc(t->max_touched, sizeof *t->touched);
    t->errors = xcalloc(t->max_touched, sizeof *t->errors);
    t->psi = xcalloc((size_t)rows_of_projections(t) + 1, sizeof *t->psi);
    return reserve(t, cfg, err);
}

void content_release(struct content *t)
{
    rows_track_release(&t->projection_track);
    rows_track_release(&t->track);
    table_release(&t->projections);
    table_release(&t->sums);
    table_release(&t->slots);
    table_release(&t->items);
    table_release(&t->features);
    free(t->errors);
    free(t->touched);
    free(t->psi);
}

/* ---- keys ---- */

/* Slots hold 1 + the row's index. */
static uint32_t *slot_of(const struct content *t, uint64_t key)
{
    uint32_t *slots = (uint32_t *)(void *)t->slots.rows, at = (uint32_t)hash_mix(key);
    for (;; at++) {
        uint32_t *slot = &slots[at & (t->n_slots - 1)];
        if (*slot == 0 || feature_of(t, *slot - 1)->key == key)
            return slot;
    }
}

static void no_room(const struct content *t)
{
    metrics_add(METRIC_FEATURES_LEFT_OUT, 0, 1);
    LOG(WARN, "model",
        "the table of tags, words and the like is full: new ones are not learned from; raise "
        "model.max_features (%u)",
        t->max_features);
}

/* ZL_NO_INDEX: there is no room, or make is false and it is not there. */
static uint32_t find_feature(struct content *t, uint64_t key, bool make)
{
    uint32_t *slot = slot_of(t, key);
    if (*slot)
        return *slot - 1;
    if (!make)
        return ZL_NO_INDEX;
    if (t->n_features == t->max_features) {
        no_room(t);
        return ZL_NO_INDEX;
    }
    uint32_t feature = t->n_features;
    rows_touch(&t->track, feature);
    t->n_features++;
    feature_of(t, feature)->key = key;
    *slot = feature + 1;
    return feature;
}

static void count_item(struct content *t, uint32_t feature, bool more)
{
    struct content_feature *f = feature_of(t, feature);
    rows_touch(&t->track, feature);
    f->n = more ? f->n + 1 : f->n - 1;
    f->shrink = (float)f->n / ((float)f->n + SHRINK);
}

/* ---- descriptions ---- */

static void describe_modalities(const struct content *t, struct content_item *it,
                                const float *const phi[ZL_N_MODALITIES])
{
    for (int m = 0; m < ZL_N_MODALITIES; m++) {
        double sum = 0;
        it->phi[m] = phi ? phi[m] : NULL;
        for (int i = 0; it->phi[m] && i < t->dims[m]; i++)
            sum += (double)phi[m][i] * (double)phi[m][i];
        it->norm[m] = sum > LENGTH_FLOOR * LENGTH_FLOOR ? (float)(1 / sqrt(sum)) : 0;
    }
}

bool content_describe(struct content *t, uint32_t item, const uint64_t *keys, int n, int n_subjects,
                      const float *const phi[ZL_N_MODALITIES], bool again)
{
    struct content_item *it = item_of(t, item), before = *it;
    ASSERT(n <= MODEL_MAX_FEATURES);
    it->n = it->n_subjects = 0;
    for (int i = 0; i < n; i++) {
        uint32_t feature = find_feature(t, keys[i], !again);
        if (feature == ZL_NO_INDEX)
            continue;
        it->features[it->n++] = feature;
        if (i < n_subjects)
            it->n_subjects++;
    }
    it->scale = it->n ? 1 / sqrtf((float)it->n) : 0;
    it->subject_scale = it->n_subjects ? 1 / sqrtf((float)it->n_subjects) : 0;
    describe_modalities(t, it, phi);
    bool same = it->n == before.n &&
                memcmp(it->features, before.features, it->n * sizeof it->features[0]) == 0;
    if (again || same)
        return !again && (phi != NULL || before.phi[0] || before.phi[1] || before.phi[2]);
    for (int i = 0; i < it->n; i++)
        count_item(t, it->features[i], true);
    for (int i = 0; i < before.n; i++)
        count_item(t, before.features[i], false);
    return true;
}

bool content_has(const struct content *t, uint32_t item)
{
    const struct content_item *it = item_of(t, item);
    return it->n || it->norm[ZL_VIDEO] > 0 || it->norm[ZL_AUDIO] > 0 || it->norm[ZL_TEXT] > 0;
}

void content_of(const struct content *t, uint32_t item, float *c)
{
    const struct content_item *it = item_of(t, item);
    VEC_SCRATCH const float *rows[MODEL_MAX_FEATURES];
    VEC_SCRATCH float weights[MODEL_MAX_FEATURES];
    for (int i = 0; i < it->n; i++) {
        rows[i] = vector_of(t, it->features[i]);
        weights[i] = it->scale * feature_of(t, it->features[i])->shrink;
    }
    memset(c, 0, (size_t)t->k * sizeof *c);
    vec_add_rows(c, weights, rows, it->n, t->k);
    for (int m = 0; m < ZL_N_MODALITIES; m++)
        for (int i = 0; it->norm[m] > 0 && i < t->dims[m]; i++)
            vec_add(c, t->gate[m] * it->norm[m] * it->phi[m][i], projection(t, t->first[m] + i),
                    t->k);
}

static void prefetch_feature(const struct content *t, uint32_t feature)
{
    const float *row = vector_of(t, feature);
    for (int f = 0; f <= t->k; f += 16)
        __builtin_prefetch(row + f);
}

void content_prefetch_features(const struct content *t, uint32_t item)
{
    const struct content_item *it = item_of(t, item);
    for (int i = 0; i < it->n; i++)
        prefetch_feature(t, it->features[i]);
}

/* ---- the step ---- */

void content_prefetch(const struct content *t, uint32_t item)
{
    const char *it = (const char *)item_of(t, item);
    for (size_t at = 0; at < sizeof(struct content_item); at += 64)
        __builtin_prefetch(it + at);
}

void content_gather(struct content *t, uint32_t item, float d)
{
    const struct content_item *it = item_of(t, item);
    float *sums = (float *)(void *)t->sums.rows;
    ASSERT(t->n_touched + it->n <= t->max_touched);
    for (int i = 0; i < it->n; i++) {
        uint32_t f = it->features[i];
        __builtin_prefetch(feature_of(t, f)); /* step_features() asks how far it is believed */
        t->touched[t->n_touched] = f;
        t->n_touched += sums[f] == 0;
        sums[f] += d * it->scale;
    }
    for (int m = 0; m < ZL_N_MODALITIES && fabsf(d) >= MODALITY_FLOOR; m++)
        if (it->norm[m] > 0) {
            vec_add_any(t->psi + t->first[m], d * it->norm[m], it->phi[m], t->dims[m]);
            t->any_psi[m] = true;
        }
}

static void step_feature(struct content *t, uint32_t feature, float a, const float *z,
                         float z_norm2, float learning_rate)
{
    struct content_feature *f = feature_of(t, feature);
    rows_touch(&t->track, feature);
    vec_add(vector_of(t, feature),
            -a * adagrad_size(&f->g, a * a * z_norm2 / (float)t->k, learning_rate), z, t->k);
}

/* Small errors by systematic sampling, as in learn.c. What is to be learned from moves to the front of `touched`, with its error; returns how
 * many. */
static uint32_t sample_features(struct content *t, struct rng *rng)
{
    float *sums = (float *)(void *)t->sums.rows;
    float next = FEATURE_GRAIN * (float)rng_uniform(rng), sum = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n_touched; i++) {
        uint32_t f = t->touched[i];
        float a = sums[f] * feature_of(t, f)->shrink, size = fabsf(a);
        bool small = size < FEATURE_GRAIN;
        sums[f] = 0;
        sum += small ? size : 0;
        bool drawn = small & (sum > next);
        if (drawn)
            next += FEATURE_GRAIN;
        t->touched[n] = f;
        t->errors[n] = small ? copysignf(FEATURE_GRAIN, a) : a;
        n += !small | drawn;
    }
    t->n_touched = 0;
    return n;
}

/* Rows lie anywhere in memory: all are asked for first. */
static void step_features(struct content *t, const float *z, float z_norm2, float learning_rate,
                          struct rng *rng)
{
    uint32_t n = sample_features(t, rng);
    for (uint32_t i = 0; i < n; i++)
        prefetch_feature(t, t->touched[i]);
    for (uint32_t i = 0; i < n; i++)
        step_feature(t, t->touched[i], t->errors[i], z, z_norm2, learning_rate);
}

static void step_modality(struct content *t, int m, const float *z, float z_norm2,
                          float learning_rate)
{
    float *psi = t->psi + t->first[m], g = t->gate[m], norm2 = 0, pull = 0;
    for (int i = 0; i < t->dims[m]; i++)
        norm2 += psi[i] * psi[i];
    rows_touch(&t->projection_track, 0);
    float step =
        g * adagrad_size(&t->projection_g[m], g * g * norm2 * z_norm2 / (float)t->k, learning_rate);
    for (int i = 0; i < t->dims[m]; i++) {
        float *row = projection(t, t->first[m] + i);
        pull += psi[i] * vec_dot(row, z, t->k);
        rows_touch(&t->projection_track, 1 + (uint32_t)(t->first[m] + i));
        vec_add(row, -step * psi[i], z, t->k);
    }
    t->gate_g[m] += pull * pull;
    t->gate[m] -= learning_rate * pull / sqrtf(t->gate_g[m] + 1);
    memset(psi, 0, (size_t)t->dims[m] * sizeof *psi);
    t->any_psi[m] = false;
}

void content_step(struct content *t, const float *z, float z_norm2, float learning_rate,
                  struct rng *rng)
{
    step_features(t, z, z_norm2, FEATURE_RATE * learning_rate, rng);
    for (int m = 0; m < ZL_N_MODALITIES; m++)
        if (t->any_psi[m])
            step_modality(t, m, z, z_norm2, learning_rate);
}

/* ---- rows ---- */

static uint32_t features_count(const void *room)
{
    const struct content *t = room;
    return t->n_features;
}

static void feature_write(const void *room, uint32_t key, struct rows_buffer *out)
{
    const struct content_feature *f = feature_of(room, key);
    rows_put_u64(out, f->key);
    rows_put_u32(out, f->n);
    rows_put_f32(out, f->g);
    rows_put_f32s(out, vector_of(room, key), (size_t)((const struct content *)room)->k);
}

static enum zl_status feature_read(void *room, uint32_t key, struct rows_cursor *in,
                                   struct zl_error *err)
{
    struct content *t = room;
    if (key >= t->max_features)
        return zl_fail(err, ZL_EBADDATA, "feature row %u is beyond model.max_features %u", key,
                       t->max_features);
    struct content_feature *f = feature_of(t, key);
    f->key = rows_get_u64(in);
    f->n = rows_get_u32(in);
    f->shrink = (float)f->n / ((float)f->n + SHRINK);
    f->g = rows_get_f32(in);
    rows_get_f32s(in, vector_of(t, key), (size_t)t->k);
    if (in->bad || in->at != in->end)
        return zl_fail(err, ZL_EBADDATA, "feature row %u is not of this form", key);
    if (key >= t->n_features)
        t->n_features = key + 1;
    uint32_t *slot = slot_of(t, f->key);
    if (*slot != 0 && *slot != key + 1)
        return zl_fail(err, ZL_EBADDATA, "feature rows %u and %u have one key", *slot - 1, key);
    *slot = key + 1;
    return ZL_OK;
}

struct rows_table content_feature_rows(struct content *t)
{
    return (struct rows_table){.kind = ROWS_FEATURES,
                               .name = "features",
                               .room = t,
                               .track = &t->track,
                               .count = features_count,
                               .write = feature_write,
                               .read = feature_read};
}

/* Row 0: gates and accumulators. Row 1 + i: the i-th row of all M. */
static uint32_t projections_count(const void *room)
{
    return 1 + (uint32_t)rows_of_projections(room);
}

static void projection_write(const void *room, uint32_t key, struct rows_buffer *out)
{
    const struct content *t = room;
    if (key > 0) {
        rows_put_f32s(out, projection(t, (int)key - 1), (size_t)t->k);
        return;
    }
    rows_put_f32s(out, t->gate, ZL_N_MODALITIES);
    rows_put_f32s(out, t->gate_g, ZL_N_MODALITIES);
    rows_put_f32s(out, t->projection_g, ZL_N_MODALITIES);
}

static enum zl_status projection_read(void *room, uint32_t key, struct rows_cursor *in,
                                      struct zl_error *err)
{
    struct content *t = room;
    if (key > (uint32_t)rows_of_projections(t))
        return zl_fail(err, ZL_EBADDATA, "projection row %u is beyond catalog.features", key);
    if (key > 0) {
        rows_get_f32s(in, projection(t, (int)key - 1), (size_t)t->k);
    } else {
        rows_get_f32s(in, t->gate, ZL_N_MODALITIES);
        rows_get_f32s(in, t->gate_g, ZL_N_MODALITIES);
        rows_get_f32s(in, t->projection_g, ZL_N_MODALITIES);
    }
    if (in->bad || in->at != in->end)
        return zl_fail(err, ZL_EBADDATA, "projection row %u is not of this form", key);
    return ZL_OK;
}

struct rows_table content_projection_rows(struct content *t)
{
    return (struct rows_table){.kind = ROWS_PROJECTIONS,
                               .name = "projections",
                               .room = t,
                               .track = &t->projection_track,
                               .count = projections_count,
                               .write = projection_write,
                               .read = projection_read};
}
