// The gradients of attention; see gradient.h.

#include "attention_parts.h"
#include "gradient.h"
#include "rows.h"

/// Where a call's parts lie in its scratch, in bytes. K with keys as columns comes first.
typedef struct layout {
    pp_query_rows rows;
    size_t value_columns, key_rows;            // V with keys as columns; K by rows
    size_t queries, d_out;                     // a block's Q and dO, by rows
    size_t scores, d_scores;                   // float32 [block][keys]
    size_t weights, d_weights;                 // bf16 [block][keys]
    size_t transposed, d_transposed, ld_transposed;  // bf16 [keys][block]; elements
    size_t d_key, d_value;                     // float32 sums [keys][width]
    size_t total;
} layout;

/// The next `bytes` of the scratch.
static size_t take(layout *l, size_t bytes) {
    const size_t begin = l->total;
    l->total += bytes;
    return begin;
}

static layout lay_out(size_t keys, size_t width) {
    layout l = {.rows = pp_query_rows_of(keys), .total = pp_packed_columns(keys, width)};
    const size_t block = pp_packed_rows(PP_QUERY_BLOCK, width);
    const size_t transposed = pp_row_stride(PP_QUERY_BLOCK * sizeof(uint16_t));
    const size_t sums = pp_round_up(keys * width * sizeof(float), 64);
    l.value_columns = take(&l, pp_packed_columns(keys, width));
    l.key_rows = take(&l, pp_packed_rows(keys, width));
    l.queries = take(&l, block);
    l.d_out = take(&l, block);
    l.scores = take(&l, l.rows.scores);
    l.d_scores = take(&l, l.rows.scores);
    l.weights = take(&l, l.rows.weights);
    l.d_weights = take(&l, l.rows.weights);
    l.transposed = take(&l, keys * transposed);
    l.d_transposed = take(&l, keys * transposed);
    l.ld_transposed = transposed / sizeof(uint16_t);
    l.d_key = take(&l, sums);
    l.d_value = take(&l, sums);
    return l;
}

size_t pp_attention_gradient_scratch(size_t keys, size_t head_width) { return lay_out(keys, head_width).total; }

void pp_attention_gradients(const pp_kernels *kernels, const pp_attention_gradient *x, void *scratch) {
    const size_t width = x->head_width, keys = x->keys;
    if (keys == 0 || x->queries == 0) return;
    const layout l = lay_out(keys, width);
    char *base = scratch;
    uint16_t *key_columns = scratch, *value_columns = (uint16_t *)(base + l.value_columns);
    uint16_t *key_rows = (uint16_t *)(base + l.key_rows);
    uint16_t *queries = (uint16_t *)(base + l.queries), *d_out = (uint16_t *)(base + l.d_out);
    float *scores = (float *)(base + l.scores), *d_scores = (float *)(base + l.d_scores);
    uint16_t *weights = (uint16_t *)(base + l.weights), *d_weights = (uint16_t *)(base + l.d_weights);
    uint16_t *transposed = (uint16_t *)(base + l.transposed);
    uint16_t *d_transposed = (uint16_t *)(base + l.d_transposed);
    float *d_key = (float *)(base + l.d_key), *d_value = (float *)(base + l.d_value);
    const size_t ld_scores = l.rows.ld_scores, ld_weights = l.rows.ld_weights, panels = pp_panels_of(width);

    pp_pack_columns(kernels, x->k, x->ld_k, keys, width, key_columns);
    if (x->v == x->k && x->ld_v == x->ld_k) value_columns = key_columns;
    else pp_pack_columns(kernels, x->v, x->ld_v, keys, width, value_columns);
    pp_pack_rows(kernels, x->k, x->ld_k, keys, width, key_rows);
    const bool one_block = x->queries <= PP_QUERY_BLOCK;
    for (size_t i = 0; i < x->queries; i += PP_QUERY_BLOCK) {
        const size_t rows = pp_min(x->queries - i, PP_QUERY_BLOCK);
        const uint16_t *q = x->q + i * x->ld_q, *from = x->d_out + i * x->ld_d_out;
        pp_multiply_columns(kernels, q, x->ld_q, rows, width, key_columns, keys, scores, ld_scores);
        pp_multiply_columns(kernels, from, x->ld_d_out, rows, width, value_columns, keys, d_scores, ld_scores);
        for (size_t m = 0; m < rows; m++) {
            float *row = scores + m * ld_scores;
            const float *bias = pp_query_bias(x->bias, i + m);
            const float factor = 1 / kernels->attention->softmax(row, keys, bias, NULL, 0);
            pp_dropout dropout;
            if (x->dropout) dropout = pp_query_dropout(x->dropout, i + m);
            kernels->gradient->attention_row(row, factor, d_scores + m * ld_scores, keys,
                                             x->dropout ? &dropout : NULL, weights + m * ld_weights,
                                             d_weights + m * ld_weights, l.rows.padded);
        }
        const pp_gemm to_q = {.a = d_weights, .lda = ld_weights, .panels = key_rows, .k = l.rows.padded,
                              .columns = width, .epilogue = PP_STORE_BF16, .bf16 = x->d_q + i * x->ld_d_q,
                              .ld_bf16 = x->ld_d_q};
        pp_gemm_bf16(kernels, &to_q, 0, rows, 0, panels);

        kernels->gradient->transpose(weights, ld_weights, rows, keys, transposed, l.ld_transposed);
        kernels->gradient->transpose(d_weights, ld_weights, rows, keys, d_transposed, l.ld_transposed);
        pp_pack_rows(kernels, q, x->ld_q, rows, width, queries);
        pp_pack_rows(kernels, from, x->ld_d_out, rows, width, d_out);
        pp_gemm to_k = {.a = d_transposed, .lda = l.ld_transposed, .panels = queries,
                        .k = pp_round_up(rows, 32), .columns = width};
        pp_gemm to_v = to_k;
        to_v.a = transposed, to_v.panels = d_out;
        if (x->d_memory) {
            to_k.epilogue = to_v.epilogue = PP_ADD_F32;
            to_k.f32 = to_v.f32 = x->d_memory;
            to_k.ld_f32 = to_v.ld_f32 = x->ld_d_memory;
        } else if (one_block) {
            to_k.epilogue = to_v.epilogue = PP_STORE_BF16;
            to_k.bf16 = x->d_k, to_k.ld_bf16 = x->ld_d_k;
            to_v.bf16 = x->d_v, to_v.ld_bf16 = x->ld_d_v;
        } else {
            to_k.epilogue = to_v.epilogue = i ? PP_ADD_F32 : PP_STORE_F32;
            to_k.f32 = d_key, to_v.f32 = d_value;
            to_k.ld_f32 = to_v.ld_f32 = width;
        }
        pp_gemm_bf16(kernels, &to_k, 0, keys, 0, panels);
        pp_gemm_bf16(kernels, &to_v, 0, keys, 0, panels);
    }
    if (x->d_memory || one_block) return;
    for (size_t j = 0; j < keys; j++) {
        pp_f32_to_bf16(kernels, width, d_key + j * width, x->d_k + j * x->ld_d_k);
        pp_f32_to_bf16(kernels, width, d_value + j * width, x->d_v + j * x->ld_d_v);
    }
}
