// Products for AMX: 32 × 32 outputs as 2 × 2 tiles, A's tiles loaded in place, a panel's tiles streamed.

#include "avx512.h"
#include "peak.h"

enum {
    TILE_ROWS = 16,
    TILE_BYTES = 64,  // of one row of a tile
    TILE = TILE_ROWS * TILE_BYTES,
    // L1 of 48 KiB, L2 of 2 MiB. A block of A's rows stays in L2 while all panels pass by. Of two
    // panels the first steps of K stay in L1 while A's rows pass by, loaded with the hint not to
    // keep them there; a longer K is cut into slices whose sums wait on the stack.
    RESIDENT_STEPS = 16,
    SLICE_STEPS = 24,
    A_BLOCK_BYTES = 1 << 20,
    // Waiting rows are finished so many a step, from a step on when their sums have reached the cache.
    FINISH_STEP = 2,
    FINISH_ROWS = 4,
    MAX_SLICED_ROWS = 256,
    MAX_ROWS = 1024,
};

// Tiles 0-3 accumulate (row tile × panel), 4 and 5 are A's, 6 and 7 the panels'.
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

/// Tile rows only for rows of A that exist: nothing outside the range is read.
PP_INLINE void configure(size_t rows) {
    tile_config config = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        config.row_bytes[t] = TILE_BYTES;
        config.rows[t] = (uint8_t)(t < 6 ? rows : TILE_ROWS);
    }
    _tile_loadconfig(&config);
}

/// What is constant in a block of sums; known to the compiler in each use, so that nothing is decided inside.
typedef struct block_kind {
    bool two_rows, two_panels;  // tiles of A, panels
    bool integer;
    bool overlap;               // a full block of 32 × 32 waits for its epilogue
    pp_epilogue epilogue;       // which, when overlapped
} block_kind;

#define LOAD(streamed, tile, from, stride)                    \
    do {                                                      \
        if (streamed) _tile_stream_loadd(tile, from, stride); \
        else _tile_loadd(tile, from, stride);                 \
    } while (0)
#define MULTIPLY(c, a, b)                        \
    do {                                         \
        if (kind.integer) _tile_dpbssd(c, a, b); \
        else _tile_dpbf16ps(c, a, b);            \
    } while (0)
// Sums leave their tile only when the next block needs it: the store overlaps the other tiles' products.
#define EXCHANGE(tile, place)                                               \
    do {                                                                    \
        _tile_stored(tile, held + (place)*TILE, TILE_BYTES);                \
        if (sums_in) _tile_loadd(tile, sums_in + (place)*TILE, TILE_BYTES); \
        else _tile_zero(tile);                                              \
    } while (0)

/// The first step of K: the sums of the block before go to `held`, this block's begin at `sums_in` or zero.
PP_INLINE void first_step(block_kind kind, const char *a0, const char *a1, size_t a_stride, const char *b0,
                          const char *b1, char *held, const char *sums_in) {
    _tile_loadd(6, b0, TILE_BYTES);
    _tile_loadd(4, a0, a_stride);
    EXCHANGE(0, 0);
    MULTIPLY(0, 4, 6);
    if (kind.two_panels) _tile_loadd(7, b1, TILE_BYTES);
    EXCHANGE(1, 2);
    if (kind.two_panels) MULTIPLY(1, 4, 7);
    if (kind.two_rows) _tile_loadd(5, a1, a_stride);
    EXCHANGE(2, 1);
    if (kind.two_rows) MULTIPLY(2, 5, 6);
    EXCHANGE(3, 3);
    if (kind.two_rows && kind.two_panels) MULTIPLY(3, 5, 7);
}

/// One step of K: tile loads and, of each pair, the product.
PP_INLINE void step(block_kind kind, bool stream_a, bool stream_b, const char *a0, const char *a1,
                    size_t a_stride, const char *b0, const char *b1) {
    LOAD(stream_b, 6, b0, TILE_BYTES);
    LOAD(stream_a, 4, a0, a_stride);
    MULTIPLY(0, 4, 6);
    if (kind.two_panels) {
        LOAD(stream_b, 7, b1, TILE_BYTES);
        MULTIPLY(1, 4, 7);
    }
    if (kind.two_rows) {
        LOAD(stream_a, 5, a1, a_stride);
        MULTIPLY(2, 5, 6);
        if (kind.two_panels) MULTIPLY(3, 5, 7);
    }
}

