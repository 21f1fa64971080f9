import Foundation
import T5
import Tensors

/// Loads a core and makes a session that computes on all CPU cores.
func openCore(_ directory: String) throws -> T5Session {
    let pool = WorkerPool(threadCount: WorkerPool.availableProcessors)
    let core = try T5Core(directory, pool: pool)
    return T5Session(core: core, pool: pool)
}

/// What the core writes after a prompt's rows and some ids: the likeliest id, then the next.
func continuation(of ids: [Int32], after prompt: [Float], by session: T5Session) throws -> [Int32] {
    let encoded = try session.encode([T5Input(rows: prompt, ids: ids)])
    let options = GenerationOptions(maximumNewTokens: 8)
    return try session.generate(encoded, [(sequence: 0, options: options)])[0].ids
}

/// The probability of each label for each text.
func probabilities(
    of labels: [[Int32]], for texts: [T5Input], by session: T5Session
) throws -> [[Double]] {
    let encoded = try session.encode(texts)
    let plan = LabelPlan(LabelTrie(labels), over: .labels)
    let scores = try session.scoreLabels(encoded, texts.indices.map { (sequence: $0, plan: plan) })
    return scores.map { $0.map(exp) }
}
