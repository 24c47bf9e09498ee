/* base/special.h - special functions that give the same bits on every processor.
 * Why      libm picks its kernels by CPU (with and without FMA) and they differ in the last bit; a state that is learned on one machine
 *          must be learned to the same bytes on another. These use only + - * / in a written order (no contraction).
 * Error    log2, exp2: below 2e-15 relative for normal results; exp: 2e-7 relative. */
#ifndef BASE_SPECIAL_H
#define BASE_SPECIAL_H

/* ln 2: between logarithms of base 2 and natural ones. */
#define SPECIAL_LN2 0.693147180559945309417232121458

/* x > 0 and finite. */
double special_log2(double x);
/* 2^x; 0 below -1022, never infinite below 1023. */
double special_exp2(double x);
double special_log(double x);
/* The same bits as special_exp2 and special_log2, for n numbers; for log2 x is no subnormal, either. In place is fine. Vectorised. */
void special_exp2_all(const double *x, double *out, int n);
void special_log2_all(const double *x, double *out, int n);
/* e^x for each of n floats, x <= 0 (below -87: 0). In place is fine. Vectorised. */
void special_exp_all(const float *x, float *out, int n);

/* log x for each of n floats, x > 0 and normal. Error below 2e-7 of max(1, |log x|). In place is fine. Vectorised. */
void special_log_all(const float *x, float *out, int n);

#endif
