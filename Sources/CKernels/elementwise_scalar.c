#include "tables.h"

// The target's baseline: what any CPU of the architecture runs.
#define PP_NAME(name) pp_scalar_##name
#define PP_TABLE(name) pp_##name##_scalar
#include "elementwise_body.h"
