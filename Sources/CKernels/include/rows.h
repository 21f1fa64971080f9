#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels.h"

// Kernels over rows: what a residual row becomes before a GEMM. Sums run in 16 lanes (element i in lane
// i % 16) which are then added as a tree (i and i + 8, i + 4, i + 2, i + 1), so that every instruction set gives
// the same bits. Subnormal numbers become zero in bf16, as the AVX-512 conversion does it.

/// bf16 copy of each float32 row, and `inverse_rms[row] = 1 / sqrt(mean(x²) + epsilon)`.
void pp_rms_cast_bf16(const pp_kernels *kernels, size_t rows, size_t width, const float *x, size_t ldx,
                      float epsilon, uint16_t *out, size_t ldo, float *inverse_rms);

/// RMSNorm of each float32 row, quantized: `x * inverse_rms * gain ≈ out * scale`, |out| ≤ 127, the largest
/// element 127 (to nearest even). `gain` may be null for 1. A row of zeros has scale 0; a row with an
/// infinity or NaN has a scale that is not finite.
void pp_rms_quant_int8(const pp_kernels *kernels, size_t rows, size_t width, const float *x, size_t ldx,
                       const float *gain, float epsilon, int8_t *out, size_t ldo, float *scale);

/// Quantizes each bf16 row: `x ≈ out * scale`, as above.
void pp_quant_int8(const pp_kernels *kernels, size_t rows, size_t width, const uint16_t *x, size_t ldx,
                   int8_t *out, size_t ldo, float *scale);

/// float32 to bf16, to nearest even.
void pp_f32_to_bf16(const pp_kernels *kernels, size_t count, const float *x, uint16_t *out);

/// bf16 to float32, exactly (an embedding row into the residual stream).
void pp_bf16_to_f32(const pp_kernels *kernels, size_t count, const uint16_t *x, float *out);
