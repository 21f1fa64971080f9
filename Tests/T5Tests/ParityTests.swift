import Basics
import Foundation
import T5
import Tensors
import Testing

/// Parity with Hugging Face transformers on small random cores of every configuration.
@Suite("Parity with transformers, float32")
struct ParityTests {
    /// As a share of the reference's range. Float32 rounding stays below 1e-5; the exact GELU in place of its tanh
    /// form would show as 2e-4.
    static let tolerance: Float = 5e-5

    @Test(
        "encoder rows, logits, greedy ids and label likelihoods of one ragged batch",
        arguments: GoldenCase.names)
    func parity(name: String) throws {
        let golden = try GoldenCase(name)
        #expect(golden.sequences.count >= 7)
        let pool = WorkerPool(threadCount: 2)
        let session = T5Session(
            core: try T5Core(golden.directory, precision: .float32, pool: pool), pool: pool)
        let encoded = try session.encode(golden.sequences.map(\.input))
        let width = session.core.configuration.modelWidth
        let generations = try session.generate(
            encoded, golden.sequences.indices.map { ($0, GenerationOptions(maximumNewTokens: 12)) })
        let scores = try session.scoreLabels(
            encoded,
            golden.sequences.enumerated().map { index, sequence in
                (index, LabelPlan(LabelTrie(sequence.labels), over: .vocabulary))
            })
        for (index, sequence) in golden.sequences.enumerated() {
            let rows = encoded.rows(of: index)
            if let reference = try golden.values("\(sequence.name).encoder") {
                #expect(relativeDifference(rows, reference) < Self.tolerance, "\(sequence.name)")
            } else {
                let head = try #require(try golden.values("\(sequence.name).encoder_head"))
                let tail = try #require(try golden.values("\(sequence.name).encoder_tail"))
                #expect(relativeDifference(Array(rows.prefix(8 * width)), head) < Self.tolerance)
                #expect(relativeDifference(Array(rows.suffix(8 * width)), tail) < Self.tolerance)
                let sums = stride(from: 0, to: rows.count, by: width).map { start in
                    rows[start..<start + width].reduce(0, +)
                }
                let reference = try #require(try golden.values("\(sequence.name).encoder_row_sums"))
                #expect(relativeDifference(sums, reference) < Self.tolerance, "\(sequence.name)")
            }
            let logits = try #require(try golden.values("\(sequence.name).first_logits"))
            #expect(
                relativeDifference(session.firstLogits(encoded, sequence: index), logits) < Self.tolerance,
                "\(sequence.name)")
            #expect(generations[index].ids == sequence.greedy, "\(sequence.name)")
            #expect(generations[index].isFinished == (sequence.greedy.last == 1), "\(sequence.name)")
            #expect(scores[index].count == sequence.labelLogLikelihood.count)
            for (score, reference) in zip(scores[index], sequence.labelLogLikelihood) {
                #expect(abs(score - reference) < 1e-4 * max(1, abs(reference)), "\(sequence.name)")
            }
        }
    }

    @Test(
        "a sequence alone and among others, in any order, gives the same numbers", arguments: GoldenCase.names
    )
    func mixing(name: String) throws {
        let golden = try GoldenCase(name)
        let pool = WorkerPool(threadCount: 2)
        let session = T5Session(
            core: try T5Core(golden.directory, precision: .float32, pool: pool), pool: pool)
        var generator = SplitMix64(state: 7)
        let alone = try golden.sequences.map { sequence in
            try answer([sequence], session)[0]
        }
        for _ in 0..<8 {
            let order = golden.sequences.indices.shuffled(using: &generator)
                .prefix(Int.random(in: 1...golden.sequences.count, using: &generator))
            let mixed = try answer(order.map { golden.sequences[$0] }, session)
            for (position, index) in order.enumerated() {
                #expect(mixed[position].ids == alone[index].ids)
                for (score, reference) in zip(mixed[position].probabilities, alone[index].probabilities) {
                    #expect(abs(score - reference) < 1e-4)
                }
            }
        }
    }

    private func answer(
        _ sequences: [GoldenCase.Sequence], _ session: T5Session
    ) throws -> [(ids: [Int32], probabilities: [Double])] {
        let encoded = try session.encode(sequences.map(\.input))
        let generations = try session.generate(
            encoded, sequences.indices.map { ($0, GenerationOptions(maximumNewTokens: 12)) })
        let scores = try session.scoreLabels(
            encoded,
            sequences.enumerated().map { index, sequence in
                let ended = sequence.labels.map { $0 + [1] }
                return (index, LabelPlan(LabelTrie(ended), over: .labels))
            })
        return zip(generations, scores).map { generation, scores in (generation.ids, scores.map(exp)) }
    }
}
