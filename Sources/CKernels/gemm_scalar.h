// Products in plain C: what every other kernel is compared with.

#include "epilogue.h"

#pragma clang fp contract(off)

/// Sums 16 columns of one row over K. Of each pair the odd element goes first, as in `vdpbf16ps`; products of
/// two bf16 are exact in float32, so fused multiply-adds round no differently.
static void sum_bf16(const uint16_t *a, size_t k, const uint16_t *panel, float c[PP_PANEL]) {
    for (size_t n = 0; n < PP_PANEL; n++) c[n] = 0;
    for (size_t i = 0; i < k; i += 2) {
        float even = pp_widen(a[i]), odd = i + 1 < k ? pp_widen(a[i + 1]) : 0;
        const uint16_t *pairs = panel + i * PP_PANEL;
        for (size_t n = 0; n < PP_PANEL; n++) {
            c[n] += odd * pp_widen(pairs[n * 2 + 1]);
            c[n] += even * pp_widen(pairs[n * 2]);
        }
    }
}

static void sum_int8(const int8_t *a, size_t k, const int8_t *panel, int32_t c[PP_PANEL]) {
    for (size_t n = 0; n < PP_PANEL; n++) c[n] = 0;
    for (size_t i = 0; i < k; i++) {
        const int8_t *quads = panel + i / 4 * 4 * PP_PANEL + i % 4;
        for (size_t n = 0; n < PP_PANEL; n++) c[n] += a[i] * quads[n * 4];
    }
}

static void PP_KERNEL(multiply_bf16)(const pp_gemm *g, pp_range r) {
    size_t step = g->epilogue == PP_GATED_GELU_BF16 ? 2 : 1;
    size_t stride = pp_panel_bf16(g->k);
    const uint16_t *a = g->a, *panels = g->panels;
    for (size_t p = r.panel_begin; p < r.panel_end; p += step)
        for (size_t m = r.row_begin; m < r.row_end; m++) {
            float c[2][PP_PANEL];
            for (size_t i = 0; i < step; i++) sum_bf16(a + m * g->lda, g->k, panels + (p + i) * stride, c[i]);
            pp_finish_f32(g, m, 1, p, PP_PANEL, c[0]);
        }
}

static void PP_KERNEL(multiply_int8)(const pp_gemm *g, pp_range r) {
    size_t step = g->epilogue == PP_GATED_GELU_BF16 ? 2 : 1;
    size_t stride = pp_panel_int8(g->k);
    const int8_t *a = g->a, *panels = g->panels;
    for (size_t p = r.panel_begin; p < r.panel_end; p += step)
        for (size_t m = r.row_begin; m < r.row_end; m++) {
            int32_t c[2][PP_PANEL];
            for (size_t i = 0; i < step; i++) sum_int8(a + m * g->lda, g->k, panels + (p + i) * stride, c[i]);
            pp_finish_s32(g, m, 1, p, PP_PANEL, c[0]);
        }
}

const pp_product_kernels PP_KERNEL(gemm_bf16) = {.multiply = PP_KERNEL(multiply_bf16)};
const pp_product_kernels PP_KERNEL(gemm_int8) = {.multiply = PP_KERNEL(multiply_int8)};
