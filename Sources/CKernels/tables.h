#pragma once

// What an instruction set's kernels consist of: the parts of `pp_kernels`, which kernels.c puts together.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attention.h"
#include "dropout.h"
#include "gemm.h"
#include "kernels.h"

/// Rows and panels of a product.
typedef struct pp_range {
    size_t row_begin, row_end, panel_begin, panel_end;
} pp_range;

/// Products of one element type, and the most that their instructions can do; see gemm.h and roofline.h.
typedef struct pp_product_kernels {
    void (*multiply)(const pp_gemm *gemm, pp_range range);
    double (*peak)(size_t steps);  // null where nothing multiplies registers of this type
} pp_product_kernels;

/// Parts of the kernels of rows.h, over `width` elements of one row.
typedef struct pp_row_kernels {
    void (*narrow)(size_t width, const float *x, uint16_t *out);
    void (*widen)(size_t width, const uint16_t *x, float *out);
    float (*square_sum)(size_t width, const float *x);
    /// Largest magnitude of `x * gain` (`gain` may be null).
    float (*amax_f32)(size_t width, const float *x, const float *gain);
    float (*amax_bf16)(size_t width, const uint16_t *x);
    /// `x * gain * inverse` to int8.
    void (*quantize_f32)(size_t width, const float *x, const float *gain, float inverse, int8_t *out);
    void (*quantize_bf16)(size_t width, const uint16_t *x, float inverse, int8_t *out);
} pp_row_kernels;

/// The float32 kernels of float32.h, argument for argument.
typedef struct pp_float32_kernels {
    void (*rms_norm)(const float *, size_t, const float *, float, float, size_t, size_t, float *, size_t);
    void (*relu)(float *, size_t);
    void (*gate)(const float *, const float *, size_t, size_t, size_t, float *, size_t);
    void (*softmax_bias)(float *, size_t, const float *, size_t, size_t);
    void (*attend)(const float *, const float *, size_t, const float *, size_t, const int32_t *, size_t, size_t,
                   const float *, float *, float *);
    void (*gemm_few_rows)(const float *, size_t, size_t, const float *, size_t, size_t, size_t, float *, size_t,
                          int);
    float (*dot)(const float *, const float *, size_t);
    double (*log_sum_exp)(const float *, size_t);
} pp_float32_kernels;

/// Attention's inner parts; the products between them are pp_gemm_bf16.
typedef struct pp_attention_kernels {
    /// `count` (up to 16) rows of K as one panel whose columns are keys; `width` padded to 32.
    void (*pack_keys)(const uint16_t *k, size_t ld, size_t count, size_t width, uint16_t *panel);
    /// `columns` (up to 16) columns of V as one panel whose inner dimension is keys, padded to 32.
    void (*pack_values)(const uint16_t *v, size_t ld, size_t keys, size_t columns, uint16_t *panel);
    /// `e^(score + bias - largest)` of `n` scores: in place when `out` is null, else bf16 in `out`, followed
    /// by zeros up to `padded`. Returns their sum, in lanes of 16 added as a tree.
    float (*softmax)(float *scores, size_t n, const float *bias, uint16_t *out, size_t padded);
    /// `scores[head][t]` of one row and every key, `ld` floats a head.
    void (*decode_scores)(const pp_attention_row *row, float *scores, size_t ld);
    /// `sums[head * width + i] = Σ weights[head][t] * v[t]`, t ascending.
    void (*decode_values)(const pp_attention_row *row, const float *weights, size_t ld, float *sums);
} pp_attention_kernels;

/// The cache row of a decoding row's t-th key.
static inline size_t pp_key_row(const pp_attention_row *row, size_t t) {
    return row->path ? (size_t)row->path[t] : t;
}

/// The kernels of gradient.h and dropout.h, argument for argument, and parts of them.
typedef struct pp_gradient_kernels {
    void (*rms_norm)(const float *, size_t, const float *, float, float, const float *, size_t, size_t,
                     size_t, float *, size_t);
    void (*gain)(const float *, size_t, const float *, float, const float *, size_t, size_t, size_t, size_t,
                 float *);
    void (*inverse_rms)(const float *, size_t, float, size_t, size_t, float *);
    void (*softmax)(const float *, size_t, float *, size_t, size_t, size_t);
    void (*relu)(const float *, float *, size_t);
    void (*relu_bf16)(const uint16_t *, uint16_t *, size_t);
    void (*signs)(const uint16_t *, size_t, uint32_t *);
    void (*signs_gradient)(const uint32_t *, uint16_t *, size_t);
    void (*gate_gradient)(const float *, const float *, size_t, const float *, size_t, size_t, size_t,
                          float *, float *, size_t);
    void (*gate_bf16)(const uint16_t *, size_t, size_t, size_t, uint16_t *, size_t);
    void (*gate_gradient_bf16)(const uint16_t *, size_t, const uint16_t *, size_t, size_t, size_t, uint16_t *,
                               size_t);
    void (*likelihood)(float *, size_t, float, float, size_t);
    void (*dropout)(const pp_dropout *, float *, size_t);
    void (*dropout_bf16)(const pp_dropout *, uint16_t *, size_t);
    /// One row of attention: of `n` numbers e^(score - largest), times `factor`, and the gradients of the
    /// probabilities: both as bf16 probabilities and gradients of the scores, followed by zeros up to
    /// `padded`. With dropout `dp` is masked first and the probabilities last.
    void (*attention_row)(const float *e, float factor, float *dp, size_t n, const pp_dropout *dropout,
                          uint16_t *p, uint16_t *ds, size_t padded);
    /// 16 × 16 elements of a bf16 panel, transposed in the same layout.
    void (*transpose_block)(const uint16_t *from, uint16_t *out);
    /// `out[c][r] = x[r][c]`; out's rows are followed by zeros up to a multiple of 32.
    void (*transpose)(const uint16_t *x, size_t ld, size_t rows, size_t columns, uint16_t *out, size_t ldo);
} pp_gradient_kernels;

// Each is defined by the unit of its instruction set, as are the parts of one that others take over.

extern const pp_kernels pp_scalar_kernels;
#if defined(__x86_64__)
extern const pp_kernels pp_avx2_kernels, pp_avx512_kernels, pp_avx512vnni_kernels, pp_avx512bf16_kernels,
    pp_amx_kernels;
extern const pp_product_kernels pp_avx2_gemm_int8, pp_avx512_gemm_bf16;
extern const pp_row_kernels pp_avx512_rows;
extern const pp_float32_kernels pp_avx512_float32;
extern const pp_attention_kernels pp_avx512_attention, pp_avx512bf16_attention;
extern const pp_gradient_kernels pp_avx512_gradient;
#endif
