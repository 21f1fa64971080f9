#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels.h"

// Float32 row kernels of the reference mode, and what every mode needs around its GEMMs.
//
// R rows, D row width, N keys, H head width. All strides are in elements. Every function is a
// single-threaded worker over the range it is given and allocates nothing. Reductions run over sixteen
// lanes and a fixed tree, so that a row's result depends on that row alone and is the same bits on every
// instruction set.

/// Sets flush-to-zero and denormals-are-zero for the calling thread; returns the previous control word.
uint32_t pp_flush_denormals(void);

/// Restores what `pp_flush_denormals` returned.
void pp_restore_denormals(uint32_t previous);

/// Tells the CPU that the calling thread is spinning.
void pp_spin_hint(void);

/// out[r][d] = x[r][d] / sqrt(mean(x[r]^2) + epsilon) * gain[d] * scale   (T5's RMSNorm: no mean, no bias)
/// NaN where a row's squares overflow.
void pp_f32_rms_norm(const pp_kernels *kernels, const float *x, size_t x_stride, const float *gain,
                     float epsilon, float scale, size_t R, size_t D, float *out, size_t out_stride);

/// x = max(x, 0) over count elements.
void pp_f32_relu(const pp_kernels *kernels, float *x, size_t count);

/// hidden = gelu(gate) * up, with the tanh form of GELU; rows of width D. `hidden` may be `gate` or `up` with the
/// same stride, to compute in place; it overlaps them in no other way.
void pp_f32_gate(const pp_kernels *kernels, const float *gate, const float *up, size_t stride, size_t R,
                 size_t D, float *hidden, size_t hidden_stride);

/// In place: scores[r][n] = softmax over n of (scores[r][n] + bias[n - r]); bias may be null.
/// `bias` points at the value of distance (first key - first row); bias[n - r] must be readable for all r, n.
void pp_f32_softmax_bias(const pp_kernels *kernels, float *scores, size_t stride, const float *bias, size_t R,
                         size_t N);

/// One query row against N keys: out = softmax(q . K + bias) V.
/// Key n is row (indices ? indices[n] : n) of K and V. bias[n] is added to key n's score when bias is not null.
/// scratch holds N floats.
void pp_f32_attend(const pp_kernels *kernels, const float *q, const float *K, size_t k_stride, const float *V,
                   size_t v_stride, const int32_t *indices, size_t N, size_t H, const float *bias,
                   float *scratch, float *out);

/// C[m][n] = A[m] . B[n] (+ C[m][n] when accumulate) for few rows M: each row of B is read once.
void pp_f32_gemm_few_rows(const pp_kernels *kernels, const float *A, size_t a_stride, size_t M, const float *B,
                          size_t b_stride, size_t N, size_t K, float *C, size_t c_stride, int accumulate);

/// The dot product of two vectors.
float pp_f32_dot(const pp_kernels *kernels, const float *a, const float *b, size_t count);

/// log(sum(exp(x))) over count > 0 elements, accumulated in double precision.
double pp_f32_log_sum_exp(const pp_kernels *kernels, const float *x, size_t count);

/// Index of the largest element (the lowest index of equal ones); NaN is never chosen unless all are. count > 0.
size_t pp_f32_argmax(const float *x, size_t count);

/// float16 to float32, exactly.
void pp_f16_to_f32(const uint16_t *x, float *out, size_t count);

/// The index of the first of count 32-bit floats that is NaN or infinite, count when there is none. `x` may have
/// any alignment.
size_t pp_first_not_finite_32(const void *x, size_t count);

/// The same for 16-bit floats; `exponent` has the bits of their exponent set: 0x7C00 for float16, 0x7F80 for
/// bfloat16.
size_t pp_first_not_finite_16(const void *x, size_t count, uint16_t exponent);
