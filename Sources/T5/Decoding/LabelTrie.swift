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
        struct Edge: Hashable {
            let node: Int
            let token: Int32
        }
        var nodes = [Node(token: -1, parent: -1)]
        var paths: [[Int]] = []
        var children: [Edge: Int] = [:]
        for label in labels {
            var node = 0
            var path: [Int] = []
            for token in label {
                let edge = Edge(node: node, token: token)
                if let child = children[edge] {
                    node = child
                } else {
                    nodes.append(Node(token: token, parent: node))
                    nodes[node].children.append(nodes.count - 1)
                    node = nodes.count - 1
                    children[edge] = node
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

    /// For each id of each label the ids over which scoring by the labels takes its probability: those of the
    /// children of its node's parent, in the trie's order. Labels with the same parents share them.
    package var candidates: [[[Int32]]] {
        let tokens = nodes.map { node in node.children.map { nodes[$0].token } }
        return paths.map { path in path.map { tokens[nodes[$0].parent] } }
    }
}
