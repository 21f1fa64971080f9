// Products for AVX-512: up to 6 rows × 4 panels of sums in registers, each sum one chain over K. Of bf16, or with
// PP_VNNI (for `vpdpbusd`) of int8, or with PP_NATIVE_BF16 besides (for `vdpbf16ps`) of both. Without the latter
// the products of two bf16, exact in float32, are added by two fused multiply-adds in the same order.
//
// Every size of a block is a function of its own: inlined into one, they crowd each other out of the registers.

#include "avx512.h"
#include "peak.h"

enum {
    MAX_ROWS = 6,
    MAX_PANELS = 4,
    // A's rows of a block stay in the L2 cache while all panels pass by.
    A_BLOCK_BYTES = 384 << 10,
    // How far ahead of the products a panel is fetched, in bytes of one.
    AHEAD = 1024,
};

/// Rows and panels to multiply.
typedef struct part {
    const char *a;  // its first row
    size_t a_stride, k_bytes;
    const char *b;  // its first panel
    size_t panel_bytes;
    const char *next;  // the panel that is read after it
    const char *fetch[2];  // panels to come, fetched into the L2 cache meanwhile
    const int32_t *column_sum;  // int8: of the first panel
} part;

/// Writes the sums of a part to `[panel][MAX_ROWS][16]`.
typedef void sum_function(const part *x, char *sums);

// One step: 4 bytes of K of every row (`element`, in terms of its pointer `at`) and panel.
#define EACH_ROW(element, statement)              \
    PP_UNROLL for (int m = 0; m < rows; m++) {    \
        const char *at = a[m] + k;                \
        __m512i y = element;                      \
        statement                                 \
    }
#define EACH_PANEL PP_UNROLL for (int p = 0; p < panels; p++)
#define SUM_BODY(START, STEP)                                                                           \
    const size_t end = x->k_bytes, panel_bytes = x->panel_bytes;                                        \
    const size_t whole = end / 4 * 4, near = whole > AHEAD / PP_PANEL ? whole - AHEAD / PP_PANEL : 0;   \
    const char *a[MAX_ROWS], *fetch0 = x->fetch[0], *fetch1 = x->fetch[1];                              \
    __m512i c[MAX_ROWS][MAX_PANELS], panel[MAX_PANELS];                                                 \
    EACH_PANEL panel[p] = START;                                                                        \
    PP_UNROLL for (int m = 0; m < rows; m++) {                                                             \
        a[m] = x->a + (size_t)m * x->a_stride;                                                          \
        EACH_PANEL c[m][p] = panel[p];                                                                  \
    }                                                                                                   \
    for (size_t k = 0; k < whole; k += 4) {                                                             \
        /* What comes AHEAD bytes later; at the panels' end, how those that are read next begin. */     \
        const char *ahead = k < near ? x->b + AHEAD + k * PP_PANEL : x->next + (k - near) * PP_PANEL;   \
        _mm_prefetch(fetch0 + k * PP_PANEL, _MM_HINT_T1);                                               \
        _mm_prefetch(fetch1 + k * PP_PANEL, _MM_HINT_T1);                                               \
        EACH_PANEL {                                                                                    \
            _mm_prefetch(ahead + p * panel_bytes, _MM_HINT_T0);                                         \
            panel[p] = _mm512_load_si512(x->b + p * panel_bytes + k * PP_PANEL);                        \
        }                                                                                               \
        STEP(_mm512_set1_epi32(pp_next4(at)))                                                           \
    }                                                                                                   \
    if (whole < end) {                                                                                  \
        const size_t k = whole;                                                                         \
        EACH_PANEL panel[p] = _mm512_load_si512(x->b + p * panel_bytes + k * PP_PANEL);                 \
        STEP(_mm512_set1_epi32(pp_last4(at, end - k)))                                                  \
    }                                                                                                   \
    PP_UNROLL for (int m = 0; m < rows; m++)                                                               \
        EACH_PANEL _mm512_storeu_si512(sums + (p * MAX_ROWS + m) * 64, c[m][p])

