// Rates of the packed products by shape, beside this machine's own limits measured in the same run: tiles
// that multiply registers only, and a read of memory. Best of several repeats, one thread.
//
//   clang -std=gnu17 -O2 -Wall -Wextra -ISources/CKernels/include Sources/CKernels/*.c \
//       Tests/CKernels/bench.c -lm -o /tmp/ckernels-bench && /tmp/ckernels-bench

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "CKernels.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *allocate(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p) exit(1);
    memset(p, 0, bytes);
    return p;
}

/// Numbers of both signs about 1, or int8.
static void fill(void *data, size_t bytes, bool integer) {
    uint32_t state = 1;
    for (size_t i = 0; i < bytes / 2; i++) {
        state = state * 1664525 + 1013904223;
        uint16_t bits = (uint16_t)(state >> 16);
        ((uint16_t *)data)[i] = integer ? bits : (bits & 0x80ff) | 0x3f00;
    }
}

#if defined(__x86_64__)
/// Four accumulators as in the kernels, no loads: the most that a thread can get.
__attribute__((target("amx-tile,amx-bf16,amx-int8"))) static double peak(bool integer) {
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int t = 0; t < 8; t++) config.bytes[t] = 64, config.rows[t] = 16;
    _tile_loadconfig(&config);
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
    // Numbers, not zeros: those draw less power and so run at a higher clock.
    static uint16_t numbers[4][512];
    fill(numbers, sizeof numbers, integer);
    _tile_loadd(4, numbers[0], 64); _tile_loadd(5, numbers[1], 64);
    _tile_loadd(6, numbers[2], 64); _tile_loadd(7, numbers[3], 64);
    enum { STEPS = 20000 };
    double start = now();
    for (int i = 0; i < STEPS; i++) {
        if (integer) {
            _tile_dpbssd(0, 4, 6); _tile_dpbssd(1, 4, 7); _tile_dpbssd(2, 5, 6); _tile_dpbssd(3, 5, 7);
        } else {
            _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 5, 6); _tile_dpbf16ps(3, 5, 7);
        }
    }
    double seconds = now() - start;
    _tile_release();
    return 4.0 * STEPS * 2 * 16 * 16 * (integer ? 64 : 32) / seconds * 1e-9;
}
#endif

static double read_rate(void) {
    enum { BYTES = 256 << 20 };
    static uint64_t *data;
    if (!data) {
        data = allocate(BYTES);
        memset(data, 1, BYTES);
    }
    double start = now();
    uint64_t s[8] = {0};
    for (size_t i = 0; i < BYTES / 8; i += 8)
        for (int j = 0; j < 8; j++) s[j] += data[i + (size_t)j];
    double seconds = now() - start;
    volatile uint64_t sink = s[0] ^ s[1] ^ s[2] ^ s[3] ^ s[4] ^ s[5] ^ s[6] ^ s[7];
    (void)sink;
    return BYTES / seconds * 1e-9;
}

typedef struct shape {
    const char *name;
    size_t k, n;
    pp_epilogue epilogue;
} shape;

static const shape shapes[] = {
    {"qkv", 768, 2304, PP_STORE_BF16},      {"o", 768, 768, PP_ADD_F32},
    {"wi relu", 768, 3072, PP_RELU_BF16},   {"wo", 3072, 768, PP_ADD_F32},
    {"wi gelu", 768, 4096, PP_GATED_GELU_BF16},
    {"lm head", 768, 32128, PP_ARGMAX},
};
static const size_t row_counts[] = {1, 4, 8, 16, 32, 64, 128, 512, 4096};

