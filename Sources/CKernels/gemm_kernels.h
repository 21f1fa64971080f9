#pragma once

// One entry for each instruction set; gemm.c chooses.

#include "gemm.h"

typedef struct pp_range {
    size_t row_begin, row_end, panel_begin, panel_end;
} pp_range;

void pp_gemm_bf16_scalar(const pp_gemm *gemm, pp_range range);
void pp_gemm_int8_scalar(const pp_gemm *gemm, pp_range range);

#if defined(__x86_64__)
void pp_gemm_bf16_avx2(const pp_gemm *gemm, pp_range range);
void pp_gemm_int8_avx2(const pp_gemm *gemm, pp_range range);
void pp_gemm_bf16_avx512(const pp_gemm *gemm, pp_range range);
void pp_gemm_int8_avx512(const pp_gemm *gemm, pp_range range);       // needs VNNI
void pp_gemm_bf16_avx512_bf16(const pp_gemm *gemm, pp_range range);
void pp_gemm_int8_avx512_bf16(const pp_gemm *gemm, pp_range range);  // needs VNNI
void pp_gemm_bf16_amx(const pp_gemm *gemm, pp_range range);
void pp_gemm_int8_amx(const pp_gemm *gemm, pp_range range);
#endif
