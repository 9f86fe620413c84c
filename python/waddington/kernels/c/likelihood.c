/* Negative binomial counts, with or without extra zeros: log probabilities and gradients.
 *
 * The mathematics are those of negative_binomial.py: every entry as a zero in one dense pass, with
 * r = mean / theta; then what the stored counts change.
 */
#include "vector.h"

#define LOG_THETA_LIMIT 20.0f
#define ZERO_LOGIT_LIMIT 40.0f

/* Cells, and where their log probabilities and the gradients of the weighted sum go.
 *
 * Gradients may be NULL; those of logits and zero logits may lie where these were.
 */
typedef struct {
    int64_t cells, genes;
    int64_t share;         /* mean = library * softmax(logits), else library * exp(logits) */
    int64_t theta_by_cell; /* log_theta is (cells, genes), else (genes) */
    const int64_t *indptr, *indices;
    const float *values;
    float *logits;            /* (cells, genes) */
    float *zero_logits;       /* (cells, genes), or NULL for a plain negative binomial */
    const float *bias, *zero_bias; /* (genes), added to these in place, or NULL */
    const float *log_theta;   /* (genes) or (cells, genes) */
    const float *library;     /* (cells), or NULL for 1 */
    const float *weight;      /* (cells), or NULL for 1 */
    float *log_p;             /* (cells) */
    float *d_logits, *d_log_theta, *d_zero_logits, *d_log_library;
    float *d_bias, *d_zero_bias; /* (genes), sums of the gradients of (zero) logits */
} counts_task;

/* What a thread works with: genes floats each. */
typedef struct {
    float *theta, *inverse; /* theta, 1 / theta */
    float *rate;            /* exp(logits), to a factor */
    float *fall;            /* minus the slope of log p in the log mean */
    float *slope;           /* summed slopes of log p in log theta */
    float *d_zero;          /* slopes of log p in the zero logits */
    float *d_bias, *d_zero_bias; /* sums of gradients */
} scratch;

/* One cell on its way. */
typedef struct {
    int64_t genes, stored;
    const int64_t *index;
    const float *x, *logits, *zero_logits;
    float library, weight;
    float scale; /* mean = scale * rate */
    float shift; /* log mean = logit + shift */
    float log_p, fallen;
} cell;

INLINE float tail(float i) {
    float s = i * i;
    return i * (1.0f / 12 - s * (1.0f / 360 - s * (1.0f / 1260)));
}

INLINE float tail_slope(float i) {
    float s = i * i;
    return -s * (1.0f / 12 - s * (1.0f / 120 - s * (1.0f / 252)));
}

/* z (z + 1) (z + 2) (z + 3), and the sum of the reciprocals of those factors. */
INLINE float factors(float z, float *slope) {
    float ends = z * (z + 3.0f), product = ends * (ends + 2.0f);
    *slope = (2.0f * z + 3.0f) * (2.0f * ends + 2.0f) / product;
    return product;
}

/* What a count x adds to log p of a zero; *slope is d (lgamma(theta + x) - lgamma(theta)). As
 * gamma_steps() in special.py, with the logarithms of factors, of 1 / x! and of the odds joined. */
INLINE float counted(float x, float theta, float u, float log_mean, float *slope) {
    float low_slope, high_slope, unused;
    float top = theta + x, low = theta + 4.0f, high = top + 4.0f, plus = x + 5.0f;
    float i = 1.0f / low, j = 1.0f / high;
    float q = factors(theta, &low_slope) / factors(top, &high_slope);
    float ratio = x * i, growth = vlog1p(ratio, 1.0f + ratio, 1.0f / (1.0f + ratio));
    *slope = growth + 0.5f * ratio * j + tail_slope(j) - tail_slope(i) + low_slope - high_slope;
    float odds = log_mean - 1.0f + vlog(low / (theta * u));
    float one = factors(x + 1.0f, &unused); /* x! = gamma(x + 5) / one */
    float factorial = (plus - 0.5f) * vlog(plus) - plus + 0.918938533f + tail(1.0f / plus);
    return x * odds + (high - 0.5f) * growth + tail(j) - tail(i) + vlog(q * one) - factorial;
}

static void set_theta(const float *log_theta, int64_t genes, float *theta, float *inverse) {
#pragma omp simd
    for (int64_t g = 0; g < genes; g++) {
        float l = log_theta[g] < -LOG_THETA_LIMIT ? -LOG_THETA_LIMIT : log_theta[g];
        l = l > LOG_THETA_LIMIT ? LOG_THETA_LIMIT : l;
        theta[g] = vexp(l);
        inverse[g] = 1.0f / theta[g];
    }
}

