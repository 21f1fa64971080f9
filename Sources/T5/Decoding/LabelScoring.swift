import CKernels
import Foundation

extension T5Session {
    /// Scores each sequence's labels in one decoder pass over their tries.
    ///
    /// - Returns: For each request the log-likelihood of each label: the sum over its ids of the log of their
    ///   probability at their node.
    /// - Throws: `T5Error` when a label or prefix holds an id out of range.
    public func scoreLabels(
        _ encoded: EncodedBatch, _ requests: [(sequence: Int, plan: LabelPlan)]
    ) throws(T5Error) -> [[Double]] {
        var inputs: [DecoderInput] = []
        var firstRows: [Int] = []
        var rows = 0
        for (sequence, plan) in requests {
            try plan.check(configuration)
            inputs.append(
                DecoderInput(
                    sequence: DecoderSequence(encoded, sequence: sequence),
                    tokens: [configuration.decoderStartID] + plan.tokens, parents: plan.parents))
            firstRows.append(rows)
            rows += plan.decoderRows
        }
        let hidden = decode(inputs)
        // The log-probability of each node given its parent.
        var edges = requests.map { [Double](repeating: 0, count: $0.plan.trie.nodes.count) }
        // The full-vocabulary rows of all requests share the LM head's GEMM.
        var overVocabulary: [(request: Int, branching: LabelPlan.Branching)] = []
        for (request, (_, plan)) in requests.enumerated() {
            for branching in plan.branchings {
                switch plan.normalization {
                case .vocabulary: overVocabulary.append((request, branching))
                case .labels:
                    let row = hidden.floats + (firstRows[request] + branching.row) * configuration.modelWidth
                    let logits = layers.logits(row, of: branching.ids).map(Double.init)
                    let largest = logits.max() ?? 0
                    let total = largest + log(logits.reduce(0) { $0 + exp($1 - largest) })
                    for (child, logit) in zip(branching.children, logits) {
                        edges[request][child] = logit - total
                    }
                }
            }
        }
        logits(hidden, rows: overVocabulary.map { firstRows[$0.request] + $0.branching.row }) {
            index, logits in
            let (request, branching) = overVocabulary[index]
            let total = pp_f32_log_sum_exp(pool.kernels, logits, configuration.vocabularySize)
            for (child, id) in zip(branching.children, branching.ids) {
                edges[request][child] = Double(logits[Int(id)]) - total
            }
        }
        return zip(requests, edges).map { request, edges in
            request.plan.trie.paths.map { path in path.reduce(0) { $0 + edges[$1] } }
        }
    }
}
