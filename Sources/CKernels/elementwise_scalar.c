#include "elementwise_table.h"

// The target's baseline: what any CPU of the architecture runs.
#define PP_NAME(name) pp_scalar_##name
#include "elementwise_body.h"
