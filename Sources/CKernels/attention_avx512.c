// Attention for AVX-512.

#if defined(__x86_64__)

#define PP_ATTENTION(name) pp_attention_avx512_##name
#include "attention_avx512.h"

#endif
