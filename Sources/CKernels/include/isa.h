#pragma once

/// The instruction sets that kernels exist for, each including those before it.
typedef enum { PP_ISA_SCALAR = 0, PP_ISA_AVX2 = 1, PP_ISA_AVX512 = 2, PP_ISA_AMX = 3 } pp_isa;

/// The best instruction set of this CPU, capped by the environment variable POLYPROMPT_ISA.
pp_isa pp_isa_current(void);
