/* base/vec.h - the few loops over rows of floats that all the time goes into.
 * Promise  The same bits on every processor: 16 running sums, products rounded before they are added (no FMA), one fixed tree at the
 *          end. The compiler makes AVX-512, AVX2 and plain versions of the same source; the right one is bound when the program starts.
 * Shapes   k is a multiple of 16; rows need no alignment (64 bytes is fastest). */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <stdbool.h>

/* Sanitizers run before the resolver of cloned functions may: one plain version there. clang 14 has no clones in C. */
#if defined(__clang__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||         \
    !defined(__x86_64__)
#define VEC_CLONES
#else
#define VEC_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif

/* For scratch that is written before it is read: a hardened build would fill it with zeros at each call. */
#define VEC_SCRATCH __attribute__((uninitialized))

float vec_dot(const float *a, const float *b, int k);
/* out[i] = a . rows[i]; the same bits as vec_dot. */
void vec_dots(const float *a, const float *const *rows, int n, int k, float *out);
/* y += a * x */
void vec_add(float *y, float a, const float *x, int k);
/* y += sum_i a[i] * rows[i], in order of i: the same bits as n calls of vec_add. */
void vec_add_rows(float *y, const float *a, const float *const *rows, int n, int k);
/* vec_add for any k, and nothing beyond is read. */
void vec_add_any(float *y, float a, const float *x, int k);
/* y += sum_i a[i] * (x1 + x2), rows[i]: x1 (k floats), then x2. History items enter with both of their vectors. */
void vec_add_pairs(float *y, const float *a, const float *const *rows, int n, int k);

/* Scores of 16 items (one panel, k rows of 16 floats, then 16 biases) for 4 users: out[u * 16 + lane] = bias + sum_f z_u[f] * panel[f],
 * summed in order of f. */
void vec_score_panel4(const float *panel, const float *const z[4], int k, float *out);

/* The same for one user and 4 panels that lie `stride` floats apart: out[p * 16 + lane]; the same bits as vec_score_panel4. */
void vec_score_4panels(const float *panels, long stride, const float *z, int k, float *out);

/* Is one of these 16 floats >= threshold? */
bool vec_reaches(const float *x, float threshold);

/* Name of the version in use: "avx512f", "avx2", "plain". */
const char *vec_kernel(void);

#endif
