/* Range reduction to a small interval, then a series whose terms are summed in a fixed order. Of the floats 16 go at a
 * time, and every lane does exactly the scalar operations. */
#include "base/special.h"

#include <stdint.h>
#include <string.h>

#include "base/vec.h"

#define SQRT_HALF 0.707106781186547524400844362105

static uint64_t bits_of(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static double double_of(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* ln m for m in [sqrt(1/2), sqrt(2)): 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.172. */
#define LOG_TERMS 11
static const double log_terms[LOG_TERMS] = {1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15,
                                            1.0 / 13, 1.0 / 11, 1.0 / 9,  1.0 / 7,
                                            1.0 / 5,  1.0 / 3,  1.0};

static double log_reduced(double m)
{
    double s = (m - 1) / (m + 1), s2 = s * s, sum = 1.0 / 23;
    for (unsigned i = 0; i < LOG_TERMS; i++)
        sum = sum * s2 + log_terms[i];
    return 2 * s * sum;
}

double special_log2(double x)
{
    uint64_t u = bits_of(x);
    int e = (int)(u >> 52) - 1023;
    if (e == -1023) { /* subnormal: scale up */
        u = bits_of(x * 18014398509481984.0);
        e = (int)(u >> 52) - 1023 - 54;
    }
    double m = double_of((u & 0xFFFFFFFFFFFFFULL) | 0x3FF0000000000000ULL);
    if (m >= 2 * SQRT_HALF) {
        m *= 0.5;
        e++;
    }
    return e + log_reduced(m) * (1 / SPECIAL_LN2);
}

double special_log(double x)
{
    return special_log2(x) * SPECIAL_LN2;
}

/* e^y = 1 + y + y^2 / 2! + ..; |y| < 0.35: y^15 / 15! is below 2^-64. */
#define EXP_TERMS 15
static const double exp_terms[EXP_TERMS] = {1.0 / 87178291200,
                                            1.0 / 6227020800,
                                            1.0 / 479001600,
                                            1.0 / 39916800,
                                            1.0 / 3628800,
                                            1.0 / 362880,
                                            1.0 / 40320,
                                            1.0 / 5040,
                                            1.0 / 720,
                                            1.0 / 120,
                                            1.0 / 24,
                                            1.0 / 6,
                                            0.5,
                                            1.0,
                                            1.0};

double special_exp2(double x)
{
    if (x < -1022)
        return 0;
    double whole = (double)(int64_t)(x + (x < 0 ? -0.5 : 0.5));
    double y = (x - whole) * SPECIAL_LN2, sum = 0;
    for (unsigned i = 0; i < EXP_TERMS; i++)
        sum = sum * y + exp_terms[i];
    return sum * double_of((uint64_t)((int64_t)whole + 1023) << 52);
}

typedef double d8 __attribute__((vector_size(64), aligned(8), may_alias));
typedef int64_t l8 __attribute__((vector_size(64), aligned(8), may_alias));
typedef int32_t i8 __attribute__((vector_size(32)));

static inline __attribute__((always_inline)) void exp2_8(const double *x, double *out)
{
    d8 given = *(const d8 *)x;
    l8 kept = given >= -1022.0;
    d8 v = (d8)((l8)given & kept);
    d8 half = (d8)(((l8)v & INT64_MIN) | (l8)((d8){0} + 0.5)); /* with the sign of v */
    i8 whole = __builtin_convertvector(v + half, i8);
    d8 y = (v - __builtin_convertvector(whole, d8)) * SPECIAL_LN2, sum = {0};
    for (unsigned i = 0; i < EXP_TERMS; i++)
        sum = sum * y + exp_terms[i];
    l8 scale = (__builtin_convertvector(whole, l8) + 1023) << 52;
    *(l8 *)out = (l8)(sum * (d8)scale) & kept;
}

static inline __attribute__((always_inline)) void log2_8(const double *x, double *out)
{
    l8 u = *(const l8 *)x;
    d8 m = (d8)((u & 0xFFFFFFFFFFFFFLL) | 0x3FF0000000000000LL);
    l8 large = m >= 2 * SQRT_HALF;
    l8 e = (u >> 52) - 1023 - large; /* a comparison that is true is -1 */
    m = (d8)((l8)m - (large & (1LL << 52)));
    d8 s = (m - 1) / (m + 1), s2 = s * s, sum = (d8){0} + 1.0 / 23;
    for (unsigned i = 0; i < LOG_TERMS; i++)
        sum = sum * s2 + log_terms[i];
    d8 whole = __builtin_convertvector(__builtin_convertvector(e, i8), d8);
    *(d8 *)out = whole + 2 * s * sum * (1 / SPECIAL_LN2);
}

VEC_CLONES void special_exp2_all(const double *x, double *out, int n)
{
    int i = 0;
    for (; i + 8 <= n; i += 8)
        exp2_8(x + i, out + i);
    if (i == n)
        return;
    double rest[8] = {0};
    memcpy(rest, x + i, (size_t)(n - i) * sizeof *x);
    exp2_8(rest, rest);
    memcpy(out + i, rest, (size_t)(n - i) * sizeof *x);
}

VEC_CLONES void special_log2_all(const double *x, double *out, int n)
{
    int i = 0;
    for (; i + 8 <= n; i += 8)
        log2_8(x + i, out + i);
    if (i == n)
        return;
    double rest[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    memcpy(rest, x + i, (size_t)(n - i) * sizeof *x);
    log2_8(rest, rest);
    memcpy(out + i, rest, (size_t)(n - i) * sizeof *x);
}

/* GCC's vector types, as in vec.c: a loop over scalars would not be vectorised, since x may be out. */
typedef float v16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t v16i __attribute__((vector_size(64), aligned(4), may_alias));

static inline __attribute__((always_inline)) void exp_16(const float *x, float *out)
{
    v16 given = *(const v16 *)x;
    v16i too_small = (v16i)(given + 87.0f) >> 31; /* the sign; AVX2 would compare one by one */
    v16i kept = ((v16i)given & ~too_small) | ((v16i)((v16){0} - 87.0f) & too_small);
    v16 v = (v16)kept;
    v16i whole = __builtin_convertvector(v * 1.44269504f - 0.5f, v16i); /* v <= 0 */
    v16 w = __builtin_convertvector(whole, v16);
    v16 y = (v - w * 0.693145752f) - w * 1.42860677e-6f; /* ln 2 in two parts (Cody, Waite) */
    v16 p = y * (1.0f / 720) + 1.0f / 120;
    p = p * y + 1.0f / 24;
    p = p * y + 1.0f / 6;
    p = p * y + 0.5f;
    p = p * y + 1.0f;
    p = p * y + 1.0f;
    v16 scaled = p * (v16)((whole + 127) << 23);
    *(v16i *)out = (v16i)scaled & ~too_small;
}

static inline __attribute__((always_inline)) void log_16(const float *x, float *out)
{
    v16i u = *(const v16i *)x;
    v16i shifted = u - 0x3f3504f3; /* sqrt(1/2): the mantissa falls into [sqrt(1/2), sqrt(2)) */
    v16i e = shifted >> 23;
    v16 m = (v16)(u - e * (1 << 23));
    v16 s = (m - 1.0f) / (m + 1.0f), s2 = s * s;
    v16 p = s2 * (1.0f / 9) + 1.0f / 7;
    p = p * s2 + 1.0f / 5;
    p = p * s2 + 1.0f / 3;
    p = p * s2 + 1.0f;
    *(v16 *)out = 2.0f * s * p + __builtin_convertvector(e, v16) * (float)SPECIAL_LN2;
}

VEC_CLONES void special_exp_all(const float *x, float *out, int n)
{
    int i = 0;
    for (; i + 16 <= n; i += 16)
        exp_16(x + i, out + i);
    if (i == n)
        return;
    float rest[16] = {0};
    memcpy(rest, x + i, (size_t)(n - i) * sizeof *x);
    exp_16(rest, rest);
    memcpy(out + i, rest, (size_t)(n - i) * sizeof *x);
}

VEC_CLONES void special_log_all(const float *x, float *out, int n)
{
    int i = 0;
    for (; i + 16 <= n; i += 16)
        log_16(x + i, out + i);
    if (i == n)
        return;
    float rest[16] = {0};
    memcpy(rest, x + i, (size_t)(n - i) * sizeof *x);
    log_16(rest, rest);
    memcpy(out + i, rest, (size_t)(n - i) * sizeof *x);
}
