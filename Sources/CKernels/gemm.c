#include "gemm.h"

#include "gemm_kernels.h"

void pp_gemm_bf16(const pp_cpu *cpu, const pp_gemm *gemm, size_t row_begin, size_t row_end,
                  size_t panel_begin, size_t panel_end) {
    pp_range range = {row_begin, row_end, panel_begin, panel_end};
    if (row_begin >= row_end || panel_begin >= panel_end) return;
#if defined(__x86_64__)
    if (cpu->amx_bf16) return pp_gemm_bf16_amx(gemm, range);
    if (cpu->avx512_bf16) return pp_gemm_bf16_avx512_bf16(gemm, range);
    if (cpu->isa >= PP_ISA_AVX512) return pp_gemm_bf16_avx512(gemm, range);
    if (cpu->isa == PP_ISA_AVX2) return pp_gemm_bf16_avx2(gemm, range);
#endif
    (void)cpu;
    pp_gemm_bf16_scalar(gemm, range);
}

void pp_gemm_int8(const pp_cpu *cpu, const pp_gemm *gemm, size_t row_begin, size_t row_end,
                  size_t panel_begin, size_t panel_end) {
    pp_range range = {row_begin, row_end, panel_begin, panel_end};
    if (row_begin >= row_end || panel_begin >= panel_end) return;
#if defined(__x86_64__)
    if (cpu->amx_int8) return pp_gemm_int8_amx(gemm, range);
    if (cpu->avx512_vnni && cpu->avx512_bf16) return pp_gemm_int8_avx512_bf16(gemm, range);
    if (cpu->avx512_vnni) return pp_gemm_int8_avx512(gemm, range);
    if (cpu->isa >= PP_ISA_AVX2) return pp_gemm_int8_avx2(gemm, range);
#endif
    (void)cpu;
    pp_gemm_int8_scalar(gemm, range);
}
