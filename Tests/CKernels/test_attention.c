// Attention: against double precision, the same bits however the queries are split and whatever lies around.

#include "test.h"

/// softmax(q kᵀ + bias) v of one query in double precision; `magnitude[i]` is Σ p |v|.
static void reference(const uint16_t *q, const uint16_t *k, size_t ld_k, const uint16_t *v, size_t ld_v,
                      const int32_t *path, size_t keys, size_t width, const float *bias, ptrdiff_t query,
                      double *out, double *magnitude) {
    double *p = malloc((keys + 1) * sizeof *p), largest = -INFINITY, sum = 0;
    for (size_t t = 0; t < keys; t++) {
        size_t row = path ? (size_t)path[t] : t;
        p[t] = bias ? bias[(ptrdiff_t)t - query] : 0;
        for (size_t i = 0; i < width; i++) p[t] += (double)widen(q[i]) * widen(k[row * ld_k + i]);
        largest = fmax(largest, p[t]);
    }
    for (size_t t = 0; t < keys; t++) sum += p[t] = exp(p[t] - largest);
    for (size_t i = 0; i < width; i++) {
        out[i] = magnitude[i] = 0;
        for (size_t t = 0; t < keys; t++) {
            double x = p[t] / sum * widen(v[(path ? (size_t)path[t] : t) * ld_v + i]);
            out[i] += x;
            magnitude[i] += fabs(x);
        }
    }
    free(p);
}

static void test_block(const pp_kernels *kernels, size_t queries, size_t keys, size_t width, bool biased) {
    // Q, K and V as a fused product leaves them: two heads, of which the second is attended.
    size_t ld = 6 * width, ld_out = 2 * width, rows = queries > keys ? queries : keys;
    uint16_t *qkv = random_bf16(rows * ld);
    uint16_t *out = exact(queries * ld_out * 2), *parts = exact(queries * ld_out * 2);
    memcpy(parts, out, queries * ld_out * 2);
    uint16_t *before = exact(queries * ld_out * 2);
    memcpy(before, out, queries * ld_out * 2);
    float *bias = random_floats(queries + keys);
    void *scratch = exact(pp_attention_scratch(keys, width));
    pp_attention a = {.q = qkv + width, .k = qkv + 3 * width, .v = qkv + 5 * width, .ld_q = ld, .ld_k = ld,
                      .ld_v = ld, .out = out + width, .ld_out = ld_out, .keys = keys, .head_width = width,
                      .bias = biased ? bias + queries - 1 : NULL};
    pp_attention_block(kernels, &a, 0, queries, scratch);

    double *expected = malloc(width * sizeof *expected), *magnitude = malloc(width * sizeof *magnitude);
    int wrong = 0, outside = 0;
    for (size_t m = 0; m < queries; m++) {
        reference(a.q + m * ld, a.k, ld, a.v, ld, NULL, keys, width, a.bias, (ptrdiff_t)m, expected,
                  magnitude);
        for (size_t i = 0; i < width; i++) {
            // Probabilities and result are rounded to bf16.
            double bound = magnitude[i] * 0x1p-8 + fabs(expected[i]) * 0x1p-8 + 1e-5;
            wrong += !(fabs(widen(out[m * ld_out + width + i]) - expected[i]) <= bound);
            outside += out[m * ld_out + i] != before[m * ld_out + i];
        }
    }
    check(wrong == 0, "%s attention %zu × %zu, width %zu: %d wrong", kernels->name, queries, keys, width,
          wrong);
    check(outside == 0, "%s attention writes %d outside its head", kernels->name, outside);

    a.out = parts + width;
    for (size_t m = 0, step; m < queries; m += step) {
        step = 1 + random_below(queries - m);
        pp_attention_block(kernels, &a, m, m + step, scratch);
    }
    check(memcmp(out, parts, queries * ld_out * 2) == 0, "%s attention %zu × %zu differs when split",
          kernels->name, queries, keys);

    void *panels = exact(pp_attention_panels(keys, width));
    pp_attention_pack(kernels, &a, panels);
    a.panels = panels;
    a.k = a.v = NULL;
    memcpy(parts, before, queries * ld_out * 2);
    a.out = parts + width;
    pp_attention_block(kernels, &a, 0, queries, scratch);
    check(memcmp(out, parts, queries * ld_out * 2) == 0, "%s attention %zu × %zu differs when packed before",
          kernels->name, queries, keys);
    free(panels);
    free(qkv), free(out), free(parts), free(before), free(bias), free(scratch);
    free(expected), free(magnitude);
}

