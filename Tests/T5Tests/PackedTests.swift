import Basics
import Foundation
import T5
import Tensors
import Testing

/// The fast modes: bitwise batch invariance, and closeness to float32.
@Suite("Packed layers")
struct PackedTests {
    /// Everything a request gets, bit for bit.
    private struct Numbers: Equatable {
        var rows: [Float]
        var logits: [Float]
        var ids: [Int32]
        var overLabels: [Double]
        var overVocabulary: [Double]
    }

    /// Every other sequence of a golden case says that few decoder rows come, so that batches hold both kinds of
    /// cross-attention; what it is told decides a sequence's numbers, not what the others are told.
    private func input(_ sequence: GoldenCase.Sequence) -> T5Input {
        var input = sequence.input
        input.decoderRows = (input.rows.count + input.ids.count) % 2 == 0 ? 1 : nil
        return input
    }

    private func numbers(_ sequences: [GoldenCase.Sequence], _ session: T5Session) throws -> [Numbers] {
        let encoded = try session.encode(sequences.map(input))
        let generations = try session.generate(
            encoded, sequences.indices.map { ($0, GenerationOptions(maximumNewTokens: 6)) })
        func score(_ normalization: LabelNormalization) throws -> [[Double]] {
            try session.scoreLabels(
                encoded,
                sequences.enumerated().map { index, sequence in
                    let trie = LabelTrie(sequence.labels.map { $0 + [1] })
                    return (index, LabelPlan(trie, over: normalization))
                })
        }
        let (labels, vocabulary) = (try score(.labels), try score(.vocabulary))
        return sequences.indices.map { index in
            Numbers(
                rows: encoded.rows(of: index), logits: session.firstLogits(encoded, sequence: index),
                ids: generations[index].ids, overLabels: labels[index], overVocabulary: vocabulary[index])
        }
    }

    @Test(
        "embedding rows are the checkpoint's, rounded to bfloat16 where it has float32",
        arguments: GoldenCase.names, [T5Core.Precision.bfloat16, .int8])
    func embeddings(name: String, precision: T5Core.Precision) throws {
        let golden = try GoldenCase(name)
        let pool = WorkerPool(threadCount: 2)
        let exact = try T5Core(golden.directory, precision: .float32, pool: pool)
        let core = try T5Core(golden.directory, precision: precision, pool: pool)
        let ids = (0..<Int32(core.configuration.vocabularySize)).map { $0 }
        let rows = try core.embeddings(of: ids)
        let stored = try exact.embeddings(of: ids)
        #expect(rows.count == stored.count)
        let isRounded = rows != stored
        #expect(isRounded == (exact.embedding.elementType == .float32))
        for (value, stored) in zip(rows, stored) where isRounded {
            #expect(value.bitPattern & 0xFFFF == 0 && abs(value - stored) <= abs(stored) / 256)
        }
    }

