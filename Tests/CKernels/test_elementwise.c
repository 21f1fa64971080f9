// The float32 row kernels: every instruction set's table against double precision, and all of them bit for bit
// against the scalar one.

#include "../../Sources/CKernels/elementwise_table.h"
#include "test.h"

typedef struct {
    const char *name;
    const struct pp_elementwise *kernels;
} table;

static size_t tables(table out[3]) {
    pp_cpu cpus[8];
    size_t count = 0;
    out[count++] = (table){"scalar", &pp_scalar_elementwise};
#if defined(__x86_64__)
    for (size_t i = available(cpus); i-- > 0;) {
        if (cpus[i].isa >= PP_ISA_AVX512) {
            out[count++] = (table){"avx512", &pp_avx512_elementwise};
            break;
        }
    }
    if (available(cpus) > 1) out[count++] = (table){"avx2", &pp_avx2_elementwise};
#endif
    return count;
}

static bool same(const float *a, const float *b, size_t count) { return !memcmp(a, b, count * sizeof *a); }

static double exact_sum(const float *a, const float *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)a[i] * b[i];
    return sum;
}

static void test_norm_and_gelu(const table *t, size_t width) {
    const size_t rows = 3, stride = width + 5;
    float *x = random_floats(rows * stride), *gain = random_floats(width), *up = random_floats(rows * stride);
    float *out = random_floats(rows * width), *reference = random_floats(rows * width);
    t->kernels->rms_norm(x, stride, gain, 1e-6f, 2, rows, width, out, width);
    pp_scalar_elementwise.rms_norm(x, stride, gain, 1e-6f, 2, rows, width, reference, width);
    check(same(out, reference, rows * width), "%s rms_norm differs from scalar, width %zu", t->name, width);
    for (size_t r = 0; r < rows; r++) {
        const float *row = x + r * stride;
        const double factor = 2 / sqrt(exact_sum(row, row, width) / (double)width + 1e-6);
        for (size_t d = 0; d < width; d++)
            check(fabs(out[r * width + d] - row[d] * factor * gain[d]) < 1e-5, "%s rms_norm", t->name);
    }
    float *gate = random_floats(rows * stride), *copy = exact(rows * stride * sizeof *copy);
    memcpy(copy, gate, rows * stride * sizeof *copy);
    t->kernels->gated_gelu(gate, stride, up, stride, rows, width);
    for (size_t r = 0; r < rows; r++) {
        for (size_t d = 0; d < stride; d++) {
            const double v = copy[r * stride + d];
            const double gelu = 0.5 * v * (1 + tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
            const double expected = d < width ? gelu * up[r * stride + d] : v;
            check(fabs(gate[r * stride + d] - expected) < 1e-6, "%s gated_gelu, width %zu", t->name, width);
        }
    }
    free(x), free(gain), free(up), free(out), free(reference), free(gate), free(copy);
}

static void test_softmax_and_attend(const table *t, size_t keys, size_t width) {
    float *scores = random_floats(2 * keys), *bias = random_floats(keys + 1), *copy = exact(2 * keys * 4);
    memcpy(copy, scores, 2 * keys * sizeof *scores);
    t->kernels->softmax_bias(scores, keys, bias + 1, 2, keys);
    for (size_t r = 0; r < 2; r++) {
        double total = 0;
        for (size_t n = 0; n < keys; n++) total += exp((double)copy[r * keys + n] + bias[1 + n - r]);
        for (size_t n = 0; n < keys; n++) {
            const double expected = exp((double)copy[r * keys + n] + bias[1 + n - r]) / total;
            check(fabs(scores[r * keys + n] - expected) < 1e-6, "%s softmax_bias, %zu keys", t->name, keys);
        }
    }
    float *q = random_floats(width), *k = random_floats(keys * width), *v = random_floats(keys * width);
    float *scratch = random_floats(keys), *out = random_floats(width), *reference = random_floats(width);
    int32_t *indices = exact(keys * sizeof *indices);
    for (size_t n = 0; n < keys; n++) indices[n] = (int32_t)(keys - 1 - n);
    for (int indexed = 0; indexed < 2; indexed++) {
        const int32_t *path = indexed ? indices : NULL;
        t->kernels->attend(q, k, width, v, width, path, keys, width, bias, scratch, out);
        pp_scalar_elementwise.attend(q, k, width, v, width, path, keys, width, bias, scratch, reference);
        check(same(out, reference, width), "%s attend differs from scalar, %zu keys", t->name, keys);
        for (size_t h = 0; h < width; h++) {
            double total = 0, sum = 0;
            for (size_t n = 0; n < keys; n++) {
                const size_t row = indexed ? (size_t)indices[n] : n;
                const double weight = exp(exact_sum(q, k + row * width, width) + bias[n]);
                total += weight;
                sum += weight * v[row * width + h];
            }
            check(fabs(out[h] - sum / total) < 1e-5, "%s attend, %zu keys of %zu", t->name, keys, width);
        }
    }
    free(scores), free(bias), free(copy), free(q), free(k), free(v);
    free(scratch), free(out), free(reference), free(indices);
}

static void test_products(const table *t, size_t rows, size_t columns, size_t depth) {
    float *a = random_floats(rows * depth), *b = random_floats(columns * depth);
    float *c = random_floats(rows * columns), *before = exact(rows * columns * sizeof *before);
    memcpy(before, c, rows * columns * sizeof *c);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        memcpy(c, before, rows * columns * sizeof *c);
        t->kernels->gemm_few_rows(a, depth, rows, b, depth, columns, depth, c, columns, accumulate);
        for (size_t m = 0; m < rows; m++)
            for (size_t n = 0; n < columns; n++) {
                const double sum = exact_sum(a + m * depth, b + n * depth, depth);
                const double expected = sum + (accumulate ? before[m * columns + n] : 0);
                check(fabs(c[m * columns + n] - expected) < 1e-6 * (double)(depth + 1), "%s gemm_few_rows", t->name);
            }
    }
    const double largest = 1;
    double total = 0;
    for (size_t i = 0; i < depth; i++) total += exp((double)a[i] - largest);
    check(fabs(t->kernels->log_sum_exp(a, depth) - (largest + log(total))) < 1e-5, "%s log_sum_exp", t->name);
    free(a), free(b), free(c), free(before);
}

