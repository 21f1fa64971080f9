// Attention's inner parts for AVX-512.

#include "avx512.h"

static void PP_KERNEL(pack_keys)(const uint16_t *k, size_t ld, size_t count, size_t width, uint16_t *panel) {
    for (size_t i = 0; i < width; i += 32) {
        __mmask32 mask = pp_mask32(width, i);
        __m512i rows[16];
        for (size_t n = 0; n < 16; n++)
            rows[n] = n < count ? _mm512_maskz_loadu_epi16(mask, k + n * ld + i) : _mm512_setzero_si512();
        pp_transpose16(rows);
        for (size_t n = 0; n < 16; n++) _mm512_store_si512(panel + i * PP_PANEL + n * 32, rows[n]);
    }
}

static void PP_KERNEL(pack_values)(const uint16_t *v, size_t ld, size_t keys, size_t columns, uint16_t *panel) {
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

static float PP_KERNEL(softmax)(float *scores, size_t n, const float *bias, uint16_t *out, size_t padded) {
    __m512 largest = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    for (size_t j = 0; j < n; j += 16) {
        __mmask16 mask = pp_mask16(n, j);
        __m512 x = _mm512_maskz_loadu_ps(mask, scores + j);
        if (bias) {
            x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, bias + j));
            _mm512_mask_storeu_ps(scores + j, mask, x);
        }
        largest = _mm512_mask_max_ps(largest, mask, x, largest);
    }
    largest = _mm512_set1_ps(_mm512_reduce_max_ps(largest));
    for (size_t j = 0; j < n; j += 16) {
        __mmask16 mask = pp_mask16(n, j);
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

// Keys that a decoding row takes at a time: their part of the K and V cache stays in the L1 cache for all heads.
enum { KEY_BLOCK = 16 };

/// The rows of up to 16 keys or values from the t-th on; missing ones repeat the first, and are not used.
PP_INLINE size_t block_rows(const pp_attention_row *row, const uint16_t *cache, size_t ld, size_t t,
                            const uint16_t *rows[KEY_BLOCK]) {
    size_t count = row->keys - t < KEY_BLOCK ? row->keys - t : KEY_BLOCK;
    for (size_t j = 0; j < KEY_BLOCK; j++) rows[j] = cache + pp_key_row(row, j < count ? t + j : t) * ld;
    return count;
}

/// `pp_sum16` of 16 vectors at once, each by the same tree of additions.
PP_INLINE __m512 sum16_each(const __m512 x[16]) {
    __m512 a[8], b[4], c[2];
    for (int i = 0; i < 8; i++)
        a[i] = _mm512_add_ps(_mm512_shuffle_f32x4(x[2 * i], x[2 * i + 1], 0x44),
                             _mm512_shuffle_f32x4(x[2 * i], x[2 * i + 1], 0xee));
    for (int i = 0; i < 4; i++)
        b[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a[2 * i], a[2 * i + 1], 0x88),
                             _mm512_shuffle_f32x4(a[2 * i], a[2 * i + 1], 0xdd));
    for (int i = 0; i < 2; i++) {
        __m512d low = _mm512_castps_pd(b[2 * i]), high = _mm512_castps_pd(b[2 * i + 1]);
        c[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(low, high)),
                             _mm512_castpd_ps(_mm512_unpackhi_pd(low, high)));
    }
    __m512 sums = _mm512_add_ps(_mm512_shuffle_ps(c[0], c[1], 0x88), _mm512_shuffle_ps(c[0], c[1], 0xdd));
    // Now vector 4m + k has its sum in element 4k + m.
    __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_ps(order, sums);
}

static void PP_KERNEL(decode_scores)(const pp_attention_row *row, float *scores, size_t ld) {
    size_t width = row->head_width;
    for (size_t t = 0; t < row->keys; t += KEY_BLOCK) {
        const uint16_t *keys[KEY_BLOCK];
        size_t count = block_rows(row, row->k, row->ld_k, t, keys);
        for (size_t h = 0; h < row->heads; h++) {
            __m512 sums[KEY_BLOCK];
            for (int j = 0; j < KEY_BLOCK; j++) sums[j] = _mm512_setzero_ps();
            for (size_t i = h * width; i < (h + 1) * width; i += 32) {
                __mmask32 mask = pp_mask32((h + 1) * width, i);
                __m512i q = _mm512_maskz_loadu_epi16(mask, row->q + i);
                __m512 even = pp_even16(q), odd = pp_odd16(q);
                for (int j = 0; j < KEY_BLOCK; j++) {
                    __m512i k = _mm512_maskz_loadu_epi16(mask, keys[j] + i);
                    sums[j] = _mm512_fmadd_ps(even, pp_even16(k), sums[j]);
                    sums[j] = _mm512_fmadd_ps(odd, pp_odd16(k), sums[j]);
                }
            }
            _mm512_mask_storeu_ps(scores + h * ld + t, pp_mask16(count, 0), sum16_each(sums));
        }
    }
}

static void PP_KERNEL(decode_values)(const pp_attention_row *row, const float *weights, size_t ld,
                                     float *sums) {
    // Of 32 columns the even ones, the odd ones, and how they lie side by side again.
    __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    __m512i odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
    __m512i firsts = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    __m512i seconds = _mm512_add_epi32(firsts, _mm512_set1_epi32(8));
    size_t width = row->head_width;
    for (size_t i = 0; i < row->heads * width; i++) sums[i] = 0;
    for (size_t t = 0; t < row->keys; t += KEY_BLOCK) {
        const uint16_t *values[KEY_BLOCK];
        size_t count = block_rows(row, row->v, row->ld_v, t, values);
        for (size_t h = 0; h < row->heads; h++) {
            const float *weight = weights + h * ld + t;
            for (size_t i = h * width; i < (h + 1) * width; i += 32) {
                __mmask32 mask = pp_mask32((h + 1) * width, i);
                __m512 first = _mm512_maskz_loadu_ps((__mmask16)mask, sums + i);
                __m512 second = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), sums + i + 16);
                __m512 even = _mm512_permutex2var_ps(first, evens, second);
                __m512 odd = _mm512_permutex2var_ps(first, odds, second);
                for (size_t j = 0; j < count; j++) {
                    __m512i v = _mm512_maskz_loadu_epi16(mask, values[j] + i);
                    __m512 w = _mm512_set1_ps(weight[j]);
                    even = _mm512_fmadd_ps(w, pp_even16(v), even);
                    odd = _mm512_fmadd_ps(w, pp_odd16(v), odd);
                }
                _mm512_mask_storeu_ps(sums + i, (__mmask16)mask, _mm512_permutex2var_ps(even, firsts, odd));
                _mm512_mask_storeu_ps(sums + i + 16, (__mmask16)(mask >> 16),
                                      _mm512_permutex2var_ps(even, seconds, odd));
            }
        }
    }
}

const pp_attention_kernels PP_KERNEL(attention) = {
    .pack_keys = PP_KERNEL(pack_keys),
    .pack_values = PP_KERNEL(pack_values),
    .softmax = PP_KERNEL(softmax),
    .decode_scores = PP_KERNEL(decode_scores),
    .decode_values = PP_KERNEL(decode_values),
};
