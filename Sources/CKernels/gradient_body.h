// The bodies of the gradient kernels, compiled once per instruction set: the including file defines
// PP_NAME(name) and opens the target attribute.

#include "lanes_body.h"
#include "number.h"

typedef uint32_t u16v __attribute__((vector_size(64)));
typedef uint16_t h16 __attribute__((vector_size(32)));

#define LANES_INLINE static inline __attribute__((always_inline))

/// The row from `p` on, of which `n` elements exist; the others are `fill`.
LANES_INLINE v16 PP_NAME(load_some)(const float *p, size_t n, float fill) {
    return n >= LANES ? PP_NAME(load)(p) : PP_NAME(load_partial)(p, n, fill);
}

LANES_INLINE void PP_NAME(store_some)(float *p, v16 v, size_t n) {
    if (n >= LANES) PP_NAME(store)(p, v);
    else PP_NAME(store_partial)(p, v, n);
}

LANES_INLINE v16 PP_NAME(load_bf16)(const uint16_t *p, size_t n) {
    h16 half = {0};
    if (n >= LANES) memcpy(&half, p, sizeof half);
    else memcpy(&half, p, n * sizeof *p);
    return (v16)(__builtin_convertvector(half, u16v) << 16);
}

/// As pp_narrow.
LANES_INLINE void PP_NAME(store_bf16)(uint16_t *p, v16 v, size_t n) {
    const u16v bits = (u16v)v, magnitude = bits & 0x7fffffff, high = bits >> 16;
    const u16v nan = (u16v)(magnitude > 0x7f800000), small = (u16v)(magnitude < 0x00800000);
    u16v result = (bits + 0x7fff + (high & 1)) >> 16;
    result = (result & ~nan) | ((high | 0x40) & nan);
    result = (result & ~small) | ((high & 0x8000) & small);
    const h16 half = __builtin_convertvector(result, h16);
    if (n >= LANES) memcpy(p, &half, sizeof half);
    else memcpy(p, &half, n * sizeof *p);
}

static void PP_NAME(rms_norm_gradient)(const float *x, size_t x_stride, const float *gain, float epsilon,
                                       float scale, const float *dy, size_t dy_stride, size_t R, size_t D,
                                       float *dx, size_t dx_stride) {
    for (size_t r = 0; r < R; r++) {
        const float *row = x + r * x_stride, *from = dy + r * dy_stride;
        float *to = dx + r * dx_stride;
        v16 squares = {0}, products = {0};
        for (size_t d = 0; d < D; d += LANES) {
            const v16 v = PP_NAME(load_some)(row + d, D - d, 0);
            v16 t = PP_NAME(load_some)(from + d, D - d, 0);
            if (gain) t *= PP_NAME(load_some)(gain + d, D - d, 0);
            squares += v * v;
            products += v * t;
        }
        const float mean = PP_NAME(sum)(squares) / (float)D;
        const float factor = 1.0f / sqrtf(mean + epsilon);
        const float back = PP_NAME(sum)(products) * scale * factor * factor * factor / (float)D;
        const float forth = factor * scale;
        for (size_t d = 0; d < D; d += LANES) {
            const v16 v = PP_NAME(load_some)(row + d, D - d, 0);
            v16 t = PP_NAME(load_some)(from + d, D - d, 0);
            if (gain) t *= PP_NAME(load_some)(gain + d, D - d, 0);
            PP_NAME(store_some)(to + d, PP_NAME(load_some)(to + d, D - d, 0) + (t * forth - v * back), D - d);
        }
    }
}

static void PP_NAME(gain_gradient)(const float *x, size_t x_stride, const float *rms, float scale,
                                   const float *dy, size_t dy_stride, size_t R, size_t begin, size_t end,
                                   float *dgain) {
    for (size_t d = begin; d < end; d += LANES) {
        v16 sum = {0};
        for (size_t r = 0; r < R; r++)
            sum += PP_NAME(load_some)(x + r * x_stride + d, end - d, 0) *
                   PP_NAME(load_some)(dy + r * dy_stride + d, end - d, 0) * rms[r];
        PP_NAME(store_some)(dgain + d, PP_NAME(load_some)(dgain + d, end - d, 0) + sum * scale, end - d);
    }
}

static void PP_NAME(inverse_rms)(const float *x, size_t x_stride, float epsilon, size_t R, size_t D,
                                 float *rms) {
    for (size_t r = 0; r < R; r++) {
        const float *row = x + r * x_stride;
        rms[r] = 1.0f / sqrtf(PP_NAME(dot)(row, row, D) / (float)D + epsilon);
    }
}

