#include "gradient.h"

#include <string.h>

#include "number.h"
#include "pack.h"
#include "tables.h"

void pp_f32_rms_norm_gradient(const pp_kernels *kernels, const float *x, size_t x_stride, const float *gain,
                              float epsilon, float scale, const float *dy, size_t dy_stride, size_t R, size_t D,
                              float *dx, size_t dx_stride) {
    kernels->gradient->rms_norm(x, x_stride, gain, epsilon, scale, dy, dy_stride, R, D, dx, dx_stride);
}

void pp_f32_gain_gradient(const pp_kernels *kernels, const float *x, size_t x_stride, const float *rms,
                          float scale, const float *dy, size_t dy_stride, size_t R, size_t begin, size_t end,
                          float *dgain) {
    kernels->gradient->gain(x, x_stride, rms, scale, dy, dy_stride, R, begin, end, dgain);
}

void pp_f32_inverse_rms(const pp_kernels *kernels, const float *x, size_t x_stride, float epsilon, size_t R,
                        size_t D, float *rms) {
    kernels->gradient->inverse_rms(x, x_stride, epsilon, R, D, rms);
}

void pp_f32_softmax_gradient(const pp_kernels *kernels, const float *P, size_t p_stride, float *dP,
                             size_t dp_stride, size_t R, size_t N) {
    kernels->gradient->softmax(P, p_stride, dP, dp_stride, R, N);
}

void pp_f32_relu_gradient(const pp_kernels *kernels, const float *hidden, float *gradient, size_t count) {
    kernels->gradient->relu(hidden, gradient, count);
}

void pp_bf16_relu_gradient(const pp_kernels *kernels, const uint16_t *hidden, uint16_t *gradient,
                           size_t count) {
    kernels->gradient->relu_bf16(hidden, gradient, count);
}

void pp_bf16_signs(const pp_kernels *kernels, const uint16_t *hidden, size_t count, uint32_t *signs) {
    kernels->gradient->signs(hidden, count, signs);
}

void pp_bf16_signs_gradient(const pp_kernels *kernels, const uint32_t *signs, uint16_t *gradient,
                            size_t count) {
    kernels->gradient->signs_gradient(signs, gradient, count);
}

void pp_f32_gate_gradient(const pp_kernels *kernels, const float *gate, const float *up, size_t stride,
                          const float *dhidden, size_t dhidden_stride, size_t R, size_t D, float *dgate,
                          float *dup, size_t d_stride) {
    kernels->gradient->gate_gradient(gate, up, stride, dhidden, dhidden_stride, R, D, dgate, dup, d_stride);
}

void pp_bf16_gate(const pp_kernels *kernels, const uint16_t *wide, size_t stride, size_t R, size_t D,
                  uint16_t *hidden, size_t hidden_stride) {
    kernels->gradient->gate_bf16(wide, stride, R, D, hidden, hidden_stride);
}

void pp_bf16_gate_gradient(const pp_kernels *kernels, const uint16_t *wide, size_t stride,
                           const uint16_t *dhidden, size_t dhidden_stride, size_t R, size_t D, uint16_t *dwide,
                           size_t dwide_stride) {
    kernels->gradient->gate_gradient_bf16(wide, stride, dhidden, dhidden_stride, R, D, dwide, dwide_stride);
}

void pp_f32_likelihood_gradient(const pp_kernels *kernels, float *logits, size_t count, float log_sum_exp,
                                float weight, size_t target) {
    kernels->gradient->likelihood(logits, count, log_sum_exp, weight, target);
}

void pp_f32_dropout(const pp_kernels *kernels, const pp_dropout *dropout, float *x, size_t count) {
    kernels->gradient->dropout(dropout, x, count);
}

void pp_bf16_dropout(const pp_kernels *kernels, const pp_dropout *dropout, uint16_t *x, size_t count) {
    kernels->gradient->dropout_bf16(dropout, x, count);
}

void pp_transpose_bf16(const pp_kernels *kernels, const uint16_t *panels, size_t k, size_t columns,
                       size_t begin, size_t end, uint16_t *out) {
    const size_t source = pp_panel_bf16(k), padded = pp_panel_bf16(columns) / PP_PANEL;
    const size_t blocks = pp_round_up(columns, PP_PANEL) / PP_PANEL;
    for (size_t panel = begin; panel < end; panel++) {
        // A block is 16 × 16: its place in a source panel, and in the panel written, is the same number of
        // elements.
        const uint16_t *from = panels + panel * PP_PANEL * PP_PANEL;
        for (size_t block = 0; block < blocks; block++, out += PP_PANEL * PP_PANEL)
            kernels->gradient->transpose_block(from + block * source, out);
        const size_t padding = (padded - blocks * PP_PANEL) * PP_PANEL;
        memset(out, 0, padding * sizeof *out);
        out += padding;
    }
}
