#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attention.h"

/// Attention's inner parts for one instruction set; the products between them are pp_gemm_bf16.
typedef struct pp_attention_kernels {
    /// `count` (up to 16) rows of K as one panel whose columns are keys; `width` padded to 32.
    void (*pack_keys)(const uint16_t *k, size_t ld, size_t count, size_t width, uint16_t *panel);
    /// `columns` (up to 16) columns of V as one panel whose depth is keys, padded to 32.
    void (*pack_values)(const uint16_t *v, size_t ld, size_t keys, size_t columns, uint16_t *panel);
    /// `e^(score + bias - largest)` of `n` scores: in place when `out` is null, else bf16 in `out`, followed
    /// by zeros up to `padded`. Returns their sum, in lanes of 16 added as a tree.
    float (*softmax)(float *scores, size_t n, const float *bias, uint16_t *out, size_t padded);
    /// `scores[head][t]` of one row and every key, `ld` floats a head.
    void (*decode_scores)(const pp_attention_row *row, float *scores, size_t ld);
    /// `sums[head * width + i] = Σ weights[head][t] * v[t]`, t ascending.
    void (*decode_values)(const pp_attention_row *row, const float *weights, size_t ld, float *sums);
} pp_attention_kernels;

extern const pp_attention_kernels pp_attention_scalar_kernels;
#if defined(__x86_64__)
extern const pp_attention_kernels pp_attention_avx2_kernels, pp_attention_avx512_kernels,
    pp_attention_avx512_bf16_kernels;
#endif

/// Those of a CPU.
const pp_attention_kernels *pp_attention_kernels_of(const pp_cpu *cpu);

/// The cache row of a decoding row's t-th key.
static inline size_t pp_key_row(const pp_attention_row *row, size_t t) {
    return row->path ? (size_t)row->path[t] : t;
}
