// Row kernels for any processor.

#define PP_TABLE(name) pp_##name##_scalar
#define PP_ROWS(name) pp_rows_scalar_##name
#define PP_ROWS_TARGET
#include "rows_body.h"
