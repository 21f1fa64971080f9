// Products: against double precision (bf16) or exactly (int8), the same bits in any split, nothing outside.

#include "test.h"

typedef struct problem {
    size_t rows, k, n, lda, panels;  // n: output columns
    pp_epilogue epilogue;
    bool integer, scaled;
    void *a;
    float *weights0, *weights1, *row_scale;
    uint16_t *packed;
    int8_t *packed8;
    float *scales;
    int32_t *sums;
} problem;

/// Everything an epilogue can write, each exactly as large as it must be.
typedef struct output {
    size_t ld;
    float *f32, *best;
    uint16_t *bf16;
    int32_t *index;
} output;

static problem make(size_t rows, size_t k, size_t n, pp_epilogue epilogue, bool integer) {
    bool gated = epilogue == PP_GATED_GELU_BF16;
    problem p = {.rows = rows, .k = k, .n = n, .lda = k + random_below(9), .epilogue = epilogue,
                 .integer = integer, .scaled = integer || random_below(3) > 0};
    p.weights0 = random_floats(n * k);
    p.weights1 = random_floats(n * k);
    pp_matrix m[2] = {{p.weights0, n, k, PP_F32}, {p.weights1, n, k, PP_F32}};
    pp_arrangement arrangement = gated ? PP_INTERLEAVED : PP_CONCATENATED;
    size_t count = gated ? 2 : 1;
    p.panels = pp_panel_count(m, count, arrangement);
    p.packed = exact(p.panels * pp_panel_bf16(k) * 2);
    p.packed8 = exact(p.panels * pp_panel_int8(k));
    p.scales = exact(p.panels * 64);
    p.sums = exact(p.panels * 64);
    pp_pack_bf16(m, count, arrangement, k, NULL, 0, p.panels, p.packed);
    pp_pack_int8(m, count, arrangement, k, NULL, 0, p.panels, p.packed8, p.scales, p.sums);
    // The last row ends with its last element.
    size_t elements = (rows - 1) * p.lda + k;
    p.a = integer ? exact(elements) : (void *)random_bf16(elements);
    if (integer)
        for (size_t i = 0; i < elements; i++)
            if (((int8_t *)p.a)[i] == -128) ((int8_t *)p.a)[i] = 127;
    p.row_scale = random_floats(rows);
    if (integer)
        for (size_t i = 0; i < rows; i++) p.row_scale[i] *= 0.01f;
    return p;
}

static void discard(problem *p) {
    free(p->a), free(p->weights0), free(p->weights1), free(p->row_scale), free(p->packed), free(p->packed8);
    free(p->scales), free(p->sums);
}

static output make_output(const problem *p) {
    size_t ld = p->n + 5, elements = (p->rows - 1) * ld + p->n;
    output o = {.ld = ld, .f32 = exact(elements * 4), .bf16 = exact(elements * 2),
                .best = exact(p->rows * 4), .index = exact(p->rows * 4)};
    for (size_t i = 0; i < elements; i++) o.f32[i] = (float)(i % 17) - 8, o.bf16[i] = 0x7fc1;
    for (size_t i = 0; i < p->rows; i++) o.best[i] = -INFINITY, o.index[i] = INT32_MAX;
    return o;
}

static void discard_output(output *o) {
    free(o->f32), free(o->bf16), free(o->best), free(o->index);
}

static pp_gemm request(const problem *p, const output *o) {
    bool writes_bf16 = p->epilogue == PP_STORE_BF16 || p->epilogue == PP_RELU_BF16 ||
                       p->epilogue == PP_GATED_GELU_BF16;
    bool writes_f32 = p->epilogue == PP_STORE_F32 || p->epilogue == PP_ADD_F32;
    return (pp_gemm){
        .a = p->a, .lda = p->lda, .panels = p->integer ? (const void *)p->packed8 : p->packed,
        .column_scale = p->integer ? p->scales : NULL, .column_sum = p->integer ? p->sums : NULL,
        .row_scale = p->scaled ? p->row_scale : NULL, .k = p->k, .columns = p->n, .epilogue = p->epilogue,
        .f32 = writes_f32 ? o->f32 : NULL, .ld_f32 = o->ld,
        .bf16 = writes_bf16 ? o->bf16 : NULL, .ld_bf16 = o->ld,
        .best = p->epilogue == PP_ARGMAX ? o->best : NULL,
        .best_index = p->epilogue == PP_ARGMAX ? o->index : NULL,
    };
}

static void run(const pp_kernels *kernels, const problem *p, const output *o, size_t row0, size_t row1, size_t panel0,
                size_t panel1) {
    pp_gemm g = request(p, o);
    (p->integer ? pp_gemm_int8 : pp_gemm_bf16)(kernels, &g, row0, row1, panel0, panel1);
}

