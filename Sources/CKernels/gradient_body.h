// The kernels of gradient.h and dropout.h. Signs and transposition have a form of their own for AVX-512: include
// gradient_plain.h or gradient_avx512.h before.

#include "lanes.h"

#pragma clang fp contract(off)

static void PP_KERNEL(rms_norm_gradient)(const float *x, size_t x_stride, const float *gain, float epsilon,
                                         float scale, const float *dy, size_t dy_stride, size_t R, size_t D,
                                         float *dx, size_t dx_stride) {
    for (size_t r = 0; r < R; r++) {
        const float *row = x + r * x_stride, *from = dy + r * dy_stride;
        float *to = dx + r * dx_stride;
        v16 squares = {0}, products = {0};
        for (size_t d = 0; d < D; d += LANES) {
            const v16 v = v16_load(row + d, D - d, 0);
            v16 t = v16_load(from + d, D - d, 0);
            if (gain) t *= v16_load(gain + d, D - d, 0);
            squares += v * v;
            products += v * t;
        }
        const float mean = v16_sum(squares) / (float)D;
        const float factor = 1.0f / sqrtf(mean + epsilon);
        const float back = v16_sum(products) * scale * factor * factor * factor / (float)D;
        const float forth = factor * scale;
        for (size_t d = 0; d < D; d += LANES) {
            const v16 v = v16_load(row + d, D - d, 0);
            v16 t = v16_load(from + d, D - d, 0);
            if (gain) t *= v16_load(gain + d, D - d, 0);
            v16_store(to + d, v16_load(to + d, D - d, 0) + (t * forth - v * back), D - d);
        }
    }
}

static void PP_KERNEL(gain_gradient)(const float *x, size_t x_stride, const float *rms, float scale,
                                     const float *dy, size_t dy_stride, size_t R, size_t begin, size_t end,
                                     float *dgain) {
    for (size_t d = begin; d < end; d += LANES) {
        v16 sum = {0};
        for (size_t r = 0; r < R; r++)
            sum += v16_load(x + r * x_stride + d, end - d, 0) *
                   v16_load(dy + r * dy_stride + d, end - d, 0) * rms[r];
        v16_store(dgain + d, v16_load(dgain + d, end - d, 0) + sum * scale, end - d);
    }
}

static void PP_KERNEL(inverse_rms)(const float *x, size_t x_stride, float epsilon, size_t R, size_t D,
                                   float *rms) {
    for (size_t r = 0; r < R; r++) {
        const float *row = x + r * x_stride;
        rms[r] = 1.0f / sqrtf(v16_dot(row, row, D) / (float)D + epsilon);
    }
}

static void PP_KERNEL(softmax_gradient)(const float *P, size_t p_stride, float *dP, size_t dp_stride, size_t R,
                                        size_t N) {
    for (size_t r = 0; r < R; r++) {
        const float *p = P + r * p_stride;
        float *d = dP + r * dp_stride;
        const float sum = v16_dot(p, d, N);
        for (size_t n = 0; n < N; n += LANES) {
            const v16 v = v16_load(p + n, N - n, 0) * (v16_load(d + n, N - n, 0) - sum);
            v16_store(d + n, v, N - n);
        }
    }
}

static void PP_KERNEL(relu_gradient)(const float *restrict hidden, float *restrict gradient, size_t count) {
    for (size_t i = 0; i < count; i++) gradient[i] = hidden[i] > 0 ? gradient[i] : 0;
}

static void PP_KERNEL(relu_gradient_bf16)(const uint16_t *restrict hidden, uint16_t *restrict gradient,
                                          size_t count) {
    // What ReLU leaves is positive or +0.
    for (size_t i = 0; i < count; i++) gradient[i] = hidden[i] ? gradient[i] : 0;
}

typedef struct gates {
    v16 gate, up;
} gates;

/// gelu(x) = x s(u) with the logistic function s of u = 2 √(2/π) (x + 0.044715 x³), so that
/// gelu'(x) = s + x s (1 - s) u'.
PP_INLINE gates gate_gradient_of(v16 g, v16 u, v16 d) {
    const v16 square = g * g;
    const v16 inner = (g + g * square * (float)PP_GELU_CUBE) * (float)PP_GELU_SCALE * -2.0f;
    const v16 s = 1.0f / (v16_exp(inner) + 1.0f);
    const v16 slope = s + g * s * (1.0f - s) * (-PP_GELU_LINEAR + square * PP_GELU_SLOPE);
    return (gates){d * u * slope, d * g * s};
}

static void PP_KERNEL(gate_gradient)(const float *gate, const float *up, size_t stride, const float *dhidden,
                                     size_t dhidden_stride, size_t R, size_t D, float *dgate, float *dup,
                                     size_t d_stride) {
    for (size_t r = 0; r < R; r++)
        for (size_t d = 0; d < D; d += LANES) {
            const gates to = gate_gradient_of(
                v16_load(gate + r * stride + d, D - d, 0),
                v16_load(up + r * stride + d, D - d, 0),
                v16_load(dhidden + r * dhidden_stride + d, D - d, 0));
            v16_store(dgate + r * d_stride + d, to.gate, D - d);
            v16_store(dup + r * d_stride + d, to.up, D - d);
        }
}

