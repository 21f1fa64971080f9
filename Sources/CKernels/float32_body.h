// The float32 kernels of float32.h.

#include "lanes.h"

#pragma clang fp contract(off)

static float PP_KERNEL(dot)(const float *a, const float *b, size_t count) { return v16_dot(a, b, count); }

static void PP_KERNEL(rms_norm)(const float *x, size_t x_stride, const float *gain, float epsilon, float scale,
                                size_t R, size_t D, float *out, size_t out_stride) {
    for (size_t r = 0; r < R; r++) {
        const float *row = x + r * x_stride;
        float *to = out + r * out_stride;
        const float mean = v16_dot(row, row, D) / (float)D;
        const float factor = pp_inverse_root(mean, epsilon);
        for (size_t d = 0; d < D; d += LANES) {
            const v16 v = v16_load(row + d, D - d, 0) * factor * v16_load(gain + d, D - d, 0) * scale;
            v16_store(to + d, v, D - d);
        }
    }
}

static void PP_KERNEL(relu)(float *x, size_t count) {
    for (size_t i = 0; i < count; i++) x[i] = x[i] > 0 ? x[i] : 0;
}

static void PP_KERNEL(gate)(const float *gate, const float *up, size_t stride, size_t R, size_t D,
                            float *hidden, size_t hidden_stride) {
    for (size_t r = 0; r < R; r++)
        for (size_t d = 0; d < D; d += LANES) {
            const v16 g = v16_load(gate + r * stride + d, D - d, 0);
            const v16 u = v16_load(up + r * stride + d, D - d, 0);
            v16_store(hidden + r * hidden_stride + d, v16_gelu(g) * u, D - d);
        }
}

/// One row: x = softmax(x + bias).
PP_INLINE void PP_KERNEL(softmax_row)(float *x, const float *bias, size_t N) {
    v16 largest = v16_all(-INFINITY);
    for (size_t n = 0; n < N; n += LANES) {
        v16 v = v16_load(x + n, N - n, -INFINITY);
        if (bias) {
            v += v16_load(bias + n, N - n, 0);
            v16_store(x + n, v, N - n);
        }
        largest = v16_larger(v, largest);
    }
    const float maximum = v16_largest(largest);
    v16 total = {0};
    for (size_t n = 0; n < N; n += LANES) {
        const v16 v = v16_exp(v16_load(x + n, N - n, -INFINITY) - maximum);
        total += v;
        v16_store(x + n, v, N - n);
    }
    const float factor = 1.0f / v16_sum(total);
    for (size_t n = 0; n < N; n++) x[n] *= factor;
}

static void PP_KERNEL(softmax_bias)(float *scores, size_t stride, const float *bias, size_t R, size_t N) {
    for (size_t r = 0; r < R; r++)
        PP_KERNEL(softmax_row)(scores + r * stride, bias ? bias - (ptrdiff_t)r : 0, N);
}

static void PP_KERNEL(attend)(const float *q, const float *K, size_t k_stride, const float *V, size_t v_stride,
                              const int32_t *indices, size_t N, size_t H, const float *bias, float *scratch,
                              float *out) {
    for (size_t n = 0; n < N; n++) {
        const size_t key = indices ? (size_t)indices[n] : n;
        scratch[n] = v16_dot(q, K + key * k_stride, H);
    }
    PP_KERNEL(softmax_row)(scratch, bias, N);
    for (size_t h = 0; h < H; h += LANES) {
        v16 sum = {0};
        for (size_t n = 0; n < N; n++) {
            const float *v = V + (indices ? (size_t)indices[n] : n) * v_stride + h;
            sum += v16_load(v, H - h, 0) * scratch[n];
        }
        v16_store(out + h, sum, H - h);
    }
}

static void PP_KERNEL(gemm_few_rows)(const float *A, size_t a_stride, size_t M, const float *B, size_t b_stride,
                                     size_t N, size_t K, float *C, size_t c_stride, int accumulate) {
    for (size_t n = 0; n < N; n++)
        for (size_t m = 0; m < M; m++) {
            const float value = v16_dot(A + m * a_stride, B + n * b_stride, K);
            float *c = C + m * c_stride + n;
            *c = accumulate ? *c + value : value;
        }
}

static double PP_KERNEL(log_sum_exp)(const float *x, size_t count) {
    v16 largest = v16_all(-INFINITY);
    for (size_t i = 0; i < count; i += LANES)
        largest = v16_larger(v16_load(x + i, count - i, -INFINITY), largest);
    const float maximum = v16_largest(largest);
    double total = 0;
    for (size_t i = 0; i < count; i += LANES)
        total += v16_sum(v16_exp(v16_load(x + i, count - i, -INFINITY) - maximum));
    return (double)maximum + log(total);
}

const pp_float32_kernels PP_KERNEL(float32) = {
    .rms_norm = PP_KERNEL(rms_norm),
    .relu = PP_KERNEL(relu),
    .gate = PP_KERNEL(gate),
    .softmax_bias = PP_KERNEL(softmax_bias),
    .attend = PP_KERNEL(attend),
    .gemm_few_rows = PP_KERNEL(gemm_few_rows),
    .dot = PP_KERNEL(dot),
    .log_sum_exp = PP_KERNEL(log_sum_exp),
};
