// Attention for AVX-512.

#if defined(__x86_64__)

#define PP_TABLE(name) pp_##name##_avx512
#define PP_ATTENTION(name) pp_attention_avx512_##name
#include "attention_avx512.h"

#endif