static bool same(const problem *p, const output *x, const output *y) {
    size_t elements = (p->rows - 1) * x->ld + p->n;
    return memcmp(x->f32, y->f32, elements * 4) == 0 && memcmp(x->bf16, y->bf16, elements * 2) == 0 &&
           memcmp(x->best, y->best, p->rows * 4) == 0 && memcmp(x->index, y->index, p->rows * 4) == 0;
}

/// Product of row m and column n in double precision, from what was packed; `bound` is what float32 may lose.
static double exact_product(const problem *p, size_t m, size_t column, bool up, double *bound) {
    size_t panel = column / 16, n = column % 16;
    if (p->epilogue == PP_GATED_GELU_BF16) panel = panel * 2 + up;
    double sum = 0, magnitude = 0;
    for (size_t i = 0; i < p->k; i++) {
        double a, w;
        if (p->integer) {
            a = ((const int8_t *)p->a)[m * p->lda + i];
            w = p->packed8[panel * pp_panel_int8(p->k) + i / 4 * 64 + n * 4 + i % 4];
        } else {
            a = widen(((const uint16_t *)p->a)[m * p->lda + i]);
            w = widen(p->packed[panel * pp_panel_bf16(p->k) + i / 2 * 32 + n * 2 + i % 2]);
        }
        sum += a * w;
        magnitude += fabs(a * w);
    }
    double scale = (p->scaled ? p->row_scale[m] : 1) * (p->integer ? (double)p->scales[panel * 16 + n] : 1);
    // int8 sums are exact: what remains is the conversion's and the scales' rounding.
    *bound = p->integer ? 4e-7 * fabs(sum * scale) : (1e-7 * (double)p->k + 1e-6) * magnitude * fabs(scale);
    return sum * scale;
}

static double gelu(double x) { return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))); }

static void compare_with_double(const char *name, const problem *p, const output *o, const output *before) {
    int wrong = 0, wrong_best = 0;
    double *row = malloc(p->n * sizeof *row), *bounds = malloc(p->n * sizeof *bounds);
    for (size_t m = 0; m < p->rows; m++) {
        for (size_t n = 0; n < p->n; n++) {
            double bound, up_bound, c = exact_product(p, m, n, false, &bound), up;
            size_t at = m * o->ld + n;
            double half = ldexp(1, -8);
            row[n] = c, bounds[n] = bound;
            switch (p->epilogue) {
            case PP_STORE_F32: wrong += !(fabs(o->f32[at] - c) <= bound); break;
            case PP_ADD_F32: {
                double sum = (double)before->f32[at] + c;
                wrong += !(fabs(o->f32[at] - sum) <= bound + 1e-7 * fabs(sum));
                break;
            }
            case PP_RELU_BF16: c = c < 0 ? 0 : c;  // falls through
            case PP_STORE_BF16: wrong += !(fabs(widen(o->bf16[at]) - c) <= bound + half * fabs(c)); break;
            case PP_GATED_GELU_BF16:
                up = exact_product(p, m, n, true, &up_bound);
                wrong += !(fabs(widen(o->bf16[at]) - gelu(c) * up) <=
                           1.2 * bound * fabs(up) + up_bound * fabs(gelu(c)) +
                           (half + 1e-6) * fabs(gelu(c) * up) +
                           1e-6 * fabs(c * up));
                break;
            case PP_ARGMAX: break;
            }
        }
        if (p->epilogue == PP_ARGMAX) {
            size_t best = (size_t)o->index[m];
            wrong_best += best >= p->n || fabs(o->best[m] - row[best]) > bounds[best];
            for (size_t n = 0; n < p->n && best < p->n; n++)
                wrong_best += row[n] > row[best] + bounds[n] + bounds[best];
        }
    }
    // Between the rows nothing is written.
    int outside = 0;
    for (size_t m = 0; m + 1 < p->rows; m++)
        for (size_t at = m * o->ld + p->n; at < (m + 1) * o->ld; at++)
            outside += o->f32[at] != before->f32[at] || o->bf16[at] != before->bf16[at];
#define WHERE "%s %s epilogue %d M %zu K %zu N %zu: %d"
#define SHAPE name, p->integer ? "int8" : "bf16", (int)p->epilogue, p->rows, p->k, p->n
    check(wrong == 0, WHERE " elements wrong", SHAPE, wrong);
    check(wrong_best == 0, WHERE " maxima wrong", SHAPE, wrong_best);
    check(outside == 0, WHERE " written outside", SHAPE, outside);
    free(row), free(bounds);
}

