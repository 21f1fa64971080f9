#include "rows.h"

#include <math.h>

#include "number.h"
#include "tables.h"

static float inverse_rms_of(float square_sum, size_t width, float epsilon) {
    return pp_inverse_root(square_sum / (float)width, epsilon);
}

void pp_rms_cast_bf16(const pp_kernels *kernels, size_t rows, size_t width, const float *x, size_t ldx,
                      float epsilon, uint16_t *out, size_t ldo, float *inverse_rms) {
    const pp_row_kernels *k = kernels->rows;
    for (size_t m = 0; m < rows; m++) {
        inverse_rms[m] = inverse_rms_of(k->square_sum(width, x + m * ldx), width, epsilon);
        k->narrow(width, x + m * ldx, out + m * ldo);
    }
}

void pp_rms_quant_int8(const pp_kernels *kernels, size_t rows, size_t width, const float *x, size_t ldx,
                       const float *gain, float epsilon, int8_t *out, size_t ldo, float *scale) {
    const pp_row_kernels *k = kernels->rows;
    for (size_t m = 0; m < rows; m++) {
        const float *row = x + m * ldx;
        float largest = k->amax_f32(width, row, gain);
        k->quantize_f32(width, row, gain, pp_inverse_step(largest), out + m * ldo);
        scale[m] = largest / 127 * inverse_rms_of(k->square_sum(width, row), width, epsilon);
    }
}

void pp_quant_int8(const pp_kernels *kernels, size_t rows, size_t width, const uint16_t *x, size_t ldx,
                   int8_t *out, size_t ldo, float *scale) {
    const pp_row_kernels *k = kernels->rows;
    for (size_t m = 0; m < rows; m++) {
        float largest = k->amax_bf16(width, x + m * ldx);
        k->quantize_bf16(width, x + m * ldx, pp_inverse_step(largest), out + m * ldo);
        scale[m] = largest / 127;
    }
}

void pp_f32_to_bf16(const pp_kernels *kernels, size_t count, const float *x, uint16_t *out) {
    kernels->rows->narrow(count, x, out);
}

void pp_bf16_to_f32(const pp_kernels *kernels, size_t count, const uint16_t *x, float *out) {
    kernels->rows->widen(count, x, out);
}
