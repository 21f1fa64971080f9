#pragma once

// Pieces of the AVX-512 and AMX kernels. A unit for CPUs whose `vcvtneps2bf16` it may use defines PP_NATIVE_BF16.

#include "number.h"

/// 16 floats to bf16, as `pp_narrow`.
PP_INLINE __m256i pp_narrow16(__m512 x) {
#ifdef PP_NATIVE_BF16
    return (__m256i)_mm512_cvtneps_pbh(x);
#else
    __m512i bits = _mm512_castps_si512(x);
    __m512i high = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    __m512i result = _mm512_srli_epi32(rounded, 16);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    __mmask16 small = _mm512_testn_epi32_mask(bits, _mm512_set1_epi32(0x7f800000));
    result = _mm512_mask_or_epi32(result, nan, high, _mm512_set1_epi32(0x40));
    result = _mm512_mask_and_epi32(result, small, high, _mm512_set1_epi32(0x8000));
    return _mm512_cvtepi32_epi16(result);
#endif
}

/// Of 16 pairs of bf16 the odd ones as float32, and the even ones.
PP_INLINE __m512 pp_odd16(__m512i pairs) {
    return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000)));
}

PP_INLINE __m512 pp_even16(__m512i pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)); }

/// `pp_exp` of 16 numbers.
PP_INLINE __m512 pp_exp16(__m512 x) {
    __m512 limited = _mm512_min_ps(x, _mm512_set1_ps(PP_EXP_HIGH));
    __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(limited, _mm512_set1_ps(PP_LOG2_E)), 0x08);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(PP_LN2_HIGH), limited);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(PP_LN2_LOW), r);
    __m512 p = _mm512_set1_ps(PP_EXP_5);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(PP_EXP_4));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(PP_EXP_3));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(PP_EXP_2));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(PP_EXP_1));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(PP_EXP_0));
    p = _mm512_add_ps(_mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r), _mm512_set1_ps(1));
    __mmask16 not_small = _mm512_cmp_ps_mask(x, _mm512_set1_ps(PP_EXP_LOW), _CMP_NLT_UQ);
    return _mm512_maskz_scalef_ps(not_small, p, n);
}

PP_INLINE __m512 pp_gelu16(__m512 x) {
    __m512 cubic = _mm512_fmadd_ps(_mm512_set1_ps(PP_GELU_CUBIC), _mm512_mul_ps(x, x),
                                   _mm512_set1_ps(PP_GELU_LINEAR));
    return _mm512_div_ps(x, _mm512_add_ps(_mm512_set1_ps(1), pp_exp16(_mm512_mul_ps(x, cubic))));
}

