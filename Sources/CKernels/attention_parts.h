#pragma once

// What attention and its gradient share: how one head's rows are packed as panels, and a block of queries' scores.

#include "dropout.h"
#include "number.h"
#include "pack.h"
#include "tables.h"

/// Queries at a time.
enum { PP_QUERY_BLOCK = 64 };

static inline size_t pp_panels_of(size_t columns) { return (columns + PP_PANEL - 1) / PP_PANEL; }

/// Bytes of rows packed as columns `[width, rows]`, and as they are `[rows, width]`: K and N of a product.
static inline size_t pp_packed_columns(size_t rows, size_t width) {
    return pp_panels_of(rows) * pp_panel_bf16(width) * sizeof(uint16_t);
}

static inline size_t pp_packed_rows(size_t rows, size_t width) {
    return pp_panels_of(width) * pp_panel_bf16(rows) * sizeof(uint16_t);
}

static inline void pp_pack_columns(const pp_kernels *kernels, const uint16_t *x, size_t ld, size_t rows,
                                   size_t width, uint16_t *panels) {
    for (size_t n = 0; n < rows; n += PP_PANEL)
        kernels->attention->pack_keys(x + n * ld, ld, pp_min(rows - n, PP_PANEL), width,
                                      panels + n / PP_PANEL * pp_panel_bf16(width));
}

static inline void pp_pack_rows(const pp_kernels *kernels, const uint16_t *x, size_t ld, size_t rows,
                                size_t width, uint16_t *panels) {
    for (size_t n = 0; n < width; n += PP_PANEL)
        kernels->attention->pack_values(x + n, ld, rows, pp_min(width - n, PP_PANEL),
                                        panels + n / PP_PANEL * pp_panel_bf16(rows));
}

/// A block of queries' rows: float32 scores `[block, keys]`, and bf16 weights (the softmax's, or their gradients)
/// whose keys are padded to whole steps of a product over them.
typedef struct pp_query_rows {
    size_t padded;                 // keys
    size_t ld_scores, ld_weights;  // elements from one row to the next
    size_t scores, weights;        // bytes of a block
} pp_query_rows;

static inline pp_query_rows pp_query_rows_of(size_t keys) {
    const size_t padded = pp_round_up(keys, 32);
    const size_t scores = pp_row_stride(keys * sizeof(float));
    const size_t weights = pp_row_stride(padded * sizeof(uint16_t));
    return (pp_query_rows){.padded = padded, .ld_scores = scores / sizeof(float),
                           .ld_weights = weights / sizeof(uint16_t), .scores = PP_QUERY_BLOCK * scores,
                           .weights = PP_QUERY_BLOCK * weights};
}

/// A query's bias: `bias[j - i]` for query i, or null.
static inline const float *pp_query_bias(const float *bias, size_t query) {
    return bias ? bias - (ptrdiff_t)query : NULL;
}

/// A query's dropout from its head's.
static inline pp_dropout pp_query_dropout(const pp_dropout *dropout, size_t query) {
    pp_dropout row = *dropout;
    row.key = pp_dropout_key(row.key, query);
    return row;
}

/// The scores `a · columns` of `rows` rows of `a` with packed columns, one for each key.
static inline void pp_multiply_columns(const pp_kernels *kernels, const uint16_t *a, size_t lda, size_t rows,
                                       size_t width, const void *columns, size_t keys, float *scores,
                                       size_t ld) {
    const pp_gemm product = {.a = a, .lda = lda, .panels = columns, .k = width, .columns = keys,
                             .epilogue = PP_STORE_F32, .f32 = scores, .ld_f32 = ld};
    pp_gemm_bf16(kernels, &product, 0, rows, 0, pp_panels_of(keys));
}
