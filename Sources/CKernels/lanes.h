#pragma once

// Sixteen floats at a time, in the compiler's vector type, which each instruction set splits as it must. Sums run in
// sixteen lanes and a fixed tree, and nothing is contracted, so that every instruction set gives the same bits.

#include "number.h"

#pragma clang fp contract(off)

// The helpers below are always inlined: no vector crosses a call, so its calling convention is moot.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float v16 __attribute__((vector_size(64)));
typedef int32_t v16_int __attribute__((vector_size(64)));
typedef uint32_t v16_bits __attribute__((vector_size(64)));
typedef uint16_t v16_half __attribute__((vector_size(32)));

enum { LANES = 16 };

PP_INLINE v16 v16_all(float x) { return (v16){0} + x; }

/// `a` where the mask is set, else `b`.
PP_INLINE v16 v16_select(v16_int mask, v16 a, v16 b) {
    return (v16)(((v16_int)a & mask) | ((v16_int)b & ~mask));
}

/// The larger of each; of a NaN in `x` nothing is left.
PP_INLINE v16 v16_larger(v16 x, v16 than) { return v16_select(x > than, x, than); }

/// The row from `p` on, of which `n` elements exist; the others are `fill`.
PP_INLINE v16 v16_load(const float *p, size_t n, float fill) {
    v16 v;
    if (n >= LANES) {
        memcpy(&v, p, sizeof v);
    } else {
        float lanes[LANES];
        for (size_t i = 0; i < LANES; i++) lanes[i] = i < n ? p[i] : fill;
        memcpy(&v, lanes, sizeof v);
    }
    return v;
}

/// The first `n` elements, at most all.
PP_INLINE void v16_store(float *p, v16 v, size_t n) {
    if (n >= LANES) {
        memcpy(p, &v, sizeof v);
    } else {
        float lanes[LANES];
        memcpy(lanes, &v, sizeof v);
        for (size_t i = 0; i < n; i++) p[i] = lanes[i];
    }
}

/// bf16 to float32; elements that do not exist are 0.
PP_INLINE v16 v16_load_bf16(const uint16_t *p, size_t n) {
    v16_half half = {0};
    if (n >= LANES) memcpy(&half, p, sizeof half);
    else memcpy(&half, p, n * sizeof *p);
    return (v16)(__builtin_convertvector(half, v16_bits) << 16);
}

/// To bf16, as `pp_narrow`.
PP_INLINE void v16_store_bf16(uint16_t *p, v16 v, size_t n) {
    const v16_bits bits = (v16_bits)v, magnitude = bits & 0x7fffffff, high = bits >> 16;
    const v16_bits nan = (v16_bits)(magnitude > 0x7f800000), small = (v16_bits)(magnitude < 0x00800000);
    v16_bits result = (bits + 0x7fff + (high & 1)) >> 16;
    result = (result & ~nan) | ((high | 0x40) & nan);
    result = (result & ~small) | ((high & 0x8000) & small);
    const v16_half half = __builtin_convertvector(result, v16_half);
    if (n >= LANES) memcpy(p, &half, sizeof half);
    else memcpy(p, &half, n * sizeof *p);
}

/// The tree in which lanes are added: 16 to 8, 4, 2, 1, as `pp_lane_sum`.
PP_INLINE float v16_sum(v16 v) {
    float a[LANES];
    memcpy(a, &v, sizeof v);
    for (int width = 8; width; width >>= 1)
        for (int i = 0; i < width; i++) a[i] += a[i + width];
    return a[0];
}

PP_INLINE float v16_largest(v16 v) {
    float a[LANES];
    memcpy(a, &v, sizeof v);
    for (int width = 8; width; width >>= 1)
        for (int i = 0; i < width; i++) a[i] = a[i + width] > a[i] ? a[i + width] : a[i];
    return a[0];
}

/// e^x as `pp_exp`, but for NaN and without fused multiply-adds: a relative error below 2e-7 for x in [-87, 88];
/// 0 below, e^88 above.
PP_INLINE v16 v16_exp(v16 x) {
    const v16 low = v16_all(PP_EXP_LOW), high = v16_all(PP_EXP_HIGH);
    const v16_int underflow = x < low;
    v16 y = v16_select(underflow, low, x);
    y = v16_select(y > high, high, y);
    const float magic = 0x1.8p23f;  // adding it rounds to the nearest integer
    const v16 n = (y * PP_LOG2_E + magic) - magic;
    v16 r = y - n * PP_LN2_HIGH;
    r = r - n * PP_LN2_LOW;
    v16 p = r * PP_EXP_5 + PP_EXP_4;
    p = p * r + PP_EXP_3;
    p = p * r + PP_EXP_2;
    p = p * r + PP_EXP_1;
    p = p * r + PP_EXP_0;
    p = p * (r * r) + r + 1.0f;
    const v16_int exponent = (__builtin_convertvector(n, v16_int) + 127) << 23;
    p = p * (v16)exponent;
    return (v16)((v16_int)p & ~underflow);
}

/// gelu(x) = 0.5 x (1 + tanh(u)) = x / (1 + e^-2u).
PP_INLINE v16 v16_gelu(v16 x) {
    const v16 u = (x + x * x * x * (float)PP_GELU_CUBE) * (float)PP_GELU_SCALE;
    return x / (v16_exp(u * -2.0f) + 1.0f);
}

/// The dot product: two sums in sixteen lanes each, so that additions need not wait for one another.
PP_INLINE float v16_dot(const float *a, const float *b, size_t count) {
    v16 s0 = {0}, s1 = {0};
    size_t i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        s0 += v16_load(a + i, LANES, 0) * v16_load(b + i, LANES, 0);
        s1 += v16_load(a + i + LANES, LANES, 0) * v16_load(b + i + LANES, LANES, 0);
    }
    if (i + LANES <= count) {
        s0 += v16_load(a + i, LANES, 0) * v16_load(b + i, LANES, 0);
        i += LANES;
    }
    if (i < count) s1 += v16_load(a + i, count - i, 0) * v16_load(b + i, count - i, 0);
    return v16_sum(s0 + s1);
}
