#pragma once

#include <stddef.h>
#include <stdint.h>

/// Inner parts of the row kernels, over `width` elements of one row, for one instruction set.
typedef struct pp_rows {
    void (*narrow)(size_t width, const float *x, uint16_t *out);
    void (*widen)(size_t width, const uint16_t *x, float *out);
    float (*square_sum)(size_t width, const float *x);
    /// Largest magnitude of `x * gain` (`gain` may be null).
    float (*amax_f32)(size_t width, const float *x, const float *gain);
    float (*amax_bf16)(size_t width, const uint16_t *x);
    /// `x * gain * inverse` to int8.
    void (*quantise_f32)(size_t width, const float *x, const float *gain, float inverse, int8_t *out);
    void (*quantise_bf16)(size_t width, const uint16_t *x, float inverse, int8_t *out);
} pp_rows;

extern const pp_rows pp_rows_scalar_kernels;
#if defined(__x86_64__)
extern const pp_rows pp_rows_avx2_kernels, pp_rows_avx512_kernels;
#endif
