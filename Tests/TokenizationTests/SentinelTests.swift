import TestSupport
import Testing
import Tokenization

@Suite("Sentinels")
struct SentinelTests {
    let mini: any Tokenizer
    let byt5 = ByT5Tokenizer()

    init() throws { mini = try TokenizerLoader.load(directory: Repository.core) }

    @Test("T5's count down from the end, ByT5's count up")
    func ids() {
        for number in 0..<100 {
            #expect(mini.encodePieces("<extra_id_\(number)>") == [Int32(8099 - number)])
        }
        for number in 0..<125 {
            #expect(byt5.encodePieces("<extra_id_\(number)>") == [Int32(259 + number)])
        }
    }

    @Test("are recognised at the beginning, at the end, in words and side by side")
    func places() {
        let a = mini.encodePieces("a")
        let b = mini.encodePieces("b")
        #expect(mini.encodePieces("<extra_id_0>a") == [8099] + a)
        #expect(mini.encodePieces("a<extra_id_0>") == a + [8099])
        #expect(mini.encodePieces("a<extra_id_0>b") == a + [8099] + b)
        #expect(mini.encodePieces("a \t<extra_id_0>\n<extra_id_1> b") == a + [8099, 8098] + b)
        #expect(byt5.encodePieces("a <extra_id_0><extra_id_1>b") == [100, 35, 259, 260, 101])
    }

    @Test(
        "in another spelling are ordinary characters",
        arguments: [
            "<extra_id_125>", "<extra_id_00>", "<extra_id_01>", "<extra_id_>", "<extra_id_1", "<extra_id_1 >",
            "<Extra_id_1>", "extra_id_1>", "<extra_id_-1>", "<extra_id_+1>", "<extra_id_",
            "<extra_id_18446744073709551617>", "<extra_id_\u{0661}>",
        ])
    func others(text: String) {
        #expect(mini.encodePieces(text).allSatisfy { $0 < 8000 })
        #expect(byt5.encodePieces(text) == text.utf8.map { Int32($0) + 3 })
    }

    @Test("are found behind half a sentinel")
    func halves() {
        #expect(mini.encodePieces("<extra_<extra_id_5>").last == 8094)
        #expect(mini.encodePieces("<extra_id_1<extra_id_5>").last == 8094)
        #expect(byt5.encodePieces("<<extra_id_5>>") == [63, 264, 65])
    }

    @Test("come back as their text")
    func decoding() {
        #expect(mini.decode([8099]) == "<extra_id_0>")
        #expect(mini.decode([8099, 8098, 1]) == "<extra_id_0> <extra_id_1>")
        let text = "Thank you <extra_id_0> me to your party <extra_id_1> week"
        #expect(mini.decode(mini.encode(text)) == text)
        #expect(byt5.decode(byt5.encode("a<extra_id_0> b<extra_id_124>")) == "a<extra_id_0> b<extra_id_124>")
    }

    @Test("are those of the core's tokenizer_config.json")
    func configured() throws {
        let model = try Files.bytes(Files.miniModel)
        func core(_ configuration: String) throws -> any Tokenizer {
            try Files.tokenizer(["spiece.model": model, "tokenizer_config.json": Array(configuration.utf8)])
        }
        let none = try core(#"{"extra_ids": 0, "additional_special_tokens": null}"#)
        #expect(none.sentinelCount == 0 && none.pieceCount == 8000)
        #expect(none.encodePieces("<extra_id_0>").count > 1)
        #expect(none.piece(8000) == nil)

        let three = try core(#"{"extra_ids": 3}"#)
        #expect(three.encodePieces("<extra_id_0><extra_id_2>") == [8002, 8000])
        #expect(three.identityBytes != none.identityBytes)

        let named = try core(#"{"additional_special_tokens": ["<extra_id_1>", {"content": "<extra_id_0>"}]}"#)
        #expect(named.sentinelCount == 2)
        #expect(named.encodePieces("<extra_id_0>") == [8001])

        let listed = try core(
            #"""
            {"extra_ids": 0, "added_tokens_decoder": {
                "0": {"content": "<pad>"}, "8007": {"content": "<extra_id_1>", "lstrip": true},
                "8005": {"content": "<extra_id_0>", "rstrip": true}}}
            """#)
        #expect(listed.pieceCount == 8008 && listed.sentinelCount == 2)
        #expect(listed.encodePieces("<extra_id_0> <extra_id_1>") == [8005, 8007])
        #expect(listed.piece(8006) == nil)

        // What transformers writes by itself is the default.
        let usual = try core(#"{"tokenizer_class": "T5Tokenizer", "extra_ids": 100, "legacy": true}"#)
        #expect(usual.identityBytes == model)
    }

    @Test("that the model has among its own pieces are not added again")
    func ownPieces() throws {
        var builder = ModelBuilder()
        builder.add("<extra_id_1>", .userDefined)
        builder.add("<extra_id_0>", .userDefined)
        let plain = try SentencePieceTokenizer(model: builder.model)
        #expect(plain.sentinelCount == 2 && plain.pieceCount == 11)
        #expect(plain.encodePieces("<extra_id_0>") == [3, 10])
        #expect(plain.encodePieces("a<extra_id_1>b") == [3, 4, 9, 5])
        #expect(plain.decode([3, 4, 9, 5]) == "a<extra_id_1>b")

        // mT5's way.
        var marked = ModelBuilder()
        marked.add("▁<extra_id_0>", .userDefined)
        let mt5 = try SentencePieceTokenizer(model: marked.model)
        #expect(mt5.sentinelCount == 1)
        #expect(mt5.encodePieces("a <extra_id_0> b") == [3, 4, 9, 3, 5])
        #expect(mt5.decode([9, 3, 5]) == "<extra_id_0> b")

        let explicit = try Files.tokenizer([
            "spiece.model": builder.model, "tokenizer_config.json": Array(#"{"extra_ids": 2}"#.utf8),
        ])
        #expect(explicit.encodePieces("<extra_id_0>") == [12])
    }
}
