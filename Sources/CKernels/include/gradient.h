#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dropout.h"
#include "kernels.h"

// What training needs around its products: the gradients of the row kernels. R rows of width D, strides in
// elements, single-threaded workers that allocate nothing. Sums run in sixteen lanes and a fixed tree,
// nothing is contracted: the same bits on every instruction set, and for a row whatever else is computed
// with it.

/// Gradient of RMSNorm, added to what is there: with y = x / sqrt(mean(x²) + epsilon) * gain * scale,
/// dx[r] += dL/dx[r] given dy = dL/dy. `gain` may be null for 1.
void pp_f32_rms_norm_gradient(const pp_kernels *kernels, const float *x, size_t x_stride, const float *gain,
                              float epsilon, float scale, const float *dy, size_t dy_stride, size_t R, size_t D,
                              float *dx, size_t dx_stride);

/// Gradient of RMSNorm's gain for columns `begin..<end`, added: dgain[d] += Σ_r dy[r][d] * x[r][d] * rms[r]
/// * scale, rows in order, where rms[r] is the row's 1 / sqrt(mean(x²) + epsilon).
void pp_f32_gain_gradient(const pp_kernels *kernels, const float *x, size_t x_stride, const float *rms,
                          float scale, const float *dy, size_t dy_stride, size_t R, size_t begin, size_t end,
                          float *dgain);

/// 1 / sqrt(mean(x[r]²) + epsilon) of each row.
void pp_f32_inverse_rms(const pp_kernels *kernels, const float *x, size_t x_stride, float epsilon, size_t R,
                        size_t D, float *rms);

/// Gradient of softmax in place: dP[r][n] = P[r][n] * (dP[r][n] - Σ_m P[r][m] * dP[r][m]).
void pp_f32_softmax_gradient(const pp_kernels *kernels, const float *P, size_t p_stride, float *dP,
                             size_t dp_stride, size_t R, size_t N);

/// Gradient of ReLU in place, from its output: gradient = 0 where hidden is 0.
void pp_f32_relu_gradient(const pp_kernels *kernels, const float *hidden, float *gradient, size_t count);
void pp_bf16_relu_gradient(const pp_kernels *kernels, const uint16_t *hidden, uint16_t *gradient, size_t count);

/// What ReLU's gradient needs of its output, a bit for an element: set where it is not 0. `signs` has a word
/// for each 32 elements.
void pp_bf16_signs(const pp_kernels *kernels, const uint16_t *hidden, size_t count, uint32_t *signs);

/// Gradient of ReLU in place, from those bits.
void pp_bf16_signs_gradient(const pp_kernels *kernels, const uint32_t *signs, uint16_t *gradient, size_t count);

/// Gradients of `pp_f32_gate`: dgate and dup from dhidden; `d_stride` is that of both.
void pp_f32_gate_gradient(const pp_kernels *kernels, const float *gate, const float *up, size_t stride,
                          const float *dhidden, size_t dhidden_stride, size_t R, size_t D, float *dgate,
                          float *dup, size_t d_stride);

/// `pp_f32_gate` and its gradients in bf16 where 16 columns of the gate alternate with 16 of the other factor, as
/// a product with PP_INTERLEAVED panels leaves them; computed in float32. D is the width of hidden. The gradient's
/// padding columns become zero.
void pp_bf16_gate(const pp_kernels *kernels, const uint16_t *wide, size_t stride, size_t R, size_t D,
                  uint16_t *hidden, size_t hidden_stride);
void pp_bf16_gate_gradient(const pp_kernels *kernels, const uint16_t *wide, size_t stride,
                           const uint16_t *dhidden, size_t dhidden_stride, size_t R, size_t D, uint16_t *dwide,
                           size_t dwide_stride);

/// Gradient of the negative log-likelihood of one id in place, from its logits: the element of id n becomes
/// weight * (e^(logit - log_sum_exp) - (n == target)).
void pp_f32_likelihood_gradient(const pp_kernels *kernels, float *logits, size_t count, float log_sum_exp,
                                float weight, size_t target);

/// The panels of the transposed matrix from those of a bf16 matrix: the source is `[k, columns]` (padding between
/// interleaved panels counted), the result `[columns, k]`. Panel p of the result holds the source's rows
/// 16 p ..< 16 p + 16. Writes panels `begin..<end`, the first of them at `out`, aligned to 64.
void pp_transpose_bf16(const pp_kernels *kernels, const uint16_t *panels, size_t k, size_t columns,
                       size_t begin, size_t end, uint16_t *out);

/// The gradients of one head of one sequence; all elements are bf16, sums float32. Pointers are to the first
/// row at the head's first column. `out = dropout(softmax(q kᵀ + bias)) v` is computed again.
typedef struct pp_attention_gradient {
    const uint16_t *q, *k, *v, *d_out;
    size_t ld_q, ld_k, ld_v, ld_d_out;  ///< elements from one row to the next
    uint16_t *d_q, *d_k, *d_v;          ///< written
    float *d_memory;                    ///< not null: the gradients of K and V are both added there instead
    size_t ld_d_q, ld_d_k, ld_d_v, ld_d_memory;
    size_t queries, keys;               ///< rows of Q and of K and V
    size_t head_width;                  ///< d_kv
    const float *bias;                  ///< as in pp_attention; -infinity hides a key
    const pp_dropout *dropout;          ///< null for none; query i uses `pp_dropout_key(key, i)`
} pp_attention_gradient;

/// Bytes of scratch that `pp_attention_gradients` needs, aligned to 64.
size_t pp_attention_gradient_scratch(size_t keys, size_t head_width);

/// A sequence's result depends on nothing else.
void pp_attention_gradients(const pp_kernels *kernels, const pp_attention_gradient *x, void *scratch);
