#pragma once

// Loops that multiply registers only, for roofline.h.

#pragma clang fp contract(off)

/// Numbers, not zeros: those draw less power and so run at a higher clock.
static inline void pp_fill(uint16_t *numbers, size_t count, bool integer) {
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525 + 1013904223;
        uint16_t bits = (uint16_t)(state >> 16);
        numbers[i] = integer ? bits : (uint16_t)((bits & 0x80ff) | 0x3f00);
    }
}

// More chains of additions than two ports times their latency can fill.
enum { PP_CHAINS = 12 };

/// Runs `step` on every chain, then uses the sums, so that none of it can be left out.
#define PP_PEAK(vector, zero, step)                                    \
    vector c[PP_CHAINS];                                               \
    PP_UNROLL for (int j = 0; j < PP_CHAINS; j++) c[j] = zero;         \
    for (size_t i = 0; i < steps; i++)                                 \
        PP_UNROLL for (int j = 0; j < PP_CHAINS; j++) c[j] = step;     \
    volatile vector sink;                                              \
    PP_UNROLL for (int j = 0; j < PP_CHAINS; j++) sink = c[j];         \
    (void)sink
