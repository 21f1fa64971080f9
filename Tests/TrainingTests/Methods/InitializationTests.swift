import Basics
import Foundation
import Tensors
import TestSupport
import Testing
import Tokenization
import Training

@Suite("Initial rows")
struct InitializationTests {
    private func rows(
        _ initialization: PromptInitialization, _ count: Int, labels: [[Int32]] = [], seed: UInt64 = 1,
        from source: InitializationSource? = nil
    ) throws -> [Float] {
        var generator = SplitMix64(seed: seed)
        let source = source ?? small(labels: labels)
        return try #require(try initialization.rows(count, from: source, using: &generator))
    }

    private func small(labels: [[Int32]]) -> InitializationSource {
        MethodGolden.source(width: 4, candidates: 3...12, labels: labels)
    }

    private func embedding(_ id: Int32) -> [Float] { MethodGolden.source(width: 4).embedding(id) }

    /// Which id each row is the embedding of.
    private func ids(_ rows: [Float]) -> [Int32?] {
        stride(from: 0, to: rows.count, by: 4).map { start in
            (0...255).first { embedding($0) == Array(rows[start..<start + 4]) }
        }
    }

    @Test("a vocabulary sample has distinct pieces while there are enough")
    func vocabulary() throws {
        let drawn = ids(try rows(.vocabulary, 10))
        #expect(Set(drawn) == Set(3...12))
        let more = ids(try rows(.vocabulary, 25))
        #expect(more.count == 25 && Set(more) == Set(3...12))
        for id in 3...12 { #expect((2...3).contains(more.count { $0 == Int32(id) })) }
        let other = try rows(.vocabulary, 10, seed: 2)
        #expect(ids(other) != drawn)
    }

    @Test("uniform numbers fill their range and no more")
    func uniform() throws {
        let values = try rows(.uniform(0.5), 1000)
        #expect(values.count == 4000 && values.allSatisfy { abs($0) <= 0.5 })
        #expect((values.min() ?? 0) < -0.49 && (values.max() ?? 0) > 0.49)
        #expect(abs(values.reduce(0, +) / 4000) < 0.02)
    }

    @Test("labels give the means of their pieces' embeddings, then come pieces")
    func labels() throws {
        let values = try rows(.labels, 4, labels: [[20], [21, 22]])
        #expect(Array(values[0..<4]) == embedding(20))
        #expect(Array(values[4..<8]) == zip(embedding(21), embedding(22)).map { ($0 + $1) / 2 })
        #expect(ids(Array(values[8...])).allSatisfy { $0.map { (3...12).contains($0) } ?? false })
        #expect(ids(try rows(.labels, 1, labels: [[20], [21]])) == [20])
    }

    @Test("a text's pieces are repeated or cut")
    func text() throws {
        #expect(ids(try rows(.text("abc"), 5)) == [97, 98, 99, 97, 98])
        #expect(ids(try rows(.text("abc"), 2)) == [97, 98])
    }

    @Test("a file's or task's rows are cut, or followed by pieces")
    func given() throws {
        let folder = try TemporaryFolder()
        let values = embedding(40) + embedding(41)
        let path = try folder.write("rows.npy", TensorFile.numpy(rows: 2, columns: 4, values))
        var source = small(labels: [])
        source.task = { name in
            #expect(name == "other@2")
            return (values, 4)
        }
        for initialization in [PromptInitialization.file(path), .task("other@2")] {
            #expect(ids(try rows(initialization, 1, from: source)) == [40])
            let more = ids(try rows(initialization, 4, from: source))
            #expect(more[0...1] == [40, 41] && more[2...].allSatisfy { $0.map { $0 <= 12 } ?? false })
        }
    }

    @Test("rows that cannot be made are refused with the reason")
    func refusals() throws {
        func refused(
            _ initialization: PromptInitialization, _ text: String, from source: InitializationSource
        ) {
            let error = #expect(throws: TrainingError.self) { try rows(initialization, 3, from: source) }
            #expect(error?.message.contains(text) == true, "\(error as Any)")
        }
        var source = small(labels: [])
        refused(.labels, "the task has no labels", from: source)
        refused(.text(""), "no pieces", from: source)
        refused(.file("/nowhere.npy"), "/nowhere.npy", from: source)
        refused(.task("spam"), "no store", from: source)
        source.task = { _ in ([1, 2, 3], 3) }
        refused(.task("spam"), "3 wide", from: source)
        source.task = { _ in ([1, 2, .infinity, 3], 4) }
        refused(.task("spam"), "not finite", from: source)
        source.labels = [[]]
        refused(.labels, "a label's text has no pieces", from: source)
        source.vocabulary = VocabularySample(candidates: [])
        refused(.vocabulary, "no pieces to draw from", from: source)
    }

    @Test("the written form is read back, and other text refused")
    func parsing() throws {
        for initialization: PromptInitialization in [
            .method, .vocabulary, .uniform(0.25), .labels, .text("spam: or not"), .file("/a:b.npy"),
            .task("spam@3"),
        ] {
            #expect(try PromptInitialization(parsing: initialization.description) == initialization)
        }
        #expect(try PromptInitialization(parsing: "uniform") == .uniform(0.5))
        for text in [
            "", "random", "uniform:", "uniform:-1", "uniform:nan", "text:", "file", "task", "labels:a",
        ] {
            #expect(throws: TrainingError.self, "\(text)") { try PromptInitialization(parsing: text) }
        }
    }

    @Test("the most common pieces of a SentencePiece model are its first that stand for text")
    func mostCommon() throws {
        let tokenizer = try TokenizerLoader.load(directory: Repository.core)
        let sample = VocabularySample(of: tokenizer, vocabularySize: 8192)
        #expect(sample.candidates.count == 5000 && sample.candidates == sample.candidates.sorted())
        #expect((sample.candidates.first ?? 99) < 10 && (sample.candidates.last ?? 0) < 5300)
        let all = VocabularySample(mostCommon: .max, of: tokenizer, vocabularySize: .max)
        #expect(all.candidates.count > 5000)
        for id in all.candidates {
            let piece = try #require(tokenizer.piece(id))
            #expect(!piece.contains("extra_id") && !["<pad>", "</s>", "<unk>"].contains(piece), "\(piece)")
        }
        #expect(VocabularySample(of: tokenizer, vocabularySize: 50).candidates.allSatisfy { $0 < 50 })
        let bytes = VocabularySample(of: ByT5Tokenizer(), vocabularySize: 384)
        #expect((100...256).contains(bytes.candidates.count) && bytes.candidates[0] >= 3)
    }
}
