import CLMDB

#if canImport(Glibc)
    import Glibc
#endif

/// Whether an iteration goes on.
public enum Iteration: Sendable {
    /// Visit the next key.
    case next
    /// Visit no more keys.
    case stop
}

extension Transaction {
    /// Visits keys in the order of their bytes.
    ///
    /// - Parameters:
    ///   - prefix: Only keys that begin with these bytes.
    ///   - after: Only keys greater than this one, to go on where an earlier iteration stopped.
    ///   - body: Called with each key and value, both lent for the call.
    /// - Throws: `LMDBError` (`corrupted` when keys are out of order, which a damaged page would let go on for
    ///   ever), and whatever `body` throws.
    public borrowing func forEach(
        in database: Database, prefix: [UInt8] = [], after: [UInt8]? = nil,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws -> Iteration
    ) throws {
        try check(database)
        switch source {
        case .map(let handle):
            try forEach(in: database, prefix: prefix, after: after, handle, body)
        case .file(let snapshot):
            guard let tree = try snapshot.tree(of: database.name) else { return }
            try snapshot.forEach(in: tree, prefix: prefix, after: after) { key, node, leaf in
                let value = try snapshot.value(of: node, in: leaf)
                return try key.withUnsafeBytes { key in
                    try value.withUnsafeBytes { value in try body(key.bytes, value.bytes) }
                }
            }
        }
    }

    private borrowing func forEach(
        in database: Database, prefix: [UInt8], after: [UInt8]?, _ handle: OpaquePointer,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws -> Iteration
    ) throws {
        var opened: OpaquePointer?
        try check(mdb_cursor_open(handle, database.handle, &opened), "reading \"\(database.name)\"")
        guard let cursor = opened else { return }
        defer { mdb_cursor_close(cursor) }

        var key = MDB_val()
        var value = MDB_val()
        var code = seek(cursor, prefix: prefix, after: after, &key, &value)
        // Stays valid: while `self` is borrowed nothing is written.
        var previous: UnsafeRawBufferPointer?
        while code == MDB_SUCCESS {
            let keyBytes = UnsafeRawBufferPointer(start: key.mv_data, count: key.mv_size)
            guard keyBytes.starts(with: prefix) else { return }
            let inOrder = previous.map { Self.precedes($0, keyBytes) } ?? true
            guard inOrder, after.map({ $0.withUnsafeBytes { Self.precedes($0, keyBytes) } }) ?? true else {
                throw LMDBError(
                    .corrupted,
                    "\(environment.path): the keys of \"\(database.name)\" are out of order; restore a backup"
                )
            }
            previous = keyBytes
            let valueBytes = UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size)
            guard try body(keyBytes.bytes, valueBytes.bytes) == .next else { return }
            code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)
        }
        if code != MDB_NOTFOUND { try check(code, "reading \"\(database.name)\"") }
    }

    private static func precedes(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        guard let leftStart = left.baseAddress, let rightStart = right.baseAddress else {
            return left.count < right.count
        }
        let order = memcmp(leftStart, rightStart, min(left.count, right.count))
        return order == 0 ? left.count < right.count : order < 0
    }

    /// Puts the cursor on the first key that the iteration visits.
    private borrowing func seek(
        _ cursor: OpaquePointer, prefix: [UInt8], after: [UInt8]?, _ key: inout MDB_val,
        _ value: inout MDB_val
    ) -> CInt {
        guard let after, !after.isEmpty, !after.lexicographicallyPrecedes(prefix) else {
            return prefix.isEmpty
                ? mdb_cursor_get(cursor, &key, &value, MDB_FIRST)
                : Self.seek(cursor, atOrAfter: prefix, &key, &value)
        }
        let code = Self.seek(cursor, atOrAfter: after, &key, &value)
        guard code == MDB_SUCCESS,
            UnsafeRawBufferPointer(start: key.mv_data, count: key.mv_size).elementsEqual(after)
        else { return code }
        return mdb_cursor_get(cursor, &key, &value, MDB_NEXT)
    }

    private static func seek(
        _ cursor: OpaquePointer, atOrAfter target: [UInt8], _ key: inout MDB_val, _ value: inout MDB_val
    ) -> CInt {
        target.withLMDBValue { sought in
            let code = mdb_cursor_get(cursor, &sought, &value, MDB_SET_RANGE)
            // On success LMDB has replaced the pointer into `target` by one into the map.
            if code == MDB_SUCCESS { key = sought }
            return code
        }
    }
}
