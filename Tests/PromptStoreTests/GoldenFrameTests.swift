import PromptStore
import Testing

/// Frames written by another program (Python with zstandard and xxhash) after `docs/prompt-store.md`.
@Suite("A frame written after the specification by another program")
struct GoldenFrameTests {
    static let values: [Float] = [0.5, -1.25, 3.0, 0.0, 100.0, -0.0078125]
    static let float32 =
        "505046520101010002000000030000001b00000000000000864320c01a9146fe"
        + "28b52ffd20189500006000a04000c8003fbf400042bc01001c1002"
    static let float16 =
        "505046520102010002000000030000001500000000000000e8f06d6d52786266"
        + "28b52ffd200c61000000000000400038bd420056a0"
    static let bfloat16 =
        "505046520103010002000000030000001500000000000000151c52e5bd9ea4eb"
        + "28b52ffd200c61000000a04000c8003fbf400042bc"
    static let int8 =
        "505046520104010002000000030000001700000000000000bfe09bb36b5d8cf4"
        + "28b52ffd200e71000006268393c1493c3f15cb7f007f00"

    static let longer =
        "5050465201020100030000000d0000004400000000000000b7b107dcf7c9e8a528b52ffd204edd01"
        + "000403c080400080804080c0c0c0c0c0bfbfbebebdbdbcbcbbbab9b8b6b4b00030343638393a3b3c"
        + "3c3d3d3e3e3f3f4040404003006e26008132a705"

    private func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = Array(hexadecimal)
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(digits[$0...$0 + 1]), radix: 16)
        }
    }

    @Test(
        "is read",
        arguments: [(float32, PromptElementType.float32), (float16, .float16), (bfloat16, .bfloat16)])
    func exact(frame: String, type: PromptElementType) throws {
        let frame = try PromptFrame(bytes: bytes(frame))
        #expect(frame.elementType == type)
        #expect(try frame.decode() == SoftPrompt(rows: 2, width: 3, values: Self.values))
    }

    @Test("is read in int8")
    func quantized() throws {
        let decoded = try PromptFrame(bytes: bytes(Self.int8)).decode()
        let scales: [Float] = [3 / 127, 100 / 127]
        #expect(decoded.values == [21 * scales[0], -53 * scales[0], 127 * scales[0], 0, 127 * scales[1], 0])
    }

    @Test("is written alike")
    func written() throws {
        let prompt = try SoftPrompt(rows: 2, width: 3, values: Self.values)
        for (hexadecimal, type) in [
            (Self.float32, PromptElementType.float32), (Self.float16, .float16), (Self.bfloat16, .bfloat16),
            (Self.int8, .int8),
        ] {
            // The header; the zstd payload may differ by release of zstd.
            let frame = try PromptFrame(prompt, as: type)
            #expect(frame.bytes[0..<16] == bytes(hexadecimal)[0..<16])
        }
    }

    @Test("with a payload of many stripes is read")
    func longer() throws {
        let frame = try PromptFrame(bytes: bytes(Self.longer))
        #expect(try frame.decode().values == (0..<39).map { Float($0 - 19) / 8 })
    }

    @Test(
        "but with a value that is not finite is refused",
        arguments: [
            "505046520101010001000000010000000d000000000000007e46885d92ff666b28b52ffd20042100000000c07f",
            "505046520102010001000000010000000b00000000000000fa176ec5cd72cf8b28b52ffd2002110000007c",
        ])
    func notFinite(frame: String) {
        let error = #expect(throws: PromptStoreError.self) { try PromptFrame(bytes: bytes(frame)) }
        #expect(error?.message.contains("finite") == true)
    }
}
