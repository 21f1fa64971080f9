// The one place where kernels are chosen.

#include "kernels.h"

#include "tables.h"

const pp_kernels *pp_kernels_for(const pp_cpu *cpu) {
#if defined(__x86_64__)
    switch (cpu->isa) {
    case PP_ISA_AMX: return &pp_amx_kernels;
    case PP_ISA_AVX512:
        if (cpu->avx512_bf16) return &pp_avx512bf16_kernels;
        return cpu->avx512_vnni ? &pp_avx512vnni_kernels : &pp_avx512_kernels;
    case PP_ISA_AVX2: return &pp_avx2_kernels;
    case PP_ISA_SCALAR: break;
    }
#endif
    (void)cpu;
    return &pp_scalar_kernels;
}
