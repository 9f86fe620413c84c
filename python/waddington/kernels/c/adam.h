/* A step of Adam. */
#ifndef WADDINGTON_ADAM_H
#define WADDINGTON_ADAM_H

#include "vector.h"

typedef struct {
    float rate;         /* learning rate / (1 - beta1^t) */
    float beta1, beta2;
    float root;         /* 1 / sqrt(1 - beta2^t) */
    float epsilon;
    float decay;        /* times weight, added to the gradient */
    float shrink;       /* learning rate * decoupled decay */
} adam_step;

INLINE void adam(int64_t n, float *weight, float *first, float *second, const float *gradient,
                 adam_step s) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float w = weight[i], g = gradient[i] + s.decay * w;
        float m = first[i] + (1.0f - s.beta1) * (g - first[i]);
        float v = s.beta2 * second[i] + (1.0f - s.beta2) * g * g;
        first[i] = m;
        second[i] = v;
        weight[i] = w - s.shrink * w - s.rate * m / (sqrtf(v) * s.root + s.epsilon);
    }
}

#endif
