#include "gradient.h"

#include <string.h>

#include "tables.h"
#include "gemm.h"
#include "tables.h"
#include "pack.h"
#include "rows.h"

void pp_f32_rms_norm_gradient(const pp_kernels *kernels, const float *x, size_t x_stride, const float *gain,
                              float epsilon, float scale, const float *dy, size_t dy_stride, size_t R,
                              size_t D, float *dx, size_t dx_stride) {
    kernels->gradient->rms_norm(x, x_stride, gain, epsilon, scale, dy, dy_stride, R, D, dx, dx_stride);
}

void pp_f32_gain_gradient(const pp_kernels *kernels, const float *x, size_t x_stride, const float *rms, float scale,
                          const float *dy, size_t dy_stride, size_t R, size_t begin, size_t end,
                          float *dgain) {
    kernels->gradient->gain(x, x_stride, rms, scale, dy, dy_stride, R, begin, end, dgain);
}

void pp_f32_inverse_rms(const pp_kernels *kernels, const float *x, size_t x_stride, float epsilon, size_t R, size_t D,
                        float *rms) {
    kernels->gradient->inverse_rms(x, x_stride, epsilon, R, D, rms);
}

void pp_f32_softmax_gradient(const pp_kernels *kernels, const float *P, size_t p_stride, float *dP, size_t dp_stride,
                             size_t R, size_t N) {
    kernels->gradient->softmax(P, p_stride, dP, dp_stride, R, N);
}

void pp_f32_relu_gradient(const pp_kernels *kernels, const float *hidden, float *gradient, size_t count) {
    kernels->gradient->relu(hidden, gradient, count);
}

void pp_bf16_relu_gradient(const pp_kernels *kernels, const uint16_t *hidden, uint16_t *gradient, size_t count) {
    kernels->gradient->relu_bf16(hidden, gradient, count);
}

void pp_bf16_signs(const pp_kernels *kernels, const uint16_t *hidden, size_t count, uint32_t *signs) {
    kernels->gradient->signs(hidden, count, signs);
}

void pp_bf16_signs_gradient(const pp_kernels *kernels, const uint32_t *signs, uint16_t *gradient, size_t count) {
    kernels->gradient->signs_gradient(signs, gradient, count);
}

void pp_f32_gate_gradient(const pp_kernels *kernels, const float *gate, const float *up, size_t stride,
                          const float *dhidden, size_t dhidden_stride, size_t R, size_t D, float *dgate,
                          float *dup, size_t d_stride) {
    kernels->gradient->gate_gradient(gate, up, stride, dhidden, dhidden_stride, R, D, dgate, dup, d_stride);
}

void pp_bf16_gate(const pp_kernels *kernels, const uint16_t *wide, size_t stride, size_t R, size_t D,
                  uint16_t *hidden, size_t hidden_stride) {
    kernels->gradient->gate_bf16(wide, stride, R, D, hidden, hidden_stride);
}

void pp_bf16_gate_gradient(const pp_kernels *kernels, const uint16_t *wide, size_t stride, const uint16_t *dhidden,
                           size_t dhidden_stride, size_t R, size_t D, uint16_t *dwide, size_t dwide_stride) {
    kernels->gradient->gate_gradient_bf16(wide, stride, dhidden, dhidden_stride, R, D, dwide, dwide_stride);
}

void pp_f32_likelihood_gradient(const pp_kernels *kernels, float *logits, size_t count, float log_sum_exp,
                                float weight, size_t target) {
    kernels->gradient->likelihood(logits, count, log_sum_exp, weight, target);
}

void pp_f32_dropout(const pp_kernels *kernels, const pp_dropout *dropout, float *x, size_t count) {
    kernels->gradient->dropout(dropout, x, count);
}

void pp_bf16_dropout(const pp_kernels *kernels, const pp_dropout *dropout, uint16_t *x, size_t count) {
    kernels->gradient->dropout_bf16(dropout, x, count);
}

void pp_transpose_bf16(const pp_kernels *kernels, const uint16_t *panels, size_t k, size_t columns, size_t begin,
                       size_t end, uint16_t *out) {
    const pp_gradient_kernels *kernel = kernels->gradient;
    const size_t source = pp_panel_bf16(k), depth = pp_panel_bf16(columns) / PP_PANEL;
    const size_t blocks = (columns + PP_PANEL - 1) / PP_PANEL;
    for (size_t panel = begin; panel < end; panel++) {
        // A block is 16 × 16: its place in a source panel, and in the panel written, is the same number of
        // elements.
        const uint16_t *from = panels + panel * PP_PANEL * PP_PANEL;
        for (size_t block = 0; block < blocks; block++, out += PP_PANEL * PP_PANEL)
            kernel->transpose_block(from + block * source, out);
        const size_t padding = (depth - blocks * PP_PANEL) * PP_PANEL;
        memset(out, 0, padding * sizeof *out);
        out += padding;
    }
}

