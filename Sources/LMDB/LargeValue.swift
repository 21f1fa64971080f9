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
        guard let handle else { return }
        let code = key.withLMDBValue { mdb_get(transaction, database.handle, &$0, &value) }
        guard code == MDB_SUCCESS, value.mv_size >= PageFormat.leastLargeValue else { return }
        do throws(Damage) {
            let reader = try PageReader(handle)
            let meta = try reader.meta(before: transaction)
            guard let tree = try reader.tree(of: database.name, in: meta),
                let (leaf, node) = try reader.find(key, in: tree), node.flags == PageFormat.bigData
            else { return }
            let first: UInt64 = leaf.bytes.span.bytes.integer(node.valueOffset)
            if try OverflowHeader(reader, first).count
                == PageFormat.overflowPages(node.valueSize, reader.pageSize)
            {
                return
            }
            // More than it needs is right for a value that one transaction wrote twice, if they are not others'.
            _ = try StructureCheck.run(reader, meta, overflowHeaders: true)
        } catch {
            throw LMDBError(error, path: path)
        }
    }
}