static void test_decode(const pp_kernels *kernels, size_t keys, size_t heads, size_t width, bool by_path,
                        bool biased) {
    size_t rows = keys + 10, ld = heads * width + 8, inner = heads * width;
    uint16_t *q = random_bf16(inner), *k = random_bf16(rows * ld), *v = random_bf16(rows * ld);
    uint16_t *out = exact(inner * 2), *again = exact(inner * 2);
    int32_t *path = exact(keys * 4);
    for (size_t t = 0; t < keys; t++) path[t] = (int32_t)(by_path ? random_below(rows) : t);
    size_t position = keys - 1;
    float *bias = random_floats(heads * (keys + 3));
    void *scratch = exact(pp_attention_decode_scratch(keys, heads, width));
    pp_attention_row row = {.q = q, .out = out, .k = k, .v = v, .ld_k = ld, .ld_v = ld,
                            .path = by_path ? path : NULL, .keys = keys, .heads = heads, .head_width = width,
                            .bias = biased ? bias + position : NULL, .ld_bias = keys + 3,
                            .position = position};
    pp_attention_decode(kernels, &row, scratch);
    double *expected = malloc(width * sizeof *expected), *magnitude = malloc(width * sizeof *magnitude);
    int wrong = 0;
    for (size_t h = 0; h < heads; h++) {
        reference(q + h * width, k + h * width, ld, v + h * width, ld, path, keys, width,
                  biased ? row.bias + h * row.ld_bias : NULL, (ptrdiff_t)position, expected, magnitude);
        for (size_t i = 0; i < width; i++)
            wrong += !(fabs(widen(out[h * width + i]) - expected[i]) <= fabs(expected[i]) * 0x1p-8 + 1e-5);
    }
    check(wrong == 0, "%s decoding %zu keys, %zu × %zu: %d wrong", kernels->name, keys, heads, width, wrong);

    // The same keys at other places of the cache, with other rows between: the same bits.
    uint16_t *k2 = random_bf16(2 * rows * ld), *v2 = random_bf16(2 * rows * ld);
    for (size_t r = 0; r < rows; r++) {
        memcpy(k2 + (2 * rows - 1 - 2 * r) * ld, k + r * ld, ld * 2);
        memcpy(v2 + (2 * rows - 1 - 2 * r) * ld, v + r * ld, ld * 2);
    }
    int32_t *moved = exact(keys * 4);
    for (size_t t = 0; t < keys; t++) moved[t] = (int32_t)(2 * rows) - 1 - 2 * path[t];
    row.k = k2, row.v = v2, row.path = moved, row.out = again;
    pp_attention_decode(kernels, &row, scratch);
    check(memcmp(out, again, inner * 2) == 0, "%s decoding depends on the cache's order", kernels->name);
    free(q), free(k), free(v), free(out), free(again), free(path), free(bias), free(scratch), free(expected);
    free(magnitude), free(k2), free(v2), free(moved);
}

static void test_no_keys(const pp_kernels *kernels) {
    uint16_t q[32] = {0}, out[32];
    memset(out, 0xff, sizeof out);
    void *scratch = exact(pp_attention_scratch(0, 16) + pp_attention_decode_scratch(0, 1, 16));
    pp_attention a = {.q = q, .ld_q = 16, .out = out, .ld_out = 16, .head_width = 16};
    pp_attention_row row = {.q = q, .out = out + 16, .heads = 1, .head_width = 16};
    pp_attention_block(kernels, &a, 0, 1, scratch);
    pp_attention_decode(kernels, &row, scratch);
    int wrong = 0;
    for (int i = 0; i < 32; i++) wrong += out[i] != 0;
    check(wrong == 0, "%s attention over nothing is zero", kernels->name);
    free(scratch);
}

/// Scores that decide everything, as T5's unscaled products do.
static void test_extremes(const pp_kernels *kernels) {
    enum { KEYS = 40, WIDTH = 64 };
    uint16_t *q = random_bf16(WIDTH), *k = random_bf16(KEYS * WIDTH), *v = random_bf16(KEYS * WIDTH);
    uint16_t out[WIDTH];
    for (size_t i = 0; i < WIDTH; i++) {
        q[i] = narrow(8);
        for (size_t t = 0; t < KEYS; t++) k[t * WIDTH + i] = narrow(t == 23 ? 4 : -4 + (float)t * 0.01f);
    }
    void *scratch = exact(pp_attention_scratch(KEYS, WIDTH));
    pp_attention a = {.q = q, .k = k, .v = v, .ld_q = WIDTH, .ld_k = WIDTH, .ld_v = WIDTH, .out = out,
                      .ld_out = WIDTH, .keys = KEYS, .head_width = WIDTH};
    pp_attention_block(kernels, &a, 0, 1, scratch);
    check(memcmp(out, v + 23 * WIDTH, sizeof out) == 0, "%s one key takes all", kernels->name);
    free(q), free(k), free(v), free(scratch);
}

void test_attention(void) {
    const pp_kernels *tables[8];
    size_t count = available(tables);
    for (size_t i = 0; i < count; i++) {
        static const size_t shapes[][3] = {{1, 1, 64},    {2, 3, 1},    {16, 16, 64},   {33, 33, 64},
                                           {5, 100, 32},  {70, 17, 40}, {150, 150, 64}, {65, 300, 128},
                                           {9, 31, 7}};
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            test_block(tables[i], shapes[s][0], shapes[s][1], shapes[s][2], true);
            test_block(tables[i], shapes[s][0], shapes[s][1], shapes[s][2], false);
            test_decode(tables[i], shapes[s][1], 1 + s % 3, shapes[s][2], s % 2, s % 4 < 2);
            test_decode(tables[i], shapes[s][1], 1 + s % 3, shapes[s][2], s % 2 == 0, s % 4 >= 2);
        }
        test_no_keys(tables[i]);
        test_extremes(tables[i]);
    }
}