static void PP_NAME(softmax_gradient)(const float *P, size_t p_stride, float *dP, size_t dp_stride, size_t R,
                                      size_t N) {
    for (size_t r = 0; r < R; r++) {
        const float *p = P + r * p_stride;
        float *d = dP + r * dp_stride;
        const float sum = PP_NAME(dot)(p, d, N);
        for (size_t n = 0; n < N; n += LANES) {
            const v16 v = PP_NAME(load_some)(p + n, N - n, 0) * (PP_NAME(load_some)(d + n, N - n, 0) - sum);
            PP_NAME(store_some)(d + n, v, N - n);
        }
    }
}

static void PP_NAME(relu_gradient)(const float *restrict hidden, float *restrict gradient, size_t count) {
    for (size_t i = 0; i < count; i++) gradient[i] = hidden[i] > 0 ? gradient[i] : 0;
}

static void PP_NAME(relu_gradient_bf16)(const uint16_t *restrict hidden, uint16_t *restrict gradient,
                                        size_t count) {
    // What ReLU leaves is positive or +0.
    for (size_t i = 0; i < count; i++) gradient[i] = hidden[i] ? gradient[i] : 0;
}

typedef struct PP_NAME(gates) {
    v16 gate, up;
} PP_NAME(gates);

/// gelu(x) = x s(u) with the logistic function s of u = 2 √(2/π) (x + 0.044715 x³), so that
/// gelu'(x) = s + x s (1 - s) u'.
LANES_INLINE PP_NAME(gates) PP_NAME(gate_gradient_of)(v16 g, v16 u, v16 d) {
    const v16 square = g * g;
    const v16 inner = (g + g * square * 0.044715f) * 0.7978845608028654f * -2.0f;
    const v16 s = 1.0f / (PP_NAME(exp)(inner) + 1.0f);
    const v16 slope = s + g * s * (1.0f - s) * (1.5957691216057308f + square * 0.21406448378082f);
    return (PP_NAME(gates)){d * u * slope, d * g * s};
}

static void PP_NAME(gate_gradient)(const float *gate, const float *up, size_t stride, const float *dhidden,
                                   size_t dhidden_stride, size_t R, size_t D, float *dgate, float *dup,
                                   size_t d_stride) {
    for (size_t r = 0; r < R; r++)
        for (size_t d = 0; d < D; d += LANES) {
            const PP_NAME(gates) to = PP_NAME(gate_gradient_of)(
                PP_NAME(load_some)(gate + r * stride + d, D - d, 0),
                PP_NAME(load_some)(up + r * stride + d, D - d, 0),
                PP_NAME(load_some)(dhidden + r * dhidden_stride + d, D - d, 0));
            PP_NAME(store_some)(dgate + r * d_stride + d, to.gate, D - d);
            PP_NAME(store_some)(dup + r * d_stride + d, to.up, D - d);
        }
}

static void PP_NAME(gate_bf16)(const uint16_t *wide, size_t stride, size_t R, size_t D, uint16_t *hidden,
                               size_t hidden_stride) {
    for (size_t r = 0; r < R; r++)
        for (size_t d = 0; d < D; d += LANES) {
            const v16 g = PP_NAME(load_bf16)(wide + r * stride + 2 * d, LANES);
            const v16 u = PP_NAME(load_bf16)(wide + r * stride + 2 * d + LANES, LANES);
            PP_NAME(store_bf16)(hidden + r * hidden_stride + d, PP_NAME(gelu)(g) * u, D - d);
        }
}

static void PP_NAME(gate_gradient_bf16)(const uint16_t *wide, size_t stride, const uint16_t *dhidden,
                                        size_t dhidden_stride, size_t R, size_t D, uint16_t *dwide,
                                        size_t dwide_stride) {
    for (size_t r = 0; r < R; r++)
        for (size_t d = 0; d < D; d += LANES) {
            const PP_NAME(gates) to = PP_NAME(gate_gradient_of)(
                PP_NAME(load_bf16)(wide + r * stride + 2 * d, LANES),
                PP_NAME(load_bf16)(wide + r * stride + 2 * d + LANES, LANES),
                PP_NAME(load_bf16)(dhidden + r * dhidden_stride + d, D - d));
            PP_NAME(store_bf16)(dwide + r * dwide_stride + 2 * d, to.gate, LANES);
            PP_NAME(store_bf16)(dwide + r * dwide_stride + 2 * d + LANES, to.up, LANES);
        }
}

static void PP_NAME(likelihood_gradient)(float *logits, size_t count, float log_sum_exp, float weight,
                                         size_t target) {
    for (size_t n = 0; n < count; n += LANES) {
        const v16 v = PP_NAME(exp)(PP_NAME(load_some)(logits + n, count - n, 0) - log_sum_exp);
        PP_NAME(store_some)(logits + n, v * weight, count - n);
    }
    logits[target] -= weight;
}

