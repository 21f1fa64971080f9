import CLMDB

/// The header of the pages that hold a large value: that of their first.
struct OverflowHeader {
    /// The pages that there are.
    let count: UInt64

    init(_ reader: PageReader, _ page: UInt64) throws(Damage) {
        let header = try reader.read(page, count: PageFormat.headerSize)
        let bytes = header.span.bytes
        guard bytes.integer(0, as: UInt64.self) == page,
            bytes.integer(10, as: UInt16.self) == PageFormat.overflow
        else { throw Damage(page: page, "does not begin a large value") }
        count = UInt64(bytes.integer(12, as: UInt32.self))
    }
}

extension Environment {
    /// Checks the header of a key's value, if it is a large one, before the value is replaced or removed.
    ///
    /// LMDB frees the pages that the header says, and writes into them when it says that they are new; opening does
    /// not read the headers. A value that the transaction put itself is not in the committed state, and is sound.
    func checkLargeValue(
        of key: [UInt8], in database: Database, _ transaction: OpaquePointer
    ) throws(LMDBError) {
        var value = MDB_val()
        let code = key.withLMDBValue { mdb_get(transaction, database.handle, &$0, &value) }
        guard code == MDB_SUCCESS, value.mv_size >= PageFormat.leastLargeValue else { return }
        do throws(Damage) {
            let reader = try PageReader(handle)
            let meta = try reader.meta(before: transaction)
            guard let (page, size) = try reader.largeValue(of: key, in: database.name, of: meta) else {
                return
            }
            if try OverflowHeader(reader, page).count == PageFormat.overflowPages(size, reader.pageSize) {
                return
            }
            // More than it needs is right for a value that one transaction wrote twice, if they are not others'.
            try StructureCheck.run(reader, meta, overflowHeaders: true)
        } catch {
            throw LMDBError(error, path: path)
        }
    }
}

extension PageReader {
    /// The first page and the size of the key's value, when that has pages of its own.
    fileprivate func largeValue(
        of key: [UInt8], in database: String, of meta: MetaPage
    ) throws(Damage) -> (page: UInt64, size: Int)? {
        guard let (page, record) = try find(Array(database.utf8), in: meta.main),
            record.flags == PageFormat.subDatabase, record.valueSize == TreeRecord.size,
            let (leaf, node) = try find(key, in: TreeRecord(page.bytes, at: record.valueOffset)),
            node.flags == PageFormat.bigData
        else { return nil }
        return (leaf.bytes.span.bytes.integer(node.valueOffset), node.valueSize)
    }

    private func find(_ key: [UInt8], in tree: TreeRecord) throws(Damage) -> (TreePage, TreePage.Node)? {
        var number = tree.root
        for level in stride(from: Int(tree.depth), to: 0, by: -1) {
            let page = try TreePage(try read(number), number: number, kind: level > 1 ? .branch : .leaf)
            // Behind the last key that is not greater; the first of a branch counts as the least.
            var low = level > 1 ? 1 : 0
            var high = page.count
            while low < high {
                let middle = (low + high) / 2
                if key.lexicographicallyPrecedes(page.key(middle)) { high = middle } else { low = middle + 1 }
            }
            guard low > 0 else { return nil }
            let node = page.node(low - 1)
            guard level > 1 else { return page.key(node).elementsEqual(key) ? (page, node) : nil }
            number = node.child
        }
        return nil
    }
}
