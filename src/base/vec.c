/* GCC's vector types say what is meant once; target_clones compiles it for each instruction set. ISO C mode keeps a*b+c as two
 * roundings (-ffp-contract=off), so the versions agree to the bit. */
#include "base/vec.h"

typedef float v16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef float v8 __attribute__((vector_size(32)));
typedef float v4 __attribute__((vector_size(16)));

#define LOAD(p) (*(const v16 *)(p))

/* The 16 running sums of a . b, folded in half four times. */
static inline __attribute__((always_inline)) float dot(const float *a, const float *b, int k)
{
    v16 s = LOAD(a) * LOAD(b);
    for (int f = 16; f < k; f += 16)
        s += LOAD(a + f) * LOAD(b + f);
    v8 s8 = __builtin_shufflevector(s, s, 0, 1, 2, 3, 4, 5, 6, 7) +
            __builtin_shufflevector(s, s, 8, 9, 10, 11, 12, 13, 14, 15);
    v4 s4 =
        __builtin_shufflevector(s8, s8, 0, 1, 2, 3) + __builtin_shufflevector(s8, s8, 4, 5, 6, 7);
    v4 s2 = s4 + __builtin_shufflevector(s4, s4, 2, 3, 0, 1);
    return s2[0] + s2[1];
}

VEC_CLONES float vec_dot(const float *a, const float *b, int k)
{
    return dot(a, b, k);
}

VEC_CLONES void vec_dots(const float *a, const float *const *rows, int n, int k, float *out)
{
    for (int i = 0; i < n; i++)
        out[i] = dot(a, rows[i], k);
}

VEC_CLONES void vec_add(float *y, float a, const float *x, int k)
{
    for (int f = 0; f < k; f += 16)
        *(v16 *)(y + f) = LOAD(y + f) + a * LOAD(x + f);
}

VEC_CLONES void vec_add_any(float *y, float a, const float *x, int k)
{
    int f = 0;
    for (; f + 16 <= k; f += 16)
        *(v16 *)(y + f) = LOAD(y + f) + a * LOAD(x + f);
    for (; f < k; f++)
        y[f] += a * x[f];
}

/* y[0..64) stays in registers, rows pass by. */
static inline __attribute__((always_inline)) void
add_rows_64(float *y, const float *a, const float *const *rows, int n, int from)
{
    v16 y0 = LOAD(y), y1 = LOAD(y + 16), y2 = LOAD(y + 32), y3 = LOAD(y + 48);
    for (int i = 0; i < n; i++) {
        const float *x = rows[i] + from;
        y0 += a[i] * LOAD(x);
        y1 += a[i] * LOAD(x + 16);
        y2 += a[i] * LOAD(x + 32);
        y3 += a[i] * LOAD(x + 48);
    }
    *(v16 *)y = y0;
    *(v16 *)(y + 16) = y1;
    *(v16 *)(y + 32) = y2;
    *(v16 *)(y + 48) = y3;
}

VEC_CLONES void vec_add_rows(float *y, const float *a, const float *const *rows, int n, int k)
{
    int f = 0;
    for (; f + 64 <= k; f += 64)
        add_rows_64(y + f, a, rows, n, f);
    for (; f < k; f += 16) {
        v16 sum = LOAD(y + f);
        for (int i = 0; i < n; i++)
            sum += a[i] * LOAD(rows[i] + f);
        *(v16 *)(y + f) = sum;
    }
}

VEC_CLONES void vec_add_pairs(float *y, const float *a, const float *const *rows, int n, int k)
{
    for (int f = 0; f < k; f += 16) {
        v16 sum = LOAD(y + f);
        for (int i = 0; i < n; i++)
            sum += a[i] * (LOAD(rows[i] + f) + LOAD(rows[i] + k + f));
        *(v16 *)(y + f) = sum;
    }
}

VEC_CLONES void vec_score_panel4(const float *panel, const float *const z[4], int k, float *out)
{
    v16 bias = LOAD(panel + (long)k * 16);
    v16 s0 = bias, s1 = bias, s2 = bias, s3 = bias;
    const float *z0 = z[0], *z1 = z[1], *z2 = z[2], *z3 = z[3];
    for (int f = 0; f < k; f++) {
        v16 p = LOAD(panel + (long)f * 16);
        s0 += z0[f] * p;
        s1 += z1[f] * p;
        s2 += z2[f] * p;
        s3 += z3[f] * p;
    }
    *(v16 *)out = s0;
    *(v16 *)(out + 16) = s1;
    *(v16 *)(out + 32) = s2;
    *(v16 *)(out + 48) = s3;
}

VEC_CLONES void vec_score_4panels(const float *panels, long stride, const float *z, int k,
                                  float *out)
{
    const float *p0 = panels, *p1 = p0 + stride, *p2 = p1 + stride, *p3 = p2 + stride;
    v16 s0 = LOAD(p0 + (long)k * 16), s1 = LOAD(p1 + (long)k * 16);
    v16 s2 = LOAD(p2 + (long)k * 16), s3 = LOAD(p3 + (long)k * 16);
    for (int f = 0; f < k; f++) {
        s0 += z[f] * LOAD(p0 + (long)f * 16);
        s1 += z[f] * LOAD(p1 + (long)f * 16);
        s2 += z[f] * LOAD(p2 + (long)f * 16);
        s3 += z[f] * LOAD(p3 + (long)f * 16);
    }
    *(v16 *)out = s0;
    *(v16 *)(out + 16) = s1;
    *(v16 *)(out + 32) = s2;
    *(v16 *)(out + 48) = s3;
}

/* Comparisons are added up, so that all are made at once. */
VEC_CLONES bool vec_reaches(const float *x, float threshold)
{
    int n = 0;
    for (int i = 0; i < 16; i++)
        n += x[i] >= threshold;
    return n > 0;
}

const char *vec_kernel(void)
{
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&                \
    !defined(__SANITIZE_THREAD__)
    if (__builtin_cpu_supports("avx512f"))
        return "avx512f";
    if (__builtin_cpu_supports("avx2"))
        return "avx2";
#endif
    return "plain";
}
