import PromptStore
import TestSupport
import Testing

@Suite("A frame")
struct FrameTests {
    static let shapes = [(1, 1), (1, 2), (3, 5), (20, 768), (100, 1), (1, 4096), (7, 513)]

    @Test("gives back a prompt as its element type holds it", arguments: PromptElementType.allCases, shapes)
    func roundTrip(type: PromptElementType, shape: (Int, Int)) throws {
        var noise = SeededGenerator(state: 3)
        let prompt = try noise.prompt(shape.0, shape.1)
        let frame = try PromptFrame(prompt, as: type)
        #expect((frame.rows, frame.width, frame.elementType) == (shape.0, shape.1, type))
        let decoded = try frame.decode()
        #expect((decoded.rows, decoded.width) == shape)
        #expect(try PromptFrame(bytes: frame.bytes) == frame)
        for (index, (value, result)) in zip(prompt.values, decoded.values).enumerated() {
            switch type {
            case .float32:
                try #require(result.bitPattern == value.bitPattern)
            case .float16:
                try #require(result == Float(Float16(value)))
            case .bfloat16:
                // The nearest of the two neighbours.
                let below = Float(bitPattern: value.bitPattern & 0xFFFF_0000)
                let above = Float(bitPattern: value.bitPattern & 0xFFFF_0000 + 0x1_0000)
                let nearest = (value - below).magnitude < (above - value).magnitude ? below : above
                let tie = (value - below).magnitude == (above - value).magnitude
                try #require(result == nearest || tie && result == below)
            case .int8:
                let row = index / shape.1
                let greatest = prompt.values[row * shape.1..<(row + 1) * shape.1].map(\.magnitude).max() ?? 0
                try #require((result - value).magnitude <= greatest / 127 * 0.50001)
            }
        }
    }

    @Test("holds every float32 bit: zeros, subnormals and extremes")
    func float32Bits() throws {
        let values: [Float] = [
            0, -0.0, .leastNonzeroMagnitude, -.leastNormalMagnitude, .greatestFiniteMagnitude, .pi, 1 / 3,
        ]
        let prompt = try SoftPrompt(rows: 1, width: values.count, values: values)
        let decoded = try PromptFrame(prompt, as: .float32).decode()
        #expect(decoded.values.map(\.bitPattern) == values.map(\.bitPattern))
    }

    @Test("rounds ties to even")
    func tiesToEven() throws {
        func rounded(_ values: [Float], _ type: PromptElementType) throws -> [Float] {
            try PromptFrame(SoftPrompt(rows: 1, width: values.count, values: values), as: type).decode()
                .values
        }
        // 8 significant bits: 257 lies between 256 and 258, 259 between 258 and 260.
        #expect(try rounded([257, 259, -257, 1 + 0x1p-8], .bfloat16) == [256, 260, -256, 1])
        // 11 significant bits.
        #expect(try rounded([2049, 2051, -2049, 0x1p-25], .float16) == [2048, 2052, -2048, 0])
        // A scale of one.
        #expect(try rounded([127, 0.5, 1.5, 2.5, -0.5, -127], .int8) == [127, 0, 2, 2, 0, -127])
    }

    @Test("of int8 keeps a row of zeros, and one too small to scale, at zero")
    func zeroRows() throws {
        let tiny = Float.leastNonzeroMagnitude
        let prompt = try SoftPrompt(rows: 3, width: 2, values: [0, 0, tiny, -tiny, 127, -1])
        #expect(try PromptFrame(prompt, as: .int8).decode().values == [0, 0, 0, 0, 127, -1])
    }

    @Test("refuses values beyond its type's range", arguments: [PromptElementType.float16, .bfloat16])
    func overflow(type: PromptElementType) throws {
        let prompt = try SoftPrompt(rows: 2, width: 2, values: [0, 0, .greatestFiniteMagnitude, 0])
        let error = #expect(throws: PromptStoreError.self) { try PromptFrame(prompt, as: type) }
        #expect(error?.code == .invalidPrompt)
        #expect(error?.message.contains("row 1, column 0") == true)
    }

    @Test("has one hash for one content, and another for another")
    func hash() throws {
        var noise = SeededGenerator(state: 1)
        let prompt = try noise.prompt(2, 3)
        #expect(try PromptFrame(prompt, as: .float32).hash == PromptFrame(prompt, as: .float32).hash)
        let hashes = try PromptElementType.allCases.map { try PromptFrame(prompt, as: $0).hash }
        #expect(Set(hashes).count == 4)
        #expect(hashes.allSatisfy { $0.utf8.count == 64 })
    }

    @Test("is smaller than its values, more so in bfloat16 than plain zstd can")
    func compression() throws {
        var noise = SeededGenerator(state: 5)
        let prompt = try noise.prompt(20, 768)
        #expect(try PromptFrame(prompt, as: .float32).bytes.count < 20 * 768 * 4 * 93 / 100)
        #expect(try PromptFrame(prompt, as: .bfloat16).bytes.count < 20 * 768 * 2 * 79 / 100)
    }
}

@Suite("A soft prompt")
struct SoftPromptTests {
    @Test(
        "has bounds",
        arguments: [(0, 1), (1, 0), (-1, 4), (65_537, 1), (1, 65_537), (65_536, 65_536), (.max, .max)])
    func bounds(rows: Int, width: Int) {
        #expect(code { _ = try SoftPrompt(rows: rows, width: width, values: []) } == .invalidPrompt)
    }

    @Test("has as many values as its shape says, all finite", arguments: [Float.nan, .infinity, -.infinity])
    func values(value: Float) throws {
        #expect(code { _ = try SoftPrompt(rows: 1, width: 2, values: [1]) } == .invalidPrompt)
        let error = #expect(throws: PromptStoreError.self) {
            try SoftPrompt(rows: 2, width: 2, values: [1, 2, 3, value])
        }
        #expect(error?.message.contains("row 1, column 1") == true)
    }
}