#undef LOAD
#undef MULTIPLY
#undef EXCHANGE

/// The last, incomplete step of K: A's rows continued with zeros.
PP_INLINE void copy_tail(char *tail, const char *a, size_t a_stride, size_t rows, size_t bytes) {
    __mmask64 mask = (1ull << bytes) - 1;
    for (size_t m = 0; m < rows; m++)
        _mm512_storeu_si512(tail + m * TILE_BYTES, _mm512_maskz_loadu_epi8(mask, a + m * a_stride));
}

/// Sums in memory that wait for their epilogue. It runs between the next block's products, which leave the
/// vector units idle.
typedef struct pending {
    const char *sums;  // [panel][row tile][16][16]
    size_t panel, row[2], skip[2], rows[2];
    bool two_panels;
} pending;

static __attribute__((noinline)) void finish_bf16(const pp_gemm *g, const pending *p, int tile) {
    const char *sums = p->sums + tile * TILE + p->skip[tile] * TILE_BYTES;
    pp_finish16(g, p->row[tile], p->rows[tile], p->panel, p->two_panels, sums, sums + 2 * TILE, false);
}

static __attribute__((noinline)) void finish_int8(const pp_gemm *g, const pending *p, int tile) {
    const char *sums = p->sums + tile * TILE + p->skip[tile] * TILE_BYTES;
    pp_finish16(g, p->row[tile], p->rows[tile], p->panel, p->two_panels, sums, sums + 2 * TILE, true);
}

/// All that waits, at once.
PP_INLINE void finish(const pp_gemm *g, pending *p, bool integer) {
    for (int tile = 0; tile < 2; tile++) {
        if (p->rows[tile] && integer) finish_int8(g, p, tile);
        else if (p->rows[tile]) finish_bf16(g, p, tile);
        p->rows[tile] = 0;
    }
}

/// A block: up to two row tiles at `a0`, `a1` and two panels at `b0`, `b1`, over `k_bytes` of K.
typedef struct block {
    const char *a0, *a1, *b0, *b1;
    size_t a_stride, tile_rows, k_bytes;
    bool alone;             // no other block of rows uses these panels: nothing of them is worth keeping
    const char *sums_in;    // null: the sums start at zero
    char *held;             // where the sums of the block before go: [panel][row tile][16][16]
    const char *next0, *next1;  // panels to come: lines to fetch into the L2 cache meanwhile
    size_t fetched;             // of each of them at every step
} block;