    @Test(
        "every number is bitwise the same alone, in any mixture and order, on any number of threads",
        arguments: GoldenCase.names, [T5Core.Precision.bfloat16, .int8])
    func invariance(name: String, precision: T5Core.Precision) throws {
        let golden = try GoldenCase(name)
        let alonePool = WorkerPool(threadCount: 1)
        let core = try T5Core(golden.directory, precision: precision, pool: alonePool)
        let single = T5Session(core: core, pool: alonePool)
        let alone = try golden.sequences.map { try numbers([$0], single)[0] }
        var generator = SplitMix64(state: 3)
        for threads in [1, 2, 3] {
            let session = T5Session(core: core, pool: WorkerPool(threadCount: threads))
            for _ in 0..<6 {
                let order = (0..<Int.random(in: 1...16, using: &generator)).map { _ in
                    Int.random(in: golden.sequences.indices, using: &generator)
                }
                let mixed = try numbers(order.map { golden.sequences[$0] }, session)
                for (position, index) in order.enumerated() {
                    #expect(
                        mixed[position] == alone[index], "\(golden.sequences[index].name), \(threads) threads"
                    )
                }
            }
        }
    }

    @Test(
        "encoder rows and logits are those of float32 but for rounding", arguments: GoldenCase.names,
        [(T5Core.Precision.bfloat16, Float(0.03)), (.int8, 0.08)])
    func closeness(name: String, mode: (precision: T5Core.Precision, tolerance: Float)) throws {
        let golden = try GoldenCase(name)
        let pool = WorkerPool(threadCount: 2)
        let session = T5Session(
            core: try T5Core(golden.directory, precision: mode.precision, pool: pool), pool: pool)
        let encoded = try session.encode(golden.sequences.map(\.input))
        for (index, sequence) in golden.sequences.enumerated() {
            let logits = try #require(try golden.values("\(sequence.name).first_logits"))
            let drift = meanDifference(session.firstLogits(encoded, sequence: index), logits)
            #expect(drift < mode.tolerance, "\(sequence.name): logits \(drift)")
            if let reference = try golden.values("\(sequence.name).encoder") {
                let drift = meanDifference(encoded.rows(of: index), reference)
                #expect(drift < mode.tolerance, "\(sequence.name): rows \(drift)")
            }
        }
    }

    @Test(
        "cross-attention to the encoder's output gives what keys and values give but for rounding",
        arguments: GoldenCase.names, [T5Core.Precision.bfloat16, .int8])
    func directCrossAttention(name: String, precision: T5Core.Precision) throws {
        let golden = try GoldenCase(name)
        let pool = WorkerPool(threadCount: 2)
        let session = T5Session(
            core: try T5Core(golden.directory, precision: precision, pool: pool), pool: pool)
        let projected = try session.encode(golden.sequences.map(\.input))
        let direct = try session.encode(
            golden.sequences.map { T5Input(rows: $0.input.rows, ids: $0.input.ids, decoderRows: 0) })
        for index in golden.sequences.indices {
            let drift = meanDifference(
                session.firstLogits(direct, sequence: index), session.firstLogits(projected, sequence: index))
            #expect(
                drift < (precision == .bfloat16 ? 0.01 : 0.04), "\(golden.sequences[index].name): \(drift)")
        }
    }

    @Test(
        "sequences of both kinds go on after others have left", arguments: [T5Core.Precision.bfloat16, .int8])
    func leaving(precision: T5Core.Precision) throws {
        let golden = try GoldenCase("v1_0-relu-tied")
        let pool = WorkerPool(threadCount: 2)
        let session = T5Session(
            core: try T5Core(golden.directory, precision: precision, pool: pool), pool: pool)
        let sequences = (0..<8).map { golden.sequences[$0 % golden.sequences.count] }
        let inputs = sequences.enumerated().map { index, sequence in
            T5Input(rows: sequence.input.rows, ids: sequence.input.ids, decoderRows: index % 3 == 0 ? 0 : nil)
        }
        func options(_ index: Int) -> GenerationOptions {
            // The last ones generate longest, so that most of the batch leaves before them.
            var options = GenerationOptions(maximumNewTokens: index < 6 ? 1 : 9)
            options.decoding.minimumNewTokens = options.maximumNewTokens
            return options
        }
        let together = try session.generate(
            session.encode(inputs), inputs.indices.map { (sequence: $0, options: options($0)) })
        for (index, input) in inputs.enumerated() {
            let alone = try session.generate(
                session.encode([input]), [(sequence: 0, options: options(index))])
            #expect(together[index] == alone[0], "sequence \(index)")
        }
    }

    /// The mean absolute difference as a share of the reference's range.
    private func meanDifference(_ values: [Float], _ reference: [Float]) -> Float {
        guard values.count == reference.count, let low = reference.min(), let high = reference.max() else {
            return .infinity
        }
        let total = zip(values, reference).reduce(0) { $0 + abs($1.0 - $1.1) }
        return total / Float(values.count) / max(high - low, 1e-6)
    }
}
