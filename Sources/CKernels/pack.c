#include "pack.h"

#include <math.h>
#include <string.h>

#include "number.h"

enum { BLOCK_BF16 = 32, BLOCK_INT8 = 64 };

size_t pp_panel_bf16(size_t k) { return pp_round_up(k, BLOCK_BF16) * PP_PANEL; }

size_t pp_panel_int8(size_t k) { return pp_round_up(k, BLOCK_INT8) * PP_PANEL; }

size_t pp_panel_count(const pp_matrix *matrices, size_t count, pp_arrangement arrangement) {
    size_t rows = 0;
    if (arrangement == PP_INTERLEAVED) return pp_round_up(matrices[0].rows, PP_PANEL) / PP_PANEL * 2;
    for (size_t i = 0; i < count; i++) rows += matrices[i].rows;
    return pp_round_up(rows, PP_PANEL) / PP_PANEL;
}

/// What is packed.
typedef struct source {
    const pp_matrix *matrices;
    size_t count, k;
    pp_arrangement arrangement;
    const float *gain;
} source;

/// A panel's column as float32, times the gain, and K's padding as zeros; all zeros for a padding column.
static void load_column(const source *s, size_t panel, size_t n, size_t begin, size_t end, float *out) {
    const pp_matrix *matrices = s->matrices;
    size_t count = s->count, k = s->k;
    size_t row = panel * PP_PANEL + n, matrix = 0;
    if (s->arrangement == PP_INTERLEAVED) {
        matrix = panel % 2;
        row = panel / 2 * PP_PANEL + n;
        if (row >= matrices[matrix].rows) matrix = count;
    } else {
        while (matrix < count && row >= matrices[matrix].rows) row -= matrices[matrix++].rows;
    }
    size_t stop = matrix == count ? begin : (end < k ? end : k);
    for (size_t i = begin; i < stop; i++) {
        size_t at = row * matrices[matrix].ld + i;
        const void *data = matrices[matrix].data;
        float x = 0;
        switch (matrices[matrix].type) {
        case PP_F32: x = ((const float *)data)[at]; break;
        case PP_F16: x = pp_widen_half(((const uint16_t *)data)[at]); break;
        case PP_BF16: x = pp_widen(((const uint16_t *)data)[at]); break;
        }
        out[i - begin] = s->gain ? x * s->gain[i] : x;
    }
    for (size_t i = stop; i < end; i++) out[i - begin] = 0;
}

void pp_pack_bf16(const pp_matrix *matrices, size_t count, pp_arrangement arrangement, size_t k,
                  const float *gain, size_t begin, size_t end, uint16_t *panels) {
    source from = {matrices, count, k, arrangement, gain};
    float column[BLOCK_BF16];
    for (size_t panel = begin; panel < end; panel++)
        for (size_t start = 0; start < pp_round_up(k, BLOCK_BF16); start += BLOCK_BF16) {
            uint16_t *tile = panels + panel * pp_panel_bf16(k) + start * PP_PANEL;
            for (size_t n = 0; n < PP_PANEL; n++) {
                load_column(&from, panel, n, start, start + BLOCK_BF16, column);
                for (size_t i = 0; i < BLOCK_BF16; i++)
                    tile[i / 2 * 2 * PP_PANEL + n * 2 + i % 2] = pp_narrow(column[i]);
            }
        }
}

void pp_pack_int8(const pp_matrix *matrices, size_t count, pp_arrangement arrangement, size_t k,
                  const float *gain, size_t begin, size_t end, int8_t *panels, float *scales, int32_t *sums) {
    source from = {matrices, count, k, arrangement, gain};
    float column[BLOCK_INT8];
    size_t padded = pp_round_up(k, BLOCK_INT8);
    for (size_t panel = begin; panel < end; panel++)
        for (size_t n = 0; n < PP_PANEL; n++) {
            float largest = 0;
            for (size_t start = 0; start < padded; start += BLOCK_INT8) {
                load_column(&from, panel, n, start, start + BLOCK_INT8, column);
                for (size_t i = 0; i < BLOCK_INT8; i++) largest = fmaxf(largest, fabsf(column[i]));
            }
            float inverse = pp_inverse_step(largest);
            int32_t sum = 0;
            for (size_t start = 0; start < padded; start += BLOCK_INT8) {
                int8_t *tile = panels + panel * pp_panel_int8(k) + start * PP_PANEL;
                load_column(&from, panel, n, start, start + BLOCK_INT8, column);
                for (size_t i = 0; i < BLOCK_INT8; i++) {
                    int8_t element = pp_quantize(column[i], inverse);
                    tile[i / 4 * 4 * PP_PANEL + n * 4 + i % 4] = element;
                    sum += element;
                }
            }
            scales[panel * PP_PANEL + n] = largest / 127;
            sums[panel * PP_PANEL + n] = sum;
        }
}