PP_INLINE void sum_block(block_kind kind, const pp_gemm *g, const block *x, pending *before) {
    size_t steps = x->k_bytes / TILE_BYTES, tail = x->k_bytes % TILE_BYTES, s = 1;
    char tail0[TILE], tail1[TILE];
    if (tail) {
        copy_tail(tail0, x->a0 + steps * TILE_BYTES, x->a_stride, x->tile_rows, tail);
        if (kind.two_rows) copy_tail(tail1, x->a1 + steps * TILE_BYTES, x->a_stride, x->tile_rows, tail);
    }
#define STEP(stream_a, stream_b)                                                                           \
    for (size_t line = s * x->fetched; line < (s + 1) * x->fetched; line++) {                              \
        _mm_prefetch(x->next0 + line * 64, _MM_HINT_T1);                                                   \
        _mm_prefetch(x->next1 + line * 64, _MM_HINT_T1);                                                   \
    }                                                                                                      \
    step(kind, stream_a, stream_b, x->a0 + s * TILE_BYTES, x->a1 + s * TILE_BYTES, x->a_stride,            \
         x->b0 + s * TILE, x->b1 + s * TILE)

    if (steps == 0) {
        first_step(kind, tail0, tail1, TILE_BYTES, x->b0, x->b1, x->held, x->sums_in);
        finish(g, before, kind.integer);
        return;
    }
    first_step(kind, x->a0, x->a1, x->a_stride, x->b0, x->b1, x->held, x->sums_in);
    if (kind.overlap) {
        pp_target target = pp_target_of(g, before->panel, true, kind.integer);
        const char *sums = before->sums;
        size_t row = before->row[0];
        for (; s < pp_min(steps, FINISH_STEP); s++) { STEP(true, false); }
        for (size_t end = pp_min(steps, FINISH_STEP + 32 / FINISH_ROWS); s < end; s++) {
            STEP(true, false);
            for (int i = 0; i < FINISH_ROWS; i++, row++, sums += TILE_BYTES)
                pp_finish_row16(g, kind.epilogue, kind.integer, &target, row, sums, sums + 2 * TILE);
        }
        size_t done = row - before->row[0];
        for (int tile = 0; tile < 2; tile++) {
            size_t part = pp_min(done, TILE_ROWS);
            before->row[tile] += part;
            before->skip[tile] += part;
            before->rows[tile] -= part;
            done -= part;
        }
    }
    finish(g, before, kind.integer);
    if (x->alone)
        for (; s < steps; s++) { STEP(false, true); }
    for (size_t end = pp_min(steps, RESIDENT_STEPS); s < end; s++) { STEP(true, false); }
    for (; s < steps; s++) { STEP(true, true); }
#undef STEP
    if (tail) step(kind, false, false, tail0, tail1, TILE_BYTES, x->b0 + steps * TILE, x->b1 + steps * TILE);
}

/// The block in its constant form.
PP_INLINE void sum_any(bool two_rows, bool two_panels, bool integer, const pp_gemm *g, const block *x,
                       pending *before) {
    bool regular = before->rows[0] == TILE_ROWS && before->rows[1] == TILE_ROWS && before->two_panels &&
                   before->row[1] == before->row[0] + TILE_ROWS && !x->alone;
    if (two_panels && two_rows && regular) {
#define CASE(e)                                                                             \
    case e:                                                                                 \
        sum_block((block_kind){true, true, integer, true, e}, g, x, before);                \
        break
        switch (g->epilogue) { PP_EACH_EPILOGUE(CASE); }
#undef CASE
    } else if (two_panels && two_rows) {
        sum_block((block_kind){.two_rows = true, .two_panels = true, .integer = integer}, g, x, before);
    } else if (two_panels) {
        sum_block((block_kind){.two_panels = true, .integer = integer}, g, x, before);
    } else if (two_rows) {
        sum_block((block_kind){.two_rows = true, .integer = integer}, g, x, before);
    } else {
        sum_block((block_kind){.integer = integer}, g, x, before);
    }
}

/// Rows that a tile starts at. Where the rows do not divide by 16, the last tile begins 16 rows before the
/// end and its first `skip` rows, done before, are not finished again: the same sums without another shape.
typedef struct row_tile {
    size_t row, skip;
} row_tile;

PP_INLINE row_tile place(size_t row, size_t end, size_t tile_rows) {
    size_t last = end - tile_rows;
    return row <= last ? (row_tile){row, 0} : (row_tile){last, row - last};
}

