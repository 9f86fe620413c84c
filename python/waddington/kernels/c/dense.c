/* What is between the matrix products of dense layers: rows of conditions, batch normalisation,
 * rectifier, dropout; and the Gaussian bottleneck. All matrices are (cells, units), row by row.
 */
#include "vector.h"

/* A dense layer behind its product; `mean` and `inverse` are NULL where there is no norm. */
typedef struct {
    int64_t cells, units;
    const float *gain, *bias;           /* of the norm, (units) */
    float *mean, *inverse;              /* of this minibatch: means, 1 / sd, (units) */
    float *running_mean, *running_var;  /* (units) */
    float momentum, epsilon;
    const float *noise; /* 0 or 1 / (1 - dropout), (cells, units), or NULL */
} dense_task;

/* x += rows[codes]; codes NULL is the same row for all. */
void wad_add_rows(int64_t cells, int64_t units, float *x, const float *rows, const int64_t *codes) {
    for (int64_t n = 0; n < cells; n++) {
        const float *row = rows + (codes ? codes[n] * units : 0);
        float *to = x + n * units;
#pragma omp simd
        for (int64_t u = 0; u < units; u++) to[u] += row[u];
    }
}

/* sums (levels, units) of the rows of x by code; codes NULL is one level. */
void wad_sum_rows(int64_t cells, int64_t units, int64_t levels, const float *x,
                  const int64_t *codes, float *sums) {
    memset(sums, 0, sizeof(float) * levels * units);
    for (int64_t n = 0; n < cells; n++) {
        const float *row = x + n * units;
        float *to = sums + (codes ? codes[n] * units : 0);
#pragma omp simd
        for (int64_t u = 0; u < units; u++) to[u] += row[u];
    }
}

/* Means and 1 / sd of the columns, and what of them is kept for later. */
static void moments(const dense_task *t, const float *x) {
    int64_t units = t->units;
    float *mean = t->mean, *square = t->inverse, n = (float)t->cells;
    wad_sum_rows(t->cells, units, 1, x, NULL, mean);
    for (int64_t u = 0; u < units; u++) mean[u] /= n;
    memset(square, 0, sizeof(float) * units);
    for (int64_t k = 0; k < t->cells; k++) {
        const float *row = x + k * units;
#pragma omp simd
        for (int64_t u = 0; u < units; u++) square[u] += (row[u] - mean[u]) * (row[u] - mean[u]);
    }
    for (int64_t u = 0; u < units; u++) {
        t->running_mean[u] += t->momentum * (mean[u] - t->running_mean[u]);
        t->running_var[u] += t->momentum * (square[u] / (n - 1.0f) - t->running_var[u]);
        t->inverse[u] = 1.0f / sqrtf(square[u] / n + t->epsilon);
    }
}

/* y = noise * max(0, norm(x)). What is not a number stays so. */
void wad_dense(const dense_task *t, const float *x, float *y) {
    int64_t units = t->units;
    if (t->mean) moments(t, x);
    for (int64_t n = 0; n < t->cells; n++) {
        const float *row = x + n * units, *noise = t->noise ? t->noise + n * units : NULL;
        float *to = y + n * units;
        if (t->mean) {
#pragma omp simd
            for (int64_t u = 0; u < units; u++) {
                float v = (row[u] - t->mean[u]) * t->inverse[u] * t->gain[u] + t->bias[u];
                to[u] = v < 0.0f ? 0.0f : v;
            }
        } else {
#pragma omp simd
            for (int64_t u = 0; u < units; u++) to[u] = row[u] < 0.0f ? 0.0f : row[u];
        }
        if (noise) {
#pragma omp simd
            for (int64_t u = 0; u < units; u++) to[u] *= noise[u];
        }
    }
}

/* From d = gradient of y to that of x, in place; x and y are those of wad_dense. */
void wad_dense_gradient(const dense_task *t, const float *x, const float *y, float *d,
                        float *d_gain, float *d_bias) {
    int64_t units = t->units;
    if (t->mean) memset(d_gain, 0, sizeof(float) * units), memset(d_bias, 0, sizeof(float) * units);
    for (int64_t n = 0; n < t->cells; n++) {
        const float *row = x + n * units, *out = y + n * units;
        const float *noise = t->noise ? t->noise + n * units : NULL;
        float *to = d + n * units;
#pragma omp simd
        for (int64_t u = 0; u < units; u++) {
            float g = noise ? to[u] * noise[u] : to[u];
            to[u] = out[u] <= 0.0f ? 0.0f : g;
        }
        if (!t->mean) continue;
#pragma omp simd
        for (int64_t u = 0; u < units; u++) {
            d_bias[u] += to[u];
            d_gain[u] += to[u] * (row[u] - t->mean[u]) * t->inverse[u];
        }
    }
    if (!t->mean) return;
    float per_cell = 1.0f / (float)t->cells;
    for (int64_t n = 0; n < t->cells; n++) {
        const float *row = x + n * units;
        float *to = d + n * units;
#pragma omp simd
        for (int64_t u = 0; u < units; u++) {
            float z = (row[u] - t->mean[u]) * t->inverse[u];
            float g = to[u] - per_cell * (d_bias[u] + z * d_gain[u]);
            to[u] = g * t->gain[u] * t->inverse[u];
        }
    }
}

/* From q = (loc, raw scale), (cells, 2 latent): z = loc + scale * noise with scale = softplus(raw)
 * + 1e-4, both (cells, latent), and KL(q || N(0, sd)), (cells). */
void wad_gaussian(int64_t cells, int64_t latent, const float *q, const float *noise, float sd,
                  float *z, float *scale, float *kl) {
    for (int64_t n = 0; n < cells; n++) {
        const float *loc = q + n * 2 * latent, *raw = loc + latent;
        float sum = 0;
        for (int64_t k = 0; k < latent; k++) {
            int64_t at = n * latent + k;
            float s = (raw[k] < 0 ? 0.0f : raw[k]) + log1pf(expf(-fabsf(raw[k]))) + 1e-4f;
            float r = s * s / (sd * sd), m = loc[k] / sd;
            scale[at] = s;
            z[at] = loc[k] + s * noise[at];
            sum += r + m * m - 1.0f - logf(r);
        }
        kl[n] = 0.5f * sum;
    }
}

/* Gradient of q from d_z (cells, latent), and `weight` of each cell's KL. */
void wad_gaussian_gradient(int64_t cells, int64_t latent, const float *q, const float *noise,
                           float sd, const float *scale, const float *d_z, float weight,
                           float *d_q) {
    for (int64_t n = 0; n < cells; n++) {
        const float *loc = q + n * 2 * latent, *raw = loc + latent;
        float *d_loc = d_q + n * 2 * latent, *d_raw = d_loc + latent;
        for (int64_t k = 0; k < latent; k++) {
            int64_t at = n * latent + k;
            float s = scale[at], v = 1.0f / (sd * sd);
            d_loc[k] = d_z[at] + weight * v * loc[k];
            float d_scale = d_z[at] * noise[at] + weight * (v * s - 1.0f / s);
            d_raw[k] = d_scale / (1.0f + expf(-raw[k]));
        }
    }
}
