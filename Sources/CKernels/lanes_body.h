// Sixteen floats at a time, compiled once per instruction set: the including file defines PP_NAME(name) and
// opens the target attribute. Written with the compiler's vector type, which each instruction set splits as
// it must; multiply-add contraction is off, so that all give the same bits.

#include <math.h>
#include <string.h>

#pragma clang fp contract(off)

// The vector helpers below are always inlined: no vector crosses a call, so its calling convention is moot.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float v16 __attribute__((vector_size(64)));
typedef int32_t i16v __attribute__((vector_size(64)));

enum { LANES = 16 };

static inline __attribute__((always_inline)) v16 PP_NAME(load)(const float *p) {
    v16 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline __attribute__((always_inline)) v16 PP_NAME(load_partial)(const float *p, size_t n, float fill) {
    float lanes[LANES];
    for (size_t i = 0; i < LANES; i++) lanes[i] = i < n ? p[i] : fill;
    return PP_NAME(load)(lanes);
}

static inline __attribute__((always_inline)) void PP_NAME(store)(float *p, v16 v) { memcpy(p, &v, sizeof v); }

static inline __attribute__((always_inline)) void PP_NAME(store_partial)(float *p, v16 v, size_t n) {
    float lanes[LANES];
    memcpy(lanes, &v, sizeof v);
    for (size_t i = 0; i < n; i++) p[i] = lanes[i];
}

/// The fixed tree: 16 lanes to 8, 4, 2, 1.
static inline __attribute__((always_inline)) float PP_NAME(sum)(v16 v) {
    float a[LANES];
    memcpy(a, &v, sizeof v);
    for (int width = 8; width; width >>= 1)
        for (int i = 0; i < width; i++) a[i] += a[i + width];
    return a[0];
}

static inline __attribute__((always_inline)) float PP_NAME(max)(v16 v) {
    float a[LANES];
    memcpy(a, &v, sizeof v);
    for (int width = 8; width; width >>= 1)
        for (int i = 0; i < width; i++) a[i] = a[i + width] > a[i] ? a[i + width] : a[i];
    return a[0];
}

/// exp(x): x = n ln2 + r with |r| <= ln2 / 2, a degree-6 Taylor-like minimax polynomial for exp(r), times
/// 2^n. Relative error below 2e-7 for x in [-87, 88]; smaller arguments give 0, larger are clamped.
static inline __attribute__((always_inline)) v16 PP_NAME(exp)(v16 x) {
    const v16 zero = {0};
    const v16 low = zero - 87.0f, high = zero + 88.0f;
    const i16v underflow = x < low;
    v16 y = (v16)(((i16v)low & underflow) | ((i16v)x & ~underflow));
    const i16v overflow = y > high;
    y = (v16)(((i16v)high & overflow) | ((i16v)y & ~overflow));
    const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
    const v16 n = (y * 1.44269504088896341f + magic) - magic;
    v16 r = y - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    v16 p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    const i16v exponent = (__builtin_convertvector(n, i16v) + 127) << 23;
    p = p * (v16)exponent;
    return (v16)((i16v)p & ~underflow);
}

static float PP_NAME(dot)(const float *a, const float *b, size_t count) {
    v16 s0 = {0}, s1 = {0};
    size_t i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        s0 += PP_NAME(load)(a + i) * PP_NAME(load)(b + i);
        s1 += PP_NAME(load)(a + i + LANES) * PP_NAME(load)(b + i + LANES);
    }
    if (i + LANES <= count) {
        s0 += PP_NAME(load)(a + i) * PP_NAME(load)(b + i);
        i += LANES;
    }
    if (i < count)
        s1 += PP_NAME(load_partial)(a + i, count - i, 0) * PP_NAME(load_partial)(b + i, count - i, 0);
    return PP_NAME(sum)(s0 + s1);
}

static inline __attribute__((always_inline)) v16 PP_NAME(gelu)(v16 x) {
    // 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3)
    const v16 u = (x + x * x * x * 0.044715f) * 0.7978845608028654f;
    return x / (PP_NAME(exp)(u * -2.0f) + 1.0f);
}
