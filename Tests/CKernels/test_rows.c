// Row kernels: against double precision, and the same bits on every instruction set.

#include "test.h"

typedef struct row_results {
    uint16_t *cast;
    int8_t *quantized, *quantized_bf16;
    float *inverse, *scale, *scale_bf16, *widened;
} row_results;

static row_results run(const pp_kernels *kernels, size_t rows, size_t width, const float *x, const uint16_t *x16,
                       const float *gain) {
    row_results r = {exact(rows * width * 2), exact(rows * width), exact(rows * width), exact(rows * 4),
                     exact(rows * 4),         exact(rows * 4),     exact(rows * width * 4)};
    pp_rms_cast_bf16(kernels, rows, width, x, width, 1e-6f, r.cast, width, r.inverse);
    pp_rms_quant_int8(kernels, rows, width, x, width, gain, 1e-6f, r.quantized, width, r.scale);
    pp_quant_int8(kernels, rows, width, x16, width, r.quantized_bf16, width, r.scale_bf16);
    pp_bf16_to_f32(kernels, rows * width, x16, r.widened);
    return r;
}

static void discard(row_results *r) {
    free(r->cast), free(r->quantized), free(r->quantized_bf16), free(r->inverse), free(r->scale);
    free(r->scale_bf16), free(r->widened);
}

static void test_width(const pp_kernels *const *tables, size_t count, size_t rows, size_t width, bool gained) {
    float *x = random_floats(rows * width), *gain = gained ? random_floats(width) : NULL;
    uint16_t *x16 = random_bf16(rows * width);
    for (size_t i = 0; i < rows * width; i++) x[i] *= 30;
    // A row of zeros among them.
    for (size_t i = 0; i < width && rows > 2; i++) x[width + i] = 0, x16[width + i] = 0;
    row_results first = run(tables[0], rows, width, x, x16, gain);

    int wrong = 0, wrong_scale = 0;
    for (size_t m = 0; m < rows; m++) {
        double squares = 0, largest = 0, largest16 = 0;
        for (size_t i = 0; i < width; i++) {
            double v = x[m * width + i];
            squares += v * v;
            largest = fmax(largest, fabs(v * (gain ? gain[i] : 1)));
            largest16 = fmax(largest16, fabs(widen(x16[m * width + i])));
        }
        double inverse = 1 / sqrt(squares / (double)width + 1e-6);
        wrong_scale += fabs(first.inverse[m] - inverse) > 1e-6 * inverse;
        wrong_scale += fabs(first.scale[m] - largest / 127 * inverse) > 1e-6 * first.scale[m];
        wrong_scale += fabs(first.scale_bf16[m] - largest16 / 127) > 1e-6 * largest16;
        for (size_t i = 0; i < width; i++) {
            size_t at = m * width + i;
            double v = x[at] * inverse * (gain ? gain[i] : 1);
            wrong += first.cast[at] != narrow(x[at]) || first.widened[at] != widen(x16[at]);
            wrong += fabs(first.quantized[at] * (double)first.scale[m] - v) > 0.501 * first.scale[m];
            wrong += fabs(first.quantized_bf16[at] * (double)first.scale_bf16[m] - widen(x16[at])) >
                     0.501 * first.scale_bf16[m];
        }
    }
    check(wrong == 0 && wrong_scale == 0, "rows of %zu: %d elements, %d scales", width, wrong, wrong_scale);
    for (size_t i = 1; i < count; i++) {
        row_results r = run(tables[i], rows, width, x, x16, gain);
        check(!memcmp(r.cast, first.cast, rows * width * 2) && !memcmp(r.inverse, first.inverse, rows * 4),
              "%s cast of %zu differs from scalar", tables[i]->name, width);
        check(!memcmp(r.quantized, first.quantized, rows * width) && !memcmp(r.scale, first.scale, rows * 4),
              "%s float32 to int8 of %zu differs from scalar", tables[i]->name, width);
        check(!memcmp(r.quantized_bf16, first.quantized_bf16, rows * width) &&
                  !memcmp(r.scale_bf16, first.scale_bf16, rows * 4),
              "%s bf16 to int8 of %zu differs from scalar", tables[i]->name, width);
        check(!memcmp(r.widened, first.widened, rows * width * 4), "%s bf16 to float32", tables[i]->name);
        discard(&r);
    }
    discard(&first);
    free(x), free(x16), free(gain);
}

/// Every class of float32 bits rounds as the plain rule says.
static void test_rounding(const pp_kernels *kernels) {
    static const uint32_t special[] = {0,          0x80000000, 1,          0x807fffff, 0x00800000, 0x7f800000,
                                       0xff800000, 0x7f800001, 0xffc00000, 0x7f7fffff, 0xff7fffff, 0x3f808000,
                                       0x3f818000, 0x3f808001, 0x3f807fff, 0x7f7f8000, 0x7f7f7fff};
    enum { COUNT = 4096 + sizeof special / sizeof *special };
    float *x = exact(COUNT * 4);
    memcpy(x, special, sizeof special);
    uint16_t *out = exact(COUNT * 2);
    pp_f32_to_bf16(kernels, COUNT, x, out);
    int wrong = 0;
    for (size_t i = 0; i < COUNT; i++) wrong += out[i] != narrow(x[i]);
    check(wrong == 0, "%s bf16 rounding: %d wrong", kernels->name, wrong);
    free(x), free(out);
}

static void test_bad_numbers(const pp_kernels *kernels) {
    float row[20] = {1, -2, INFINITY, NAN, 3};
    int8_t out[20];
    float scale = 0;
    pp_rms_quant_int8(kernels, 1, 20, row, 20, NULL, 1e-6f, out, 20, &scale);
    int low = 0;
    for (int i = 0; i < 20; i++) low += out[i] == -128;
    check(low == 0 && !(fabsf(scale) < INFINITY), "%s infinity and NaN show in the scale", kernels->name);
}

void test_rows(void) {
    static const size_t widths[] = {1, 15, 16, 17, 64, 100, 256, 768, 3072};
    const pp_kernels *tables[8];
    size_t count = available(tables);
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        test_width(tables, count, 5, widths[i], false);
        test_width(tables, count, 3, widths[i], true);
    }
    for (size_t i = 0; i < count; i++) test_rounding(tables[i]), test_bad_numbers(tables[i]);
}
