import CLMDB

/// Marks a transaction that reads.
public enum ReadAccess {}

/// Marks a transaction that reads and writes.
public enum WriteAccess {}

/// A transaction that sees one state of the environment and changes nothing.
public typealias ReadTransaction = Transaction<ReadAccess>

/// The one transaction that may change the environment at a time.
public typealias WriteTransaction = Transaction<WriteAccess>

/// A transaction, valid inside the closure that `Environment.read` or `Environment.write` calls with it.
///
/// It cannot be copied, stored or sent to another thread. Values are lent to closures as `RawSpan`, straight from
/// the memory map where there is one. Changing needs exclusive access to the transaction and lending needs shared access, so the
/// compiler refuses a write while a lent value is in use, which LMDB forbids.
public struct Transaction<Access>: ~Copyable {
    /// Where the state is read from.
    enum Source {
        /// LMDB's transaction.
        case map(OpaquePointer)
        /// The file alone.
        case file(Snapshot)
    }

    let source: Source
    let environment: Environment

    /// Lends the key's value to `body`.
    ///
    /// - Returns: what `body` returns, or `nil` when the key is absent.
    /// - Throws: `LMDBError`, and whatever `body` throws.
    public borrowing func withValue<Result>(
        of key: [UInt8], in database: Database, _ body: (RawSpan) throws -> Result
    ) throws -> Result? {
        try check(database)
        switch source {
        case .map(let handle):
            guard let value = try find(key, in: database, handle) else { return nil }
            return try body(UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size).bytes)
        case .file(let snapshot):
            guard let value = try snapshot.value(of: key, in: database.name) else { return nil }
            return try body(value.span.bytes)
        }
    }

    /// A copy of the key's value, or `nil` when the key is absent.
    public borrowing func value(of key: [UInt8], in database: Database) throws(LMDBError) -> [UInt8]? {
        try check(database)
        switch source {
        case .map(let handle):
            guard let value = try find(key, in: database, handle) else { return nil }
            return Array(UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size))
        case .file(let snapshot):
            return try snapshot.value(of: key, in: database.name)
        }
    }

    /// Whether the key is present.
    public borrowing func contains(_ key: [UInt8], in database: Database) throws(LMDBError) -> Bool {
        try check(database)
        switch source {
        case .map(let handle): return try find(key, in: database, handle) != nil
        case .file(let snapshot): return try snapshot.contains(key, in: database.name)
        }
    }

    /// The number of keys in the database.
    public borrowing func count(in database: Database) throws(LMDBError) -> Int {
        try check(database)
        switch source {
        case .map(let handle):
            var statistics = MDB_stat()
            try check(
                mdb_stat(handle, database.handle, &statistics), "counting the keys of \"\(database.name)\"")
            return statistics.ms_entries
        case .file(let snapshot):
            return Int(clamping: try snapshot.tree(of: database.name)?.entries ?? 0)
        }
    }

    private borrowing func find(
        _ key: [UInt8], in database: Database, _ handle: OpaquePointer
    ) throws(LMDBError) -> MDB_val? {
        var value = MDB_val()
        let code = key.withLMDBValue { mdb_get(handle, database.handle, &$0, &value) }
        if code == MDB_NOTFOUND { return nil }
        try check(code, "reading from \"\(database.name)\"")
        return value
    }

    borrowing func check(_ database: Database) throws(LMDBError) {
        guard database.environment == ObjectIdentifier(environment) else {
            throw LMDBError(
                .wrongEnvironment,
                "\(environment.path): database \"\(database.name)\" belongs to another environment; open it here"
            )
        }
    }

    borrowing func check(_ code: CInt, _ action: @autoclosure () -> String) throws(LMDBError) {
        guard code == MDB_SUCCESS else {
            throw LMDBError(returnCode: code, path: environment.path, doing: action())
        }
    }
}

extension Transaction where Access == WriteAccess {
    /// Sets the key's value, replacing an earlier one.
    ///
    /// - Throws: `LMDBError` (`corrupted` when the earlier one's pages are damaged, …).
    public mutating func put(
        _ value: [UInt8], for key: [UInt8], in database: Database
    ) throws(LMDBError) {
        let handle = try handle(for: database)
        try environment.checkLargeValue(of: key, in: database, handle)
        let code = key.withLMDBValue { key in
            value.withLMDBValue { value in mdb_put(handle, database.handle, &key, &value, 0) }
        }
        try check(code, "writing to \"\(database.name)\"")
    }

    /// Removes the key and says whether it was there.
    ///
    /// - Throws: `LMDBError` (`corrupted` when its value's pages are damaged, …).
    @discardableResult
    public mutating func delete(_ key: [UInt8], in database: Database) throws(LMDBError) -> Bool {
        let handle = try handle(for: database)
        try environment.checkLargeValue(of: key, in: database, handle)
        let code = key.withLMDBValue { mdb_del(handle, database.handle, &$0, nil) }
        if code == MDB_NOTFOUND { return false }
        try check(code, "deleting from \"\(database.name)\"")
        return true
    }

    private borrowing func handle(for database: Database) throws(LMDBError) -> OpaquePointer {
        try check(database)
        guard case .map(let handle) = source else {
            throw LMDBError(.readOnly, "\(environment.path): it is open for reading only")
        }
        return handle
    }
}

extension Array where Element == UInt8 {
    /// Calls `body` with the bytes as LMDB takes them. LMDB reads through the pointer and never writes.
    func withLMDBValue<Result>(_ body: (inout MDB_val) -> Result) -> Result {
        withUnsafeBytes { bytes in
            var value = MDB_val(
                mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
            return body(&value)
        }
    }
}
