#pragma once

#include "isa.h"

/// The kernels of one instruction set, and the only place where one is chosen: every kernel that has a form for
/// each takes such a table first and runs what it names. Tables are constant and static, so that any thread may
/// keep the pointer for as long as it likes. The members are CKernels' own.
typedef struct pp_kernels {
    const char *name;  ///< `scalar`, `avx2`, `avx512`, `avx512+vnni`, `avx512+vnni+bf16`, `amx`
    const struct pp_product_kernels *bf16, *int8;
    const struct pp_row_kernels *rows;
    const struct pp_float32_kernels *float32;
    const struct pp_attention_kernels *attention;
    const struct pp_gradient_kernels *gradient;
} pp_kernels;

/// The fastest kernels for a CPU. A test may ask for those of less than the machine has; never ask for more.
const pp_kernels *pp_kernels_for(const pp_cpu *cpu);
