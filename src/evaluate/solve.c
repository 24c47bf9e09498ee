/* Small symmetric systems, thousands of them at a time. A = U^T U by rows (Cholesky, right-looking): when row i of U is done, what it
 * explains is taken from all rows below it, so that every inner loop walks along rows. Only the upper triangle counts; loops begin at the
 * block of 16 that holds the diagonal, and what they write left of it is never read.
 *
 *     k   . U U U U        row i of what is left:  a_i -= u_ki * u_k    for i > k
 *         .   a a a
 *         .     a a
 */
#include <math.h>

#include "base/check.h"
#include "base/vec.h"
#include "evaluate/evaluate_priv.h"

#define BLOCK 16
#define PIVOT_LEAST 1e-9f /* rounding may push a pivot below zero when lambda is tiny */

typedef float v16 __attribute__((vector_size(64), aligned(4), may_alias));

/* y += a x for n floats, n a multiple of 16; inlined into each clone, which is what makes it fast. */
static inline __attribute__((always_inline)) void add(float *y, float a, const float *x, int n)
{
    for (int f = 0; f < n; f += BLOCK)
        *(v16 *)(y + f) += a * *(const v16 *)(x + f);
}

VEC_CLONES void evaluate_solve_add(float *a, float weight, const float *v, int k)
{
    for (int i = 0; i < k; i++) {
        int from = i / BLOCK * BLOCK;
        add(a + (size_t)i * (size_t)k + from, weight * v[i], v + from, k - from);
    }
}

/* A = U^T U, U in place. */
VEC_CLONES static void factor(float *a, int k)
{
    for (int i = 0; i < k; i++) {
        float *u = a + (size_t)i * (size_t)k;
        float root = sqrtf(u[i] > PIVOT_LEAST ? u[i] : PIVOT_LEAST);
        for (int f = i / BLOCK * BLOCK; f < k; f += BLOCK)
            *(v16 *)(u + f) *= 1 / root;
        u[i] = root;
        for (int j = i + 1; j < k; j++) {
            int from = j / BLOCK * BLOCK;
            add(a + (size_t)j * (size_t)k + from, -u[j], u + from, k - from);
        }
    }
}

/* U^T y = b: what y_i explains is taken from all that follow, one by one up to the next block, then in blocks. */
static void solve_lower(const float *a, float *b, int k)
{
    for (int i = 0; i < k; i++) {
        const float *u = a + (size_t)i * (size_t)k;
        int blocks = (i / BLOCK + 1) * BLOCK;
        b[i] /= u[i];
        for (int j = i + 1; j < blocks; j++)
            b[j] -= b[i] * u[j];
        vec_add(b + blocks, -b[i], u + blocks, k - blocks);
    }
}

/* U x = y, from the last row up. */
static void solve_upper(const float *a, float *b, int k)
{
    for (int i = k - 1; i >= 0; i--) {
        const float *u = a + (size_t)i * (size_t)k;
        int blocks = (i / BLOCK + 1) * BLOCK;
        float sum = blocks < k ? vec_dot(u + blocks, b + blocks, k - blocks) : 0;
        for (int j = i + 1; j < blocks; j++)
            sum += u[j] * b[j];
        b[i] = (b[i] - sum) / u[i];
    }
}

void evaluate_solve(float *a, float *b, int k)
{
    ASSERT(k % BLOCK == 0);
    factor(a, k);
    solve_lower(a, b, k);
    solve_upper(a, b, k);
}
