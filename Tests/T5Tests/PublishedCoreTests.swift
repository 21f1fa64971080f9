import Foundation
import T5
import Tensors
import TestSupport
import Testing

/// Cores that others published, which may not be copied into this repository.
@Suite("Published cores")
struct PublishedCoreTests {
    @Test(
        "a small Chronos loads, and gives what transformers 4.57.6 computes in float32",
        .needsShared("cores/chronos-dummy"))
    func chronosDummy() throws {
        let pool = WorkerPool(threadCount: 2)
        let core = try T5Core(Repository.shared("cores/chronos-dummy"), precision: .float32, pool: pool)
        let session = T5Session(core: core, pool: pool)
        let encoded = try session.encode([T5Input(rows: [], ids: [5, 9, 20, 31, 2, 1])])
        let rows = encoded.rows(of: 0)
        let first: [Float] = [
            0.038875777274370193, 0.02467336878180504, 0.06497173011302948, 0.009114819578826427,
            0.05424175783991814, 0.06614446640014648, 0.03580121695995331, 0.05750828981399536,
        ]
        let last: [Float] = [
            0.04647146910429001, 0.09423279762268066, -0.033315323293209076, -0.0059499917551875114,
            0.03338301181793213, -0.012900203466415405, -0.02526906691491604, -0.010960478335618973,
        ]
        let logits: [Float] = [
            0.02308068983256817, 0.0007525451947003603, -0.00020035510533489287, 0.00030763729591853917,
            -0.003456047736108303, -0.002974157687276602, -0.0003119690518360585, 0.0009199899504892528,
            -0.0038620466366410255, -0.004525644704699516, -0.0006109847454354167, -0.003303120145574212,
            -0.001975887455046177, -0.0012310941237956285, -0.005018562078475952, -0.0003968019736930728,
        ]
        #expect(relativeDifference(Array(rows.prefix(8)), first) < 5e-5)
        #expect(relativeDifference(Array(rows.suffix(64).prefix(8)), last) < 5e-5)
        #expect(
            relativeDifference(Array(session.firstLogits(encoded, sequence: 0).prefix(16)), logits) < 5e-5)
        let trie = LabelTrie([[7, 1], [3, 4, 5]])
        let scores = try session.scoreLabels(
            encoded, [(0, LabelPlan(trie, over: .vocabulary))])[0]
        for (score, reference) in zip(scores, [-6.927288507932563, -10.393525978452361]) {
            #expect(abs(score - reference) < 1e-5 * abs(reference))
        }
        let generation = try session.generate(encoded, [(0, GenerationOptions(maximumNewTokens: 12))])[0]
        #expect(generation.ids == [Int32](repeating: 0, count: 12))
    }

    /// A checkpoint whose directory an environment variable names, and the log-likelihood that the tests of
    /// transformers expect of "Hi I am" for "Hello there", the end-of-sequence id included in both
    /// (`tests/models/t5/test_modeling_t5.py`: the loss times the number of the target's ids).
    struct Checkpoint: Sendable, CustomTestStringConvertible {
        let variable: String
        let input: [Int32]
        let target: [Int32]
        let logLikelihood: Double

        var testDescription: String { variable }
        var directory: String? { ProcessInfo.processInfo.environment[variable] }

        static let t5Input: [Int32] = [8774, 132, 1]
        static let t5Target: [Int32] = [2018, 27, 183, 1]
        static func bytes(_ text: String) -> [Int32] { text.utf8.map { Int32($0) + 3 } + [1] }

        static let all = [
            Checkpoint(
                variable: "POLYPROMPT_T5_SMALL", input: t5Input, target: t5Target, logLikelihood: -19.0845),
            Checkpoint(
                variable: "POLYPROMPT_T5_V1_1_SMALL", input: t5Input, target: t5Target,
                logLikelihood: -59.0293),
            Checkpoint(
                variable: "POLYPROMPT_BYT5_SMALL", input: bytes("Hello there"), target: bytes("Hi I am"),
                logLikelihood: -60.7397),
        ]
    }

    @Test("give the log-likelihood that transformers' own tests expect", arguments: Checkpoint.all)
    func logLikelihood(checkpoint: Checkpoint) throws {
        guard let directory = checkpoint.directory else {
            printSkipped("the published log-likelihood", because: "\(checkpoint.variable) names no directory")
            return
        }
        let pool = WorkerPool(threadCount: WorkerPool.availableProcessors)
        let session = T5Session(core: try T5Core(directory, precision: .float32, pool: pool), pool: pool)
        let encoded = try session.encode([T5Input(rows: [], ids: checkpoint.input)])
        let options = LabelPlan(LabelTrie([checkpoint.target]), over: .vocabulary)
        let score = try session.scoreLabels(encoded, [(0, options)])[0][0]
        #expect(
            abs(score - checkpoint.logLikelihood) < 1e-4 * abs(checkpoint.logLikelihood), "\(score)")
    }
}
