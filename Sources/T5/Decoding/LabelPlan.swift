/// How a set of labels is scored in one decoder pass: made once for the labels, used with every sequence.
public struct LabelPlan: Sendable {
    /// The labels.
    public let trie: LabelTrie
    /// Over what each piece's probability is taken.
    public let normalization: LabelNormalization
    /// What the decoder reads after its start id: the prefix, then the trie's needed nodes.
    let tokens: [Int32]
    /// For the start id and each of `tokens` the row before it; -1 for the start id.
    let parents: [Int]
    /// Where the labels part, in the order of their rows.
    let branchings: [Branching]
    /// The lowest and the highest id of prefix and labels.
    let idBounds: [Int32]

    /// A node of the trie whose children's probabilities are computed.
    struct Branching: Sendable {
        /// The row of the decoder's output, counted from the start id's.
        let row: Int
        /// The trie's nodes that may follow, and their ids.
        let children: [Int]
        let ids: [Int32]
    }

    /// A plan for labels.
    ///
    /// - Parameters:
    ///   - trie: The labels.
    ///   - normalization: Over what each piece's probability is taken.
    ///   - prefix: Ids that the decoder is given after its start id, before the label.
    public init(_ trie: LabelTrie, over normalization: LabelNormalization, prefix: [Int32] = []) {
        self.trie = trie
        self.normalization = normalization
        var tokens = prefix
        var parents = Array(-1..<prefix.count)
        var rows = [Int](repeating: prefix.count, count: trie.nodes.count)
        var branchings: [Branching] = []
        for node in trie.neededNodes(normalization) {
            if node > 0 {
                parents.append(rows[trie.nodes[node].parent])
                tokens.append(trie.nodes[node].token)
                rows[node] = tokens.count
            }
            let children = trie.nodes[node].children
            // Over the labels a single child has probability 1 without a look.
            guard normalization == .vocabulary || children.count > 1 else { continue }
            branchings.append(
                Branching(row: rows[node], children: children, ids: children.map { trie.nodes[$0].token }))
        }
        self.tokens = tokens
        self.parents = parents
        self.branchings = branchings
        let ids = prefix + trie.nodes.dropFirst().map(\.token)
        idBounds = [ids.min(), ids.max()].compactMap { $0 }
    }

    /// Decoder rows that scoring a sequence takes.
    public var decoderRows: Int { parents.count }

    /// Checks that a core has all ids of prefix and labels.
    ///
    /// - Throws: `T5Error` naming the first that it lacks.
    public func check(_ configuration: T5Configuration) throws(T5Error) { try configuration.check(idBounds) }
}

/// Over what the probability of each piece of a label is taken.
public enum LabelNormalization: String, Sendable, CaseIterable {
    /// Over the children of its node in the trie: the labels' probabilities sum to 1.
    case labels
    /// Over all pieces.
    case vocabulary
}
