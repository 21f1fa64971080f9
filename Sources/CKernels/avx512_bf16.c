// What the bf16 instructions add to AVX-512 with VNNI.

#include "unit.h"

#if defined(__x86_64__)

#define PP_KERNEL(name) pp_avx512bf16_##name
#define PP_VNNI
#define PP_NATIVE_BF16

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,fma"))), apply_to = function)
#include "attention_avx512.h"
#include "gemm_avx512.h"
#pragma clang attribute pop

const pp_kernels pp_avx512bf16_kernels = {
    .name = "avx512+vnni+bf16",
    .bf16 = &pp_avx512bf16_gemm_bf16,
    .int8 = &pp_avx512bf16_gemm_int8,
    .rows = &pp_avx512_rows,
    .float32 = &pp_avx512_float32,
    .attention = &pp_avx512bf16_attention,
    .gradient = &pp_avx512_gradient,
};

#endif
