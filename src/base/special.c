/* Range reduction to a small interval, then a series whose terms are summed in a fixed order. The float exponential is written so
 * that the compiler vectorises it: every lane does exactly the scalar operations. */
#include "base/special.h"

#include <stdint.h>
#include <string.h>

#include "base/vec.h"

#define LN2 0.693147180559945309417232121458
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
static double log_reduced(double m)
{
    static const double c[] = {1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11,
                               1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3,  1.0};
    double s = (m - 1) / (m + 1), s2 = s * s, sum = 1.0 / 23;
    for (unsigned i = 0; i < sizeof c / sizeof c[0]; i++)
        sum = sum * s2 + c[i];
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
    return e + log_reduced(m) * (1 / LN2);
}

double special_log(double x)
{
    return special_log2(x) * LN2;
}

double special_exp2(double x)
{
    if (x < -1022)
        return 0;
    double whole = (double)(int64_t)(x + (x < 0 ? -0.5 : 0.5));
    static const double c[] = {1.0 / 87178291200,
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
    double y = (x - whole) * LN2, sum = 0; /* |y| < 0.35: y^15 / 15! is below 2^-64 */
    for (unsigned i = 0; i < sizeof c / sizeof c[0]; i++)
        sum = sum * y + c[i];
    return sum * double_of((uint64_t)((int64_t)whole + 1023) << 52);
}

VEC_CLONES void special_exp_all(const float *x, float *out, int n)
{
    for (int i = 0; i < n; i++) {
        float v = x[i] < -87.0f ? -87.0f : x[i];
        int32_t whole = (int32_t)(v * 1.44269504f - 0.5f); /* v <= 0 */
        float w = (float)whole;
        float y = (v - w * 0.693145752f) - w * 1.42860677e-6f; /* ln 2 in two parts (Cody, Waite) */
        float p = 1.0f / 720;
        p = p * y + 1.0f / 120;
        p = p * y + 1.0f / 24;
        p = p * y + 1.0f / 6;
        p = p * y + 0.5f;
        p = p * y + 1.0f;
        p = p * y + 1.0f;
        union {
            int32_t i;
            float f;
        } scale = {.i = (whole + 127) << 23};
        out[i] = x[i] < -87.0f ? 0.0f : p * scale.f;
    }
}

VEC_CLONES void special_log_all(const float *x, float *out, int n)
{
    for (int i = 0; i < n; i++) {
        union {
            float f;
            int32_t i;
        } u = {.f = x[i]};
        int32_t shifted =
            u.i - 0x3f3504f3; /* sqrt(1/2): the mantissa falls into [sqrt(1/2), sqrt(2)) */
        int32_t e = shifted >> 23;
        u.i -= e * (1 << 23);
        float s = (u.f - 1.0f) / (u.f + 1.0f), s2 = s * s;
        float p = 1.0f / 9;
        p = p * s2 + 1.0f / 7;
        p = p * s2 + 1.0f / 5;
        p = p * s2 + 1.0f / 3;
        p = p * s2 + 1.0f;
        out[i] = 2.0f * s * p + (float)e * 0.69314718f;
    }
}
