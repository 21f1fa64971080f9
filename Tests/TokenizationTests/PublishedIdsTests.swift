import Foundation
import JSON
import TestSupport
import Testing
import Tokenization

/// Ids that other projects published for T5's own model and for ByT5: huggingface/transformers and
/// huggingface/swift-transformers. Their files lie beside the repository where they may be had.
@Suite(
    "Ids published by other projects",
    .needsShared("tokenizer"))
struct PublishedIdsTests {
    let t5: any Tokenizer

    init() throws {
        t5 = try TokenizerLoader.load(directory: Repository.shared("tokenizer/t5"))
    }

    @Test("T5's vocabulary has 32,000 pieces and 100 sentinels")
    func vocabulary() {
        #expect(t5.pieceCount == 32_100 && t5.sentinelCount == 100)
        #expect(t5.encode("Hello <extra_id_0>.") == [8774, 32099, 3, 5, 1])
    }

    @Test("swift-transformers' French paragraph")
    func paragraph() throws {
        let file = try #require(Files.json(Repository.shared("tokenizer/t5_base_encoded.json")).object)
        let text = try #require(file["text"]?.string)
        let ids = try #require(file["token_ids"]?.ids)
        #expect(t5.encode(text) == ids)
        #expect(ids.dropLast().map { t5.piece($0) } == file["bpe_tokens"]?.array?.map(\.string))
        #expect(try t5.decode(ids) + "</s>" == #require(file["decoded_text"]?.string))
    }

    /// One text is passed over in decoding: the published answer has its spaces cleaned up ("'ll!!to").
    @Test("swift-transformers' texts for t5-base")
    func texts() throws {
        let file = try #require(Files.json(Repository.shared("tokenizer/tokenizer_tests.json")).object)
        let keys = file.keys.filter { $0.lowercased().contains("t5") }
        #expect(keys == ["t5-base"])
        var encoded = 0
        var cleanedUp: [String] = []
        for item in keys.flatMap({ file[$0]?.array ?? [] }) {
            let text = try #require(item.object?["input"]?.string)
            let ids = try #require(item.object?["encoded"]?.object?["input_ids"]?.ids)
            #expect(t5.encode(text) == ids, "\(text.debugDescription)")
            encoded += 1
            let expected = try #require(item.object?["decoded_without_special"]?.string)
            if t5.decode(ids) != expected { cleanedUp.append(text) }
        }
        #expect(encoded == 18)
        #expect(cleanedUp == ["A\n'll !!to?'d''d of, can't."])
        let ids = t5.encode(cleanedUp.first ?? "")
        #expect(t5.decode(ids) == "A 'll !!to?'d''d of, can't.")
    }

    /// One text of T5's is passed over: it spells `<pad>`, `<unk>` and `</s>`, which are characters here.
    @Test("transformers' texts for T5 and ByT5")
    func transformers() throws {
        let file = try #require(Files.json(Repository.shared("tokenizer/golden.json")).object)
        func plainCases(_ key: String) throws -> [JSONValue] {
            try #require(file[key]?.object?["encode_with_eos"]?.array)
        }
        let byt5 = ByT5Tokenizer()
        let cases =
            try plainCases("tokenizer_t5_base").map { ($0, t5) }
            + plainCases("tokenizer_byt5").map { ($0, byt5 as any Tokenizer) }
        for (item, tokenizer) in cases {
            let text = try #require(item.array?.first?.string)
            #expect(tokenizer.encode(text) == item.array?.dropFirst().first?.ids, "\(text.debugDescription)")
            #expect(tokenizer.decode(tokenizer.encode(text)) == text)
        }
        #expect(cases.count == 9)

        let passedOver = try #require(
            file["tokenizer_t5_base"]?.object?["with_inline_specials_no_extra_eos"]?.array)
        #expect(passedOver.count == 1)
        for item in passedOver {
            let ids = t5.encode(try #require(item.array?.first?.string))
            #expect(!ids.dropLast().contains { $0 < 2 })
        }
    }
}
