import CSentencePiece
import Synchronization

/// Owns a model of libsentencepiece: the only place that calls the C++ library.
///
/// `@unchecked` because of the pointer: what it points to is never changed after `init`, and the library's
/// const member functions keep no state, so reading it from many threads is safe.
final class SentencePieceModel: @unchecked Sendable {
    private let model: OpaquePointer

    /// The number of pieces.
    let count: Int

    /// The white space that no piece reaches across; see ``SentencePieceModelFile/separators``.
    let separators: [UInt8]

    /// Loads a checked file.
    ///
    /// - Throws: ``TokenizerError`` with the library's reason.
    init(_ file: SentencePieceModelFile) throws(TokenizerError) {
        let bytes = file.prepared
        var message = [CChar](repeating: 0, count: 1024)
        let model = csp_load(bytes, bytes.count, Int32(file.pieceCount), &message, message.count)
        guard let model else {
            let reason = String(
                decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            throw TokenizerError("\(file.path) is no SentencePiece model: \(reason)")
        }
        self.model = model
        count = Int(csp_piece_count(model))
        separators = file.separators
    }

    deinit { csp_free(model) }

    /// The end-of-sequence id, `nil` when the model has no such control piece.
    var endOfSequence: Int32? {
        let id = csp_end_of_sequence(model)
        return id < 0 ? nil : id
    }

    /// What the id stands for.
    func kind(_ id: Int32) -> csp_piece_kind { csp_kind(model, id) }

    /// The text of a piece.
    func piece(_ id: Int32) -> String? {
        var count = 0
        guard let bytes = csp_piece(model, id, &count) else { return nil }
        return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    /// The id of exactly this piece.
    func id(_ piece: String) -> Int32? {
        let bytes = Array(piece.utf8)
        let id = csp_id(model, bytes, bytes.count)
        return id < 0 ? nil : id
    }

    /// Appends the ids of text; nothing and `false` when the library fails.
    func encode(_ text: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) -> Bool {
        // What takes much memory is done one at a time, whatever the number of threads.
        TextChunks.weight(of: text) > Self.lightWeight
            ? Self.heavy.withLock { _ in encodeNow(text, into: &ids) } : encodeNow(text, into: &ids)
    }

    /// Texts up to this weight are encoded on all threads at once; see ``TextChunks``.
    private static let lightWeight = 1 << 18
    private static let heavy = Mutex(())

    private func encodeNow(_ text: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) -> Bool {
        guard let start = text.baseAddress else { return true }
        var encoded: UnsafeMutablePointer<Int32>?
        var count = 0
        guard csp_encode(model, start, text.count, &encoded, &count) == 0 else { return false }
        defer { csp_free_ids(encoded) }
        ids.append(contentsOf: UnsafeBufferPointer(start: encoded, count: count))
        return true
    }

    /// The text of ids, all of which are in range; empty when the library fails.
    func decode(_ ids: [Int32]) -> [UInt8] {
        var text: UnsafeMutablePointer<UInt8>?
        var count = 0
        guard csp_decode(model, ids, ids.count, &text, &count) == 0 else { return [] }
        defer { csp_free_text(text) }
        return Array(UnsafeBufferPointer(start: text, count: count))
    }
}
