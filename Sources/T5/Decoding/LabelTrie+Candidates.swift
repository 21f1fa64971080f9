extension LabelTrie {
    /// For each id of a label the ids over which scoring by the labels takes its probability: those of the
    /// children of its node's parent, in the trie's order.
    package func candidates(of label: Int) -> [[Int32]] {
        paths[label].map { node in nodes[nodes[node].parent].children.map { nodes[$0].token } }
    }
}
