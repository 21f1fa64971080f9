// AVX-512 kernels: up to 6 rows × 4 panels of sums in registers. Each sum is one chain over K.

#if defined(__x86_64__)

#include "avx512.h"
#include "gemm_kernels.h"

#define NATIVE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni,fma")))
#define NATIVE_INLINE NATIVE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { MAX_ROWS = 6, MAX_PANELS = 4, ROW_BLOCK = 192 };

/// Which instruction multiplies.
typedef enum form { FORM_BF16, FORM_WIDENED, FORM_INT8 } form;

/// A row's next 4 bytes of K in every element.
AVX512_INLINE __m512i next4(const char *a) {
    int32_t element;
    memcpy(&element, a, 4);
    return _mm512_set1_epi32(element);
}

/// The last 1 to 3 bytes of K, then zeros.
AVX512_INLINE __m512i last(const char *a, size_t bytes) {
    uint32_t element = 0;
    for (size_t i = 0; i < bytes; i++) element |= (uint32_t)(uint8_t)a[i] << 8 * i;
    return _mm512_set1_epi32((int)element);
}

NATIVE_INLINE __m512i multiply_native(form f, __m512i c, __m512i a, __m512i b) {
    // u8 × s8: A's bytes are shifted by 128 here, which `sums` of the columns undo at the end.
    if (f == FORM_INT8) return _mm512_dpbusd_epi32(c, _mm512_xor_si512(a, _mm512_set1_epi8((char)0x80)), b);
    return _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(c), (__m512bh)a, (__m512bh)b));
}

AVX512_INLINE __m512i multiply_widened(__m512i c, __m512i a, __m512i b) {
    // The product of two bf16 is exact in float32. The odd elements go first, as in `vdpbf16ps`.
    __m512i high = _mm512_set1_epi32((int)0xffff0000);
    __m512 sum = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_and_si512(a, high)),
                                 _mm512_castsi512_ps(_mm512_and_si512(b, high)), _mm512_castsi512_ps(c));
    return _mm512_castps_si512(_mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(a, 16)),
                                               _mm512_castsi512_ps(_mm512_slli_epi32(b, 16)), sum));
}

/// 4 bytes of K of every row and panel.
#define STEP(multiplication, element)                                                          \
    do {                                                                                       \
        __m512i b_now[MAX_PANELS];                                                             \
        UNROLL for (int p = 0; p < panels; p++)                                                \
            b_now[p] = _mm512_load_si512(b + (size_t)p * panel_bytes + k * PP_PANEL);          \
        UNROLL for (int m = 0; m < rows; m++) {                                                \
            __m512i x = element;                                                               \
            UNROLL for (int p = 0; p < panels; p++) {                                          \
                __m512i y = b_now[p];                                                          \
                c[m][p] = multiplication;                                                      \
            }                                                                                  \
        }                                                                                      \
    } while (0)

/// Sums of `rows` × `panels`, constants where it is used, into `sums[panel][6][16]`.
#define SUM_BODY(multiplication)                                                               \
    __m512i c[MAX_ROWS][MAX_PANELS];                                                           \
    size_t k = 0;                                                                              \
    UNROLL for (int m = 0; m < rows; m++)                                                      \
        UNROLL for (int p = 0; p < panels; p++) c[m][p] = _mm512_setzero_si512();              \
    for (; k + 4 <= k_bytes; k += 4) STEP(multiplication, next4(a + (size_t)m * a_stride + k)); \
    if (k < k_bytes) STEP(multiplication, last(a + (size_t)m * a_stride + k, k_bytes - k));    \
    UNROLL for (int m = 0; m < rows; m++)                                                      \
        UNROLL for (int p = 0; p < panels; p++)                                                \
            _mm512_storeu_si512(sums + (p * MAX_ROWS + m) * 64, c[m][p])

NATIVE_INLINE void sum_native(form f, int rows, int panels, const char *a, size_t a_stride, size_t k_bytes,
                              const char *b, size_t panel_bytes, char *sums) {
    SUM_BODY(multiply_native(f, c[m][p], x, y));
}

AVX512_INLINE void sum_widened(form f, int rows, int panels, const char *a, size_t a_stride, size_t k_bytes,
                               const char *b, size_t panel_bytes, char *sums) {
    (void)f;
    SUM_BODY(multiply_widened(c[m][p], x, y));
}

