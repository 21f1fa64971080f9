#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Element types of weights as they are stored.
typedef enum pp_type { PP_F32 = 0, PP_F16 = 1, PP_BF16 = 2 } pp_type;

/// A row-major matrix `[rows, K]` whose rows are output channels, as Hugging Face stores linear layers.
typedef struct pp_matrix {
    const void *data;
    size_t rows;
    size_t ld;  ///< elements from one row to the next, at least K
    pp_type type;
} pp_matrix;

/// How output channels fill the panels' columns.
typedef enum pp_arrangement {
    PP_CONCATENATED = 0,  ///< rows of the first matrix, then of the second, …; only the last panel is padded
    PP_INTERLEAVED = 1,   ///< gate and up, as many rows each: even panels hold the gate's, odd the other's
} pp_arrangement;

// Packed weights are panels of 16 output channels ("columns"), one after another, the same for every
// instruction set and fit to be written to disk. In a panel K comes first and is padded with zeros:
//   bf16: K to a multiple of 32; element (k, n) of a panel is number (k / 2) * 32 + n * 2 + k % 2.
//   int8: K to a multiple of 64; element (k, n) of a panel is number (k / 4) * 64 + n * 4 + k % 4.
// So 1024 bytes are one AMX tile, 64 bytes one AVX-512 register. Panels must be aligned to 64 bytes.

/// Columns of a panel.
enum { PP_PANEL = 16 };

/// Panels that `count` matrices of the given rows fill.
size_t pp_panel_count(const pp_matrix *matrices, size_t count, pp_arrangement arrangement);

/// Elements of one bf16 panel: 16 times K padded to 32.
size_t pp_panel_bf16(size_t k);

/// Elements (bytes) of one int8 panel: 16 times K padded to 64.
size_t pp_panel_int8(size_t k);

/// Packs panels `begin..<end` of the arrangement as bf16, rounded to nearest even. `gain[K]`, when not null,
/// multiplies every row (an RMSNorm gain folds into the GEMM that follows it). `panels` is panel 0.
void pp_pack_bf16(const pp_matrix *matrices, size_t count, pp_arrangement arrangement, size_t k,
                  const float *gain, size_t begin, size_t end, uint16_t *panels);

/// Packs panels `begin..<end` as int8, each column with its own symmetric scale (largest magnitude / 127), so
/// that weight ≈ element * scale. Also writes each column's sum of elements, which the u8 × s8 instructions
/// need. `scales` and `sums` have 16 entries for each panel, padding columns included (scale and sum 0).
void pp_pack_int8(const pp_matrix *matrices, size_t count, pp_arrangement arrangement, size_t k,
                  const float *gain, size_t begin, size_t end, int8_t *panels, float *scales, int32_t *sums);
