import Basics
import Testing

@Suite("Element types")
struct ElementTypeTests {
    @Test("values become the nearest that a type holds, of two equally near ones the even one")
    func rounding() throws {
        let values: [Float] = [1, -2.5, 1 + 0x1p-8, 1 + 0x3p-8, 1 + 0x1p-11, 0x1p-149, 3e38, -0]
        #expect(
            try ElementType.float32.encoded(values)
                == values.flatMap { value in
                    (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
                })
        // 1 + 2⁻⁸ lies between two bfloat16s and 1 + 2⁻¹¹ between two float16s.
        #expect(
            values.map { Float(bfloat16: UInt16(bfloat16: $0)) }
                == [1, -2.5, 1, 1 + 0x1p-6, 1, 0, Float(bitPattern: 0x7F62_0000), 0])
        #expect(
            try ElementType.float16.encoded([1, -2.5, 1 + 0x1p-11, 65_504]) == [
                0, 60, 0, 0xC1, 0, 60, 0xFF, 0x7B,
            ])
        #expect(try ElementType.bfloat16.encoded([1, -2.5]) == [0x80, 0x3F, 0x20, 0xC0])
    }

    @Test(
        "a value beyond a type's range is refused by its place",
        arguments: [
            (ElementType.float16, Float(65_520)), (.float16, -.infinity), (.float16, .nan),
            (.bfloat16, 3.4e38),
            (.bfloat16, .infinity), (.bfloat16, .nan),
        ])
    func range(type: ElementType, value: Float) {
        let error = #expect(throws: ElementType.OutOfRange.self) { try type.encoded([1, value, value]) }
        #expect(error?.index == 1)
        #expect(error?.message.contains(type.rawValue) ?? false)
    }
}
