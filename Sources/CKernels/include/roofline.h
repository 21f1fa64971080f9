#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels.h"

// What the machine can do at most, to hold kernels' rates against. Callers take the time, on as many threads
// as they like.

/// Multiplies registers `steps` times with the instruction that `pp_gemm_bf16` or, for `integer`,
/// `pp_gemm_int8` uses on this CPU, without loads or stores: the most that a thread can get.
///
/// Returns how many operations that were, a multiplication and its addition counted as two; 0, at once, where
/// there is no such loop (scalar kernels, int8 without VNNI).
double pp_peak_operations(const pp_kernels *kernels, bool integer, size_t steps);

/// Reads `count` words as fast as memory gives them and returns something made of all of them.
uint64_t pp_read_words(const uint64_t *words, size_t count);
