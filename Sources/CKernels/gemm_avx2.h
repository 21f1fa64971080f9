// Products for AVX2. Nothing here multiplies bf16 or sums int8 products in one instruction, so A's rows and the panels
// are unpacked first, a slice of K at a time: bf16 to float32, int8 to pairs of int16. Then both types are the same
// loop over steps of 4 bytes: 6 rows × 1 panel of sums in registers, each sum one chain over K. For very few rows,
// where reading the panels takes the time, elements are unpacked in registers instead; no bit differs.

#include "epilogue.h"
#include "peak.h"

#pragma clang fp contract(off)

enum {
    MAX_ROWS = 6,
    // Up to so many rows are unpacked in registers, a few at a time.
    FEW_ROWS_BF16 = 2,
    FEW_ROWS_INT8 = 8,
    FEW_ROWS = 8,
    FEW_ROWS_PANELS = 4,
    ROW_BLOCK = 96,
    PANEL_BLOCK = 8,
    // Steps of a slice: an unpacked panel's takes half of the L1 cache.
    STEPS = 256,
};

/// The odd elements of pairs of bf16, as float32.
PP_INLINE __m256i odd_bf16(__m256i pairs) { return _mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000)); }

/// The even ones.
PP_INLINE __m256i even_bf16(__m256i pairs) { return _mm256_slli_epi32(pairs, 16); }

PP_INLINE __m256i fused(__m256i a, __m256i b, __m256i c) {
    return _mm256_castps_si256(
        _mm256_fmadd_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), _mm256_castsi256_ps(c)));
}

// MARK: - Many rows

/// Unpacks `size` elements of a row, then zeros up to whole steps. Of two bf16 the odd one goes first, as in
/// `vdpbf16ps`.
PP_INLINE void unpack_row(bool integer, const char *a, size_t size, char *out) {
    size_t i = 0;
    if (integer) {
        for (; i + 16 <= size; i += 16) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(a + i));
            _mm256_storeu_si256((__m256i *)(out + i * 2), _mm256_cvtepi8_epi16(bytes));
        }
        for (; i < size; i++) {
            int16_t element = (int8_t)a[i];
            memcpy(out + i * 2, &element, 2);
        }
        for (; i % 4; i++) memset(out + i * 2, 0, 2);
    } else {
        for (; i + 16 <= size; i += 16) {
            __m256i pairs = _mm256_loadu_si256((const __m256i *)(a + i * 2));
            __m256i odd = odd_bf16(pairs), even = even_bf16(pairs);
            __m256i low = _mm256_unpacklo_epi32(odd, even), high = _mm256_unpackhi_epi32(odd, even);
            _mm256_storeu_si256((__m256i *)(out + i * 4), _mm256_permute2x128_si256(low, high, 0x20));
            _mm256_storeu_si256((__m256i *)(out + i * 4 + 32), _mm256_permute2x128_si256(low, high, 0x31));
        }
        for (; i < size; i += 2) {
            uint16_t even, odd = 0;
            memcpy(&even, a + i * 2, 2);
            if (i + 1 < size) memcpy(&odd, a + i * 2 + 2, 2);
            float pair[2] = {pp_widen(odd), pp_widen(even)};
            memcpy(out + i * 4, pair, 8);
        }
    }
}

/// Unpacks `lines` of a panel: 64 bytes hold 4 bytes of K of each column. Each becomes two steps.
PP_INLINE void unpack_panel(bool integer, const char *b, size_t lines, char *out) {
    for (size_t i = 0; i < lines; i++) {
        for (size_t half = 0; half < 64; half += 32) {
            __m256i line = _mm256_load_si256((const __m256i *)(b + i * 64 + half)), first, second;
            if (integer) {
                // Columns 0–3 and 4–7, of each two pairs. The first pairs go together, then the second.
                __m256 left = _mm256_castsi256_ps(_mm256_cvtepi8_epi16(_mm256_castsi256_si128(line)));
                __m256 right = _mm256_castsi256_ps(_mm256_cvtepi8_epi16(_mm256_extracti128_si256(line, 1)));
                first = _mm256_castps_si256(_mm256_shuffle_ps(left, right, 0x88));
                second = _mm256_castps_si256(_mm256_shuffle_ps(left, right, 0xdd));
                first = _mm256_permute4x64_epi64(first, 0xd8);
                second = _mm256_permute4x64_epi64(second, 0xd8);
            } else {
                first = odd_bf16(line);
                second = even_bf16(line);
            }
            _mm256_store_si256((__m256i *)(out + i * 128 + half), first);
            _mm256_store_si256((__m256i *)(out + i * 128 + 64 + half), second);
        }
    }
}

