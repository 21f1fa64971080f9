// The gradient kernels: every instruction set against double precision, and bit for bit against the scalar
// twins.

#include "../../Sources/CKernels/tables.h"
#include "test.h"

static const pp_kernels *scalar(void) { return pp_kernels_for(&(pp_cpu){.isa = PP_ISA_SCALAR}); }

static float *copy_floats(const float *x, size_t count) {
    float *copy = exact(count * sizeof *x);
    memcpy(copy, x, count * sizeof *x);
    return copy;
}

static uint16_t *copy_bf16(const uint16_t *x, size_t count) {
    uint16_t *copy = exact(count * sizeof *x);
    memcpy(copy, x, count * sizeof *x);
    return copy;
}

static void test_norm(const pp_kernels *kernels, size_t width) {
    const size_t rows = 3, stride = width + 3;
    const double epsilon = 1e-3, scale = 0.5;
    float *x = random_floats(rows * stride), *dy = random_floats(rows * stride), *gain = random_floats(width);
    float *start = random_floats(rows * stride), *dgain = random_floats(width), *rms = random_floats(rows);
    for (int with_gain = 0; with_gain < 2; with_gain++) {
        const float *g = with_gain ? gain : NULL;
        float *dx = copy_floats(start, rows * stride), *twin = copy_floats(start, rows * stride);
        pp_f32_rms_norm_gradient(kernels, x, stride, g, 1e-3f, 0.5f, dy, stride, rows, width, dx, stride);
        pp_f32_rms_norm_gradient(scalar(), x, stride, g, 1e-3f, 0.5f, dy, stride, rows, width, twin, stride);
        check(!memcmp(dx, twin, rows * stride * sizeof *dx), "%s norm gradient, width %zu", kernels->name, width);
        for (size_t r = 0; r < rows; r++) {
            double squares = 0, products = 0;
            for (size_t d = 0; d < width; d++) {
                const double v = x[r * stride + d], dn = dy[r * stride + d] * (g ? g[d] : 1.0) * scale;
                squares += v * v;
                products += v * dn;
            }
            const double inverse = 1 / sqrt(squares / (double)width + epsilon);
            for (size_t d = 0; d < stride; d++) {
                double expected = start[r * stride + d];
                if (d < width)
                    expected += inverse * dy[r * stride + d] * (g ? g[d] : 1.0) * scale -
                                x[r * stride + d] * inverse * inverse * inverse * products / (double)width;
                check(fabs(dx[r * stride + d] - expected) < 1e-5, "%s norm gradient, width %zu", kernels->name,
                      width);
            }
        }
        free(dx), free(twin);
    }
    pp_f32_inverse_rms(kernels, x, stride, 1e-3f, rows, width, rms);
    float *sum = copy_floats(dgain, width), *twin = copy_floats(dgain, width);
    const size_t middle = width / 2;
    pp_f32_gain_gradient(kernels, x, stride, rms, 0.5f, dy, stride, rows, 0, middle, sum);
    pp_f32_gain_gradient(kernels, x, stride, rms, 0.5f, dy, stride, rows, middle, width, sum);
    pp_f32_gain_gradient(scalar(), x, stride, rms, 0.5f, dy, stride, rows, 0, width, twin);
    check(!memcmp(sum, twin, width * sizeof *sum), "%s gain gradient differs when split, width %zu",
          kernels->name, width);
    for (size_t d = 0; d < width; d++) {
        double expected = dgain[d];
        for (size_t r = 0; r < rows; r++)
            expected += scale * x[r * stride + d] * (double)dy[r * stride + d] * rms[r];
        check(fabs(sum[d] - expected) < 1e-5, "%s gain gradient, width %zu", kernels->name, width);
    }
    free(x), free(dy), free(gain), free(start), free(dgain), free(rms), free(sum), free(twin);
}

static void test_softmax_and_likelihood(const pp_kernels *kernels, size_t count) {
    float *p = random_floats(count), *dp = random_floats(count), *out = copy_floats(dp, count);
    pp_f32_softmax_gradient(kernels, p, count, out, count, 1, count);
    double sum = 0;
    for (size_t n = 0; n < count; n++) sum += (double)p[n] * dp[n];
    for (size_t n = 0; n < count; n++)
        check(fabs(out[n] - p[n] * (dp[n] - sum)) < 1e-5 * (1 + fabs(sum)), "%s softmax gradient", kernels->name);
    const size_t target = count / 2;
    float *logits = copy_floats(p, count), *twin = copy_floats(p, count);
    pp_f32_likelihood_gradient(kernels, logits, count, 1.5f, 2, target);
    pp_f32_likelihood_gradient(scalar(), twin, count, 1.5f, 2, target);
    check(!memcmp(logits, twin, count * sizeof *twin), "%s likelihood gradient differs from scalar", kernels->name);
    for (size_t n = 0; n < count; n++)
        check(fabs(logits[n] - 2 * (exp(p[n] - 1.5) - (n == target))) < 1e-5, "%s likelihood gradient",
              kernels->name);
    free(p), free(dp), free(out), free(logits), free(twin);
}

