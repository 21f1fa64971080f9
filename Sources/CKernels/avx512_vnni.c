// What VNNI adds to AVX-512.

#include "unit.h"

#if defined(__x86_64__)

#define PP_KERNEL(name) pp_avx512vnni_##name
#define PP_VNNI

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma"))), apply_to = function)
#include "gemm_avx512.h"
#pragma clang attribute pop

const pp_kernels pp_avx512vnni_kernels = {
    .name = "avx512+vnni",
    .bf16 = &pp_avx512_gemm_bf16,
    .int8 = &pp_avx512vnni_gemm_int8,
    .rows = &pp_avx512_rows,
    .float32 = &pp_avx512_float32,
    .attention = &pp_avx512_attention,
    .gradient = &pp_avx512_gradient,
};

#endif