PP_INLINE void multiply(const pp_gemm *g, pp_range r, size_t element, bool integer) {
    size_t a_stride = g->lda * element, k_bytes = g->k * element;
    size_t steps = (k_bytes + TILE_BYTES - 1) / TILE_BYTES, panel_bytes = steps * TILE;
    size_t rows = r.row_end - r.row_begin, tile_rows = pp_min(rows, TILE_ROWS);
    size_t slices = rows > 32 ? (steps + SLICE_STEPS - 1) / SLICE_STEPS : 1;
    size_t slice = (steps + slices - 1) / slices * TILE_BYTES;
    size_t block_rows = A_BLOCK_BYTES / k_bytes / 32 * 32;
    block_rows = pp_min(block_rows < 64 ? 64 : block_rows, slices > 1 ? MAX_SLICED_ROWS : MAX_ROWS);
    const char *a = g->a, *panels = g->panels;
    // Twice what a block of rows leaves: the last sums wait here while the next panels' are written.
    _Alignas(64) char sums[2 * MAX_SLICED_ROWS / TILE_ROWS * 2 * TILE];
    char *out = sums, *held = sums;
    size_t turn = 0;
    pending before = {0};

    configure(tile_rows);
    for (size_t top = r.row_begin; top < r.row_end; top += block_rows) {
        size_t bottom = pp_min(r.row_end, top + block_rows), blocks = (bottom - top + 31) / 32;
        for (size_t p = r.panel_begin; p < r.panel_end; p += 2) {
            bool two_panels = p + 1 < r.panel_end;
            const char *b = panels + p * panel_bytes;
            for (size_t k = 0; k < k_bytes; k += slice) {
                bool last = k + slice >= k_bytes;
                // What is read after this part of the panels.
                size_t part = last ? k_bytes - k : slice, part_steps = (part + TILE_BYTES - 1) / TILE_BYTES;
                const char *next = last ? b + 2 * panel_bytes : b + (k + slice) * 16;
                bool fetches = !last || p + 2 < r.panel_end;
                size_t each = fetches && blocks > 1 ? (16 + blocks - 1) / blocks : 0;
                for (size_t m = top; m < bottom; m += 32) {
                    bool two_rows = bottom - m > 16;
                    row_tile t0 = place(m, r.row_end, tile_rows);
                    row_tile t1 = two_rows ? place(m + 16, r.row_end, tile_rows) : t0;
                    size_t index = (m - top) / 32;
                    if (slices > 1) out = sums + turn * (sizeof sums / 2) + index * 4 * TILE;
                    else out = sums + (turn ^= 1) * 4 * TILE;
                    block x = {
                        .a0 = a + t0.row * a_stride + k, .a1 = a + t1.row * a_stride + k,
                        .b0 = b + k * 16, .b1 = b + k * 16 + (two_panels ? panel_bytes : 0),
                        .a_stride = a_stride, .tile_rows = tile_rows,
                        .k_bytes = last ? k_bytes - k : slice, .alone = blocks == 1,
                        .sums_in = k ? out : NULL, .held = held,
                        .next0 = next + index * part_steps * each * 64,
                        .next1 = next + index * part_steps * each * 64 + panel_bytes,
                        .fetched = index * each < 16 ? each : 0,
                    };
                    sum_any(two_rows, two_panels, integer, g, &x, &before);
                    held = out;
                    if (!last) continue;
                    before = (pending){
                        .sums = out, .panel = p, .two_panels = two_panels,
                        .row = {t0.row + t0.skip, t1.row + t1.skip}, .skip = {t0.skip, t1.skip},
                        .rows = {tile_rows - t0.skip, two_rows ? tile_rows - t1.skip : 0},
                    };
                }
            }
            if (slices > 1) turn ^= 1;
        }
    }
    _tile_stored(0, held, TILE_BYTES);
    _tile_stored(1, held + 2 * TILE, TILE_BYTES);
    _tile_stored(2, held + TILE, TILE_BYTES);
    _tile_stored(3, held + 3 * TILE, TILE_BYTES);
    finish(g, &before, integer);
    _tile_release();
}

static void PP_KERNEL(multiply_bf16)(const pp_gemm *gemm, pp_range range) { multiply(gemm, range, 2, false); }

static void PP_KERNEL(multiply_int8)(const pp_gemm *gemm, pp_range range) { multiply(gemm, range, 1, true); }

/// Four accumulators, as in the products.
PP_INLINE double peak(bool integer, size_t steps) {
    _Alignas(64) uint16_t numbers[4][512];
    pp_fill(numbers[0], sizeof numbers / sizeof **numbers, integer);
    configure(TILE_ROWS);
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

static double PP_KERNEL(peak_bf16)(size_t steps) { return peak(false, steps); }

static double PP_KERNEL(peak_int8)(size_t steps) { return peak(true, steps); }

const pp_product_kernels PP_KERNEL(gemm_bf16) = {
    .multiply = PP_KERNEL(multiply_bf16), .peak = PP_KERNEL(peak_bf16)};
const pp_product_kernels PP_KERNEL(gemm_int8) = {
    .multiply = PP_KERNEL(multiply_int8), .peak = PP_KERNEL(peak_int8)};