/// The same problem in random pieces gives the same bits.
static void compare_splits(const pp_kernels *kernels, const problem *p, const output *whole) {
    for (int repeat = 0; repeat < 3; repeat++) {
        output o = make_output(p);
        size_t step = p->epilogue == PP_GATED_GELU_BF16 ? 2 : 1;
        for (size_t row = 0, rows; row < p->rows; row += rows) {
            rows = 1 + random_below(repeat == 0 ? 1 : p->rows);
            if (rows > p->rows - row) rows = p->rows - row;
            for (size_t panel = 0, panels; panel < p->panels; panel += panels) {
                panels = step * (1 + random_below(p->panels / step));
                if (panels > p->panels - panel) panels = p->panels - panel;
                run(kernels, p, &o, row, row + rows, panel, panel + panels);
            }
        }
        check(same(p, whole, &o), WHERE " split differs", kernels->name, p->integer ? "int8" : "bf16",
              (int)p->epilogue, p->rows, p->k, p->n, repeat);
        discard_output(&o);
    }
}

static void test_problem(const pp_kernels *const *tables, size_t count, size_t rows, size_t k, size_t n,
                         pp_epilogue epilogue, bool integer) {
    problem p = make(rows, k, n, epilogue, integer);
    output before = make_output(&p), scalar = make_output(&p);
    run(tables[0], &p, &scalar, 0, rows, 0, p.panels);
    for (size_t i = 0; i < count; i++) {
        output o = make_output(&p);
        run(tables[i], &p, &o, 0, rows, 0, p.panels);
        compare_with_double(tables[i]->name, &p, &o, &before);
        compare_splits(tables[i], &p, &o);
        // Exponentials differ by contraction; all else rounds alike wherever the sums are the same.
        bool same_sums = integer || !(strstr(tables[i]->name, "bf16") || strstr(tables[i]->name, "amx"));
        if (same_sums && epilogue != PP_GATED_GELU_BF16)
            check(same(&p, &scalar, &o), "%s %s epilogue %d M %zu K %zu N %zu differs from scalar",
                  tables[i]->name, integer ? "int8" : "bf16", (int)epilogue, rows, k, n);
        discard_output(&o);
    }
    discard_output(&before), discard_output(&scalar);
    discard(&p);
}

static void test_ties_and_nan(const pp_kernels *kernels) {
    // Equal columns: the lower index; a NaN column never wins.
    enum { K = 32, N = 40 };
    float *w = random_floats(N * K);
    for (size_t i = 0; i < K; i++) w[7 * K + i] = w[33 * K + i] = 4, w[3 * K + i] = NAN;
    pp_matrix m = {w, N, K, PP_F32};
    uint16_t *packed = exact(3 * pp_panel_bf16(K) * 2), *a = random_bf16(K);
    for (size_t i = 0; i < K; i++) a[i] = narrow(1);
    pp_pack_bf16(&m, 1, PP_CONCATENATED, K, NULL, 0, 3, packed);
    for (int descending = 0; descending < 2; descending++) {
        float best = -INFINITY;
        int32_t index = INT32_MAX;
        pp_gemm g = {.a = a, .lda = K, .panels = packed, .k = K, .columns = N, .epilogue = PP_ARGMAX,
                     .best = &best, .best_index = &index};
        for (size_t p = 0; p < 3; p++) {
            size_t panel = descending ? 2 - p : p;
            pp_gemm_bf16(kernels, &g, 0, 1, panel, panel + 1);
        }
        check(index == 7 && best == 128, "%s argmax of equal columns: %d", kernels->name, index);
    }
    free(w), free(packed), free(a);
}

void test_gemm(void) {
    static const size_t shapes[][3] = {
        {1, 1, 1},      {1, 768, 16},  {2, 32, 17},   {3, 33, 31},   {5, 64, 100},   {16, 100, 48},
        {17, 7, 64},    {31, 96, 33},  {32, 256, 96}, {33, 130, 20}, {47, 512, 64},  {64, 1056, 48},
        {70, 1090, 80}, {97, 768, 96}, {330, 63, 64}, {6, 3072, 32}, {290, 1100, 36}, {1100, 65, 40},
        {9, 600, 300},  {100, 300, 200},
    };
    const pp_kernels *tables[8];
    size_t count = available(tables);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int integer = 0; integer < 2; integer++)
            for (int e = PP_STORE_F32; e <= PP_ARGMAX; e++) {
                // Large shapes take a while in double precision: two epilogues each.
                bool large = shapes[i][0] * shapes[i][1] * shapes[i][2] > 2000000;
                if (large && (size_t)e % 3 != i % 3) continue;
                test_problem(tables, count, shapes[i][0], shapes[i][1], shapes[i][2], (pp_epilogue)e, integer);
            }
    for (size_t i = 0; i < count; i++) test_ties_and_nan(tables[i]);
}
