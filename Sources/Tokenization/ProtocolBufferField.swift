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

    /// The fields of the message at `range`; `nil` when the bytes are not a message, or use the groups that
    /// protocol buffers gave up.
    static func list(_ bytes: [UInt8], _ range: Range<Int>) -> [Self]? {
        var fields: [Self] = []
        var position = range.lowerBound
        func varint() -> UInt64? {
            var value: UInt64 = 0
            for shift in stride(from: 0, to: 70, by: 7) {
                guard position < range.upperBound else { return nil }
                let byte = bytes[position]
                position += 1
                value |= UInt64(byte & 0x7F) << UInt64(shift)
                if byte < 0x80 { return value }
            }
            return nil
        }
        func skip(_ count: UInt64) -> Range<Int>? {
            guard count <= UInt64(range.upperBound - position) else { return nil }
            defer { position += Int(count) }
            return position..<position + Int(count)
        }
        while position < range.upperBound {
            let start = position
            guard let key = varint(), key >> 3 > 0, key <= UInt32.max else { return nil }
            let value: Value
            switch key & 7 {
            case 0:
                guard let number = varint() else { return nil }
                value = .number(number)
            case 1:
                guard skip(8) != nil else { return nil }
                value = .fixed
            case 2:
                guard let length = varint(), let contents = skip(length) else { return nil }
                value = .bytes(contents)
            case 5:
                guard skip(4) != nil else { return nil }
                value = .fixed
            default: return nil
            }
            fields.append(.init(number: key >> 3, value: value, range: start..<position))
        }
        return fields
    }

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
