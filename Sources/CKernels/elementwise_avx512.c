#include "tables.h"

#if defined(__x86_64__)
#pragma clang attribute push(                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)
#define PP_NAME(name) pp_avx512_##name
#define PP_TABLE(name) pp_##name##_avx512
#include "elementwise_body.h"
#pragma clang attribute pop
#endif
