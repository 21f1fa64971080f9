// The one place where kernels are chosen.

#include "kernels.h"

#include "tables.h"

static const pp_kernels scalar = {
    .name = "scalar",
    .bf16 = &pp_bf16_scalar,
    .int8 = &pp_int8_scalar,
    .rows = &pp_rows_scalar,
    .float32 = &pp_float32_scalar,
    .attention = &pp_attention_scalar,
    .gradient = &pp_gradient_scalar,
};

#if defined(__x86_64__)

static const pp_kernels avx2 = {
    .name = "avx2",
    .bf16 = &pp_bf16_avx2,
    .int8 = &pp_int8_avx2,
    .rows = &pp_rows_avx2,
    .float32 = &pp_float32_avx2,
    .attention = &pp_attention_avx2,
    .gradient = &pp_gradient_avx2,
};

/// AVX-512 by which of its later parts a CPU has. Without VNNI int8 is multiplied as AVX2 does it.
#define AVX512(called, bf16_, int8_, attention_)                                                 \
    {.name = called, .bf16 = &bf16_, .int8 = &int8_, .attention = &attention_,                   \
     .rows = &pp_rows_avx512, .float32 = &pp_float32_avx512, .gradient = &pp_gradient_avx512}
static const pp_kernels avx512 =
    AVX512("avx512", pp_bf16_avx512, pp_int8_avx2, pp_attention_avx512);
static const pp_kernels avx512_vnni =
    AVX512("avx512+vnni", pp_bf16_avx512, pp_int8_avx512, pp_attention_avx512);
static const pp_kernels avx512_bf16 =
    AVX512("avx512+bf16", pp_bf16_avx512_bf16, pp_int8_avx2, pp_attention_avx512_bf16);
static const pp_kernels avx512_bf16_vnni =
    AVX512("avx512+bf16+vnni", pp_bf16_avx512_bf16, pp_int8_avx512_bf16, pp_attention_avx512_bf16);
static const pp_kernels amx = AVX512("amx", pp_bf16_amx, pp_int8_amx, pp_attention_avx512_bf16);
#undef AVX512

#endif

const pp_kernels *pp_kernels_for(const pp_cpu *cpu) {
#if defined(__x86_64__)
    switch (cpu->isa) {
    case PP_ISA_AMX: return &amx;
    case PP_ISA_AVX512:
        if (cpu->avx512_bf16) return cpu->avx512_vnni ? &avx512_bf16_vnni : &avx512_bf16;
        return cpu->avx512_vnni ? &avx512_vnni : &avx512;
    case PP_ISA_AVX2: return &avx2;
    case PP_ISA_SCALAR: break;
    }
#endif
    (void)cpu;
    return &scalar;
}
