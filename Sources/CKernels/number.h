#pragma once

// Number formats and the exponential, in plain C. Included by each instruction set's unit.

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
#define PP_GELU_LINEAR (-1.5957691216057308f)
#define PP_GELU_CUBIC (-0.07135481627260025f)

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

/// Steps per unit for values up to `largest`; 0 where that would overflow.
static inline float pp_inverse_step(float largest) { return largest > 0x1p-100f ? 127 / largest : 0; }

/// `x * inverse` to the nearest integer within -127…127; NaN to -127.
static inline int8_t pp_quantise(float x, float inverse) {
    float scaled = x * inverse;
    if (!(scaled > -127)) return -127;
    return (int8_t)pp_round(scaled > 127 ? 127 : scaled);
}
