/// Labels as token sequences, with shared prefixes held once.
///
/// Node 0 is the root: the decoder's start id (and target prefix), whose children are the labels' first ids.
public struct LabelTrie: Sendable {
    struct Node: Sendable {
        let token: Int32
        let parent: Int
        /// Nodes reached from here, in the order in which labels first reach them.
        var children: [Int] = []
    }

    private(set) var nodes: [Node]
    /// For each label the nodes of its ids, in order.
    let paths: [[Int]]

    /// Builds the trie.
    ///
    /// - Parameter labels: Each label's ids, at least one each; for a task's labels the end-of-sequence id is
    ///   the last, so that no label is the prefix of another.
    public init(_ labels: [[Int32]]) {
        var nodes = [Node(token: -1, parent: -1)]
        var paths: [[Int]] = []
        for label in labels {
            var node = 0
            var path: [Int] = []
            for token in label {
                if let child = nodes[node].children.first(where: { nodes[$0].token == token }) {
                    node = child
                } else {
                    nodes.append(Node(token: token, parent: node))
                    nodes[node].children.append(nodes.count - 1)
                    node = nodes.count - 1
                }
                path.append(node)
            }
            paths.append(path)
        }
        self.nodes = nodes
        self.paths = paths
    }

    /// The nodes whose decoder output is needed, parents before children.
    ///
    /// Over the vocabulary these are all nodes that have children. Over the labels a node with a single child
    /// gives it probability 1 without a look, so only branching nodes and what leads to them are read.
    func neededNodes(_ normalization: LabelNormalization) -> [Int] {
        var isNeeded = nodes.map { node in
            normalization == .vocabulary ? !node.children.isEmpty : node.children.count > 1
        }
        for index in nodes.indices.reversed() where isNeeded[index] && index > 0 {
            isNeeded[nodes[index].parent] = true
        }
        // Without any branching there is nothing to compute, but the pass still needs a row.
        isNeeded[0] = true
        return nodes.indices.filter { isNeeded[$0] }
    }

    /// For each id of a label the ids over which scoring by the labels takes its probability: those of the
    /// children of its node's parent, in the trie's order.
    package func candidates(of label: Int) -> [[Int32]] {
        paths[label].map { node in nodes[nodes[node].parent].children.map { nodes[$0].token } }
    }
}
