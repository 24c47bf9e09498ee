/* Stands for src/base/newton.c: what it returns solves the system. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/newton.h"
#include "base/rng.h"

/* a = sum of v v^T over more vectors than rows: positive definite. The upper triangle is poison: it must not be read. */
static void the_solution_solves_the_system_of_every_size(void **state)
{
    (void)state;
    struct rng r = {5};
    for (int n = 1; n <= NEWTON_MAX; n++) {
        double full[NEWTON_MAX * NEWTON_MAX] = {0}, a[NEWTON_MAX * NEWTON_MAX], y[NEWTON_MAX],
                                 x[NEWTON_MAX];
        for (int s = 0; s < 3 * n; s++) {
            double v[NEWTON_MAX];
            for (int i = 0; i < n; i++)
                v[i] = rng_normal(&r);
            for (int i = 0; i < n * n; i++)
                full[i] += v[i / n] * v[i % n];
        }
        for (int i = 0; i < n * n; i++)
            a[i] = i % n <= i / n ? full[i] : (double)NAN;
        for (int i = 0; i < n; i++)
            x[i] = y[i] = rng_normal(&r);
        newton_solve(a, n, 0.5, x, x);
        for (int i = 0; i < n; i++) {
            double sum = 0.5 * x[i];
            for (int j = 0; j < n; j++)
                sum += full[i * n + j] * x[j];
            assert_true(fabs(sum - y[i]) < 1e-9);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_solution_solves_the_system_of_every_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
