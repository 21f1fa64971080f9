/// A text's beginning of so many bytes decides its first ids: no tokenizer reads more for a limit of ids, but ByT5's
/// where sentinels swallow white space.
package func mostBytesRead(forIDs limit: Int) -> Int {
    let length = TextBeginnings.lastLength(limit: limit)
    return length == Int.max ? length : length + 1
}

/// The beginnings of a text that are read in turn when only its first pieces are asked for, each four times as long
/// as the one before.
///
/// A beginning ends in front of white space: no piece reaches across it, so the pieces of such a beginning are the
/// first pieces of the text. (Pieces are searched for from a text's start, so not even a rounding of their scores
/// depends on what follows.) Where there is no white space the beginning is left out, and a longer one is read.
///
/// The last beginning has ``lastLength(limit:)`` bytes, and may end within a word. It is read for text that gives
/// few pieces for its length: a word, white space, or characters that no piece covers, of many thousands of bytes.
struct TextBeginnings: Sequence, IteratorProtocol {
    /// A text's beginning, or the whole of it.
    struct Beginning {
        let bytes: UnsafeBufferPointer<UInt8>
        let isWhole: Bool
        let isLast: Bool
    }

    private let bytes: UnsafeBufferPointer<UInt8>
    private let separators: [UInt8]
    private let last: Int
    private var length: Int?

    /// The bytes that are read at most for so many ids: 256 for each, far more than text has, and 64 KiB.
    static func lastLength(limit: Int) -> Int {
        let (length, overflows) = limit.multipliedReportingOverflow(by: 256)
        return overflows || length > Int.max - 1 << 16 ? Int.max : length + 1 << 16
    }

    /// - Parameter separators: The bytes in front of which text may be cut; none when only the longest beginning is
    ///   to be read.
    init(_ bytes: UnsafeBufferPointer<UInt8>, separators: [UInt8], limit: Int) {
        self.bytes = bytes
        self.separators = separators
        last = Self.lastLength(limit: limit)
        // Words have some five letters and a piece or two.
        length = separators.isEmpty ? last : Swift.min(last, last / 16)
    }

    mutating func next() -> Beginning? {
        while let length {
            if bytes.count <= length {
                self.length = nil
                return Beginning(bytes: bytes, isWhole: true, isLast: true)
            }
            let isLast = length == last
            self.length = isLast ? nil : Swift.min(last, length * 4)
            if let end = isLast ? lastEnd : cut(before: length) {
                return Beginning(
                    bytes: UnsafeBufferPointer(rebasing: bytes[..<end]), isWhole: false, isLast: isLast)
            }
        }
        return nil
    }

    /// The last place below `end` in front of white space.
    private func cut(before end: Int) -> Int? {
        bytes[..<end].lastIndex { separators.contains($0) }
    }

    /// Where the last beginning ends: within a word if that has more than half of its bytes.
    private var lastEnd: Int {
        if let end = cut(before: last), end > last / 2 { return end }
        return Self.characterStart(before: last, bytes)
    }

    /// The last place up to `end` that is not within a character.
    static func characterStart(before end: Int, _ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        (Swift.max(0, end - 3)...end).last { bytes[$0] & 0xC0 != 0x80 } ?? end
    }
}
