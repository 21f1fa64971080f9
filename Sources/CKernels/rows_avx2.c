// Row kernels for AVX2.

#if defined(__x86_64__)

#define PP_TABLE(name) pp_##name##_avx2
#define PP_ROWS(name) pp_rows_avx2_##name
#define PP_ROWS_TARGET __attribute__((target("avx2,fma")))
#include "rows_body.h"

#endif