void test_elementwise(void) {
    table all[3];
    const size_t count = tables(all);
    const size_t widths[] = {1, 2, 15, 16, 17, 31, 32, 33, 48, 100, 257};
    for (size_t i = 0; i < count; i++) {
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            test_norm_and_gelu(&all[i], widths[w]);
            test_softmax_and_attend(&all[i], widths[w], 20);
            test_softmax_and_attend(&all[i], 7, widths[w]);
            test_products(&all[i], 1 + w % 4, widths[w], widths[(w * 5 + 3) % 11]);
        }
    }
    // Every float16, against the definition of its bits.
    for (uint32_t bits = 0; bits < 65536; bits++) {
        const uint16_t half = (uint16_t)bits;
        float wide;
        pp_f16_to_f32(&half, &wide, 1);
        const int exponent = (int)(bits >> 10 & 31);
        const double fraction = (double)(bits & 1023) / 1024;
        double value = exponent ? ldexp(1 + fraction, exponent - 15) : ldexp(fraction, -14);
        if (bits & 0x8000) value = -value;
        const bool right = exponent < 31 ? wide == value
                           : bits & 1023 ? isnan(wide)
                                         : isinf(wide) && (wide < 0) == !!(bits & 0x8000);
        check(right, "float16 %04x", bits);
    }
    const float values[] = {NAN, 1, 3, 3, -INFINITY};
    check(pp_f32_argmax(values, 5) == 2, "argmax takes the first of equals and passes NaN over");
    check(pp_f32_argmax(values, 1) == 0, "argmax of NaN alone");
    check(pp_first_not_finite_32(values + 1, 4) == 3 && pp_first_not_finite_32(values + 1, 3) == 3,
        "the first value that is not finite");
    const uint16_t halves[] = {0xFBFF, 0x0001, 0x7E00, 0x7BFF};
    check(pp_first_not_finite_16(halves, 4, 0x7C00) == 2 && pp_first_not_finite_16(halves, 2, 0x7C00) == 2,
        "the first float16 that is not finite");
    const uint8_t *odd = (const uint8_t *)values + 3;
    check(pp_first_not_finite_32(odd, 1) <= 1, "at any alignment");
}