// MARK: Attention

enum { QUERY_BLOCK = 64 };

/// Where a call's parts lie in its scratch; offsets in bytes.
typedef struct layout {
    size_t key_panels, width_panels, depth;           // depth: keys padded to 32
    size_t value_columns, key_rows;                   // V by columns of keys; K by rows
    size_t queries, out;                              // a block's Q and dO
    size_t scores, score_stride, d_scores;            // float32
    size_t weights, d_weights, weight_stride;         // bf16 [block][keys]
    size_t turned, d_turned, turned_stride;           // bf16 [keys][block]
    size_t d_key, d_value;                            // float32 sums [keys][width]
    size_t total;
} layout;

static layout lay_out(size_t keys, size_t width) {
    layout l = {.key_panels = (keys + PP_PANEL - 1) / PP_PANEL,
                .width_panels = (width + PP_PANEL - 1) / PP_PANEL,
                .depth = (keys + 31) / 32 * 32};
    const size_t by_column = l.key_panels * pp_panel_bf16(width) * sizeof(uint16_t);
    const size_t by_row = l.width_panels * pp_panel_bf16(keys) * sizeof(uint16_t);
    const size_t block = l.width_panels * pp_panel_bf16(QUERY_BLOCK) * sizeof(uint16_t);
    l.score_stride = pp_row_stride(keys * sizeof(float));
    l.weight_stride = pp_row_stride(l.depth * sizeof(uint16_t));
    l.turned_stride = pp_row_stride(QUERY_BLOCK * sizeof(uint16_t));
    size_t at = by_column;  // K with keys as columns comes first
    l.value_columns = at, at += by_column;
    l.key_rows = at, at += by_row;
    l.queries = at, at += block;
    l.out = at, at += block;
    l.scores = at, at += QUERY_BLOCK * l.score_stride;
    l.d_scores = at, at += QUERY_BLOCK * l.score_stride;
    l.weights = at, at += QUERY_BLOCK * l.weight_stride;
    l.d_weights = at, at += QUERY_BLOCK * l.weight_stride;
    l.turned = at, at += keys * l.turned_stride;
    l.d_turned = at, at += keys * l.turned_stride;
    l.d_key = at, at += (keys * width * sizeof(float) + 63) / 64 * 64;
    l.d_value = at, at += (keys * width * sizeof(float) + 63) / 64 * 64;
    l.total = at;
    return l;
}

size_t pp_attention_gradient_scratch(size_t keys, size_t head_width) { return lay_out(keys,
                                                                                      head_width).total; }

static void pack_columns(const pp_attention_kernels *kernel, const uint16_t *x, size_t ld, size_t keys,
                         size_t width, uint16_t *panels) {
    for (size_t n = 0; n < keys; n += PP_PANEL) {
        const size_t left = keys - n;
        kernel->pack_keys(x + n * ld, ld, left < PP_PANEL ? left : PP_PANEL, width,
                          panels + n / PP_PANEL * pp_panel_bf16(width));
    }
}

static void pack_rows(const pp_attention_kernels *kernel, const uint16_t *x, size_t ld, size_t rows,
                      size_t width, uint16_t *panels) {
    for (size_t n = 0; n < width; n += PP_PANEL) {
        const size_t left = width - n;
        kernel->pack_values(x + n, ld, rows, left < PP_PANEL ? left : PP_PANEL,
                            panels + n / PP_PANEL * pp_panel_bf16(rows));
    }
}

