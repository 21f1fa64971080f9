import Foundation
import TestSupport
import Testing
import Tokenization

@Suite("Text encoded up to a limit of ids")
struct LimitTests {
    let mini: any Tokenizer

    init() throws { mini = try TokenizerLoader.load(directory: Repository.core) }

    /// The rule: cut at that many ids, the end-of-sequence id kept as the last of them.
    private func expectCut(
        _ bytes: [UInt8], _ limit: Int, _ tokenizer: some Tokenizer, of full: [Int32],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let (ids, isTruncated) = tokenizer.encode(bytes: bytes, limit: limit)
        let expected = full.count > limit ? full.prefix(limit - 1) + [tokenizer.endOfSequence] : full
        #expect(ids == expected, "limit \(limit) of \(full.count)", sourceLocation: sourceLocation)
        #expect(isTruncated == (full.count > limit), sourceLocation: sourceLocation)
    }

    private func expectCuts(
        _ bytes: [UInt8], _ limits: some Sequence<Int>, _ tokenizer: some Tokenizer,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let full = tokenizer.encode(bytes: bytes)
        for limit in limits {
            expectCut(bytes, limit, tokenizer, of: full, sourceLocation: sourceLocation)
        }
    }

    private static let limits = [1, 2, 3, 7, 64, 300, 1000, 4000]

    /// Text of all kinds of words, white space, sentinels and characters, some of it no UTF-8.
    private func randomText(words: Int, _ generator: inout SeededGenerator) -> [UInt8] {
        let spaces = [
            " ", " ", " ", "  ", "\n", "\t", "\r\n", "\u{A0}", "\u{3000}", "\u{2028}", "\u{200B}", "\u{B}",
        ]
        let odd = ["</s>", "<pad>", "▁", "▁▁", "\0", "¨", "e\u{301}", "ﷺ", "㎏"]
        var text: [UInt8] = []
        for _ in 0..<words {
            switch Int.random(in: 0..<12, using: &generator) {
            case 0:
                for _ in 0..<Int.random(in: 1...6, using: &generator) {
                    let scalar =
                        Unicode.Scalar(UInt32.random(in: 0..<0x2FFFF, using: &generator)) ?? "\u{FDFA}"
                    text += Array(String(scalar).utf8)
                }
            case 1: text += generator.bytes(Int.random(in: 1...4, using: &generator))
            case 2: text += Array("<extra_id_\(Int.random(in: 0..<130, using: &generator))>".utf8)
            case 3: text += Array((odd.randomElement(using: &generator) ?? "").utf8)
            default:
                for _ in 0..<Int.random(in: 1...9, using: &generator) {
                    text.append(UInt8.random(in: 0x61...0x7A, using: &generator))
                }
            }
            if Int.random(in: 0..<8, using: &generator) > 0 {
                text += Array((spaces.randomElement(using: &generator) ?? " ").utf8)
            }
        }
        return text
    }

    @Test("gives the first ids of the whole text, whatever the text")
    func randomTexts() {
        var generator = SeededGenerator(state: 11)
        var cuts = 0
        for words in [0, 1, 3, 50, 1000, 20_000, 20_000] {
            for _ in 0..<6 {
                let text = randomText(words: words, &generator)
                cuts += mini.encode(bytes: text, limit: 64).isTruncated ? 1 : 0
                expectCuts(text, Self.limits, mini)
                expectCuts(text, Self.limits, ByT5Tokenizer())
            }
        }
        #expect(cuts > 18)
    }

    @Test(
        "gives them for T5's own model",
        .needsShared("tokenizer"))
    func ownModel() throws {
        let t5 = try TokenizerLoader.load(directory: Repository.shared("tokenizer/t5"))
        var generator = SeededGenerator(state: 12)
        for _ in 0..<6 { expectCuts(randomText(words: 20_000, &generator), Self.limits, t5) }
    }

