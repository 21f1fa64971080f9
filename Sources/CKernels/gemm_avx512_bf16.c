// GEMM for AVX-512 with its bf16 instructions.

#if defined(__x86_64__)

#define PP_NATIVE_BF16
#define PP_TABLE(name) pp_##name##_avx512_bf16
#include "gemm_avx512.h"

#endif
