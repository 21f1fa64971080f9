// Attention's inner parts in plain C.

#include "number.h"

#pragma clang fp contract(on)

static void PP_KERNEL(pack_keys)(const uint16_t *k, size_t ld, size_t count, size_t width, uint16_t *panel) {
    memset(panel, 0, pp_panel_bf16(width) * sizeof *panel);
    for (size_t n = 0; n < count; n++)
        for (size_t i = 0; i < width; i++) panel[i / 2 * 2 * PP_PANEL + n * 2 + i % 2] = k[n * ld + i];
}

static void PP_KERNEL(pack_values)(const uint16_t *v, size_t ld, size_t keys, size_t columns, uint16_t *panel) {
    memset(panel, 0, pp_panel_bf16(keys) * sizeof *panel);
    for (size_t t = 0; t < keys; t++)
        for (size_t n = 0; n < columns; n++) panel[t / 2 * 2 * PP_PANEL + n * 2 + t % 2] = v[t * ld + n];
}

static float PP_KERNEL(softmax)(float *restrict scores, size_t n, const float *restrict bias,
                                uint16_t *restrict out, size_t padded) {
    float largest = -INFINITY, lanes[16] = {0};
    for (size_t j = 0; bias && j < n; j++) scores[j] += bias[j];
    for (size_t j = 0; j < n; j++) largest = scores[j] > largest ? scores[j] : largest;
    for (size_t j = 0; j < n; j++) {
        scores[j] = pp_exp(scores[j] - largest);
        lanes[j % 16] += scores[j];
    }
    for (size_t j = 0; out && j < n; j++) out[j] = pp_narrow(scores[j]);
    for (size_t j = n; out && j < padded; j++) out[j] = 0;
    return pp_lane_sum(lanes);
}

static void PP_KERNEL(decode_scores)(const pp_attention_row *row, float *scores, size_t ld) {
    for (size_t t = 0; t < row->keys; t++)
        for (size_t h = 0; h < row->heads; h++) {
            const uint16_t *q = row->q + h * row->head_width;
            const uint16_t *k = row->k + pp_key_row(row, t) * row->ld_k + h * row->head_width;
            float lanes[16] = {0};
            for (size_t i = 0; i < row->head_width; i++) lanes[i % 16] += pp_widen(q[i]) * pp_widen(k[i]);
            scores[h * ld + t] = pp_lane_sum(lanes);
        }
}

static void PP_KERNEL(decode_values)(const pp_attention_row *row, const float *weights, size_t ld,
                                     float *restrict sums) {
    size_t width = row->head_width;
    for (size_t i = 0; i < row->heads * width; i++) sums[i] = 0;
    for (size_t t = 0; t < row->keys; t++)
        for (size_t h = 0; h < row->heads; h++) {
            const uint16_t *v = row->v + pp_key_row(row, t) * row->ld_v + h * width;
            float weight = weights[h * ld + t];
            for (size_t i = 0; i < width; i++) sums[h * width + i] += weight * pp_widen(v[i]);
        }
}

const pp_attention_kernels PP_KERNEL(attention) = {
    .pack_keys = PP_KERNEL(pack_keys),
    .pack_values = PP_KERNEL(pack_values),
    .softmax = PP_KERNEL(softmax),
    .decode_scores = PP_KERNEL(decode_scores),
    .decode_values = PP_KERNEL(decode_values),
};
