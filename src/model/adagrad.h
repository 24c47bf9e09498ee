/* model/adagrad.h - the size of a step, from one accumulator for a whole row.
 * Formula  G += mean square of the gradient; size = learning_rate / sqrt(G + 1e-8) (Duchi, Hazan, Singer 2011, one number a row).
 * Threads  any. */
#ifndef MODEL_ADAGRAD_H
#define MODEL_ADAGRAD_H

#include <math.h>

#define ADAGRAD_EPSILON 1e-8f

static inline float adagrad_size(float *g, float mean_square, float learning_rate)
{
    *g += mean_square;
    return learning_rate / sqrtf(*g + ADAGRAD_EPSILON);
}

#endif
