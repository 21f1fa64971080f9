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
        bytes.split { $0 == 0x20 || (0x09...0x0D).contains($0) }.map { word in
            let hash = word.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
            return Int32(Self.firstID + Int(hash % UInt64(pieceCount - Self.firstID)))
        }
    }

    /// Words cannot be had back from their hashes: an id's text is its number in brackets.
    func decode(_ ids: [Int32]) -> String {
        ids.compactMap(piece).joined(separator: " ")
    }

    func piece(_ id: Int32) -> String? {
        (Self.firstID..<pieceCount).contains(Int(id)) ? "⟨\(id)⟩" : nil
    }
}
