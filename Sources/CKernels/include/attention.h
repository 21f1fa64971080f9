#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dropout.h"
#include "kernels.h"

/// One head of one sequence: every query sees every key (the encoder, or cross-attention of many rows).
/// Pointers are to the sequence's first row at the head's first column; all elements are bf16.
typedef struct pp_attention {
    const uint16_t *q, *k, *v;
    size_t ld_q, ld_k, ld_v;  ///< elements from one row to the next
    uint16_t *out;
    size_t ld_out;
    size_t keys;        ///< rows of K and V
    size_t head_width;  ///< d_kv
    /// Entry of distance 0 in the head's vector of relative biases: query i and key j take `bias[j - i]`.
    /// Null for none.
    const float *bias;
    /// Of the probabilities, when training; null for none. Query i uses `pp_dropout_key(key, i)`.
    const pp_dropout *dropout;
    /// What `pp_attention_pack` made of K and V, for several calls; null to have a call do it.
    const void *panels;
} pp_attention;

/// Bytes of a head's keys and values as `pp_attention_pack` leaves them.
size_t pp_attention_panels(size_t keys, size_t head_width);

/// Packs K and V into `panels`, aligned to 64 bytes.
void pp_attention_pack(const pp_kernels *kernels, const pp_attention *attention, void *panels);

/// Bytes of scratch that `pp_attention_block` needs, aligned to 64.
size_t pp_attention_scratch(size_t keys, size_t head_width);

/// `out = softmax(q kᵀ + bias) v` for queries `begin..<end`, not scaled by 1/√d_kv (T5). Scores, softmax and
/// sums are float32, probabilities are rounded to bf16 for the product with V. A row's result depends on its
/// own sequence alone, and not on how the queries are split. Without keys it is zero.
void pp_attention_block(const pp_kernels *kernels, const pp_attention *attention, size_t begin, size_t end,
                        void *scratch);

/// One query row over cached keys, for decoding: every head. Elements are bf16, head h at column
/// h * head_width.
typedef struct pp_attention_row {
    const uint16_t *q;
    uint16_t *out;
    const uint16_t *k, *v;    ///< the cache's row 0
    size_t ld_k, ld_v;
    const int32_t *path;      ///< the cache rows that the query sees, in order of position; null for 0..<keys
    size_t keys;              ///< how many
    size_t heads, head_width;
    /// As above, of head 0; the t-th key takes `bias[t - position]`. Null for none.
    const float *bias;
    size_t ld_bias;           ///< elements from one head's vector to the next
    size_t position;          ///< the query's position: `keys - 1` in self-attention
} pp_attention_row;

/// Bytes of scratch that `pp_attention_decode` needs, aligned to 64.
size_t pp_attention_decode_scratch(size_t keys, size_t heads, size_t head_width);

/// Computes the row, all in float32 but for what it reads and writes.
void pp_attention_decode(const pp_kernels *kernels, const pp_attention_row *row, void *scratch);