/// Takes 128 times the columns' sums from the sums of the shifted bytes.
AVX512_INLINE void unshift(const pp_gemm *g, size_t panel, size_t panels, size_t rows, char *sums) {
    for (size_t p = 0; p < panels; p++) {
        __m512i shift = _mm512_slli_epi32(_mm512_loadu_si512(g->column_sum + (panel + p) * PP_PANEL), 7);
        for (size_t m = 0; m < rows; m++) {
            char *at = sums + (p * MAX_ROWS + m) * 64;
            _mm512_storeu_si512(at, _mm512_sub_epi32(_mm512_loadu_si512(at), shift));
        }
    }
}

/// Chooses the constant form for `rows` of 6, 4, 2 or 1 and `panels` of 4, 2 or 1.
#define SUM_ANY(sum)                                                                  \
    do {                                                                              \
        if (n == 4) SUM_ROWS(sum, 4);                                                 \
        else if (n == 2) SUM_ROWS(sum, 2);                                            \
        else SUM_ROWS(sum, 1);                                                        \
    } while (0)
#define SUM_ROWS(sum, n)                                                              \
    do {                                                                              \
        if (rows == 6) sum(f, 6, n, at, a_stride, k_bytes, b, panel_bytes, out);      \
        else if (rows == 4) sum(f, 4, n, at, a_stride, k_bytes, b, panel_bytes, out); \
        else if (rows == 2) sum(f, 2, n, at, a_stride, k_bytes, b, panel_bytes, out); \
        else sum(f, 1, n, at, a_stride, k_bytes, b, panel_bytes, out);                \
    } while (0)

#define MULTIPLY_BODY(sum, widest)                                                                        \
    size_t element = f == FORM_INT8 ? 1 : 2;                                                              \
    size_t a_stride = g->lda * element, k_bytes = g->k * element;                                         \
    size_t panel_bytes = (k_bytes + 63) / 64 * 64 * PP_PANEL;                                             \
    _Alignas(64) char sums[MAX_PANELS * MAX_ROWS * 64];                                                   \
    for (size_t top = r.row_begin; top < r.row_end; top += ROW_BLOCK) {                                   \
        size_t bottom = r.row_end - top < ROW_BLOCK ? r.row_end : top + ROW_BLOCK;                        \
        for (size_t p = r.panel_begin, n; p < r.panel_end; p += n) {                                      \
            size_t left = r.panel_end - p;                                                                \
            n = left >= widest ? widest : left >= 2 ? 2 : 1;                                              \
            const char *b = (const char *)g->panels + p * panel_bytes;                                    \
            for (size_t m = top, rows; m < bottom; m += rows) {                                           \
                rows = bottom - m >= 6 ? 6 : bottom - m >= 4 ? 4 : bottom - m >= 2 ? 2 : 1;               \
                const char *at = (const char *)g->a + m * a_stride;                                       \
                char *out = sums;                                                                         \
                SUM_ANY(sum);                                                                             \
                if (f == FORM_INT8) unshift(g, p, n, rows, sums);                                         \
                for (size_t i = 0; i < n; i += 2) {                                                       \
                    bool two = i + 1 < n;                                                                 \
                    const char *first = sums + i * MAX_ROWS * 64;                                         \
                    pp_finish16(g, m, rows, p + i, two, first, two ? first + MAX_ROWS * 64 : first,       \
                                f == FORM_INT8);                                                          \
                }                                                                                         \
            }                                                                                             \
        }                                                                                                 \
    }

NATIVE_INLINE void multiply_all(form f, const pp_gemm *g, pp_range r) { MULTIPLY_BODY(sum_native, 4) }

NATIVE static void bf16_native(const pp_gemm *g, pp_range r) { multiply_all(FORM_BF16, g, r); }

AVX512 static void bf16_widened(const pp_gemm *g, pp_range r) {
    const form f = FORM_WIDENED;
    MULTIPLY_BODY(sum_widened, 2)
}

void pp_gemm_bf16_avx512(const pp_gemm *gemm, pp_range range, bool native) {
    if (native) bf16_native(gemm, range);
    else bf16_widened(gemm, range);
}

NATIVE static void int8_native(const pp_gemm *g, pp_range r) { multiply_all(FORM_INT8, g, r); }

void pp_gemm_int8_avx512(const pp_gemm *gemm, pp_range range) { int8_native(gemm, range); }

#endif
