// Attention for AVX-512 with its bf16 instructions (so where AMX multiplies, too).

#if defined(__x86_64__)

#define PP_NATIVE_BF16
#define PP_TABLE(name) pp_##name##_avx512_bf16
#define PP_ATTENTION(name) pp_attention_avx512_bf16_##name
#include "attention_avx512.h"

#endif
