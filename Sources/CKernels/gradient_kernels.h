#pragma once

#include "gradient.h"

/// The inner parts of the gradient kernels for one instruction set; see gradient.h.
typedef struct pp_gradient {
    void (*rms_norm)(const float *, size_t, const float *, float, float, const float *, size_t, size_t,
                     size_t, float *, size_t);
    void (*gain)(const float *, size_t, const float *, float, const float *, size_t, size_t, size_t, size_t,
                 float *);
    void (*inverse_rms)(const float *, size_t, float, size_t, size_t, float *);
    void (*softmax)(const float *, size_t, float *, size_t, size_t, size_t);
    void (*relu)(const float *, float *, size_t);
    void (*relu_bf16)(const uint16_t *, uint16_t *, size_t);
    void (*gate)(const float *, const float *, size_t, size_t, size_t, float *, size_t);
    void (*gate_gradient)(const float *, const float *, size_t, const float *, size_t, size_t, size_t,
                          float *, float *, size_t);
    void (*gate_bf16)(const uint16_t *, size_t, size_t, size_t, uint16_t *, size_t);
    void (*gate_gradient_bf16)(const uint16_t *, size_t, const uint16_t *, size_t, size_t, size_t, uint16_t *,
                               size_t);
    void (*likelihood)(float *, size_t, float, float, size_t);
    void (*dropout)(const pp_dropout *, float *, size_t);
    void (*dropout_bf16)(const pp_dropout *, uint16_t *, size_t);
    /// One row of attention: of `n` numbers e^(score - largest), times `factor`, and the gradients of the
    /// probabilities: both as bf16 probabilities and gradients of the scores, followed by zeros up to
    /// `padded`. With dropout `dp` is masked first and the probabilities last.
    void (*attention_row)(const float *e, float factor, float *dp, size_t n, const pp_dropout *dropout,
                          uint16_t *p, uint16_t *ds, size_t padded);
    /// `out[c][r] = x[r][c]`; out's rows are followed by zeros up to a multiple of 32.
    void (*transpose)(const uint16_t *x, size_t ld, size_t rows, size_t columns, uint16_t *out, size_t ldo);
} pp_gradient;

extern const pp_gradient pp_scalar_gradient;
#if defined(__x86_64__)
extern const pp_gradient pp_avx2_gradient, pp_avx512_gradient;
#endif
