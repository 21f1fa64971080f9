// Attention where AMX multiplies: AVX-512 with its bf16 conversion.

#if defined(__x86_64__)

#define PP_NATIVE_BF16
#define PP_ATTENTION(name) pp_attention_amx_##name
#include "attention_avx512.h"

#endif
