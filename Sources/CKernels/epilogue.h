#pragma once

// Epilogues in plain C for the scalar and AVX2 kernels; there the product dominates. Nothing but the exponential is
// contracted into fused multiply-adds, so that every instruction set rounds alike.

#include "number.h"

#pragma clang fp contract(off)

/// The first `count` columns of one row of a panel, which begins at `column`.
PP_INLINE void pp_finish_columns(const pp_gemm *g, size_t row, size_t column, size_t count, const float *c,
                                 const float *up) {
    float scale = g->row_scale ? g->row_scale[row] : 1;
    switch (g->epilogue) {
    case PP_STORE_F32: {
        float *out = g->f32 + row * g->ld_f32 + column;
        for (size_t n = 0; n < count; n++) out[n] = c[n] * scale;
        break;
    }
    case PP_STORE_BF16: {
        uint16_t *out = g->bf16 + row * g->ld_bf16 + column;
        for (size_t n = 0; n < count; n++) out[n] = pp_narrow(c[n] * scale);
        break;
    }
    case PP_ADD_F32: {
        float *out = g->f32 + row * g->ld_f32 + column;
        for (size_t n = 0; n < count; n++) {
            float scaled = c[n] * scale;
            out[n] += scaled;
        }
        break;
    }
    case PP_RELU_BF16: {
        uint16_t *out = g->bf16 + row * g->ld_bf16 + column;
        for (size_t n = 0; n < count; n++) {
            float scaled = c[n] * scale;
            out[n] = pp_narrow(scaled < 0 ? 0 : scaled);
        }
        break;
    }
    case PP_GATED_GELU_BF16: {
        uint16_t *out = g->bf16 + row * g->ld_bf16 + column;
        for (size_t n = 0; n < count; n++) out[n] = pp_narrow(pp_gelu(c[n] * scale) * (up[n] * scale));
        break;
    }
    case PP_ARGMAX:
        for (size_t n = 0; n < count; n++) {
            float scaled = c[n] * scale;
            int32_t index = (int32_t)(column + n);
            if (scaled > g->best[row] || (scaled == g->best[row] && index < g->best_index[row])) {
                g->best[row] = scaled;
                g->best_index[row] = index;
            }
        }
        break;
    }
}

/// Finishes one row of one panel: `c` has its 16 columns, `up` those of the panel after it when gated.
static inline void pp_finish_row(const pp_gemm *g, size_t row, size_t panel, const float *c, const float *up) {
    size_t column = g->epilogue == PP_GATED_GELU_BF16 ? panel / 2 * PP_PANEL : panel * PP_PANEL;
    size_t count = column < g->columns ? pp_min(PP_PANEL, g->columns - column) : 0;
    // A whole panel's loops are of a known length: vectors.
    if (count == PP_PANEL) pp_finish_columns(g, row, column, PP_PANEL, c, up);
    else pp_finish_columns(g, row, column, count, c, up);
}

/// Finishes `rows` rows of one or (gated) two panels whose sums lie in `sums[panel][row][16]`.
static inline void pp_finish_f32(const pp_gemm *g, size_t row, size_t rows, size_t panel, size_t panel_stride,
                                 const float *sums) {
    for (size_t m = 0; m < rows; m++)
        pp_finish_row(g, row + m, panel, sums + m * PP_PANEL, sums + panel_stride + m * PP_PANEL);
}

/// The same for int32 sums, which become float32 here.
static inline void pp_finish_s32(const pp_gemm *g, size_t row, size_t rows, size_t panel, size_t panel_stride,
                                 const int32_t *sums) {
    size_t panels = g->epilogue == PP_GATED_GELU_BF16 ? 2 : 1;
    for (size_t m = 0; m < rows; m++) {
        float c[2][PP_PANEL];
        for (size_t p = 0; p < panels; p++)
            for (size_t n = 0; n < PP_PANEL; n++)
                c[p][n] = (float)sums[p * panel_stride + m * PP_PANEL + n] *
                          g->column_scale[(panel + p) * PP_PANEL + n];
        pp_finish_row(g, row + m, panel, c[0], c[1]);
    }
}
