#include "include/isa.h"

#include <stdlib.h>
#include <string.h>

static pp_isa detect(void) {
    pp_isa best = PP_ISA_SCALAR;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) best = PP_ISA_AVX2;
    if (best == PP_ISA_AVX2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        best = PP_ISA_AVX512;
#endif
    const char *cap = getenv("POLYPROMPT_ISA");
    const char *names[] = {"scalar", "avx2", "avx512", "amx"};
    for (int i = 0; cap && i < 4; i++)
        if (!strcmp(cap, names[i]) && (pp_isa)i < best) best = (pp_isa)i;
    return best;
}

pp_isa pp_isa_current(void) {
    static int known = -1;
    int isa = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (isa < 0) {
        isa = (int)detect();
        __atomic_store_n(&known, isa, __ATOMIC_RELAXED);
    }
    return (pp_isa)isa;
}
