// Attention's inner parts for AVX-512. The including unit defines PP_ATTENTION(name) and, where conversion to
// bf16 is an instruction, PP_NATIVE_BF16.

#include "attention_kernels.h"
#include "avx512.h"

/// 16 × 16 transposition of 32-bit elements.
AVX512_INLINE void transpose(__m512i r[16]) {
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) {
            r[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + j + 2]);
            r[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + j + 2]);
        }
    for (int i = 0; i < 16; i += 8)
        for (int j = 0; j < 4; j++) {
            t[i + j] = _mm512_shuffle_i32x4(r[i + j], r[i + j + 4], 0x88);
            t[i + j + 4] = _mm512_shuffle_i32x4(r[i + j], r[i + j + 4], 0xdd);
        }
    for (int j = 0; j < 8; j++) {
        r[j] = _mm512_shuffle_i32x4(t[j], t[j + 8], 0x88);
        r[j + 8] = _mm512_shuffle_i32x4(t[j], t[j + 8], 0xdd);
    }
}

AVX512 static void PP_ATTENTION(pack_keys)(const uint16_t *k, size_t ld, size_t count, size_t width,
                                           uint16_t *panel) {
    for (size_t i = 0; i < width; i += 32) {
        __mmask32 mask = width - i >= 32 ? 0xffffffff : (1u << (width - i)) - 1;
        __m512i rows[16];
        for (size_t n = 0; n < 16; n++)
            rows[n] = n < count ? _mm512_maskz_loadu_epi16(mask, k + n * ld + i) : _mm512_setzero_si512();
        transpose(rows);
        for (size_t n = 0; n < 16; n++) _mm512_store_si512(panel + i * PP_PANEL + n * 32, rows[n]);
    }
}

AVX512 static void PP_ATTENTION(pack_values)(const uint16_t *v, size_t ld, size_t keys, size_t columns,
                                             uint16_t *panel) {
    __mmask16 mask = (__mmask16)((1u << columns) - 1);
    for (size_t t = 0; t < (keys + 31) / 32 * 32; t += 2) {
        __m256i even = _mm256_setzero_si256(), odd = even;
        if (t < keys) even = _mm256_maskz_loadu_epi16(mask, v + t * ld);
        if (t + 1 < keys) odd = _mm256_maskz_loadu_epi16(mask, v + (t + 1) * ld);
        __m512i pairs = _mm512_or_si512(_mm512_cvtepu16_epi32(even),
                                        _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16));
        _mm512_store_si512(panel + t * PP_PANEL, pairs);
    }
}

AVX512 static float PP_ATTENTION(softmax)(float *scores, size_t n, const float *bias, uint16_t *out,
                                          size_t padded) {
    __m512 largest = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    for (size_t j = 0; j < n; j += 16) {
        __mmask16 mask = pp_column_mask(n, j);
        __m512 x = _mm512_maskz_loadu_ps(mask, scores + j);
        if (bias) {
            x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, bias + j));
            _mm512_mask_storeu_ps(scores + j, mask, x);
        }
        largest = _mm512_mask_max_ps(largest, mask, x, largest);
    }
    largest = _mm512_set1_ps(_mm512_reduce_max_ps(largest));
    for (size_t j = 0; j < n; j += 16) {
        __mmask16 mask = pp_column_mask(n, j);
        __m512 x = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, scores + j), largest);
        x = _mm512_maskz_mov_ps(mask, pp_exp16(x));
        sum = _mm512_add_ps(sum, x);
        if (out) _mm256_storeu_si256((__m256i *)(out + j), pp_narrow16(x));
        else _mm512_mask_storeu_ps(scores + j, mask, x);
    }
    for (size_t j = (n + 15) / 16 * 16; out && j < padded; j += 16)
        _mm256_storeu_si256((__m256i *)(out + j), _mm256_setzero_si256());
    return pp_sum16(sum);
}

AVX512 static void PP_ATTENTION(decode_scores)(const pp_attention_row *row, float *scores, size_t ld) {
    __m512i high = _mm512_set1_epi32((int)0xffff0000);
    size_t width = row->head_width;
    for (size_t t = 0; t < row->keys; t++) {
        const uint16_t *key = row->k + pp_key_row(row, t) * row->ld_k;
        for (size_t h = 0; h < row->heads; h++) {
            __m512 sum = _mm512_setzero_ps();
            for (size_t i = 0; i < width; i += 32) {
                __mmask32 mask = width - i >= 32 ? 0xffffffff : (1u << (width - i)) - 1;
                __m512i q = _mm512_maskz_loadu_epi16(mask, row->q + h * width + i);
                __m512i k = _mm512_maskz_loadu_epi16(mask, key + h * width + i);
                sum = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(q, 16)),
                                      _mm512_castsi512_ps(_mm512_slli_epi32(k, 16)), sum);
                sum = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_and_si512(q, high)),
                                      _mm512_castsi512_ps(_mm512_and_si512(k, high)), sum);
            }
            scores[h * ld + t] = pp_sum16(sum);
        }
    }
}

AVX512 static void PP_ATTENTION(decode_values)(const pp_attention_row *row, const float *weights, size_t ld,
                                               float *sums) {
    size_t width = row->head_width;
    for (size_t i = 0; i < row->heads * width; i++) sums[i] = 0;
    for (size_t t = 0; t < row->keys; t++) {
        const uint16_t *value = row->v + pp_key_row(row, t) * row->ld_v;
        for (size_t h = 0; h < row->heads; h++) {
            __m512 weight = _mm512_set1_ps(weights[h * ld + t]);
            for (size_t i = 0; i < width; i += 16) {
                __mmask16 mask = pp_column_mask(width, i);
                float *sum = sums + h * width + i;
                __m512 v = pp_widen16(_mm256_maskz_loadu_epi16(mask, value + h * width + i));
                __m512 x = _mm512_fmadd_ps(weight, v, _mm512_maskz_loadu_ps(mask, sum));
                _mm512_mask_storeu_ps(sum, mask, x);
            }
        }
    }
}

const pp_attention_kernels PP_ATTENTION(kernels) = {
    .pack_keys = PP_ATTENTION(pack_keys),
    .pack_values = PP_ATTENTION(pack_values),
    .softmax = PP_ATTENTION(softmax),
    .decode_scores = PP_ATTENTION(decode_scores),
    .decode_values = PP_ATTENTION(decode_values),
};
