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

    private func numbers(_ sequences: [GoldenCase.Sequence], _ session: T5Session) throws -> [Numbers] {
        let encoded = try session.encode(sequences.map(\.input))
        let generations = try session.generate(
            encoded, sequences.indices.map { ($0, GenerationOptions(maximumNewTokens: 6)) })
        func score(_ normalization: LabelNormalization) throws -> [[Double]] {
            try session.scoreLabels(
                encoded,
                sequences.enumerated().map { index, sequence in
                    let trie = LabelTrie(sequence.labels.map { $0 + [1] })
                    return (index, LabelScoringOptions(trie: trie, normalization: normalization))
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
        "every number is bitwise the same alone, in any mixture and order, on any number of threads",
        arguments: GoldenCase.names, [T5Core.Precision.bfloat16, .int8])
    func invariance(name: String, precision: T5Core.Precision) throws {
        let golden = try GoldenCase(name)
        let alonePool = WorkerPool(threadCount: 1)
        let core = try T5Core(golden.directory, precision: precision, pool: alonePool)
        let single = T5Session(core: core, pool: alonePool)
        let alone = try golden.sequences.map { try numbers([$0], single)[0] }
        var generator = SplitMix(seed: 3)
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

    /// The mean absolute difference as a share of the reference's range.
    private func meanDifference(_ values: [Float], _ reference: [Float]) -> Float {
        guard values.count == reference.count, let low = reference.min(), let high = reference.max() else {
            return .infinity
        }
        let total = zip(values, reference).reduce(0) { $0 + abs($1.0 - $1.1) }
        return total / Float(values.count) / max(high - low, 1e-6)
    }
}