/// `pp_lane_sum`.
PP_INLINE float pp_sum16(__m512 x) {
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

/// Of 16 elements from `first` on those below `count`.
PP_INLINE __mmask16 pp_mask16(size_t count, size_t first) {
    if (first >= count) return 0;
    return count - first >= 16 ? 0xffff : (__mmask16)((1u << (count - first)) - 1);
}

/// Of 32 elements from `first` on, which is at most `count`, those below it.
PP_INLINE __mmask32 pp_mask32(size_t count, size_t first) {
    return count - first >= 32 ? 0xffffffff : (1u << (count - first)) - 1;
}

/// 16 × 16 transposition of 32-bit elements.
PP_INLINE void pp_transpose16(__m512i r[16]) {
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

PP_INLINE void pp_row_argmax(float *best, int32_t *best_index, __m512 x, size_t column, __mmask16 mask) {
    __m512 least = _mm512_set1_ps(-INFINITY);
    mask = _mm512_mask_cmp_ps_mask(mask, x, x, _CMP_ORD_Q);
    __m512 candidates = _mm512_mask_blend_ps(mask, least, x);
    float largest = _mm512_reduce_max_ps(candidates);
    if (!mask || largest < *best) return;
    __mmask16 where = _mm512_mask_cmp_ps_mask(mask, candidates, _mm512_set1_ps(largest), _CMP_EQ_OQ);
    int32_t index = (int32_t)(column + (size_t)__builtin_ctz(where));
    if (largest > *best || index < *best_index) {
        *best = largest;
        *best_index = index;
    }
}

/// Two adjacent panels as an epilogue sees them; without a second one `second` is the first, masked out.
typedef struct pp_target {
    size_t panel, second, column;
    __mmask16 mask0, mask1;
    __m512 steps0, steps1;   // int8: the columns' scales
    const float *row_scale;  // null for 1
    float *f32;              // the outputs' first row in these columns, or null
    uint16_t *bf16;
    size_t ld_f32, ld_bf16;
} pp_target;

PP_INLINE pp_target pp_target_of(const pp_gemm *g, size_t panel, bool two, bool integer) {
    bool gated = g->epilogue == PP_GATED_GELU_BF16;
    pp_target t = {.panel = panel, .second = two ? panel + 1 : panel};
    t.column = (gated ? panel / 2 : panel) * PP_PANEL;
    t.mask0 = pp_mask16(g->columns, t.column);
    t.mask1 = two && !gated ? pp_mask16(g->columns, t.column + PP_PANEL) : 0;
    t.row_scale = g->row_scale;
    t.f32 = g->f32 ? g->f32 + t.column : NULL;
    t.bf16 = g->bf16 ? g->bf16 + t.column : NULL;
    t.ld_f32 = g->ld_f32;
    t.ld_bf16 = g->ld_bf16;
    if (integer) {
        t.steps0 = _mm512_loadu_ps(g->column_scale + panel * PP_PANEL);
        t.steps1 = _mm512_loadu_ps(g->column_scale + t.second * PP_PANEL);
    } else {
        t.steps0 = t.steps1 = _mm512_set1_ps(1);
    }
    return t;
}

PP_INLINE void pp_store_bf16(uint16_t *out, const pp_target *t, __m512 c0, __m512 c1) {
    __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(pp_narrow16(c0)), pp_narrow16(c1), 1);
    _mm512_mask_storeu_epi16(out, (__mmask32)t->mask0 | (__mmask32)t->mask1 << 16, both);
}

/// Finishes one row of two panels; their 16 sums each, float32 or (`integer`) int32, are at `sums0`, `sums1`.
PP_INLINE void pp_finish_row16(const pp_gemm *g, pp_epilogue epilogue, bool integer, const pp_target *t,
                               size_t row, const void *sums0, const void *sums1) {
    __m512 scale = _mm512_set1_ps(t->row_scale ? t->row_scale[row] : 1);
    __m512 c0, c1;
    if (integer) {
        c0 = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(sums0)), t->steps0);
        c1 = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(sums1)), t->steps1);
    } else {
        c0 = _mm512_loadu_ps(sums0);
        c1 = _mm512_loadu_ps(sums1);
    }
    c0 = _mm512_mul_ps(c0, scale);
    c1 = _mm512_mul_ps(c1, scale);
    // Of the outputs that this epilogue has.
    float *f32 = t->f32 ? t->f32 + row * t->ld_f32 : NULL;
    uint16_t *bf16 = t->bf16 ? t->bf16 + row * t->ld_bf16 : NULL;
    switch (epilogue) {
    case PP_STORE_F32:
        _mm512_mask_storeu_ps(f32, t->mask0, c0);
        _mm512_mask_storeu_ps(f32 + PP_PANEL, t->mask1, c1);
        break;
    case PP_STORE_BF16: pp_store_bf16(bf16, t, c0, c1); break;
    case PP_RELU_BF16:
        c0 = _mm512_max_ps(_mm512_setzero_ps(), c0);
        c1 = _mm512_max_ps(_mm512_setzero_ps(), c1);
        pp_store_bf16(bf16, t, c0, c1);
        break;
    case PP_ADD_F32:
        c0 = _mm512_maskz_add_ps(t->mask0, _mm512_maskz_loadu_ps(t->mask0, f32), c0);
        c1 = _mm512_maskz_add_ps(t->mask1, _mm512_maskz_loadu_ps(t->mask1, f32 + PP_PANEL), c1);
        _mm512_mask_storeu_ps(f32, t->mask0, c0);
        _mm512_mask_storeu_ps(f32 + PP_PANEL, t->mask1, c1);
        break;
    case PP_GATED_GELU_BF16:
        c0 = _mm512_mul_ps(pp_gelu16(c0), c1);
        _mm256_mask_storeu_epi16(bf16, t->mask0, pp_narrow16(c0));
        break;
    case PP_ARGMAX:
        pp_row_argmax(g->best + row, g->best_index + row, c0, t->column, t->mask0);
        pp_row_argmax(g->best + row, g->best_index + row, c1, t->column + PP_PANEL, t->mask1);
        break;
    }
}

/// A case for each epilogue, so that code which is told it as a constant exists once for each.
#define PP_EACH_EPILOGUE(CASE) \
    CASE(PP_STORE_F32);        \
    CASE(PP_STORE_BF16);       \
    CASE(PP_ADD_F32);          \
    CASE(PP_RELU_BF16);        \
    CASE(PP_GATED_GELU_BF16);  \
    CASE(PP_ARGMAX)

/// Finishes `rows` rows of one or two panels: the sums of row m are at `sums0 + m * 64` and `sums1 + m * 64`.
PP_INLINE void pp_finish16(const pp_gemm *g, size_t row, size_t rows, size_t panel, bool two, const char *sums0,
                           const char *sums1, bool integer) {
    pp_target t = pp_target_of(g, panel, two, integer);
#define CASE(epilogue)                                                                             \
    case epilogue:                                                                                 \
        for (size_t m = 0; m < rows; m++)                                                          \
            pp_finish_row16(g, epilogue, integer, &t, row + m, sums0 + m * 64, sums1 + m * 64);    \
        break
    switch (g->epilogue) { PP_EACH_EPILOGUE(CASE); }
#undef CASE
}
