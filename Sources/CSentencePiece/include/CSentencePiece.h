// A C face for libsentencepiece (0.1.97 and newer).
//
// No exception leaves these functions. Every text is a pointer and a length, so NUL bytes are ordinary bytes.
// What a function hands out through a `**` parameter is the caller's, to be released with the function named.
// A loaded model is never changed, so any number of threads may use one at the same time.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A loaded SentencePiece model.
typedef struct csp_model csp_model;

/// What a piece stands for.
typedef enum {
    CSP_PIECE_TEXT = 0,    ///< Text (normal and user-defined pieces).
    CSP_PIECE_UNKNOWN = 1, ///< Whatever no piece covers.
    CSP_PIECE_CONTROL = 2, ///< `<pad>`, `</s>` and the like: never the result of encoding.
    CSP_PIECE_UNUSED = 3,  ///< Kept for its id only: never the result of encoding.
    CSP_PIECE_BYTE = 4,    ///< One byte of a character that no piece covers.
    CSP_PIECE_NONE = 5     ///< The id is out of range.
} csp_piece_kind;

/// Loads a serialized `ModelProto`; the bytes are copied. The library trusts some of them: check them first.
///
/// @param piece_count  How many of the model's pieces count. Pieces beyond are not part of the vocabulary:
///                 `csp_encode` takes each run of their ids for one unknown piece.
/// @param message  Filled with a NUL-terminated reason when the result is NULL; at most `capacity` bytes.
/// @return NULL when the library refuses the bytes, or the model has fewer pieces; otherwise release with
///         `csp_free`.
csp_model *csp_load(
    const uint8_t *bytes, size_t count, int32_t piece_count, char *message, size_t capacity);

/// Releases a model. NULL is allowed.
void csp_free(csp_model *model);

/// The number of pieces; ids are 0 ..< that.
int32_t csp_piece_count(const csp_model *model);

/// The id of the end-of-sequence piece, or -1 when the model has none.
int32_t csp_end_of_sequence(const csp_model *model);

/// What the piece with this id stands for.
csp_piece_kind csp_kind(const csp_model *model, int32_t id);

/// The piece's text, valid as long as the model; NULL when the id is out of range.
const uint8_t *csp_piece(const csp_model *model, int32_t id, size_t *count);

/// The id of exactly this piece, or -1.
int32_t csp_id(const csp_model *model, const uint8_t *piece, size_t count);

/// Encodes text. Control ids are never among the result: where a model of another type than unigram yields
/// one for text that reads like its name, the unknown id takes its place.
///
/// @param text     UTF-8; an invalid byte counts as U+FFFD. At most INT32_MAX bytes after normalization.
/// @param ids      Receives the ids; release with `csp_free_ids`. NULL when there are none.
/// @return 0, or -1 when the library failed (memory, or a model that contradicts itself).
int csp_encode(const csp_model *model, const uint8_t *text, size_t count, int32_t **ids, size_t *id_count);

/// Releases what `csp_encode` handed out.
void csp_free_ids(int32_t *ids);

/// Decodes ids, which must be in range.
///
/// @param text     Receives the bytes, UTF-8 unless the model's pieces are not; release with `csp_free_text`.
///                 NULL when there are none.
/// @return 0, or -1 when an id is out of range or the library failed.
int csp_decode(const csp_model *model, const int32_t *ids, size_t id_count, uint8_t **text, size_t *count);

/// Releases what `csp_decode` handed out.
void csp_free_text(uint8_t *text);

#ifdef __cplusplus
}
#endif