/// gelu_tanh and its slope.
static double gelu(double x) { return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))); }

static double gelu_slope(double x) { return (gelu(x + 1e-5) - gelu(x - 1e-5)) / 2e-5; }

static void test_gate(const pp_kernels *kernels, size_t width) {
    const size_t rows = 2, stride = width + 1, padded = (width + 15) / 16 * 32;
    float *gate = random_floats(rows * stride), *up = random_floats(rows * stride),
    *dh = random_floats(rows * stride);
    float *hidden = random_floats(rows * stride), *dgate = random_floats(rows * stride);
    float *dup = random_floats(rows * stride);
    for (size_t i = 0; i < rows * stride; i++) gate[i] *= 4;
    pp_f32_gate(kernels, gate, up, stride, rows, width, hidden, stride);
    pp_f32_gate_gradient(kernels, gate, up, stride, dh, stride, rows, width, dgate, dup, stride);
    for (size_t r = 0; r < rows; r++)
        for (size_t d = 0; d < width; d++) {
            const size_t i = r * stride + d;
            check(fabs(hidden[i] - gelu(gate[i]) * up[i]) < 1e-5, "%s gate, width %zu", kernels->name, width);
            check(fabs(dgate[i] - dh[i] * up[i] * gelu_slope(gate[i])) < 1e-5, "%s gate gradient", kernels->name);
            check(fabs(dup[i] - dh[i] * gelu(gate[i])) < 1e-5, "%s gate gradient of up", kernels->name);
        }
    // bf16: columns beyond the width hold zeros, as products with padded panels leave them.
    uint16_t *wide = exact(rows * padded * 2), *gradient = random_bf16(rows * width);
    uint16_t *out = random_bf16(rows * width), *dwide = random_bf16(rows * padded);
    uint16_t *twin = random_bf16(rows * width), *dtwin = random_bf16(rows * padded);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < padded; c++) {
            const size_t d = c / 32 * 16 + c % 16;
            wide[r * padded + c] = d < width ? narrow((c % 32 < 16 ? gate : up)[r * stride + d]) : 0;
        }
    pp_bf16_gate(kernels, wide, padded, rows, width, out, width);
    pp_bf16_gate(scalar(), wide, padded, rows, width, twin, width);
    check(!memcmp(out, twin, rows * width * 2), "%s bf16 gate differs from scalar, width %zu", kernels->name,
          width);
    pp_bf16_gate_gradient(kernels, wide, padded, gradient, width, rows, width, dwide, padded);
    pp_bf16_gate_gradient(scalar(), wide, padded, gradient, width, rows, width, dtwin, padded);
    check(!memcmp(dwide, dtwin, rows * padded * 2), "%s bf16 gate gradient differs from scalar", kernels->name);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < padded; c++) {
            const size_t d = c / 32 * 16 + c % 16, at = r * padded + c / 32 * 32 + c % 16;
            const double g = widen(wide[at]), u = widen(wide[at + 16]);
            const double dhidden = d < width ? widen(gradient[r * width + d]) : 0;
            const double expected = dhidden * (c % 32 < 16 ? u * gelu_slope(g) : gelu(g));
            const double bound = fabs(expected) * 0x1p-8 + 1e-4;
            check(fabs(widen(dwide[r * padded + c]) - expected) <= bound, "%s bf16 gate gradient", kernels->name);
            if (c % 32 < 16 && d < width)
                check(fabs(widen(out[r * width + d]) - gelu(g) * u) <= fabs(gelu(g) * u) * 0x1p-8 + 1e-5,
                      "%s bf16 gate", kernels->name);
        }
    free(gate), free(up), free(dh), free(hidden), free(dgate), free(dup);
    free(wide), free(gradient), free(out), free(dwide), free(twin), free(dtwin);
}

