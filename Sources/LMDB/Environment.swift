import CLMDB
import Synchronization

/// An LMDB environment: a directory with `data.mdb` and `lock.mdb` that several processes may share.
///
/// Readers see one committed state and never wait for the writer; one writer at a time, over all processes, changes
/// it; a commit is on the disk when `write` returns. Transactions are closures, so none outlives its scope, its
/// thread or an `await`.
///
/// `@unchecked Sendable`: LMDB's environment handle may be used from any thread (transactions are bound to threads
/// by their closures, `MDB_NOTLS` frees readers from thread-local storage, and LMDB's own lock admits one writer);
/// what LMDB leaves to the caller, moving the map, is behind `gate`.
public final class Environment: @unchecked Sendable {
    /// What an environment is opened for.
    public enum Mode: Sendable {
        /// The environment must exist; `write` is refused.
        case readOnly
        /// Directory and environment are made when missing.
        case readWrite
    }

    /// The names of an environment's files.
    package static let files = ["data.mdb", "lock.mdb"]

    /// The directory, as it was first given.
    public let path: String
    /// What the environment was first opened for.
    public let mode: Mode

    let handle: OpaquePointer
    let gate = TransactionGate()
    private let identity: DataFile.Identity
    private let maximumSize: Int
    private let databases = Mutex<[String: MDB_dbi]>([:])
    /// A map that was unmapped and could not be mapped again leaves nothing to read.
    private let lostMap = Atomic(false)

    /// Opens the environment, or returns the one that the process has open already.
    ///
    /// - Parameters:
    ///   - path: The directory.
    ///   - mode: A process that has it open for writing gets that same environment for `readOnly` too.
    ///   - initialSize: Bytes of address space to begin with; it grows as needed, and costs no memory or disk.
    ///   - maximumSize: Bytes that the data may grow to.
    public static func open(
        _ path: String, mode: Mode, initialSize: Int = 1 << 30, maximumSize: Int = 1 << 40
    ) throws(LMDBError) -> Environment {
        try EnvironmentRegistry.open(
            path, mode: mode, initialSize: min(initialSize, maximumSize), maximumSize: maximumSize)
    }

    init(
        handle: OpaquePointer, path: String, identity: DataFile.Identity, mode: Mode, maximumSize: Int
    ) {
        self.handle = handle
        self.path = path
        self.identity = identity
        self.mode = mode
        self.maximumSize = maximumSize
    }

    deinit { EnvironmentRegistry.close(handle, identity: identity) }

    /// The named database.
    ///
    /// - Parameter createIfMissing: Makes it in a write transaction of its own.
    /// - Throws: `databaseMissing`.
    public func database(_ name: String, createIfMissing: Bool) throws(LMDBError) -> Database {
        // LMDB lets one transaction at a time open databases, which this lock sees to.
        let opened = databases.withLock { databases in
            Result { () throws(LMDBError) -> MDB_dbi in
                if let known = databases[name] { return known }
                var code = CInt(0)
                var database = try open(name, flags: 0, readOnly: true, &code)
                if code == MDB_NOTFOUND, createIfMissing {
                    try requireWritable("creating database \"\(name)\"")
                    database = try open(name, flags: UInt32(MDB_CREATE), readOnly: false, &code)
                }
                guard code != MDB_NOTFOUND else {
                    throw LMDBError(
                        .databaseMissing, "\(path): there is no database \"\(name)\"; check the path")
                }
                guard code == MDB_SUCCESS else {
                    throw LMDBError(returnCode: code, path: path, doing: "opening database \"\(name)\"")
                }
                databases[name] = database
                return database
            }
        }
        return Database(name: name, handle: try opened.get(), environment: ObjectIdentifier(self))
    }

    private func open(
        _ name: String, flags: UInt32, readOnly: Bool, _ code: inout CInt
    ) throws(LMDBError) -> MDB_dbi {
        let transaction = try begin(readOnly: readOnly)
        defer { gate.leave() }
        var database = MDB_dbi()
        code = mdb_dbi_open(transaction, name, flags, &database)
        if code == MDB_SUCCESS {
            // Only a commit keeps the handle, even of a transaction that read.
            code = mdb_txn_commit(transaction)
        } else {
            mdb_txn_abort(transaction)
        }
        return database
    }

    /// Runs `body` with one committed state of the environment.
    ///
    /// - Throws: `LMDBError` (`nestedTransaction` inside another transaction of this environment on the same
    ///   thread), and whatever `body` throws.
    public func read<Result>(_ body: (borrowing ReadTransaction) throws -> Result) throws -> Result {
        let transaction = try begin(readOnly: true)
        defer {
            mdb_txn_abort(transaction)
            gate.leave()
        }
        return try body(Transaction(handle: transaction, environment: self))
    }

