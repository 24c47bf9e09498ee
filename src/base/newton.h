/* base/newton.h - small symmetric positive definite systems in double, for Newton steps of a handful of weights.
 * Shapes   a: n rows of n, of which the lower triangle is read; n <= NEWTON_MAX.
 * Promise  The same bits on every processor. O(n^3 / 6).
 * Threads  any. */
#ifndef BASE_NEWTON_H
#define BASE_NEWTON_H

#define NEWTON_MAX 16

/* x = (a + ridge I)^-1 y; x may be y. a + ridge I must be positive definite. */
void newton_solve(const double *a, int n, double ridge, const double *y, double *x);

#endif