/// What `sum_rows` reads and adds to.
typedef struct part {
    const char *a;  // unpacked rows, STEPS steps apart
    const char *b;  // an unpacked panel
    size_t steps;
    const char *ahead;  // 32 bytes a step to come, fetched meanwhile
    bool begins;        // the sums begin with these steps
    char *sums;         // [row][16]
} part;

typedef void sum_function(const part *x);

PP_INLINE void sum_rows(bool integer, const int rows, const part *x) {
    __m256i c[MAX_ROWS][2];
    const char *b = x->b, *a = x->a, *ahead = x->ahead;
    const size_t steps = x->steps;
    PP_UNROLL for (int m = 0; m < rows; m++)
        PP_UNROLL for (int h = 0; h < 2; h++)
            c[m][h] = x->begins ? _mm256_setzero_si256()
                                : _mm256_loadu_si256((const __m256i *)(x->sums + m * 64 + h * 32));
    for (size_t k = 0; k < steps; k++) {
        __m256i b0 = _mm256_load_si256((const __m256i *)(b + k * 64));
        __m256i b1 = _mm256_load_si256((const __m256i *)(b + k * 64 + 32));
        _mm_prefetch(ahead + k * 32, _MM_HINT_T0);
        PP_UNROLL for (int m = 0; m < rows; m++) {
            __m256i y = _mm256_set1_epi32(pp_next4(a + (size_t)m * STEPS * 4 + k * 4));
            if (integer) {
                c[m][0] = _mm256_add_epi32(c[m][0], _mm256_madd_epi16(y, b0));
                c[m][1] = _mm256_add_epi32(c[m][1], _mm256_madd_epi16(y, b1));
            } else {
                c[m][0] = fused(y, b0, c[m][0]);
                c[m][1] = fused(y, b1, c[m][1]);
            }
        }
    }
    PP_UNROLL for (int m = 0; m < rows; m++)
        PP_UNROLL for (int h = 0; h < 2; h++)
            _mm256_storeu_si256((__m256i *)(x->sums + m * 64 + h * 32), c[m][h]);
}

// Every number of rows is a function of its own: inlined into one, they crowd each other out of the registers.
#define SIZE(type, integer, rows) \
    static __attribute__((noinline)) void sum_##type##_##rows(const part *x) { sum_rows(integer, rows, x); }
#define SIZES(type, integer)                                                   \
    SIZE(type, integer, 1) SIZE(type, integer, 2) SIZE(type, integer, 3)       \
    SIZE(type, integer, 4) SIZE(type, integer, 5) SIZE(type, integer, 6)       \
    static sum_function *const type##_sums[MAX_ROWS] = {sum_##type##_1, sum_##type##_2, sum_##type##_3, \
                                                        sum_##type##_4, sum_##type##_5, sum_##type##_6};
SIZES(bf16, false)
SIZES(int8, true)
#undef SIZES
#undef SIZE

