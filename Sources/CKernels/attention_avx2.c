// Attention for AVX2: plain C, and the products between.

#if defined(__x86_64__)

#define PP_TABLE(name) pp_##name##_avx2
#define PP_ATTENTION(name) pp_attention_avx2_##name
#define PP_ATTENTION_TARGET __attribute__((target("avx2,fma")))
#include "attention_body.h"

#endif
