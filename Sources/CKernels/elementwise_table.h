#pragma once

#include "include/elementwise.h"

/// The float32 row kernels of one instruction set; see elementwise.h for what each computes.
struct pp_elementwise {
    void (*rms_norm)(
        const float *, size_t, const float *, float, float, size_t, size_t, float *, size_t);
    void (*relu)(float *, size_t);
    void (*gated_gelu)(float *, size_t, const float *, size_t, size_t, size_t);
    void (*softmax_bias)(float *, size_t, const float *, size_t, size_t);
    void (*attend)(
        const float *, const float *, size_t, const float *, size_t, const int32_t *, size_t, size_t,
        const float *, float *, float *);
    void (*gemm_few_rows)(
        const float *, size_t, size_t, const float *, size_t, size_t, size_t, float *, size_t, int);
    float (*dot)(const float *, const float *, size_t);
    double (*log_sum_exp)(const float *, size_t);
};

extern const struct pp_elementwise pp_scalar_elementwise;
#if defined(__x86_64__)
extern const struct pp_elementwise pp_avx2_elementwise;
extern const struct pp_elementwise pp_avx512_elementwise;
#endif
