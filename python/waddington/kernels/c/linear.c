/* A linear map of sparse rows: forward, gradient, and the gradient joined with Adam's step. */
#include "adam.h"

/* Entries by feature from entries by cell: counting, so that rows ascend within a feature. */
void wad_by_feature(int64_t cells, int64_t features, const int64_t *indptr, const int64_t *indices,
                    const float *values, int64_t *starts, int32_t *rows, float *by_feature) {
    int64_t stored = indptr[cells] - indptr[0];
    memset(starts, 0, sizeof(int64_t) * (features + 2));
    for (int64_t k = 0; k < stored; k++) starts[indices[k] + 2]++;
    for (int64_t f = 0; f < features; f++) starts[f + 2] += starts[f + 1];
    for (int64_t n = 0; n < cells; n++)
        for (int64_t k = indptr[n]; k < indptr[n + 1]; k++) {
            int64_t at = starts[indices[k] + 1]++;
            rows[at] = (int32_t)n;
            by_feature[at] = values[k];
        }
}

/* Sixteen numbers anywhere in memory; compilers cut them to what the machine has. */
typedef float lanes __attribute__((vector_size(64), aligned(4), may_alias));
#define BLOCK 64

/* BLOCK units of `gather`, kept in registers. */
INLINE void gather_block(int64_t n, const int32_t *rows, const float *x, const float *table,
                         int64_t units, float *out) {
    lanes a = {0}, b = {0}, c = {0}, d = {0};
    for (int64_t k = 0; k < n; k++) {
        const lanes *row = (const lanes *)(table + rows[k] * units);
        a += x[k] * row[0];
        b += x[k] * row[1];
        c += x[k] * row[2];
        d += x[k] * row[3];
    }
    lanes *to = (lanes *)out;
    to[0] = a;
    to[1] = b;
    to[2] = c;
    to[3] = d;
}

/* out (units) = sum of x[k] * table[rows[k]] for n of them. */
INLINE void gather(int64_t n, const int32_t *rows, const float *x, const float *table,
                   int64_t units, float *out) {
    int64_t at = 0;
    for (; at + BLOCK <= units; at += BLOCK) gather_block(n, rows, x, table + at, units, out + at);
    memset(out + at, 0, sizeof(float) * (units - at));
    for (int64_t k = 0; k < n; k++) {
        const float *row = table + rows[k] * units;
#pragma omp simd
        for (int64_t u = at; u < units; u++) out[u] += x[k] * row[u];
    }
}

/* out (cells, units) = rows times weight (features, units), walking along the features, so that
 * the weight is read once; threads share the units. */
void wad_linear(int64_t cells, int64_t features, int64_t units, const int64_t *starts,
                const int32_t *rows, const float *values, const float *weight, float *out,
                int threads) {
    memset(out, 0, sizeof(float) * cells * units);
#pragma omp parallel num_threads(threads)
    {
        int64_t start, stop;
        share_of(units, &start, &stop);
        for (int64_t f = 0; f < features; f++) {
            const float *w = weight + f * units;
            for (int64_t k = starts[f]; k < starts[f + 1]; k++) {
                float x = values[k], *o = out + rows[k] * units;
#pragma omp simd
                for (int64_t u = start; u < stop; u++) o[u] += x * w[u];
            }
        }
    }
}

/* d_weight (features, units) of upstream (cells, units). */
void wad_linear_gradient(int64_t features, int64_t units, const int64_t *starts,
                         const int32_t *rows, const float *values, const float *upstream,
                         float *d_weight, int threads) {
#pragma omp parallel num_threads(threads)
    {
        int64_t start, stop;
        share_of(features, &start, &stop);
        for (int64_t f = start; f < stop; f++)
            gather(starts[f + 1] - starts[f], rows + starts[f], values + starts[f], upstream,
                   units, d_weight + f * units);
    }
}

/* As wad_linear_gradient, but the gradient goes at once into a step of Adam, and nowhere else. */
void wad_linear_adam(int64_t features, int64_t units, const int64_t *starts, const int32_t *rows,
                     const float *values, const float *upstream, float *weight, float *first,
                     float *second, const adam_step *step, int threads) {
#pragma omp parallel num_threads(threads)
    {
        int64_t start, stop;
        share_of(features, &start, &stop);
        float gradient[units];
        for (int64_t f = start; f < stop; f++) {
            int64_t at = f * units;
            gather(starts[f + 1] - starts[f], rows + starts[f], values + starts[f], upstream,
                   units, gradient);
            adam(units, weight + at, first + at, second + at, gradient, *step);
        }
    }
}

void wad_adam(int64_t n, float *weight, float *first, float *second, const float *gradient,
              const adam_step *step, int threads) {
#pragma omp parallel num_threads(threads)
    {
        int64_t start, stop;
        share_of(n, &start, &stop);
        adam(stop - start, weight + start, first + start, second + start, gradient + start, *step);
    }
}
