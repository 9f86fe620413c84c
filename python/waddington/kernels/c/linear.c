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

/* gather: out (units) += sum of x[k] * table[rows[k]] for n of them, a block of units at a time,
 * which stays in registers. Defined for both types of indices. */
#define DEFINE_GATHER(gather, index)                                                               \
    INLINE void gather##_block(int64_t n, const index *rows, const float *x, const float *table,   \
                               int64_t units, float *out) {                                        \
        lanes *to = (lanes *)out, a = to[0], b = to[1], c = to[2], d = to[3];                      \
        for (int64_t k = 0; k < n; k++) {                                                          \
            const lanes *row = (const lanes *)(table + rows[k] * units);                           \
            a += x[k] * row[0];                                                                    \
            b += x[k] * row[1];                                                                    \
            c += x[k] * row[2];                                                                    \
            d += x[k] * row[3];                                                                    \
        }                                                                                          \
        to[0] = a, to[1] = b, to[2] = c, to[3] = d;                                                \
    }                                                                                              \
    INLINE void gather(int64_t n, const index *rows, const float *x, const float *table,           \
                       int64_t units, float *out) {                                                \
        int64_t at = 0;                                                                            \
        for (; at + BLOCK <= units; at += BLOCK)                                                   \
            gather##_block(n, rows, x, table + at, units, out + at);                               \
        for (int64_t k = 0; at < units && k < n; k++) {                                            \
            const float *row = table + rows[k] * units;                                            \
            for (int64_t u = at; u < units; u++) out[u] += x[k] * row[u];                          \
        }                                                                                          \
    }

DEFINE_GATHER(gather_cells, int32_t)
DEFINE_GATHER(gather_features, int64_t)

/* out (cells, units) = rows times weight (features, units) + bias, walking along the cells; bias
 * may be NULL. */
void wad_linear_by_cell(int64_t cells, int64_t units, const int64_t *indptr,
                        const int64_t *indices, const float *values, const float *weight,
                        const float *bias, float *out, int threads) {
#pragma omp parallel num_threads(threads)
    {
        int64_t start, stop;
        share_of(cells, &start, &stop);
        for (int64_t n = start; n < stop; n++) {
            int64_t k = indptr[n];
            float *to = out + n * units;
            for (int64_t u = 0; u < units; u++) to[u] = bias ? bias[u] : 0.0f;
            gather_features(indptr[n + 1] - k, indices + k, values + k, weight, units, to);
        }
    }
}

/* As wad_linear_by_cell, walking along the features, so that the weight is read once; threads
 * share the units. */
void wad_linear_by_feature(int64_t cells, int64_t features, int64_t units, const int64_t *starts,
                           const int32_t *rows, const float *values, const float *weight,
                           const float *bias, float *out, int threads) {
    for (int64_t n = 0; n < cells; n++)
        for (int64_t u = 0; u < units; u++) out[n * units + u] = bias ? bias[u] : 0.0f;
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
        for (int64_t f = start; f < stop; f++) {
            int64_t k = starts[f];
            float *to = d_weight + f * units;
            memset(to, 0, sizeof(float) * units);
            gather_cells(starts[f + 1] - k, rows + k, values + k, upstream, units, to);
        }
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
            int64_t at = f * units, k = starts[f];
            memset(gradient, 0, sizeof gradient);
            gather_cells(starts[f + 1] - k, rows + k, values + k, upstream, units, gradient);
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
