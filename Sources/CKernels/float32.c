#include "float32.h"

#include <math.h>
#include <string.h>

#include "number.h"
#include "tables.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

uint32_t pp_flush_denormals(void) {
#if defined(__x86_64__)
    const uint32_t previous = _mm_getcsr();
    _mm_setcsr(previous | 0x8040);  // FTZ and DAZ
    return previous;
#else
    return 0;
#endif
}

void pp_restore_denormals(uint32_t previous) {
#if defined(__x86_64__)
    _mm_setcsr(previous);
#else
    (void)previous;
#endif
}

void pp_spin_hint(void) {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void pp_f32_rms_norm(const pp_kernels *kernels, const float *x, size_t x_stride, const float *gain,
                     float epsilon, float scale, size_t R, size_t D, float *out, size_t out_stride) {
    kernels->float32->rms_norm(x, x_stride, gain, epsilon, scale, R, D, out, out_stride);
}

void pp_f32_relu(const pp_kernels *kernels, float *x, size_t count) { kernels->float32->relu(x, count); }

void pp_f32_gate(const pp_kernels *kernels, const float *gate, const float *up, size_t stride, size_t R,
                 size_t D, float *hidden, size_t hidden_stride) {
    kernels->float32->gate(gate, up, stride, R, D, hidden, hidden_stride);
}

void pp_f32_softmax_bias(const pp_kernels *kernels, float *scores, size_t stride, const float *bias, size_t R,
                         size_t N) {
    kernels->float32->softmax_bias(scores, stride, bias, R, N);
}

void pp_f32_attend(const pp_kernels *kernels, const float *q, const float *K, size_t k_stride, const float *V,
                   size_t v_stride, const int32_t *indices, size_t N, size_t H, const float *bias,
                   float *scratch, float *out) {
    kernels->float32->attend(q, K, k_stride, V, v_stride, indices, N, H, bias, scratch, out);
}

void pp_f32_gemm_few_rows(const pp_kernels *kernels, const float *A, size_t a_stride, size_t M, const float *B,
                          size_t b_stride, size_t N, size_t K, float *C, size_t c_stride, int accumulate) {
    kernels->float32->gemm_few_rows(A, a_stride, M, B, b_stride, N, K, C, c_stride, accumulate);
}

float pp_f32_dot(const pp_kernels *kernels, const float *a, const float *b, size_t count) {
    return kernels->float32->dot(a, b, count);
}

double pp_f32_log_sum_exp(const pp_kernels *kernels, const float *x, size_t count) {
    return kernels->float32->log_sum_exp(x, count);
}

size_t pp_f32_argmax(const float *x, size_t count) {
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (x[i] > x[best] || (isnan(x[best]) && !isnan(x[i]))) best = i;
    return best;
}

void pp_f16_to_f32(const uint16_t *x, float *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = pp_widen_half(x[i]);
}

// An element is NaN or infinite when all bits of its exponent are set. Blocks are looked through without a
// branch, which the compiler makes vector code of; only a block with a hit is looked through one by one.
enum { FINITE_BLOCK = 4096 };

size_t pp_first_not_finite_32(const void *x, size_t count) {
    const uint8_t *bytes = x;
    const uint32_t exponent = 0x7F800000;
    for (size_t start = 0; start < count; start += FINITE_BLOCK) {
        const size_t end = count - start < FINITE_BLOCK ? count : start + FINITE_BLOCK;
        uint32_t found = 0;
        for (size_t i = start; i < end; i++) {
            uint32_t bits;
            memcpy(&bits, bytes + 4 * i, sizeof bits);
            found |= (bits & exponent) == exponent;
        }
        for (size_t i = start; found && i < end; i++) {
            uint32_t bits;
            memcpy(&bits, bytes + 4 * i, sizeof bits);
            if ((bits & exponent) == exponent) return i;
        }
    }
    return count;
}

size_t pp_first_not_finite_16(const void *x, size_t count, uint16_t exponent) {
    const uint8_t *bytes = x;
    for (size_t start = 0; start < count; start += FINITE_BLOCK) {
        const size_t end = count - start < FINITE_BLOCK ? count : start + FINITE_BLOCK;
        uint16_t found = 0;
        for (size_t i = start; i < end; i++) {
            uint16_t bits;
            memcpy(&bits, bytes + 2 * i, sizeof bits);
            found |= (bits & exponent) == exponent;
        }
        for (size_t i = start; found && i < end; i++) {
            uint16_t bits;
            memcpy(&bits, bytes + 2 * i, sizeof bits);
            if ((bits & exponent) == exponent) return i;
        }
    }
    return count;
}
