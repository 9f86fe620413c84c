/* Elementary functions that compilers turn into vector code on any machine.
 *
 * Polynomials after Cephes, errors of 1 to 2 units in the last place. Not a number goes in, not a
 * number comes out: callers rely on it to notice. None of this survives -ffinite-math-only.
 */
#ifndef WADDINGTON_VECTOR_H
#define WADDINGTON_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#else
static inline int omp_get_thread_num(void) { return 0; }
static inline int omp_get_num_threads(void) { return 1; }
#endif

#define INLINE static inline __attribute__((always_inline))

typedef union {
    float value;
    int32_t bits;
} word;

/* exp(x) for x <= 88; never below 1.6e-38. */
INLINE float vexp_below(float x) {
    float in = x < -87.0f ? -87.0f : x;
    float n = __builtin_rintf(in * 1.44269504f);
    float r = in - n * 0.693359375f;
    r += n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    word scale;
    scale.bits = ((int32_t)n + 127) << 23;
    return p * scale.value;
}

/* exp(x); infinite beyond 88. */
INLINE float vexp(float x) {
    float e = vexp_below(x > 88.0f ? 88.0f : x);
    return x > 88.0f ? INFINITY : e;
}

/* log(x) for normal x > 0; not a number for an infinite x. */
INLINE float vlog(float x) {
    word u;
    u.value = x;
    int32_t e = (u.bits - 0x3f3504f3) >> 23;
    u.bits -= e * (1 << 23);
    float f = u.value - 1.0f, z = f * f, n = (float)e;
    float p = 7.0376836292e-2f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    p = p * f * z - n * 2.12194440e-4f - 0.5f * z;
    return f + p + n * 0.693359375f + (x - x);
}

/* log(1 + r) for r >= 0, given u = 1 + r as rounded, and 1 / u. */
INLINE float vlog1p(float r, float u, float inverse) {
    return vlog(u) + (r - (u - 1.0f)) * inverse;
}

/* A thread's share of n things: [*start, *stop). */
INLINE void share_of(int64_t n, int64_t *start, int64_t *stop) {
    int64_t me = omp_get_thread_num(), all = omp_get_num_threads();
    *start = n * me / all;
    *stop = n * (me + 1) / all;
}

#endif
