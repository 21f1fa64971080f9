#include "isa.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

static const char *const names[] = {"scalar", "avx2", "avx512", "amx"};

const char *pp_isa_name(pp_isa isa) { return names[isa]; }

pp_cpu pp_cpu_capped(pp_cpu cpu, pp_isa cap) {
    if (cpu.isa > cap) cpu.isa = cap;
    if (cap < PP_ISA_AVX512) cpu.avx512_bf16 = cpu.avx512_vnni = false;
    return cpu;
}

#if defined(__x86_64__)

static bool bit(uint32_t word, int index) { return (word >> index) & 1; }

/// Registers that the operating system saves: a CPU feature without its state is not usable.
static uint64_t enabled_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/// Linux hands out the 8 KiB of tile state only to processes that ask for it.
static bool may_use_tiles(void) {
#if defined(__linux__)
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return false;
#endif
}

static pp_cpu machine(void) {
    pp_cpu cpu = {.isa = PP_ISA_SCALAR};
    uint32_t a, b, c, d, a7, b7, c7, d7, a71 = 0, b71 = 0, c71 = 0, d71 = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !__get_cpuid_count(7, 0, &a7, &b7, &c7, &d7)) return cpu;
    if (a7 >= 1) __cpuid_count(7, 1, a71, b71, c71, d71);
    if (!bit(c, 27)) return cpu;  // OSXSAVE
    uint64_t state = enabled_state();

    bool avx2 = (state & 0x6) == 0x6 && bit(c, 28) && bit(c, 12) && bit(b7, 5);
    if (!avx2) return cpu;
    cpu.isa = PP_ISA_AVX2;

    bool avx512 = (state & 0xe6) == 0xe6 && bit(b7, 16) && bit(b7, 17) && bit(b7, 30) && bit(b7, 31);
    if (!avx512) return cpu;
    cpu.isa = PP_ISA_AVX512;
    cpu.avx512_vnni = bit(c7, 11);
    cpu.avx512_bf16 = cpu.avx512_vnni && bit(a71, 5);

    bool amx = (state & 0x60000) == 0x60000 && bit(d7, 24) && bit(d7, 22) && bit(d7, 25);
    if (!amx || !cpu.avx512_bf16 || !may_use_tiles()) return cpu;
    cpu.isa = PP_ISA_AMX;
    return cpu;
}

#else

static pp_cpu machine(void) { return (pp_cpu){.isa = PP_ISA_SCALAR}; }

#endif

int pp_cpu_detect(pp_cpu *cpu) {
    *cpu = machine();
    const char *cap = getenv("POLYPROMPT_ISA");
    if (!cap) return 0;
    for (int isa = PP_ISA_SCALAR; isa <= PP_ISA_AMX; isa++) {
        if (strcmp(cap, names[isa]) == 0) {
            *cpu = pp_cpu_capped(*cpu, (pp_isa)isa);
            return 0;
        }
    }
    return -1;
}

int pp_cpu_affinity(void) {
#if defined(__linux__)
    unsigned char mask[1024];
    long written = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    int count = 0;
    for (long byte = 0; byte < written; byte++) count += __builtin_popcount(mask[byte]);
    return count;
#else
    return 0;
#endif
}
