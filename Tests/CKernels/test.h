#pragma once

// What the tests of the kernels share.

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CKernels.h"

/// Counts a check; prints those that fail.
void check(bool passed, const char *format, ...) __attribute__((format(printf, 2, 3)));

/// Deterministic numbers.
uint32_t random_bits(void);
/// Uniform in (-1, 1).
float random_float(void);
size_t random_below(size_t bound);

/// Memory of exactly this size, aligned to 64, so that the sanitizer sees every step beyond it. Random bytes.
void *exact(size_t bytes);

float *random_floats(size_t count);
uint16_t *random_bf16(size_t count);
float widen(uint16_t x);
uint16_t narrow(float x);

/// The tables of kernels to test here, the scalar ones first: all that the machine can run, within POLYPROMPT_ISA.
size_t available(const pp_kernels *tables[8]);

void test_float32(void);
void test_isa(void);
void test_pack(void);
void test_gemm(void);
void test_rows(void);
void test_attention(void);
void test_gradient(void);
