import CKernels
import Foundation

extension T5Session {
    /// Scores each sequence's labels, in one decoder pass over their tries unless they have many pieces.
    ///
    /// - Returns: For each request the log-likelihood of each label: the sum over its ids of the log of their
    ///   probability at their node. Not finite where the core's numbers are not.
    /// - Throws: `T5Error` when a label or prefix holds an id out of range.
    public func scoreLabels(
        _ encoded: EncodedBatch, _ requests: [(sequence: Int, plan: LabelPlan)]
    ) throws(T5Error) -> [[Double]] {
        // The log-probability of each node given its parent.
        var edges = requests.map { [Double](repeating: 0, count: $0.plan.trie.nodes.count) }
        var pass: [SliceOfLabels] = []
        var rows = 0
        for (request, (sequence, plan)) in requests.enumerated() {
            try plan.check(configuration)
            for slice in plan.slices {
                if rows + slice.parents.count > LabelPlan.maximumRows, !pass.isEmpty {
                    score(pass, encoded, into: &edges)
                    (pass, rows) = ([], 0)
                }
                pass.append(
                    SliceOfLabels(
                        request: request, sequence: sequence, slice: slice, firstRow: rows,
                        normalization: plan.normalization))
                rows += slice.parents.count
            }
        }
        score(pass, encoded, into: &edges)
        return zip(requests, edges).map { request, edges in
            request.plan.trie.paths.map { path in path.reduce(0) { $0 + edges[$1] } }
        }
    }

    /// What a pass reads for a request.
    private struct SliceOfLabels {
        let request: Int
        let sequence: Int
        let slice: LabelPlan.Slice
        let firstRow: Int
        let normalization: LabelNormalization
    }

    /// One decoder pass.
    private func score(_ pass: [SliceOfLabels], _ encoded: EncodedBatch, into edges: inout [[Double]]) {
        guard !pass.isEmpty else { return }
        let hidden = decode(
            pass.map { part in
                DecoderInput(
                    sequence: DecoderSequence(encoded, sequence: part.sequence),
                    tokens: [configuration.decoderStartID] + part.slice.tokens, parents: part.slice.parents)
            })
        // The full-vocabulary rows of all requests share the LM head's GEMM.
        var overVocabulary: [(request: Int, row: Int, branching: LabelPlan.Branching)] = []
        for part in pass {
            for branching in part.slice.branchings {
                let row = part.firstRow + branching.row
                switch part.normalization {
                case .vocabulary: overVocabulary.append((part.request, row, branching))
                case .labels:
                    let logits = layers.logits(
                        hidden.floats + row * configuration.modelWidth, of: branching.ids
                    ).map(Double.init)
                    let largest = logits.max() ?? 0
                    let total = largest + log(logits.reduce(0) { $0 + exp($1 - largest) })
                    for (child, logit) in zip(branching.children, logits) {
                        edges[part.request][child] = logit - total
                    }
                }
            }
        }
        logits(hidden, rows: overVocabulary.map(\.row)) { index, logits in
            let (request, _, branching) = overVocabulary[index]
            let total = pp_f32_log_sum_exp(pool.kernels, logits, configuration.vocabularySize)
            for (child, id) in zip(branching.children, branching.ids) {
                edges[request][child] = Double(logits[Int(id)]) - total
            }
        }
    }
}
