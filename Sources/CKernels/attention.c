#include "attention.h"

#include <string.h>

#include "attention_parts.h"
#include "rows.h"

/// Where a call's parts lie in its scratch, in bytes: K's panels come first, then V's.
typedef struct layout {
    pp_query_rows rows;
    size_t values, scores, weights, scales, total;
} layout;

static layout lay_out(size_t keys, size_t width) {
    layout l = {.rows = pp_query_rows_of(keys)};
    l.values = pp_packed_columns(keys, width);
    l.scores = l.values + pp_packed_rows(keys, width);
    l.weights = l.scores + l.rows.scores;
    l.scales = l.weights + l.rows.weights;
    l.total = l.scales + PP_QUERY_BLOCK * sizeof(float);
    return l;
}

size_t pp_attention_panels(size_t keys, size_t head_width) { return lay_out(keys, head_width).scores; }

void pp_attention_pack(const pp_kernels *kernels, const pp_attention *x, void *panels) {
    const layout l = lay_out(x->keys, x->head_width);
    pp_pack_columns(kernels, x->k, x->ld_k, x->keys, x->head_width, panels);
    pp_pack_rows(kernels, x->v, x->ld_v, x->keys, x->head_width, (uint16_t *)((char *)panels + l.values));
}

size_t pp_attention_scratch(size_t keys, size_t head_width) { return lay_out(keys, head_width).total; }

void pp_attention_block(const pp_kernels *kernels, const pp_attention *x, size_t begin, size_t end,
                        void *scratch) {
    const size_t width = x->head_width;
    if (x->keys == 0) {
        for (size_t i = begin; i < end; i++) memset(x->out + i * x->ld_out, 0, width * sizeof(uint16_t));
        return;
    }
    const layout l = lay_out(x->keys, width);
    const char *panels = x->panels ? x->panels : scratch;
    float *scores = (float *)((char *)scratch + l.scores), *scales = (float *)((char *)scratch + l.scales);
    uint16_t *weights = (uint16_t *)((char *)scratch + l.weights);
    const size_t ld_scores = l.rows.ld_scores, ld_weights = l.rows.ld_weights;

    if (!x->panels) pp_attention_pack(kernels, x, scratch);
    for (size_t i = begin; i < end; i += PP_QUERY_BLOCK) {
        const size_t rows = pp_min(end - i, PP_QUERY_BLOCK);
        pp_multiply_columns(kernels, x->q + i * x->ld_q, x->ld_q, rows, width, panels, x->keys, scores,
                            ld_scores);
        for (size_t m = 0; m < rows; m++) {
            uint16_t *row = weights + m * ld_weights;
            scales[m] = 1 / kernels->attention->softmax(scores + m * ld_scores, x->keys,
                                                        pp_query_bias(x->bias, i + m), row, l.rows.padded);
            if (x->dropout) {
                const pp_dropout dropout = pp_query_dropout(x->dropout, i + m);
                pp_bf16_dropout(kernels, &dropout, row, x->keys);
            }
        }
        const pp_gemm mix = {.a = weights, .lda = ld_weights, .panels = panels + l.values, .k = l.rows.padded,
                             .columns = width, .row_scale = scales, .epilogue = PP_STORE_BF16,
                             .bf16 = x->out + i * x->ld_out, .ld_bf16 = x->ld_out};
        pp_gemm_bf16(kernels, &mix, 0, rows, 0, pp_panels_of(width));
    }
}

size_t pp_attention_decode_scratch(size_t keys, size_t heads, size_t head_width) {
    return (heads * pp_round_up(keys, 16) + heads * head_width) * sizeof(float);
}

void pp_attention_decode(const pp_kernels *kernels, const pp_attention_row *row, void *scratch) {
    const size_t width = row->head_width, ld = pp_round_up(row->keys, 16);
    float *scores = scratch, *sums = scores + row->heads * ld;
    if (row->keys == 0) {
        memset(row->out, 0, row->heads * width * sizeof(uint16_t));
        return;
    }
    kernels->attention->decode_scores(row, scores, ld);
    for (size_t h = 0; h < row->heads; h++) {
        const float *bias = row->bias ? pp_query_bias(row->bias + h * row->ld_bias, row->position) : NULL;
        float *head = scores + h * ld;
        const float scale = 1 / kernels->attention->softmax(head, row->keys, bias, NULL, 0);
        for (size_t t = 0; t < row->keys; t++) head[t] *= scale;
    }
    kernels->attention->decode_values(row, scores, ld, sums);
    pp_f32_to_bf16(kernels, row->heads * width, sums, row->out);
}
