// The C face of libsentencepiece under the sanitizers: what it hands out is of the right size and released, and no
// text or id makes it read beyond its arguments.
//
//   clang++ -std=c++17 -g -fsanitize=address,undefined -ISources/CSentencePiece/include \
//       Sources/CSentencePiece/*.cpp Tests/CSentencePiece/test.cpp -lsentencepiece -o test && ./test spiece.model

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include "CSentencePiece.h"

static int passed, failed;

static void check(bool condition, const char *what) {
    if (condition) {
        passed++;
    } else {
        failed++;
        std::printf("FAILED %s\n", what);
    }
}

/// A copy of exactly this size on the heap, so that the sanitizer sees every step beyond it.
static std::unique_ptr<uint8_t[]> exact(const void *bytes, size_t count) {
    std::unique_ptr<uint8_t[]> copy(new uint8_t[count]);
    if (count) std::memcpy(copy.get(), bytes, count);
    return copy;
}

static void round_trip(const csp_model *model, const char *text, size_t count, bool exactly) {
    const auto bytes = exact(text, count);
    int32_t *ids = nullptr;
    size_t id_count = 0;
    check(csp_encode(model, bytes.get(), count, &ids, &id_count) == 0, "encode");
    check((ids == nullptr) == (id_count == 0), "no ids, no memory");
    for (size_t i = 0; i < id_count; i++) {
        check(ids[i] >= 0 && ids[i] < csp_piece_count(model), "an id in range");
        check(csp_kind(model, ids[i]) != CSP_PIECE_CONTROL, "never a control id");
    }
    uint8_t *decoded = nullptr;
    size_t decoded_count = 0;
    check(csp_decode(model, ids, id_count, &decoded, &decoded_count) == 0, "decode");
    if (exactly) check(decoded_count == count && !std::memcmp(decoded, text, count), "the text comes back");
    csp_free_text(decoded);
    csp_free_ids(ids);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    std::ifstream file(argv[1], std::ios::binary);
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const auto model_bytes = exact(bytes.data(), bytes.size());
    char message[64];
    check(csp_load(model_bytes.get(), 10, 1, message, sizeof message) == nullptr, "a truncated model is refused");
    check(std::strlen(message) < sizeof message, "the reason fits");
    check(csp_load(model_bytes.get(), bytes.size(), 1 << 30, message, 8) == nullptr, "too few pieces");
    csp_model *model = csp_load(model_bytes.get(), bytes.size(), 8000, message, sizeof message);
    check(model != nullptr, "the model loads");
    if (!model) return 1;
    check(csp_piece_count(model) == 8000 && csp_end_of_sequence(model) == 1, "counts");

    const char *exactly[] = {"hello there", "it costs 12 pounds", "a"};
    for (const char *text : exactly) round_trip(model, text, std::strlen(text), true);
    const char *others[] = {"", " ", "</s> <pad> <unk>", "\xF0\x9F\x98\x80 \xE9\xBE\x98", "\xFF\xFE\xC3", "e\xCC\x81"};
    for (const char *text : others) round_trip(model, text, std::strlen(text), false);
    round_trip(model, "a\0b", 3, false);
    const std::vector<char> longer(100000, 'x');
    round_trip(model, longer.data(), longer.size(), false);
    uint32_t state = 1;
    for (int i = 0; i < 300; i++) {
        char noise[64];
        const size_t count = static_cast<size_t>(i) % sizeof noise;
        for (size_t j = 0; j < count; j++) noise[j] = static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
        round_trip(model, noise, count, false);
    }

    const int32_t bad[] = {-1, 8000, 1 << 30};
    for (const int32_t id : bad) {
        size_t count = 0;
        uint8_t *text = nullptr;
        check(csp_piece(model, id, &count) == nullptr, "no piece");
        check(csp_kind(model, id) == CSP_PIECE_NONE, "no kind");
        check(csp_decode(model, &id, 1, &text, &count) == -1 && text == nullptr, "no decoding");
    }
    csp_free(model);
    csp_free(nullptr);
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}