/// Rows `top..<bottom` of `panels` panels, both at most a block.
PP_INLINE void multiply_block(bool integer, const pp_gemm *g, size_t top, size_t bottom, const char *b,
                              size_t panels, bool more, char *sums) {
    _Alignas(64) char a_slice[ROW_BLOCK * STEPS * 4];
    _Alignas(64) char b_slice[STEPS * 64];
    const size_t size = integer ? 1 : 2, per_step = integer ? 2 : 1;  // elements
    const size_t panel_bytes = (g->k * size + 63) / 64 * 64 * PP_PANEL;
    // An even number of steps: a panel's line has two.
    const size_t steps = (g->k + 2 * per_step - 1) / (2 * per_step) * 2;
    const size_t slices = (steps + STEPS - 1) / STEPS, parts = (bottom - top + MAX_ROWS - 1) / MAX_ROWS;
    for (size_t slice = 0, begin = 0, count; slice < slices; slice++, begin += count) {
        count = (steps - begin) / (slices - slice) / 2 * 2;
        const size_t first = begin * per_step, elements = pp_min(g->k - first, count * per_step);
        for (size_t m = top; m < bottom; m++)
            unpack_row(integer, (const char *)g->a + (m * g->lda + first) * size, elements,
                       a_slice + (m - top) * STEPS * 4);
        for (size_t p = 0; p < panels; p++) {
            const char *lines = b + p * panel_bytes + begin * 32;
            unpack_panel(integer, lines, count / 2, b_slice);
            // The next panel's lines, or those of the next slice or block.
            const char *next = p + 1 < panels       ? lines + panel_bytes
                               : slice + 1 < slices ? b + (begin + count) * 32
                               : more               ? b + panels * panel_bytes
                                                    : lines;
            for (size_t i = 0, m = top, rows; i < parts; i++, m += rows) {
                rows = (bottom - m) / (parts - i);
                part x = {.a = a_slice + (m - top) * STEPS * 4, .b = b_slice, .steps = count,
                          .ahead = i == 0 ? next : b_slice, .begins = slice == 0,
                          .sums = sums + (p * ROW_BLOCK + m - top) * 64};
                if (integer) int8_sums[rows - 1](&x);
                else bf16_sums[rows - 1](&x);
            }
        }
    }
}

// MARK: - Few rows

