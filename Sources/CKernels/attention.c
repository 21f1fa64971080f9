#include "attention.h"

#include <string.h>

#include "tables.h"
#include "gemm.h"
#include "pack.h"
#include "rows.h"

enum { QUERY_BLOCK = 64 };

/// Where a call's parts lie in its scratch; offsets and sizes in bytes.
typedef struct layout {
    size_t key_panels, value_panels, depth;  // depth of V's panels: keys padded to 32
    size_t values, scores, score_stride, weights, weight_stride, scales, total;
} layout;

static size_t round_up(size_t x, size_t to) { return (x + to - 1) / to * to; }

static layout lay_out(size_t keys, size_t width) {
    layout l = {.key_panels = (keys + PP_PANEL - 1) / PP_PANEL,
                .value_panels = (width + PP_PANEL - 1) / PP_PANEL,
                .depth = round_up(keys, 32)};
    l.values = l.key_panels * pp_panel_bf16(width) * sizeof(uint16_t);
    l.scores = l.values + l.value_panels * pp_panel_bf16(keys) * sizeof(uint16_t);
    l.score_stride = pp_row_stride(keys * sizeof(float));
    l.weights = l.scores + QUERY_BLOCK * l.score_stride;
    l.weight_stride = pp_row_stride(l.depth * sizeof(uint16_t));
    l.scales = l.weights + QUERY_BLOCK * l.weight_stride;
    l.total = l.scales + QUERY_BLOCK * sizeof(float);
    return l;
}

size_t pp_attention_panels(size_t keys, size_t head_width) { return lay_out(keys, head_width).scores; }

void pp_attention_pack(const pp_kernels *kernels, const pp_attention *x, void *panels) {
    const pp_attention_kernels *kernel = kernels->attention;
    size_t width = x->head_width;
    layout l = lay_out(x->keys, width);
    uint16_t *keys = panels, *values = (uint16_t *)((char *)panels + l.values);
    for (size_t p = 0; p < l.key_panels; p++) {
        size_t left = x->keys - p * PP_PANEL;
        kernel->pack_keys(x->k + p * PP_PANEL * x->ld_k, x->ld_k, left < PP_PANEL ? left : PP_PANEL, width,
                          keys + p * pp_panel_bf16(width));
    }
    for (size_t p = 0; p < l.value_panels; p++) {
        size_t left = width - p * PP_PANEL;
        kernel->pack_values(x->v + p * PP_PANEL, x->ld_v, x->keys, left < PP_PANEL ? left : PP_PANEL,
                            values + p * pp_panel_bf16(x->keys));
    }
}

size_t pp_attention_scratch(size_t keys, size_t head_width) { return lay_out(keys, head_width).total; }

void pp_attention_block(const pp_kernels *kernels, const pp_attention *x, size_t begin, size_t end, void *scratch) {
    const pp_attention_kernels *kernel = kernels->attention;
    size_t width = x->head_width;
    if (x->keys == 0) {
        for (size_t i = begin; i < end; i++) memset(x->out + i * x->ld_out, 0, width * sizeof(uint16_t));
        return;
    }
    layout l = lay_out(x->keys, width);
    const char *panels = x->panels ? x->panels : scratch;
    float *scores = (float *)((char *)scratch + l.scores), *scales = (float *)((char *)scratch + l.scales);
    uint16_t *weights = (uint16_t *)((char *)scratch + l.weights);
    size_t ld_scores = l.score_stride / sizeof(float), ld_weights = l.weight_stride / sizeof(uint16_t);

    if (!x->panels) pp_attention_pack(kernels, x, scratch);
    for (size_t i = begin; i < end; i += QUERY_BLOCK) {
        size_t rows = end - i < QUERY_BLOCK ? end - i : QUERY_BLOCK;
        pp_gemm score = {.a = x->q + i * x->ld_q, .lda = x->ld_q, .panels = panels, .k = width,
                         .columns = x->keys, .epilogue = PP_STORE_F32, .f32 = scores, .ld_f32 = ld_scores};
        pp_gemm_bf16(kernels, &score, 0, rows, 0, l.key_panels);
        for (size_t m = 0; m < rows; m++) {
            const float *bias = x->bias ? x->bias - (ptrdiff_t)(i + m) : NULL;
            scales[m] = 1 / kernel->softmax(scores + m * ld_scores, x->keys, bias, weights + m * ld_weights,
                                            l.depth);
            if (x->dropout) {
                pp_dropout dropout = *x->dropout;
                dropout.key = pp_dropout_key(dropout.key, i + m);
                pp_bf16_dropout(kernels, &dropout, weights + m * ld_weights, x->keys);
            }
        }
        pp_gemm mix = {.a = weights, .lda = ld_weights, .panels = panels + l.values, .k = l.depth,
                       .columns = width, .row_scale = scales, .epilogue = PP_STORE_BF16, .bf16 = x->out + i * x->ld_out,
                       .ld_bf16 = x->ld_out};
        pp_gemm_bf16(kernels, &mix, 0, rows, 0, l.value_panels);
    }
}

size_t pp_attention_decode_scratch(size_t keys, size_t heads, size_t head_width) {
    return (heads * round_up(keys, 16) + heads * head_width) * sizeof(float);
}

void pp_attention_decode(const pp_kernels *kernels, const pp_attention_row *row, void *scratch) {
    const pp_attention_kernels *kernel = kernels->attention;
    size_t width = row->head_width, ld = round_up(row->keys, 16);
    float *scores = scratch, *sums = scores + row->heads * ld;
    if (row->keys == 0) {
        memset(row->out, 0, row->heads * width * sizeof(uint16_t));
        return;
    }
    kernel->decode_scores(row, scores, ld);
    for (size_t h = 0; h < row->heads; h++) {
        const float *bias = row->bias ? row->bias + h * row->ld_bias - (ptrdiff_t)row->position : NULL;
        float *head = scores + h * ld, scale = 1 / kernel->softmax(head, row->keys, bias, NULL, 0);
        for (size_t t = 0; t < row->keys; t++) head[t] *= scale;
    }
    kernel->decode_values(row, scores, ld, sums);
    pp_f32_to_bf16(kernels, row->heads * width, sums, row->out);
}
