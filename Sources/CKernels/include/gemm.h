#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels.h"

/// What happens to a product's elements before they leave the kernel.
typedef enum pp_epilogue {
    PP_STORE_F32 = 0,         ///< f32 = c
    PP_STORE_BF16 = 1,        ///< bf16 = c
    PP_ADD_F32 = 2,           ///< f32 += c
    PP_RELU_BF16 = 3,         ///< bf16 = max(c, 0)
    PP_GATED_GELU_BF16 = 4,   ///< bf16 = gelu_tanh(c of even panel) * c of odd panel (see PP_INTERLEAVED)
    PP_ARGMAX = 5,            ///< nothing stored; (best, best_index) of each row move to the largest column
} pp_epilogue;

/// `C[M, N] = row_scale[m] * (A[M, K] × weights[K, N])` and what to do with it. Nothing is allocated.
/// Every pointer is to row 0 or panel 0 of the whole matrix, whatever range a worker takes.
typedef struct pp_gemm {
    const void *a;   ///< bf16 or int8 rows, read in place; no padding or alignment is needed (but see
                     ///< pp_row_stride)
    size_t lda;      ///< elements from one row of A to the next, at least `k`
    const void *panels;          ///< see pack.h; aligned to 64 bytes
    const float *column_scale;   ///< int8 only: 16 for each panel
    const int32_t *column_sum;   ///< int8 only: 16 for each panel
    const float *row_scale;      ///< one for each row of A, or null for 1
    size_t k;        ///< inner dimension; for int8 at most 131072, where int32 still holds every sum
    size_t columns;  ///< output columns that exist: N, or N / 2 for a gated product. No others are written.

    pp_epilogue epilogue;
    float *f32;      ///< PP_STORE_F32, PP_ADD_F32
    size_t ld_f32;
    uint16_t *bf16;  ///< PP_STORE_BF16, PP_RELU_BF16, PP_GATED_GELU_BF16
    size_t ld_bf16;
    float *best;           ///< PP_ARGMAX: start with -infinity
    int32_t *best_index;   ///< PP_ARGMAX: start with INT32_MAX; ties go to the lower index, NaN never wins
} pp_gemm;

/// Bytes from one row of a matrix to the next that its kernels like best, for rows of `width` bytes: an odd
/// number of cache lines, so that the rows of a tile do not share the few places a cache has for one address.
static inline size_t pp_row_stride(size_t width) { return ((width + 63) / 64 | 1) * 64; }

/// Computes rows `row_begin..<row_end` of panels `panel_begin..<panel_end` on the calling thread; ranges that
/// do not overlap may run at once. For a gated product both ends of the panel range must be even.
///
/// bf16 × bf16 into float32. Each element is summed over K in one order that depends on nothing but K and the
/// instruction set: not on M, the element's place, or how rows and panels are split (batch invariance).
void pp_gemm_bf16(const pp_kernels *kernels, const pp_gemm *gemm, size_t row_begin, size_t row_end,
                  size_t panel_begin, size_t panel_end);

/// int8 × int8 into int32, exact and so the same on every instruction set. A's elements are within -127…127
/// and `row_scale` holds the rows' scales (see rows.h): `c = (float)sum * column_scale[n] * row_scale[m]`.
void pp_gemm_int8(const pp_kernels *kernels, const pp_gemm *gemm, size_t row_begin, size_t row_end,
                  size_t panel_begin, size_t panel_end);