static void measure(const pp_cpu *cpu, const shape *s, size_t rows, bool integer) {
    size_t element = integer ? 1 : 2, panels = (s->n + 15) / 16;
    size_t panel_bytes = integer ? pp_panel_int8(s->k) : pp_panel_bf16(s->k) * 2;
    size_t bytes = panels * panel_bytes, lda = pp_row_stride(s->k * element) / element;
    size_t ldc = pp_row_stride(s->n * 2) / 2;
    // As in a forward pass, the weights of few rows come from memory: go round enough copies.
    size_t copies = rows <= 64 ? (200u << 20) / bytes + 1 : 1;
    char *weights = allocate(bytes * copies), *a = allocate(rows * lda * element);
    fill(weights, bytes * copies, integer);
    fill(a, rows * lda * element, integer);
    float *scales = allocate(panels * 64), *f32 = allocate(rows * ldc * 4), *best = allocate(rows * 4);
    float *row_scale = allocate(rows * 4), *squares = allocate(rows * panels * 4);
    int32_t *sums = allocate(panels * 64), *index = allocate(rows * 4);
    uint16_t *bf16 = allocate(rows * ldc * 2);
    for (size_t i = 0; i < rows; i++) row_scale[i] = 1;
    pp_gemm g = {.a = a, .lda = lda, .column_scale = scales, .column_sum = sums, .row_scale = row_scale,
                 .k = s->k, .columns = s->epilogue == PP_GATED_GELU_BF16 ? s->n / 2 : s->n,
                 .epilogue = s->epilogue, .f32 = f32, .ld_f32 = ldc, .bf16 = bf16, .ld_bf16 = ldc,
                 .square_sums = s->epilogue == PP_ADD_F32 ? squares : NULL, .ld_square_sums = panels,
                 .best = best, .best_index = index};
    double operations = 2.0 * (double)rows * (double)s->k * (double)s->n;
    int calls = operations > 2e8 ? 1 : (int)(2e8 / operations) + 1;
    if (rows <= 64) calls = (int)copies;
    double fastest = 1e9, limit = 0, memory = 0;
    for (int repeat = 0; repeat < 7; repeat++) {
        double start = now();
        for (int i = 0; i < calls; i++) {
            g.panels = weights + bytes * ((size_t)i % copies);
            (integer ? pp_gemm_int8 : pp_gemm_bf16)(cpu, &g, 0, rows, 0, panels);
        }
        double seconds = (now() - start) / calls;
        if (seconds < fastest) fastest = seconds;
#if defined(__x86_64__)
        if (cpu->isa == PP_ISA_AMX) {
            double p = peak(integer);
            if (p > limit) limit = p;
        }
#endif
    }
    for (int repeat = 0; rows <= 64 && repeat < 2; repeat++) memory = fmax(memory, read_rate());
    printf("%-5s %-8s K %4zu N %5zu M %4zu  %7.1f G/s", integer ? "int8" : "bf16", s->name, s->k, s->n, rows,
           operations / fastest * 1e-9);
    if (limit > 0) printf("  %3.0f%% of %4.0f", operations / fastest * 1e-7 / limit, limit);
    if (rows <= 64) printf("  %5.1f GB/s of %4.1f", (double)bytes / fastest * 1e-9, memory);
    printf("\n");
    free(weights); free(a); free(scales); free(f32); free(best); free(row_scale); free(squares); free(sums);
    free(index); free(bf16);
}

int main(int argc, char **argv) {
    pp_cpu cpu;
    if (pp_cpu_detect(&cpu) != 0) return 2;
    printf("%s\n", pp_isa_name(cpu.isa));
    // Optional: the shape's name and the row count to measure, alone.
    for (int integer = 0; integer < 2; integer++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (size_t j = 0; j < sizeof row_counts / sizeof *row_counts; j++) {
                if (argc > 1 && strcmp(argv[1], shapes[i].name) != 0) continue;
                if (argc > 2 && strtoul(argv[2], NULL, 10) != row_counts[j]) continue;
                if (argc <= 2 && row_counts[j] > 512 && shapes[i].n > 10000) continue;
                measure(&cpu, &shapes[i], row_counts[j], integer);
            }
    return 0;
}
