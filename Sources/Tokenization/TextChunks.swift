/// Cuts text that is too long to be encoded in one go.
///
/// libsentencepiece keeps some 250 bytes for every character or unknown byte, and one character of three bytes
/// may become eighteen characters when it is normalised (U+FDFA): a line of 8 MiB could ask for more memory than
/// the machine has. A byte beyond ASCII therefore weighs sixteen times as much as an ASCII byte, which bounds
/// the memory of one call at about 1.3 GiB.
struct TextChunks: Sequence, IteratorProtocol {
    /// The weight of a chunk: 8 MiB of ASCII, the longest line that any interface takes, stays whole.
    static let budget = 8 << 20
    /// How far back from the limit whitespace is looked for.
    static let reach = 1 << 16

    /// The weight of a text.
    static func weight(of bytes: UnsafeBufferPointer<UInt8>) -> Int {
        bytes.reduce(0) { $0 + weight($1) }
    }

    private static func weight(_ byte: UInt8) -> Int { byte < 0x80 ? 1 : 16 }

    private let bytes: UnsafeBufferPointer<UInt8>
    private var start = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    mutating func next() -> UnsafeBufferPointer<UInt8>? {
        guard start < bytes.count else { return nil }
        var weight = 0
        var end = start
        while end < bytes.count, weight < Self.budget {
            weight += Self.weight(bytes[end])
            end += 1
        }
        if end < bytes.count { end = cut(before: end) }
        defer { start = end }
        return UnsafeBufferPointer(rebasing: bytes[start..<end])
    }

    /// The last place at or before `end` in front of a space or line feed, else between two characters.
    private func cut(before end: Int) -> Int {
        for position in stride(from: end, to: end - Self.reach, by: -1)
        where bytes[position] == 0x20 || bytes[position] == 0x0A {
            return position
        }
        return TextBeginnings.characterStart(before: end, bytes)
    }
}
