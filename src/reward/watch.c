/* Watch time grows with the video's length, so raw watch time rewards long videos. Asking instead how a watch stands among
 * others of videos of the same length removes the length (D2Q). The others are kept as a histogram: a bucket of lengths has
 * 64 bins of watch time, spaced evenly in the logarithm, because a second matters in a short view and not in a long one.
 *
 * Forgetting is done forwards: old mass is left alone and each new watch weighs a little more than the last, by 2^(1/half_life). When
 * the weight passes 2^64 everything is multiplied by 2^-64, which changes no quotient: powers of two are exact.
 *
 * Logarithms come from the position of the highest bit and a table of seven thresholds, not from libm, whose last digit
 * differs between machines: state must be the same everywhere. */
#include "reward/watch.h"

#include "base/check.h"
#include "base/special.h"

#define HIGH_WEIGHT 18446744073709551616.0 /* 2^64 */

int reward_watch_log2x8(uint64_t x)
{
    /* ceil(2^(63 + k/8)), k = 1..7 */
    static const uint64_t steps[7] = {
        UINT64_C(10058158527438640871), UINT64_C(10968499650544839024),
        UINT64_C(11961233684655323371), UINT64_C(13043817825332782213),
        UINT64_C(14224384202002324190), UINT64_C(15511800964685064949),
        UINT64_C(16915738899553466671),
    };
    ASSERT(x > 0);
    int shift = __builtin_clzll(x), eighths = 0;
    x <<= shift;
    while (eighths < 7 && x >= steps[eighths])
        eighths++;
    return (63 - shift) * 8 + eighths;
}

/* 2^(1/half_life) by the series of exp: every step is an exact or correctly rounded operation. */
static double growth_of(double half_life)
{
    double x = SPECIAL_LN2 / half_life, term = 1, sum = 1;
    for (int i = 1; i < 40; i++) {
        term = term * x / i;
        sum += term;
    }
    return sum;
}

enum zl_status reward_watch_init(struct watch *w, double half_life, struct zl_error *err)
{
    *w = (struct watch){0};
    if (!(half_life >= 1 && half_life <= 1e12))
        return zl_fail(err, ZL_ECONFIG,
                       "reward: the half-life of watch times must be 1..1e12 watches");
    w->growth = growth_of(half_life);
    for (int b = 0; b < WATCH_BUCKETS; b++)
        w->buckets[b].weight = 1;
    return rows_track_init(&w->track, WATCH_BUCKETS, err);
}

void reward_watch_release(struct watch *w)
{
    rows_track_release(&w->track);
}

int reward_watch_bucket(int64_t duration_ms)
{
    if (duration_ms <= 0)
        return WATCH_UNKNOWN;
    int bucket = reward_watch_log2x8((uint64_t)duration_ms) / 2 - 39; /* 4 * log2(1000) = 39.9 */
    if (bucket < 0)
        return 0;
    return bucket < WATCH_UNKNOWN ? bucket : WATCH_UNKNOWN - 1;
}

/* Relative to the middle of the bucket's lengths. */
static int bin_of(int64_t watch_ms, int bucket)
{
    if (watch_ms <= 0)
        return 0;
    int log2x8 = reward_watch_log2x8((uint64_t)watch_ms);
    int bin =
        bucket == WATCH_UNKNOWN ? (log2x8 - 8 * 9) / 2 : log2x8 - (2 * (bucket + 39) + 1) + 56;
    if (bin < 0)
        return 0;
    return bin < WATCH_BINS ? bin : WATCH_BINS - 1;
}

static double rank_of(const struct watch_bucket *b, int bin)
{
    double below = 0, total = 0;
    for (int i = 0; i < bin; i++)
        below += b->mass[i];
    total = below;
    for (int i = bin; i < WATCH_BINS; i++)
        total += b->mass[i];
    return total > 0 ? (below + 0.5 * b->mass[bin]) / total : 0.5;
}

static void remember(struct watch_bucket *b, int bin, double growth)
{
    b->n++;
    b->mass[bin] += b->weight;
    b->weight *= growth;
    if (b->weight < HIGH_WEIGHT)
        return;
    b->weight *= 1 / HIGH_WEIGHT;
    for (int i = 0; i < WATCH_BINS; i++)
        b->mass[i] *= 1 / HIGH_WEIGHT;
}

double reward_watch_completion(int64_t watch_ms, int64_t duration_ms)
{
    if (duration_ms <= 0)
        return (double)watch_ms / ((double)watch_ms + 20000);
    return watch_ms >= duration_ms ? 1 : (double)watch_ms / (double)duration_ms;
}

double reward_watch_rank(struct watch *w, int64_t watch_ms, int64_t duration_ms)
{
    int bucket = reward_watch_bucket(duration_ms), bin = bin_of(watch_ms, bucket);
    struct watch_bucket *b = &w->buckets[bucket];
    double rank = rank_of(b, bin);
    if (b->n < WATCH_PRIOR) {
        double prior = (double)(WATCH_PRIOR - b->n) / WATCH_PRIOR;
        rank = prior * reward_watch_completion(watch_ms, duration_ms) + (1 - prior) * rank;
    }
    rows_touch(&w->track, (uint32_t)bucket);
    remember(b, bin, w->growth);
    return rank;
}

/* ---- rows: one a bucket ---- */

static uint32_t row_count(const void *room)
{
    (void)room;
    return WATCH_BUCKETS;
}

static void row_write(const void *room, uint32_t key, struct rows_buffer *out)
{
    const struct watch_bucket *b = &((const struct watch *)room)->buckets[key];
    rows_put_u64(out, b->n);
    rows_put_f64(out, b->weight);
    for (int i = 0; i < WATCH_BINS; i++)
        rows_put_f64(out, b->mass[i]);
}

/* A mass can be as large as the newest weight times the watches that share it. */
static bool is_mass(double v)
{
    return v >= 0 && v <= HIGH_WEIGHT * HIGH_WEIGHT;
}

static enum zl_status row_read(void *room, uint32_t key, struct rows_cursor *in,
                               struct zl_error *err)
{
    struct watch *w = room;
    if (key >= WATCH_BUCKETS)
        return zl_fail(err, ZL_EBADDATA, "watch times: bucket %u is beyond %d", key, WATCH_BUCKETS);
    struct watch_bucket *b = &w->buckets[key];
    b->n = rows_get_u64(in);
    b->weight = rows_get_f64(in);
    bool good = b->weight > 0 && b->weight < HIGH_WEIGHT;
    for (int i = 0; i < WATCH_BINS; i++) {
        b->mass[i] = rows_get_f64(in);
        good = good && is_mass(b->mass[i]);
    }
    if (in->bad || !good)
        return zl_fail(err, ZL_EBADDATA, "watch times: the row of bucket %u is damaged", key);
    return ZL_OK;
}

struct rows_table reward_watch_rows(struct watch *w)
{
    return (struct rows_table){
        .kind = ROWS_WATCH,
        .name = "watch times",
        .room = w,
        .track = &w->track,
        .count = row_count,
        .write = row_write,
        .read = row_read,
    };
}
