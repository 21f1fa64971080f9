import JSON
import TestSupport
import Testing
import Tokenization

@Suite("T5's SentencePiece tokenizer")
struct SentencePieceTokenizerTests {
    let tokenizer: any Tokenizer

    init() throws { tokenizer = try TokenizerLoader.load(directory: Repository.core) }

    @Test("gives the ids and texts of transformers' T5Tokenizer")
    func golden() throws {
        let cases = try #require(
            Files.golden().array)
        #expect(cases.count >= 100)
        for item in cases {
            let object = try #require(item.object)
            let text = try #require(object["text"]?.string)
            let ids = try #require(object["t5"]?.ids)
            #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)")
            #expect(tokenizer.decode(ids) == object["t5_decoded"]?.string, "\(text.debugDescription)")
        }
    }

    @Test("ends a sequence with 1, labels and prefixes with nothing")
    func endOfSequence() {
        #expect(tokenizer.endOfSequence == 1)
        #expect(tokenizer.encode("spam") == tokenizer.encodePieces("spam") + [1])
        #expect(tokenizer.encode("") == [1])
        #expect(tokenizer.encodePieces("") == [])
        #expect(tokenizer.encode(" \n\t\u{3000}") == [1])
    }

    @Test("knows its pieces and 100 sentinels behind them")
    func vocabulary() {
        #expect(tokenizer.pieceCount == 8100)
        #expect(tokenizer.sentinelCount == 100)
        #expect((0...3).map { tokenizer.piece($0) } == ["<pad>", "</s>", "<unk>", "▁the"])
        #expect(tokenizer.piece(8099) == "<extra_id_0>")
        #expect(tokenizer.piece(8000) == "<extra_id_99>")
        for id in [-1, 8100, .min, .max] as [Int32] { #expect(tokenizer.piece(id) == nil) }
    }

    @Test(
        "treats control tokens in text as ordinary characters",
        arguments: ["</s>", "<pad>", "<unk>", "<s>", "a</s>b", "</s></s>", " <pad> ", "x<extra_id_0></s>"])
    func controlText(text: String) {
        let ids = tokenizer.encodePieces(text)
        #expect(!ids.contains(0) && !ids.contains(1))
        // The model has all these characters, so none of them is unknown either.
        #expect(!ids.contains(2))
        #expect(ids.count >= 3)
    }

    @Test("skips control, unknown and meaningless ids when decoding")
    func skipping() {
        let ids = tokenizer.encodePieces("good film")
        let noise: [Int32] = [0, 2, -1, 8100, 8191, .min, .max, 1]
        #expect(tokenizer.decode(ids) == "good film")
        #expect(tokenizer.decode(noise + ids.flatMap { [$0] + noise }) == "good film")
        #expect(tokenizer.decode(noise) == "")
        #expect(tokenizer.decode([]) == "")
    }

    @Test("does not clean up spaces before punctuation")
    func noCleaning() {
        #expect(tokenizer.decode(tokenizer.encode("do n't , stop .")) == "do n't , stop .")
    }

    @Test("takes an invalid byte for an unknown character, each by itself")
    func invalidUTF8() {
        let a = tokenizer.encodePieces("a")
        let unknown = tokenizer.encode(bytes: Array("a".utf8) + [0xFF])
        #expect(unknown == a + [2, 1])
        // Neighbouring unknown characters are one unknown piece, as for SentencePiece everywhere.
        #expect(
            tokenizer.encode(bytes: Array("a".utf8) + [0xC3, 0x28, 0xF0, 0x9F, 0x98])
                == a + [2] + tokenizer.encodePieces("x(").suffix(1) + [2, 1])
        // Bytes that are valid give what the text gives.
        #expect(tokenizer.encode(bytes: Array("naïve".utf8)) == tokenizer.encode("naïve"))
        // A collection that does not lie side by side in memory gives the same.
        #expect(
            tokenizer.encode(bytes: Array("evïan".utf8.reversed()).reversed()) == tokenizer.encode("evïan"))
    }

    @Test("keeps what follows a NUL")
    func nul() {
        #expect(tokenizer.encode("a\0b").count == 4)
        #expect(tokenizer.decode(tokenizer.encode("one\0 two")) == "one two")
    }

    @Test("identifies itself by the model file")
    func identity() throws {
        #expect(try tokenizer.identityBytes == Files.bytes(Files.miniModel))
    }

    @Test("encodes the same on many threads at once")
    func concurrency() async {
        let texts = (0..<200).map {
            "Text number \($0) <extra_id_\($0 % 100)> says \(String(repeating: "hello ", count: $0))"
        }
        let expected = Self.encode(texts, with: tokenizer)
        await withTaskGroup(of: [[Int32]].self) { group in
            for _ in 0..<8 {
                group.addTask { [tokenizer] in Self.encode(texts, with: tokenizer) }
            }
            for await ids in group { #expect(ids == expected) }
        }
    }

    private static func encode(_ texts: [String], with tokenizer: any Tokenizer) -> [[Int32]] {
        var ids: [[Int32]] = []
        for text in texts { ids.append(tokenizer.encode(text)) }
        return ids
    }
}
