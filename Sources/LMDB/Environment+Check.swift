import CLMDB

#if canImport(Glibc)
    import Glibc
#endif

extension Environment {
    /// Checks that the pages of the newest committed state are as LMDB writes them, without letting LMDB read them.
    ///
    /// LMDB keeps no checksums and trusts its file; damaged pages can end the process that reads or changes them.
    /// Opening checks all that reading follows; this reads, of every large value, the header too. Keys and values
    /// themselves are not checked. Beside other readers and writers, whose commits keep what is sound so.
    ///
    /// - Throws: `corrupted`, with the first thing found; `disordered` when nothing is wrong but keys out of order.
    public func checkStructure() throws(LMDBError) {
        if let unlocked { return try unlocked.checkStructure(overflowHeaders: true) }
        guard let handle else { return }
        try Self.retrying(path) { () throws(LMDBError) in
            try reading { transaction throws(LMDBError) in
                Self.checkStructure(handle, transaction, overflowHeaders: true)
            }
        }
    }

    /// Whether keys were found out of order when the environment was opened. It can be read then, and a key that an
    /// iteration gives may be greater than some that it gives later.
    public var isDisordered: Bool { unlocked?.isDisordered.load(ordering: .relaxed) ?? false }

    /// As `checkStructure()`, without the headers of large values, which are as many as there are prompts and lie
    /// all over the file. Of an environment that nobody else has yet.
    static func checkTrees(_ handle: OpaquePointer, path: String) throws(LMDBError) {
        try retrying(path) { () throws(LMDBError) in
            var transaction: OpaquePointer?
            var code = mdb_txn_begin(handle, nil, UInt32(MDB_RDONLY), &transaction)
            if code == MDB_MAP_RESIZED {
                // Another process made it grow since it was opened.
                code = mdb_env_set_mapsize(handle, 0)
                if code == MDB_SUCCESS { code = mdb_txn_begin(handle, nil, UInt32(MDB_RDONLY), &transaction) }
            }
            guard code == MDB_SUCCESS, let transaction else {
                throw LMDBError(returnCode: code, path: path, doing: "beginning a transaction")
            }
            defer { mdb_txn_abort(transaction) }
            return checkStructure(handle, transaction, overflowHeaders: false)
        }
    }

    /// What is wrong with the state of a transaction. While that lives, no writer reuses the state's pages.
    private static func checkStructure(
        _ handle: OpaquePointer, _ transaction: OpaquePointer, overflowHeaders: Bool
    ) -> Finding? {
        do throws(Damage) {
            let reader = try PageReader(handle)
            let meta = try reader.meta(of: transaction)
            return try StructureCheck.run(reader, meta, overflowHeaders: overflowHeaders).map(
                Finding.disorder)
        } catch {
            return .damage(error)
        }
    }

    /// What a check found.
    enum Finding {
        case damage(Damage)
        case disorder(Damage)

        func error(at path: String) -> LMDBError {
            switch self {
            case .damage(let damage): LMDBError(damage, path: path)
            case .disorder(let damage):
                LMDBError(
                    .disordered,
                    "\(path): data.mdb is damaged: \(damage.reason); it can only be read; restore a backup or go on"
                        + " with a copy of it (prompts backup)")
            }
        }
    }

    /// Checks again, in another transaction, what was found damaged: two commits between the beginning of the
    /// transaction and the reading of its meta page replace that.
    private static func retrying(
        _ path: String, _ check: () throws(LMDBError) -> Finding?
    ) throws(LMDBError) {
        for _ in 0..<3 {
            guard try check() != nil else { return }
        }
        if let finding = try check() { throw finding.error(at: path) }
    }
}

extension LMDBError {
    init(_ damage: Damage, path: String) {
        self.init(.corrupted, "\(path): data.mdb is damaged: \(damage.reason); restore a backup")
    }
}
