#include "base/rng.h"

#include <math.h>

double rng_normal(struct rng *r)
{
    double u = rng_uniform(r) + 1e-300, v = rng_uniform(r);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}
