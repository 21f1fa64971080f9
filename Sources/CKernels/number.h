#pragma once

// Sizes, number formats and the exponential, in plain C. Each instruction set's unit compiles its own copy; where
// it has fused multiply-adds, the exponential uses them.

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma clang fp contract(on)

static inline size_t pp_min(size_t a, size_t b) { return a < b ? a : b; }

static inline size_t pp_round_up(size_t x, size_t to) { return (x + to - 1) / to * to; }

static inline uint32_t pp_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float pp_from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float pp_widen(uint16_t x) { return pp_from_bits((uint32_t)x << 16); }

/// IEEE half to float. Not `_Float16`, which needs a library call on older processors.
static inline float pp_widen_half(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t magnitude = half & 0x7fff;
    if (magnitude >= 0x7c00) return pp_from_bits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
    if (magnitude < 0x400) return pp_from_bits(sign | pp_bits((float)magnitude * 0x1p-24f));
    return pp_from_bits(sign | ((magnitude << 13) + ((127 - 15) << 23)));
}

/// To nearest even; subnormals to zero and NaN to a quiet NaN, exactly like `vcvtneps2bf16`.
static inline uint16_t pp_narrow(float x) {
    uint32_t bits = pp_bits(x);
    uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    if (magnitude < 0x00800000) return (uint16_t)(bits >> 16 & 0x8000);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// To the nearest integer, ties to even, for magnitudes below 2^22.
static inline float pp_round(float x) { return (x + 0x1.8p23f) - 0x1.8p23f; }

// e^x = 2^n e^r with n = round(x / ln 2) and |r| ≤ ln 2 / 2: Cephes' expf polynomial, ln 2 in two parts.
#define PP_EXP_LOW (-87.0f)   // below it 0
#define PP_EXP_HIGH 88.0f     // above it e^88
#define PP_LOG2_E 1.44269504088896341f
#define PP_LN2_HIGH 0.693359375f
#define PP_LN2_LOW (-2.12194440e-4f)
#define PP_EXP_5 1.9875691500e-4f
#define PP_EXP_4 1.3981999507e-3f
#define PP_EXP_3 8.3334519073e-3f
#define PP_EXP_2 4.1665795894e-2f
#define PP_EXP_1 1.6666665459e-1f
#define PP_EXP_0 5.0000001201e-1f

// gelu_tanh(x) = x / (1 + e^-2u), u = √(2/π) (x + 0.044715 x³).
#define PP_GELU_SCALE 0.7978845608028654  // √(2/π)
#define PP_GELU_CUBE 0.044715
#define PP_GELU_LINEAR ((float)(-2 * PP_GELU_SCALE))
#define PP_GELU_CUBIC ((float)(-2 * PP_GELU_SCALE * PP_GELU_CUBE))
#define PP_GELU_SLOPE 0.21406448378082f  // 6 √(2/π) 0.044715, of the derivative

/// e^x within 2 units in the last place; 0 below -87, e^88 above 88.
static inline float pp_exp(float x) {
    if (x < PP_EXP_LOW) return 0;
    float limited = x > PP_EXP_HIGH ? PP_EXP_HIGH : x;
    float n = pp_round(limited * PP_LOG2_E);
    float r = limited - n * PP_LN2_HIGH;
    r = r - n * PP_LN2_LOW;
    float p = PP_EXP_5;
    p = p * r + PP_EXP_4;
    p = p * r + PP_EXP_3;
    p = p * r + PP_EXP_2;
    p = p * r + PP_EXP_1;
    p = p * r + PP_EXP_0;
    p = p * (r * r) + r + 1;
    if (n != n) return x;
    return p * pp_from_bits((uint32_t)((int32_t)n + 127) << 23);
}

static inline float pp_gelu(float x) {
    float exponent = x * (PP_GELU_LINEAR + PP_GELU_CUBIC * (x * x));
    return x / (1 + pp_exp(exponent));
}

/// The tree in which 16 lanes are added.
static inline float pp_lane_sum(const float lanes[16]) {
    float s[8];
    for (int i = 0; i < 8; i++) s[i] = lanes[i] + lanes[i + 8];
    for (int i = 0; i < 4; i++) s[i] += s[i + 4];
    return (s[0] + s[2]) + (s[1] + s[3]);
}

/// `1 / sqrt(x + epsilon)`, and NaN where x is not finite: a row whose squares overflow would else become zeros, and what
/// follows from it look like an answer.
static inline float pp_inverse_root(float x, float epsilon) {
    return isfinite(x) ? 1.0f / sqrtf(x + epsilon) : NAN;
}

/// Steps per unit for values up to `largest`; 0 where that would overflow.
static inline float pp_inverse_step(float largest) { return largest > 0x1p-100f ? 127 / largest : 0; }

/// `x * inverse` to the nearest integer within -127…127; NaN to -127.
static inline int8_t pp_quantize(float x, float inverse) {
    float scaled = x * inverse;
    if (!(scaled > -127)) return -127;
    return (int8_t)pp_round(scaled > 127 ? 127 : scaled);
}

/// The next 4 bytes.
static inline int32_t pp_next4(const void *bytes) {
    int32_t element;
    memcpy(&element, bytes, sizeof element);
    return element;
}

/// The last 1 to 3 bytes, then zeros.
static inline int32_t pp_last4(const void *bytes, size_t count) {
    uint32_t element = 0;
    for (size_t i = 0; i < count; i++) element |= (uint32_t)((const uint8_t *)bytes)[i] << 8 * i;
    return (int32_t)element;
}