/// |a| × (b with a's sign): two such products stay within int16, as no element is -128.
PP_INLINE __m256i multiply_int8(__m256i c, __m256i a, __m256i b) {
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a));
    return _mm256_add_epi32(c, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/// The product of two bf16 is exact in float32.
PP_INLINE __m256i multiply_bf16(__m256i c, __m256i a, __m256i b) {
    return fused(even_bf16(a), even_bf16(b), fused(odd_bf16(a), odd_bf16(b), c));
}

/// Sums of `rows` rows of `panels` panels, as they are packed, into `out[panel][first + row]`.
PP_INLINE void sum_few(bool integer, const int rows, const int panels, const char *a, size_t a_stride,
                       size_t k_bytes, const char *b, size_t panel_bytes, float (*out)[FEW_ROWS][PP_PANEL],
                       size_t first) {
    __m256i c[3][FEW_ROWS_PANELS][2];
    PP_UNROLL for (int m = 0; m < rows; m++)
        PP_UNROLL for (int p = 0; p < panels; p++) c[m][p][0] = c[m][p][1] = _mm256_setzero_si256();
    size_t k = 0;
#define STEP(element)                                                                                             \
    do {                                                                                                          \
        PP_UNROLL for (int p = 0; p < panels; p++) {                                                                 \
            const char *line = b + (size_t)p * panel_bytes + k * PP_PANEL;                                        \
            __m256i b0 = _mm256_load_si256((const __m256i *)line);                                                \
            __m256i b1 = _mm256_load_si256((const __m256i *)(line + 32));                                         \
            PP_UNROLL for (int m = 0; m < rows; m++) {                                                               \
                __m256i x = _mm256_set1_epi32(element);                                                                 \
                c[m][p][0] = integer ? multiply_int8(c[m][p][0], x, b0) : multiply_bf16(c[m][p][0], x, b0);       \
                c[m][p][1] = integer ? multiply_int8(c[m][p][1], x, b1) : multiply_bf16(c[m][p][1], x, b1);       \
            }                                                                                                     \
        }                                                                                                         \
    } while (0)
    for (; k + 4 <= k_bytes; k += 4) STEP(pp_next4(a + (size_t)m * a_stride + k));
    if (k < k_bytes) STEP(pp_last4(a + (size_t)m * a_stride + k, k_bytes - k));
#undef STEP
    PP_UNROLL for (int m = 0; m < rows; m++)
        PP_UNROLL for (int p = 0; p < panels; p++) {
            _mm256_storeu_si256((__m256i *)out[p][first + m], c[m][p][0]);
            _mm256_storeu_si256((__m256i *)(out[p][first + m] + 8), c[m][p][1]);
        }
}

// MARK: - Both

/// Finishes panels whose sums, 32 bits each, lie `panel_stride` elements apart.
PP_INLINE void finish(bool integer, const pp_gemm *g, size_t row, size_t rows, size_t panel, size_t panels,
                      size_t panel_stride, const void *sums) {
    const size_t together = g->epilogue == PP_GATED_GELU_BF16 ? 2 : 1;
    for (size_t p = 0; p < panels; p += together) {
        if (integer) pp_finish_s32(g, row, rows, panel + p, panel_stride, (const int32_t *)sums + p * panel_stride);
        else pp_finish_f32(g, row, rows, panel + p, panel_stride, (const float *)sums + p * panel_stride);
    }
}

PP_INLINE void multiply_few(bool integer, const pp_gemm *g, pp_range r) {
    const size_t size = integer ? 1 : 2, a_stride = g->lda * size, k_bytes = g->k * size;
    const size_t panel_bytes = (k_bytes + 63) / 64 * 64 * PP_PANEL, rows = r.row_end - r.row_begin;
    float sums[FEW_ROWS_PANELS][FEW_ROWS][PP_PANEL];
#define SUM(rows, panels) \
    sum_few(integer, rows, panels, a, a_stride, k_bytes, b + i * panel_bytes, panel_bytes, sums + i, m)
    for (size_t p = r.panel_begin, n; p < r.panel_end; p += n) {
        const char *b = (const char *)g->panels + p * panel_bytes;
        n = pp_min(r.panel_end - p, FEW_ROWS_PANELS);
        for (size_t m = 0, count; m < rows; m += count) {
            const char *a = (const char *)g->a + (r.row_begin + m) * a_stride;
            size_t i = 0;
            count = pp_min(rows - m, 3);
            // At least 8 sums at once hide how long one takes.
            if (count == 1) {
                for (; i + 4 <= n; i += 4) SUM(1, 4);
                for (; i < n; i++) SUM(1, 1);
            } else if (count == 2) {
                for (; i + 2 <= n; i += 2) SUM(2, 2);
                for (; i < n; i++) SUM(2, 1);
            } else {
                for (; i + 2 <= n; i += 2) SUM(3, 2);
                for (; i < n; i++) SUM(3, 1);
            }
        }
        finish(integer, g, r.row_begin, rows, p, n, FEW_ROWS * PP_PANEL, sums);
    }
#undef SUM
}

PP_INLINE void multiply(bool integer, const pp_gemm *g, pp_range r) {
    if (r.row_end - r.row_begin <= (integer ? FEW_ROWS_INT8 : FEW_ROWS_BF16)) return multiply_few(integer, g, r);
    _Alignas(64) char sums[PANEL_BLOCK * ROW_BLOCK * 64];
    const size_t panel_bytes = (g->k * (integer ? 1 : 2) + 63) / 64 * 64 * PP_PANEL;
    // As few blocks of rows as can be, of about equal size.
    const size_t blocks = (r.row_end - r.row_begin + ROW_BLOCK - 1) / ROW_BLOCK;
    for (size_t i = 0, top = r.row_begin, rows; i < blocks; i++, top += rows) {
        rows = (r.row_end - top) / (blocks - i);
        for (size_t p = r.panel_begin, n; p < r.panel_end; p += n) {
            n = pp_min(r.panel_end - p, PANEL_BLOCK);
            const char *b = (const char *)g->panels + p * panel_bytes;
            multiply_block(integer, g, top, top + rows, b, n, p + n < r.panel_end, sums);
            finish(integer, g, top, rows, p, n, ROW_BLOCK * PP_PANEL, sums);
        }
    }
}

static void PP_KERNEL(multiply_bf16)(const pp_gemm *gemm, pp_range range) { multiply(false, gemm, range); }

static void PP_KERNEL(multiply_int8)(const pp_gemm *gemm, pp_range range) { multiply(true, gemm, range); }

static double PP_KERNEL(peak)(size_t steps) {
    __m256 a = _mm256_set1_ps(0.75f), b = _mm256_set1_ps(0.3f);
    PP_PEAK(__m256, b, _mm256_fmadd_ps(c[j], a, b));
    return (double)steps * PP_CHAINS * 2 * 8;
}

const pp_product_kernels PP_KERNEL(gemm_bf16) = {.multiply = PP_KERNEL(multiply_bf16), .peak = PP_KERNEL(peak)};
const pp_product_kernels PP_KERNEL(gemm_int8) = {.multiply = PP_KERNEL(multiply_int8)};
