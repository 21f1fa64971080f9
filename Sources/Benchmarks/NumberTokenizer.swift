import Tokenization

/// Reads ids from their numbers, "12 345", so that labels can be given as ids on every core, with a vocabulary or
/// without.
struct NumberTokenizer: Tokenizer {
    let pieceCount: Int
    let endOfSequence: Int32
    let sentinelCount = 0
    var identityBytes: [UInt8] { Array("numbers \(pieceCount)".utf8) }

    /// The text of some ids.
    static func text(_ ids: some Collection<Int32>) -> String {
        ids.map(String.init).joined(separator: " ")
    }

    func encodePieces(bytes: some Collection<UInt8>) -> [Int32] {
        String(decoding: bytes, as: UTF8.self).split(separator: " ").compactMap { Int32($0) }
    }

    func decode(_ ids: [Int32]) -> String { Self.text(ids) }

    func piece(_ id: Int32) -> String? { id >= 0 && id < pieceCount ? String(id) : nil }
}
