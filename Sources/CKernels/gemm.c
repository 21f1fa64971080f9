#include "gemm.h"

#include "tables.h"

static void multiply(const pp_product_kernels *kernels, const pp_gemm *gemm, pp_range range) {
    if (range.row_begin >= range.row_end || range.panel_begin >= range.panel_end) return;
    kernels->multiply(gemm, range);
}

void pp_gemm_bf16(const pp_kernels *kernels, const pp_gemm *gemm, size_t row_begin, size_t row_end,
                  size_t panel_begin, size_t panel_end) {
    multiply(kernels->bf16, gemm, (pp_range){row_begin, row_end, panel_begin, panel_end});
}

void pp_gemm_int8(const pp_kernels *kernels, const pp_gemm *gemm, size_t row_begin, size_t row_end,
                  size_t panel_begin, size_t panel_end) {
    multiply(kernels->int8, gemm, (pp_range){row_begin, row_end, panel_begin, panel_end});
}
