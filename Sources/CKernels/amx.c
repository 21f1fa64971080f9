// What AMX adds to all that.

#include "unit.h"

#if defined(__x86_64__)

#define PP_KERNEL(name) pp_amx_##name
#define PP_NATIVE_BF16

#pragma clang attribute push( \
    __attribute__((target("amx-tile,amx-bf16,amx-int8,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma"))), \
    apply_to = function)
#include "gemm_amx.h"
#pragma clang attribute pop

const pp_kernels pp_amx_kernels = {
    .name = "amx",
    .bf16 = &pp_amx_gemm_bf16,
    .int8 = &pp_amx_gemm_int8,
    .rows = &pp_avx512_rows,
    .float32 = &pp_avx512_float32,
    .attention = &pp_avx512bf16_attention,
    .gradient = &pp_avx512_gradient,
};

#endif
