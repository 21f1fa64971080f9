/// How a set of labels is scored: made once for the labels, used with every sequence.
public struct LabelPlan: Sendable {
    /// The labels.
    public let trie: LabelTrie
    /// Over what each piece's probability is taken.
    public let normalization: LabelNormalization
    /// What is read in a pass each: one, unless the labels have many pieces.
    let slices: [Slice]
    /// The lowest and the highest id of prefix and labels.
    let idBounds: [Int32]

    /// Most rows of a pass, so that the memory of scoring does not grow with the labels; a single label may have more.
    static let maximumRows = 4096

    /// Some of the trie's needed nodes, with all that lead to them.
    struct Slice: Sendable {
        /// What the decoder reads after its start id: the prefix, then nodes.
        var tokens: [Int32]
        /// For the start id and each of `tokens` the row before it; -1 for the start id.
        var parents: [Int]
        /// Where the labels part, in the order of their rows.
        var branchings: [Branching] = []
        /// Rows of the nodes that it reads.
        private var rows: [Int: Int]

        fileprivate init(prefix: [Int32]) {
            tokens = prefix
            parents = Array(-1..<prefix.count)
            rows = [0: prefix.count]
        }

        /// The nodes that are to be read before a node can be, and that node: all that are not read yet, the last first.
        fileprivate func missing(_ node: Int, _ trie: LabelTrie) -> [Int] {
            var missing: [Int] = []
            var node = node
            while rows[node] == nil {
                missing.append(node)
                node = trie.nodes[node].parent
            }
            return missing
        }

        fileprivate mutating func read(_ node: Int, _ trie: LabelTrie) {
            parents.append(rows[trie.nodes[node].parent] ?? 0)
            tokens.append(trie.nodes[node].token)
            rows[node] = tokens.count
        }

        /// The row of a node that it reads.
        fileprivate func row(of node: Int) -> Int { rows[node] ?? 0 }

        /// Lets go of what only making it needs.
        fileprivate mutating func finish() { rows = [:] }
    }

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
        var slices = [Slice(prefix: prefix)]
        for node in trie.neededNodes(normalization) {
            var last = slices.count - 1
            var missing = slices[last].missing(node, trie)
            if slices[last].parents.count + missing.count > Self.maximumRows, !slices[last].branchings.isEmpty
            {
                slices[last].finish()
                slices.append(Slice(prefix: prefix))
                last += 1
                missing = slices[last].missing(node, trie)
            }
            for node in missing.reversed() { slices[last].read(node, trie) }
            let children = trie.nodes[node].children
            // Over the labels a single child has probability 1 without a look.
            guard normalization == .vocabulary || children.count > 1 else { continue }
            slices[last].branchings.append(
                Branching(
                    row: slices[last].row(of: node), children: children,
                    ids: children.map { trie.nodes[$0].token }))
        }
        slices[slices.count - 1].finish()
        self.slices = slices
        let ids = prefix + trie.nodes.dropFirst().map(\.token)
        idBounds = [ids.min(), ids.max()].compactMap { $0 }
    }

    /// Decoder rows that scoring a sequence takes.
    public var decoderRows: Int { slices.reduce(0) { $0 + $1.parents.count } }

    /// Nodes of the labels' trie.
    public var nodeCount: Int { trie.nodes.count }

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
