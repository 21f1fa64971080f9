// The float32 row kernels: every instruction set's table against double precision, and all of them bit for bit
// against the scalar one.

#include "test.h"

static const pp_kernels *scalar(void) { return pp_kernels_for(&(pp_cpu){.isa = PP_ISA_SCALAR}); }

static bool same(const float *a, const float *b, size_t count) { return !memcmp(a, b, count * sizeof *a); }

static double exact_sum(const float *a, const float *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)a[i] * b[i];
    return sum;
}

static void test_norm_and_gelu(const pp_kernels *kernels, size_t width) {
    const size_t rows = 3, stride = width + 5;
    float *x = random_floats(rows * stride), *gain = random_floats(width), *up = random_floats(rows * stride);
    float *out = random_floats(rows * width), *reference = random_floats(rows * width);
    pp_f32_rms_norm(kernels, x, stride, gain, 1e-6f, 2, rows, width, out, width);
    pp_f32_rms_norm(scalar(), x, stride, gain, 1e-6f, 2, rows, width, reference, width);
    check(same(out, reference, rows * width), "%s rms_norm differs from scalar, width %zu", kernels->name, width);
    for (size_t r = 0; r < rows; r++) {
        const float *row = x + r * stride;
        const double factor = 2 / sqrt(exact_sum(row, row, width) / (double)width + 1e-6);
        for (size_t d = 0; d < width; d++)
            check(fabs(out[r * width + d] - row[d] * factor * gain[d]) < 1e-5, "%s rms_norm", kernels->name);
    }
    float *gate = random_floats(rows * stride), *hidden = random_floats(rows * stride);
    float *before = exact(rows * stride * sizeof *before), *inside = exact(rows * stride * sizeof *inside);
    memcpy(before, hidden, rows * stride * sizeof *before);
    memcpy(inside, gate, rows * stride * sizeof *inside);
    pp_f32_gate(kernels, gate, up, stride, rows, width, hidden, stride);
    pp_f32_gate(kernels, inside, up, stride, rows, width, inside, stride);
    for (size_t r = 0; r < rows; r++) {
        check(same(hidden + r * stride, inside + r * stride, width), "%s gate in place", kernels->name);
        for (size_t d = 0; d < stride; d++) {
            const double v = gate[r * stride + d];
            const double gelu = 0.5 * v * (1 + tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
            const double expected = d < width ? gelu * up[r * stride + d] : before[r * stride + d];
            check(fabs(hidden[r * stride + d] - expected) < 1e-6, "%s gate, width %zu", kernels->name, width);
        }
    }
    pp_f32_gate(scalar(), inside, up, stride, rows, width, hidden, stride);
    pp_f32_gate(kernels, inside, up, stride, rows, width, inside, stride);
    for (size_t r = 0; r < rows; r++)
        check(same(hidden + r * stride, inside + r * stride, width), "%s gate differs from scalar", kernels->name);
    free(x), free(gain), free(up), free(out), free(reference), free(gate), free(hidden), free(before), free(inside);
}

static void test_softmax_and_attend(const pp_kernels *kernels, size_t keys, size_t width) {
    float *scores = random_floats(2 * keys), *bias = random_floats(keys + 1), *copy = exact(2 * keys * 4);
    memcpy(copy, scores, 2 * keys * sizeof *scores);
    pp_f32_softmax_bias(kernels, scores, keys, bias + 1, 2, keys);
    for (size_t r = 0; r < 2; r++) {
        double total = 0;
        for (size_t n = 0; n < keys; n++) total += exp((double)copy[r * keys + n] + bias[1 + n - r]);
        for (size_t n = 0; n < keys; n++) {
            const double expected = exp((double)copy[r * keys + n] + bias[1 + n - r]) / total;
            check(fabs(scores[r * keys + n] - expected) < 1e-6, "%s softmax_bias, %zu keys", kernels->name, keys);
        }
    }
    float *q = random_floats(width), *k = random_floats(keys * width), *v = random_floats(keys * width);
    float *scratch = random_floats(keys), *out = random_floats(width), *reference = random_floats(width);
    int32_t *indices = exact(keys * sizeof *indices);
    for (size_t n = 0; n < keys; n++) indices[n] = (int32_t)(keys - 1 - n);
    for (int indexed = 0; indexed < 2; indexed++) {
        const int32_t *path = indexed ? indices : NULL;
        pp_f32_attend(kernels, q, k, width, v, width, path, keys, width, bias, scratch, out);
        pp_f32_attend(scalar(), q, k, width, v, width, path, keys, width, bias, scratch, reference);
        check(same(out, reference, width), "%s attend differs from scalar, %zu keys", kernels->name, keys);
        for (size_t h = 0; h < width; h++) {
            double total = 0, sum = 0;
            for (size_t n = 0; n < keys; n++) {
                const size_t row = indexed ? (size_t)indices[n] : n;
                const double weight = exp(exact_sum(q, k + row * width, width) + bias[n]);
                total += weight;
                sum += weight * v[row * width + h];
            }
            check(fabs(out[h] - sum / total) < 1e-5, "%s attend, %zu keys of %zu", kernels->name, keys, width);
        }
    }
    free(scores), free(bias), free(copy), free(q), free(k), free(v);
    free(scratch), free(out), free(reference), free(indices);
}

static void test_products(const pp_kernels *kernels, size_t rows, size_t columns, size_t depth) {
    float *a = random_floats(rows * depth), *b = random_floats(columns * depth);
    float *c = random_floats(rows * columns), *before = exact(rows * columns * sizeof *before);
    memcpy(before, c, rows * columns * sizeof *c);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        memcpy(c, before, rows * columns * sizeof *c);
        pp_f32_gemm_few_rows(kernels, a, depth, rows, b, depth, columns, depth, c, columns, accumulate);
        for (size_t m = 0; m < rows; m++)
            for (size_t n = 0; n < columns; n++) {
                const double sum = exact_sum(a + m * depth, b + n * depth, depth);
                const double expected = sum + (accumulate ? before[m * columns + n] : 0);
                check(fabs(c[m * columns + n] - expected) < 1e-6 * (double)(depth + 1), "%s gemm_few_rows", kernels->name);
            }
    }
    const double largest = 1;
    double total = 0;
    for (size_t i = 0; i < depth; i++) total += exp((double)a[i] - largest);
    check(fabs(pp_f32_log_sum_exp(kernels, a, depth) - (largest + log(total))) < 1e-5, "%s log_sum_exp", kernels->name);
    free(a), free(b), free(c), free(before);
}

void test_float32(void) {
    const pp_kernels *tables[8];
    const size_t count = available(tables);
    const size_t widths[] = {1, 2, 15, 16, 17, 31, 32, 33, 48, 100, 257};
    for (size_t i = 0; i < count; i++) {
        if (i && tables[i]->float32 == tables[i - 1]->float32) continue;
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            test_norm_and_gelu(tables[i], widths[w]);
            test_softmax_and_attend(tables[i], widths[w], 20);
            test_softmax_and_attend(tables[i], 7, widths[w]);
            test_products(tables[i], 1 + w % 4, widths[w], widths[(w * 5 + 3) % 11]);
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
