#include "roofline.h"

#include "tables.h"

#if defined(__x86_64__)

#include <immintrin.h>

// Numbers, not zeros: those draw less power and so run at a higher clock.
static void fill(uint16_t *numbers, size_t count, bool integer) {
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525 + 1013904223;
        uint16_t bits = (uint16_t)(state >> 16);
        numbers[i] = integer ? bits : (uint16_t)((bits & 0x80ff) | 0x3f00);
    }
}

/// Four accumulators, as in the kernels.
__attribute__((target("amx-tile,amx-bf16,amx-int8"))) static double amx(bool integer, size_t steps) {
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int t = 0; t < 8; t++) config.bytes[t] = 64, config.rows[t] = 16;
    _Alignas(64) uint16_t numbers[4][512];
    fill(numbers[0], sizeof numbers / sizeof **numbers, integer);
    _tile_loadconfig(&config);
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
    _tile_loadd(4, numbers[0], 64); _tile_loadd(5, numbers[1], 64);
    _tile_loadd(6, numbers[2], 64); _tile_loadd(7, numbers[3], 64);
    for (size_t i = 0; i < steps; i++) {
        if (integer) {
            _tile_dpbssd(0, 4, 6); _tile_dpbssd(1, 4, 7); _tile_dpbssd(2, 5, 6); _tile_dpbssd(3, 5, 7);
        } else {
            _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 5, 6); _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_release();
    return (double)steps * 4 * 2 * 16 * 16 * (integer ? 64 : 32);
}

// More chains of additions than two ports times their latency can fill.
enum { CHAINS = 12 };
#define UNROLL _Pragma("clang loop unroll(full)")

/// Runs `step` on every chain, then uses the sums, so that none of it can be left out.
#define LOOP(vector, zero, step)                                       \
    vector c[CHAINS];                                                  \
    UNROLL for (int j = 0; j < CHAINS; j++) c[j] = zero;               \
    for (size_t i = 0; i < steps; i++)                                 \
        UNROLL for (int j = 0; j < CHAINS; j++) c[j] = step;           \
    volatile vector sink;                                              \
    UNROLL for (int j = 0; j < CHAINS; j++) sink = c[j];               \
    (void)sink

__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) double pp_peak_dpbf16(size_t steps) {
    _Alignas(64) uint16_t numbers[2][32];
    fill(numbers[0], 64, false);
    __m512bh a = (__m512bh)_mm512_load_si512(numbers[0]), b = (__m512bh)_mm512_load_si512(numbers[1]);
    LOOP(__m512, _mm512_setzero_ps(), _mm512_dpbf16_ps(c[j], a, b));
    return (double)steps * CHAINS * 2 * 32;
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))) double pp_peak_dpbusd(size_t steps) {
    _Alignas(64) uint16_t numbers[2][32];
    fill(numbers[0], 64, true);
    __m512i a = _mm512_load_si512(numbers[0]), b = _mm512_load_si512(numbers[1]);
    LOOP(__m512i, _mm512_setzero_si512(), _mm512_dpbusd_epi32(c[j], a, b));
    return (double)steps * CHAINS * 2 * 64;
}

__attribute__((target("avx512f"))) double pp_peak_fma512(size_t steps) {
    __m512 a = _mm512_set1_ps(0.75f), b = _mm512_set1_ps(0.3f);
    LOOP(__m512, b, _mm512_fmadd_ps(c[j], a, b));
    return (double)steps * CHAINS * 2 * 16;
}

__attribute__((target("avx2,fma"))) double pp_peak_fma256(size_t steps) {
    __m256 a = _mm256_set1_ps(0.75f), b = _mm256_set1_ps(0.3f);
    LOOP(__m256, b, _mm256_fmadd_ps(c[j], a, b));
    return (double)steps * CHAINS * 2 * 8;
}

double pp_peak_amx_bf16(size_t steps) { return amx(false, steps); }

double pp_peak_amx_int8(size_t steps) { return amx(true, steps); }

#endif

double pp_peak_operations(const pp_kernels *kernels, bool integer, size_t steps) {
    const pp_product_kernels *product = integer ? kernels->int8 : kernels->bf16;
    return product->peak ? product->peak(steps) : 0;
}

uint64_t pp_read_words(const uint64_t *words, size_t count) {
    // One stretch alone does not keep enough of the memory's requests in flight.
    enum { STRETCHES = 4 };
    size_t stretch = count / (8 * STRETCHES) * 8;
    uint64_t sums[8] = {0};
    for (size_t i = 0; i < stretch; i += 8)
        for (size_t s = 0; s < STRETCHES; s++)
            for (size_t j = 0; j < 8; j++) sums[j] += words[s * stretch + i + j];
    for (size_t i = STRETCHES * stretch; i < count; i++) sums[0] += words[i];
    return sums[0] ^ sums[1] ^ sums[2] ^ sums[3] ^ sums[4] ^ sums[5] ^ sums[6] ^ sums[7];
}
