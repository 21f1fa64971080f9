import TestSupport
import Testing
import Tokenization

/// A model file, or a text, made by an adversary or by a failing disk must not bring the process down. Every
/// one of these either loads or throws; what loads must survive being used.
@Suite("Damaged models and random bytes")
struct DamagedModelTests {
    static let texts: [[UInt8]] = [
        Array("The film, e\u{301}té ﷺ ＦＵＬＬ ½ \u{FDFA}\u{1100}\u{1161}\u{11A8} 中文 \0 <extra_id_3> </s>".utf8),
        [UInt8](0...255), Array(repeating: 0xE2, count: 64), Array("aaaaaaaaaaaaaaaaaaaaaaaa".utf8),
    ]

    /// Whether the bytes load; uses the tokenizer when they do.
    private func loads(_ bytes: [UInt8]) -> Bool {
        guard let tokenizer = try? SentencePieceTokenizer(model: bytes) else { return false }
        for text in Self.texts {
            let ids = tokenizer.encodePieces(bytes: text)
            #expect(ids.allSatisfy { $0 >= 0 && Int($0) < tokenizer.pieceCount })
            #expect(!ids.contains(tokenizer.endOfSequence))
            _ = tokenizer.decode(ids)
        }
        return true
    }

    @Test("2,000 random texts are encoded and decoded")
    func randomTexts() throws {
        let mini = try TokenizerLoader.load(directory: Repository.core)
        let byt5 = ByT5Tokenizer()
        var generator = SeededGenerator(state: 2)
        for _ in 0..<2000 {
            var bytes = generator.bytes(Int.random(in: 0..<200, using: &generator))
            if Bool.random(using: &generator) { bytes += Array("<extra_id_7>".utf8) + generator.bytes(9) }
            let ids = mini.encode(bytes: bytes)
            #expect(ids.last == 1 && !ids.dropLast().contains { $0 < 2 || $0 >= 8100 })
            _ = mini.decode(ids)
            let byteIds = byt5.encode(bytes: bytes)
            #expect(byteIds.last == 1 && !byteIds.dropLast().contains { $0 < 3 || $0 >= 384 })
            _ = byt5.decode(ids + byteIds)
        }
    }

