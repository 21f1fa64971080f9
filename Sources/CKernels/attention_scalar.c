// Attention for any processor.

#define PP_TABLE(name) pp_##name##_scalar
#define PP_ATTENTION(name) pp_attention_scalar_##name
#define PP_ATTENTION_TARGET
#include "attention_body.h"
