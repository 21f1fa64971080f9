#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels.h"

/// Dropout of one row: an element is kept where a hash of `key` and its index reaches `threshold` (rate ×
/// 2³²), and multiplied with `scale`, else 0. The same key gives the same elements, so that what was
/// forgotten can be computed again.
typedef struct pp_dropout {
    uint64_t key;
    uint32_t threshold;
    float scale;
} pp_dropout;

/// A key for a row of something, from the key of that something.
static inline uint64_t pp_dropout_key(uint64_t key, uint64_t row) {
    uint64_t z = key + (row + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/// Drops elements of `x` in place.
void pp_f32_dropout(const pp_kernels *kernels, const pp_dropout *dropout, float *x, size_t count);
void pp_bf16_dropout(const pp_kernels *kernels, const pp_dropout *dropout, uint16_t *x, size_t count);
