/// The element types of stored floating-point numbers.
public enum ElementType: String, Sendable, CaseIterable {
    /// IEEE 754 binary32.
    case float32
    /// IEEE 754 binary16: 11 significant bits, up to 65,504.
    case float16
    /// The upper half of a binary32: 8 significant bits, binary32's range.
    case bfloat16

    /// Bytes an element takes.
    public var size: Int { self == .float32 ? 4 : 2 }

    /// A finite value that becomes infinite in a type, or one that never was finite.
    package struct OutOfRange: Error {
        /// Its place among the values.
        package let index: Int
        /// What is wrong and what to do.
        package let message: String
    }

    /// Values as little-endian elements, each rounded to the nearest, of two equally near ones the even one.
    ///
    /// - Throws: `OutOfRange` for the first value that float16 or bfloat16 cannot hold; float32 takes every value.
    package func encoded(_ values: [Float]) throws(OutOfRange) -> [UInt8] {
        switch self {
        case .float32: return Self.bytes(of: values.map { $0.bitPattern })
        case .float16:
            let halves = values.map { Float16($0).bitPattern }
            try check(halves, of: values, exponent: 0x7C00)
            return Self.bytes(of: halves)
        case .bfloat16:
            let halves = values.map { UInt16(bfloat16: $0) }
            try check(halves, of: values, exponent: 0x7F80)
            return Self.bytes(of: halves)
        }
    }

    /// Refuses elements whose exponent has all bits, as that of infinities and NaN has.
    private func check(_ halves: [UInt16], of values: [Float], exponent: UInt16) throws(OutOfRange) {
        guard let index = halves.firstIndex(where: { $0 & exponent == exponent }) else { return }
        throw OutOfRange(
            index: index, message: "the value \(values[index]) is beyond \(rawValue)'s range; use float32")
    }

    private static func bytes<Element: FixedWidthInteger>(of elements: [Element]) -> [UInt8] {
        elements.map { $0.littleEndian }.withUnsafeBytes { Array($0) }
    }
}

extension UInt16 {
    /// The bits of the bfloat16 nearest to a number that is not NaN, of two equally near ones the even one.
    @inlinable package init(bfloat16 value: Float) {
        let bits = value.bitPattern
        self = UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
    }
}

extension Float {
    /// The number that a bfloat16's bits stand for.
    @inlinable package init(bfloat16 bits: UInt16) { self.init(bitPattern: UInt32(bits) << 16) }
}
