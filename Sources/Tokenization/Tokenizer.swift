/// Turns text into a core's ids and back.
///
/// A tokenizer is immutable: any number of threads may use one at the same time.
///
/// What every tokenizer promises:
/// - Text never becomes a control id. `</s>`, `<pad>` and `<unk>` written in text are ordinary characters.
/// - A sentinel (`<extra_id_0>` …) written in text exactly so is its piece, wherever it stands and whatever
///   stands beside it; other numbers, other spellings (`<extra_id_00>`) and halves are ordinary characters.
/// - Empty text has no pieces, so ``encode(_:)`` yields the end-of-sequence id alone.
/// - Encoding takes time proportional to the text's length, and no input makes it fail. With a limit of ids the
///   time is bounded by the limit, however long the text is. Text for which there is no memory gives an id that no
///   core has, so that it is refused.
public protocol Tokenizer: Sendable {
    /// One more than the highest id that stands for something, sentinels included. A core's `vocab_size` is
    /// usually padded beyond it, and may also be smaller when the core was trained without sentinels.
    var pieceCount: Int { get }

    /// How many sentinels there are: `<extra_id_0>` up to, not including, this number.
    var sentinelCount: Int { get }

    /// The id that ends every sequence: 1 in T5's own models.
    var endOfSequence: Int32 { get }

    /// Bytes that are equal exactly when two tokenizers give all text the same ids; to be hashed.
    var identityBytes: [UInt8] { get }

    /// The ids of UTF-8 text, without the end-of-sequence id. The text may contain NUL bytes and invalid UTF-8;
    /// what becomes of the latter is the tokenizer's to say.
    func encodePieces(bytes: some Collection<UInt8>) -> [Int32]

    /// The ids that ``encode(bytes:)`` gives, cut at `limit` of them with the end-of-sequence id kept as the last.
    ///
    /// Text far beyond the limit is not read to its end. `isTruncated` says whether ids were left out, or text was
    /// not read. A limit below 1 counts as 1.
    func encode(bytes: some Collection<UInt8>, limit: Int) -> (ids: [Int32], isTruncated: Bool)

    /// The ids' text. Control ids, the unknown id and ids that stand for nothing are skipped; sentinels are
    /// their text. Spaces are not cleaned up.
    func decode(_ ids: [Int32]) -> String

    /// The text of one piece as the vocabulary has it, such as `▁the`, `</s>` or `<extra_id_0>`; `nil` when
    /// nothing has the id.
    func piece(_ id: Int32) -> String?
}

/// Stands among ids for text that could not be encoded, for want of memory: no vocabulary has it.
package let unencodedID = Int32.max

extension Tokenizer {
    /// The ids of text and the end-of-sequence id: what a core's encoder is given, and what it is to answer.
    public func encode(_ text: String) -> [Int32] {
        encodePieces(text) + [endOfSequence]
    }

    /// The ids of text that need not be valid UTF-8, and the end-of-sequence id.
    public func encode(bytes: some Collection<UInt8>) -> [Int32] {
        encodePieces(bytes: bytes) + [endOfSequence]
    }

    /// The ids of text and the end-of-sequence id, at most `limit` of them: see ``encode(bytes:limit:)``.
    public func encode(_ text: String, limit: Int) -> (ids: [Int32], isTruncated: Bool) {
        encode(bytes: text.utf8, limit: limit)
    }

    /// The ids of text without the end-of-sequence id: for labels and target prefixes.
    public func encodePieces(_ text: String) -> [Int32] {
        encodePieces(bytes: text.utf8)
    }
}

extension Tokenizer {
    /// Encodes the whole text: for tokenizers that need no better.
    public func encode(bytes: some Collection<UInt8>, limit: Int) -> (ids: [Int32], isTruncated: Bool) {
        ended(encodePieces(bytes: bytes), limit: limit)
    }

    /// A text's pieces, or those of its beginning, as at most `limit` ids with the end-of-sequence id as the last.
    package func ended(
        _ pieces: some Sequence<Int32>, limit: Int, isBeginning: Bool = false
    ) -> (ids: [Int32], isTruncated: Bool) {
        let limit = max(1, limit)
        var ids = Array(pieces.prefix(limit))
        let isTruncated = isBeginning || ids.count == limit
        if ids.count == limit { ids.removeLast() }
        ids.append(endOfSequence)
        return (ids, isTruncated)
    }
}

extension Collection where Element == UInt8 {
    /// Calls `body` with the elements side by side in memory, copying them only when they are not.
    func withContiguousBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        withContiguousStorageIfAvailable(body) ?? Array(self).withUnsafeBufferPointer(body)
    }
}
