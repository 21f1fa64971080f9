import CKernels
import Foundation

/// What a sequence's labels are scored with.
public struct LabelScoringOptions: Sendable {
    /// The labels.
    public var trie: LabelTrie
    /// Over what each piece's probability is taken.
    public var normalization: LabelNormalization
    /// Ids that the decoder is given after its start id, before the label.
    public var prefix: [Int32]

    /// Options for scoring labels.
    public init(trie: LabelTrie, normalization: LabelNormalization, prefix: [Int32] = []) {
        self.trie = trie
        self.normalization = normalization
        self.prefix = prefix
    }

    /// Decoder rows that scoring takes.
    public var decoderRows: Int { prefix.count + trie.neededNodes(normalization).count }
}

extension T5Session {
    /// Scores each sequence's labels in one decoder pass over their tries.
    ///
    /// - Returns: For each request the log-likelihood of each label: the sum over its ids of the log of their
    ///   probability at their node.
    /// - Throws: `T5Error` when a label or prefix holds an id out of range.
    public func scoreLabels(
        _ encoded: EncodedBatch, _ requests: [(sequence: Int, options: LabelScoringOptions)]
    ) throws(T5Error) -> [[Double]] {
        var inputs: [DecoderInput] = []
        var plans: [LabelPlan] = []
        var firstRow = 0
        for (sequence, options) in requests {
            try check(options.prefix)
            try check(options.trie.nodes.dropFirst().map(\.token))
            let plan = LabelPlan(options, startID: configuration.decoderStartID, firstRow: firstRow)
            firstRow += plan.tokens.count
            plans.append(plan)
            inputs.append(
                DecoderInput(
                    sequence: DecoderSequence(encoded, sequence: sequence), tokens: plan.tokens,
                    parents: plan.parents))
        }
        let hidden = decode(inputs)
        var edges = zip(requests, plans).map { request, plan in
            request.options.normalization == .labels
                ? labelEdges(hidden.floats, request.options.trie, plan)
                : [Double](repeating: 0, count: request.options.trie.nodes.count)
        }
        // The full-vocabulary rows of all requests share the LM head's GEMM.
        var vocabularyRows: [(request: Int, node: Int)] = []
        for (request, plan) in plans.enumerated() where requests[request].options.normalization == .vocabulary
        {
            vocabularyRows += plan.rowOfNode.keys.sorted().map { (request, $0) }
        }
        let rows = vocabularyRows.map { plans[$0.request].rowOfNode[$0.node] ?? 0 }
        logits(hidden, rows: rows) { index, logits in
            let (request, node) = vocabularyRows[index]
            let total = pp_f32_log_sum_exp(pool.kernels, logits, configuration.vocabularySize)
            let nodes = requests[request].options.trie.nodes
            for child in nodes[node].children {
                edges[request][child] = Double(logits[Int(nodes[child].token)]) - total
            }
        }
        return zip(requests, edges).map { request, edges in
            request.options.trie.paths.map { path in path.reduce(0) { $0 + edges[$1] } }
        }
    }

    /// The log-probability of each node given its parent, over the parent's children alone.
    private func labelEdges(
        _ hidden: UnsafePointer<Float>, _ trie: LabelTrie, _ plan: LabelPlan
    ) -> [Double] {
        let d = configuration.modelWidth
        var edges = [Double](repeating: 0, count: trie.nodes.count)
        for (node, row) in plan.rowOfNode where trie.nodes[node].children.count > 1 {
            let children = trie.nodes[node].children
            let logits = layers.logits(hidden + row * d, of: children.map { trie.nodes[$0].token }).map(
                Double.init)
            let largest = logits.max() ?? 0
            let total = largest + log(logits.reduce(0) { $0 + exp($1 - largest) })
            for (child, logit) in zip(children, logits) { edges[child] = logit - total }
        }
        return edges
    }
}

/// The decoder rows that score one sequence's labels: the start id and target prefix, then the trie's nodes.
private struct LabelPlan {
    var tokens: [Int32]
    var parents: [Int]
    /// The row, within the pass, of each needed node.
    var rowOfNode: [Int: Int] = [:]

    init(_ options: LabelScoringOptions, startID: Int32, firstRow: Int) {
        tokens = [startID] + options.prefix
        parents = Array(-1..<options.prefix.count)
        let root = tokens.count - 1
        rowOfNode[0] = firstRow + root
        for node in options.trie.neededNodes(options.normalization).dropFirst() {
            let parent = options.trie.nodes[node].parent
            parents.append((rowOfNode[parent] ?? firstRow + root) - firstRow)
            rowOfNode[node] = firstRow + tokens.count
            tokens.append(options.trie.nodes[node].token)
        }
    }
}
