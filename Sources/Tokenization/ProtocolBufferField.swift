/// One field of a protocol buffer message: enough of the format to look into a model file.
///
/// Source: https://protobuf.dev/programming-guides/encoding/
struct ProtocolBufferField: Equatable {
    /// A field's value. Fixed-width ones are not needed.
    enum Value: Equatable {
        case number(UInt64)
        case bytes(Range<Int>)
        case fixed
    }

    var number: UInt64
    var value: Value
    /// The whole field, its key included.
    var range: Range<Int>

    /// A field with contents, written out.
    static func encoded(_ number: Int, _ contents: some Collection<UInt8>) -> [UInt8] {
        varint(number << 3 | 2) + varint(contents.count) + contents
    }

    /// A field with a number, written out.
    static func encoded(_ number: Int, _ value: Int) -> [UInt8] { varint(number << 3) + varint(value) }

    private static func varint(_ value: Int) -> [UInt8] {
        value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7F | 0x80)] + varint(value >> 7)
    }
}

/// The fields of a message, one by one: a message may have as many as bytes.
struct ProtocolBufferFields {
    private let bytes: [UInt8]
    private let end: Int
    private var position: Int
    /// Whether the bytes are not a message, or use the groups that protocol buffers gave up.
    private(set) var isMalformed = false

    /// The fields of the message at `range`.
    init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    /// The next field; `nil` at the end, and where the bytes are malformed.
    mutating func next() -> ProtocolBufferField? {
        guard position < end, !isMalformed else { return nil }
        let start = position
        guard let key = varint(), key >> 3 > 0, key <= UInt32.max, let value = value(key & 7) else {
            isMalformed = true
            return nil
        }
        return ProtocolBufferField(number: key >> 3, value: value, range: start..<position)
    }

    private mutating func value(_ type: UInt64) -> ProtocolBufferField.Value? {
        switch type {
        case 0: varint().map { .number($0) }
        case 1: skip(8) == nil ? nil : .fixed
        case 2: varint().flatMap { skip($0) }.map { .bytes($0) }
        case 5: skip(4) == nil ? nil : .fixed
        default: nil
        }
    }

    private mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 70, by: 7) {
            guard position < end else { return nil }
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7F) << UInt64(shift)
            if byte < 0x80 { return value }
        }
        return nil
    }

    private mutating func skip(_ count: UInt64) -> Range<Int>? {
        guard count <= UInt64(end - position) else { return nil }
        defer { position += Int(count) }
        return position..<position + Int(count)
    }
}
