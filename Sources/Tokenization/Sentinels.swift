/// The sentinels `<extra_id_0>`, `<extra_id_1>` … that a tokenizer adds to its vocabulary.
///
/// T5's unsupervised objective writes them for the spans that it took out of a text. Transformers finds them
/// in text before the tokenizer proper sees it; so does this.
struct Sentinels: Sendable, Equatable {
    /// One sentinel.
    struct Sentinel: Sendable, Equatable {
        var number: Int
        var id: Int32
        /// Whether the whitespace before it in text is dropped.
        var stripsLeft: Bool
        /// Whether the whitespace behind it in text is dropped.
        var stripsRight: Bool

        var text: String { "<extra_id_\(number)>" }
    }

    /// A part of the text between sentinels, or a sentinel.
    enum Segment: Equatable {
        case text(Range<Int>)
        case sentinel(Int32)
    }

    /// Numbers go up to this, exclusively; T5 has 100, ByT5 125.
    static let maximumCount = 1 << 16
    /// The bytes of the longest sentinel's text, `<extra_id_65535>`.
    static let maximumBytes = 16

    private let byNumber: [Int: Sentinel]
    private let numberOfId: [Int32: Int]

    /// Sentinels with distinct numbers and distinct ids.
    init(_ sentinels: [Sentinel]) {
        byNumber = Dictionary(sentinels.map { ($0.number, $0) }) { first, _ in first }
        numberOfId = Dictionary(sentinels.map { ($0.id, $0.number) }) { first, _ in first }
    }

    /// In the order of their numbers.
    var all: [Sentinel] { byNumber.values.sorted { $0.number < $1.number } }

    /// Whether white space beside some of them is dropped.
    var swallowWhitespace: Bool { byNumber.values.contains { $0.stripsLeft || $0.stripsRight } }

    /// How many there are.
    var count: Int { byNumber.count }

    /// Tells sentinels apart that give some text different ids.
    var identityBytes: [UInt8] {
        all.flatMap { "\n\($0.text) \($0.id) \($0.stripsLeft) \($0.stripsRight)".utf8 }
    }

    /// The text of the sentinel with this id.
    func text(_ id: Int32) -> String? { numberOfId[id].map { "<extra_id_\($0)>" } }

    /// Cuts text at its sentinels. Empty ones are left out.
    func segments(_ bytes: UnsafeBufferPointer<UInt8>) -> [Segment] {
        var segments: [Segment] = []
        var start = 0
        var strips = false
        func text(upTo end: Int, stripsEnd: Bool) {
            var range = start..<end
            if strips { range = Whitespace.trimmingStart(range, of: bytes) }
            if stripsEnd { range = Whitespace.trimmingEnd(range, of: bytes) }
            if !range.isEmpty { segments.append(.text(range)) }
        }
        var position = 0
        while !byNumber.isEmpty, position < bytes.count {
            guard bytes[position] == UInt8(ascii: "<"), let (sentinel, end) = sentinel(at: position, bytes)
            else {
                position += 1
                continue
            }
            text(upTo: position, stripsEnd: sentinel.stripsLeft)
            segments.append(.sentinel(sentinel.id))
            strips = sentinel.stripsRight
            start = end
            position = end
        }
        text(upTo: bytes.count, stripsEnd: false)
        return segments
    }

    private static let opening = Array("<extra_id_".utf8)

    private func sentinel(at start: Int, _ bytes: UnsafeBufferPointer<UInt8>) -> (Sentinel, end: Int)? {
        let opening = Self.opening
        var position = start + opening.count
        guard position < bytes.count else { return nil }
        for index in 1..<opening.count where bytes[start + index] != opening[index] { return nil }
        let digits = position
        var number = 0
        while position < bytes.count, case let digit = bytes[position] &- 0x30, digit < 10 {
            number = number * 10 + Int(digit)
            position += 1
            guard number < Self.maximumCount else { return nil }
        }
        let length = position - digits
        guard length > 0, position < bytes.count, bytes[position] == UInt8(ascii: ">") else { return nil }
        // `00` and `01` are not numbers of sentinels.
        guard length == 1 || bytes[digits] != 0x30, let sentinel = byNumber[number] else { return nil }
        return (sentinel, position + 1)
    }
}