#define SIZE(sum, rows, panels)                                                                \
    static __attribute__((noinline)) void sum##_##rows##x##panels(const part *x, char *sums) { \
        sum(rows, panels, x, sums);                                                            \
    }
#define ROWS(sum, rows)                                                               \
    SIZE(sum, rows, 1) SIZE(sum, rows, 2) SIZE(sum, rows, 3) SIZE(sum, rows, 4)
#define ALL(sum)                                                                      \
    ROWS(sum, 1) ROWS(sum, 2) ROWS(sum, 3)                            \
    ROWS(sum, 4) ROWS(sum, 5) ROWS(sum, 6)
#define NAMES(sum, rows) {sum##_##rows##x1, sum##_##rows##x2, sum##_##rows##x3, sum##_##rows##x4}
#define TABLE(sum) \
    {NAMES(sum, 1), NAMES(sum, 2), NAMES(sum, 3), NAMES(sum, 4), NAMES(sum, 5), NAMES(sum, 6)}

PP_INLINE void multiply(const pp_gemm *g, pp_range r, size_t element, size_t widest, bool integer,
                        sum_function *const functions[MAX_ROWS][MAX_PANELS]) {
    size_t a_stride = g->lda * element, k_bytes = g->k * element;
    size_t panel_bytes = (k_bytes + 63) / 64 * 64 * PP_PANEL;
    size_t block = A_BLOCK_BYTES / (k_bytes + 64) / MAX_ROWS * MAX_ROWS;
    if (block < 4 * MAX_ROWS) block = 4 * MAX_ROWS;
    _Alignas(64) char sums[MAX_PANELS * MAX_ROWS * 64];
    for (size_t top = r.row_begin; top < r.row_end; top += block) {
        size_t bottom = r.row_end - top < block ? r.row_end : top + block;
        // As few parts as can be, of about equal size.
        size_t parts = (bottom - top + MAX_ROWS - 1) / MAX_ROWS;
        for (size_t p = r.panel_begin, n; p < r.panel_end; p += n) {
            n = r.panel_end - p < widest ? r.panel_end - p : widest;
            const char *b = (const char *)g->panels + p * panel_bytes;
            // Panels to come are fetched while these are multiplied, some with every part of the rows.
            size_t coming = r.panel_end - p - n < n ? 0 : n, fetched = 0;
            for (size_t i = 0, m = top, rows; i < parts; i++, m += rows) {
                rows = (bottom - m) / (parts - i);
                part x = {.a = (const char *)g->a + m * a_stride, .a_stride = a_stride, .k_bytes = k_bytes,
                          .b = b, .panel_bytes = panel_bytes,
                          .next = i + 1 < parts ? b : b + coming * panel_bytes, .fetch = {b, b},
                          .column_sum = integer ? g->column_sum + p * PP_PANEL : NULL};
                if (parts > 1)
                    for (int f = 0; f < 2 && fetched < coming * (i + 1) / (parts < n ? parts : n); f++)
                        x.fetch[f] = b + (n + fetched++) * panel_bytes;
                functions[rows - 1][n - 1](&x, sums);
                for (size_t at = 0; at < n; at += 2) {
                    bool two = at + 1 < n;
                    const char *first = sums + at * MAX_ROWS * 64;
                    pp_finish16(g, m, rows, p + at, two, first, two ? first + MAX_ROWS * 64 : first, integer);
                }
            }
        }
    }
}

#if defined(PP_NATIVE_BF16) || !defined(PP_VNNI)

#ifdef PP_NATIVE_BF16
enum { BF16_PANELS = 4 };
/// Pairs of bf16.
#define STEP_BF16(element)                                                                              \
    EACH_ROW(element, EACH_PANEL {                                                                      \
        __m512 sum = _mm512_dpbf16_ps(_mm512_castsi512_ps(c[m][p]), (__m512bh)y, (__m512bh)panel[p]);   \
        c[m][p] = _mm512_castps_si512(sum);                                                             \
    })
