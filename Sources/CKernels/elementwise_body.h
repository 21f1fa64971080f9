// The bodies of the float32 row kernels, compiled once per instruction set: the including file defines
// PP_NAME(name) and opens the target attribute.

#include "lanes_body.h"

static void PP_NAME(rms_norm)(
    const float *x, size_t x_stride, const float *gain, float epsilon, float scale, size_t R, size_t D,
    float *out, size_t out_stride
) {
    for (size_t r = 0; r < R; r++) {
        const float *row = x + r * x_stride;
        float *to = out + r * out_stride;
        const float mean = PP_NAME(dot)(row, row, D) / (float)D;
        const float factor = 1.0f / sqrtf(mean + epsilon);
        size_t d = 0;
        for (; d + LANES <= D; d += LANES)
            PP_NAME(store)(to + d, PP_NAME(load)(row + d) * factor * PP_NAME(load)(gain + d) * scale);
        for (; d < D; d++) to[d] = row[d] * factor * gain[d] * scale;
    }
}

static void PP_NAME(relu)(float *x, size_t count) {
    for (size_t i = 0; i < count; i++) x[i] = x[i] > 0 ? x[i] : 0;
}

static void PP_NAME(gate)(
    const float *gate, const float *up, size_t stride, size_t R, size_t D, float *hidden, size_t hidden_stride
) {
    for (size_t r = 0; r < R; r++) {
        const float *g = gate + r * stride, *u = up + r * stride;
        float *h = hidden + r * hidden_stride;
        size_t d = 0;
        for (; d + LANES <= D; d += LANES)
            PP_NAME(store)(h + d, PP_NAME(gelu)(PP_NAME(load)(g + d)) * PP_NAME(load)(u + d));
        if (d < D) {
            const v16 tail = PP_NAME(gelu)(PP_NAME(load_partial)(g + d, D - d, 0));
            PP_NAME(store_partial)(h + d, tail * PP_NAME(load_partial)(u + d, D - d, 0), D - d);
        }
    }
}

/// One row: x = softmax(x + bias).
static inline __attribute__((always_inline)) void PP_NAME(softmax_row)(float *x, const float *bias, size_t N) {
    const float lowest = -INFINITY;
    v16 m = {0};
    m += lowest;
    size_t n = 0;
    for (; n < N; n += LANES) {
        const size_t width = N - n < LANES ? N - n : LANES;
        v16 v = width == LANES ? PP_NAME(load)(x + n) : PP_NAME(load_partial)(x + n, width, lowest);
        if (bias) v += width == LANES ? PP_NAME(load)(bias + n) : PP_NAME(load_partial)(bias + n, width, 0);
        const i16v greater = v > m;
        m = (v16)(((i16v)v & greater) | ((i16v)m & ~greater));
        if (bias) {
            if (width == LANES) PP_NAME(store)(x + n, v);
            else PP_NAME(store_partial)(x + n, v, width);
        }
    }
    const float maximum = PP_NAME(max)(m);
    v16 total = {0};
    for (n = 0; n < N; n += LANES) {
        const size_t width = N - n < LANES ? N - n : LANES;
        v16 v = width == LANES ? PP_NAME(load)(x + n) : PP_NAME(load_partial)(x + n, width, lowest);
        v = PP_NAME(exp)(v - maximum);
        total += v;
        if (width == LANES) PP_NAME(store)(x + n, v);
        else PP_NAME(store_partial)(x + n, v, width);
    }
    const float factor = 1.0f / PP_NAME(sum)(total);
    for (n = 0; n < N; n++) x[n] *= factor;
}

static void PP_NAME(softmax_bias)(float *scores, size_t stride, const float *bias, size_t R, size_t N) {
    for (size_t r = 0; r < R; r++)
        PP_NAME(softmax_row)(scores + r * stride, bias ? bias - (ptrdiff_t)r : 0, N);
}

static void PP_NAME(attend)(
    const float *q, const float *K, size_t k_stride, const float *V, size_t v_stride, const int32_t *indices,
    size_t N, size_t H, const float *bias, float *scratch, float *out
) {
    for (size_t n = 0; n < N; n++) {
        const size_t key = indices ? (size_t)indices[n] : n;
        scratch[n] = PP_NAME(dot)(q, K + key * k_stride, H);
    }
    PP_NAME(softmax_row)(scratch, bias, N);
    for (size_t h = 0; h < H; h += LANES) {
        const size_t width = H - h < LANES ? H - h : LANES;
        v16 sum = {0};
        for (size_t n = 0; n < N; n++) {
            const float *v = V + (indices ? (size_t)indices[n] : n) * v_stride + h;
            sum += (width == LANES ? PP_NAME(load)(v) : PP_NAME(load_partial)(v, width, 0)) * scratch[n];
        }
        if (width == LANES) PP_NAME(store)(out + h, sum);
        else PP_NAME(store_partial)(out + h, sum, width);
    }
}

static void PP_NAME(gemm_few_rows)(
    const float *A, size_t a_stride, size_t M, const float *B, size_t b_stride, size_t N, size_t K, float *C,
    size_t c_stride, int accumulate
) {
    for (size_t n = 0; n < N; n++)
        for (size_t m = 0; m < M; m++) {
            const float value = PP_NAME(dot)(A + m * a_stride, B + n * b_stride, K);
            float *c = C + m * c_stride + n;
            *c = accumulate ? *c + value : value;
        }
}

static double PP_NAME(log_sum_exp)(const float *x, size_t count) {
    const float lowest = -INFINITY;
    v16 m = {0};
    m += lowest;
    for (size_t i = 0; i < count; i += LANES) {
        const size_t width = count - i < LANES ? count - i : LANES;
        const v16 v = width == LANES ? PP_NAME(load)(x + i) : PP_NAME(load_partial)(x + i, width, lowest);
        const i16v greater = v > m;
        m = (v16)(((i16v)v & greater) | ((i16v)m & ~greater));
    }
    const float maximum = PP_NAME(max)(m);
    double total = 0;
    for (size_t i = 0; i < count; i += LANES) {
        const size_t width = count - i < LANES ? count - i : LANES;
        const v16 v = width == LANES ? PP_NAME(load)(x + i) : PP_NAME(load_partial)(x + i, width, lowest);
        total += PP_NAME(sum)(PP_NAME(exp)(v - maximum));
    }
    return (double)maximum + log(total);
}

const pp_float32_kernels PP_TABLE(float32) = {
    .rms_norm = PP_NAME(rms_norm),
    .relu = PP_NAME(relu),
    .gate = PP_NAME(gate),
    .softmax_bias = PP_NAME(softmax_bias),
    .attend = PP_NAME(attend),
    .gemm_few_rows = PP_NAME(gemm_few_rows),
    .dot = PP_NAME(dot),
    .log_sum_exp = PP_NAME(log_sum_exp),
};