void pp_attention_gradients(const pp_kernels *kernels, const pp_attention_gradient *x, void *scratch) {
    const pp_attention_kernels *attention = kernels->attention;
    const pp_gradient_kernels *kernel = kernels->gradient;
    const size_t width = x->head_width, keys = x->keys;
    if (keys == 0 || x->queries == 0) return;
    const layout l = lay_out(keys, width);
    char *base = scratch;
    uint16_t *key_columns = scratch, *value_columns = (uint16_t *)(base + l.value_columns);
    uint16_t *key_rows = (uint16_t *)(base + l.key_rows);
    uint16_t *queries = (uint16_t *)(base + l.queries), *out = (uint16_t *)(base + l.out);
    float *scores = (float *)(base + l.scores), *d_scores = (float *)(base + l.d_scores);
    uint16_t *weights = (uint16_t *)(base + l.weights), *d_weights = (uint16_t *)(base + l.d_weights);
    uint16_t *turned = (uint16_t *)(base + l.turned), *d_turned = (uint16_t *)(base + l.d_turned);
    float *d_key = (float *)(base + l.d_key), *d_value = (float *)(base + l.d_value);
    const size_t ld_scores = l.score_stride / sizeof(float), ld_weights = l.weight_stride / sizeof(uint16_t);
    const size_t ld_turned = l.turned_stride / sizeof(uint16_t);

    pack_columns(attention, x->k, x->ld_k, keys, width, key_columns);
    if (x->v == x->k && x->ld_v == x->ld_k) value_columns = key_columns;
    else pack_columns(attention, x->v, x->ld_v, keys, width, value_columns);
    pack_rows(attention, x->k, x->ld_k, keys, width, key_rows);
    const bool one_block = x->queries <= QUERY_BLOCK;
    for (size_t i = 0; i < x->queries; i += QUERY_BLOCK) {
        const size_t rows = x->queries - i < QUERY_BLOCK ? x->queries - i : QUERY_BLOCK;
        pp_gemm score = {.a = x->q + i * x->ld_q, .lda = x->ld_q, .panels = key_columns, .k = width,
                         .columns = keys, .epilogue = PP_STORE_F32, .f32 = scores, .ld_f32 = ld_scores};
        pp_gemm_bf16(kernels, &score, 0, rows, 0, l.key_panels);
        pp_gemm d_weight = {.a = x->d_out + i * x->ld_d_out, .lda = x->ld_d_out, .panels = value_columns,
                            .k = width,
                            .columns = keys, .epilogue = PP_STORE_F32, .f32 = d_scores, .ld_f32 = ld_scores};
        pp_gemm_bf16(kernels, &d_weight, 0, rows, 0, l.key_panels);
        for (size_t m = 0; m < rows; m++) {
            float *row = scores + m * ld_scores;
            const float *bias = x->bias ? x->bias - (ptrdiff_t)(i + m) : NULL;
            const float factor = 1 / attention->softmax(row, keys, bias, NULL, 0);
            pp_dropout dropout;
            if (x->dropout) {
                dropout = *x->dropout;
                dropout.key = pp_dropout_key(dropout.key, i + m);
            }
            kernel->attention_row(row, factor, d_scores + m * ld_scores, keys, x->dropout ? &dropout : NULL,
                                  weights + m * ld_weights, d_weights + m * ld_weights, l.depth);
        }
        pp_gemm to_q = {.a = d_weights, .lda = ld_weights, .panels = key_rows, .k = l.depth, .columns = width,
                        .epilogue = PP_STORE_BF16, .bf16 = x->d_q + i * x->ld_d_q, .ld_bf16 = x->ld_d_q};
        pp_gemm_bf16(kernels, &to_q, 0, rows, 0, l.width_panels);

        kernel->transpose(weights, ld_weights, rows, keys, turned, ld_turned);
        kernel->transpose(d_weights, ld_weights, rows, keys, d_turned, ld_turned);
        pack_rows(attention, x->q + i * x->ld_q, x->ld_q, rows, width, queries);
        pack_rows(attention, x->d_out + i * x->ld_d_out, x->ld_d_out, rows, width, out);
        const size_t depth = (rows + 31) / 32 * 32;
        pp_gemm to_k = {.a = d_turned, .lda = ld_turned, .panels = queries, .k = depth, .columns = width};
        pp_gemm to_v = {.a = turned, .lda = ld_turned, .panels = out, .k = depth, .columns = width};
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
        pp_gemm_bf16(kernels, &to_k, 0, keys, 0, l.width_panels);
        pp_gemm_bf16(kernels, &to_v, 0, keys, 0, l.width_panels);
    }
    if (x->d_memory || one_block) return;
    for (size_t j = 0; j < keys; j++) {
        pp_f32_to_bf16(kernels, width, d_key + j * width, x->d_k + j * x->ld_d_k);
        pp_f32_to_bf16(kernels, width, d_value + j * width, x->d_v + j * x->ld_d_v);
    }
}
