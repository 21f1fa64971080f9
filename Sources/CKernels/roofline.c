#include "roofline.h"

#include "tables.h"

double pp_peak_operations(const pp_kernels *kernels, bool integer, size_t steps) {
    const pp_product_kernels *product = integer ? kernels->int8 : kernels->bf16;
    return product->peak ? product->peak(steps) : 0;
}

uint64_t pp_read_words(const uint64_t *words, size_t count) {
    // One stream alone does not keep enough of the memory's requests in flight.
    enum { STREAMS = 4 };
    size_t length = count / (8 * STREAMS) * 8;
    uint64_t sums[8] = {0};
    for (size_t i = 0; i < length; i += 8)
        for (size_t s = 0; s < STREAMS; s++)
            for (size_t j = 0; j < 8; j++) sums[j] += words[s * length + i + j];
    for (size_t i = STREAMS * length; i < count; i++) sums[0] += words[i];
    return sums[0] ^ sums[1] ^ sums[2] ^ sums[3] ^ sums[4] ^ sums[5] ^ sums[6] ^ sums[7];
}