/* rate, scale and shift of a cell; returns the sum of the rates. */
static float set_rates(cell *c, float *rate, int64_t share) {
    const float *l = c->logits;
    float top = 0, sum = 0;
    if (share) {
        top = -INFINITY;
#pragma omp simd reduction(max : top)
        for (int64_t g = 0; g < c->genes; g++) top = l[g] > top ? l[g] : top;
    }
#pragma omp simd reduction(+ : sum)
    for (int64_t g = 0; g < c->genes; g++) {
        float e = vexp(l[g] - top);
        rate[g] = e;
        sum += e;
    }
    c->scale = share ? c->library / sum : c->library;
    c->shift = logf(c->scale) - top;
    return sum;
}

/* All entries as zeros. */
INLINE void dense_nb(cell *c, const scratch *s) {
    const float *theta = s->theta, *inverse = s->inverse, *rate = s->rate;
    float *fall = s->fall, *slope = s->slope;
    float scale = c->scale, weight = c->weight, log_p = 0, fallen = 0;
#pragma omp simd reduction(+ : log_p, fallen)
    for (int64_t g = 0; g < c->genes; g++) {
        float r = rate[g] * scale * inverse[g], u = 1.0f + r, i = 1.0f / u;
        float growth = vlog1p(r, u, i), t = r * i;
        log_p -= theta[g] * growth;
        slope[g] += weight * theta[g] * (t - growth);
        fall[g] = theta[g] * t;
        fallen += theta[g] * t;
    }
    c->log_p = log_p;
    c->fallen = fallen;
}

/* As dense_nb, where a zero may be an extra one. */
INLINE void dense_zinb(cell *c, const scratch *s) {
    const float *theta = s->theta, *inverse = s->inverse, *rate = s->rate, *zero = c->zero_logits;
    float *fall = s->fall, *slope = s->slope, *d_zero = s->d_zero;
    float scale = c->scale, weight = c->weight, log_p = 0, fallen = 0;
#pragma omp simd reduction(+ : log_p, fallen)
    for (int64_t g = 0; g < c->genes; g++) {
        float r = rate[g] * scale * inverse[g], u = 1.0f + r, i = 1.0f / u;
        float growth = vlog1p(r, u, i), t = r * i;
        float l = zero[g] < -ZERO_LOGIT_LIMIT ? -ZERO_LOGIT_LIMIT : zero[g];
        float e = vexp_below(-l - theta[g] * growth), a = 1.0f + e, b = 1.0f + vexp_below(-l);
        float both = 1.0f / (a * b), extra = b * both, prior = a * both, real = e * extra;
        log_p += vlog(a * prior);
        slope[g] += weight * theta[g] * (t - growth) * real;
        fall[g] = theta[g] * t * real;
        fallen += theta[g] * t * real;
        d_zero[g] = extra - prior;
    }
    c->log_p = log_p;
    c->fallen = fallen;
}

/* What the stored counts change; no index comes twice in a cell. */
INLINE void stored_nb(cell *c, const scratch *s) {
    const float *theta = s->theta, *rate = s->rate;
    float *fall = s->fall, *slope = s->slope;
    float log_p = c->log_p, fallen = c->fallen;
#pragma omp simd reduction(+ : log_p, fallen)
    for (int64_t k = 0; k < c->stored; k++) {
        int32_t g = (int32_t)c->index[k];
        float x = c->x[k], th = theta[g], gamma;
        float u = 1.0f + rate[g] * c->scale / th, rise = x / u;
        log_p += counted(x, th, u, c->logits[g] + c->shift, &gamma);
        fall[g] -= rise;
        fallen -= rise;
        slope[g] += c->weight * (th * gamma - rise);
    }
    c->log_p = log_p;
    c->fallen = fallen;
}

INLINE void stored_zinb(cell *c, const scratch *s) {
    const float *theta = s->theta, *rate = s->rate;
    float *fall = s->fall, *slope = s->slope, *d_zero = s->d_zero;
    float log_p = c->log_p, fallen = c->fallen;
#pragma omp simd reduction(+ : log_p, fallen)
    for (int64_t k = 0; k < c->stored; k++) {
        int32_t g = (int32_t)c->index[k];
        float x = c->x[k], th = theta[g], gamma;
        float r = rate[g] * c->scale / th, u = 1.0f + r, i = 1.0f / u, t = r * i;
        float growth = vlog1p(r, u, i), rise = x * i;
        float l = c->zero_logits[g] < -ZERO_LOGIT_LIMIT ? -ZERO_LOGIT_LIMIT : c->zero_logits[g];
        float e = vexp_below(-l - th * growth), extra = 1.0f / (1.0f + e);
        log_p += counted(x, th, u, c->logits[g] + c->shift, &gamma);
        log_p -= vlog(1.0f + e) + l + th * growth;
        fall[g] = th * t - rise;
        fallen += th * t * extra - rise;
        slope[g] += c->weight * (th * (t - growth) * extra + th * gamma - rise);
        d_zero[g] = -1.0f / (1.0f + vexp_below(-l));
    }
    c->log_p = log_p;
    c->fallen = fallen;
}

