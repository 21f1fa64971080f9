// ReLU's signs and transposition for gradient_body.h, in plain C.

static void PP_KERNEL(signs)(const uint16_t *hidden, size_t count, uint32_t *signs) {
    for (size_t i = 0; i < count; i += 32) {
        uint32_t word = 0;
        for (size_t bit = 0; bit < 32 && i + bit < count; bit++)
            word |= (uint32_t)(hidden[i + bit] != 0) << bit;
        signs[i / 32] = word;
    }
}

static void PP_KERNEL(signs_gradient)(const uint32_t *signs, uint16_t *gradient, size_t count) {
    for (size_t i = 0; i < count; i++) gradient[i] = signs[i / 32] >> i % 32 & 1 ? gradient[i] : 0;
}

static void PP_KERNEL(transpose_block)(const uint16_t *from, uint16_t *out) {
    for (size_t k = 0; k < PP_PANEL; k++)
        for (size_t n = 0; n < PP_PANEL; n++)
            out[n / 2 * 2 * PP_PANEL + k * 2 + n % 2] = from[k / 2 * 2 * PP_PANEL + n * 2 + k % 2];
}

static void PP_KERNEL(transpose)(const uint16_t *x, size_t ld, size_t rows, size_t columns, uint16_t *out,
                                 size_t ldo) {
    const size_t padded = (rows + 31) / 32 * 32;
    for (size_t c = 0; c < columns; c++) {
        for (size_t r = 0; r < rows; r++) out[c * ldo + r] = x[r * ld + c];
        for (size_t r = rows; r < padded; r++) out[c * ldo + r] = 0;
    }
}
