// ReLU's signs and transposition for gradient_body.h, for AVX-512.

#include "avx512.h"

/// As 64-bit elements, each of two rows of two columns, the block is 8 × 8: those are transposed, and in
/// each the middle two numbers change places.
static void PP_KERNEL(transpose_block)(const uint16_t *from, uint16_t *out) {
    const __m512i swap = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11,
                                                              14, 15));
    __m512i r[8], t[8];
    for (int i = 0; i < 8; i++) r[i] = _mm512_load_si512(from + 32 * i);
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm512_unpacklo_epi64(r[i], r[i + 1]);      // columns 0, 2, 4, 6 of rows i, i + 1
        t[i + 1] = _mm512_unpackhi_epi64(r[i], r[i + 1]);  // columns 1, 3, 5, 7
    }
    for (int odd = 0; odd < 2; odd++) {
        const __m512i a = _mm512_shuffle_i64x2(t[odd], t[odd + 2], 0x88);      // columns 0, 4 of rows 0-3
        const __m512i b = _mm512_shuffle_i64x2(t[odd], t[odd + 2], 0xdd);      // columns 2, 6
        const __m512i c = _mm512_shuffle_i64x2(t[odd + 4], t[odd + 6], 0x88);  // of rows 4-7
        const __m512i d = _mm512_shuffle_i64x2(t[odd + 4], t[odd + 6], 0xdd);
        r[odd] = _mm512_shuffle_i64x2(a, c, 0x88);
        r[odd + 4] = _mm512_shuffle_i64x2(a, c, 0xdd);
        r[odd + 2] = _mm512_shuffle_i64x2(b, d, 0x88);
        r[odd + 6] = _mm512_shuffle_i64x2(b, d, 0xdd);
    }
    for (int i = 0; i < 8; i++) _mm512_store_si512(out + 32 * i, _mm512_shuffle_epi8(r[i], swap));
}

/// 16 rows of 32 columns at a time: pairs of columns are transposed as 32-bit elements, then parted.
static void PP_KERNEL(transpose)(const uint16_t *x, size_t ld, size_t rows, size_t columns, uint16_t *out,
                                 size_t ldo) {
    const size_t padded = (rows + 31) / 32 * 32;
    for (size_t r = 0; r < padded; r += 16) {
        for (size_t c = 0; c < columns; c += 32) {
            const size_t width = columns - c < 32 ? columns - c : 32;
            const __mmask32 mask = pp_mask32(columns, c);
            __m512i block[16];
            for (size_t i = 0; i < 16; i++)
                block[i] = r + i < rows ? _mm512_maskz_loadu_epi16(mask, x + (r + i) * ld + c)
                                        : _mm512_setzero_si512();
            pp_transpose16(block);
            for (size_t i = 0; i < 16; i++) {
                if (2 * i >= width) break;
                uint16_t *even = out + (c + 2 * i) * ldo + r;
                _mm256_storeu_si256((__m256i *)even, _mm512_cvtepi32_epi16(block[i]));
                if (2 * i + 1 >= width) break;
                _mm256_storeu_si256((__m256i *)(even + ldo),
                                    _mm512_cvtepi32_epi16(_mm512_srli_epi32(block[i], 16)));
            }
        }
    }
}

static void PP_KERNEL(signs)(const uint16_t *hidden, size_t count, uint32_t *signs) {
    for (size_t i = 0; i < count; i += 32) {
        const __m512i x = _mm512_maskz_loadu_epi16(pp_mask32(count, i), hidden + i);
        signs[i / 32] = _mm512_test_epi16_mask(x, x);
    }
}

static void PP_KERNEL(signs_gradient)(const uint32_t *signs, uint16_t *gradient, size_t count) {
    for (size_t i = 0; i < count; i += 32) {
        const __mmask32 exists = pp_mask32(count, i);
        const __m512i g = _mm512_maskz_loadu_epi16(exists & signs[i / 32], gradient + i);
        _mm512_mask_storeu_epi16(gradient + i, exists, g);
    }
}
