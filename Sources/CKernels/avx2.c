// The kernels for AVX2.

#include "unit.h"

#if defined(__x86_64__)

#define PP_KERNEL(name) pp_avx2_##name

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include "rows_body.h"
#include "float32_body.h"
#include "gradient_plain.h"
#include "gradient_body.h"
#include "attention_plain.h"
#include "gemm_avx2.h"
#pragma clang attribute pop

const pp_kernels pp_avx2_kernels = {
    .name = "avx2",
    .bf16 = &pp_avx2_gemm_bf16,
    .int8 = &pp_avx2_gemm_int8,
    .rows = &pp_avx2_rows,
    .float32 = &pp_avx2_float32,
    .attention = &pp_avx2_attention,
    .gradient = &pp_avx2_gradient,
};

#endif
