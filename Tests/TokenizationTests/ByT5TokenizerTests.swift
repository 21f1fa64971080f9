import JSON
import TestSupport
import Testing
import Tokenization

@Suite("ByT5's tokenizer")
struct ByT5TokenizerTests {
    let tokenizer = ByT5Tokenizer()

    @Test("gives the ids of transformers' ByT5Tokenizer")
    func golden() throws {
        let cases = try #require(
            Files.golden().array)
        var compared = 0
        for item in cases {
            let text = try #require(item.object?["text"]?.string)
            guard let ids = item.object?["byt5"]?.ids else { continue }
            compared += 1
            #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)")
            #expect(tokenizer.decode(ids) == text, "\(text.debugDescription)")
        }
        #expect(compared >= 95)
    }

    @Test("knows 256 bytes behind three control ids, and 125 sentinels")
    func vocabulary() {
        #expect(tokenizer.pieceCount == 384 && tokenizer.sentinelCount == 125)
        #expect(tokenizer.endOfSequence == 1)
        #expect(
            [0, 1, 2, 100, 258, 259, 383].map { tokenizer.piece($0) }
                == ["<pad>", "</s>", "<unk>", "a", "<0xFF>", "<extra_id_0>", "<extra_id_124>"])
        for id in [-1, 384, .min, .max] as [Int32] { #expect(tokenizer.piece(id) == nil) }
    }

    @Test("takes bytes as they are")
    func bytes() {
        let all = [UInt8](0...255)
        #expect(tokenizer.encode(bytes: all) == Array(3...258) + [1])
        #expect(tokenizer.encode("") == [1])
        #expect(tokenizer.encodePieces("</s>") == [63, 50, 118, 65])
    }

    @Test("drops what is not UTF-8, control ids and meaningless ids when decoding")
    func decoding() {
        let euro = tokenizer.encodePieces("€")
        #expect(tokenizer.decode(tokenizer.encodePieces("5 ") + euro.prefix(2)) == "5 ")
        #expect(tokenizer.decode(euro.prefix(2) + tokenizer.encodePieces("\u{FFFD}x")) == "\u{FFFD}x")
        #expect(tokenizer.decode([0, 100, 2, -5, 384, .max, .min, 101, 1]) == "ab")
    }

    @Test("is chosen by tokenizer_config.json, whatever it says about the sentinels")
    func loading() throws {
        func core(_ configuration: String) throws -> any Tokenizer {
            try Files.tokenizer(["tokenizer_config.json": Array(configuration.utf8)])
        }
        let plain = try core(#"{"tokenizer_class": "ByT5Tokenizer", "extra_ids": 125}"#)
        #expect(plain is ByT5Tokenizer)
        #expect(plain.identityBytes == tokenizer.identityBytes)

        // As transformers saves it: a count of 0 beside the list.
        let list = (0..<125).map {
            #""\#(259 + $0)": {"content": "<extra_id_\#($0)>", "lstrip": false, "rstrip": false}"#
        }
        let saved = try core(
            #"{"tokenizer_class": "ByT5Tokenizer", "extra_ids": 0, "added_tokens_decoder": {\#(list.joined(separator: ","))}}"#
        )
        #expect(saved.identityBytes == tokenizer.identityBytes)
        #expect(saved.encodePieces("a <extra_id_0>") == [100, 35, 259])

        let bare = try core(#"{"tokenizer_class": "ByT5Tokenizer", "extra_ids": 0}"#)
        #expect(bare.pieceCount == 259 && bare.sentinelCount == 0)
        #expect(bare.identityBytes != tokenizer.identityBytes)
    }
}
