/* What is between the matrix products of dense layers: rows of conditions, batch normalisation,
 * activation, dropout; and the Gaussian bottleneck. All matrices are (cells, units), row by row.
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
    int64_t act;        /* one of ACTS in native_dense.py */
} dense_task;

enum { LINEAR, RELU, ELU, LEAKY_RELU, TANH, SIGMOID, SOFTPLUS };

/* What is not a number stays so. */
INLINE float activated(float v, int act) {
    switch (act) {
    case RELU: return v < 0.0f ? 0.0f : v;
    case ELU: return v < 0.0f ? vexp_below(v) - 1.0f : v;
    case LEAKY_RELU: return v < 0.0f ? 0.01f * v : v;
    case TANH: return 1.0f - 2.0f / (1.0f + vexp(2.0f * v));
    case SIGMOID: return 1.0f / (1.0f + vexp(-v));
    case SOFTPLUS: return (v < 0.0f ? 0.0f : v) + vlog(1.0f + vexp_below(-fabsf(v)));
    default: return v;
    }
}

/* The slope of an activation where its value is y. */
INLINE float slope_at(float y, int act) {
    switch (act) {
    case RELU: return y <= 0.0f ? 0.0f : 1.0f;
    case ELU: return y < 0.0f ? y + 1.0f : 1.0f;
    case LEAKY_RELU: return y < 0.0f ? 0.01f : 1.0f;
    case TANH: return 1.0f - y * y;
    case SIGMOID: return y * (1.0f - y);
    case SOFTPLUS: return 1.0f - vexp_below(-y);
    default: return 1.0f;
    }
}

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

/* A row of y = noise * act(norm(x)). */
INLINE void forward_row(const dense_task *t, const float *x, const float *noise, float *y,
                        int act) {
    for (int64_t u = 0; u < t->units; u++) y[u] = x[u];
    if (t->mean) {
#pragma omp simd
        for (int64_t u = 0; u < t->units; u++)
            y[u] = (x[u] - t->mean[u]) * t->inverse[u] * t->gain[u] + t->bias[u];
    }
#pragma omp simd
    for (int64_t u = 0; u < t->units; u++) y[u] = activated(y[u], act);
    if (noise) {
#pragma omp simd
        for (int64_t u = 0; u < t->units; u++) y[u] *= noise[u];
    }
}

/* A row of d, from the gradient of y to that of act's argument. */
INLINE void backward_row(const dense_task *t, const float *noise, const float *y, float *d,
                         int act) {
#pragma omp simd
    for (int64_t u = 0; u < t->units; u++) {
        float n = noise ? noise[u] : 1.0f, a = n > 0.0f ? y[u] / n : 0.0f;
        d[u] *= n > 0.0f ? n * slope_at(a, act) : 0.0f;
    }
}

/* Calls a function with `act` as a constant, so that compilers make a loop of each. */
#define FOR_ACT(act, call)                                                                         \
    switch (act) {                                                                                 \
    case RELU: call(RELU); break;                                                                  \
    case ELU: call(ELU); break;                                                                    \
    case LEAKY_RELU: call(LEAKY_RELU); break;                                                      \
    case TANH: call(TANH); break;                                                                  \
    case SIGMOID: call(SIGMOID); break;                                                            \
    case SOFTPLUS: call(SOFTPLUS); break;                                                          \
    default: call(LINEAR);                                                                         \
    }

/* y = noise * act(norm(x)), both (cells, units). */
void wad_dense(const dense_task *t, const float *x, float *y) {
    if (t->mean) moments(t, x);
    for (int64_t n = 0; n < t->cells; n++) {
        int64_t at = n * t->units;
        const float *noise = t->noise ? t->noise + at : NULL;
#define CALL(act) forward_row(t, x + at, noise, y + at, act)
        FOR_ACT(t->act, CALL)
#undef CALL
    }
}

/* From the gradient of a norm's output to that of its input, in place. */
static void norm_gradient(const dense_task *t, const float *x, float *d, float *d_gain,
                          float *d_bias) {
    int64_t units = t->units;
    float per_cell = 1.0f / (float)t->cells;
    wad_sum_rows(t->cells, units, 1, d, NULL, d_bias);
    memset(d_gain, 0, sizeof(float) * units);
    for (int64_t n = 0; n < t->cells; n++) {
        const float *row = x + n * units, *to = d + n * units;
#pragma omp simd
        for (int64_t u = 0; u < units; u++)
            d_gain[u] += to[u] * (row[u] - t->mean[u]) * t->inverse[u];
    }
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

/* From d = gradient of y to that of x, in place; x and y are those of wad_dense. */
void wad_dense_gradient(const dense_task *t, const float *x, const float *y, float *d,
                        float *d_gain, float *d_bias) {
    for (int64_t n = 0; n < t->cells; n++) {
        int64_t at = n * t->units;
        const float *noise = t->noise ? t->noise + at : NULL;
#define CALL(act) backward_row(t, noise, y + at, d + at, act)
        FOR_ACT(t->act, CALL)
#undef CALL
    }
    if (t->mean) norm_gradient(t, x, d, d_gain, d_bias);
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
