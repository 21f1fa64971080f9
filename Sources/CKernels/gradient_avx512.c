#include "gradient_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)

/// 16 × 16 transposition of 32-bit elements.
static inline __attribute__((always_inline)) void transpose_pairs(__m512i r[16]) {
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

/// 16 rows of 32 columns at a time: pairs of columns are transposed as 32-bit elements, then parted.
static void pp_avx512_transpose(const uint16_t *x, size_t ld, size_t rows, size_t columns, uint16_t *out,
                                size_t ldo) {
    const size_t padded = (rows + 31) / 32 * 32;
    for (size_t r = 0; r < padded; r += 16) {
        for (size_t c = 0; c < columns; c += 32) {
            const size_t width = columns - c < 32 ? columns - c : 32;
            const __mmask32 mask = width == 32 ? 0xffffffff : (1u << width) - 1;
            __m512i block[16];
            for (size_t i = 0; i < 16; i++)
                block[i] = r + i < rows ? _mm512_maskz_loadu_epi16(mask, x + (r + i) * ld + c)
                                        : _mm512_setzero_si512();
            transpose_pairs(block);
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

#define PP_TRANSPOSE
#define PP_NAME(name) pp_avx512_##name
#include "gradient_body.h"
#pragma clang attribute pop
#endif
