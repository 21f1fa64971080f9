// Parts of the kernels of rows.h.

#include "lanes.h"

#pragma clang fp contract(off)

static void PP_KERNEL(narrow)(size_t width, const float *restrict x, uint16_t *restrict out) {
    for (size_t i = 0; i < width; i++) out[i] = pp_narrow(x[i]);
}

static void PP_KERNEL(widen)(size_t width, const uint16_t *restrict x, float *restrict out) {
    for (size_t i = 0; i < width; i++) out[i] = pp_widen(x[i]);
}

static float PP_KERNEL(square_sum)(size_t width, const float *x) {
    v16 sum = {0};
    for (size_t i = 0; i < width; i += LANES) {
        const v16 v = v16_load(x + i, width - i, 0);
        sum += v * v;
    }
    return v16_sum(sum);
}

static float PP_KERNEL(amax_f32)(size_t width, const float *x, const float *gain) {
    v16 largest = {0};
    for (size_t i = 0; i < width; i += LANES) {
        v16 v = v16_load(x + i, width - i, 0);
        if (gain) v *= v16_load(gain + i, width - i, 0);
        largest = v16_larger((v16)((v16_int)v & 0x7fffffff), largest);
    }
    return v16_largest(largest);
}

static float PP_KERNEL(amax_bf16)(size_t width, const uint16_t *x) {
    // Magnitudes order like their bits; beyond infinity lie the NaNs.
    uint16_t largest = 0;
    for (size_t i = 0; i < width; i++) {
        uint16_t v = x[i] & 0x7fff;
        largest = v > largest ? v : largest;
    }
    return pp_widen(largest);
}

static void PP_KERNEL(quantize_f32)(size_t width, const float *restrict x, const float *restrict gain,
                                    float inverse, int8_t *restrict out) {
    if (gain)
        for (size_t i = 0; i < width; i++) out[i] = pp_quantize(x[i] * gain[i], inverse);
    else
        for (size_t i = 0; i < width; i++) out[i] = pp_quantize(x[i], inverse);
}

static void PP_KERNEL(quantize_bf16)(size_t width, const uint16_t *restrict x, float inverse,
                                     int8_t *restrict out) {
    for (size_t i = 0; i < width; i++) out[i] = pp_quantize(pp_widen(x[i]), inverse);
}

const pp_row_kernels PP_KERNEL(rows) = {
    .narrow = PP_KERNEL(narrow),
    .widen = PP_KERNEL(widen),
    .square_sum = PP_KERNEL(square_sum),
    .amax_f32 = PP_KERNEL(amax_f32),
    .amax_bf16 = PP_KERNEL(amax_bf16),
    .quantize_f32 = PP_KERNEL(quantize_f32),
    .quantize_bf16 = PP_KERNEL(quantize_bf16),
};
