// AVX2 kernels: 4 rows × 1 panel of sums in registers, epilogues in plain C.

#if defined(__x86_64__)

#include <immintrin.h>

#include "gemm_kernels.h"

#define AVX2 __attribute__((target("avx2,fma")))
#define AVX2_INLINE AVX2 static inline __attribute__((always_inline))
#define PP_INLINE AVX2 static inline

#include "epilogue.h"

#define UNROLL _Pragma("clang loop unroll(full)")

enum { MAX_ROWS = 4, ROW_BLOCK = 96 };

/// A row's next 4 bytes of K in every element.
AVX2_INLINE __m256i next4(const char *a) {
    int32_t element;
    memcpy(&element, a, 4);
    return _mm256_set1_epi32(element);
}

/// The last 1 to 3 bytes of K, then zeros.
AVX2_INLINE __m256i last(const char *a, size_t bytes) {
    uint32_t element = 0;
    for (size_t i = 0; i < bytes; i++) element |= (uint32_t)(uint8_t)a[i] << 8 * i;
    return _mm256_set1_epi32((int)element);
}

/// The product of two bf16 is exact in float32. The odd elements go first, as in `vdpbf16ps`.
AVX2_INLINE __m256i multiply_bf16(__m256i c, __m256i a, __m256i b) {
    __m256i high = _mm256_set1_epi32((int)0xffff0000);
    __m256 sum = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_and_si256(a, high)),
                                 _mm256_castsi256_ps(_mm256_and_si256(b, high)), _mm256_castsi256_ps(c));
    return _mm256_castps_si256(_mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(a, 16)),
                                               _mm256_castsi256_ps(_mm256_slli_epi32(b, 16)), sum));
}

/// |a| × (b with a's sign): two such products stay within int16, as no element is -128.
AVX2_INLINE __m256i multiply_int8(__m256i c, __m256i a, __m256i b) {
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a));
    return _mm256_add_epi32(c, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/// Sums of `rows` rows of one panel into `sums[row][16]`.
AVX2_INLINE void sum_rows(bool integer, int rows, const char *a, size_t a_stride, size_t k_bytes,
                          const char *b, float *sums) {
    __m256i c[MAX_ROWS][2];
    UNROLL for (int m = 0; m < rows; m++) c[m][0] = c[m][1] = _mm256_setzero_si256();
    size_t k = 0;
#define STEP(element)                                                                             \
    do {                                                                                          \
        __m256i b0 = _mm256_load_si256((const __m256i *)(b + k * PP_PANEL));                      \
        __m256i b1 = _mm256_load_si256((const __m256i *)(b + k * PP_PANEL + 32));                 \
        UNROLL for (int m = 0; m < rows; m++) {                                                   \
            __m256i x = element;                                                                  \
            c[m][0] = integer ? multiply_int8(c[m][0], x, b0) : multiply_bf16(c[m][0], x, b0);    \
            c[m][1] = integer ? multiply_int8(c[m][1], x, b1) : multiply_bf16(c[m][1], x, b1);    \
        }                                                                                         \
    } while (0)
    for (; k + 4 <= k_bytes; k += 4) STEP(next4(a + (size_t)m * a_stride + k));
    if (k < k_bytes) STEP(last(a + (size_t)m * a_stride + k, k_bytes - k));
#undef STEP
    UNROLL for (int m = 0; m < rows; m++) {
        _mm256_storeu_si256((__m256i *)(sums + m * PP_PANEL), c[m][0]);
        _mm256_storeu_si256((__m256i *)(sums + m * PP_PANEL + 8), c[m][1]);
    }
}

AVX2_INLINE void multiply(bool integer, const pp_gemm *g, pp_range r) {
    size_t size = integer ? 1 : 2, a_stride = g->lda * size, k_bytes = g->k * size;
    size_t panel_bytes = (k_bytes + 63) / 64 * 64 * PP_PANEL;
    size_t panels = g->epilogue == PP_GATED_GELU_BF16 ? 2 : 1;
    union {
        float f32[2][MAX_ROWS * PP_PANEL];
        int32_t s32[2][MAX_ROWS * PP_PANEL];
    } sums;
    for (size_t top = r.row_begin; top < r.row_end; top += ROW_BLOCK) {
        size_t bottom = pp_min(r.row_end, top + ROW_BLOCK);
        for (size_t p = r.panel_begin; p < r.panel_end; p += panels) {
            for (size_t m = top, rows; m < bottom; m += rows) {
                rows = bottom - m >= MAX_ROWS ? MAX_ROWS : 1;
                const char *a = (const char *)g->a + m * a_stride;
                for (size_t i = 0; i < panels; i++) {
                    const char *b = (const char *)g->panels + (p + i) * panel_bytes;
                    if (rows == MAX_ROWS) sum_rows(integer, MAX_ROWS, a, a_stride, k_bytes, b, sums.f32[i]);
                    else sum_rows(integer, 1, a, a_stride, k_bytes, b, sums.f32[i]);
                }
                if (integer) pp_finish_s32(g, m, rows, p, MAX_ROWS * PP_PANEL, sums.s32[0]);
                else pp_finish_f32(g, m, rows, p, MAX_ROWS * PP_PANEL, sums.f32[0]);
            }
        }
    }
}

AVX2 void pp_gemm_bf16_avx2(const pp_gemm *gemm, pp_range range) { multiply(false, gemm, range); }

AVX2 void pp_gemm_int8_avx2(const pp_gemm *gemm, pp_range range) { multiply(true, gemm, range); }

#endif