    @Test("counts exactly at the limit")
    func boundary() {
        let text = Array("one two three four".utf8)
        let count = mini.encode(bytes: text).count
        for (limit, isTruncated) in [(count - 1, true), (count, false), (count + 1, false), (Int.max, false)]
        {
            let encoded = mini.encode(bytes: text, limit: limit)
            #expect(encoded.isTruncated == isTruncated)
            #expect(encoded.ids.count == min(limit, count) && encoded.ids.last == 1)
        }
        for limit in [1, 0, -5, Int.min] { #expect(mini.encode("one two", limit: limit) == ([1], true)) }
        #expect(mini.encode("", limit: 1) == ([1], false))
        #expect(ByT5Tokenizer().encode("", limit: 1) == ([1], false))
        #expect(ByT5Tokenizer().encode("abc", limit: Int.max).ids == [100, 101, 102, 1])
    }

    @Test("a sentinel counts as one id, and is never cut")
    func sentinels() {
        for tokenizer in [mini, ByT5Tokenizer()] as [any Tokenizer] {
            let text = String(repeating: "<extra_id_10>", count: 20_000)
            expectCuts(Array(text.utf8), Self.limits, tokenizer)
            expectCuts(Array(("  " + text).utf8), Self.limits, tokenizer)
            let spaced = String(repeating: "a <extra_id_9> \n", count: 20_000)
            expectCuts(Array(spaced.utf8), Self.limits, tokenizer)
        }
    }

    @Test(
        "takes a moment for 8 MiB of any text",
        arguments: [
            "ﷺ", "語", "é", "e\u{301}", "the quick ", "a", "\0", " ", "\t", "ﷺ ", "<extra_id_1> ", "㎏", "xq",
        ])
    func time(unit: String) {
        let text = Array(repeatElement(Array(unit.utf8), count: (8 << 20) / unit.utf8.count).joined())
        let start = ContinuousClock.now
        for tokenizer in [mini, ByT5Tokenizer()] as [any Tokenizer] {
            let (ids, isTruncated) = tokenizer.encode(bytes: text, limit: 512)
            #expect(isTruncated && ids.last == 1 && ids.count <= 512)
        }
        #expect(start.duration(to: .now) < .seconds(30))
    }

    @Test("reads a word without end up to 64 KiB and 256 bytes an id")
    func enormousWord() {
        var generator = SeededGenerator(state: 13)
        let word = (0..<600_000).map { _ in UInt8.random(in: 0x61...0x7A, using: &generator) }
        expectCuts(word, Self.limits, mini)
        expectCuts(Array("two words ".utf8) + word + Array(" and more".utf8), Self.limits, mini)
        expectCuts(Array(repeatElement("語", count: 20_000).joined().utf8), Self.limits, mini)
        // Characters that no piece covers are one unknown piece, however many: what is not read is cut off.
        for (length, isTruncated) in [(65_536 + 256 * 10, false), (65_536 + 256 * 10 + 1, true)] {
            let unknown = [UInt8](repeating: 0, count: length)
            #expect(mini.encode(bytes: unknown, limit: 10) == (mini.encode(bytes: [0]), isTruncated))
        }
        let spaces = [UInt8](repeating: 0x20, count: 1 << 20)
        #expect(mini.encode(bytes: spaces + Array("a".utf8), limit: 10) == ([1], true))
        #expect(mini.encode(bytes: spaces, limit: 10) == ([1], true))
    }

    /// Three words of forty letters each, so that a beginning has hardly more pieces than the limit: only then would
    /// a cut in a wrong place show.
    private static let words = ["c", "d", "e"].map { String(repeating: $0, count: 40) }

    /// A model with the words as pieces, at a text's beginning and inside.
    private var wordModel: ModelBuilder {
        var builder = ModelBuilder()
        for word in Self.words {
            builder.add(word, .normal)
            builder.add("▁" + word, .normal)
        }
        return builder
    }

    @Test("does not cut where a model's pieces reach across white space")
    func piecesAcrossWords() throws {
        var builder = ModelBuilder()
        builder.add("▁" + Self.words.joined(separator: "▁"), .normal)
        for word in Self.words { builder.add("▁" + word, .normal) }
        try expectCuts(in: builder, unit: Self.words.joined(separator: " ") + " ")
        builder = wordModel
        builder.add(Self.words.joined(separator: " "), .userDefined)
        try expectCuts(in: builder, unit: Self.words.joined(separator: " ") + " ")
        builder = wordModel
        builder.treatsWhitespaceAsSuffix = true
        try expectCuts(in: builder, unit: Self.words.joined(separator: " ") + " ")
    }

    @Test("does not cut within what a model's normalisation takes together", arguments: [" ", "\n"])
    func keysAcrossWords(space: String) throws {
        let text = Self.words.joined(separator: space)
        for keys in [
            [(text, Self.words[0])], [(space + "d", "e"), ("c" + space, "d")], [(space, "e")], [(space, "")],
            [(space, " "), (space + "d", "e")], [(space, " "), (text, Self.words[0])],
        ] {
            var builder = wordModel
            builder.characterMap = ModelBuilder.characterMap(keys)
            try expectCuts(in: builder, unit: text + " ")
        }
    }

    @Test("cuts at white space that the model's normalisation makes spaces of, in models of all kinds")
    func otherWhitespace() throws {
        for algorithm in [ModelBuilder.Algorithm.unigram, .bpe, .word, .char] {
            var builder = wordModel
            builder.algorithm = algorithm
            builder.characterMap = ModelBuilder.characterMap([("\n", " "), ("\t", " ")])
            for space in [" ", "\n", "\t", " \t "] {
                try expectCuts(in: builder, unit: Self.words.joined(separator: space) + " ")
            }
            try expectCuts(in: builder, unit: "\u{1}\u{2} \u{1} a\n")
        }
    }

    /// Compares for a text of which one beginning has just as many pieces as the limit, with the beginning ending in
    /// any place of the unit. The first beginning has 4,096 bytes and 16 an id.
    private func expectCuts(
        in builder: ModelBuilder, unit: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let tokenizer = try SentencePieceTokenizer(model: builder.model)
        let text = Array(String(repeating: unit, count: 20_000 / unit.utf8.count).utf8)
        let bytesPerPiece = text.count / tokenizer.encodePieces(bytes: text).count
        // Of short pieces the first beginning always has enough and to spare; then any limit will do.
        let limit = bytesPerPiece > 17 ? 4096 / (bytesPerPiece - 16) : 40
        for shift in stride(from: 0, to: unit.utf8.count, by: 7) {
            expectCuts(
                [UInt8](repeating: 0x20, count: shift) + text, max(1, limit - 4)...limit + 4,
                tokenizer,
                sourceLocation: sourceLocation)
        }
    }
}
