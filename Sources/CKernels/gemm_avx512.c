// GEMM for AVX-512 without its bf16 instructions.

#if defined(__x86_64__)

#define PP_TABLE(name) pp_##name##_avx512
#include "gemm_avx512.h"

#endif
