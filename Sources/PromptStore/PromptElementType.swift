import Basics

/// How a frame holds a prompt's values.
public enum PromptElementType: String, Sendable, CaseIterable {
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

    /// The form of a prompt stored in a file of that type, which loses nothing.
    public init(_ type: ElementType) {
        self =
            switch type {
            case .float32: .float32
            case .float16: .float16
            case .bfloat16: .bfloat16
            }
    }

    /// The type of the elements where they are floating-point numbers.
    public var floatingPoint: ElementType? { ElementType(rawValue: rawValue) }

    /// The bytes of a raw payload. The shape is within `SoftPrompt`'s bounds.
    func payloadSize(rows: Int, width: Int) -> Int {
        sections(rows: rows, width: width).reduce(0) { $0 + $1.count * $1.size }
    }

    /// The lengths and element sizes of the payload's sections, each of which is split into byte planes.
    func sections(rows: Int, width: Int) -> [(count: Int, size: Int)] {
        floatingPoint.map { [(rows * width, $0.size)] } ?? [(rows, 4), (rows * width, 1)]
    }
}

/// Raw payloads: little-endian elements, row by row; for int8 the rows' scales first.
enum ElementCodec {
    /// The payload of a prompt, each value rounded to the nearest of its type, ties to even.
    static func payload(of prompt: SoftPrompt, as type: PromptElementType) throws(PromptStoreError) -> [UInt8]
    {
        guard let floatingPoint = type.floatingPoint else { return quantized(prompt) }
        do { return try floatingPoint.encoded(prompt.values) } catch {
            let (row, column) = error.index.quotientAndRemainder(dividingBy: prompt.width)
            throw PromptStoreError(.invalidPrompt, "row \(row), column \(column): \(error.message)")
        }
    }

    /// The rows' scales, then their elements.
    private static func quantized(_ prompt: SoftPrompt) -> [UInt8] {
        let rows = (0..<prompt.rows).map { prompt.values[$0 * prompt.width..<($0 + 1) * prompt.width] }
        let scales = rows.map { row in row.reduce(0) { max($0, $1.magnitude) } / 127 }
        var payload: [UInt8] = []
        for scale in scales { withUnsafeBytes(of: scale.bitPattern.littleEndian) { payload += $0 } }
        for (row, scale) in zip(rows, scales) {
            for value in row {
                // A scale of zero: all of the row is zero, or too small for a float32 to divide.
                let quotient = scale > 0 ? (value / scale).rounded(.toNearestOrEven) : 0
                payload.append(UInt8(bitPattern: Int8(max(-127, min(127, quotient)))))
            }
        }
        return payload
    }

    /// The values of a payload whose size has been checked, or `nil` when one is not finite.
    static func values(
        of payload: UnsafeRawBufferPointer, rows: Int, width: Int, type: PromptElementType
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
                    values[index] = Float(bfloat16: load(payload, index))
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

    private static func load<Integer: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: UnsafeRawBufferPointer, _ index: Int
    ) -> Integer {
        let offset = index * MemoryLayout<Integer>.size
        return Integer(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Integer.self))
    }
}