/* A row of a matrix, or NULL if there is none, after a bias was added to it. */
static const float *row_of(float *matrix, const float *bias, int64_t n, int64_t genes) {
    if (!matrix) return NULL;
    float *row = matrix + n * genes;
    if (bias) {
#pragma omp simd
        for (int64_t g = 0; g < genes; g++) row[g] += bias[g];
    }
    return row;
}

static cell cell_of(const counts_task *t, int64_t n) {
    int64_t start = t->indptr[n];
    cell c = {.genes = t->genes, .stored = t->indptr[n + 1] - start, .index = t->indices + start};
    c.x = t->values + start;
    c.logits = row_of(t->logits, t->bias, n, t->genes);
    c.zero_logits = row_of(t->zero_logits, t->zero_bias, n, t->genes);
    c.library = t->library ? t->library[n] : 1.0f;
    c.weight = t->weight ? t->weight[n] : 1.0f;
    return c;
}

/* Gradients of cell n; `per_rate` is minus its total slope per rate if the library is shared out. */
static void write_gradients(const counts_task *t, int64_t n, const cell *c, const scratch *s,
                            float per_rate) {
    float weight = c->weight, k = weight * per_rate;
    float *d_logits = t->d_logits ? t->d_logits + n * t->genes : NULL;
    float *d_zero = t->d_zero_logits ? t->d_zero_logits + n * t->genes : NULL;
    if (d_logits) {
#pragma omp simd
        for (int64_t g = 0; g < t->genes; g++) {
            float d = s->rate[g] * k - weight * s->fall[g];
            d_logits[g] = d;
            s->d_bias[g] += d;
        }
    }
    if (d_zero) {
#pragma omp simd
        for (int64_t g = 0; g < t->genes; g++) {
            float d = weight * s->d_zero[g];
            d_zero[g] = d;
            s->d_zero_bias[g] += d;
        }
    }
    if (t->d_log_library) t->d_log_library[n] = -weight * c->fallen;
}

static void one_cell(const counts_task *t, int64_t n, scratch s) {
    int64_t at = n * t->genes;
    cell c = cell_of(t, n);
    if (t->theta_by_cell) {
        set_theta(t->log_theta + at, t->genes, s.theta, s.inverse);
        if (t->d_log_theta) s.slope = memset(t->d_log_theta + at, 0, sizeof(float) * t->genes);
    }
    float sum = set_rates(&c, s.rate, t->share);
    if (t->zero_logits) {
        dense_zinb(&c, &s);
        stored_zinb(&c, &s);
    } else {
        dense_nb(&c, &s);
        stored_nb(&c, &s);
    }
    t->log_p[n] = c.log_p;
    write_gradients(t, n, &c, &s, t->share ? c.fallen / sum : 0.0f);
}

/* Sums over threads, always in the same order; nothing if `out` is NULL. */
static void add_up(const float *parts, int64_t genes, int64_t step, int64_t threads, float *out) {
    for (int64_t g = 0; out && g < genes; g++) {
        float sum = 0;
        for (int64_t k = 0; k < threads; k++) sum += parts[k * step + g];
        out[g] = sum;
    }
}

#define ROWS 8 /* of scratch per thread */

/* Does the task; returns 0, or 1 if there is no memory. */
int wad_counts(const counts_task *t, int threads) {
    int64_t genes = t->genes, step = ROWS * genes;
    float *memory = calloc(2 * genes + step * threads, sizeof(float));
    if (!memory) return 1;
    float *theta = memory, *inverse = memory + genes, *all = memory + 2 * genes;
    if (!t->theta_by_cell) set_theta(t->log_theta, genes, theta, inverse);
#pragma omp parallel num_threads(threads)
    {
        int64_t start, stop;
        share_of(t->cells, &start, &stop);
        float *own = all + step * omp_get_thread_num();
        scratch s = {theta, inverse, own + 3 * genes, own + 4 * genes, own, own + 5 * genes};
        s.d_bias = own + genes, s.d_zero_bias = own + 2 * genes;
        if (t->theta_by_cell) s.theta = own + 6 * genes, s.inverse = own + 7 * genes;
        for (int64_t n = start; n < stop; n++) one_cell(t, n, s);
    }
    if (!t->theta_by_cell) add_up(all, genes, step, threads, t->d_log_theta);
    add_up(all + genes, genes, step, threads, t->d_bias);
    add_up(all + 2 * genes, genes, step, threads, t->d_zero_bias);
    free(memory);
    return 0;
}