static void test_relu(const pp_kernels *kernels, size_t count) {
    float *hidden = random_floats(count), *g = random_floats(count), *before = copy_floats(g, count);
    uint16_t *half = random_bf16(count), *gh = random_bf16(count), *half_before = copy_bf16(gh, count);
    for (size_t i = 0; i < count; i++) {
        if (hidden[i] < 0) hidden[i] = 0;
        if (widen(half[i]) < 0) half[i] = 0;
    }
    const size_t words = (count + 31) / 32;
    uint32_t *signs = exact(words * sizeof *signs);
    uint16_t *masked = copy_bf16(gh, count);
    pp_bf16_signs(kernels, half, count, signs);
    pp_bf16_signs_gradient(kernels, signs, masked, count);
    pp_f32_relu_gradient(kernels, hidden, g, count);
    pp_bf16_relu_gradient(kernels, half, gh, count);
    for (size_t i = 0; i < count; i++) {
        check(g[i] == (hidden[i] > 0 ? before[i] : 0), "%s relu gradient", kernels->name);
        check(gh[i] == (half[i] ? half_before[i] : 0), "%s bf16 relu gradient", kernels->name);
        check(masked[i] == gh[i], "%s relu gradient from its signs, %zu", kernels->name, count);
    }
    free(hidden), free(g), free(before), free(half), free(gh), free(half_before), free(signs), free(masked);
}

static void test_dropout(const pp_kernels *kernels, size_t count) {
    float *x = random_floats(count), *out = copy_floats(x, count), *twin = copy_floats(x, count);
    uint16_t *half = random_bf16(count), *half_out = copy_bf16(half, count), *half_twin = copy_bf16(half,
                                                                                                    count);
    const pp_dropout dropout = {.key = pp_dropout_key(5, count), .threshold = 1u << 30, .scale = 4.0f / 3};
    pp_f32_dropout(kernels, &dropout, out, count);
    pp_f32_dropout(scalar(), &dropout, twin, count);
    check(!memcmp(out, twin, count * sizeof *out), "%s dropout differs from scalar, %zu", kernels->name, count);
    pp_bf16_dropout(kernels, &dropout, half_out, count);
    pp_bf16_dropout(scalar(), &dropout, half_twin, count);
    check(!memcmp(half_out, half_twin, count * 2), "%s bf16 dropout differs from scalar, %zu", kernels->name,
          count);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        check(out[i] == 0 || out[i] == x[i] * dropout.scale, "%s dropout scales", kernels->name);
        check((out[i] == 0) == (half_out[i] == 0) || x[i] == 0 || !half[i], "%s drops the same of both",
              kernels->name);
        kept += out[i] != 0;
    }
    if (count > 1000) {
        const double share = (double)kept / (double)count;
        check(fabs(share - 0.75) < 0.05, "%s dropout keeps %f of its elements", kernels->name, share);
    }
    free(x), free(out), free(twin), free(half), free(half_out), free(half_twin);
}

static void test_transpose(const pp_kernels *kernels, size_t rows, size_t columns) {
    const size_t ld = columns + 5, ldo = (rows + 31) / 32 * 32;
    uint16_t *x = random_bf16(rows * ld), *out = exact(columns * ldo * 2);
    kernels->gradient->transpose(x, ld, rows, columns, out, ldo);
    int wrong = 0;
    for (size_t c = 0; c < columns; c++)
        for (size_t r = 0; r < ldo; r++) wrong += out[c * ldo + r] != (r < rows ? x[r * ld + c] : 0);
    check(wrong == 0, "%s transposition of %zu × %zu: %d wrong", kernels->name, rows, columns, wrong);
    free(x), free(out);
}

static void test_attention_row(const pp_kernels *kernels, size_t count) {
    const size_t padded = (count + 31) / 32 * 32;
    float *e = random_floats(count), *dp = random_floats(count), *dp_twin = copy_floats(dp, count);
    uint16_t *p = random_bf16(padded), *ds = random_bf16(padded);
    uint16_t *p_twin = random_bf16(padded), *ds_twin = random_bf16(padded);
    const pp_dropout dropout = {.key = 9, .threshold = 1u << 30, .scale = 4.0f / 3};
    kernels->gradient->attention_row(e, 0.25f, dp, count, &dropout, p, ds, padded);
    scalar()->gradient->attention_row(e, 0.25f, dp_twin, count, &dropout, p_twin, ds_twin, padded);
    check(!memcmp(p, p_twin, padded * 2) && !memcmp(ds, ds_twin, padded * 2),
          "%s attention row differs from scalar, %zu", kernels->name, count);
    for (size_t n = count; n < padded; n++) check(!(p[n] & 0x7fff) && !(ds[n] & 0x7fff),
                                                  "%s attention row's padding", kernels->name);
    free(e), free(dp), free(dp_twin), free(p), free(ds), free(p_twin), free(ds_twin);
}

