// The kernels for any processor.

#include "unit.h"

#define PP_KERNEL(name) pp_scalar_##name
#include "rows_body.h"
#include "float32_body.h"
#include "gradient_plain.h"
#include "gradient_body.h"
#include "attention_plain.h"
#include "gemm_scalar.h"

const pp_kernels pp_scalar_kernels = {
    .name = "scalar",
    .bf16 = &pp_scalar_gemm_bf16,
    .int8 = &pp_scalar_gemm_int8,
    .rows = &pp_scalar_rows,
    .float32 = &pp_scalar_float32,
    .attention = &pp_scalar_attention,
    .gradient = &pp_scalar_gradient,
};
