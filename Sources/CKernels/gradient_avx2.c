#include "tables.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define PP_NAME(name) pp_avx2_##name
#define PP_TABLE(name) pp_##name##_avx2
#include "gradient_body.h"
#pragma clang attribute pop
#endif
