#include "gradient_kernels.h"

// The target's baseline: what any CPU of the architecture runs.
#define PP_NAME(name) pp_scalar_##name
#include "gradient_body.h"
