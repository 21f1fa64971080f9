// Row kernels for AVX-512.

#if defined(__x86_64__)

#define PP_TABLE(name) pp_##name##_avx512
#define PP_ROWS(name) pp_rows_avx512_##name
#define PP_ROWS_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#include "rows_body.h"

#endif