static void test_transposed_panels(const pp_kernels *kernels, size_t rows, size_t k) {
    uint16_t *weights = random_bf16(rows * k);
    uint16_t *transposed = exact(rows * k * 2);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < k; i++) transposed[i * rows + r] = weights[r * k + i];
    const pp_matrix matrix = {.data = weights, .rows = rows, .ld = k, .type = PP_BF16};
    const pp_matrix other = {.data = transposed, .rows = k, .ld = rows, .type = PP_BF16};
    const size_t panels = (rows + 15) / 16, back = (k + 15) / 16;
    uint16_t *packed = exact(panels * pp_panel_bf16(k) * 2), *expected =
    exact(back * pp_panel_bf16(rows) * 2);
    uint16_t *out = exact(back * pp_panel_bf16(rows) * 2);
    pp_pack_bf16(&matrix, 1, PP_CONCATENATED, k, NULL, 0, panels, packed);
    pp_pack_bf16(&other, 1, PP_CONCATENATED, rows, NULL, 0, back, expected);
    const size_t middle = back / 2;
    pp_transpose_bf16(kernels, packed, k, rows, middle, back, out + middle * pp_panel_bf16(rows));
    pp_transpose_bf16(kernels, packed, k, rows, 0, middle, out);
    check(!memcmp(out, expected, back * pp_panel_bf16(rows) * 2), "%s transposed panels of %zu × %zu",
          kernels->name, rows, k);
    free(weights), free(transposed), free(packed), free(expected), free(out);
}

/// One head in double precision, without rounding.
static void reference_attention(const pp_attention_gradient *x, double *dq, double *dk, double *dv) {
    const size_t width = x->head_width;
    double *p = malloc(x->keys * sizeof *p), *dp = malloc(x->keys * sizeof *dp);
    memset(dq, 0, x->queries * width * sizeof *dq);
    memset(dk, 0, x->keys * width * sizeof *dk);
    memset(dv, 0, x->keys * width * sizeof *dv);
    for (size_t i = 0; i < x->queries; i++) {
        double total = 0, sum = 0;
        for (size_t j = 0; j < x->keys; j++) {
            double score = x->bias ? x->bias[(ptrdiff_t)j - (ptrdiff_t)i] : 0;
            dp[j] = 0;
            for (size_t h = 0; h < width; h++) {
                score += (double)widen(x->q[i * x->ld_q + h]) * widen(x->k[j * x->ld_k + h]);
                dp[j] += (double)widen(x->d_out[i * x->ld_d_out + h]) * widen(x->v[j * x->ld_v + h]);
            }
            total += p[j] = exp(score);
        }
        float mask[1024];
        for (size_t j = 0; j < x->keys; j++) mask[j] = 1;
        if (x->dropout) {
            pp_dropout row = *x->dropout;
            row.key = pp_dropout_key(row.key, i);
            pp_f32_dropout(scalar(), &row, mask, x->keys);
        }
        for (size_t j = 0; j < x->keys; j++) {
            p[j] /= total;
            dp[j] *= mask[j];
            sum += p[j] * dp[j];
        }
        for (size_t j = 0; j < x->keys; j++)
            for (size_t h = 0; h < width; h++) {
                const double ds = p[j] * (dp[j] - sum);
                dq[i * width + h] += ds * widen(x->k[j * x->ld_k + h]);
                dk[j * width + h] += ds * widen(x->q[i * x->ld_q + h]);
                dv[j * width + h] += p[j] * mask[j] * widen(x->d_out[i * x->ld_d_out + h]);
            }
    }
    free(p), free(dp);
}

static double worst(const uint16_t *x, size_t ld, const double *reference, size_t rows, size_t width) {
    double largest = 0, difference = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t h = 0; h < width; h++) {
            largest = fmax(largest, fabs(reference[r * width + h]));
            difference = fmax(difference, fabs(widen(x[r * ld + h]) - reference[r * width + h]));
        }
    return difference / (largest + 1e-6);
}

