// Row kernels in plain C, compiled once for each instruction set: the including unit defines PP_ROWS(name),
// the name's form there, and PP_ROWS_TARGET. Lanes of 16 let the compiler use whole registers of any width
// and still add in one order; nothing is contracted, so that every instruction set gives the same bits.

#include "number.h"
#include "tables.h"

#pragma STDC FP_CONTRACT OFF

PP_ROWS_TARGET static inline float PP_ROWS(lane_max)(const float lanes[16]) {
    float largest = 0;
    for (int i = 0; i < 16; i++) largest = lanes[i] > largest ? lanes[i] : largest;
    return largest;
}

PP_ROWS_TARGET static void PP_ROWS(narrow)(size_t width, const float *restrict x, uint16_t *restrict out) {
    for (size_t i = 0; i < width; i++) out[i] = pp_narrow(x[i]);
}

PP_ROWS_TARGET static void PP_ROWS(widen)(size_t width, const uint16_t *restrict x, float *restrict out) {
    for (size_t i = 0; i < width; i++) out[i] = pp_widen(x[i]);
}

PP_ROWS_TARGET static float PP_ROWS(square_sum)(size_t width, const float *restrict x) {
    float lanes[16] = {0};
    size_t i = 0;
    for (; i + 16 <= width; i += 16)
        for (size_t l = 0; l < 16; l++) lanes[l] += x[i + l] * x[i + l];
    for (; i < width; i++) lanes[i % 16] += x[i] * x[i];
    return pp_lane_sum(lanes);
}

PP_ROWS_TARGET static float PP_ROWS(amax_f32)(size_t width, const float *restrict x,
                                              const float *restrict gain) {
    float lanes[16] = {0};
    size_t whole = width / 16 * 16;
    for (size_t i = 0; i < whole && !gain; i += 16)
        for (size_t l = 0; l < 16; l++) {
            float v = fabsf(x[i + l]);
            lanes[l] = v > lanes[l] ? v : lanes[l];
        }
    for (size_t i = 0; i < whole && gain; i += 16)
        for (size_t l = 0; l < 16; l++) {
            float v = fabsf(x[i + l] * gain[i + l]);
            lanes[l] = v > lanes[l] ? v : lanes[l];
        }
    for (size_t i = whole; i < width; i++) {
        float v = fabsf(gain ? x[i] * gain[i] : x[i]);
        lanes[0] = v > lanes[0] ? v : lanes[0];
    }
    return PP_ROWS(lane_max)(lanes);
}

PP_ROWS_TARGET static float PP_ROWS(amax_bf16)(size_t width, const uint16_t *restrict x) {
    // Magnitudes order like their bits; beyond infinity lie the NaNs.
    uint16_t largest = 0;
    for (size_t i = 0; i < width; i++) {
        uint16_t v = x[i] & 0x7fff;
        largest = v > largest ? v : largest;
    }
    return pp_widen(largest);
}

PP_ROWS_TARGET static void PP_ROWS(quantise_f32)(size_t width, const float *restrict x,
                                                 const float *restrict gain, float inverse,
                                                 int8_t *restrict out) {
    if (gain)
        for (size_t i = 0; i < width; i++) out[i] = pp_quantise(x[i] * gain[i], inverse);
    else
        for (size_t i = 0; i < width; i++) out[i] = pp_quantise(x[i], inverse);
}

PP_ROWS_TARGET static void PP_ROWS(quantise_bf16)(size_t width, const uint16_t *restrict x, float inverse,
                                                  int8_t *restrict out) {
    for (size_t i = 0; i < width; i++) out[i] = pp_quantise(pp_widen(x[i]), inverse);
}

const pp_row_kernels PP_TABLE(rows) = {
    .narrow = PP_ROWS(narrow),
    .widen = PP_ROWS(widen),
    .square_sum = PP_ROWS(square_sum),
    .amax_f32 = PP_ROWS(amax_f32),
    .amax_bf16 = PP_ROWS(amax_bf16),
    .quantise_f32 = PP_ROWS(quantise_f32),
    .quantise_bf16 = PP_ROWS(quantise_bf16),
};
