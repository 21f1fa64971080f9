#pragma once

// What the unit of an instruction set begins with: all that is not compiled for it. Such a unit defines
// PP_KERNEL(name), how its kernels are called, pushes its target as an attribute of every function, and includes the
// bodies that it is made of. Each body says by itself whether products and sums contract into fused multiply-adds,
// which decides their bits.

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "pack.h"
#include "tables.h"

#define PP_INLINE static inline __attribute__((always_inline))
#define PP_UNROLL _Pragma("clang loop unroll(full)")
