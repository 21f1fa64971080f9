// Tests of the C kernels: every instruction set against the scalar twins and against double precision.
//
//   clang -std=gnu17 -O1 -g -Wall -Wextra -fsanitize=address,undefined -ISources/CKernels/include \
//       Sources/CKernels/*.c Tests/CKernels/test*.c -lm -o /tmp/ckernels-test && /tmp/ckernels-test
//
// POLYPROMPT_ISA=scalar|avx2|avx512|amx leaves out what is above.

#include "test.h"

#include <stdarg.h>

static int passed_count, failed_count;

void check(bool passed, const char *format, ...) {
    if (passed) {
        passed_count++;
        return;
    }
    if (failed_count++ > 40) return;
    va_list arguments;
    va_start(arguments, format);
    printf("FAILED ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

uint32_t random_bits(void) {
    static uint64_t state = 42;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

float random_float(void) { return (float)(int32_t)random_bits() * 0x1p-31f; }

size_t random_below(size_t bound) { return random_bits() % bound; }

void *exact(size_t bytes) {
    void *p = NULL;
    if (posix_memalign(&p, 64, bytes ? bytes : 1) != 0) abort();
    for (size_t i = 0; i < bytes; i++) ((uint8_t *)p)[i] = (uint8_t)random_bits();
    return p;
}

float *random_floats(size_t count) {
    float *x = exact(count * sizeof *x);
    for (size_t i = 0; i < count; i++) x[i] = random_float();
    return x;
}

uint16_t *random_bf16(size_t count) {
    uint16_t *x = exact(count * sizeof *x);
    for (size_t i = 0; i < count; i++) x[i] = narrow(random_float());
    return x;
}

float widen(uint16_t x) {
    uint32_t bits = (uint32_t)x << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

/// Written otherwise than the kernels': the nearer neighbour, between two the even one.
uint16_t narrow(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    uint16_t down = (uint16_t)(bits >> 16);
    if (x != x) return down | 0x40;
    if (isinf(x)) return down;
    if (fabsf(x) < 0x1p-126f) return down & 0x8000;
    double step = ldexp(1, (int)(bits >> 23 & 255) - 127 - 7);
    double past = fabs((double)x) - fabs((double)widen(down));
    if (past == step / 2) return down + down % 2;
    return past < step / 2 ? down : down + 1;
}

size_t available(const pp_kernels *tables[8]) {
    pp_cpu machine;
    size_t count = 0;
    if (pp_cpu_detect(&machine) != 0) return 0;
    for (int isa = PP_ISA_SCALAR; isa <= (int)machine.isa; isa++) {
        const pp_cpu capped = pp_cpu_capped(machine, (pp_isa)isa);
        // AVX-512 with and without each of its later parts, as far as the machine has them.
        for (int parts = isa == PP_ISA_AVX512 ? 0 : 2; parts < 3; parts++) {
            pp_cpu cpu = capped;
            cpu.avx512_vnni &= parts > 0;
            cpu.avx512_bf16 &= parts > 1;
            const pp_kernels *table = pp_kernels_for(&cpu);
            bool known = false;
            for (size_t i = 0; i < count; i++) known |= tables[i] == table;
            if (!known) tables[count++] = table;
        }
    }
    return count;
}

int main(void) {
    test_float32();
    test_isa();
    test_pack();
    test_gemm();
    test_rows();
    test_attention();
    test_gradient();
    printf("%d passed, %d failed\n", passed_count, failed_count);
    return failed_count ? 1 : 0;
}
