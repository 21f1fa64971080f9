import PromptStore
import TestSupport
import Testing

@Suite("A damaged frame")
struct HostileFrameTests {
    /// The prompt that damaged bytes decode to, if they do.
    private func decoded(_ bytes: [UInt8]) -> SoftPrompt? { try? PromptFrame(bytes: bytes).decode() }

    @Test(
        "never gives other values, whichever byte is changed to whatever",
        arguments: PromptElementType.allCases)
    func everyByte(type: PromptElementType) throws {
        var noise = SeededGenerator(state: 9)
        let prompt = try noise.prompt(2, 3)
        let frame = try PromptFrame(prompt, as: type)
        let original = try frame.decode()
        var refused = 0
        for position in frame.bytes.indices {
            for value in UInt8.min...UInt8.max where value != frame.bytes[position] {
                var bytes = frame.bytes
                bytes[position] = value
                let result = decoded(bytes)
                // zstd leaves a bit of its header without meaning: those values may still be the right ones.
                try #require(result == nil || result == original)
                if result == nil { refused += 1 }
                #expect(position >= 32 || result == nil)
            }
        }
        #expect(refused > frame.bytes.count * 255 * 99 / 100)
    }

    @Test("is refused at every length but its own", arguments: PromptElementType.allCases)
    func everyLength(type: PromptElementType) throws {
        var noise = SeededGenerator(state: 10)
        let frame = try PromptFrame(noise.prompt(3, 17), as: type)
        for count in 0..<frame.bytes.count { #expect(decoded(Array(frame.bytes.prefix(count))) == nil) }
        #expect(decoded(frame.bytes + [0]) == nil)
        #expect(decoded(frame.bytes + frame.bytes) == nil)
    }

    @Test("does not end the process, whatever noise it is")
    func noise() throws {
        var noise = SeededGenerator(state: 11)
        let frame = try PromptFrame(noise.prompt(5, 40), as: .bfloat16)
        let original = try frame.decode()
        for _ in 0..<20_000 {
            var bytes = frame.bytes
            for _ in 0..<Int.random(in: 1...8, using: &noise) {
                bytes[Int.random(in: 0..<bytes.count, using: &noise)] = UInt8.random(
                    in: 0...255, using: &noise)
            }
            let result = decoded(bytes)
            try #require(result == nil || result == original)
        }
        for count in 0..<200 {
            let bytes = Array("PPFR".utf8) + (0..<count).map { _ in UInt8.random(in: 0...255, using: &noise) }
            #expect(decoded(bytes) == nil)
        }
    }

    @Test("that claims a shape it does not hold is refused before anything is allocated")
    func shapes() throws {
        var noise = SeededGenerator(state: 12)
        let frame = try PromptFrame(noise.prompt(2, 3), as: .float32)
        for (rows, width) in [
            (0, 3), (2, 0), (65_536, 1024), (65_536, 65_536), (0xFFFF_FFFF, 0xFFFF_FFFF), (0x8000_0000, 2),
            (3, 2),
        ] as [(UInt32, UInt32)] {
            var bytes = frame.bytes
            bytes.replaceSubrange(8..<12, with: withUnsafeBytes(of: rows.littleEndian, Array.init))
            bytes.replaceSubrange(12..<16, with: withUnsafeBytes(of: width.littleEndian, Array.init))
            #expect(decoded(bytes) == nil)
        }
    }

    @Test("says what is wrong with it")
    func messages() throws {
        var noise = SeededGenerator(state: 13)
        let frame = try PromptFrame(noise.prompt(2, 3), as: .float32)
        for (position, word) in [
            (0, "PPFR"), (4, "version"), (5, "element type"), (16, "payload bytes"), (24, "checksum"),
        ] {
            var bytes = frame.bytes
            bytes[position] ^= 0x40
            let error = #expect(throws: PromptStoreError.self) { try PromptFrame(bytes: bytes) }
            #expect(error?.code == .invalidFrame)
            #expect(error?.message.contains(word) == true)
        }
    }
}
