import Basics
import Tokenization

/// Gives text to cores with random weights, which have no vocabulary: each word is an id by its hash. Measurements
/// on text need no more.
struct HashingTokenizer: Tokenizer {
    let pieceCount: Int
    let sentinelCount = 0
    let endOfSequence: Int32 = 1
    let identityBytes: [UInt8]

    /// Ids 0 to 2 are control ids.
    private static let firstID = 3

    /// A tokenizer with that many ids.
    init(vocabularySize: Int) {
        pieceCount = vocabularySize
        identityBytes = Array("hashing \(vocabularySize)".utf8)
    }

    func encodePieces(bytes: some Collection<UInt8>) -> [Int32] {
        bytes.split(whereSeparator: Self.isSpace).map(id)
    }

    func encode(bytes: some Collection<UInt8>, limit: Int) -> (ids: [Int32], isTruncated: Bool) {
        // What stands behind the last split is a word only if there are no more than so many.
        let words = bytes.split(maxSplits: max(1, limit), whereSeparator: Self.isSpace)
        return ended(words.prefix(max(1, limit)).lazy.map(id), limit: limit)
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    private func id(_ word: some Collection<UInt8>) -> Int32 {
        Int32(Self.firstID + Int(fnv1a(word) % UInt64(pieceCount - Self.firstID)))
    }

    /// Words cannot be had back from their hashes: an id's text is its number in brackets.
    func decode(_ ids: [Int32]) -> String {
        ids.compactMap(piece).joined(separator: " ")
    }

    func piece(_ id: Int32) -> String? {
        (Self.firstID..<pieceCount).contains(Int(id)) ? "⟨\(id)⟩" : nil
    }
}