    @Test("a model with bits flipped or its end cut off")
    func mutations() throws {
        let model = try Files.bytes(Files.miniModel)
        var generator = SeededGenerator(state: 3)
        var loaded = 0
        for round in 0..<150 {
            var bytes = model
            for _ in 0..<(1 << (round % 8)) {
                let index = Int.random(in: bytes.indices, using: &generator)
                bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            }
            if round % 3 == 0 { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator)) }
            if loads(bytes) { loaded += 1 }
        }
        // Both outcomes must have been seen, else the test tests nothing.
        #expect(loaded > 10 && loaded < 140)
    }

    @Test("a model with its normalisation table damaged")
    func normalisationTable() throws {
        let model = try Files.bytes(Files.miniModel)
        // The table is most of the model's last 260 KB; the pieces come before it.
        var generator = SeededGenerator(state: 4)
        var loaded = 0
        for _ in 0..<100 {
            var bytes = model
            for _ in 0..<4 {
                let index = Int.random(
                    in: (bytes.count - 200_000)..<(bytes.count - 20_000), using: &generator)
                bytes[index] = UInt8(truncatingIfNeeded: generator.next())
            }
            if loads(bytes) { loaded += 1 }
        }
        #expect(loaded < 100)
    }

    @Test("random bytes are no model")
    func randomModels() {
        var generator = SeededGenerator(state: 5)
        for _ in 0..<500 {
            let bytes = generator.bytes(Int.random(in: 0..<400, using: &generator))
            #expect(!loads(bytes))
        }
    }

    @Test("pieces that the library would choke on are refused")
    func pieces() {
        func loads(_ change: (inout ModelBuilder) -> Void) -> Bool {
            var builder = ModelBuilder()
            change(&builder)
            return self.loads(builder.model)
        }
        #expect(loads { _ in })
        #expect(loads { $0.add(String(repeating: "a", count: 1000), .normal) })
        #expect(!loads { $0.add(String(repeating: "a", count: 200_000), .normal) })
        #expect(!loads { $0.add("a\0b", .normal) })
        #expect(!loads { $0.add("", .normal) })
        #expect(!loads { $0.add("a", .normal) })
        #expect(loads { for count in 2...60 { $0.add(String(repeating: "a", count: count), .userDefined) } })
        #expect(!loads { for count in 2...80 { $0.add(String(repeating: "a", count: count), .userDefined) } })
        #expect(loads { $0.pieces.append(([0xE2, 0x96], .normal)) })
        #expect(!loads { $0.pieces.removeAll() })
        #expect(!loads { $0.pieces.remove(at: 2) })
    }

    @Test("a normalisation table that leads out of itself is refused")
    func tables() {
        func loads(_ change: (inout [UInt32]) -> Void, replacements: [UInt8] = [0]) -> Bool {
            // One key, "a": the root leads from 256 to its letter, that one to a replacement's place. A unit
            // that is not used has a label that no byte is equal to.
            var units = [UInt32](repeating: 0x8000_0000, count: 512)
            units[0] = 256 << 10
            units[256 ^ 0x61] = 0x61 | 1 << 8 | (0x61 ^ 1) << 10
            change(&units)
            let size = UInt32(units.count * 4)
            var builder = ModelBuilder()
            builder.characterMap =
                (([size] + units).flatMap { unit in
                    (0..<4).map { UInt8(truncatingIfNeeded: unit >> ($0 * 8)) }
                }) + replacements
            return self.loads(builder.model)
        }
        #expect(loads { _ in })
        #expect(loads({ _ in }, replacements: Array("bcd\0".utf8)))
        // The root, whose label the library does not look at, leads far away.
        #expect(!loads { $0[0] = 0x8000_0000 | 0x0010_0000 << 10 })
        #expect(!loads { $0[0] = 512 << 10 })
        // The letter leads beyond the table, to itself, to a replacement beyond their end, to no end.
        #expect(!loads { $0[256 ^ 0x61] |= 0xFFFF << 10 })
        #expect(!loads { $0[256 ^ 0x61] = 0x61 | 0x61 << 10 })
        #expect(!loads { $0[256 ^ 1] = 0x8000_0000 | 7 })
        #expect(!loads({ _ in }, replacements: Array("bcd".utf8)))
        #expect(!loads({ _ in }, replacements: [UInt8](repeating: 0x62, count: 100) + [0]))
        #expect(!loads { $0.removeLast() })
        #expect(!loads { $0.removeAll() })
    }

    @Test("pieces, a description of the training and keys of a table have limits, which are named")
    func limits() {
        func refusal(_ change: (inout ModelBuilder) -> Void, and more: [UInt8] = []) -> String {
            var builder = ModelBuilder()
            change(&builder)
            do { _ = try SentencePieceTokenizer(model: builder.model + more) } catch { return error.message }
            return "accepted"
        }
        #expect(refusal { $0.add(String(repeating: "a", count: 1024), .normal) } == "accepted")
        #expect(
            refusal { $0.add(String(repeating: "a", count: 1025), .normal) }.contains(
                "a piece has 1025 bytes, more than 1024"))
        // Control pieces, which may have any name. The library refuses the same name twice, after this check.
        let empty = ModelBuilder.field(1, ModelBuilder.field(3, 3))
        #expect(
            refusal({ _ in }, and: Array(repeatElement(empty, count: 1 << 20).joined())).contains(
                "more than 1048576 pieces"))
        #expect(
            refusal({ _ in }, and: ModelBuilder.field(2, [UInt8](repeating: 0x0A, count: (1 << 20) + 2)))
                .contains(
                    "trainer_spec has more than 1048576 bytes"))
        func key(_ length: Int) -> String {
            refusal {
                $0.characterMap = ModelBuilder.characterMap([(String(repeating: "k", count: length), "x")])
            }
        }
        #expect(key(255) == "accepted")
        #expect(key(256).contains("a key of more than 255 bytes"))
    }

    @Test(
        "a model of another algorithm does not make control ids of text",
        arguments: [ModelBuilder.Algorithm.bpe, .word, .char])
    func algorithms(algorithm: ModelBuilder.Algorithm) throws {
        var builder = ModelBuilder()
        builder.algorithm = algorithm
        builder.addsDummyPrefix = false
        let tokenizer = try SentencePieceTokenizer(model: builder.model)
        for text in ["</s>", "<pad>", "a </s> <pad> b"] {
            let ids = tokenizer.encodePieces(text)
            #expect(!ids.isEmpty && !ids.contains(0) && !ids.contains(1))
        }
    }
}
