// The kernels for AVX-512. Without VNNI int8 is multiplied as AVX2 does it.

#include "unit.h"

#if defined(__x86_64__)

#define PP_KERNEL(name) pp_avx512_##name

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)
#include "rows_body.h"
#include "float32_body.h"
#include "gradient_avx512.h"
#include "gradient_body.h"
#include "attention_avx512.h"
#include "gemm_avx512.h"
#pragma clang attribute pop

const pp_kernels pp_avx512_kernels = {
    .name = "avx512",
    .bf16 = &pp_avx512_gemm_bf16,
    .int8 = &pp_avx2_gemm_int8,
    .rows = &pp_avx512_rows,
    .float32 = &pp_avx512_float32,
    .attention = &pp_avx512_attention,
    .gradient = &pp_avx512_gradient,
};

#endif
