import Foundation
import T5
import Tensors
import Testing

@Suite("Label scoring")
struct LabelScoringTests {
    let session: T5Session
    let encoded: EncodedBatch

    init() throws {
        let golden = try GoldenCase("v1_1-gated-untied")
        let pool = WorkerPool(threadCount: 1)
        session = T5Session(core: try T5Core(golden.directory, precision: .float32, pool: pool), pool: pool)
        encoded = try session.encode([golden.sequences[3].input])
    }

    private func score(_ labels: [[Int32]], _ normalization: LabelNormalization, prefix: [Int32] = []) throws
        -> [Double]
    {
        let plan = LabelPlan(LabelTrie(labels), over: normalization, prefix: prefix)
        return try session.scoreLabels(encoded, [(0, plan)])[0]
    }

    @Test("over the labels their probabilities sum to 1, whatever prefixes they share")
    func sumsToOne() throws {
        let labels: [[Int32]] = [[5, 6, 1], [5, 6, 7, 1], [5, 8, 1], [9, 1], [9, 9, 9, 1]]
        let total = try score(labels, .labels).map(exp).reduce(0, +)
        #expect(abs(total - 1) < 1e-9)
    }

    @Test("a trie gives each label what it gets alone")
    func sharedPrefixes() throws {
        let labels: [[Int32]] = [[5, 6, 1], [5, 6, 7, 1], [5], [5, 8, 1], [9, 1], [5, 6]]
        let together = try score(labels, .vocabulary)
        for (label, value) in zip(labels, together) {
            #expect(abs(try score([label], .vocabulary)[0] - value) < 1e-5)
        }
    }

    @Test("over the labels a piece's probability is its softmax among its node's children")
    func labelsFromVocabulary() throws {
        // Full-vocabulary log-probabilities differ from the restricted ones by a constant of the node.
        let labels: [[Int32]] = [[5, 1], [6, 1], [7, 1]]
        let firstPieces = try score([[5], [6], [7]], .vocabulary)
        let total = firstPieces.map(exp).reduce(0, +)
        for (restricted, full) in zip(try score(labels, .labels), firstPieces) {
            #expect(abs(exp(restricted) - exp(full) / total) < 1e-5)
        }
    }

    @Test("a target prefix is read before the label")
    func prefix() throws {
        let whole = try score([[11, 12, 5, 1]], .vocabulary)[0]
        let prefix = try score([[11, 12]], .vocabulary)[0]
        let rest = try score([[5, 1]], .vocabulary, prefix: [11, 12])[0]
        #expect(abs(prefix + rest - whole) < 1e-4)
    }

    @Test("a single label has probability 1")
    func singleLabel() throws {
        #expect(try score([[5, 6, 1]], .labels) == [0])
    }

    @Test("ids that the core lacks are refused")
    func idsOutOfRange() throws {
        #expect(throws: T5Error.self) { try score([[5, 1_000_000]], .labels) }
        #expect(throws: T5Error.self) { try score([[-1]], .vocabulary) }
        #expect(throws: T5Error.self) { try session.encode([T5Input(rows: [], ids: [1_000_000])]) }
        #expect(throws: T5Error.self) { try session.encode([T5Input(rows: [], ids: [])]) }
        #expect(throws: T5Error.self) { try session.encode([T5Input(rows: [1, 2, 3], ids: [5])]) }
    }
}
