/// Whitespace as Python's `str.strip` sees it, which decides the ids beside a sentinel in transformers: the
/// separators of Unicode's category Zs, the line and paragraph separators, U+0009…U+000D, U+001C…U+001F, U+0085.
enum Whitespace {
    /// The whitespace characters that are not one byte long, in UTF-8.
    private static let long: [[UInt8]] =
        ([0x85, 0xA0, 0x1680] + Array(0x2000...0x200A) + [0x2028, 0x2029, 0x202F, 0x205F, 0x3000])
        .compactMap(Unicode.Scalar.init).map { Array(String($0).utf8) }

    private static func isShort(_ byte: UInt8) -> Bool {
        (0x09...0x0D).contains(byte) || (0x1C...0x20).contains(byte)
    }

    /// The range without the whitespace at its start.
    static func trimmingStart(_ range: Range<Int>, of bytes: UnsafeBufferPointer<UInt8>) -> Range<Int> {
        var range = range
        while let first = range.first {
            if isShort(bytes[first]) {
                range = (first + 1)..<range.upperBound
            } else if first < range.upperBound - 1, bytes[first] >= 0xC2,
                let character = long.first(where: { bytes[range].starts(with: $0) })
            {
                range = (first + character.count)..<range.upperBound
            } else {
                break
            }
        }
        return range
    }

    /// The range without the whitespace at its end.
    static func trimmingEnd(_ range: Range<Int>, of bytes: UnsafeBufferPointer<UInt8>) -> Range<Int> {
        var range = range
        while let last = range.last {
            if isShort(bytes[last]) {
                range = range.lowerBound..<last
            } else if bytes[last] >= 0x80,
                let character = long.first(where: { bytes[range].suffix($0.count).elementsEqual($0) })
            {
                range = range.lowerBound..<(range.upperBound - character.count)
            } else {
                break
            }
        }
        return range
    }
}
