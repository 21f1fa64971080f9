#pragma once

#include <stdbool.h>

/// Instruction sets the kernels are written for, each including the ones before it.
typedef enum pp_isa {
    PP_ISA_SCALAR = 0,
    PP_ISA_AVX2 = 1,    ///< AVX2, FMA
    PP_ISA_AVX512 = 2,  ///< AVX-512 F, BW, DQ, VL
    PP_ISA_AMX = 3,     ///< AMX tiles with bf16 and int8, AVX-512 BF16 and VNNI
} pp_isa;

/// What this process may use of its CPU. With AMX both flags are set.
typedef struct pp_cpu {
    pp_isa isa;
    bool avx512_vnni;  ///< `vpdpbusd`
    bool avx512_bf16;  ///< `vdpbf16ps`, and VNNI: no CPU has it alone
} pp_cpu;

/// Asks CPU and operating system what may be used and, where there is AMX, asks the kernel for its tile state
/// (once a process). The environment variable `POLYPROMPT_ISA` (`scalar`, `avx2`, `avx512`, `amx`) caps the
/// answer as if the CPU had no more.
/// Returns 0, or -1 when the variable has another value; `cpu` is then what the machine has.
int pp_cpu_detect(pp_cpu *cpu);

/// `cpu` without everything above `cap`.
pp_cpu pp_cpu_capped(pp_cpu cpu, pp_isa cap);

/// `scalar`, `avx2`, `avx512` or `amx`: the words of `POLYPROMPT_ISA`.
const char *pp_isa_name(pp_isa isa);

/// How many CPU cores (hardware threads) the affinity mask of the calling thread has, of up to 8,192; 0 where the
/// operating system does not say.
int pp_cpu_affinity(void);
