/// How a frame holds a prompt's values.
public enum ElementType: String, Sendable, CaseIterable {
    /// IEEE 754 binary32; exact.
    case float32
    /// IEEE 754 binary16: 11 significant bits, up to 65,504.
    case float16
    /// The upper half of a float32: 8 significant bits, float32's range.
    case bfloat16
    /// Integers -127 … 127 times one float32 scale a row, the row's greatest magnitude over 127.
    case int8

    /// The type's byte in a frame.
    var code: UInt8 {
        switch self {
        case .float32: 1
        case .float16: 2
        case .bfloat16: 3
        case .int8: 4
        }
    }

    init?(code: UInt8) {
        guard let type = Self.allCases.first(where: { $0.code == code }) else { return nil }
        self = type
    }

    /// The bytes of a raw payload. The shape is within `SoftPrompt`'s bounds.
    func payloadSize(rows: Int, width: Int) -> Int {
        switch self {
        case .float32: rows * width * 4
        case .float16, .bfloat16: rows * width * 2
        case .int8: rows * 4 + rows * width
        }
    }

    /// The lengths and element sizes of the payload's sections, each of which is split into byte planes.
    func sections(rows: Int, width: Int) -> [(count: Int, size: Int)] {
        switch self {
        case .float32: [(rows * width, 4)]
        case .float16, .bfloat16: [(rows * width, 2)]
        case .int8: [(rows, 4), (rows * width, 1)]
        }
    }
}

/// Raw payloads: little-endian elements, row by row; for int8 the rows' scales first.
enum ElementCodec {
    /// The payload of a prompt, each value rounded to the nearest of its type, ties to even.
    static func payload(of prompt: SoftPrompt, as type: ElementType) throws(PromptStoreError) -> [UInt8] {
        var payload: [UInt8] = []
        payload.reserveCapacity(type.payloadSize(rows: prompt.rows, width: prompt.width))
        switch type {
        case .float32:
            for value in prompt.values { append(value.bitPattern, to: &payload) }
        case .float16:
            for (index, value) in prompt.values.enumerated() {
                let rounded = Float16(value)
                guard rounded.isFinite else { throw overflow(prompt, index, type) }
                append(rounded.bitPattern, to: &payload)
            }
        case .bfloat16:
            for (index, value) in prompt.values.enumerated() {
                let bits = value.bitPattern
                let rounded = UInt16(truncatingIfNeeded: (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
                guard rounded & 0x7F80 != 0x7F80 else { throw overflow(prompt, index, type) }
                append(rounded, to: &payload)
            }
        case .int8:
            appendQuantized(prompt, to: &payload)
        }
        return payload
    }

    private static func appendQuantized(_ prompt: SoftPrompt, to payload: inout [UInt8]) {
        let rows = (0..<prompt.rows).map { prompt.values[$0 * prompt.width..<($0 + 1) * prompt.width] }
        let scales = rows.map { row in row.reduce(0) { max($0, $1.magnitude) } / 127 }
        for scale in scales { append(scale.bitPattern, to: &payload) }
        for (row, scale) in zip(rows, scales) {
            for value in row {
                // A scale of zero: all of the row is zero, or too small for a float32 to divide.
                let quotient = scale > 0 ? (value / scale).rounded(.toNearestOrEven) : 0
                payload.append(UInt8(bitPattern: Int8(max(-127, min(127, quotient)))))
            }
        }
    }

    /// The values of a payload whose size has been checked, or `nil` when one is not finite.
    static func values(
        of payload: UnsafeRawBufferPointer, rows: Int, width: Int, type: ElementType
    ) -> [Float]? {
        let count = rows * width
        var finite = true
        let values = [Float](unsafeUninitializedCapacity: count) { values, initialized in
            switch type {
            case .float32:
                for index in 0..<count {
                    values[index] = Float(bitPattern: load(payload, index))
                }
            case .float16:
                for index in 0..<count {
                    values[index] = Float(Float16(bitPattern: load(payload, index)))
                }
            case .bfloat16:
                for index in 0..<count {
                    let bits: UInt16 = load(payload, index)
                    values[index] = Float(bitPattern: UInt32(bits) << 16)
                }
            case .int8:
                let integers = UnsafeRawBufferPointer(rebasing: payload[(rows * 4)...])
                for row in 0..<rows {
                    let scale = Float(bitPattern: load(payload, row))
                    for index in row * width..<(row + 1) * width {
                        values[index] = Float(Int8(bitPattern: integers[index])) * scale
                    }
                }
            }
            initialized = count
            for index in 0..<count where !values[index].isFinite { finite = false }
        }
        return finite ? values : nil
    }

    private static func append(_ value: some FixedWidthInteger, to payload: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { payload.append(contentsOf: $0) }
    }

    private static func load<Integer: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: UnsafeRawBufferPointer, _ index: Int
    ) -> Integer {
        let offset = index * MemoryLayout<Integer>.size
        return Integer(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Integer.self))
    }

    private static func overflow(_ prompt: SoftPrompt, _ index: Int, _ type: ElementType) -> PromptStoreError
    {
        PromptStoreError(
            .invalidPrompt,
            "the value \(prompt.values[index]) at row \(index / prompt.width), column \(index % prompt.width) is"
                + " beyond \(type.rawValue)'s range; use float32")
    }
}