/// Whether an element is kept, as a mask of its bits.
static inline uint32_t PP_NAME(kept)(const pp_dropout *dropout, uint32_t index) {
    uint32_t x = index * 0x9E3779B1u ^ (uint32_t)dropout->key;
    x = (x ^ x >> 16) * 0x7FEB352Du;
    x = (x ^ x >> 15) * 0x846CA68Bu;
    x = (x ^ x >> 16) + (uint32_t)(dropout->key >> 32);
    x = (x ^ x >> 15) * 0x7FEB352Du;
    x ^= x >> 16;
    return x >= dropout->threshold ? 0xFFFFFFFFu : 0;
}

static void PP_NAME(dropout)(const pp_dropout *restrict dropout, float *restrict x, size_t count) {
    const pp_dropout d = *dropout;
    for (size_t i = 0; i < count; i++)
        x[i] = pp_from_bits(pp_bits(x[i] * d.scale) & PP_NAME(kept)(&d, (uint32_t)i));
}

static void PP_NAME(dropout_bf16)(const pp_dropout *restrict dropout, uint16_t *restrict x, size_t count) {
    const pp_dropout d = *dropout;
    for (size_t i = 0; i < count; i++)
        x[i] = pp_narrow(pp_widen(x[i]) * d.scale) & (uint16_t)PP_NAME(kept)(&d, (uint32_t)i);
}

static void PP_NAME(attention_row)(const float *e, float factor, float *dp, size_t n,
                                   const pp_dropout *dropout, uint16_t *p, uint16_t *ds, size_t padded) {
    if (dropout) PP_NAME(dropout)(dropout, dp, n);
    const float sum = PP_NAME(dot)(e, dp, n) * factor;
    for (size_t j = 0; j < n; j += LANES) {
        const v16 probability = PP_NAME(load_some)(e + j, n - j, 0) * factor;
        const v16 gradient = probability * (PP_NAME(load_some)(dp + j, n - j, 0) - sum);
        // Both rows have room for whole lanes, and what lies beyond n is 0.
        PP_NAME(store_bf16)(p + j, probability, LANES);
        PP_NAME(store_bf16)(ds + j, gradient, LANES);
    }
    const size_t written = (n + LANES - 1) / LANES * LANES;
    if (written < padded) {
        memset(p + written, 0, (padded - written) * sizeof *p);
        memset(ds + written, 0, (padded - written) * sizeof *ds);
    }
    if (dropout) PP_NAME(dropout_bf16)(dropout, p, n);
}

#ifndef PP_AVX512
static void PP_NAME(signs)(const uint16_t *hidden, size_t count, uint32_t *signs) {
    for (size_t i = 0; i < count; i += 32) {
        uint32_t word = 0;
        for (size_t bit = 0; bit < 32 && i + bit < count; bit++) word |= (uint32_t)(hidden[i + bit] !=
                                                                                    0) << bit;
        signs[i / 32] = word;
    }
}

static void PP_NAME(signs_gradient)(const uint32_t *signs, uint16_t *gradient, size_t count) {
    for (size_t i = 0; i < count; i++) gradient[i] = signs[i / 32] >> i % 32 & 1 ? gradient[i] : 0;
}

static void PP_NAME(transpose_block)(const uint16_t *from, uint16_t *out) {
    for (size_t k = 0; k < LANES; k++)
        for (size_t n = 0; n < LANES; n++)
            out[n / 2 * 2 * LANES + k * 2 + n % 2] = from[k / 2 * 2 * LANES + n * 2 + k % 2];
}

static void PP_NAME(transpose)(const uint16_t *x, size_t ld, size_t rows, size_t columns, uint16_t *out,
                               size_t ldo) {
    const size_t padded = (rows + 31) / 32 * 32;
    for (size_t c = 0; c < columns; c++) {
        for (size_t r = 0; r < rows; r++) out[c * ldo + r] = x[r * ld + c];
        for (size_t r = rows; r < padded; r++) out[c * ldo + r] = 0;
    }
}
#endif

const pp_gradient_kernels PP_TABLE(gradient) = {
    .rms_norm = PP_NAME(rms_norm_gradient),
    .gain = PP_NAME(gain_gradient),
    .inverse_rms = PP_NAME(inverse_rms),
    .softmax = PP_NAME(softmax_gradient),
    .relu = PP_NAME(relu_gradient),
    .relu_bf16 = PP_NAME(relu_gradient_bf16),
    .signs = PP_NAME(signs),
    .signs_gradient = PP_NAME(signs_gradient),
    .gate_gradient = PP_NAME(gate_gradient),
    .gate_bf16 = PP_NAME(gate_bf16),
    .gate_gradient_bf16 = PP_NAME(gate_gradient_bf16),
    .likelihood = PP_NAME(likelihood_gradient),
    .dropout = PP_NAME(dropout),
    .dropout_bf16 = PP_NAME(dropout_bf16),
    .attention_row = PP_NAME(attention_row),
    .transpose_block = PP_NAME(transpose_block),
    .transpose = PP_NAME(transpose),
};