static void PP_KERNEL(gate_bf16)(const uint16_t *wide, size_t stride, size_t R, size_t D, uint16_t *hidden,
                                 size_t hidden_stride) {
    for (size_t r = 0; r < R; r++)
        for (size_t d = 0; d < D; d += LANES) {
            const v16 g = v16_load_bf16(wide + r * stride + 2 * d, LANES);
            const v16 u = v16_load_bf16(wide + r * stride + 2 * d + LANES, LANES);
            v16_store_bf16(hidden + r * hidden_stride + d, v16_gelu(g) * u, D - d);
        }
}

static void PP_KERNEL(gate_gradient_bf16)(const uint16_t *wide, size_t stride, const uint16_t *dhidden,
                                          size_t dhidden_stride, size_t R, size_t D, uint16_t *dwide,
                                          size_t dwide_stride) {
    for (size_t r = 0; r < R; r++)
        for (size_t d = 0; d < D; d += LANES) {
            const gates to = gate_gradient_of(
                v16_load_bf16(wide + r * stride + 2 * d, LANES),
                v16_load_bf16(wide + r * stride + 2 * d + LANES, LANES),
                v16_load_bf16(dhidden + r * dhidden_stride + d, D - d));
            v16_store_bf16(dwide + r * dwide_stride + 2 * d, to.gate, LANES);
            v16_store_bf16(dwide + r * dwide_stride + 2 * d + LANES, to.up, LANES);
        }
}

static void PP_KERNEL(likelihood_gradient)(float *logits, size_t count, float log_sum_exp, float weight,
                                           size_t target) {
    for (size_t n = 0; n < count; n += LANES) {
        const v16 v = v16_exp(v16_load(logits + n, count - n, 0) - log_sum_exp);
        v16_store(logits + n, v * weight, count - n);
    }
    logits[target] -= weight;
}

/// Whether an element is kept, as a mask of its bits.
static inline uint32_t kept(const pp_dropout *dropout, uint32_t index) {
    uint32_t x = index * 0x9E3779B1u ^ (uint32_t)dropout->key;
    x = (x ^ x >> 16) * 0x7FEB352Du;
    x = (x ^ x >> 15) * 0x846CA68Bu;
    x = (x ^ x >> 16) + (uint32_t)(dropout->key >> 32);
    x = (x ^ x >> 15) * 0x7FEB352Du;
    x ^= x >> 16;
    return x >= dropout->threshold ? 0xFFFFFFFFu : 0;
}

static void PP_KERNEL(dropout)(const pp_dropout *restrict dropout, float *restrict x, size_t count) {
    const pp_dropout d = *dropout;
    for (size_t i = 0; i < count; i++)
        x[i] = pp_from_bits(pp_bits(x[i] * d.scale) & kept(&d, (uint32_t)i));
}

static void PP_KERNEL(dropout_bf16)(const pp_dropout *restrict dropout, uint16_t *restrict x, size_t count) {
    const pp_dropout d = *dropout;
    for (size_t i = 0; i < count; i++)
        x[i] = pp_narrow(pp_widen(x[i]) * d.scale) & (uint16_t)kept(&d, (uint32_t)i);
}

static void PP_KERNEL(attention_row)(const float *e, float factor, float *dp, size_t n,
                                     const pp_dropout *dropout, uint16_t *p, uint16_t *ds, size_t padded) {
    if (dropout) PP_KERNEL(dropout)(dropout, dp, n);
    const float sum = v16_dot(e, dp, n) * factor;
    for (size_t j = 0; j < n; j += LANES) {
        const v16 probability = v16_load(e + j, n - j, 0) * factor;
        const v16 gradient = probability * (v16_load(dp + j, n - j, 0) - sum);
        // Both rows have room for whole lanes, and what lies beyond n is 0.
        v16_store_bf16(p + j, probability, LANES);
        v16_store_bf16(ds + j, gradient, LANES);
    }
    const size_t written = (n + LANES - 1) / LANES * LANES;
    if (written < padded) {
        memset(p + written, 0, (padded - written) * sizeof *p);
        memset(ds + written, 0, (padded - written) * sizeof *ds);
    }
    if (dropout) PP_KERNEL(dropout_bf16)(dropout, p, n);
}

const pp_gradient_kernels PP_KERNEL(gradient) = {
    .rms_norm = PP_KERNEL(rms_norm_gradient),
    .gain = PP_KERNEL(gain_gradient),
    .inverse_rms = PP_KERNEL(inverse_rms),
    .softmax = PP_KERNEL(softmax_gradient),
    .relu = PP_KERNEL(relu_gradient),
    .relu_bf16 = PP_KERNEL(relu_gradient_bf16),
    .signs = PP_KERNEL(signs),
    .signs_gradient = PP_KERNEL(signs_gradient),
    .gate_gradient = PP_KERNEL(gate_gradient),
    .gate_bf16 = PP_KERNEL(gate_bf16),
    .gate_gradient_bf16 = PP_KERNEL(gate_gradient_bf16),
    .likelihood = PP_KERNEL(likelihood_gradient),
    .dropout = PP_KERNEL(dropout),
    .dropout_bf16 = PP_KERNEL(dropout_bf16),
    .attention_row = PP_KERNEL(attention_row),
    .transpose_block = PP_KERNEL(transpose_block),
    .transpose = PP_KERNEL(transpose),
};
