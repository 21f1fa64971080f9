#include "CSentencePiece.h"

#include <sentencepiece_processor.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

struct csp_model {
    sentencepiece::SentencePieceProcessor processor;
    int32_t piece_count = 0;
};

namespace {

std::string_view view(const uint8_t *bytes, size_t count) {
    return count == 0 ? std::string_view() : std::string_view(reinterpret_cast<const char *>(bytes), count);
}

bool in_range(const csp_model *model, int32_t id) {
    return id >= 0 && id < model->piece_count;
}

/// malloc, because the caller's side is C.
template <typename T>
bool copy_out(const T *source, size_t count, T **out, size_t *out_count) {
    *out = nullptr;
    *out_count = 0;
    if (count == 0) return true;
    T *copy = static_cast<T *>(std::calloc(count, sizeof(T)));
    if (copy == nullptr) return false;
    std::memcpy(copy, source, count * sizeof(T));
    *out = copy;
    *out_count = count;
    return true;
}

}  // namespace

csp_model *csp_load(
    const uint8_t *bytes, size_t count, int32_t piece_count, char *message, size_t capacity) {
    csp_model *model = nullptr;
    try {
        model = new csp_model;
        const auto status = model->processor.LoadFromSerializedProto(view(bytes, count));
        model->piece_count = piece_count;
        if (status.ok() && piece_count >= 0 && piece_count <= model->processor.GetPieceSize()) return model;
        std::snprintf(message, capacity, "%s", status.ok() ? "pieces are missing" : status.error_message());
    } catch (const std::exception &error) {
        std::snprintf(message, capacity, "%s", error.what());
    } catch (...) {
        std::snprintf(message, capacity, "unknown failure");
    }
    delete model;
    return nullptr;
}

void csp_free(csp_model *model) { delete model; }

int32_t csp_piece_count(const csp_model *model) { return model->piece_count; }

int32_t csp_end_of_sequence(const csp_model *model) {
    const int id = model->processor.eos_id();
    return in_range(model, id) && model->processor.IsControl(id) ? id : -1;
}

csp_piece_kind csp_kind(const csp_model *model, int32_t id) {
    if (!in_range(model, id)) return CSP_PIECE_NONE;
    if (model->processor.IsUnknown(id)) return CSP_PIECE_UNKNOWN;
    if (model->processor.IsControl(id)) return CSP_PIECE_CONTROL;
    if (model->processor.IsUnused(id)) return CSP_PIECE_UNUSED;
    if (model->processor.IsByte(id)) return CSP_PIECE_BYTE;
    return CSP_PIECE_TEXT;
}

const uint8_t *csp_piece(const csp_model *model, int32_t id, size_t *count) {
    *count = 0;
    if (!in_range(model, id)) return nullptr;
    const std::string &piece = model->processor.IdToPiece(id);
    *count = piece.size();
    return reinterpret_cast<const uint8_t *>(piece.data());
}

int32_t csp_id(const csp_model *model, const uint8_t *piece, size_t count) {
    // The library answers with the unknown id for what it does not have.
    const int id = model->processor.PieceToId(view(piece, count));
    if (!in_range(model, id)) return -1;
    return model->processor.IdToPiece(id) == view(piece, count) ? id : -1;
}

int csp_encode(const csp_model *model, const uint8_t *text, size_t count, int32_t **ids, size_t *id_count) {
    *ids = nullptr;
    *id_count = 0;
    try {
        std::vector<int> encoded;
        if (!model->processor.Encode(view(text, count), &encoded).ok()) return -1;
        const int unknown = model->processor.unk_id();
        size_t kept = 0;
        bool was_beyond = false;
        for (int id : encoded) {
            const bool is_beyond = id >= model->piece_count;
            if (is_beyond && was_beyond) continue;
            was_beyond = is_beyond;
            encoded[kept++] = is_beyond || model->processor.IsControl(id) ? unknown : id;
        }
        encoded.resize(kept);
        static_assert(sizeof(int) == sizeof(int32_t), "ids are 32 bits wide");
        return copy_out<int32_t>(encoded.data(), encoded.size(), ids, id_count) ? 0 : -1;
    } catch (...) {
        return -1;
    }
}

void csp_free_ids(int32_t *ids) { std::free(ids); }

int csp_decode(const csp_model *model, const int32_t *ids, size_t id_count, uint8_t **text, size_t *count) {
    *text = nullptr;
    *count = 0;
    for (size_t index = 0; index < id_count; ++index) {
        if (!in_range(model, ids[index])) return -1;
    }
    try {
        const std::vector<int> encoded(ids, ids + id_count);
        std::string decoded;
        if (!model->processor.Decode(encoded, &decoded).ok()) return -1;
        return copy_out(reinterpret_cast<const uint8_t *>(decoded.data()), decoded.size(), text, count) ? 0 : -1;
    } catch (...) {
        return -1;
    }
}

void csp_free_text(uint8_t *text) { std::free(text); }