#else
enum { BF16_PANELS = 2 };  // their even and odd elements take two registers
/// bf16 widened to float32. The odd elements go first, as in `vdpbf16ps`.
#define STEP_BF16(element)                                                                           \
    __m512 odd[MAX_PANELS], even[MAX_PANELS];                                                           \
    EACH_PANEL {                                                                                        \
        odd[p] = pp_odd16(panel[p]);                                                                    \
        even[p] = pp_even16(panel[p]);                                                                  \
    }                                                                                                   \
    EACH_ROW(element, {                                                                                 \
        __m512 y_odd = pp_odd16(y);                                                                     \
        __m512 y_even = pp_even16(y);                                                                   \
        EACH_PANEL {                                                                                    \
            __m512 sum = _mm512_fmadd_ps(y_odd, odd[p], _mm512_castsi512_ps(c[m][p]));                  \
            c[m][p] = _mm512_castps_si512(_mm512_fmadd_ps(y_even, even[p], sum));                       \
        }                                                                                               \
    })
#endif

PP_INLINE void sum_bf16(const int rows, const int panels, const part *x, char *sums) {
    SUM_BODY(_mm512_setzero_si512(), STEP_BF16);
}

ALL(sum_bf16)
static sum_function *const bf16_sums[MAX_ROWS][MAX_PANELS] = TABLE(sum_bf16);

static void PP_KERNEL(multiply_bf16)(const pp_gemm *gemm, pp_range range) {
    multiply(gemm, range, 2, BF16_PANELS, false, bf16_sums);
}

static double PP_KERNEL(peak_bf16)(size_t steps) {
#ifdef PP_NATIVE_BF16
    _Alignas(64) uint16_t numbers[2][32];
    pp_fill(numbers[0], 64, false);
    __m512bh a = (__m512bh)_mm512_load_si512(numbers[0]), b = (__m512bh)_mm512_load_si512(numbers[1]);
    PP_PEAK(__m512, _mm512_setzero_ps(), _mm512_dpbf16_ps(c[j], a, b));
    return (double)steps * PP_CHAINS * 2 * 32;
#else
    __m512 a = _mm512_set1_ps(0.75f), b = _mm512_set1_ps(0.3f);
    PP_PEAK(__m512, b, _mm512_fmadd_ps(c[j], a, b));
    return (double)steps * PP_CHAINS * 2 * 16;
#endif
}

const pp_product_kernels PP_KERNEL(gemm_bf16) = {
    .multiply = PP_KERNEL(multiply_bf16), .peak = PP_KERNEL(peak_bf16)};

#endif

#ifdef PP_VNNI

/// u8 × s8: A's bytes are shifted by 128 here, which the sums' start undoes.
#define STEP_INT8(element)                                                                              \
    EACH_ROW(_mm512_xor_si512(element, _mm512_set1_epi8((char)0x80)),                                   \
             EACH_PANEL c[m][p] = _mm512_dpbusd_epi32(c[m][p], y, panel[p]);)

/// What undoes the shift of A's bytes by 128: sums start at minus 128 times those of the columns' elements.
PP_INLINE __m512i unshift(const int32_t *column_sum) {
    return _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(_mm512_loadu_si512(column_sum), 7));
}

PP_INLINE void sum_int8(const int rows, const int panels, const part *x, char *sums) {
    SUM_BODY(unshift(x->column_sum + p * PP_PANEL), STEP_INT8);
}

ALL(sum_int8)
static sum_function *const int8_sums[MAX_ROWS][MAX_PANELS] = TABLE(sum_int8);

static void PP_KERNEL(multiply_int8)(const pp_gemm *gemm, pp_range range) {
    multiply(gemm, range, 1, MAX_PANELS, true, int8_sums);
}

static double PP_KERNEL(peak_int8)(size_t steps) {
    _Alignas(64) uint16_t numbers[2][32];
    pp_fill(numbers[0], 64, true);
    __m512i a = _mm512_load_si512(numbers[0]), b = _mm512_load_si512(numbers[1]);
    PP_PEAK(__m512i, _mm512_setzero_si512(), _mm512_dpbusd_epi32(c[j], a, b));
    return (double)steps * PP_CHAINS * 2 * 64;
}

const pp_product_kernels PP_KERNEL(gemm_int8) = {
    .multiply = PP_KERNEL(multiply_int8), .peak = PP_KERNEL(peak_int8)};

#endif
