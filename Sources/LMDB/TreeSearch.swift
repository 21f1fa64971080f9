/// Looking keys up in trees without LMDB. What is damaged is an error or a key that is not found.
extension PageReader {
    /// The tree of a named database, `nil` when there is none of that name.
    func tree(of database: String, in meta: MetaPage) throws(Damage) -> TreeRecord? {
        guard let (page, record) = try find(Array(database.utf8), in: meta.main),
            record.flags == PageFormat.subDatabase, record.valueSize == TreeRecord.size
        else { return nil }
        return TreeRecord(page.bytes, at: record.valueOffset)
    }

    /// A page on the way down a tree, which has so many levels from here.
    func treePage(_ number: UInt64, levels: Int) throws(Damage) -> TreePage {
        try TreePage(try read(number), number: number, kind: levels > 1 ? .branch : .leaf)
    }

    /// A key's node and the leaf that has it.
    func find(_ key: [UInt8], in tree: TreeRecord) throws(Damage) -> (TreePage, TreePage.Node)? {
        guard tree.depth <= PageFormat.greatestDepth else {
            throw Damage("a tree is \(tree.depth) pages deep")
        }
        var number = tree.root
        for level in stride(from: Int(tree.depth), to: 0, by: -1) {
            let page = try treePage(number, levels: level)
            guard level > 1 else { return page.index(of: key).map { (page, page.node($0)) } }
            number = page.node(page.last(notAfter: key, isBranch: true)).child
        }
        return nil
    }

    /// The bytes of a leaf node's value.
    func value(of node: TreePage.Node, in leaf: TreePage) throws(Damage) -> [UInt8] {
        guard node.flags == PageFormat.bigData else {
            return Array(leaf.bytes[node.valueOffset..<node.valueOffset + node.valueSize])
        }
        let first: UInt64 = leaf.bytes.span.bytes.integer(node.valueOffset)
        _ = try OverflowHeader(self, first)
        return try read(first, at: PageFormat.headerSize, count: node.valueSize)
    }
}

extension TreePage {
    /// The last node whose key is not greater; -1 when the first one's is. The first key of a branch counts as the least.
    func last(notAfter key: [UInt8], isBranch: Bool) -> Int {
        var low = isBranch ? 1 : 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if key.lexicographicallyPrecedes(self.key(middle)) { high = middle } else { low = middle + 1 }
        }
        return low - 1
    }

    /// Where a leaf has a key, also when its keys are out of order.
    func index(of key: [UInt8]) -> Int? {
        let index = last(notAfter: key, isBranch: false)
        if index >= 0, self.key(index).elementsEqual(key) { return index }
        return isInOrder ? nil : (0..<count).first { self.key($0).elementsEqual(key) }
    }

    /// Whether a leaf's keys are in order.
    var isInOrder: Bool {
        (1..<count).allSatisfy { key($0 - 1).lexicographicallyPrecedes(key($0)) }
    }
}