    /// Runs `body` with the write transaction and commits when it returns; an error leaves everything as it was.
    ///
    /// Waits for other writers, and for the disk. `body` runs again from the start when the map has to grow, so it
    /// must not change anything else.
    ///
    /// - Throws: `LMDBError` (`readOnly`, `diskFull`, `mapFull`, `nestedTransaction`, …), and whatever `body` throws.
    public func write<Result>(_ body: (inout WriteTransaction) throws -> Result) throws -> Result {
        try requireWritable("writing")
        while true {
            let size: Int
            do {
                return try writeOnce(body)
            } catch let error as LMDBError where error.code == .mapFull {
                size = try information().me_mapsize
            }
            try grow(beyond: size)
        }
    }

    /// Runs `body` with the handle of a transaction that reads.
    func reading<Result>(
        _ body: (OpaquePointer) throws(LMDBError) -> Result
    ) throws(LMDBError) -> Result {
        let transaction = try begin(readOnly: true)
        defer {
            mdb_txn_abort(transaction)
            gate.leave()
        }
        return try body(transaction)
    }

    private func writeOnce<Result>(_ body: (inout WriteTransaction) throws -> Result) throws -> Result {
        let handle = try begin(readOnly: false)
        defer { gate.leave() }
        var transaction = WriteTransaction(handle: handle, environment: self)
        let result: Result
        do {
            result = try body(&transaction)
        } catch {
            mdb_txn_abort(handle)
            throw error
        }
        let code = mdb_txn_commit(handle)
        guard code == MDB_SUCCESS else { throw LMDBError(returnCode: code, path: path, doing: "committing") }
        try extendToLength()
        return result
    }

    /// Passes the gate and begins a transaction; who called ends it, then leaves the gate.
    private func begin(readOnly: Bool) throws(LMDBError) -> OpaquePointer {
        var checkedReaders = false
        while true {
            try enter()
            var transaction: OpaquePointer?
            let code = mdb_txn_begin(self.handle, nil, readOnly ? UInt32(MDB_RDONLY) : 0, &transaction)
            if code == MDB_SUCCESS, let transaction { return transaction }
            gate.leave()
            switch code {
            case MDB_MAP_RESIZED:
                try resize { _ in 0 }
            case MDB_READERS_FULL where !checkedReaders:
                // Slots of processes that were killed.
                mdb_reader_check(self.handle, nil)
                checkedReaders = true
            default:
                throw LMDBError(returnCode: code, path: path, doing: "beginning a transaction")
            }
        }
    }

    func enter() throws(LMDBError) {
        guard gate.enter() else {
            throw LMDBError(
                .nestedTransaction, "\(path): the thread is inside a transaction already; finish it first")
        }
        guard !lostMap.load(ordering: .relaxed) else {
            gate.leave()
            throw LMDBError(
                .system, "\(path): the memory map was lost for want of address space; restart the process")
        }
    }

    private func requireWritable(_ action: String) throws(LMDBError) {
        guard mode == .readWrite else {
            throw LMDBError(
                .readOnly, "\(path): \(action) failed: it was opened for reading only; open it for writing")
        }
    }

    // MARK: Growing

    private func grow(beyond size: Int) throws(LMDBError) {
        guard size < maximumSize else {
            throw LMDBError(
                .mapFull,
                "\(path): the data reached the maximum of \(maximumSize) bytes and nothing was changed; remove"
                    + " what is not needed or raise the maximum")
        }
        let target = min(maximumSize, max(size, 1 << 19) * 2)
        // Another thread may have grown it meanwhile.
        try resize { current in current > size ? nil : target }
    }

    /// Maps the size that `choose` returns for the current one, 0 being the size that another process made it.
    private func resize(_ choose: (Int) -> Int?) throws(LMDBError) {
        let code = gate.alone { () -> CInt in
            var information = MDB_envinfo()
            guard !lostMap.load(ordering: .relaxed) else { return MDB_SUCCESS }
            mdb_env_info(handle, &information)
            guard let size = choose(information.me_mapsize) else { return MDB_SUCCESS }
            let code = mdb_env_set_mapsize(handle, size)
            if code != MDB_SUCCESS { lostMap.store(true, ordering: .relaxed) }
            return code
        }
        guard code == MDB_SUCCESS else {
            throw LMDBError(returnCode: code, path: path, doing: "growing the memory map")
        }
    }

    private func information() throws(LMDBError) -> MDB_envinfo {
        try enter()
        defer { gate.leave() }
        var information = MDB_envinfo()
        mdb_env_info(handle, &information)
        return information
    }
}
