/* Cholesky's decomposition, a + ridge I = L L^T by rows, then two triangular solves. */
#include "base/newton.h"

#include <math.h>

#include "base/check.h"

static void factor(const double *a, int n, double ridge, double l[NEWTON_MAX][NEWTON_MAX])
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++) {
            double sum = a[i * n + j] + (i == j ? ridge : 0);
            for (int k = 0; k < j; k++)
                sum -= l[i][k] * l[j][k];
            ASSERT(i != j || sum > 0);
            l[i][j] = i == j ? sqrt(sum) : sum / l[j][j];
        }
}

void newton_solve(const double *a, int n, double ridge, const double *y, double *x)
{
    double l[NEWTON_MAX][NEWTON_MAX];
    ASSERT(n <= NEWTON_MAX);
    factor(a, n, ridge, l);
    for (int i = 0; i < n; i++) { /* L x = y */
        double sum = y[i];
        for (int k = 0; k < i; k++)
            sum -= l[i][k] * x[k];
        x[i] = sum / l[i][i];
    }
    for (int i = n; i-- > 0;) { /* L^T x = x */
        for (int k = i + 1; k < n; k++)
            x[i] -= l[k][i] * x[k];
        x[i] /= l[i][i];
    }
}