static void test_attention_gradient(const pp_kernels *kernels, size_t queries, size_t keys, size_t width, bool causal,
                                    bool dropped) {
    const size_t ld = 3 * width, rows = queries > keys ? queries : keys;
    uint16_t *qkv = random_bf16(rows * ld), *d_out = random_bf16(queries * width);
    uint16_t *d = random_bf16(rows * ld), *before = copy_bf16(d, rows * ld);
    float *bias = random_floats(queries + keys);
    for (size_t i = queries; causal && i < queries + keys; i++) bias[i] = -INFINITY;
    const pp_dropout dropout = {.key = 77, .threshold = 1u << 30, .scale = 4.0f / 3};
    void *scratch = exact(pp_attention_gradient_scratch(keys, width));
    const pp_attention_gradient x = {
        .q = qkv, .k = qkv + width, .v = qkv + 2 * width, .d_out = d_out, .ld_q = ld, .ld_k = ld, .ld_v = ld,
        .ld_d_out = width, .d_q = d, .d_k = d + width, .d_v = d + 2 * width, .ld_d_q = ld, .ld_d_k = ld,
        .ld_d_v = ld,
        .queries = queries, .keys = keys, .head_width = width, .bias = causal ? bias + queries - 1 : NULL,
        .dropout = dropped ? &dropout : NULL};
    pp_attention_gradients(kernels, &x, scratch);
    double *dq = malloc(queries * width * sizeof *dq), *dk = malloc(keys * width * sizeof *dk);
    double *dv = malloc(keys * width * sizeof *dv);
    reference_attention(&x, dq, dk, dv);
    check(worst(x.d_q, ld, dq, queries, width) < 0.03, "%s dQ of %zu × %zu, width %zu", kernels->name,
          queries, keys, width);
    check(worst(x.d_k, ld, dk, keys, width) < 0.03, "%s dK of %zu × %zu, width %zu", kernels->name, queries,
          keys, width);
    check(worst(x.d_v, ld, dv, keys, width) < 0.03, "%s dV of %zu × %zu, width %zu", kernels->name, queries,
          keys, width);
    int outside = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < ld; c++)
            if (r >= (c < width ? queries : keys)) outside += d[r * ld + c] != before[r * ld + c];
    check(outside == 0, "%s attention gradient writes %d outside", kernels->name, outside);
    // The same keys as values: both gradients are added in one place.
    float *memory = random_floats(keys * width), *start = copy_floats(memory, keys * width);
    pp_attention_gradient one = x;
    one.v = x.k;
    one.d_memory = memory;
    one.ld_d_memory = width;
    pp_attention_gradients(kernels, &one, scratch);
    reference_attention(&one, dq, dk, dv);
    double largest = 0, difference = 0;
    for (size_t i = 0; i < keys * width; i++) {
        largest = fmax(largest, fabs(dk[i] + dv[i]));
        difference = fmax(difference, fabs(memory[i] - start[i] - dk[i] - dv[i]));
    }
    check(difference <= 0.03 * largest + 1e-6, "%s gradient of keys that are values, %zu × %zu",
          kernels->name, queries, keys);
    free(memory), free(start);
    free(qkv), free(d_out), free(d), free(before), free(bias), free(scratch), free(dq), free(dk), free(dv);
}

void test_gradient(void) {
    const pp_kernels *tables[8];
    const size_t count = available(tables);
    const size_t widths[] = {1, 2, 15, 16, 17, 31, 32, 33, 48, 100, 257};
    for (size_t i = 0; i < count; i++) {
        if (i && tables[i]->gradient == tables[i - 1]->gradient) continue;
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            test_norm(tables[i], widths[w]);
            test_softmax_and_likelihood(tables[i], widths[w]);
            test_gate(tables[i], widths[w]);
            test_relu(tables[i], widths[w]);
            test_dropout(tables[i], widths[w]);
            test_attention_row(tables[i], widths[w]);
            test_transpose(tables[i], 1 + w * 6, widths[w]);
        }
        test_dropout(tables[i], 5000);
    }
    for (size_t i = 0; i < count; i++) {
        test_transposed_panels(tables[i], 1, 1);
        test_transposed_panels(tables[i], 16, 32);
        test_transposed_panels(tables[i], 49, 35);
        test_transposed_panels(tables[i], 100, 64);
        const size_t lengths[] = {1, 3, 16, 33, 64, 65, 150};
        for (size_t q = 0; q < sizeof lengths / sizeof *lengths; q++) {
            test_attention_gradient(tables[i], lengths[q], lengths[q], q % 2 ? 64 : 20, true, q % 3 == 0);
            test_attention_gradient(tables[i], lengths[q], lengths[6 - q], q % 2 ? 16 : 64, false, q % 3 == 1);
        }
    }
}
