// Detection, and packing against the layout that pack.h describes.

#include "test.h"

void test_isa(void) {
    const char *set = getenv("POLYPROMPT_ISA");
    char *before = set ? strdup(set) : NULL;
    pp_cpu cpu, machine;
    unsetenv("POLYPROMPT_ISA");
    check(pp_cpu_detect(&machine) == 0, "detection");
    for (int isa = PP_ISA_SCALAR; isa <= PP_ISA_AMX; isa++) {
        setenv("POLYPROMPT_ISA", pp_isa_name((pp_isa)isa), 1);
        check(pp_cpu_detect(&cpu) == 0, "POLYPROMPT_ISA=%s", pp_isa_name((pp_isa)isa));
        check((int)cpu.isa <= isa && cpu.isa <= machine.isa, "capped at %s", pp_isa_name((pp_isa)isa));
        check(isa >= PP_ISA_AVX512 || !(cpu.avx512_bf16 || cpu.avx512_vnni), "no avx512 below avx512");
    }
    setenv("POLYPROMPT_ISA", "sse9", 1);
    check(pp_cpu_detect(&cpu) == -1, "an unknown value is reported");
    check(cpu.isa == machine.isa, "and the machine's answer given");
    if (before) setenv("POLYPROMPT_ISA", before, 1);
    else unsetenv("POLYPROMPT_ISA");
    free(before);
}

/// Weight (n, k) of a matrix as float32.
static float weight(const pp_matrix *m, size_t n, size_t k) {
    size_t at = n * m->ld + k;
    if (m->type == PP_F32) return ((const float *)m->data)[at];
    uint16_t bits = ((const uint16_t *)m->data)[at];
    return m->type == PP_BF16 ? widen(bits) : (float)((const _Float16 *)m->data)[at];
}

static void *random_weights(pp_type type, size_t count) {
    if (type == PP_F32) return random_floats(count);
    if (type == PP_BF16) return random_bf16(count);
    _Float16 *x = exact(count * 2);
    // Subnormal halves too.
    for (size_t i = 0; i < count; i++) x[i] = (_Float16)(random_float() * (i % 7 ? 1 : 1e-6f));
    return x;
}

static void test_packing(pp_type type, pp_arrangement arrangement, size_t n0, size_t n1, size_t k,
                         bool gained) {
    size_t ld = k + 3;
    pp_matrix matrices[2] = {{random_weights(type, n0 * ld), n0, ld, type},
                             {random_weights(type, n1 * ld), n1, ld, type}};
    float *gain = random_floats(k);
    size_t panels = pp_panel_count(matrices, 2, arrangement);
    check(panels == (arrangement == PP_INTERLEAVED ? 2 * ((n0 + 15) / 16) : (n0 + n1 + 15) / 16), "panels");
    size_t size = pp_panel_bf16(k), size8 = pp_panel_int8(k);
    uint16_t *packed = exact(panels * size * 2);
    int8_t *packed8 = exact(panels * size8);
    float *scales = exact(panels * 64);
    int32_t *sums = exact(panels * 64);
    // In two ranges, as two workers would.
    size_t half = panels / 2;
    pp_pack_bf16(matrices, 2, arrangement, k, gained ? gain : NULL, half, panels, packed);
    pp_pack_bf16(matrices, 2, arrangement, k, gained ? gain : NULL, 0, half, packed);
    pp_pack_int8(matrices, 2, arrangement, k, gained ? gain : NULL, half, panels, packed8, scales, sums);
    pp_pack_int8(matrices, 2, arrangement, k, gained ? gain : NULL, 0, half, packed8, scales, sums);

    int wrong = 0, wrong8 = 0, wrong_scale = 0;
    for (size_t column = 0; column < panels * 16; column++) {
        size_t panel = column / 16, n = column % 16, row = column;
        const pp_matrix *m = column < n0 ? &matrices[0] : &matrices[1];
        if (arrangement == PP_INTERLEAVED) m = &matrices[panel % 2], row = panel / 2 * 16 + n;
        else if (column >= n0) row = column - n0;
        bool exists = row < m->rows;
        float largest = 0;
        int32_t sum = 0;
        for (size_t i = 0; i < k; i++)
            largest = fmaxf(largest, exists ? fabsf(weight(m, row, i) * (gained ? gain[i] : 1)) : 0);
        for (size_t i = 0; i < size / 16; i++) {
            float w = exists && i < k ? weight(m, row, i) * (gained ? gain[i] : 1) : 0;
            wrong += packed[panel * size + i / 2 * 32 + n * 2 + i % 2] != narrow(w);
        }
        for (size_t i = 0; i < size8 / 16; i++) {
            float w = exists && i < k ? weight(m, row, i) * (gained ? gain[i] : 1) : 0;
            int8_t q = packed8[panel * size8 + i / 4 * 64 + n * 4 + i % 4];
            sum += q;
            wrong8 += fabs((double)q * scales[column] - w) > 0.501 * scales[column] || q < -127;
        }
        wrong_scale += scales[column] != largest / 127 || sums[column] != sum;
    }
    check(wrong == 0, "pack bf16: %d elements differ", wrong);
    check(wrong8 == 0, "pack int8: %d elements off by more than half a step", wrong8);
    check(wrong_scale == 0, "pack int8: %d scales or sums wrong", wrong_scale);
    free((void *)matrices[0].data), free((void *)matrices[1].data);
    free(gain), free(packed), free(packed8), free(scales), free(sums);
}

void test_pack(void) {
    for (int type = PP_F32; type <= PP_BF16; type++) {
        test_packing((pp_type)type, PP_CONCATENATED, 17, 9, 70, true);
        test_packing((pp_type)type, PP_CONCATENATED, 1, 64, 1, false);
        test_packing((pp_type)type, PP_INTERLEAVED, 20, 20, 64, true);
        test_packing((pp_type)type, PP_INTERLEAVED, 48, 48, 33, false);
    }
}
